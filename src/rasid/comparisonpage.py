"""The HTML page of a comparison: differences with intervals and p-values, the entities won and lost in their texts.

All figures are those of the comparison; the page computes none. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rasid.changes import RIGHT, Change, changes, tallies
from rasid.charts import around_nought, track
from rasid.compare import EXPLANATION, POINTS, Comparison, p_text
from rasid.counts import GROUP
from rasid.embed import report_page, safe_json
from rasid.figuretable import AXIS, FigureRow, FigureTable
from rasid.listing import Facet, Line, Listing, Marks, Row, thin
from rasid.mistakes import Mistake
from rasid.records import Entity

LINES = (Line("gold"), Line("base", "base"), Line("new", "new"))
FACETS = (Facet("outcome", "Outcome"), Facet("type", "Type"), Facet("base", "Base"), Facet("new", "New"))


@dataclass(frozen=True, slots=True)
class Run:
    """One side of a comparison: what it is called, and its mistakes; None where they are not known."""

    name: str
    wrong: Sequence[Mistake] | None


def comparison_page(found: Comparison, base: Run, new: Run) -> str:
    """The page; without the mistakes of both runs it shows figures alone, and says how to get the rest."""
    return report_page(
        "comparison.html",
        "Comparison of two runs",
        comparison=found,
        base=base.name,
        new=new.name,
        explanation=EXPLANATION,
        warnings=found.by_reason(),
        headline=_table(found, "Points of difference", [name for name in found.figures if not name.startswith(GROUP)]),
        groups=_table(found, "Entities by part", [name for name in found.figures if name.startswith(GROUP)]),
        **_listed(base, new),
    )


def _table(found: Comparison, caption: str, names: Sequence[str]) -> FigureTable:
    ends = [end for name in names for each in [found.figures[name]] for end in (each.low, each.high, each.difference)]
    scale = around_nought(ends)
    rows = []
    for name in names:
        each = found.figures[name]
        verdict = found.verdict(name)
        cells = (
            ("base", f"{each.base:.3f}"),
            ("new", f"{each.new:.3f}"),
            ("points", f"{POINTS * each.difference:+.1f}"),
            ("95 %", f"{POINTS * each.low:+.1f} to {POINTS * each.high:+.1f}"),
            (AXIS, track(each.difference, each.low, each.high, scale)),
            ("p", p_text(each.p)),
            ("effect", f"{each.effect:+.2f}"),
            ("detectable", f"{POINTS * each.detectable:.1f}"),
            ("verdict", verdict),
        )
        tone = verdict if verdict in ("better", "worse") else ""
        rows.append(FigureRow(name.removeprefix(GROUP), cells, strong=tone != "", tone=tone))
    return FigureTable(caption, "figure", tuple(rows), f"{POINTS * scale.low:+.1f}", f"{POINTS * scale.high:+.1f}")


def _listed(base: Run, new: Run) -> dict[str, Any]:
    """What the template shows of the entities that changed."""
    lacking = [each.name for each in (base, new) if each.wrong is None]
    if base.wrong is None or new.wrong is None:
        message = f"No list of errors in {' and '.join(lacking)}, so what was won and lost is not shown."
        return {"listing": None, "no_listing": f"{message} Make the report anew with `rasid evaluate --report`."}
    found = changes(base.wrong, new.wrong)
    rows = thin(found, lambda each: (each.outcome, each.type))
    listing = Listing(LINES, FACETS, [row.flat for row in _rows(rows)], len(found))
    return {
        "listing": listing,
        "data": safe_json(listing.tree()),
        "tallies": tallies(found),
        "full_list": f"{base.name}/errors.jsonl and {new.name}/errors.jsonl",
    }


def _rows(found: Sequence[Change]) -> Iterator[Row]:
    for each in found:
        said = tuple(_said(each, wrong) for wrong in (each.base, each.new))
        lines = (_marks(each.gold), *(_marks(_predicted(each, wrong)) for wrong in (each.base, each.new)))
        yield Row(each.mistake.doc, (each.outcome, each.type, *said), each.mistake.excerpt, lines)


def _said(change: Change, wrong: Mistake | None) -> str:
    return wrong.kind if wrong else RIGHT


def _predicted(change: Change, wrong: Mistake | None) -> Entity | None:
    """What a run predicts in the place of the change; where it is right, the gold entity, if there is one."""
    return wrong.predicted if wrong else change.gold


def _marks(entity: Entity | None) -> Marks:
    return Marks((entity,) if entity else ())
