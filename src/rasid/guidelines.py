"""The rules of the annotation guidelines that a program can hold an annotation to.

They come on top of a record's invariants. Errors break a rule outright; warnings are what a rule allows for a
reason that only a reader can see (a word glued by a lost space, a country named only as a place).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rasid.edges import trimmed
from rasid.labels import SALIENT
from rasid.records import Entity, Record
from rasid.targets import is_target
from rasid.text import passages, words

MAX_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found, one sentence each."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Naming:
    """A cluster named in the passage `number` (from 1); `standalone` unless only inside longer names."""

    target: str
    number: int
    start: int
    end: int
    standalone: bool


def depths(entities: tuple[Entity, ...]) -> dict[str, int]:
    """Nesting depth by entity id, 1 for the outermost; of two entities on one range the later is nested."""
    found: dict[str, int] = {}
    open_ends: list[int] = []
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        while open_ends and open_ends[-1] <= entity.start:
            open_ends.pop()
        open_ends.append(entity.end)
        found[entity.id] = len(open_ends)
    return found


def check(record: Record, text: str) -> Findings:
    """Findings on one sound record (`records.faults` is empty) and its raw text."""
    articles, named = _article_findings(record), _passage_findings(record, text)
    errors = [
        *_depth_errors(record),
        *_edge_errors(record, text),
        *_scope_errors(record, text),
        *articles.errors,
        *named.errors,
    ]
    warnings = [*_boundary_warnings(record, text), *_type_warnings(record)]
    return Findings(tuple(errors), (*warnings, *articles.warnings, *named.warnings))


def _article_findings(record: Record) -> Findings:
    """Every target, chosen or demanded, has its article record; a country may be only a place."""
    errors, warnings = [], []
    names = {cluster.id: cluster.name for cluster in record.clusters}
    chosen = {stance.target for stance in record.stances}
    demanded = _demanded(record)
    authored = {each.target for each in record.stances if each.scope == "article" and each.holder == "author"}
    for target in sorted({*chosen, *demanded} - authored):
        missing = f"target {target} {names[target]!r}: no article stance with holder author"
        if target not in chosen and demanded[target] == "GPE":
            warnings.append(f"{missing}; right only if it serves as a place throughout")
        else:
            errors.append(missing)
    return Findings(tuple(errors), tuple(warnings))


def _passage_findings(record: Record, text: str) -> Findings:
    """Every target has an author record for each passage that names it."""
    errors, warnings = [], []
    names = {cluster.id: cluster.name for cluster in record.clusters}
    authored = {(each.target, each.scope) for each in record.stances if each.holder == "author"}
    targets = {stance.target for stance in record.stances}
    for naming in _namings(record, text):
        if naming.target in targets and (naming.target, (naming.start, naming.end)) not in authored:
            where = f"target {naming.target} {names[naming.target]!r}: named in P{naming.number}"
            if naming.standalone:
                errors.append(f"{where}, which has no stance with holder author")
            else:
                warnings.append(f"{where} inside a longer name only; no stance with holder author there")
    return Findings(tuple(errors), tuple(warnings))


def _depth_errors(record: Record) -> Iterator[str]:
    levels = depths(record.entities)
    for entity in record.entities:
        if levels[entity.id] > MAX_DEPTH:
            level = levels[entity.id]
            yield f"entity {entity.id} {entity.surface!r}: nested {level} deep, at most {MAX_DEPTH}"


def _edge_errors(record: Record, text: str) -> Iterator[str]:
    for entity in record.entities:
        inner = trimmed(text, entity.span)
        if inner != entity.span:
            yield (
                f"entity {entity.id} {entity.surface!r}: quotation marks, brackets and punctuation stay out; "
                f"{inner.of(text)!r} is [{inner.start}, {inner.end})"
            )


def _scope_errors(record: Record, text: str) -> Iterator[str]:
    known = {(span.start, span.end) for span in passages(text)}
    for number, stance in enumerate(record.stances, 1):
        ranges = [] if stance.scope == "article" else [stance.scope]
        for scope in [*ranges, *(stance.evidence or ())]:
            if scope not in known:
                name = f"stance {number} towards {stance.target}: [{scope[0]}, {scope[1]})"
                yield f"{name} is not a passage; allowed: those of rasid.text.passages"


def _boundary_warnings(record: Record, text: str) -> Iterator[str]:
    """Ends inside a word, except where the next name starts at the same cut: a word glued of two names."""
    starts = {entity.start for entity in record.entities}
    ends = {entity.end for entity in record.entities}
    inside = {place: word for word in words(text) for place in range(word.start + 1, word.end)}
    for entity in record.entities:
        cuts = [("starts", entity.start, ends), ("ends", entity.end, starts)]
        for verb, place, others in cuts:
            if place in inside and place not in others:
                word = inside[place].of(text)
                name = f"entity {entity.id} {entity.surface!r}"
                yield f"{name}: {verb} inside the word {word!r}; is it a glued word?"


def _type_warnings(record: Record) -> Iterator[str]:
    types = {cluster.id: cluster.type for cluster in record.clusters}
    for entity in record.entities:
        expected = types.get(entity.cluster or "", entity.type)
        if entity.type != expected:
            name = f"entity {entity.id} {entity.surface!r}"
            yield f"{name}: {entity.type} in cluster {entity.cluster}, which is {expected}"


def _standalone(record: Record) -> list[Entity]:
    """Mentions of ORG, GPE and PERS clusters that are not part of another such name."""
    types = {cluster.id: cluster.type for cluster in record.clusters}
    names = [entity for entity in record.entities if types.get(entity.cluster or "") in SALIENT]
    return [
        entity
        for entity in names
        if not any(
            other.cluster != entity.cluster and len(other.span) > len(entity.span) and other.span.contains(entity.span)
            for other in names
        )
    ]


def _demanded(record: Record) -> dict[str, str]:
    """Clusters that the guidelines make targets, id to type; `always` stands for the five of `targets`."""
    found = {}
    standalone = [entity.cluster for entity in _standalone(record)]
    for cluster in record.clusters:
        surfaces = {entity.surface for entity in record.entities if entity.cluster == cluster.id}
        if cluster.type not in SALIENT:
            continue
        if any(map(is_target, {cluster.name, *surfaces})):
            found[cluster.id] = "always"
        elif standalone.count(cluster.id) >= 2:
            found[cluster.id] = cluster.type
    return found


def _namings(record: Record, text: str) -> Iterator[_Naming]:
    alone = {entity.id for entity in _standalone(record)}
    for number, passage in enumerate(passages(text), 1):
        inside = [each for each in record.entities if passage.start <= each.start < passage.end]
        for cluster in record.clusters:
            mentions = [each.id for each in inside if each.cluster == cluster.id]
            if mentions:
                standalone = any(each in alone for each in mentions)
                yield _Naming(cluster.id, number, passage.start, passage.end, standalone)
