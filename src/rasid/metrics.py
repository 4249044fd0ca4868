"""Scores of entities: strict spans, seen and unseen surfaces, CoNLL tags.

Every score here is a function of counts that add up over articles, so the bootstrap of `uncertainty` serves them all.
Spans that are nearly right are paired in `matching`, clusters and stances scored in `clustermetrics`. Where a
denominator is nought the score is 0.0, as in scikit-learn and seqeval with `zero_division=0`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

from rasid.records import Entity, Record
from rasid.text import Span
from rasid.uncertainty import Estimate, Row, bootstrap

View = Literal["nested", "outermost"]


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1 in [0, 1]; `support` is the number of gold items."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What a bootstrap draws: the entities of one article, or of one passage of it, in two versions."""

    gold: tuple[Entity, ...]
    predicted: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class SpanScores:
    """Micro score over all spans, plain mean F1 of the types that occur on either side, each type's score."""

    micro: Score
    macro: float
    by_type: dict[str, Score]


@dataclass(frozen=True, slots=True)
class SeenScores:
    """Scores of the entities whose surface stood in the training data, and of the others."""

    seen: Score
    unseen: Score


@dataclass(frozen=True, slots=True)
class ConllScores:
    """seqeval's scores of tag sequences: strict IOB2, lenient, and the strict score by type."""

    strict: Score
    lenient: Score
    by_type: dict[str, Score]


def ratio(part: float, whole: float) -> float:
    """part / whole, 0.0 when there is no whole."""
    return part / whole if whole else 0.0


def score(correct: float, predicted: float, gold: float) -> Score:
    """The score of `correct` matches among `predicted` and `gold` items."""
    f1 = ratio(2 * correct, predicted + gold)
    return Score(ratio(correct, predicted), ratio(correct, gold), f1, int(gold))


def sides_score(row: Row) -> Score:
    """The score of [credit of the predicted items, their number, credit of the gold items, their number].

    The two credits differ where the two sides are counted by something of their own, such as clusters.
    """
    precision, recall = ratio(row[0], row[1]), ratio(row[2], row[3])
    return Score(precision, recall, ratio(2 * precision * recall, precision + recall), int(row[3]))


def sides_f1(row: Row) -> float:
    """F1 of `sides_score`."""
    return sides_score(row).f1


def outermost(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Entities that stand in no longer one, by start; two types on one range are both kept."""
    kept: list[Entity] = []
    start = end = -1
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        # Spans never cross, so the last one kept is the only one that can hold this one.
        if entity.end > end or (entity.start == start and entity.end == end):
            kept.append(entity)
            start, end = entity.start, entity.end
    return tuple(kept)


def article_units(gold: Sequence[Record], predicted: Sequence[Record], view: View = "nested") -> list[Unit]:
    """One unit per article; the two sequences must hold the same articles in the same order (ValueError)."""
    return [article_unit(left, right, view) for left, right in zip(gold, predicted, strict=True)]


def article_unit(gold: Record, predicted: Record, view: View) -> Unit:
    """The entities of one article. Raises ValueError for records of two articles."""
    if gold.doc != predicted.doc:
        raise ValueError(f"articles are not aligned: {gold.doc!r} beside {predicted.doc!r}")
    sides = [gold.entities, predicted.entities]
    if view == "outermost":
        sides = [outermost(side) for side in sides]
    return Unit(*sides)


def split_unit(unit: Unit, passages: Sequence[Span]) -> list[Unit]:
    """A unit by passage: an entity belongs to the passage it starts in, the rest to one last unit of its own.

    `passages` are disjoint and in order; the result has one more element than it.
    """
    starts = [passage.start for passage in passages]
    sides: list[list[list[Entity]]] = [[[], []] for _ in range(len(passages) + 1)]
    for side, entities in enumerate((unit.gold, unit.predicted)):
        for entity in entities:
            index = bisect_right(starts, entity.start) - 1
            inside = index >= 0 and entity.start < passages[index].end
            sides[index if inside else -1][side].append(entity)
    return [Unit(tuple(gold), tuple(predicted)) for gold, predicted in sides]


def only_type(unit: Unit, label: str) -> Unit:
    """The unit with the entities of one type."""
    return Unit(
        tuple(entity for entity in unit.gold if entity.type == label),
        tuple(entity for entity in unit.predicted if entity.type == label),
    )


def _keys(entities: Iterable[Entity], typed: bool) -> set[tuple[int, int, str]]:
    if not typed:
        return {(entity.start, entity.end, "") for entity in entities}
    return {(entity.start, entity.end, entity.type) for entity in entities}


def span_row(unit: Unit, typed: bool = True) -> Row:
    """[correct, predicted, gold] spans of a unit; `typed` false compares boundaries alone."""
    gold, predicted = _keys(unit.gold, typed), _keys(unit.predicted, typed)
    return (len(gold & predicted), len(predicted), len(gold))


def span_f1(row: Row) -> float:
    """F1 from a row (or sum of rows) of `span_row`."""
    return score(*row).f1


def _total(units: Iterable[Unit]) -> Score:
    correct = predicted = gold = 0.0
    for unit in units:
        row = span_row(unit)
        correct, predicted, gold = correct + row[0], predicted + row[1], gold + row[2]
    return score(correct, predicted, gold)


class SpanCounts:
    """Spans by type, unit by unit: those that are right, predicted and gold; one that stands twice counts once."""

    def __init__(self) -> None:
        self.correct, self.predicted, self.gold = Counter[str](), Counter[str](), Counter[str]()

    def add(self, gold: AbstractSet[tuple[int, int, str]], predicted: AbstractSet[tuple[int, int, str]]) -> None:
        """The spans of a unit by start, end and type."""
        sides = (self.correct, gold & predicted), (self.predicted, predicted), (self.gold, gold)
        for counter, keys in sides:
            counter.update([label for _, _, label in keys])

    def join(self, other: SpanCounts) -> None:
        """The units of other counts, too."""
        self.correct.update(other.correct)
        self.predicted.update(other.predicted)
        self.gold.update(other.gold)

    def scores(self) -> SpanScores:
        """Strict scores: a span counts when start, end and type are all those of a gold span."""
        counts = (self.correct, self.predicted, self.gold)
        types = sorted(self.predicted.keys() | self.gold.keys())
        by_type = {label: score(*(counter[label] for counter in counts)) for label in types}
        macro = ratio(sum(each.f1 for each in by_type.values()), len(by_type))
        return SpanScores(score(*(counter.total() for counter in counts)), macro, by_type)


def span_scores(units: Iterable[Unit]) -> SpanScores:
    """The scores of `SpanCounts` over units that are all there."""
    counts = SpanCounts()
    for unit in units:
        counts.add(_keys(unit.gold, typed=True), _keys(unit.predicted, typed=True))
    return counts.scores()


def span_estimate(units: Sequence[Unit], typed: bool = True, seed: int = 0) -> Estimate:
    """Micro F1 of the spans with its interval over the units."""
    return bootstrap([span_row(unit, typed) for unit in units], span_f1, seed=seed)


def seen_scores(units: Sequence[Unit], surfaces: Collection[str]) -> SeenScores:
    """Strict scores split by surface; gold and predicted entities each go by their own.

    `surfaces` are those of the training data, compared as they are.
    """

    def part(seen: bool) -> list[Unit]:
        return [
            Unit(
                tuple(entity for entity in unit.gold if (entity.surface in surfaces) == seen),
                tuple(entity for entity in unit.predicted if (entity.surface in surfaces) == seen),
            )
            for unit in units
        ]

    return SeenScores(_total(part(True)), _total(part(False)))


def iob2(words: Sequence[Span], entities: Iterable[Entity]) -> list[str]:
    """One IOB2 tag per word, in a flat reading: where spans share a word the outermost stays.

    `words` are disjoint and in order, as from `rasid.text.words`; a word that overlaps a span belongs to it.
    """
    starts, ends = [word.start for word in words], [word.end for word in words]
    tags = ["O"] * len(words)
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        first, last = bisect_right(ends, entity.start), bisect_left(starts, entity.end)
        if first < last and all(tag == "O" for tag in tags[first:last]):
            tags[first:last] = [f"B-{entity.type}"] + [f"I-{entity.type}"] * (last - first - 1)
    return tags


def conll_scores(gold: list[list[str]], predicted: list[list[str]]) -> ConllScores:
    """seqeval's scores of IOB2 tags, [sentences][words] on both sides (ValueError when lengths differ).

    `strict` reads IOB2 to the letter (an I- without its B- opens nothing); `lenient` is conlleval's reading.
    """
    if [len(tags) for tags in gold] != [len(tags) for tags in predicted]:
        raise ValueError("gold and predicted tags are not aligned: sentences differ in number or length")
    tags = {tag for sentence in (*gold, *predicted) for tag in sentence}
    nothing = Score(0.0, 0.0, 0.0, 0)
    if tags <= {"O"}:  # seqeval fails where there is no entity at all
        return ConllScores(nothing, nothing, {})
    from seqeval.metrics.sequence_labeling import classification_report, precision_recall_fscore_support
    from seqeval.scheme import IOB2

    lenient = precision_recall_fscore_support(gold, predicted, average="micro", zero_division=0)
    table: dict[str, Any] = {}
    if any(tag.startswith("B-") for tag in tags):
        table = classification_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    scores = {name: _of_seqeval(*row.values()) for name, row in table.items()}
    strict = scores.pop("micro avg", nothing)
    by_type = {name: each for name, each in scores.items() if name not in ("macro avg", "weighted avg")}
    return ConllScores(strict, _of_seqeval(*lenient), by_type)


def _of_seqeval(precision: Any, recall: Any, f1: Any, support: Any) -> Score:
    """A score out of seqeval's numpy scalars, in the order of its tuples and of its report's rows."""
    return Score(float(precision), float(recall), float(f1), int(support))
