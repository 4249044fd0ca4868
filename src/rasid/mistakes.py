"""Mistakes: every entity that was predicted wrongly, or not at all, by kind, as a list of errors holds them.

Gold and predicted spans that differ are paired one to one, the likest first; what has no counterpart was missed or is
spurious. Knows records and texts, nothing of models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from rasid.annotations import Annotated
from rasid.errors import DataError
from rasid.excerpt import Excerpt
from rasid.records import Entity, Record, read_exact
from rasid.text import Span

Kind = Literal[
    "missed",
    "parent missed",
    "child missed",
    "spurious",
    "spurious child",
    "wrong type",
    "too long",
    "too short",
    "shifted",
    "wrong type and ends",
]
MEANING: dict[Kind, str] = {
    "missed": "a name that nests in nothing, found in no form",
    "parent missed": "a name with other names in it, found in no form",
    "child missed": "a name inside a longer one, found in no form",
    "spurious": "a span where the gold has nothing like it",
    "spurious child": "the same, inside a span of the gold",
    "wrong type": "both ends right, type wrong",
    "too long": "type right, the span holds the gold's",
    "too short": "type right, the gold's holds the span",
    "shifted": "type right, the two cross",
    "wrong type and ends": "another type on much the same words",
}
ERRORS_FILE = "errors.jsonl"  # of a report
REACH = 90  # characters of text that are kept on each side
LONGEST = 200  # characters that are shown of an entity
_CONTEXT = 45  # characters on each side in the pages of plain text
_MUCH_THE_SAME = 1 / 3  # shared over joint characters, for spans of two types to be one mistake and not two


class Fault(NamedTuple):
    """What is wrong: a kind, and the types of the gold and of the predicted entity, None where there is none."""

    kind: Kind
    gold: str | None
    predicted: str | None

    @property
    def types(self) -> str:
        """Types at fault: the gold's, the predicted one, or gold -> predicted."""
        return " -> ".join(dict.fromkeys(name for name in (self.gold, self.predicted) if name is not None))


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: the gold entity, the predicted one, or both; `source` is the article's text, or what was kept."""

    kind: Kind
    doc: str
    gold: Entity | None
    predicted: Entity | None
    source: Excerpt

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The gold entity and the predicted one, as far as there are."""
        return tuple(entity for entity in (self.gold, self.predicted) if entity)

    @property
    def context(self) -> str:
        """A few words of text on one line, with the gold entity, or else the predicted one, marked ⟦ ⟧."""
        span, whole = self.entities[0].span, self.source
        left = whole.of(Span(max(whole.start, span.start - _CONTEXT), span.start))
        right = whole.of(Span(span.end, span.end + _CONTEXT))
        return " ".join(f"{left}⟦{whole.of(span)}⟧{right}".split())

    @property
    def excerpt(self) -> Excerpt:
        """The text around both entities, as it is."""
        ends = Span(min(e.start for e in self.entities), max(e.end for e in self.entities))
        return self.source.around(ends, REACH, LONGEST)

    @property
    def fault(self) -> Fault:
        """The mistake without its place."""
        gold, predicted = (entity.type if entity else None for entity in (self.gold, self.predicted))
        return Fault(self.kind, gold, predicted)

    @property
    def types(self) -> str:
        """Those of the fault."""
        return self.fault.types

    @property
    def surface(self) -> str:
        """The gold's surface, beside the predicted one where that differs, on one line."""
        found = [" ".join(entity.surface.split()) for entity in self.entities]
        return " -> ".join(dict.fromkeys(found))

    def to_json(self) -> str:
        """One JSON object; what is None is left out."""
        around = self.excerpt
        tree = {
            "kind": self.kind,
            "types": self.types,
            "surface": self.surface,
            "doc": self.doc,
            "gold": _entity(self.gold),
            "predicted": _entity(self.predicted),
            "context": self.context,
            "excerpt": {"start": around.start, "text": around.text},
        }
        return json.dumps({key: value for key, value in tree.items() if value is not None}, ensure_ascii=False)


def _entity(entity: Entity | None) -> dict[str, object] | None:
    if entity is None:
        return None
    tree = {"type": entity.type, "start": entity.start, "end": entity.end, "surface": entity.surface}
    return tree if entity.score is None else {**tree, "score": entity.score}


def mistakes(gold: Record, predicted: Record, text: str) -> list[Mistake]:
    """All mistakes of one article, by place. Every gold and every predicted entity that is not right stands in one."""
    left, right = _by_key(gold), _by_key(predicted)
    missed = [entity for key, entity in left.items() if key not in right]
    extra = [entity for key, entity in right.items() if key not in left]
    found: list[Mistake] = []
    source = Excerpt(0, text)
    taken: set[int] = set()
    for one, other in _paired(missed, extra):
        found.append(Mistake(_kind_of_pair(one, other), gold.doc, one, other, source))
        taken |= {id(one), id(other)}
    missed, extra = ([entity for entity in side if id(entity) not in taken] for side in (missed, extra))
    ranges = sorted({(entity.start, entity.end) for entity in gold.entities})
    found += [Mistake(_kind_of_missed(e, ranges), gold.doc, e, None, source) for e in missed]
    for entity in extra:
        kind: Kind = "spurious child" if _held(entity, ranges) else "spurious"
        found.append(Mistake(kind, gold.doc, None, entity, source))
    return sorted(found, key=lambda m: (m.entities[0].start, m.entities[0].end))


def all_mistakes(gold: Sequence[Annotated], predicted: Sequence[Record]) -> list[Mistake]:
    """The mistakes of all articles; both sequences are of the same articles in the same order (ValueError)."""
    pairs = zip(gold, predicted, strict=True)
    return [each for article, record in pairs for each in mistakes(article.record, record, article.text)]


def _by_key(record: Record) -> dict[tuple[int, int, str], Entity]:
    return {(entity.start, entity.end, entity.type): entity for entity in record.entities}


def _paired(missed: Sequence[Entity], extra: Sequence[Entity]) -> Iterator[tuple[Entity, Entity]]:
    """Gold and predicted entities that stand for one another: same ends first, then same type, then the likest.

    Likeness is shared over joint characters.
    """
    order = []
    for one in missed:
        start, end = one.start, one.end
        for other in extra:
            shared = min(end, other.end) - max(start, other.start)
            if shared > 0:
                like = shared / (max(end, other.end) - min(start, other.start))
                same = one.type == other.type
                if same or like >= _MUCH_THE_SAME:
                    order.append(((like < 1, not same, -like, start, other.start), one, other))
    taken: set[int] = set()
    for _, one, other in sorted(order, key=lambda row: row[0]):
        if not {id(one), id(other)} & taken:
            taken |= {id(one), id(other)}
            yield one, other


def _kind_of_pair(gold: Entity, predicted: Entity) -> Kind:
    if gold.span == predicted.span:
        return "wrong type"
    if gold.type != predicted.type:
        return "wrong type and ends"
    if predicted.span.contains(gold.span):
        return "too long"
    return "too short" if gold.span.contains(predicted.span) else "shifted"


def _held(entity: Entity, ranges: Sequence[tuple[int, int]]) -> bool:
    """Whether a longer range holds the entity."""
    start, end = entity.start, entity.end
    return any(first <= start and end <= last and (first < start or end < last) for first, last in ranges)


def _kind_of_missed(entity: Entity, ranges: Sequence[tuple[int, int]]) -> Kind:
    if _held(entity, ranges):
        return "child missed"
    start, end = entity.start, entity.end
    holds = any(start <= first and last <= end and (start < first or last < end) for first, last in ranges)
    return "parent missed" if holds else "missed"


def read_mistakes(path: Path) -> list[Mistake]:
    """What `write_mistakes` wrote into `path`. Raises DataError with `file:line`."""
    found = []
    for number, line in enumerate(read_exact(path).split("\n"), 1):
        if line.strip():
            try:
                found.append(parse_mistake(line))
            except (KeyError, TypeError, AttributeError, ValueError, ValidationError):
                raise DataError(f"{path}:{number}: not an error as `rasid evaluate` lists them; make it anew") from None
    return found


def parse_mistake(line: str | bytes) -> Mistake:
    """What `Mistake.to_json` wrote. Raises KeyError, TypeError, AttributeError or ValueError for anything else."""
    tree = json.loads(line)
    gold, predicted = (
        Entity.model_validate({"id": side, **tree[side]}) if side in tree else None for side in ("gold", "predicted")
    )
    if tree["kind"] not in MEANING or not (gold or predicted):
        raise ValueError
    excerpt = Excerpt(int(tree["excerpt"]["start"]), str(tree["excerpt"]["text"]))
    return Mistake(tree["kind"], str(tree["doc"]), gold, predicted, excerpt)
