"""Scores of labels given to whole articles, one each or several, with bootstrap intervals over the articles.

One label is the set of one label, so both are counted alike. An article without a prediction is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rasid.metrics import ratio
from rasid.records import Record
from rasid.uncertainty import Estimate, Row, bootstrap

HEADER = ("labels", "accuracy", "low", "high", "macro-F1", "low", "high", "gold", "missed")


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Accuracy (the whole set of labels must be right) and the plain mean of the labels' F1.

    The mean goes over the labels that occur on either side, as scikit-learn's does. `missed` of the `support` articles
    have no prediction.
    """

    accuracy: Estimate
    macro_f1: Estimate
    support: int
    missed: int


def label_scores(
    gold: Sequence[Collection[str]], predicted: Sequence[Collection[str] | None], seed: int = 0
) -> LabelScores:
    """Scores of aligned answers; None is an article without a prediction."""
    names = sorted({name for side in (*gold, *predicted) for name in side or ()})
    rows = [_row(set(right), answer, names) for right, answer in zip(gold, predicted, strict=True)]
    return LabelScores(
        accuracy=bootstrap(rows, _accuracy, seed=seed),
        macro_f1=bootstrap(rows, _macro_f1, seed=seed),
        support=len(rows),
        missed=sum(answer is None for answer in predicted),
    )


def _row(gold: set[str], predicted: Collection[str] | None, names: Sequence[str]) -> Row:
    """[1, exact, then correct, given by either side (twice where by both), for each name]; adds up over articles."""
    answer = set(predicted or ())
    row = [1.0, float(predicted is not None and answer == gold)]
    for name in names:
        row += [float(name in gold and name in answer), float((name in gold) + (name in answer))]
    return row


def _accuracy(row: Row) -> float:
    return ratio(row[1], row[0])


def _macro_f1(row: Row) -> float:
    pairs = [(correct, given) for correct, given in zip(row[2::2], row[3::2], strict=True) if given]
    return ratio(sum(2 * correct / given for correct, given in pairs), len(pairs))


def labels_of(record: Record, name: str) -> tuple[str, ...] | None:
    """The labels that a record has under `name`; None when it says nothing of that name."""
    given = record.labels.get(name)
    if given is None:
        return None
    return tuple(one.label for one in given) if isinstance(given, tuple) else (given.label,)


class Asked(NamedTuple):
    """What the gold says of an article under one name, and the answer; None is no prediction."""

    gold: tuple[str, ...]
    answer: tuple[str, ...] | None


def asked(gold: Record, predicted: Record) -> dict[str, Asked]:
    """By name what the gold judges of one article."""
    found = {}
    for name in gold.labels:
        right = labels_of(gold, name)
        if right is not None:
            found[name] = Asked(right, labels_of(predicted, name))
    return found


def asked_scores(found: Mapping[str, Sequence[Asked]], seed: int = 0) -> dict[str, LabelScores]:
    """Scores by name, in name order, over the articles that the gold judges."""
    return {
        name: label_scores([each.gold for each in found[name]], [each.answer for each in found[name]], seed)
        for name in sorted(found)
    }


def record_label_scores(gold: Sequence[Record], predicted: Sequence[Record], seed: int = 0) -> dict[str, LabelScores]:
    """The same of aligned records that are all there."""
    found: defaultdict[str, list[Asked]] = defaultdict(list)
    for one, other in zip(gold, predicted, strict=True):
        for name, each in asked(one, other).items():
            found[name].append(each)
    return asked_scores(found, seed)


def label_rows(scores: dict[str, LabelScores]) -> list[list[str]]:
    """Rows of a table under `HEADER`."""
    return [[name, *numbers(one), str(one.support), str(one.missed)] for name, one in scores.items()]


def numbers(one: LabelScores) -> list[str]:
    """Accuracy and macro-F1, each with the ends of its interval."""
    accuracy, macro = one.accuracy, one.macro_f1
    values = (accuracy.value, accuracy.low, accuracy.high, macro.value, macro.low, macro.high)
    return [f"{value:.3f}" for value in values]
