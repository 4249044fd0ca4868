"""doccano's JSONL: one article per line, `label` with [start, end, type] each, or `entities` with `relations`.

Offsets count UTF-16 units, or grapheme clusters in a project that was set so; a line does not repeat the text of its
spans, so the unit must be told. Fields that doccano does not know come back in its export: `doc` and `rasid` do.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rasid.errors import DataError
from rasid.exchange import (
    COREF,
    Article,
    Drawn,
    Mention,
    Written,
    carried,
    carry,
    fresh_ids,
    linked,
    parse_json,
    validated,
)
from rasid.records import read_exact
from rasid.units import UTF_16, Ruler

_KEY = "rasid"
_FILE = "articles.jsonl"


def _line(article: Article, unit: str, relations: bool, left: Counter[str]) -> dict[str, Any]:
    """One article; an entity whose ends lie inside one of the unit's characters is counted in `left`."""
    record, ruler = article.record, Ruler(article.text, unit)
    spans: list[tuple[int, int, str]] = []
    numbers: dict[str, int] = {}
    for entity in record.entities:
        start, end = ruler.out(entity.start), ruler.out(entity.end)
        if start is None or end is None:
            left[f"entities that begin or end inside one of the {unit}"] += 1
            continue
        numbers[entity.id] = len(numbers) + 1
        spans.append((start, end, entity.type))
    beside = carry(record, [entity for entity in record.entities if entity.id in numbers])
    tree: dict[str, Any] = {"text": article.text}
    if relations:
        tree["entities"] = [
            {"id": number, "label": kind, "start_offset": start, "end_offset": end}
            for number, (start, end, kind) in enumerate(spans, 1)
        ]
        pairs = [pair for group in linked(record) for pair in pairwise(numbers[n] for n in group if n in numbers)]
        tree["relations"] = [
            {"id": number, "from_id": one, "to_id": other, "type": COREF}
            for number, (one, other) in enumerate(pairs, 1)
        ]
    else:
        tree["label"] = spans
    return {**tree, "doc": record.doc, _KEY: beside}


def _export(articles: list[Article], unit: str, relations: bool) -> Written:
    left: Counter[str] = Counter()
    lines = [json.dumps(_line(article, unit, relations, left), ensure_ascii=False) for article in articles]
    return Written({_FILE: "".join(f"{line}\n" for line in lines)}, left)


def export_doccano(articles: list[Article], unit: str = UTF_16) -> Written:
    """`articles.jsonl` for a project of sequence labelling."""
    return _export(articles, unit, relations=False)


def export_doccano_relations(articles: list[Article], unit: str = UTF_16) -> Written:
    """`articles.jsonl` for a project with relations: clusters are chains of `Coref`."""
    return _export(articles, unit, relations=True)


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Entity(_Loose):
    id: int
    label: str
    start_offset: int = Field(ge=0)
    end_offset: int = Field(ge=0)


class _Relation(_Loose):
    from_id: int
    to_id: int
    type: str


class _Line(_Loose):
    id: int | str | None = None
    text: str | None = None
    data: str | None = None
    label: tuple[tuple[int, int, str], ...] | None = None
    labels: tuple[tuple[int, int, str], ...] | None = None
    entities: tuple[_Entity, ...] | None = None
    relations: tuple[_Relation, ...] = ()
    doc: str | None = None
    rasid: str | dict[str, Any] | None = None


def _entities(line: _Line, where: str) -> tuple[_Entity, ...]:
    """The spans, whichever of three fields has them; triples are numbered from 1."""
    if line.entities is not None:
        return line.entities
    triples = line.label if line.label is not None else line.labels
    if triples is None:
        raise DataError(f"{where}: no spans; expected label: [[start, end, type], ...] or entities")
    return tuple(
        _Entity(id=number, label=kind, start_offset=max(start, 0), end_offset=max(end, 0))
        for number, (start, end, kind) in enumerate(triples, 1)
    )


def _links(line: _Line, names: dict[int, str], where: str, left: Counter[str]) -> Iterator[tuple[str, str]]:
    for relation in line.relations:
        if not relation.type.lower().startswith(COREF.lower()):
            left["relations other than Coref"] += 1
            continue
        for end in (relation.from_id, relation.to_id):
            if end not in names:
                raise DataError(f"{where}: relation to entity {end}, which this line does not have")
        yield names[relation.from_id], names[relation.to_id]


def _read_line(source: str, where: str, unit: str, doc: str) -> Drawn:
    line = validated(_Line, parse_json(source, where), where)
    text = line.text if line.text is not None else line.data
    if text is None:
        raise DataError(f"{where}: no text; expected the article in a field text (or data, in old exports)")
    beside = carried(line.rasid, f"{where}: {_KEY}")
    own = dict(beside.ids)
    fresh = fresh_ids(beside.ids.values(), "T")
    ruler, names, mentions = Ruler(text, unit), {}, []
    for number, one in enumerate(_entities(line, where), 1):
        at = f"{where}, span {number}"
        span = ruler.span(one.start_offset, one.end_offset, at)
        names[one.id] = own.pop((span.start, span.end, one.label), "") or next(fresh)
        mentions.append(Mention(names[one.id], one.label, span.start, span.end, at))
    order = {name: number for number, name in enumerate(beside.ids.values())}
    mentions.sort(key=lambda one: order.get(one.id, len(order)))  # the tool gives spans back in any order
    left: Counter[str] = Counter()
    links = tuple(_links(line, names, where, left)) if line.entities is not None else None
    return Drawn(line.doc or doc, text, tuple(mentions), where, links, beside.extras, left)


def read_doccano(source: Path, unit: str = UTF_16) -> Iterator[Drawn]:
    """Every line of a .jsonl file, or of all in a folder. Raises DataError with file and line."""
    files = sorted(source.glob("*.jsonl")) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{source}: no .jsonl files in this folder; doccano exports one")
    for path in files:
        for number, line in enumerate(read_exact(path).split("\n"), 1):
            if line.strip():
                name = f"{path.stem}-{number}"
                yield _read_line(line, f"{path}:{number}", unit, name)
