"""The inline annotation format, which people write: an article with its entities marked in place.

    ⟦ORG:C1 قوات ⟦GPE:C2 سوريا⟧ الديمقراطية⟧ ... ⟦DATE السبت⟧

One space parts the header from the surface and is markup; the rest is the article, character for character.
Clusters and stances stand in a YAML file beside it (`rasid.sheet`). Scores, provenance and `meta` have no
place in this format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rasid.errors import DataError, nearest
from rasid.labels import VALUES, WOJOOD
from rasid.records import Entity, Record, faults, read_exact, sha256_of
from rasid.sheet import Sheet, read_sheet

OPEN, CLOSE = "⟦", "⟧"
_BRACKET = re.compile(f"[{OPEN}{CLOSE}]")
_HEADER = re.compile(rf"{OPEN}(\w+)(?::(\w+))? ")
_NEWLINES = "\r\n"


@dataclass(frozen=True, slots=True)
class _Mark:
    """One marked entity: offsets are into the article, `line` into the inline file; `end` is -1 at first."""

    type: str
    cluster: str | None
    start: int
    end: int
    line: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of article text: where it stands in the article (`offset`) and in the inline source (`at`)."""

    offset: int
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class _Marked:
    """An inline source taken apart: its runs of article text, and the marks in order of opening."""

    pieces: tuple[_Piece, ...]
    marks: tuple[_Mark, ...]


def read_inline(inline_path: Path, yaml_path: Path, raw_text: str, doc: str) -> Record:
    """The record of one inline file and its sheet; entities are T1, T2, ... by (start, -end).

    `raw_text` is the article as it is, newlines included; only newlines at its very end may differ from the
    inline file's. Raises DataError, `file:line: what`, for every departure from the format.
    """
    source = read_exact(inline_path)
    marked = _take_apart(source, inline_path)
    _check_text(marked, source, raw_text, inline_path)
    sheet = read_sheet(yaml_path, raw_text)
    _check_marks(marked.marks, sheet, inline_path, yaml_path)
    entities = tuple(
        Entity(
            id=f"T{number}",
            type=mark.type,
            start=mark.start,
            end=mark.end,
            surface=raw_text[mark.start : mark.end],
            cluster=mark.cluster,
        )
        for number, mark in enumerate(marked.marks, 1)
    )
    return Record(
        doc=doc,
        sha256=sha256_of(raw_text),
        entities=entities,
        clusters=sheet.clusters,
        stances=sheet.stances,
    )


def _line(source: str, at: int) -> int:
    return source.count("\n", 0, at) + 1


def _take_apart(source: str, path: Path) -> _Marked:
    pieces: list[_Piece] = []
    marks: list[_Mark] = []
    unclosed: list[int] = []
    position = offset = 0
    for bracket in _BRACKET.finditer(source):
        at = bracket.start()
        pieces.append(_Piece(offset, position, source[position:at]))
        offset += at - position
        if bracket[0] == OPEN:
            header = _HEADER.match(source, at)
            unclosed.append(len(marks))
            marks.append(_opened(header, source, at, offset, path))
            position = header.end() if header else at
        elif unclosed:
            index = unclosed.pop()
            marks[index] = _closed(marks[index], source, at, offset, path)
            position = bracket.end()
        else:
            raise DataError(f"{path}:{_line(source, at)}: {CLOSE} without its {OPEN}{_near(source, at)}")
    if unclosed:
        mark = marks[unclosed[-1]]
        raise DataError(f"{path}:{mark.line}: {OPEN}{mark.type} is never closed by {CLOSE}")
    pieces.append(_Piece(offset, position, source[position:]))
    return _Marked(tuple(pieces), tuple(marks))


def _near(source: str, at: int) -> str:
    return f", near {source[max(0, at - 20) : at + 20]!r}"


def _opened(header: re.Match[str] | None, source: str, at: int, offset: int, path: Path) -> _Mark:
    line = _line(source, at)
    if not header:
        expected = f"expected {OPEN}TYPE:CLUSTER surface{CLOSE} or {OPEN}TYPE surface{CLOSE}"
        raise DataError(f"{path}:{line}: bad header {source[at : at + 20]!r}; {expected}")
    label, cluster = header[1], header[2]
    if label not in WOJOOD:
        raise DataError(f"{path}:{line}: unknown type {label!r}{nearest(label, WOJOOD)}")
    if label in VALUES and cluster:
        raise DataError(f"{path}:{line}: {label} is a value and has no cluster, got {cluster!r}")
    if label not in VALUES and not cluster:
        raise DataError(f"{path}:{line}: {label} needs a cluster: {OPEN}{label}:C1 surface{CLOSE}")
    return _Mark(label, cluster, offset, -1, line)


def _closed(mark: _Mark, source: str, at: int, offset: int, path: Path) -> _Mark:
    if offset == mark.start:
        raise DataError(f"{path}:{mark.line}: {OPEN}{mark.type} holds no text{_near(source, at)}")
    return replace(mark, end=offset)


def _check_text(marked: _Marked, source: str, raw: str, path: Path) -> None:
    text = "".join(piece.text for piece in marked.pieces)
    if text.rstrip(_NEWLINES) != raw.rstrip(_NEWLINES):
        pairs = enumerate(zip(text, raw, strict=False))
        offset = next((index for index, (one, other) in pairs if one != other), min(len(text), len(raw)))
        piece = next(each for each in reversed(marked.pieces) if each.offset <= offset)
        line = _line(source, piece.at + offset - piece.offset)
        here, there = text[offset : offset + 20], raw[offset : offset + 20]
        raise DataError(f"{path}:{line}: text differs at offset {offset}: {here!r}, article: {there!r}")
    for mark in marked.marks:
        surface = raw[mark.start : mark.end]
        if mark.end > len(raw) or surface != surface.strip():
            raise DataError(f"{path}:{mark.line}: white space at the ends of {mark.type} {surface!r}")


def _check_marks(marks: tuple[_Mark, ...], sheet: Sheet, path: Path, sheet_path: Path) -> None:
    seen: set[tuple[int, int, str]] = set()
    for mark in marks:
        if mark.cluster and mark.cluster not in sheet.lines:
            known = nearest(mark.cluster, sheet.lines) if sheet.lines else ""
            raise DataError(f"{path}:{mark.line}: cluster {mark.cluster!r} is not defined in {sheet_path}{known}")
        key = (mark.start, mark.end, mark.type)
        if key in seen:
            raise DataError(f"{path}:{mark.line}: the same span is marked {mark.type} twice")
        seen.add(key)
    used = {mark.cluster for mark in marks}
    for name, line in sheet.lines.items():
        if name not in used:
            raise DataError(f"{sheet_path}:{line}: cluster {name!r} has no mention in {path}")


def write_inline(record: Record, text: str) -> str:
    """`text` with the record's entities marked in it: what `read_inline` reads.

    Raises DataError for a record that is not sound, a text that holds the brackets themselves, or a cluster
    id that is not one word.
    """
    found = faults(record, text)
    if found:
        raise DataError(f"{record.doc}: {found[0]}")
    if _BRACKET.search(text):
        raise DataError(f"{record.doc}: the text itself holds {OPEN} or {CLOSE}, which are the markup here")
    for cluster in record.clusters:
        if not re.fullmatch(r"\w+", cluster.id):
            raise DataError(f"{record.doc}: cluster id {cluster.id!r} is not one word")
    return "".join(_marked_up(record, text))


def _marked_up(record: Record, text: str) -> Iterator[str]:
    position = 0
    ends: list[int] = []

    def close(limit: int) -> Iterator[str]:
        nonlocal position
        while ends and ends[-1] <= limit:
            yield text[position : ends[-1]] + CLOSE
            position = ends.pop()

    for entity in sorted(record.entities, key=lambda each: (each.start, -each.end)):
        yield from close(entity.start)
        header = f"{entity.type}:{entity.cluster}" if entity.cluster else entity.type
        yield f"{text[position : entity.start]}{OPEN}{header} "
        position = entity.start
        ends.append(entity.end)
    yield from close(len(text))
    yield text[position:]
