"""Rows of the error browser: mistakes with what stands around them on both sides of their article.

Knows one article at a time, and nothing of pages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rasid.confusion import MISSED, SPURIOUS
from rasid.excerpt import Excerpt
from rasid.listing import Facet, Line, Marks, Row
from rasid.mistakes import Mistake
from rasid.records import Entity, Record

LINES = (Line("gold"), Line("predicted"))
FACETS = (Facet("kind", "Kind of error"), Facet("gold", "Gold type"), Facet("predicted", "Predicted type"))


@dataclass(frozen=True, slots=True)
class _Side:
    """The entities of one side of an article by start, and the greatest length among them."""

    entities: tuple[Entity, ...]
    longest: int

    def within(self, excerpt: Excerpt) -> Iterator[Entity]:
        first = bisect_left(self.entities, excerpt.start - self.longest, key=lambda entity: entity.start)
        for entity in self.entities[first:]:
            if entity.start >= excerpt.end:
                break
            if entity.end > excerpt.start:
                yield entity


def _side(record: Record) -> _Side:
    entities = sorted(record.entities, key=lambda entity: (entity.start, -entity.end))
    return _Side(tuple(entities), max((entity.end - entity.start for entity in entities), default=0))


def mistake_rows(wrong: Sequence[Mistake], gold: Record, predicted: Record) -> Iterator[Row]:
    """A row for each mistake of one article."""
    sides = [_side(record) for record in (gold, predicted)]
    for each in wrong:
        excerpt = each.excerpt
        own = (each.gold, each.predicted)
        lines = tuple(_marks(entity, side, excerpt) for entity, side in zip(own, sides, strict=True))
        types = (each.gold.type if each.gold else SPURIOUS, each.predicted.type if each.predicted else MISSED)
        yield Row(each.doc, (each.kind, *types), excerpt, lines, each.predicted.score if each.predicted else None)


def _marks(own: Entity | None, side: _Side, excerpt: Excerpt) -> Marks:
    others = tuple(entity for entity in side.within(excerpt) if entity is not own)
    return Marks((own,) if own else (), others)
