"""Sameness: how far the answers of two contenders of a benchmark are the same. Speed is nothing without it.

Entities are the same by place and type, stances by whose they are, towards whom, where, and their label. What
transformers' pipelines answer is flat and without clusters, so it is held against the outermost entities and nothing
else. Knows records, and nothing of who made them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rasid.metrics import outermost, score
from rasid.records import Record

Scores = dict[tuple[object, ...], float]  # of what is answered, by what makes it the same


@dataclass(frozen=True, slots=True)
class Answers:
    """What is said of one article. `flat` are the outermost entities; the others are None where nobody asks."""

    flat: Scores
    entities: Scores | None = None
    stances: Scores | None = None

    @classmethod
    def of(cls, record: Record) -> Answers:
        """A prediction's answers."""
        entities: Scores = {(e.start, e.end, e.type): e.score or 0.0 for e in record.entities}
        flat: Scores = {(e.start, e.end, e.type): e.score or 0.0 for e in outermost(record.entities)}
        names = {cluster.id: f"{cluster.type} {cluster.name}" for cluster in record.clusters}
        stances: Scores = {
            (names[s.target], names.get(s.holder, s.holder), s.scope, s.label): s.score or 0.0 for s in record.stances
        }
        return cls(flat, entities, stances)

    @classmethod
    def of_pipeline(cls, found: Sequence[Mapping[str, Any]]) -> Answers:
        """What `pipeline("token-classification", aggregation_strategy=...)` returns for a text."""
        return cls({(each["start"], each["end"], each["entity_group"]): float(each["score"]) for each in found})

    def tree(self) -> list[Any]:
        """As JSON, for another process."""
        parts = (self.flat, self.entities, self.stances)
        return [None if part is None else [[*key, value] for key, value in part.items()] for part in parts]

    @classmethod
    def of_tree(cls, tree: Sequence[Any]) -> Answers:
        flat, *more = (None if part is None else {_key(row): row[-1] for row in part} for part in tree)
        return cls(flat or {}, *more)


def _key(row: Sequence[Any]) -> tuple[object, ...]:
    return tuple(tuple(part) if isinstance(part, list) else part for part in row[:-1])


@dataclass(frozen=True, slots=True)
class Sameness:
    """`flat`, `entities` and `stances` are strict F1 of one contender's answers with the other's as gold, which is the
    same either way; 1 where neither says anything. `apart` is the largest difference of two scores of what both say, of
    all entities and stances. None where one of the two does not answer."""

    flat: float
    entities: float | None
    stances: float | None
    apart: float | None


def sameness(one: Sequence[Answers], other: Sequence[Answers]) -> Sameness:
    """How far two contenders agree about the same articles. Raises ValueError where the numbers of these differ."""
    pairs = list(zip(one, other, strict=True))
    entities = _both(pairs, lambda answers: answers.entities)
    stances = _both(pairs, lambda answers: answers.stances)
    differences = [abs(a[key] - b[key]) for a, b in (*entities, *stances) for key in a.keys() & b.keys()]
    return Sameness(
        flat=_f1(_both(pairs, lambda answers: answers.flat)),
        entities=_f1(entities) if entities else None,
        stances=_f1(stances) if stances else None,
        apart=max(differences, default=0.0) if entities else None,
    )


_Part = Callable[[Answers], Scores | None]


def _both(pairs: Sequence[tuple[Answers, Answers]], part: _Part) -> list[tuple[Scores, Scores]]:
    """A part of the two contenders' answers, article by article; none where one of them lacks it."""

    def present() -> Iterator[tuple[Scores, Scores]]:
        for one, other in pairs:
            a, b = part(one), part(other)
            if a is not None and b is not None:
                yield a, b

    return list(present())


def _f1(pairs: Sequence[tuple[Scores, Scores]]) -> float:
    found, gold = sum(len(a) for a, _ in pairs), sum(len(b) for _, b in pairs)
    return score(sum(len(a.keys() & b.keys()) for a, b in pairs), found, gold).f1 if found + gold else 1.0
