"""Least scores: a record without the entities that are less sure, and what each threshold buys on gold.

Knows records and their scores, nothing of the models that gave them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rasid.errors import ConfigError
from rasid.metrics import ratio, score
from rasid.records import Entity, Record, Stance

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
THRESHOLD_HEADER = ("least score", "precision", "recall", "F1", "spans", "kept")


def check_threshold(least: float, option: str = "--min-score") -> float:
    """`least` if it is a probability. Raises ConfigError."""
    if not 0 <= least <= 1:  # nor NaN
        raise ConfigError(f"{option} {least:g}: a score is between 0 and 1")
    return least


def _passes(entity: Entity, least: float) -> bool:
    return entity.score is None or entity.score >= least  # gold and foreign records may have no scores


def at_least(record: Record, least: float) -> Record:
    """The record with the entities that score `least` or more (or have no score), and what depends on them."""
    return only(record, lambda entity: _passes(entity, least))


def without_type(record: Record, label: str) -> Record:
    """The record as a model that knows nothing of a type would give it."""
    return only(record, lambda entity: entity.type != label)


def only(record: Record, passes: Callable[[Entity], bool]) -> Record:
    """The record with some of the entities, clusters that keep a mention, and stances whose target does; a lost holder
    is `other`. Ids and scores stay as they are."""
    kept = tuple(entity for entity in record.entities if passes(entity))
    if len(kept) == len(record.entities):
        return record
    left = {entity.cluster for entity in kept} | {cluster.id for cluster in record.clusters if cluster.given}
    stances: dict[tuple[object, ...], Stance] = {}
    for stance in record.stances:
        if stance.target in left:
            holder = stance.holder if stance.holder in left | {"author", "other"} else "other"
            stances.setdefault((stance.target, stance.scope, holder), stance.model_copy(update={"holder": holder}))
    clusters = tuple(cluster for cluster in record.clusters if cluster.id in left)
    return record.model_copy(update={"entities": kept, "clusters": clusters, "stances": tuple(stances.values())})


@dataclass(frozen=True, slots=True)
class Bought:
    """What is left of the entities at a threshold: `spans` of them, `kept` as a share; strict scores, nested view."""

    least: float
    precision: float
    recall: float
    f1: float
    spans: int
    kept: float


def what_thresholds_buy(
    gold: Sequence[Record], predicted: Sequence[Record], thresholds: Sequence[float] = THRESHOLDS
) -> tuple[Bought, ...]:
    """One row per threshold, in order; `predicted` holds the articles of `gold` in the same order."""
    found = [trial for pair in zip(gold, predicted, strict=True) for trial in trials(*pair)]
    support = sum(len({(e.start, e.end, e.type) for e in record.entities}) for record in gold)
    return bought(np.array([score for score, _ in found]), np.array([right for _, right in found]), support, thresholds)


def bought(
    scores: NDArray[np.floating], right: NDArray[np.generic], support: int, thresholds: Sequence[float]
) -> tuple[Bought, ...]:
    """The same of `trials` by score and success, [n] each, of `support` gold entities."""
    true, found = right.astype(np.bool_), []
    for least in sorted(set(thresholds)):
        kept = scores >= least
        spans = int(kept.sum())
        reached = score(int((kept & true).sum()), spans, support)
        found.append(Bought(least, reached.precision, reached.recall, reached.f1, spans, ratio(spans, len(scores))))
    return tuple(found)


def trials(gold: Record, predicted: Record) -> Iterator[tuple[float, bool]]:
    """Score and success of each predicted span; one without a score stays at every threshold."""
    known = {(each.start, each.end, each.type) for each in gold.entities}
    scores = {(e.start, e.end, e.type): 1.0 if e.score is None else e.score for e in predicted.entities}
    yield from ((each, key in known) for key, each in scores.items())


def threshold_rows(found: Sequence[Bought]) -> list[list[str]]:
    """Cells for `rasid.tables.table` under `THRESHOLD_HEADER`."""
    rows = []
    for each in found:
        shares = (each.precision, each.recall, each.f1)
        rows.append([f"{each.least:g}", *(f"{share:.3f}" for share in shares), str(each.spans), f"{each.kept:.3f}"])
    return rows
