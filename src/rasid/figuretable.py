"""Tables of figures with their intervals drawn on a track, as the report pages show them.

Knows estimates and cells, nothing of what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rasid.charts import Scale, track
from rasid.metrics import Score
from rasid.uncertainty import Estimate

AXIS = "interval"


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A row's name, its cells (column, text or track), the entity type it is of, and whether it is a headline."""

    name: str
    cells: tuple[tuple[str, str | Markup], ...]
    type: str | None = None
    strong: bool = False
    tone: str = ""


@dataclass(frozen=True, slots=True)
class FigureTable:
    """`low` and `high` are what is written at the ends of the track's scale."""

    caption: str
    first: str
    rows: tuple[FigureRow, ...]
    low: str = "0"
    high: str = "1"
    axis: str = AXIS

    @property
    def header(self) -> list[str]:
        return [self.first, *(name for name, _ in self.rows[0].cells)] if self.rows else [self.first]


def estimate_row(
    name: str, measure: str, found: Estimate, rest: Sequence[tuple[str, str]] = (), strong: bool = False
) -> FigureRow:
    """A figure with its interval, in numbers and on a track from 0 to 1."""
    cells = (
        (measure, f"{found.value:.3f}"),
        ("95 %", f"{found.low:.3f} to {found.high:.3f}"),
        (AXIS, track(found.value, found.low, found.high, Scale())),
    )
    return FigureRow(name, (*cells, *rest), strong=strong)


def score_row(name: str, found: Score, f1: Estimate, strong: bool = False) -> FigureRow:
    """An F1 with its interval, precision, recall and number of gold items."""
    rest = [("precision", f"{found.precision:.3f}"), ("recall", f"{found.recall:.3f}"), ("gold", f"{found.support:,}")]
    return estimate_row(name, "F1", f1, rest, strong)
