"""Confusion of types: every gold entity in one cell, every cell's errors in the list."""

from __future__ import annotations

from collections import Counter

from rasid.confusion import ENDS, MISSED, SPURIOUS, Cell, confusion
from rasid.excerpt import Excerpt
from rasid.mistakes import Kind, Mistake
from rasid.records import Entity


def mistake(kind: Kind, gold: str | None, predicted: str | None) -> Mistake:
    one, other = (name and Entity(id="T", type=name, start=0, end=1, surface="أ") for name in (gold, predicted))
    return Mistake(kind, "d", one or None, other or None, Excerpt(0, "أ"))


WRONG = [
    mistake("wrong type", "GPE", "ORG"),
    mistake("wrong type and ends", "GPE", "ORG"),
    mistake("too long", "GPE", "GPE"),
    mistake("missed", "GPE", None),
    mistake("spurious", None, "LOC"),
]
FAULTS = Counter(each.fault for each in WRONG)


def test_every_gold_entity_stands_in_one_cell_of_its_row() -> None:
    found = confusion(FAULTS, {"GPE": 10, "ORG": 3, "LOC": 0})
    assert found.types == ("GPE", "LOC", "ORG")
    assert set(found.cells) == {
        Cell("GPE", "GPE", 6),
        Cell("GPE", "ORG", 2),
        Cell("GPE", ENDS, 1),
        Cell("GPE", MISSED, 1),
        Cell("ORG", "ORG", 3),
        Cell(SPURIOUS, "LOC", 1),
    }
    assert found.row_total("GPE") == 10
    assert found.wrong[0] == Cell("GPE", "ORG", 2)
    assert all(cell.gold != cell.predicted for cell in found.wrong)


def test_rare_types_are_left_out_and_counted() -> None:
    found = confusion(FAULTS, {"GPE": 10, "ORG": 3, "LOC": 0}, most=1)
    assert (found.types, found.left_out) == (("GPE",), 2)
    assert {cell.predicted for cell in found.cells} == {"GPE", ENDS, MISSED}
