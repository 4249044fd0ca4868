"""Readers: files, folders, tables and standard input to articles, or to rejects with their reasons.

Every input gives an article or a reject, so nothing is lost unsaid; no reader raises for what a file holds.
Memory is bounded by the largest article, not by the input. The module knows nothing of models.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import IO, Any

from rasid.errors import DataError

from .articles import Article, Columns, Read, Reject, article_of
from .decoding import decode
from .files import (
    DAMAGED,
    DELIMITERS,
    LARGEST,
    LINES,
    PARQUET,
    STDIN,
    TOO_LARGE,
    Meter,
    is_dataset,
    kind_of,
    lines_of,
    opened,
    plain,
    walk,
)
from .seen import Seen
from .tabular import read_csv, read_dataset, read_parquet

__all__ = ["Article", "Columns", "Read", "Reject", "read"]

_BOM = "\ufeff"
_BLANK = b"\xef\xbb\xbf \t\r\n"  # bytes before which a JSON text may begin
_JSON = re.compile(rb"\{|\[\s*(\{|$)")  # how standard input begins that is JSON and no plain text
# A first line that ends so and is no JSON by itself opens a document that goes on over more lines.
_UNFINISHED = (b"{", b"[", b",", b":")
_LONGEST_HEAD = 65_536  # bytes looked at to tell lines from a document, after the first line


def read(inputs: Sequence[str], columns: Columns | None = None, meter: Meter | None = None) -> Iterator[Read]:
    """Articles and rejects of all inputs, in order. An id that was seen before is rejected.

    `meter` is told how far the reading is. Raises DiskError when there is no room for the list of ids.
    """
    wanted, gauge = columns or Columns(), meter or Meter()
    seen = Seen()
    try:
        for item in chain.from_iterable(_read_input(name, wanted, gauge) for name in inputs):
            yield _checked(item, seen)
    finally:
        seen.close()


def _checked(item: Read, seen: Seen) -> Read:
    """The item, or a reject when its id cannot be written down or was seen before."""
    where = item.where.encode("utf-8", "backslashreplace").decode()  # names of files may hold any byte
    if isinstance(item, Reject):
        return Reject(where, item.reason)
    try:
        first = seen.first(item.doc, where)
    except UnicodeEncodeError:
        return Reject(where, "the name of the file is not UTF-8; rename it")
    return Reject(where, f"duplicate id {item.doc!r}, first seen at {first}") if first is not None else item


def _read_input(name: str, columns: Columns, meter: Meter) -> Iterator[Read]:
    path = Path(name)
    if name == STDIN:
        yield from _read_stdin(columns)
    elif not path.is_dir():
        yield from _read_file(path, plain(path).stem, columns, meter)
    elif is_dataset(path):
        yield from read_dataset(path, columns, meter)
    else:
        yield from _read_folder(path, columns, meter)


def _read_folder(folder: Path, columns: Columns, meter: Meter) -> Iterator[Read]:
    empty = True
    try:
        for file in walk(folder):
            empty = False
            doc = plain(file.relative_to(folder)).with_suffix("").as_posix()
            yield from _read_file(file, doc, columns, meter)
    except OSError as error:
        yield Reject(error.filename or str(folder), f"cannot be read ({error.strerror or error})")
        return
    if empty:
        kinds = ".txt, .jsonl, .json, .csv and .parquet"
        yield Reject(str(folder), f"no article in this folder; it may hold {kinds}, text files also as .gz or .zst")


def _read_file(path: Path, doc: str, columns: Columns, meter: Meter) -> Iterator[Read]:
    try:
        if path.suffix.lower() == PARQUET:
            yield from read_parquet(path, columns, meter)
            return
        with opened(path, meter) as stream:
            if kind_of(path) in LINES:
                yield from _read_json(_head(stream), stream, str(path), path.name, columns)
            elif kind_of(path) in DELIMITERS:
                yield from read_csv(lines_of(stream), DELIMITERS[kind_of(path)], str(path), path.name, columns)
            else:
                yield _whole(stream.read(LARGEST + 1), doc, str(path))
    except FileNotFoundError:
        yield Reject(str(path), "no such file or folder")
    except DAMAGED as error:
        yield Reject(str(path), f"damaged or truncated {path.suffix} file ({error})")
    except OSError as error:
        yield Reject(str(path), f"cannot be read ({error.strerror or error})")


def _read_stdin(columns: Columns) -> Iterator[Read]:
    """JSON when the first characters that are not white space open an object or a list of them, else one article
    of plain text."""
    stream = sys.stdin.buffer
    head = _head(stream)
    if _JSON.match(head.strip(_BLANK)):
        yield from _read_json(head, stream, "<stdin>", "stdin", columns)
    else:
        yield _whole(head + stream.read(LARGEST + 1), "stdin", "<stdin>")


def _whole(data: bytes, doc: str, where: str) -> Read:
    """A plain text as one article."""
    if not data:
        return Reject(where, "empty file")
    if len(data) > LARGEST:
        return Reject(where, TOO_LARGE)
    try:
        return Article(doc, decode(data), {}, where)
    except DataError as error:
        return Reject(where, str(error))


def _head(stream: IO[bytes]) -> bytes:
    """What a stream begins with, up to the end of its first line that is not blank."""
    head = line = stream.readline(LARGEST + 1)
    while line and not line.strip(_BLANK) and len(head) < _LONGEST_HEAD:
        line = stream.readline(LARGEST + 1)
        head += line
    return head


# -- JSON -------------------------------------------------------------------------------------------


def _read_json(head: bytes, stream: IO[bytes], where: str, name: str, columns: Columns) -> Iterator[Read]:
    """The articles of JSON lines, or of one JSON document that goes on over lines: an object, or a list of them.

    `head` is what was read of the stream before; `name` stands in for ids that are missing, with the number of the
    line or of the item.
    """
    if not _opens_document(head.strip(_BLANK)):
        yield from _read_lines(lines_of(stream, head), where, name, columns)
        return
    data = head + stream.read(LARGEST + 1)
    try:
        items = _document(data)
    except DataError as error:
        if any(_is_object(line) for line in io.BytesIO(data[:_LONGEST_HEAD])):  # lines after all, the first one broken
            yield from _read_lines(lines_of(stream, data), where, name, columns)
        else:
            yield Reject(where, str(error))
        return
    for number, item in enumerate(items, 1):
        place = f"{where}:1" if len(items) == 1 else f"{where} item {number}"
        yield _without_surrogates(_article(item, f"{name}:{number}", place, columns), columns.text)


def _opens_document(first: bytes) -> bool:
    """Whether a first line opens a JSON document that goes on, or is a list."""
    return (first.startswith(b"[") or first.endswith(_UNFINISHED)) and not _is_object(first)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _document(data: bytes) -> list[Any]:
    """The items of a JSON document. Raises DataError for what is none, or is too large to be read at once."""
    if len(data) > LARGEST:
        raise DataError(f"a JSON document of more than {LARGEST >> 20} MiB; put one object in each line instead")
    tree = _tree(decode(data).removeprefix(_BOM))
    items = tree if isinstance(tree, list) else [tree]
    if not items:
        raise DataError("empty file: a JSON list without an item")
    return items


def _read_lines(lines: Iterator[bytes], where: str, name: str, columns: Columns) -> Iterator[Read]:
    blank = True
    for number, line in enumerate(lines, 1):
        try:
            text = decode(line).removeprefix(_BOM if number == 1 else "")
            if text.strip():
                blank = False
                if len(line) > LARGEST:
                    raise DataError(TOO_LARGE)
                article = _article(_tree(text), f"{name}:{number}", f"{where}:{number}", columns)
                # Only an escape can stand for half a surrogate pair; UTF-8 has none.
                yield _without_surrogates(article, columns.text) if "\\u" in text else article
        except DataError as error:
            blank = False
            yield Reject(f"{where}:{number}", str(error))
            if number == 1 and "looks like UTF-" in str(error):
                return  # the whole file is in that encoding; its lines mean nothing
    if blank:
        yield Reject(where, "empty file: no JSON line in it")


def _article(tree: Any, place: str, where: str, columns: Columns) -> Read:
    try:
        if not isinstance(tree, dict):
            raise DataError("not a JSON object; expected one with a `text` field in each line")
        return article_of(tree, columns, place, where)
    except DataError as error:
        return Reject(where, str(error))


def _tree(text: str) -> Any:
    """Strict JSON. Raises DataError."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise DataError(f"not valid JSON ({error.msg} at {line}column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error})") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(number: str) -> float:
    """A JSON number with a fraction or an exponent. Raises DataError for one that no float holds (1e999)."""
    value = float(number)
    if not isfinite(value):
        raise DataError(f"the number {number[:40]} is out of range")
    return value


def _without_surrogates(item: Read, name: str) -> Read:
    """The article, or a reject when half a surrogate pair is in its text (field `name`), id or fields: it cannot be
    written back as UTF-8."""
    if isinstance(item, Reject):
        return item
    fields = json.dumps([item.doc, item.meta], ensure_ascii=False)
    for string in (item.text, fields):
        try:
            string.encode("utf-8")
        except UnicodeEncodeError as error:
            place = f"at character {error.start} of" if string is item.text else "in a field other than"
            return Reject(item.where, f"lone surrogate U+{ord(string[error.start]):04X} {place} `{name}`")
    return item
