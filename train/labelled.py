"""Labelled articles: JSONL (plain, .gz, .zst) or CSV with a text and its label, or several, to texts with labels.

Which column holds what, and how labels are cut out of it, is the source's to say; a line that cannot be understood is
refused with its place, never skipped. Nothing here knows the model.
"""

from __future__ import annotations

import csv
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rasid.errors import DataError, nearest

from .config import Columns, Source
from .corpus import open_text

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LONGEST_CELL = 2**31 - 1  # characters; the csv module's own limit of 131,072 is below the length of a long article


@dataclass(frozen=True)
class Labelled:
    """An article with its labels, one or several; `where` is its file:line."""

    doc: str
    text: str
    labels: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class _Line:
    where: str
    fields: dict[str, Any]


def hash_place(doc: str) -> float:
    """Where an id stands in [0, 1): the crc32 of its UTF-8 over 2^32, the hash by which corpus mixes take shares."""
    return zlib.crc32(doc.encode()) / 2**32


def _kind(path: Path) -> str:
    return (path.with_suffix("") if path.suffix in (".gz", ".zst") else path).suffix.lower()


def _lines(path: Path) -> Iterator[_Line]:
    """The file's lines as fields by name. Raises DataError with file:line."""
    kind = _kind(path)
    if kind not in (*_DELIMITERS, ".jsonl"):
        raise DataError(f"{path}: labelled articles come as .jsonl, .csv or .tsv, each also .gz or .zst")
    with open_text(path) as stream:
        try:
            yield from _table(path, stream, _DELIMITERS[kind]) if kind in _DELIMITERS else _objects(path, stream)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 ({error.reason})") from None


def _objects(path: Path, stream: Iterable[str]) -> Iterator[_Line]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not valid JSON ({error})") from None
        if not isinstance(fields, dict):
            raise DataError(f"{path}:{number}: expected a JSON object, got {type(fields).__name__}")
        yield _Line(f"{path}:{number}", fields)


def _table(path: Path, stream: Iterable[str], delimiter: str) -> Iterator[_Line]:
    """Rows of a CSV file under its header; a row's line is that of its end, since a cell may hold newlines."""
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(stream, delimiter=delimiter, strict=True)
    try:
        header = [name.removeprefix("\ufeff") for name in next(rows, [])]
        for row in rows:
            if len(row) != len(header):
                raise DataError(f"{path}:{rows.line_num}: {len(row)} cells under a header of {len(header)}")
            yield _Line(f"{path}:{rows.line_num}", dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num}: not valid CSV ({error})") from None


def _field(line: _Line, name: str) -> Any:
    if name not in line.fields:
        raise DataError(f"{line.where}: no column {name!r}{nearest(name, line.fields)}")
    return line.fields[name]


def _strings(line: _Line, columns: Columns) -> list[str]:
    """The labels as they stand in the label column: a list, a string, or a string that holds several."""
    found = _field(line, columns.label)
    given = found if isinstance(found, list) else [found]
    if not all(isinstance(one, str | int) and not isinstance(one, bool) for one in given):
        raise DataError(f"{line.where}: column {columns.label!r}: expected a label or a list of them, got {found!r}")
    names = [str(one) for one in given]
    if columns.separator is not None:
        names = [part for name in names for part in name.split(columns.separator)]
    return [name.strip() for name in names if name.strip()]


def _cut_out(name: str, pattern: str, where: str) -> str:
    """The label inside a string, where the pattern's group finds it."""
    match = re.search(pattern, name)
    if not match or not match.group(1):
        raise DataError(f"{where}: the pattern {pattern!r} finds no label in {name!r}")
    return match.group(1)


def _labelled(line: _Line, columns: Columns) -> Labelled:
    text = _field(line, columns.text)
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{line.where}: column {columns.text!r}: expected a text, got {text!r:.60}")
    names = _strings(line, columns)
    if columns.pattern is not None:
        names = [_cut_out(name, columns.pattern, line.where) for name in names]
    doc = line.fields.get(columns.id)
    return Labelled(line.where if doc is None else str(doc), text, tuple(dict.fromkeys(names)), line.where)


def _mapped(gold: Labelled, source: Source) -> Labelled:
    renames = source.map or {}
    return replace(gold, labels=tuple(dict.fromkeys(renames.get(label, label) for label in gold.labels)))


def labelled_articles(source: Source) -> Iterator[Labelled]:
    """The articles of a source, labels renamed by its map, those alone whose ids hash into its `ids`.

    Raises DataError with file:line for a line without text, and for an id that stands twice.
    """
    if source.reader != "labelled":
        raise DataError(
            f"{source.path}: reader {source.reader!r} gives no labelled articles; head {source.head!r} needs them"
        )
    low, high = source.ids
    seen: dict[str, str] = {}
    for line in _lines(source.path):
        gold = _labelled(line, source.columns)
        if gold.doc in seen:
            raise DataError(f"{gold.where}: id {gold.doc!r} stands twice, first at {seen[gold.doc]}")
        seen[gold.doc] = gold.where
        if low <= hash_place(gold.doc) < high:
            yield _mapped(gold, source)


def read_labelled(source: Source, labels: tuple[str, ...], multilabel: bool) -> list[Labelled]:
    """The articles of a source for a `text` head.

    Raises DataError with file:line for a label that the head lacks, and for an article without exactly one label
    (any number of them with `multilabel`).
    """
    found = []
    for gold in labelled_articles(source):
        unknown = [label for label in gold.labels if label not in labels]
        if unknown:
            raise DataError(f"{gold.where}: unknown label {unknown[0]!r}{nearest(unknown[0], labels)}")
        if not multilabel and len(gold.labels) != 1:
            several = f"{len(gold.labels)} labels ({', '.join(gold.labels)})" if gold.labels else "no label"
            raise DataError(f"{gold.where}: {several}, and head {source.head!r} takes one; see multilabel: true")
        found.append(gold)
    return found
