"""Reported speech: who says what, on sentences written by hand and on the annotated articles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rasid.records import read_exact, read_records
from rasid.speech import AUTHOR, OTHER, Named, quotations, speeches, voices
from rasid.text import Span

ROOT = Path(__file__).parents[1]
# Half of the sentences were held back while the rules were made; what they reached then is the floor here.
LEAST = {"tuning": 0.9, "held": 0.9}


def named_in(text: str, names: list[list[str]]) -> list[Named]:
    found = []
    for kind, name in names:
        start = text.find(name)
        while start >= 0:
            found.append(Named(Span(start, start + len(name)), kind, name))
            start = text.find(name, start + 1)
    return sorted(found, key=lambda mention: mention.span)


def holder_of(text: str, names: list[list[str]], target: str) -> str:
    """The holder of the shortest voice that the target stands in, else the author."""
    start = text.index(target)
    place = Span(start, start + len(target))
    around = [
        voice for voice in voices(text, Span(0, len(text)), named_in(text, names)) if voice.content.contains(place)
    ]
    return min(around, key=lambda voice: len(voice.content)).holder if around else AUTHOR


@pytest.mark.parametrize("part", ["tuning", "held"])
def test_holders_of_sentences_written_by_hand(part: str) -> None:
    rows = [json.loads(line) for line in (ROOT / "tests/data/holders.jsonl").read_text(encoding="utf-8").splitlines()]
    own = [row for row in rows if row["part"] == part]
    right = [holder_of(row["text"], row["named"], row["target"]) == row["holder"] for row in own]
    assert len(own) == 35
    assert sum(right) / len(own) >= LEAST[part]


def test_gold_holders_are_among_the_voices_of_their_passages() -> None:
    found = []
    for _, record in read_records(ROOT / "annotations"):
        text = read_exact(ROOT / "seeds" / f"{record.doc}.txt")
        speakers = [Named(e.span, e.type, e.cluster) for e in record.entities if e.cluster]
        for stance in record.stances:
            if stance.holder != AUTHOR and stance.scope != "article":
                found.append(stance.holder in {v.holder for v in voices(text, Span(*stance.scope), speakers)})
    assert len(found) == 30
    assert sum(found) >= 27


def said(text: str) -> list[tuple[str | None, str]]:
    found = speeches(text, Span(0, len(text)))
    return [(speech.speaker.of(text) if speech.speaker else None, speech.content.of(text)) for speech in found]


def test_a_verb_with_its_speaker() -> None:
    assert said("وقـــال الوزير سليم إن الجسر آمن.") == [("الوزير سليم", "إن الجسر آمن")]


def test_a_participle_goes_on_with_the_last_speaker() -> None:
    text = "قال سليم إن الجسر آمن، مضيفا أن الطريق مفتوح."
    names = [["PERS", "سليم"]]
    assert said(text)[1] == (None, "أن الطريق مفتوح")
    assert {voice.holder for voice in voices(text, Span(0, len(text)), named_in(text, names))} == {"سليم"}


def test_a_source_speaks_the_clause_before_it_or_after_it() -> None:
    assert said("انهار الجسر، بحسب المهندس زاهر.") == [("المهندس زاهر", "انهار الجسر")]
    assert said("وبحسب المهندس زاهر، انهار الجسر.") == [("المهندس زاهر", "انهار الجسر")]


@pytest.mark.parametrize("text", ["أغلق الجسر وفق القانون.", "زار الوزير الجسر.", "هنا الجسر وهناك النهر.", ""])
def test_nobody_speaks(text: str) -> None:
    assert speeches(text, Span(0, len(text))) == []


def test_a_quotation_of_several_sentences_is_one_content() -> None:
    text = "وكتب زاهر: “انهار الجسر. ولم يأت أحد.” ثم مضى."
    assert quotations(text, Span(0, len(text)))[0].of(text) == "“انهار الجسر. ولم يأت أحد.”"
    assert said(text)[0][1].startswith("“انهار الجسر. ولم يأت أحد.”")


def test_a_speaker_without_a_name_is_other() -> None:
    text = "قال مصدر أمني إن الجسر آمن."
    assert [voice.holder for voice in voices(text, Span(0, len(text)), [])] == [OTHER]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from('قال إن“”«»"،.: \nوأكد بحسب عن نقلت مشيرا إلى X1ـ\u200f'), max_size=80))
def test_speech_lies_inside_its_passage(text: str) -> None:
    for speech in speeches(text, Span(0, len(text))):
        for place in (speech.content, *([speech.speaker] if speech.speaker else [])):
            assert 0 <= place.start < place.end <= len(text)
