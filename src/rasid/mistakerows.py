"""Rows of the error browser: mistakes with what stands around them on both sides of their article.

Knows one article at a time, and nothing of pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rasid.confusion import MISSED, SPURIOUS
from rasid.excerpt import Excerpt
from rasid.listing import Facet, Flat, Line, Marks, Row
from rasid.mistakes import Mistake
from rasid.records import Entity, Record

LINES = (Line("gold"), Line("predicted"))
FACETS = (Facet("kind", "Kind of error"), Facet("gold", "Gold type"), Facet("predicted", "Predicted type"))


class Mention(NamedTuple):
    """What is shown of an entity that stands beside a mistake."""

    start: int
    end: int
    type: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Side:
    """The entities of one side of an article, by start, the longer ones first."""

    mentions: Sequence[Mention]

    @classmethod
    def of(cls, record: Record) -> Side:
        entities = sorted(record.entities, key=lambda entity: (entity.start, -entity.end))
        return cls([Mention(each.start, each.end, each.type, each.score) for each in entities])

    def beside(self, own: Entity | None, excerpt: Excerpt) -> Marks:
        """The mistake's own entity, and the others that reach into the excerpt."""
        key = (own.start, own.end, own.type) if own else None
        begin, end = excerpt.start, excerpt.end
        near = [each for each in self.mentions if each.start < end and each.end > begin]
        others = [each for each in near if each[:3] != key]
        return Marks((own,) if own else (), tuple(others))


def mistake_rows(wrong: Iterable[Mistake], sides: Sequence[Side]) -> Iterator[Flat]:
    """A row for each mistake of one article; `sides` are gold and predicted."""
    for each in wrong:
        excerpt = each.excerpt
        own = zip((each.gold, each.predicted), sides, strict=True)
        lines = tuple(side.beside(entity, excerpt) for entity, side in own)
        types = (each.gold.type if each.gold else SPURIOUS, each.predicted.type if each.predicted else MISSED)
        score = each.predicted.score if each.predicted else None
        yield Row(each.doc, (each.kind, *types), excerpt, lines, score).flat
