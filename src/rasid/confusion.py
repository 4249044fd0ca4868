"""Confusion of types: what became of the entities of each type, counted from the mistakes.

Every gold entity stands in one cell of its type's row: right, of another type, of its type with other ends, or missed;
predicted entities without a gold one stand in a row of their own. Knows types and counts, nothing of texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rasid.mistakes import Fault

MISSED, SPURIOUS, ENDS = "(missed)", "(spurious)", "(other ends)"
MOST = 30  # types of a matrix that a person can read


@dataclass(frozen=True, slots=True)
class Cell:
    """`count` entities of the row `gold` in the column `predicted`: types, or one of the names in brackets."""

    gold: str
    predicted: str
    count: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Cells that are not nought; `types` in the order of the rows, of `left_out` others nothing is counted."""

    types: tuple[str, ...]
    cells: tuple[Cell, ...]
    left_out: int

    @property
    def wrong(self) -> list[Cell]:
        """The cells off the diagonal, the fullest first."""
        return sorted((cell for cell in self.cells if cell.gold != cell.predicted), key=lambda cell: -cell.count)

    def row_total(self, gold: str) -> int:
        return sum(cell.count for cell in self.cells if cell.gold == gold)


def confusion(faults: Mapping[Fault, int], support: Mapping[str, int], most: int = MOST) -> Confusion:
    """`faults` are counts of mistakes; `support` is the number of gold entities by type, with 0 for those that are
    predicted alone."""
    shown = sorted(sorted(support, key=lambda name: -support[name])[:most])
    counts: Counter[tuple[str, str]] = Counter()
    wrong: Counter[str] = Counter()
    for fault, count in faults.items():
        counts[_place(fault)] += count
        if fault.gold is not None:
            wrong[fault.gold] += count
    rows = Counter({(name, name): support[name] - wrong[name] for name in shown}) | counts
    known = {*shown, MISSED, SPURIOUS, ENDS}
    cells = [Cell(*place, count) for place, count in sorted(rows.items()) if count and known.issuperset(place)]
    return Confusion(tuple(shown), tuple(cells), len(support) - len(shown))


def _place(fault: Fault) -> tuple[str, str]:
    if fault.gold is None:
        return SPURIOUS, fault.types
    if fault.predicted is None:
        return fault.gold, MISSED
    return fault.gold, ENDS if fault.gold == fault.predicted else fault.predicted
