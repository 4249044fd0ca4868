"""Mistakes by kind: every wrong entity stands in exactly one, under the right name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rasid.errors import DataError
from rasid.excerpt import Excerpt
from rasid.metrics import Unit, span_scores
from rasid.mistakecounts import count_kinds, count_mistakes, page, write_mistakes
from rasid.mistakes import MEANING, Mistake, mistakes, read_mistakes
from rasid.records import Entity, Record, sha256_of

TEXT = "أ ب ج د ه و ز ح ط ي"  # words of one letter: word n stands at [2n, 2n + 1)


def entity(first: int, last: int, label: str, score: float | None = None) -> Entity:
    start, end = 2 * first, 2 * last + 1
    return Entity(id=f"T{first}-{last}-{label}", type=label, start=start, end=end, surface=TEXT[start:end], score=score)


def record(*entities: Entity) -> Record:
    return Record(doc="d", sha256=sha256_of(TEXT), entities=entities)


def kinds(gold: list[Entity], predicted: list[Entity]) -> list[str]:
    return [each.kind for each in mistakes(record(*gold), record(*predicted), TEXT)]


def test_kinds_of_pairs() -> None:
    gold = [entity(2, 4, "ORG")]
    assert kinds(gold, [entity(2, 4, "ORG")]) == []
    assert kinds(gold, [entity(2, 4, "GPE")]) == ["wrong type"]
    assert kinds(gold, [entity(2, 5, "ORG")]) == ["too long"]
    assert kinds(gold, [entity(3, 4, "ORG")]) == ["too short"]
    assert kinds(gold, [entity(4, 7, "ORG")]) == ["shifted"]
    assert kinds(gold, [entity(2, 3, "GPE")]) == ["wrong type and ends"]


def test_kinds_without_a_counterpart() -> None:
    assert kinds([entity(0, 0, "PERS")], []) == ["missed"]
    assert kinds([], [entity(0, 0, "PERS")]) == ["spurious"]
    outer, inner = entity(0, 3, "ORG"), entity(3, 3, "GPE")
    assert kinds([outer, inner], [outer]) == ["child missed"]
    assert kinds([outer, inner], [inner]) == ["parent missed"]
    assert kinds([outer], [outer, inner]) == ["spurious child"]


def test_much_the_same_words_are_one_mistake_and_hardly_the_same_are_two() -> None:
    assert kinds([entity(0, 5, "ORG")], [entity(5, 5, "GPE")]) == ["missed", "spurious child"]
    assert kinds([entity(0, 5, "ORG")], [entity(5, 5, "ORG")]) == ["too short"]


def test_the_likest_are_paired() -> None:
    found = mistakes(record(entity(0, 3, "ORG")), record(entity(0, 0, "ORG"), entity(1, 3, "ORG")), TEXT)
    assert sorted(each.kind for each in found) == ["spurious child", "too short"]
    (pair,) = [each for each in found if each.gold and each.predicted]
    assert pair.surface == "أ ب ج د -> ب ج د"
    assert (pair.types, pair.context) == ("ORG", "⟦أ ب ج د⟧ ه و ز ح ط ي")


spans = st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from(["ORG", "GPE", "PERS"]))
entities = st.lists(spans, max_size=8, unique=True).map(
    lambda rows: [entity(first, min(9, first + more), label) for first, more, label in rows]
)


@given(entities, entities)
def test_every_wrong_entity_stands_in_one_mistake(gold: list[Entity], predicted: list[Entity]) -> None:
    left, right = record(*gold), record(*predicted)
    found = mistakes(left, right, TEXT)
    keys = [{(e.start, e.end, e.type) for e in side.entities} for side in (left, right)]
    wrong = [[(e.start, e.end, e.type) for m in found if (e := pick(m))] for pick in (gold_of, predicted_of)]
    assert sorted(wrong[0]) == sorted(keys[0] - keys[1])
    assert sorted(wrong[1]) == sorted(keys[1] - keys[0])
    counts = count_kinds(count_mistakes(found).faults, *map(len, keys))
    assert sum(each.count for each in counts) == len(found)
    reached = span_scores([Unit(left.entities, right.entities)]).micro.f1
    assert all(each.f1_without >= reached - 1e-12 for each in counts)
    if len(counts) == 1 and keys[0]:
        assert counts[0].f1_without == 1.0


def gold_of(mistake: Mistake) -> Entity | None:
    return mistake.gold


def predicted_of(mistake: Mistake) -> Entity | None:
    return mistake.predicted


def test_what_each_kind_costs() -> None:
    gold = [entity(0, 0, "PERS"), entity(2, 3, "ORG"), entity(5, 5, "GPE")]
    predicted = [entity(2, 4, "ORG"), entity(5, 5, "GPE"), entity(8, 8, "LOC")]
    found = mistakes(record(*gold), record(*predicted), TEXT)
    costs = {each.kind: each.f1_without for each in count_kinds(count_mistakes(found).faults, 3, 3)}
    assert costs == {
        "missed": pytest.approx(2 * 2 / 7),
        "too long": pytest.approx(2 * 2 / 6),
        "spurious": pytest.approx(2 * 1 / 5),
    }


def test_the_page_and_the_list(tmp_path: Path) -> None:
    gold = record(entity(0, 0, "PERS"), entity(2, 3, "ORG"))
    predicted = record(entity(2, 4, "ORG", score=0.4))
    found = mistakes(gold, predicted, TEXT)
    write_mistakes(found, [gold], [predicted], tmp_path / "e.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["kind"] for row in rows] == ["missed", "too long"]
    assert rows[0] == {
        "kind": "missed",
        "types": "PERS",
        "surface": "أ",
        "doc": "d",
        "gold": {"type": "PERS", "start": 0, "end": 1, "surface": "أ"},
        "context": "⟦أ⟧ ب ج د ه و ز ح ط ي",
        "excerpt": {"start": 0, "text": TEXT},
    }
    assert rows[1]["predicted"]["score"] == 0.4
    back = read_mistakes(tmp_path / "e.jsonl")
    assert [each.to_json() for each in back] == [each.to_json() for each in found]
    text = (tmp_path / "e.md").read_text(encoding="utf-8")
    assert text.startswith("# Errors by kind\n\n2 gold entities, 1 predicted, 0 right: strict F1 0.000")
    assert "### missed (1)" in text
    assert f"too long: {MEANING['too long']}" in text
    assert "What was done:" in text


def test_the_commonest_come_first_whatever_their_spelling() -> None:
    often = [Mistake("missed", f"d{n}", entity(0, 0, "PERS"), None, Excerpt(0, TEXT)) for n in range(3)]
    once = [Mistake("missed", "d", entity(n, n, "ORG"), None, Excerpt(0, TEXT)) for n in range(1, 9)]
    text = page([*once, *often], 11, 0, commonest=2)
    section = text[text.index("### missed (11)") :]
    first, second = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert "PERS |     3 |        3" in first
    assert "ORG" in second


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"kind": "odd", "doc": "d"}', '{"kind": "missed", "doc": "d"}'])
def test_a_list_that_is_none_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"e\.jsonl:2: not an error as"):
        read_mistakes(tmp_path / "e.jsonl")
