"""What holds of every record, whatever the text: a property test over arbitrary Unicode and over Arabic in disorder."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rasid.decode import best_paths
from rasid.infer.engine import Engine, open_engine
from rasid.infer.predictor import predict
from rasid.infer.readers import Article
from rasid.labels import WOJOOD
from rasid.records import Record, faults, parse_record
from rasid.repair import read_words
from rasid.text import words

PIECES = st.sampled_from(
    [
        *("داعش", "وتركيا", "قوات سوريا الديمقراطية", "(قسد)", "التنظيم", "للتحالف", "الأمم المتحدة", "سامر الحداد"),
        *(
            "الحداد",
            "12",
            "٧٠٪",
            "مارس",
            "واشنطن",
            "القرية",
            "ديرالزور",
            "سورياوالعراق",
            "الألغـ,ام",
            "مَدِينَة",
            "ـــ",
            "😀",
        ),
        *(" ", " ", "\n", "\n\n", ".", "،", "“", "”", "(", ")", "\u200f", "\u202b", "\ufeff", "\0", "\x1c", "\u2028"),
    ]
)
SEEDS = Path(__file__).parents[1] / "seeds"
SPACES = (" ", "\n", "\n\n", "\r\n", " \n\t", "\u00a0", "\u2028")
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)  # half a surrogate pair is no text
TEXTS = st.one_of(ANYTHING, st.lists(PIECES, max_size=60).map("".join), st.lists(PIECES, max_size=60).map(" ".join))
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Engine:
    return open_engine(str(tiny_model), torch.device("cpu"))


def record_of(engine: Engine, text: str) -> Record:
    (record,) = predict(engine, [Article("doc", text)])
    return record


@QUICK
@given(text=TEXTS)
def test_every_record_is_sound(engine: Engine, text: str) -> None:
    record = record_of(engine, text)
    assert faults(record, text) == []
    assert all(text[e.start : e.end] == e.surface for e in record.entities)
    assert all(e.score is not None and 0 <= e.score <= 1 for e in record.entities)
    for one, other in zip(record.entities, record.entities[1:], strict=False):
        assert (one.start, -one.end) <= (other.start, -other.end)
    assert [e.id for e in record.entities] == [f"T{n}" for n in range(1, len(record.entities) + 1)]
    first = list(dict.fromkeys(e.cluster for e in record.entities if e.cluster))
    assert [c.id for c in record.clusters] == first == [f"C{n}" for n in range(1, len(first) + 1)]
    assert parse_record(record.to_json(), "here") == record


@QUICK
@given(text=TEXTS)
def test_spans_never_cross_and_end_on_words(engine: Engine, text: str) -> None:
    cut = read_words(text)
    starts, ends = {w.start for w in cut}, {w.end for w in cut}
    spans = [e.span for e in record_of(engine, text).entities]
    assert all(span.start in starts and span.end in ends for span in spans)
    assert not any(one.crosses(other) for one in spans for other in spans)


@QUICK
@given(text=TEXTS)
def test_every_character_stands_in_one_word_and_every_word_has_one_label_per_type(engine: Engine, text: str) -> None:
    cut = words(text)
    cover = np.zeros(len(text), dtype=int)
    for word in cut:
        cover[word.start : word.end] += 1
    assert cover.max(initial=0) <= 1
    for place, character in enumerate(text):
        if not character.isspace() and unicodedata.category(character) not in ("Cf", "Cc"):
            assert cover[place] == 1, (place, character)
    (scores,) = engine.word_scores([[word.of(text) for word in cut]])
    assert scores.shape == (len(cut), len(WOJOOD), 3)
    assert np.isfinite(scores).all()
    labels = best_paths(scores)
    assert labels.shape == (len(cut), len(WOJOOD))
    inside = labels == 2
    assert not inside[:1].any()
    assert (labels[:-1][inside[1:]] > 0).all()


@QUICK
@given(text=TEXTS)
def test_stances_are_of_targets_and_evidence_is_theirs(engine: Engine, text: str) -> None:
    record = record_of(engine, text)
    passages = {(s.target, s.scope): s.label for s in record.stances if s.scope != "article"}
    for stance in record.stances:
        if stance.scope == "article":
            assert stance.label == "none" or stance.evidence is not None
            for place in stance.evidence or ():
                assert passages[(stance.target, place)] == stance.label
        else:
            mentions = [e for e in record.entities if e.cluster == stance.target]
            start, end = stance.scope
            assert any(start <= e.start and e.end <= end for e in mentions)


def in_words(engine: Engine, text: str) -> list[tuple[str, int, int, float]]:
    """Entities of a text as type, number of the first and the last word, and score."""
    cut = read_words(text)
    starts, ends = {w.start: n for n, w in enumerate(cut)}, {w.end: n for n, w in enumerate(cut)}
    entities = record_of(engine, text).entities
    return [(e.type, starts[e.start], ends[e.end], e.score or 0.0) for e in entities]


def respaced(text: str, space: str | None, seed: int = 0) -> str:
    """A text with all its white space replaced, one run by one `space`, or by spaces and line ends at random."""
    chance = random.Random(seed)
    words_of = text.split()
    return "".join(word + (space if space is not None else chance.choice(SPACES)) for word in words_of).strip()


@QUICK
@given(text=TEXTS, seed=st.integers(0, 99))
def test_line_ends_and_spaces_make_no_difference_to_entities(engine: Engine, text: str, seed: int) -> None:
    assert in_words(engine, respaced(text, " ")) == in_words(engine, respaced(text, None, seed))


def long_article() -> str:
    """8,000 characters or more, in paragraphs with a headline and page furniture."""
    paragraphs = [
        "تخطى إلى المحتوى",
        "وفد أممي يزور مخيم النخيل شرق مدينة الميناء",
        "الميناء - وكالة المرفأ - 12 مارس 2019",
    ]
    for day in range(1, 34):
        paragraphs.append(
            f"قال رئيس البلدية سامر الحداد يوم {day} أيار إن وزارة الصحة سلمت الهلال الأحمر {day * 7} خيمة في قرية "
            f"الشط. وأضاف أن الأمم المتحدة وعدت بإرسال {day} شاحنات من العراق وتركيا، وأن واشنطن لم ترد بعد على طلب "
            "التحالف الدولي. "
            "ولم تعلق قوات سوريا الديمقراطية (قسد) على ذلك."
        )
    return "\n\n".join([*paragraphs, "المصدر: وكالة المرفأ", "شارك الخبر: فيسبوك تويتر"])


@pytest.mark.parametrize("model", ["compact", "news"])
def test_an_article_in_one_line_and_in_paragraphs_has_the_same_entities(model: str) -> None:
    engine = replace(open_engine(model, torch.device("cpu")), stance_head=None)
    article = long_article()
    assert len(article) > 8000
    texts = [
        article,
        *((SEEDS / f"{name}.txt").read_bytes().decode() for name in ("baghuz-last-pocket", "hol-camp-convoys")),
    ]
    for text in texts:
        line = respaced(text, " ")
        found = in_words(engine, line)
        assert len(found) > 30
        assert in_words(engine, text) == found
        assert in_words(engine, line.replace(". ", ".\n\n")) == found  # paragraphs of a sentence each


def test_page_furniture_is_skipped_as_a_passage_and_stays_in_the_text(engine: Engine) -> None:
    text = long_article()
    record = record_of(engine, text)
    assert faults(record, text) == []
    first, last = text.index("وفد أممي"), text.index("المصدر:")
    scopes = [stance.scope for stance in record.stances if stance.scope != "article"]
    assert scopes
    assert all(first <= start and end <= last for start, end in scopes)
