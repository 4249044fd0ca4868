"""Scores of clusters (B-cubed, CEAF-e, MUC) and of the stances towards them, from records alone.

Cluster ids mean nothing outside their record: mentions are keyed by (start, end), clusters of two records are
compared by the mentions they share, and stance targets are aligned before their labels are. The coreference
formulas are those of the CoNLL scorer (Pradhan et al. 2014). Singletons count unless it is said that they do not:
news is full of things named once, and getting those right is easy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from rasid.labels import STANCES, StanceLabel
from rasid.metrics import Score, ratio, sides_score
from rasid.records import Entity, Record, Stance
from rasid.uncertainty import Row

Mention = tuple[int, int]
Mentions = frozenset[Mention]
Scope = Literal["article"] | tuple[int, int]
# Two mentions of differing ends still stand for the same thing when they share half of their joint
# characters; a name nested in a longer one (سوريا in قوات سوريا الديمقراطية) shares less.
_SAME_MENTION = 0.5


@dataclass(frozen=True, slots=True)
class ClusterScores:
    """The three coreference scores and their mean F1 (`conll`)."""

    b3: Score
    ceaf: Score
    muc: Score
    conll: float


@dataclass(frozen=True, slots=True)
class StancePair:
    """The author's stance towards one target in one scope, in two versions; None: no record.

    `target` is the gold cluster's id and `counterpart` that of the predicted cluster aligned with it; a
    cluster without a counterpart is a target of its own.
    """

    target: str | None
    counterpart: str | None
    scope: Scope
    gold: StanceLabel | None
    predicted: StanceLabel | None


def clusters_of(record: Record) -> dict[str, Mentions]:
    """Mentions by cluster id, in order of first mention; of two entities on one range the first counts."""
    owner: dict[Mention, str] = {}
    for entity in sorted(record.entities, key=lambda e: (e.start, -e.end)):
        if entity.cluster is not None:
            owner.setdefault((entity.start, entity.end), entity.cluster)
    groups: dict[str, set[Mention]] = {}
    for mention, name in owner.items():
        groups.setdefault(name, set()).add(mention)
    return {name: frozenset(mentions) for name, mentions in groups.items()}


def restrict(groups: Iterable[Mentions], mentions: AbstractSet[Mention]) -> list[Mentions]:
    """The clusters cut down to some mentions, those left empty dropped."""
    return [kept for group in groups if (kept := group & mentions)]


def without_singletons(groups: Iterable[Mentions]) -> list[Mentions]:
    """The clusters of two mentions and more, as in OntoNotes, which annotates no others."""
    return [group for group in groups if len(group) > 1]


def b3_by_mention(gold: Sequence[Mentions], predicted: Sequence[Mentions]) -> dict[Mention, Row]:
    """B-cubed row of each mention: [precision share, predicted 0/1, recall share, gold 0/1]; rows add up."""
    of_gold = {mention: group for group in gold for mention in group}
    of_predicted = {mention: group for group in predicted for mention in group}
    rows: dict[Mention, Row] = {}
    for mention in of_gold.keys() | of_predicted.keys():
        left, right = of_gold.get(mention, frozenset()), of_predicted.get(mention, frozenset())
        both = len(left & right)
        rows[mention] = (ratio(both, len(right)), bool(right), ratio(both, len(left)), bool(left))
    return rows


def b3_row(gold: Sequence[Mentions], predicted: Sequence[Mentions]) -> Row:
    """B-cubed counts: [precision sum, predicted mentions, recall sum, gold mentions]."""
    return add_rows(b3_by_mention(gold, predicted).values(), 4)


def ceaf_row(gold: Sequence[Mentions], predicted: Sequence[Mentions]) -> Row:
    """CEAF-e counts: [best alignment's similarity, predicted clusters, the same, gold clusters]."""
    similarity = 0.0
    if gold and predicted:
        shared = np.zeros((len(gold), len(predicted)))
        places = {mention: number for number, group in enumerate(predicted) for mention in group}
        for number, group in enumerate(gold):
            for mention in group & places.keys():
                shared[number, places[mention]] += 1
        sizes = np.add.outer([len(group) for group in gold], [len(group) for group in predicted])
        matrix = 2 * shared / sizes
        rows, columns = linear_sum_assignment(matrix, maximize=True)
        similarity = float(matrix[rows, columns].sum())
    return (similarity, len(predicted), similarity, len(gold))


def _links(groups: Sequence[Mentions], other: Sequence[Mentions]) -> Row:
    """[links of `groups` that `other` holds too, links of `groups`]: n mentions have n - 1 links."""
    places = {mention: number for number, group in enumerate(other) for mention in group}
    kept = total = 0
    for group in groups:
        found = [places[mention] for mention in group if mention in places]
        parts = len(set(found)) + len(group) - len(found)
        kept, total = kept + len(group) - parts, total + len(group) - 1
    return (kept, total)


def muc_row(gold: Sequence[Mentions], predicted: Sequence[Mentions]) -> Row:
    """MUC counts: [shared predicted links, predicted links, shared gold links, gold links]."""
    return (*_links(predicted, gold), *_links(gold, predicted))


def add_rows(rows: Iterable[Row], width: int) -> Row:
    """The sum of rows of `width` counts each."""
    total = [0.0] * width
    for row in rows:
        total = [left + right for left, right in zip(total, row, strict=True)]
    return total


def cluster_score(row: Row) -> Score:
    """Precision, recall and F1 from a row (or sum of rows) of `b3_row`, `ceaf_row` or `muc_row`."""
    return sides_score(row)


def cluster_f1(row: Row) -> float:
    """F1 of `cluster_score`."""
    return cluster_score(row).f1


RowOf = Callable[[Sequence[Mentions], Sequence[Mentions]], Row]


def cluster_rows(gold: Sequence[Record], predicted: Sequence[Record], row: RowOf, singletons: bool = True) -> list[Row]:
    """One row per article; the sequences are aligned, as in `metrics.article_units`."""
    kept = list if singletons else without_singletons
    return [
        row(kept(clusters_of(left).values()), kept(clusters_of(right).values()))
        for left, right in zip(gold, predicted, strict=True)
    ]


def cluster_rows_of(gold: Record, predicted: Record) -> list[Row]:
    """The rows of one article: B-cubed, CEAF-e, MUC."""
    left, right = (list(clusters_of(record).values()) for record in (gold, predicted))
    return [row(left, right) for row in (b3_row, ceaf_row, muc_row)]


def cluster_scores(gold: Sequence[Record], predicted: Sequence[Record], singletons: bool = True) -> ClusterScores:
    """The CoNLL scores over all articles: counts are summed, then divided, as the CoNLL scorer does.

    Without `singletons`, clusters of one mention are left out of both sides.
    """
    return scores_of(
        *(add_rows(cluster_rows(gold, predicted, row, singletons), 4) for row in (b3_row, ceaf_row, muc_row))
    )


def scores_of(b3: Row, ceaf: Row, muc: Row) -> ClusterScores:
    """The scores from the sums of all articles' rows."""
    found = cluster_score(b3), cluster_score(ceaf), cluster_score(muc)
    return ClusterScores(*found, conll=sum(each.f1 for each in found) / len(found))


def _overlaps(left: Sequence[Sequence[Entity]], right: Sequence[Sequence[Entity]]) -> NDArray[np.float64]:
    """For every two clusters, [left, right]: the sum over mention pairs of shared over joint characters, pairs below
    `_SAME_MENTION` left out."""
    starts, ends, owners = zip(*(_columns(side) for side in (left, right)), strict=True)
    shared = np.minimum.outer(*ends) - np.maximum.outer(*starts)
    joint = np.maximum.outer(*ends) - np.minimum.outer(*starts)
    ratios = np.where(shared > 0, shared / joint, 0.0)
    rows, columns = np.nonzero(ratios >= _SAME_MENTION)
    weights = np.zeros((len(left), len(right)))
    np.add.at(weights, (owners[0][rows], owners[1][columns]), ratios[rows, columns])
    return weights


def _columns(clusters: Sequence[Sequence[Entity]]) -> NDArray[np.intp]:
    """Starts, ends and cluster numbers of all mentions, [3, mentions]."""
    rows = [(each.start, each.end, number) for number, group in enumerate(clusters) for each in group]
    return np.array(rows, dtype=np.intp).T


def align_clusters(gold: Record, predicted: Record) -> dict[str, str]:
    """Gold cluster id to predicted cluster id, one to one, with the greatest mention overlap in all.

    The two records are of the same text; clusters that overlap with none are left out.
    """
    left, right = _members(gold), _members(predicted)
    if not left or not right:
        return {}
    names, others = list(left), list(right)
    weights = _overlaps([left[name] for name in names], [right[other] for other in others])
    pairs = zip(*linear_sum_assignment(weights, maximize=True), strict=True)
    return {names[row]: others[column] for row, column in pairs if weights[row, column] > 0}


def _members(record: Record) -> dict[str, list[Entity]]:
    groups: dict[str, list[Entity]] = {}
    for entity in record.entities:
        if entity.cluster is not None:
            groups.setdefault(entity.cluster, []).append(entity)
    return groups


def stance_pairs(gold: Record, predicted: Record) -> list[StancePair]:
    """The author's stances of two records of one text, over the union of their (target, scope) keys."""
    if not _author(gold) and not _author(predicted):
        return []
    alignment = align_clusters(gold, predicted)
    back = {other: name for name, other in alignment.items()}
    left = {(each.target, each.scope): each.label for each in _author(gold)}
    right: dict[tuple[str, Scope], StanceLabel] = {}
    alone: list[StancePair] = []
    for each in _author(predicted):
        target = back.get(each.target)
        if target is not None and (target, each.scope) in left:
            right[target, each.scope] = each.label
        else:
            alone.append(StancePair(target, each.target, each.scope, None, each.label))
    pairs = [
        StancePair(target, alignment.get(target), scope, label, right.get((target, scope)))
        for (target, scope), label in left.items()
    ]
    return pairs + alone


def _author(record: Record) -> list[Stance]:
    return [stance for stance in record.stances if stance.holder == "author"]


def confusion(pairs: Iterable[StancePair]) -> Row:
    """Row-major gold x predicted counts over `labels.STANCES` ([9]); a missing record counts as `none`."""
    cells = [0] * len(STANCES) ** 2
    for pair in pairs:
        row, column = (STANCES.index(label or "none") for label in (pair.gold, pair.predicted))
        cells[row * len(STANCES) + column] += 1
    return cells


def stance_f1(cells: Row) -> float:
    """Mean F1 of `favor` and `against`, the score of SemEval-2016 task 6, from `confusion` cells.

    A side that neither version has is left out of the mean: in a small set or a resample it would count as 0.
    """
    size = len(STANCES)
    found = []
    for index in (STANCES.index("favor"), STANCES.index("against")):
        either = sum(cells[index * size : (index + 1) * size]) + sum(cells[index::size])
        if either:
            found.append(2 * cells[index * size + index] / either)
    return ratio(sum(found), len(found))


def stance_accuracy(cells: Row) -> float:
    """Share of equal labels, from `confusion` cells."""
    return ratio(sum(cells[:: len(STANCES) + 1]), sum(cells))


def kappa(cells: Row) -> float:
    """Cohen's kappa from `confusion` cells; 1.0 where both versions use one and the same label throughout."""
    size, total = len(STANCES), sum(cells)
    if not total:
        return 0.0
    chance = sum(sum(cells[i * size : (i + 1) * size]) * sum(cells[i::size]) for i in range(size)) / total**2
    observed = stance_accuracy(cells)
    return 1.0 if chance == 1 else (observed - chance) / (1 - chance)


def alpha(cells: Row) -> float:
    """Krippendorff's alpha for nominal labels of two annotators, from `confusion` cells; 1.0 where no label differs.

    Unlike kappa it takes both annotators' labels as draws from one distribution, and corrects for few items.
    """
    size, total = len(STANCES), sum(cells)
    if not total:
        return 0.0
    counts = [sum(cells[i * size : (i + 1) * size]) + sum(cells[i::size]) for i in range(size)]
    expected = (2 * total) ** 2 - sum(count**2 for count in counts)
    observed = 2 * (total - sum(cells[:: size + 1]))
    return 1 - (2 * total - 1) * observed / expected if expected else 1.0
