"""How far two contenders' answers are the same."""

from __future__ import annotations

import json

import pytest

from rasid.infer.sameness import Answers, Sameness, sameness
from rasid.records import Cluster, Entity, Record, Stance


def record(score: float = 0.9, label: str = "favor", identifier: str = "C1", **more: int) -> Record:
    """An organisation with a place inside it, and the author's stance towards it."""
    ends = {"outer": 9, "inner": 9} | more
    return Record(
        doc="a",
        sha256="",
        entities=(
            Entity(id="T1", type="ORG", start=0, end=ends["outer"], surface="", cluster=identifier, score=score),
            Entity(id="T2", type="GPE", start=4, end=ends["inner"], surface="", cluster="C9", score=0.5),
        ),
        clusters=(Cluster(id=identifier, name="المرصد", type="ORG"), Cluster(id="C9", name="سوريا", type="GPE")),
        stances=(Stance(target=identifier, scope="article", label=label, score=0.8),),  # type: ignore[arg-type]
    )


def compared(one: Record, other: Record) -> Sameness:
    return sameness([Answers.of(one)], [Answers.of(other)])


def test_a_record_is_the_same_as_itself_whatever_its_clusters_are_numbered() -> None:
    assert compared(record(), record(identifier="C5")) == Sameness(1.0, 1.0, 1.0, 0.0)


def test_what_differs_is_counted() -> None:
    assert compared(record(), record(inner=8)) == Sameness(1.0, 0.5, 1.0, 0.0)
    assert compared(record(), record(outer=10)) == Sameness(0.0, 0.5, 1.0, 0.0)
    assert compared(record(), record(label="against")) == Sameness(1.0, 1.0, 0.0, 0.0)
    assert compared(record(), record(score=0.65)).apart == pytest.approx(0.25)


def test_saying_nothing_is_the_same_as_saying_nothing() -> None:
    nothing = Record(doc="a", sha256="")
    assert compared(nothing, nothing) == Sameness(1.0, 1.0, 1.0, 0.0)
    assert compared(nothing, record()).entities == 0.0


def test_a_pipeline_is_held_against_the_outermost_entities() -> None:
    found = [
        {"entity_group": "ORG", "start": 0, "end": 9, "score": 0.7, "word": "x"},
        {"entity_group": "GPE", "start": 12, "end": 15, "score": 0.7, "word": "y"},
    ]
    same = sameness([Answers.of_pipeline(found)], [Answers.of(record())])
    assert same == Sameness(pytest.approx(2 / 3), None, None, None)


def test_answers_go_through_json() -> None:
    answers = Answers.of(record())
    assert Answers.of_tree(json.loads(json.dumps(answers.tree()))) == answers
    assert Answers.of_tree(json.loads(json.dumps(Answers.of_pipeline([]).tree()))) == Answers({})
