"""Changes between two runs: what each has right, against a count over the entities themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rasid.changes import Change, Tally, changes, tallies
from rasid.mistakes import Mistake, mistakes
from rasid.records import Entity, Record, sha256_of

TEXT = "أ ب ج د ه و ز ح ط ي"


def entity(word: int, label: str) -> Entity:
    return Entity(id=f"T{word}{label}", type=label, start=2 * word, end=2 * word + 1, surface=TEXT[2 * word])


def wrong(gold: list[Entity], predicted: list[Entity]) -> list[Mistake]:
    sides = [Record(doc="d", sha256=sha256_of(TEXT), entities=tuple(side)) for side in (gold, predicted)]
    return mistakes(*sides, TEXT)


def test_outcomes() -> None:
    gold = [entity(0, "GPE"), entity(2, "ORG"), entity(4, "PERS"), entity(6, "LOC")]
    base = wrong(gold, [entity(2, "ORG"), entity(4, "ORG"), entity(6, "LOC"), entity(8, "DATE")])
    new = wrong(gold, [entity(0, "GPE"), entity(4, "GPE"), entity(6, "LOC"), entity(9, "LAW")])
    found = changes(base, new)
    assert [(each.type, each.outcome, bool(each.gold)) for each in found] == [
        ("GPE", "won", True),
        ("ORG", "lost", True),
        ("PERS", "changed", True),
        ("DATE", "won", False),
        ("LAW", "lost", False),
    ]
    assert changes(base, base) == []
    assert Tally("PERS", 0, 0, 1) in tallies(found)


sides = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["GPE", "ORG"])), unique=True, max_size=8).map(
    lambda rows: [entity(*row) for row in rows]
)


@given(sides, sides, sides)
def test_what_is_won_less_what_is_lost_is_the_difference_in_right_answers(
    gold: list[Entity], base: list[Entity], new: list[Entity]
) -> None:
    found = changes(wrong(gold, base), wrong(gold, new))

    def count(outcome: str) -> int:
        return sum(each.outcome == outcome and each.gold is not None for each in found)

    keys = [{(e.start, e.type) for e in side} for side in (gold, base, new)]
    assert count("won") - count("lost") == len(keys[0] & keys[2]) - len(keys[0] & keys[1])
    assert all(isinstance(each, Change) and (each.base or each.new) for each in found)
