"""Words, sentences and passages as spans of an untouched text."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

import rasid.text
from rasid.text import Span, is_furniture, is_punctuation, paragraphs, passages, sentences, trimmed, words

SEEDS = Path(__file__).parents[1] / "seeds"
# The controls that words leave out at their ends: soft hyphen, Arabic letter mark, zero-width and bidi ones.
CONTROLS = regex.compile(r"[\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF]")
ARABIC = st.text(alphabet="ابتسمنويةىأإءـًَُِّْ٠٣٩,.،؛؟!…*_'-\"«»() \n\t\u200f\u200e\u061c\ufeffaB7😀", max_size=80)
ANY = st.one_of(st.text(max_size=80), ARABIC)


def surfaces(text: str) -> list[str]:
    return [span.of(text) for span in words(text)]


def by_seed(test: Callable[..., None]) -> Any:
    """Runs a test on each seed article, read so that line ends keep their offsets."""
    texts = {path.stem: path.read_bytes().decode() for path in sorted(SEEDS.glob("*.txt"))}
    return pytest.mark.parametrize("text", texts.values(), ids=list(texts))(test)


def in_order(spans: list[Span]) -> bool:
    return all(a.start < a.end <= b.start < b.end for a, b in itertools.pairwise(spans))


@given(ANY)
def test_every_character_that_shows_stands_in_exactly_one_word(text: str) -> None:
    found = words(text)
    covered = [place for span in found for place in range(span.start, span.end)]
    assert len(covered) == len(set(covered))
    expected = {i for i, c in enumerate(text) if not regex.match(r"\s", c) and not CONTROLS.match(c)}
    assert expected <= set(covered)
    # What is covered besides is a control between two letters of one word.
    assert all(CONTROLS.match(text[place]) for place in set(covered) - expected)


@given(ANY)
def test_words_are_ordered_and_bare_at_their_ends(text: str) -> None:
    found = words(text)
    assert in_order(found)
    for span in found:
        word = span.of(text)
        assert word == word.strip() or not word.strip()
        assert not CONTROLS.match(word[0])
        assert not CONTROLS.match(word[-1])
        assert not regex.search(r"\s", word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\u200f\t", []),
        ("قال، إنه", ["قال", "،", "إنه"]),
        ("انفجرت الألغـ,ام ليلا", ["انفجرت", "الألغـ,ام", "ليلا"]),
        ("سقط قت*لى", ["سقط", "قت*لى"]),
        ("الخيام,والبرد", ["الخيام", ",", "والبرد"]),  # a lost space is no dodge
        ("نسبة 3.5% أو ٣٫٥", ["نسبة", "3.5", "%", "أو", "٣٫٥"]),
        ("عام 2019.", ["عام", "2019", "."]),
        ("مُحَمَّدٌ", ["مُحَمَّدٌ"]),
        ("الـــبيت", ["الـــبيت"]),
        ("\u202bدمشق\u202c", ["دمشق"]),
        ("دم\u200cشق", ["دم\u200cشق"]),
        ("“قسد”", ["“", "قسد", "”"]),
        ("😀😀", ["😀", "😀"]),
    ],
)
def test_words_of(text: str, expected: list[str]) -> None:
    assert surfaces(text) == expected


@given(ANY)
def test_passages_are_disjoint_trimmed_and_repeatable(text: str) -> None:
    found = passages(text)
    assert found == passages(text)
    assert in_order(found)
    assert all(span.of(text) == span.of(text).strip() for span in found)


@given(ANY)
def test_sentences_lose_nothing_but_white_space(text: str) -> None:
    found = sentences(text)
    assert in_order(found)
    covered = {place for span in found for place in range(span.start, span.end)}
    assert all(text[place].isspace() for place in set(range(len(text))) - covered)


@by_seed
def test_passages_of_the_seeds_hold_every_word_outside_the_furniture(text: str) -> None:
    found = passages(text)
    furniture = [span for span in paragraphs(text) if is_furniture(span.of(text))]
    for word in words(text):
        holders = [span for span in [*found, *furniture] if span.contains(word)]
        assert len(holders) == 1, word.of(text)


@by_seed
def test_a_passage_is_a_paragraph_or_at_most_three_sentences(text: str) -> None:
    whole = set(paragraphs(text))
    for passage in passages(text):
        assert passage in whole or len(sentences(text, passage)) <= 3


def test_a_line_broken_after_a_particle_goes_on() -> None:
    text = "خاض المقاتلون معركة ضد\nتنظيم داعش في الباغوز.\nانتهى اليوم."
    assert [span.of(text) for span in paragraphs(text)] == [
        "خاض المقاتلون معركة ضد\nتنظيم داعش في الباغوز.",
        "انتهى اليوم.",
    ]


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("وصلت القافلة إلى المخيم،\nثم غادرت.", True),
        ("زار وفد من قوات (\nقسد) المخيم.", True),
        ("زار الوفد “\nالمخيم” اليوم.", True),
        ("وصلت القافلة\n، ثم غادرت.", True),
        ("وصلت القافلة إلى المخيم\nثم غادرت.", False),  # a headline looks like this
        ("وصلت القافلة.\nثم غادرت.", False),
        ("وصلت القافلة،\n\nثم غادرت.", False),
        ("وصلت القافلة،\nالمصدر: وكالات", False),
        ("تخطى إلى المحتوى\n، ثم غادرت.", False),
    ],
)
def test_a_line_that_leaves_its_sentence_open_goes_on(text: str, joined: bool) -> None:
    assert (len(paragraphs(text)) == 1) == joined


def wrapped(paragraph: str, width: int) -> str:
    return textwrap.fill(paragraph, width)


@pytest.mark.parametrize("width", [40, 72, 110])
def test_a_text_wrapped_at_some_width_is_read_in_its_own_paragraphs_and_sentences(width: int) -> None:
    sentence = "وصلت إلى المخيم شاحنات محملة بالخيام والبطانيات قبل حلول الليل وغادرت صباح اليوم التالي نحو الجنوب"
    endings = ["الأول.", "الثاني.", "الثالث.", "الرابع.", "الخامس.", "السادس."]
    whole = [f"{sentence}، {sentence}، {sentence} {ending}" for ending in endings]
    blocks = [" ".join(whole[:3]), " ".join(whole[3:])]
    text = "\n\n".join(wrapped(block, width) for block in blocks)
    assert [span.of(text).split() for span in paragraphs(text)] == [block.split() for block in blocks]
    assert [span.of(text).split()[-1] for span in sentences(text)] == endings


def test_lines_that_are_paragraphs_are_not_taken_for_a_wrapped_text() -> None:
    lines = ["الطقس غدا", "تصل درجات الحرارة إلى أربعين", "رياح خفيفة على الساحل", "أمطار متفرقة", "ضباب في الصباح"]
    assert len(paragraphs("\n".join(lines))) == len(lines)


def test_a_particle_at_the_very_end_loses_nothing() -> None:
    assert [span.of("سار إلى") for span in paragraphs("سار إلى")] == ["سار إلى"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("وصلت القافلة. ثم غادرت!", ["وصلت القافلة.", "ثم غادرت!"]),
        ("بلغت 3.5 مليون. انتهى", ["بلغت 3.5 مليون.", "انتهى"]),
        ("قال ج. سليم ذلك", ["قال ج. سليم ذلك"]),  # an initial
        ("هل وصلوا؟ نعم", ["هل وصلوا؟", "نعم"]),
        ("انتهى القتال.وعاد الناس", ["انتهى القتال.", "وعاد الناس"]),  # a lost space
        ("هل انتهى القتال؟وعاد الناس", ["هل انتهى القتال؟", "وعاد الناس"]),
        ("قال “انتهى القتال”.وعاد الناس", ["قال “انتهى القتال”.", "وعاد الناس"]),
        ("يا للهول؟!وعاد الناس", ["يا للهول؟!", "وعاد الناس"]),
        ("قال: “انتهينا.” ثم خرج", ["قال: “انتهينا.”", "ثم خرج"]),
    ],
)
def test_sentences_of(text: str, expected: list[str]) -> None:
    assert [span.of(text) for span in sentences(text)] == expected


def test_a_long_paragraph_is_cut_between_sentences_and_furniture_is_skipped() -> None:
    sentence = "وصلت إلى المخيم شاحنات محملة بالخيام والبطانيات قبل حلول الليل " * 4 + "اليوم."
    text = "تخطى إلى المحتوى\n" + " ".join([sentence] * 7) + "\nA+ A-\nخاتمة"
    found = [span.of(text) for span in passages(text)]
    assert found[-1] == "خاتمة"
    assert len(found) > 3
    assert all(len(passage) <= 700 for passage in found)
    assert all(passage.endswith("اليوم.") for passage in found[:-1])
    assert not any("المحتوى" in passage or "A+" in passage for passage in found)


@pytest.mark.parametrize("line", ["تخطى إلى المحتوى", " A+ A- ", "المصدر: وكالات", "اقرأ أيضا"])
def test_furniture(line: str) -> None:
    assert is_furniture(line)


@pytest.mark.parametrize("line", ["", "قال المصدر إن القتال انتهى", "تخطى المقاتلون السور"])
def test_not_furniture(line: str) -> None:
    assert not is_furniture(line)


@given(st.tuples(*[st.integers(0, 6)] * 4))
def test_span_relations_agree_with_sets_of_places(ends: tuple[int, int, int, int]) -> None:
    a, b = Span(min(ends[:2]), max(ends[:2]) + 1), Span(min(ends[2:]), max(ends[2:]) + 1)
    left, right = set(range(a.start, a.end)), set(range(b.start, b.end))
    assert a.overlaps(b) == bool(left & right)
    assert a.contains(b) == (right <= left)
    assert a.crosses(b) == (bool(left & right) and not left <= right and not right <= left)
    assert len(a) == len(left)


@pytest.mark.parametrize(("word", "expected"), [("،", True), ("“", True), ("😀", True), ("3", False), ("و", False)])
def test_is_punctuation(word: str, expected: bool) -> None:
    assert is_punctuation(word) is expected


@pytest.mark.parametrize("text", ["ا" * 100_000, "قال " * 50_000, "ـ" * 100_000, "ا,*" * 30_000, "." * 100_000])
def test_long_input_takes_time_in_proportion(text: str) -> None:
    """Seconds, not hours, on an endless word or line; a quadratic pattern would hang here."""
    assert words(text)
    assert passages(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("«70%»", "70%"),
        ("(٤٪).", "٤٪"),
        ("$5،", "$5"),
        ("”الهدنة“", "الهدنة"),
        ("٪", ""),
        ("...", ""),
    ],
)
def test_trimming_leaves_the_signs_that_make_an_amount(text: str, kept: str) -> None:
    cut = words(text)
    places = trimmed(text, cut, 0, len(cut))
    assert (text[cut[places.start].start : cut[places.stop - 1].end] if places else "") == kept


@given(st.text(alphabet="ابس\u0640\u064b\u200f،.,_*1٣\u066b \n\t\x1c\x85\u00a0\u3000x😀", max_size=60))
def test_words_cut_chunk_by_chunk_are_those_of_the_whole_text(text: str) -> None:
    assert [(word.start, word.end) for word in words(text)] == [*rasid.text._ranges(text)]


def test_chunks_end_at_what_the_patterns_take_for_white_space() -> None:
    every = [chr(number) for number in range(0x110000)]
    assert [c for c in every if not rasid.text._CHUNK.match(c)] == regex.findall(r"\s", "".join(every))


def test_a_full_stop_inside_a_word_ends_no_sentence() -> None:
    text = "نددت الحكومة بالاحت.لال وقالت إنه انتهى.وأضافت أن الهدنة قائمة"
    assert [span.of(text) for span in sentences(text)] == [
        "نددت الحكومة بالاحت.لال وقالت إنه انتهى.",
        "وأضافت أن الهدنة قائمة",
    ]
    assert [span.of("الاحت.لال") for span in sentences("الاحت.لال")] == ["الاحت.لال"]
