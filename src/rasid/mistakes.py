"""Mistakes: every entity that was predicted wrongly, or not at all, by kind, listed and counted.

Gold and predicted spans that differ are paired one to one, the likest first; what has no counterpart was missed or is
spurious. Knows records and texts, nothing of models.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from rasid.annotations import Annotated
from rasid.errors import DataError
from rasid.excerpt import Excerpt
from rasid.metrics import score
from rasid.normalizer import normalise
from rasid.records import Entity, Record, read_exact, write_exact
from rasid.tables import table
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
COMMONEST = 50  # rows of the page
REACH = 90  # characters of text that are kept on each side
LONGEST = 200  # characters that are shown of an entity
_CONTEXT = 45  # characters on each side in the pages of plain text
_MUCH_THE_SAME = 1 / 3  # shared over joint characters, for spans of two types to be one mistake and not two


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
    def types(self) -> str:
        """Types at fault: the gold's, the predicted one, or gold -> predicted."""
        names = [entity.type for entity in self.entities]
        return " -> ".join(dict.fromkeys(names))

    @property
    def surface(self) -> str:
        """The gold's surface, beside the predicted one where that differs, on one line."""
        found = [" ".join(entity.surface.split()) for entity in self.entities]
        return " -> ".join(dict.fromkeys(found))

    def to_json(self) -> str:
        """One JSON object; what is None is left out."""
        tree = {
            "kind": self.kind,
            "types": self.types,
            "surface": self.surface,
            "doc": self.doc,
            "gold": _entity(self.gold),
            "predicted": _entity(self.predicted),
            "context": self.context,
            "excerpt": asdict(self.excerpt),
        }
        return json.dumps({key: value for key, value in tree.items() if value is not None}, ensure_ascii=False)


def _entity(entity: Entity | None) -> dict[str, object] | None:
    return (
        entity.model_dump(include={"type", "start", "end", "surface", "score"}, exclude_none=True) if entity else None
    )


def mistakes(gold: Record, predicted: Record, text: str) -> list[Mistake]:
    """All mistakes of one article, by place. Every gold and every predicted entity that is not right stands in one."""
    right = _keys(gold) & _keys(predicted)
    missed = [entity for entity in _once(gold) if _key(entity) not in right]
    extra = [entity for entity in _once(predicted) if _key(entity) not in right]
    found: list[Mistake] = []
    source = Excerpt(0, text)
    for one, other in _paired(missed, extra):
        found.append(Mistake(_kind_of_pair(one, other), gold.doc, one, other, source))
        missed.remove(one)
        extra.remove(other)
    spans = [entity.span for entity in gold.entities]
    found += [Mistake(_kind_of_missed(e.span, spans), gold.doc, e, None, source) for e in missed]
    for entity in extra:
        inside = any(span != entity.span and span.contains(entity.span) for span in spans)
        kind: Kind = "spurious child" if inside else "spurious"
        found.append(Mistake(kind, gold.doc, None, entity, source))
    return sorted(found, key=lambda m: (m.entities[0].start, m.entities[0].end))


def all_mistakes(gold: Sequence[Annotated], predicted: Sequence[Record]) -> list[Mistake]:
    """The mistakes of all articles; both sequences are of the same articles in the same order (ValueError)."""
    pairs = zip(gold, predicted, strict=True)
    return [each for article, record in pairs for each in mistakes(article.record, record, article.text)]


def _key(entity: Entity) -> tuple[int, int, str]:
    return (entity.start, entity.end, entity.type)


def _keys(record: Record) -> set[tuple[int, int, str]]:
    return {_key(entity) for entity in record.entities}


def _once(record: Record) -> list[Entity]:
    return list({_key(entity): entity for entity in record.entities}.values())


def _likeness(one: Entity, other: Entity) -> float:
    """Shared over joint characters."""
    shared = min(one.end, other.end) - max(one.start, other.start)
    return max(0, shared) / (max(one.end, other.end) - min(one.start, other.start))


def _paired(missed: Sequence[Entity], extra: Sequence[Entity]) -> Iterator[tuple[Entity, Entity]]:
    """Gold and predicted entities that stand for one another: same ends first, then same type, then the likest."""
    order = []
    for one in missed:
        for other in extra:
            like, same = _likeness(one, other), one.type == other.type
            if like >= _MUCH_THE_SAME or (same and like > 0):
                order.append(((like < 1, not same, -like, one.start, other.start), one, other))
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


def _kind_of_missed(span: Span, all_spans: Sequence[Span]) -> Kind:
    others = [other for other in all_spans if other != span]
    if any(other.contains(span) for other in others):
        return "child missed"
    return "parent missed" if any(span.contains(other) for other in others) else "missed"


@dataclass(frozen=True, slots=True)
class KindCount:
    """A kind with how often it occurs, and the strict F1 there would be without it."""

    kind: Kind
    count: int
    f1_without: float


def count_kinds(found: Sequence[Mistake], gold: int, predicted: int) -> list[KindCount]:
    """Kinds by count, the commonest first; `gold` and `predicted` are the numbers of entities on either side.

    Mending a kind makes its pairs right, finds what it missed and drops what was spurious.
    """
    counts = Counter(each.kind for each in found)
    correct = gold - sum(each.gold is not None for each in found)
    rows = []
    for kind, count in counts.most_common():
        own = [each for each in found if each.kind == kind]
        mended = sum(each.gold is not None for each in own)
        added = sum(each.predicted is None for each in own) - sum(each.gold is None for each in own)
        rows.append(KindCount(kind, count, score(correct + mended, predicted + added, gold).f1))
    return rows


def page(found: Sequence[Mistake], gold: int, predicted: int, commonest: int = COMMONEST) -> str:
    """The error analysis as Markdown: kinds with what each costs, types at fault, the commonest mistakes by kind."""
    correct = gold - sum(each.gold is not None for each in found)
    reached = score(correct, predicted, gold)
    lines = [
        "# Errors by kind",
        "",
        f"{gold} gold entities, {predicted} predicted, {correct} right: strict F1 {reached.f1:.3f}, "
        f"precision {reached.precision:.3f}, recall {reached.recall:.3f}, nested view. {len(found)} errors.",
        "",
        _kinds_table(count_kinds(found, gold, predicted), len(found)),
        "",
        "## Types at fault",
        "",
        _types_table(found),
        "",
        f"## The {commonest} commonest",
        "",
        "Surfaces are counted together when they differ in spelling alone (normalised). `->` stands between gold and",
        "predicted.",
        *_commonest(found, commonest),
    ]
    return "\n".join(lines) + "\n"


def _kinds_table(counts: Sequence[KindCount], total: int) -> str:
    rows = [
        [f"{each.kind}: {MEANING[each.kind]}", str(each.count), f"{each.count / total:.1%}", f"{each.f1_without:.3f}"]
        for each in counts
    ]
    return table(["kind", "errors", "share", "F1 without it"], rows)


def _types_table(found: Sequence[Mistake], most: int = 25) -> str:
    counts = Counter((each.kind, each.types) for each in found)
    return table(["kind", "types", "errors"], [[*key, str(count)] for key, count in counts.most_common(most)])


def _commonest(found: Sequence[Mistake], most: int) -> Iterator[str]:
    """A section for each kind, the kinds with the most errors first."""
    groups: dict[tuple[Kind, str, str], list[Mistake]] = defaultdict(list)
    for each in found:
        groups[each.kind, each.types, normalise(each.surface)].append(each)
    alike = Counter((each.kind, each.types) for each in found)  # of surfaces as common, those of a common fault first
    top = sorted(groups.items(), key=lambda item: (-len(item[1]), -alike[item[0][:2]]))[:most]
    totals = Counter(each.kind for each in found)
    for kind in sorted(get_args(Kind), key=lambda name: -totals[name]):
        own = [members for key, members in top if key[0] == kind]
        if own:
            rows = [[m[0].surface, m[0].types, str(len(m)), _docs(m), m[0].context] for m in own]
            yield f"\n### {kind} ({totals[kind]})\n"
            yield table(["surface", "types", "times", "articles", "context"], rows)
            yield "\nWhat was done:"


def _docs(members: Sequence[Mistake]) -> str:
    return str(len({each.doc for each in members}))


def entity_count(records: Sequence[Record]) -> int:
    """How many entities there are; one that stands twice counts once."""
    return sum(len(_keys(record)) for record in records)


def write_mistakes(found: Sequence[Mistake], gold: Sequence[Record], predicted: Sequence[Record], path: Path) -> None:
    """Every mistake as a JSON line into `path`, and the page that counts them beside it, as .md. Raises DataError."""
    write_exact(path, "".join(f"{each.to_json()}\n" for each in found))
    write_exact(path.with_suffix(".md"), page(found, entity_count(gold), entity_count(predicted)))


def read_mistakes(path: Path) -> list[Mistake]:
    """What `write_mistakes` wrote into `path`. Raises DataError with `file:line`."""
    found = []
    for number, line in enumerate(read_exact(path).split("\n"), 1):
        if line.strip():
            try:
                found.append(_mistake_of(json.loads(line)))
            except (KeyError, TypeError, AttributeError, ValueError, ValidationError):
                raise DataError(f"{path}:{number}: not an error as `rasid evaluate` lists them; make it anew") from None
    return found


def _mistake_of(tree: dict[str, Any]) -> Mistake:
    gold, predicted = (
        Entity.model_validate({"id": side, **tree[side]}) if side in tree else None for side in ("gold", "predicted")
    )
    if tree["kind"] not in MEANING or not (gold or predicted):
        raise ValueError
    excerpt = Excerpt(int(tree["excerpt"]["start"]), str(tree["excerpt"]["text"]))
    return Mistake(tree["kind"], str(tree["doc"]), gold, predicted, excerpt)
