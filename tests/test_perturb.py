"""Perturbations: offsets carried along over arbitrary Unicode, what each may change, and what the normaliser undoes."""

from __future__ import annotations

from random import Random

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from rasid.normalizer import normalise
from rasid.perturb import PERTURBATIONS, Changes, Perturbed, perturb
from rasid.text import Span, words

LETTERS = "ابتثجحخدذرزسشصضطظعغفقكلمنهويءآأإؤئىة"
ARABIC = st.text(alphabet=LETTERS + "  \u064e\u0640\u200f،.,-*_0123٤٥abC", max_size=60)
TEXTS = st.one_of(ARABIC, st.text(alphabet=st.characters(codec=None), max_size=40))
NAMES = st.sampled_from(sorted(PERTURBATIONS))
NEWS = (
    "أعلنت وزارة الصحة في مدينة الميناء افتتاح مستشفى جديد قرب النهر يوم الأحد 12 مارس 2019.",
    "وقال رئيس البلدية سامر الحداد إن المشروع كلف مليوني دولار وسيخدم ثلاثين ألف نسمة.",
    "وانتقد اتحاد الصيادين تأخر الحكومة في توزيع المساعدات على القرى الساحلية والمدينة القديمة.",
) * 5

# What undoes each, on text alone; both sides are undone, since the original may hold the same signs.
CONTROLS = r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
UNDO = {
    "harakat": lambda text: regex.sub(r"[\u064b-\u0652]", "", text),
    "tatweel": lambda text: text.replace("\u0640", ""),
    "letter_forms": lambda text: regex.sub("[أإآ]", "ا", text).replace("ى", "ي").replace("ة", "ه"),
    "lost_spaces": lambda text: text.replace(" ", ""),
    "dodges": lambda text: regex.sub(r"[ـ,.،\-*_~|·]", "", text),
    "bare_marks": lambda text: regex.sub(r"[.,\-/]", "", text),
    "digits": lambda text: text.translate(str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789")),
    "bidi": lambda text: regex.sub(CONTROLS, "", text),
}


def spans_of(data: st.DataObject, text: str) -> Span:
    start = data.draw(st.integers(0, len(text) - 1))
    return Span(start, data.draw(st.integers(start + 1, len(text))))


@given(NAMES, TEXTS, st.integers(0, 3))
def test_the_mapping_is_monotone_and_accounts_for_every_character(name: str, text: str, seed: int) -> None:
    found = perturb(name, text, seed)
    assert len(found.starts) == len(found.ends) == len(text)
    places = [place for pair in zip(found.starts, found.ends, strict=True) for place in pair]
    assert places == sorted(places)
    assert all(0 <= place <= len(found.text) for place in places)
    kept = "".join(found.text[a:b] for a, b in zip(found.starts, found.ends, strict=True))
    if name in ("dodges", "bare_marks", "bidi"):
        assert kept == text  # they put something in and change no character


@given(st.sampled_from(sorted(UNDO)), TEXTS, st.integers(0, 3), st.data())
def test_a_moved_span_reads_as_the_original_once_undone(name: str, text: str, seed: int, data: st.DataObject) -> None:
    if not text:
        return
    span = spans_of(data, text)
    found = perturb(name, text, seed)
    assert UNDO[name](found.move(span).of(found.text)) == UNDO[name](span.of(text))
    assert UNDO[name](found.text) == UNDO[name](text)


@given(TEXTS, st.integers(0, 3), st.data())
def test_a_typo_is_one_slip_inside_a_word(text: str, seed: int, data: st.DataObject) -> None:
    found = perturb("typos", text, seed)
    changed = [i for i in range(len(text)) if found.text[found.starts[i] : found.ends[i]] != text[i]]
    for place in changed:
        image = found.text[found.starts[place] : found.ends[place]]
        assert image == "" or image == 2 * text[place] or (len(image) == 1 and image in LETTERS)
        assert text[place - 1] in LETTERS
    cut = [span for span in words(text) if len(span) >= 4]
    assert all(sum(i in range(w.start, w.end) for i in changed) <= max(1, len(w) // 4) for w in cut)
    if text:
        span = spans_of(data, text)
        kept = [i for i in range(span.start, span.end) if i not in changed]
        moved = found.move(span)
        assert all(moved.start <= found.starts[i] < found.ends[i] <= moved.end for i in kept)


@given(NAMES, TEXTS, st.data())
def test_nested_spans_stay_nested_and_others_apart(name: str, text: str, data: st.DataObject) -> None:
    if not text:
        return
    one, other = spans_of(data, text), spans_of(data, text)
    found = perturb(name, text)
    left, right = found.move(one), found.move(other)
    if len(left) and len(right):
        assert not one.contains(other) or left.contains(right)
        assert one.overlaps(other) or not left.overlaps(right)
        assert one.crosses(other) or not left.crosses(right)


@given(NAMES, TEXTS, st.integers(0, 9))
def test_the_same_seed_gives_the_same_text(name: str, text: str, seed: int) -> None:
    assert perturb(name, text, seed) == perturb(name, text, seed)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_it_changes_news_and_another_seed_changes_it_otherwise(name: str) -> None:
    text = " ".join(NEWS)
    first, second = perturb(name, text, 0).text, perturb(name, text, 1).text
    assert first != text
    assert (first != second) == (name != "digits")  # which leaves nothing to chance


@pytest.mark.parametrize("name", ["harakat", "tatweel", "letter_forms", "dodges", "digits", "bidi"])
def test_the_normaliser_undoes_it_word_by_word(name: str) -> None:
    for seed in range(20):
        for text in NEWS[:3]:
            found = perturb(name, text, seed)
            cut = words(found.text)
            assert [normalise(w.of(found.text)) for w in cut] == [normalise(w.of(text)) for w in words(text)]
            assert cut == [found.move(w) for w in words(text)]


def test_about_one_space_in_twenty_is_lost() -> None:
    text = "كلمة " * 20_000
    assert 900 < len(text) - len(perturb("lost_spaces", text).text) < 1100


def test_names_glued_by_a_lost_space_keep_their_own_characters() -> None:
    text = "زار سوريا والعراق"
    found = Changes({9: ""}).applied(text)
    assert found.text == "زار سورياوالعراق"
    assert found.move(Span(4, 9)).of(found.text) == "سوريا"
    assert found.move(Span(10, 17)).of(found.text) == "والعراق"
    assert found.move(Span(4, 17)).of(found.text) == "سورياوالعراق"


def test_what_is_put_between_words_belongs_to_neither_and_what_is_lost_is_empty() -> None:
    changes = Changes({0: "", 1: ""})
    changes.put(2, "<")
    changes.put(4, ">")
    found = changes.applied("اب جد")
    assert found == Perturbed("< ج>د", (0, 0, 1, 2, 4), (0, 0, 2, 3, 5))
    assert found.move(Span(0, 2)) == Span(0, 0)
    assert found.move(Span(0, 4)).of(found.text) == " ج"


def test_a_haraka_goes_where_there_is_none() -> None:
    assert PERTURBATIONS["harakat"]("بَتُ", Random(0)).images == {}


def test_an_unknown_perturbation_is_an_error() -> None:
    with pytest.raises(KeyError):
        perturb("rot13", "x")
