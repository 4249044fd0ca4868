"""Faults of spans that have one remedy, and the remedy: a change of the JSON file that leaves the rest of it alone.

A span that reads otherwise than its `surface` moves to the one place nearby that reads so; white space and marks leave
a span's ends; a span one off at a quotation mark is moved by one; white space leaves the ends of a stance's passage.
No entity is taken away: one that would come to stand on its like, or across another, stays as it is. Running it again
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rasid.edges import shifted, trimmed
from rasid.jsonplaces import Change, Path, changed
from rasid.records import Entity, Record, sha256_of
from rasid.text import Span, passages

_NEARBY = 20  # characters: a miscount moves a span by few; further on the same name is another mention


@dataclass(frozen=True, slots=True)
class Fixed:
    """The file's text after the fixes; what was done, and what was not for all its remedy, a sentence each."""

    source: str
    done: tuple[str, ...]
    refused: tuple[str, ...] = ()


def _moved(text: str, entity: Entity) -> Span | None:
    """Where `surface` stands, once within `_NEARBY` of where the span is; None where it stands nowhere, or twice."""
    if entity.span.of(text) == entity.surface:
        return entity.span
    low, high = max(0, entity.start - _NEARBY), min(len(text), entity.start + len(entity.surface) + _NEARBY)
    first = text.find(entity.surface, low, high)
    if first < 0 or not entity.surface or text.find(entity.surface, first + 1, high) >= 0:
        return None
    return Span(first, first + len(entity.surface))


def _remedy(text: str, entity: Entity) -> Span | None:
    """The span as it should be; None where nobody but a reader can tell."""
    span = _moved(text, entity)
    if span is None or span.end > len(text) or span.start >= span.end:
        return None
    return trimmed(text, shifted(text, span))


def _hindrance(entities: Sequence[Entity], number: int, span: Span) -> str | None:
    """What stands where the span would go."""
    entity = entities[number]
    for place, other in enumerate(entities):
        if place == number:
            continue
        if other.span == span and other.type == entity.type:
            return f"{other.id} is the same span and type"
        if other.span.crosses(span) and not other.span.crosses(entity.span):
            return f"{other.id} {other.surface!r} would be crossed"
    return None


def _scope_changes(record: Record, text: str) -> Iterator[Change]:
    """Passages of stances that have white space at an end where `rasid.text.passages` has none."""
    known = {(span.start, span.end) for span in passages(text)}
    for number, stance in enumerate(record.stances):
        here: Path = ("stances", number)
        ranges = {(*here, "evidence", n): one for n, one in enumerate(stance.evidence or ())}
        if stance.scope != "article":
            ranges[(*here, "scope")] = stance.scope
        for path, (start, end) in ranges.items():
            inner = text[start:end]
            tight = (start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip()))
            if tight != (start, end) and tight in known:
                yield from (Change((*path, n), tight[n]) for n in (0, 1) if tight[n] != (start, end)[n])


@dataclass(frozen=True, slots=True)
class _Settled:
    """The entities after the fixes, in the same order, and why some stay as they are."""

    entities: tuple[Entity, ...]
    refused: tuple[str, ...]


def _settle(entities: Sequence[Entity], text: str) -> _Settled:
    """Goes over the entities until none moves any more: one may make room for another."""
    after, refused, moved = list(entities), dict[int, str](), True
    while moved:
        moved, refused = False, {}
        for number, entity in enumerate(after):
            span = _remedy(text, entity)
            if span is None or (span == entity.span and span.of(text) == entity.surface):
                continue
            hindrance = _hindrance(after, number, span)
            if hindrance:
                refused[number] = f"{_told(entity)}: [{span.start}, {span.end}) would be right, but {hindrance}"
                continue
            changes = {"start": span.start, "end": span.end, "surface": span.of(text)}
            after[number], moved = entity.model_copy(update=changes), True
    return _Settled(tuple(after), tuple(refused.values()))


def _told(entity: Entity) -> str:
    return f"entity {entity.id} {entity.surface!r} [{entity.start}, {entity.end})"


def fix(source: str, record: Record, text: str) -> Fixed:
    """What can be mended of `record`, which was read from `source`. A record of another text is left as it is."""
    if record.sha256 != sha256_of(text):
        return Fixed(source, ())
    settled = _settle(record.entities, text)
    changes: list[Change] = []
    done = []
    for number, (before, after) in enumerate(zip(record.entities, settled.entities, strict=True)):
        if before != after:
            done.append(f"{_told(before)}: now {after.surface!r} [{after.start}, {after.end})")
            fields = ("start", "end", "surface")
            values = [Change(("entities", number, name), getattr(after, name)) for name in fields]
            changes += [one for one in values if getattr(before, str(one.path[-1])) != one.value]
    scopes = list(_scope_changes(record, text))
    numbers = sorted({int(one.path[1]) + 1 for one in scopes})
    done += [f"stance {number}: white space left its passage" for number in numbers]
    return Fixed(changed(source, [*changes, *scopes]), tuple(done), settled.refused)
