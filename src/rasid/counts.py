"""Counts: what every headline figure is made of, article by article, and kept, so that two runs can be compared later.

A figure is a measure of a sum of rows; the rows of an article are its own. With them a stored report can be resampled
and tested against another without the texts, the gold or the predictions. Which figures matter it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from rasid.clustermetrics import (
    StancePair,
    b3_row,
    ceaf_row,
    cluster_rows,
    confusion,
    muc_row,
    stance_accuracy,
    stance_f1,
    stance_pairs,
)
from rasid.errors import DataError
from rasid.labelmetrics import labels_of
from rasid.matching import (
    Group,
    Matched,
    Scheme,
    by_depth,
    by_length,
    by_type,
    group_rows,
    match,
    outcome_row,
    scheme_f1,
)
from rasid.metrics import Unit, View, article_units, ratio, sides_f1
from rasid.records import Record, write_exact
from rasid.uncertainty import Estimate, Measure, Row, bootstrap

VERSION = 1
GROUP = "of which "  # before the names of figures over one type, depth, length or kind of surface: nested view, strict
COUNTS_FILE = "counts.json"
GROUPS: tuple[Group, ...] = (by_type, by_depth, by_length)
CLUSTER_ROWS = {"B3": b3_row, "CEAF-e": ceaf_row, "MUC": muc_row}


def _conll(row: Row) -> float:
    """Mean F1 of the three coreference scores, from their rows in one."""
    return sum(sides_f1(row[start : start + 4]) for start in (0, 4, 8)) / 3


def _share(row: Row) -> float:
    return ratio(row[0], row[1])


MEASURES: dict[str, Measure] = {
    "F1": sides_f1,
    **{f"{scheme} F1": partial(scheme_f1, scheme=scheme) for scheme in get_args(Scheme)},
    "CoNLL mean F1": _conll,
    "macro-F1": stance_f1,
    "accuracy": stance_accuracy,
    "share": _share,
}
# Where in a row the gold items of a measure are counted.
GOLD_PLACES: dict[str, Sequence[int]] = {
    "F1": (3,),
    **{f"{scheme} F1": range(5) for scheme in get_args(Scheme)},  # all pairs, and what was missed
    "CoNLL mean F1": (3,),  # mentions, as B3 counts them
    "macro-F1": range(9),
    "accuracy": range(9),
    "share": (1,),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """`rows` [articles, k] of additive counts; `measure` is a name in MEASURES."""

    measure: str
    rows: Sequence[Row]

    @property
    def of(self) -> Measure:
        return MEASURES[self.measure]

    @property
    def total(self) -> Row:
        return [sum(column) for column in zip(*self.rows, strict=True)]

    @property
    def support(self) -> int:
        """How many gold items the figure is of: entities, mentions or clusters, links, stances, articles."""
        return round(sum(self.total[place] for place in GOLD_PLACES[self.measure])) if self.rows else 0

    def estimate(self, seed: int = 0) -> Estimate:
        """The figure with its interval over the articles."""
        return bootstrap(self.rows, self.of, seed=seed)


@dataclass(frozen=True, slots=True)
class Counts:
    """All figures of one run over the articles `docs`, by name, in the order of a report."""

    docs: tuple[str, ...]
    figures: dict[str, Figure]

    def to_json(self) -> str:
        """One JSON object on one line: a row for each article is long, and nobody reads it."""
        figures = {name: {"measure": each.measure, "rows": each.rows} for name, each in self.figures.items()}
        return json.dumps({"version": VERSION, "docs": self.docs, "figures": figures}, ensure_ascii=False)


def count(
    gold: Sequence[Record],
    predicted: Sequence[Record],
    seen: Group | None = None,
    pairs: Sequence[Sequence[StancePair]] | None = None,
) -> Counts:
    """Counts of aligned records (ValueError when they are not); `seen`, from `matching.by_seen`, splits by surface.

    `pairs` are the articles' stance pairs, where they are known already.
    """
    figures = dict(unit_figures(partial(article_units, gold, predicted), seen))
    figures |= _cluster_figures(gold, predicted)
    if pairs is None:
        pairs = [stance_pairs(one, other) for one, other in zip(gold, predicted, strict=True)]
    figures |= stance_figures(pairs)
    figures |= _label_figures(gold, predicted)
    return Counts(tuple(record.doc for record in gold), figures)


def unit_figures(units: Callable[[View], Sequence[Unit]], seen: Group | None) -> Iterator[tuple[str, Figure]]:
    """Figures of entities over whatever the units of a view are: articles, or passages."""
    groups = [*GROUPS, *([seen] if seen else [])]
    parts: list[tuple[str, Figure]] = []
    for view in get_args(View):
        matched = [match(unit) for unit in units(view)]
        outcomes = [outcome_row(each) for each in matched]
        for scheme in get_args(Scheme):
            yield entity_figure(view, scheme), Figure(f"{scheme} F1", outcomes)
        if view == "nested":
            parts = list(_group_figures(matched, groups))
    yield from parts


def _group_figures(matched: Sequence[Matched], groups: Sequence[Group]) -> Iterator[tuple[str, Figure]]:
    for group in groups:
        for name, rows in group_rows(matched, group).items():
            yield f"{GROUP}{name}", Figure("F1", rows)


def entity_figure(view: View, scheme: Scheme) -> str:
    """Name of the figure over all entities of a view."""
    return f"entities, {view}, {scheme}"


def _cluster_figures(gold: Sequence[Record], predicted: Sequence[Record]) -> dict[str, Figure]:
    parts = {name: cluster_rows(gold, predicted, row) for name, row in CLUSTER_ROWS.items()}
    joined = [[count for row in rows for count in row] for rows in zip(*parts.values(), strict=True)]
    figures = {f"clusters, {name}": Figure("F1", rows) for name, rows in parts.items()}
    return {**figures, "clusters, CoNLL": Figure("CoNLL mean F1", joined)}


def stance_figures(pairs: Sequence[Sequence[StancePair]]) -> dict[str, Figure]:
    """Figures of what the gold judges, per passage and per article; `pairs` are by unit."""
    figures = {}
    for name in ("passage", "article"):
        whole = name == "article"
        judged = [[pair for pair in found if pair.gold and (pair.scope == "article") == whole] for found in pairs]
        rows = [confusion(found) for found in judged]
        for measure in ("macro-F1", "accuracy"):
            figures[f"stance per {name}, {measure}"] = Figure(measure, rows)
    return figures


def _label_figures(gold: Sequence[Record], predicted: Sequence[Record]) -> dict[str, Figure]:
    figures = {}
    for name in sorted({name for record in gold for name in record.labels}):
        rows = []
        for one, other in zip(gold, predicted, strict=True):
            right, answer = labels_of(one, name), labels_of(other, name)
            exact = right is not None and answer is not None and set(right) == set(answer)
            rows.append([float(exact), float(right is not None)])
        figures[f"labels, {name}, accuracy"] = Figure("share", rows)
    return figures


def write_counts(counts: Counts, folder: Path, name: str = COUNTS_FILE) -> None:
    """counts.json in `folder`, or counts of another kind under their `name`."""
    write_exact(folder / name, f"{counts.to_json()}\n")


def read_counts(folder: Path, name: str = COUNTS_FILE) -> Counts:
    """Counts of a report folder. Raises DataError when they are not there or not as `write_counts` wrote them."""
    path = folder / name
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); `rasid evaluate --report` writes it") from None
    except ValueError:
        raise DataError(f"{path}: not valid JSON; make it anew with `rasid evaluate --report`") from None
    try:
        return _counts_of(tree)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path}: not the counts of a report ({error}); make it anew with `rasid evaluate`") from None


def _counts_of(tree: Any) -> Counts:
    if tree["version"] != VERSION:
        raise ValueError(f"version {tree['version']!r}, expected {VERSION}")
    docs = tuple(map(str, tree["docs"]))
    figures = {}
    for name, each in tree["figures"].items():
        rows = [[float(number) for number in row] for row in each["rows"]]
        if each["measure"] not in MEASURES:
            raise ValueError(f"{name}: unknown measure {each['measure']!r}")
        if len(rows) != len(docs) or len({len(row) for row in rows}) > 1:
            raise ValueError(f"{name}: {len(rows)} rows for {len(docs)} articles, or of unlike length")
        figures[name] = Figure(each["measure"], rows)
    return Counts(docs, figures)
