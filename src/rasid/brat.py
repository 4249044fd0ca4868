"""brat's stand-off format: `<doc>.txt` untouched, and `<doc>.ann` with one annotation per line.

    T1	GPE 0 5	أنقرة                 a span, in code points
    *	Coref T1 T4                   mentions of one thing
    #1	Rasid T1	{"cluster": ...}     what brat has no line for, hung on the mention it belongs to

A span over a line break is written in fragments (`0 5;6 9`), as brat does. Format: brat.nlplab.org/standoff.html.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from rasid.errors import DataError
from rasid.exchange import (
    COREF,
    Article,
    Drawn,
    Extras,
    Kept,
    Known,
    Mention,
    Written,
    extras_of,
    linked,
    parse_json,
    validated,
)
from rasid.records import Entity, Record, Stance, read_exact
from rasid.units import CODE_POINTS, Quoted, settle

_NOTE = "Rasid"
_ID = re.compile(r"T\d+")
_FRAGMENT = re.compile(r"[^\r\n]+")
_SPAN = re.compile(r"(\S+) (\d+ \d+(?:;\d+ \d+)*)")
_KINDS = {
    "E": "events", "A": "attributes", "M": "attributes", "N": "normalisations", "R": "relations", "#": "notes",
    "*": "equivalences",
}  # fmt: skip


def _span_line(name: str, entity: Entity, text: str) -> str:
    """The T line of an entity, in as many fragments as it has lines."""
    pieces = list(_FRAGMENT.finditer(text, entity.start, entity.end))
    places = ";".join(f"{piece.start()} {piece.end()}" for piece in pieces)
    return f"{name}\t{entity.type} {places}\t{' '.join(piece.group() for piece in pieces)}"


def _note_items(record: Record, names: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(mention, what hangs on it): names and scores, clusters on their first mention, stances on their target's."""
    extras = extras_of(record)
    for entity in record.entities:
        tree = extras.entities[entity.id].model_dump(exclude_none=True) if entity.id in extras.entities else {}
        if names[entity.id] != entity.id:
            tree["id"] = entity.id
        if tree:
            yield names[entity.id], {"entity": tree}
    anchors = {known.id: names[known.mentions[0]] for known in extras.clusters if known.mentions}
    for known in extras.clusters:
        if known.id in anchors:
            mentions = [names[name] for name in known.mentions]
            yield (
                anchors[known.id],
                {"cluster": {"id": known.id, "name": known.name, "type": known.type}, "of": mentions},
            )
    for stance in _held(record, set(anchors)):
        yield anchors[stance.target], {"stance": stance.model_dump(mode="json", exclude_defaults=True)}


def _held(record: Record, anchored: set[str]) -> list[Stance]:
    """The stances between clusters that have mentions, which notes can hang on."""
    return [s for s in record.stances if s.target in anchored and s.holder in anchored | {"author", "other"}]


def _left(record: Record) -> Counter[str]:
    given = sum(cluster.given for cluster in record.clusters)
    held = len(_held(record, {cluster.id for cluster in record.clusters if not cluster.given}))
    fields = sum(bool(getattr(record, name)) for name in ("meta", "labels", "model", "warnings"))
    return +Counter(
        {
            "given targets without a mention": given,
            "stances towards or of given targets": len(record.stances) - held,
            "fields of the article (meta, labels, model, warnings)": fields,
        }
    )


def export_brat(articles: list[Article]) -> Written:
    """A .txt and an .ann for every article."""
    files: dict[str, str] = {}
    left: Counter[str] = Counter()
    for article in articles:
        record = article.record
        own = all(_ID.fullmatch(entity.id) for entity in record.entities)
        names = {entity.id: entity.id if own else f"T{n}" for n, entity in enumerate(record.entities, 1)}
        lines = [_span_line(names[entity.id], entity, article.text) for entity in record.entities]
        lines += [" ".join([f"*\t{COREF}", *(names[name] for name in group)]) for group in linked(record)]
        for number, (anchor, tree) in enumerate(_note_items(record, names), 1):
            lines.append(f"#{number}\t{_NOTE} {anchor}\t{json.dumps(tree, ensure_ascii=False)}")
        files[f"{record.doc}.txt"] = article.text
        files[f"{record.doc}.ann"] = "".join(f"{line}\n" for line in lines)
        left += _left(record)
    return Written(files, left)


@dataclass
class _Sheet:
    """An .ann file as far as it was read; spans are numbered as in `quoted`, whose fragments they are."""

    path: Path
    types: dict[str, str] = field(default_factory=dict)
    wheres: dict[str, str] = field(default_factory=dict)
    fragments: dict[str, list[int]] = field(default_factory=dict)
    quoted: list[Quoted] = field(default_factory=list)
    links: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    notes: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)


def _read_span(sheet: _Sheet, line: str, where: str) -> None:
    parts = line.split("\t", 2)
    match = _SPAN.fullmatch(parts[1]) if len(parts) == 3 else None
    if not match or not _ID.fullmatch(parts[0]):
        raise DataError(f"{where}: expected `T1<TAB>TYPE START END<TAB>text`, got {line[:60]!r}")
    name, surface = parts[0], parts[2]
    if name in sheet.types:
        raise DataError(f"{where}: {name} stands a second time; ids must differ")
    places = [tuple(map(int, piece.split())) for piece in match[2].split(";")]
    if sum(end - start for start, end in places) + len(places) - 1 != len(surface) and len(places) > 1:
        raise DataError(f"{where}: the fragments {match[2]!r} do not add up to {surface!r} with a space between")
    sheet.types[name], sheet.wheres[name] = match[1], where
    sheet.fragments[name] = list(range(len(sheet.quoted), len(sheet.quoted) + len(places)))
    position = 0
    for start, end in places:
        piece = surface if len(places) == 1 else surface[position : position + end - start]
        sheet.quoted.append(Quoted(start, end, piece, where))
        position += end - start + 1


def _read_links(sheet: _Sheet, line: str, where: str) -> None:
    """A `*` line, or an R line whose name is that of coreference; other relations are counted."""
    kind, *names = line.partition("\t")[2].split() or [""]
    if not names:
        raise DataError(f"{where}: expected `*<TAB>{COREF} T1 T2` or `R1<TAB>TYPE Arg1:T1 Arg2:T2`, got {line[:60]!r}")
    names = [name.split(":", 1)[-1] for name in names]
    if kind.lower().startswith(COREF.lower()) or (line.startswith("*") and kind.lower() == "equiv"):
        sheet.links.append((where, tuple(names)))
    else:
        sheet.left[_KINDS[line[0]]] += 1


def _read_note(sheet: _Sheet, line: str, where: str) -> None:
    parts = line.split("\t", 2)
    kind, _, anchor = parts[1].partition(" ") if len(parts) > 1 else ("", "", "")
    if kind != _NOTE or len(parts) < 3:
        sheet.left["notes"] += 1
        return
    tree = parse_json(parts[2], f"{where}: a {_NOTE} note")
    if not isinstance(tree, dict) or not tree.keys() & {"entity", "cluster", "stance"}:
        raise DataError(f"{where}: a {_NOTE} note holds an entity, a cluster or a stance, not {parts[2][:60]!r}")
    sheet.notes.append((where, anchor, tree))


def _read_sheet(path: Path) -> _Sheet:
    sheet = _Sheet(path)
    for number, line in enumerate(read_exact(path).split("\n"), 1):
        line, where = line.rstrip("\r"), f"{path}:{number}"
        if not line:
            continue
        if line[0] == "T":
            _read_span(sheet, line, where)
        elif line[0] in "*R":
            _read_links(sheet, line, where)
        elif line[0] == "#":
            _read_note(sheet, line, where)
        elif line[0] in _KINDS:
            sheet.left[_KINDS[line[0]]] += 1
        else:
            raise DataError(f"{where}: no annotation begins {line[0]!r}; known: T, R, *, E, A, M, N and #")
    for where, names in sheet.links:
        for name in names:
            if name[:1] == "T" and name not in sheet.types:
                raise DataError(f"{where}: {name} is not in this file")
    for where, anchor, _ in sheet.notes:
        if anchor not in sheet.types:
            raise DataError(f"{where}: a {_NOTE} note on {anchor!r}, which is no span of this file")
    return sheet


def _extras(sheet: _Sheet, ids: dict[str, str]) -> Extras:
    """The notes, put together again. Raises DataError with the line of one that is not as Rasid writes it."""
    entities: dict[str, Kept] = {}
    clusters: list[Known] = []
    stances: list[Stance] = []
    for where, anchor, tree in sheet.notes:
        if "entity" in tree:
            bare = {key: value for key, value in _object(tree["entity"]).items() if key != "id"}
            entities[ids[anchor]] = validated(Kept, bare, f"{where}: entity")
        if "cluster" in tree:
            of = tree.get("of")
            names = [ids[name] for name in (of if isinstance(of, list) else [anchor]) if str(name) in ids]
            clusters.append(validated(Known, {**_object(tree["cluster"]), "mentions": names}, f"{where}: cluster"))
        if "stance" in tree:
            stances.append(validated(Stance, tree["stance"], f"{where}: stance"))
    return Extras(entities=entities, clusters=tuple(clusters), stances=tuple(stances))


def _object(tree: object) -> dict[str, Any]:
    """Itself if a JSON object, else an empty one, whose missing fields are then told."""
    return tree if isinstance(tree, dict) else {}


def _mentions(sheet: _Sheet, text: str, ids: dict[str, str]) -> tuple[str, tuple[Mention, ...]]:
    """The unit of the file's offsets, and its spans; fragments must have nothing but white space between them."""
    settled = settle(text, sheet.quoted)
    found = []
    for name, numbers in sheet.fragments.items():
        spans = [settled.spans[number] for number in numbers]
        for before, after in pairwise(spans):
            if before.end > after.start or text[before.end : after.start].strip():
                raise DataError(f"{sheet.wheres[name]}: {name} is discontinuous; a span may only leave out line breaks")
        found.append(Mention(ids[name], sheet.types[name], spans[0].start, spans[-1].end, sheet.wheres[name]))
    return settled.unit, tuple(found)


def _read_article(path: Path) -> Drawn:
    beside = path.with_suffix(".txt")
    if not beside.is_file():
        raise DataError(f"{path}: its text {beside.name} is not beside it")
    text, sheet = read_exact(beside), _read_sheet(path)
    own = {anchor: _object(tree.get("entity")).get("id") for _, anchor, tree in sheet.notes if "entity" in tree}
    ids = {name: str(own.get(name) or name) for name in sheet.types}
    unit, mentions = _mentions(sheet, text, ids)
    links = [
        (ids[names[0]], ids[name]) for _, names in sheet.links for name in names[1:] if name in ids and names[0] in ids
    ]
    notes = () if unit == CODE_POINTS else (f"{path}: offsets count {unit} and were read so",)
    return Drawn(path.stem, text, mentions, str(path), tuple(links), _extras(sheet, ids), sheet.left, notes)


def read_brat(source: Path) -> Iterator[Drawn]:
    """Every .ann of a folder, or one .ann, with the .txt beside it. Raises DataError with file and line."""
    files = sorted(source.glob("*.ann")) if source.is_dir() else [source]
    if not files or (files == [source] and source.suffix != ".ann"):
        raise DataError(f"{source}: no .ann files here; brat has <doc>.txt and <doc>.ann side by side")
    for path in files:
        yield _read_article(path)
