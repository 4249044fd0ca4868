"""Entities that are nearly right: gold and predicted spans paired one to one, and what each of four schemes gives them.

The schemes are those of SemEval-2013 task 9 (Segura-Bedmar et al. 2013), with the categories of MUC-5: correct,
incorrect, partial, missed, spurious. The task leaves open who is paired with whom where spans nest or several
overlap; here equal spans of one type are paired first, and of the rest the pairing is taken that has the most equal
ranges, then the most overlaps of one type, then the most overlaps, then the greatest shared part. So no entity is
counted twice, and the counts do not hang on the order of the input. It knows one article at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from rasid.metrics import Unit, sides_f1
from rasid.normalizer import normalise
from rasid.records import Entity
from rasid.uncertainty import Row

Scheme = Literal["strict", "boundary", "partial", "type"]
Key = tuple[int, int, str]
DEEPEST = 2  # depths from here on are one group
LONGEST = 5  # words, likewise


class Outcome(Enum):
    """What an entity's counterpart on the other side has in common with it."""

    SAME = "range and type"
    RANGE = "range, another type"
    TYPE = "type, another range"
    OVERLAP = "some characters, another type"
    ALONE = "no counterpart"  # a gold entity is missed, a predicted one spurious

    __hash__ = object.__hash__  # members are singletons; Enum's own hash is Python, and took a tenth of a report


CREDIT: dict[Scheme, dict[Outcome, float]] = {
    "strict": {Outcome.SAME: 1.0},
    "boundary": {Outcome.SAME: 1.0, Outcome.RANGE: 1.0},
    "partial": {Outcome.SAME: 1.0, Outcome.RANGE: 1.0, Outcome.TYPE: 0.5, Outcome.OVERLAP: 0.5},
    "type": {Outcome.SAME: 1.0, Outcome.TYPE: 1.0},
}
_PAIRED = (Outcome.SAME, Outcome.RANGE, Outcome.TYPE, Outcome.OVERLAP)


class Judged(NamedTuple):
    """An entity, what became of it, and how many longer ranges of its own side hold it (0: outermost)."""

    entity: Entity
    outcome: Outcome
    depth: int


@dataclass(frozen=True, slots=True)
class Matched:
    """The entities of both sides of a unit, each once."""

    gold: tuple[Judged, ...]
    predicted: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class SchemeCounts:
    """The five categories under one scheme; gold is all but `spurious`, predicted all but `missed`."""

    correct: int
    incorrect: int
    partial: int
    missed: int
    spurious: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the entities of both sides of a unit, each once; those in no `found` have no counterpart."""

    gold: dict[Key, Entity]
    predicted: dict[Key, Entity]
    found_gold: dict[Key, Outcome]
    found_predicted: dict[Key, Outcome]

    @property
    def row(self) -> Row:
        """Additive counts of the unit: pairs by SAME, RANGE, TYPE and OVERLAP, then missed, then spurious ([6])."""
        found = list(self.found_gold.values())
        pairs = [found.count(kind) for kind in _PAIRED]
        return [*pairs, len(self.gold) - len(found), len(self.predicted) - len(self.found_predicted)]

    def judged(self) -> Matched:
        """The same entity by entity, with depths."""
        return Matched(_judged(self.gold, self.found_gold), _judged(self.predicted, self.found_predicted))


def outcomes(unit: Unit) -> Outcomes:
    """Pairs the entities of a unit; one that stands twice on a side counts once."""
    gold, predicted = ({(e.start, e.end, e.type): e for e in side} for side in (unit.gold, unit.predicted))
    found, extra = (dict.fromkeys(gold.keys() & predicted.keys(), Outcome.SAME) for _ in "gp")
    left, right = sorted(gold.keys() - predicted.keys()), sorted(predicted.keys() - gold.keys())
    for one, other in _pairs(left, right):
        found[one] = extra[other] = _outcome(one, other)
    return Outcomes(gold, predicted, found, extra)


def match(unit: Unit) -> Matched:
    """Pairs the entities of a unit, and says of each what became of it."""
    return outcomes(unit).judged()


def _judged(side: dict[Key, Entity], known: dict[Key, Outcome]) -> tuple[Judged, ...]:
    depths, alone = _depths({key[:2] for key in side}), Outcome.ALONE
    return tuple([Judged(each, known.get(key, alone), depths[key[:2]]) for key, each in side.items()])


def _depths(ranges: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """How many of the other ranges hold each; ranges do not cross."""
    depths, open_ends = {}, list[int]()
    for start, minus_end in sorted([(start, -end) for start, end in ranges]):
        while open_ends and open_ends[-1] < -minus_end:
            open_ends.pop()
        depths[start, -minus_end] = len(open_ends)
        open_ends.append(-minus_end)
    return depths


def _outcome(one: Key, other: Key) -> Outcome:
    if one[:2] == other[:2]:
        return Outcome.RANGE
    return Outcome.TYPE if one[2] == other[2] else Outcome.OVERLAP


def _pairs(left: Sequence[Key], right: Sequence[Key]) -> list[tuple[Key, Key]]:
    """The best one-to-one pairing of entities that overlap; on neither side is a key of the other."""
    if not left or not right:
        return []
    starts, ends = (np.array([key[n] for key in left])[:, None] for n in (0, 1))
    other_starts, other_ends = (np.array([key[n] for key in right])[None, :] for n in (0, 1))
    shared = np.clip(np.minimum(ends, other_ends) - np.maximum(starts, other_starts), 0, None)
    joint = np.maximum(ends, other_ends) - np.minimum(starts, other_starts)
    numbers: dict[str, int] = {}
    types = [np.array([numbers.setdefault(key[2], len(numbers)) for key in side]) for side in (left, right)]
    same_type = types[0][:, None] == types[1][None, :]
    overlap, equal = shared > 0, shared == joint
    # Each aim outweighs all that come after it: no more than size - 1 pairs are made, and a shared part is at most 1.
    size = float(min(len(left), len(right)) + 1)
    weights = equal * size**3 + (overlap & same_type) * size**2 + overlap * size + shared / joint
    rows, columns = linear_sum_assignment(weights, maximize=True)
    return [(left[row], right[column]) for row, column in zip(rows, columns, strict=True) if overlap[row, column]]


def scheme_row(row: Row, scheme: Scheme) -> Row:
    """A row (or sum) of `Outcomes.row` as `metrics.sides_score` takes it: a partial counts half (Chinchor 1993)."""
    credit = sum(CREDIT[scheme].get(kind, 0.0) * count for kind, count in zip(_PAIRED, row, strict=False))
    paired = sum(row[: len(_PAIRED)])
    return (credit, paired + row[5], credit, paired + row[4])


def scheme_f1(row: Row, scheme: Scheme) -> float:
    """F1 under a scheme from a row (or sum) of `Outcomes.row`."""
    return sides_f1(scheme_row(row, scheme))


def scheme_counts(row: Row, scheme: Scheme) -> SchemeCounts:
    """The five categories from a row (or sum) of `Outcomes.row`."""
    worth = [CREDIT[scheme].get(kind, 0.0) for kind in _PAIRED]

    def pairs(credit: float) -> int:
        return int(sum(number for number, own in zip(row, worth, strict=False) if own == credit))

    return SchemeCounts(pairs(1.0), pairs(0.0), pairs(0.5), missed=int(row[4]), spurious=int(row[5]))


Group = Callable[[Judged], str]
_DEPTHS = [*(f"depth {depth}" for depth in range(DEEPEST)), f"depth {DEEPEST}+"]
_LENGTHS = ["1 word", "1 word", *(f"{words} words" for words in range(2, LONGEST)), f"{LONGEST}+ words"]


def by_type(judged: Judged) -> str:
    """The entity's type."""
    return judged.entity.type


def by_depth(judged: Judged) -> str:
    """`depth 0` (outermost), `depth 1`, `depth 2+`."""
    return _DEPTHS[min(judged.depth, DEEPEST)]


def by_length(judged: Judged) -> str:
    """`1 word` to `4 words` and `5+ words`; words are what white space parts."""
    return _LENGTHS[min(len(judged.entity.surface.split()), LONGEST)]


def surface_key(surface: str) -> str:
    """What makes two surfaces the same: the normalised words."""
    return " ".join(normalise(surface).split())


class _Seen:
    """The group of `by_seen`: a class of its own, since processes hand it to one another."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known
        self._answers: dict[str, str] = {}  # a corpus repeats its names, and folding is what takes time here

    def __call__(self, judged: Judged) -> str:
        surface = judged.entity.surface
        if surface not in self._answers:
            self._answers[surface] = "seen" if surface_key(surface) in self._known else "unseen"
        return self._answers[surface]


def by_seen(surfaces: Iterable[str]) -> Group:
    """`seen` where an entity's surface is, folded, among those of the training data, else `unseen`."""
    return _Seen({surface_key(surface) for surface in surfaces})


def group_row(matched: Matched, group: Group, scheme: Scheme = "strict") -> dict[str, list[float]]:
    """The row of one unit for `metrics.sides_score`, [4], of every group that has an entity in it.

    Gold and predicted entities each go by their own group, so precision is of what was predicted as, say, ORG and
    recall of what is ORG.
    """
    credit = {outcome: CREDIT[scheme].get(outcome, 0.0) for outcome in Outcome}
    found: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for place, side in ((0, matched.predicted), (2, matched.gold)):
        for judged in side:
            row = found[group(judged)]
            row[place] += credit[judged.outcome]
            row[place + 1] += 1
    return found


def group_rows(matched: Sequence[Matched], group: Group, scheme: Scheme = "strict") -> dict[str, list[Row]]:
    """Rows by group, [units, 4] each, groups in sorted order."""
    rows = [group_row(each, group, scheme) for each in matched]
    return {name: [row.get(name, [0.0] * 4) for row in rows] for name in sorted({name for row in rows for name in row})}
