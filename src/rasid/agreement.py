"""Agreement of two annotation passes over the same articles: spans, clusters, stances, and where they differ.

Intervals are bootstrapped over passages (an article's stance is a unit of its own): a handful of articles is
too few to resample. Cluster ids are each pass's own, so clusters are aligned before stances are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rasid.clustermetrics import (
    StancePair,
    add_rows,
    align_clusters,
    alpha,
    b3_by_mention,
    cluster_f1,
    clusters_of,
    confusion,
    kappa,
    restrict,
    stance_pairs,
)
from rasid.guidelines import MAX_DEPTH, depths
from rasid.metrics import Unit, article_units, only_type, span_estimate, split_unit
from rasid.records import Entity, Record
from rasid.tables import table
from rasid.text import Span, passages
from rasid.uncertainty import Estimate, Row, bootstrap


@dataclass(frozen=True, slots=True)
class TwoPasses:
    """One article as two annotators have it."""

    first: Record
    second: Record
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One measure; `support` is how many items of the first pass (stances: of either) there are."""

    name: str
    estimate: Estimate
    support: int


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One place where the passes differ. `span` is None for an article's stance; `what` names the thing judged."""

    doc: str
    kind: Literal["span", "cluster", "stance"]
    place: str
    span: Span | None
    what: str
    first: str
    second: str

    def __str__(self) -> str:
        kind = "cluster " if self.kind == "cluster" else ""
        return f"{self.doc} {self.place} {self.what}: {kind}first {self.first}, second {self.second}"


@dataclass(frozen=True, slots=True)
class Agreement:
    """All measures, and every disagreement."""

    lines: tuple[Line, ...]
    disagreements: tuple[Disagreement, ...]

    def render(self) -> str:
        """The measures as a table, a row each."""
        rows = [
            [line.name, *(f"{value:.3f}" for value in _values(line.estimate)), str(line.support)] for line in self.lines
        ]
        return table(["measure", "value", "low", "high", "items"], rows)


def _values(estimate: Estimate) -> Sequence[float]:
    return (estimate.value, estimate.low, estimate.high)


def agreement(articles: Sequence[TwoPasses], seed: int = 0) -> Agreement:
    """Compares two passes; the same records and seed give the same result."""
    lines = [*_span_lines(articles, seed), *_cluster_lines(articles, seed), *_stance_lines(articles, seed)]
    found = [each for article in articles for each in _disagreements(article)]
    return Agreement(tuple(lines), tuple(found))


def _by_passage(articles: Sequence[TwoPasses], outer: bool) -> list[Unit]:
    units = []
    for article in articles:
        whole = article_units([article.first], [article.second], "outermost" if outer else "nested")[0]
        units += split_unit(whole, passages(article.text))
    return [unit for unit in units if unit.gold or unit.predicted]


def _at_depth(article: TwoPasses, depth: int) -> TwoPasses:
    """The article with the spans that lie so deep in their own pass, 1 being the outermost."""

    def cut(record: Record) -> Record:
        levels = depths(record.entities)
        return record.model_copy(update={"entities": tuple(e for e in record.entities if levels[e.id] == depth)})

    return TwoPasses(cut(article.first), cut(article.second), article.text)


def _span_lines(articles: Sequence[TwoPasses], seed: int) -> Iterator[Line]:
    units, outer = _by_passage(articles, False), _by_passage(articles, True)

    def line(name: str, chosen: Sequence[Unit], typed: bool = True) -> Line:
        return Line(name, span_estimate(chosen, typed, seed), sum(len(unit.gold) for unit in chosen))

    yield line("spans F1, all", units)
    yield line("spans F1, outermost", outer)
    yield line("spans F1, boundaries only", units, typed=False)
    for depth in range(1, MAX_DEPTH + 1):
        level = _by_passage([_at_depth(article, depth) for article in articles], False)
        if level:
            yield line(f"spans F1, depth {depth}", level)
    for label in sorted({entity.type for unit in units for entity in (*unit.gold, *unit.predicted)}):
        yield line(f"spans F1, {label}", [only_type(unit, label) for unit in units])


def _cluster_lines(articles: Sequence[TwoPasses], seed: int) -> Iterator[Line]:
    rows: list[Row] = []
    mentions = 0
    for article in articles:
        first, second = clusters_of(article.first), clusters_of(article.second)
        shared = frozenset().union(*first.values()) & frozenset().union(*second.values())
        by_mention = b3_by_mention(restrict(first.values(), shared), restrict(second.values(), shared))
        mentions += len(by_mention)
        by_passage: dict[int, list[Row]] = {}
        blocks = passages(article.text)
        for (start, _), row in by_mention.items():
            by_passage.setdefault(_number(start, blocks), []).append(row)
        rows += [add_rows(inside, 4) for inside in by_passage.values()]
    yield Line("clusters B3 F1, shared mentions", bootstrap(rows, cluster_f1, seed=seed), mentions)


def _stance_lines(articles: Sequence[TwoPasses], seed: int) -> Iterator[Line]:
    pairs = [stance_pairs(article.first, article.second) for article in articles]
    both = [[pair for pair in found if pair.gold and pair.predicted] for found in pairs]
    whole = [[pair for pair in found if pair.scope == "article"] for found in pairs]
    parts = [[pair for pair in found if pair.scope != "article"] for found in pairs]
    for name, chosen in (
        ("all", pairs),
        ("articles", whole),
        ("passages", parts),
        ("where both have a record", both),
    ):
        rows = [confusion(group) for found in chosen for group in _by_scope(found)]
        count = sum(len(found) for found in chosen)
        yield Line(f"stance kappa, {name}", bootstrap(rows, kappa, seed=seed), count)
        yield Line(f"stance alpha, {name}", bootstrap(rows, alpha, seed=seed), count)


def _by_scope(pairs: Sequence[StancePair]) -> list[list[StancePair]]:
    groups: dict[object, list[StancePair]] = {}
    for pair in pairs:
        groups.setdefault(pair.scope, []).append(pair)
    return list(groups.values())


def _disagreements(article: TwoPasses) -> Iterator[Disagreement]:
    blocks = passages(article.text)
    yield from _span_differences(article, blocks)
    yield from _cluster_differences(article, blocks)
    yield from _stance_differences(article, blocks)


def _number(offset: int, blocks: Sequence[Span]) -> int:
    """Number of the passage that `offset` stands in, from 1; 0 outside of all."""
    return next((n for n, block in enumerate(blocks, 1) if block.start <= offset < block.end), 0)


def _place(span: Span, blocks: Sequence[Span]) -> str:
    number = _number(span.start, blocks)
    return f"{f'P{number}' if number else '-'} [{span.start}, {span.end})"


def _span_differences(article: TwoPasses, blocks: Sequence[Span]) -> Iterator[Disagreement]:
    """Spans of one pass alone; a span that both have with other types is told once."""
    sides: list[dict[Span, list[str]]] = [{}, {}]
    for side, record in zip(sides, (article.first, article.second), strict=True):
        for entity in record.entities:
            side.setdefault(entity.span, []).append(entity.type)
    for span in sorted(sides[0].keys() | sides[1].keys(), key=lambda s: (s.start, -s.end)):
        first, second = ("+".join(sorted(side.get(span, ["-"]))) for side in sides)
        if first != second:
            what = repr(span.of(article.text))
            yield Disagreement(article.first.doc, "span", _place(span, blocks), span, what, first, second)


def _cluster_differences(article: TwoPasses, blocks: Sequence[Span]) -> Iterator[Disagreement]:
    """Shared mentions whose cluster in one pass is not the counterpart of that in the other.

    Two mentions may stand on one range; a mention differs when its counterpart is not among those there.
    """
    alignment = align_clusters(article.first, article.second)
    others: dict[Span, list[Entity]] = {}
    for each in article.second.entities:
        if each.cluster:
            others.setdefault(each.span, []).append(each)
    names = [{each.id: each.name for each in record.clusters} for record in (article.first, article.second)]

    def told(entity: Entity, side: int) -> str:
        return f"{entity.cluster} {names[side].get(entity.cluster or '', '')!r}"

    for entity in article.first.entities:
        there = others.get(entity.span, [])
        if entity.cluster and there and alignment.get(entity.cluster) not in {each.cluster for each in there}:
            other = next((each for each in there if each.type == entity.type), there[0])
            place, what = _place(entity.span, blocks), repr(entity.surface)
            sides = (told(entity, 0), told(other, 1))
            yield Disagreement(article.first.doc, "cluster", place, entity.span, what, *sides)


def _stance_differences(article: TwoPasses, blocks: Sequence[Span]) -> Iterator[Disagreement]:
    first = {each.id: each.name for each in article.first.clusters}
    second = {each.id: each.name for each in article.second.clusters}
    for pair in stance_pairs(article.first, article.second):
        if pair.gold == pair.predicted:
            continue
        one, other = first.get(pair.target or ""), second.get(pair.counterpart or "")
        span = None if pair.scope == "article" else Span(*pair.scope)
        place = _place(span, blocks) if span else "article"
        what = f"stance towards {pair.target or pair.counterpart} {one or other!r}"
        sides = (pair.gold or "-", pair.predicted or "-")
        yield Disagreement(article.first.doc, "stance", place, span, what, *sides)
