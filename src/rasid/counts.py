"""Counts: what every headline figure is made of, article by article, and kept, so that two runs can be compared later.

A figure is a measure of a sum of rows; the rows of an article are its own. With them a stored report can be resampled
and tested against another without the texts, the gold or the predictions. Which figures matter it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from rasid.clustermetrics import (
    StancePair,
    cluster_rows_of,
    confusion,
    stance_accuracy,
    stance_f1,
    stance_pairs,
)
from rasid.errors import DataError
from rasid.labelmetrics import labels_of
from rasid.matching import (
    Group,
    Outcomes,
    Scheme,
    by_depth,
    by_length,
    by_type,
    group_row,
    outcomes,
    scheme_f1,
)
from rasid.metrics import View, article_unit, ratio, sides_f1
from rasid.records import Record, write_exact
from rasid.uncertainty import Estimate, Measure, Row, bootstrap

VERSION = 1
GROUP = "of which "  # before the names of figures over one type, depth, length or kind of surface: nested view, strict
COUNTS_FILE = "counts.json"
GROUPS: tuple[Group, ...] = (by_type, by_depth, by_length)


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


class Key(NamedTuple):
    """What a column of rows is of. In the order of their keys columns are in the order of a report."""

    part: Literal["1 entities", "2 groups", "3 clusters", "4 stances", "5 labels"]
    place: int
    name: str

    def figures(self) -> dict[str, str]:
        """The figures that are measures of these rows: name and measure."""
        match self.part:
            case "1 entities":
                return {f"entities, {self.name}, {scheme}": f"{scheme} F1" for scheme in get_args(Scheme)}
            case "2 groups":
                return {f"{GROUP}{self.name}": "F1"}
            case "3 clusters":
                return {f"clusters, {self.name}": "CoNLL mean F1" if self.name == "CoNLL" else "F1"}
            case "4 stances":
                return {f"stance per {self.name}, {measure}": measure for measure in ("macro-F1", "accuracy")}
            case "5 labels":
                return {f"labels, {self.name}, accuracy": "share"}


ENTITIES: dict[View, Key] = {view: Key("1 entities", place, view) for place, view in enumerate(get_args(View))}
CLUSTERS = [Key("3 clusters", place, name) for place, name in enumerate(("B3", "CEAF-e", "MUC", "CoNLL"))]
STANCES = {scope: Key("4 stances", place, scope) for place, scope in enumerate(("passage", "article"))}


class RowTable:
    """Rows of counts by key, unit by unit as the units are counted; what a unit has no row of stands at nought.

    `keys` have a column even where there is no unit.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self.units = 0
        self._columns: dict[Key, list[Row]] = {key: [] for key in keys}
        self._alike: dict[tuple[Key, Row], Row] = {}

    def add(self, rows: Iterable[tuple[Key, Row]]) -> None:
        """The rows of one more unit."""
        for key, row in rows:
            self._column(key, len(row)).append(tuple(row))
        self.units += 1

    def join(self, other: RowTable) -> None:
        """The units of another table after those of this one."""
        for key, rows in other._columns.items():
            if rows:  # most rows of a group are alike (no ORG, or one that is right): those are kept once
                alike = [self._alike.setdefault((key, row), row) for row in rows]
                self._column(key, len(rows[0])).extend(alike)
        self.units += other.units

    def _column(self, key: Key, width: int) -> list[Row]:
        rows = self._columns.setdefault(key, [])
        rows += [(0.0,) * width] * (self.units - len(rows))
        return rows

    def counts(self, units: Sequence[str]) -> Counts:
        """The figures; `units` are the names of what was added, in order."""
        figures: dict[str, Figure] = {}
        for key in sorted(self._columns):
            known = self._columns[key]
            rows = self._column(key, len(known[0])) if known else known
            figures |= {name: Figure(measure, rows) for name, measure in key.figures().items()}
        return Counts(tuple(units), figures)


def article_table() -> RowTable:
    """An empty table for rows of articles."""
    return RowTable([*ENTITIES.values(), *CLUSTERS, *STANCES.values()])


def article_rows(
    gold: Record,
    predicted: Record,
    found: Mapping[View, Outcomes],
    pairs: Iterable[StancePair],
    seen: Group | None,
) -> Iterator[tuple[Key, Row]]:
    """The rows of one article; `found` are its entities, `pairs` its stance pairs."""
    yield from entity_rows(found, seen)
    parts = cluster_rows_of(gold, predicted)
    yield from zip(CLUSTERS, [*parts, [count for row in parts for count in row]], strict=True)
    for scope in STANCES:
        yield stance_row(pairs, scope)
    for name in gold.labels:
        right, answer = labels_of(gold, name), labels_of(predicted, name)
        exact = right is not None and answer is not None and set(right) == set(answer)
        yield Key("5 labels", 0, name), (float(exact), float(right is not None))


def entity_rows(found: Mapping[View, Outcomes], seen: Group | None) -> Iterator[tuple[Key, Row]]:
    """Rows of the entities of an article or a passage in both views, and of the groups of its nested view."""
    for view, each in found.items():
        yield ENTITIES[view], each.row
        if view == "nested":
            matched = each.judged()
            for place, group in enumerate([*GROUPS, *([seen] if seen else [])]):
                yield from ((Key("2 groups", place, name), row) for name, row in group_row(matched, group).items())


def stance_row(pairs: Iterable[StancePair], scope: str) -> tuple[Key, Row]:
    """The row of what the gold judges of an article or a passage, where stances are of that `scope`."""
    judged = [pair for pair in pairs if pair.gold and (pair.scope == "article") == (scope == "article")]
    return STANCES[scope], confusion(judged)


def count(gold: Sequence[Record], predicted: Sequence[Record], seen: Group | None = None) -> Counts:
    """Counts of aligned records (ValueError when they are not); `seen`, from `matching.by_seen`, splits by surface."""
    table = article_table()
    for left, right in zip(gold, predicted, strict=True):
        found = {view: outcomes(article_unit(left, right, view)) for view in ENTITIES}
        table.add(article_rows(left, right, found, stance_pairs(left, right), seen))
    return table.counts([record.doc for record in gold])


def entity_figure(view: View, scheme: Scheme) -> str:
    """Name of the figure over all entities of a view."""
    return f"entities, {view}, {scheme}"


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
