"""Readers: text files, folders, JSONL and standard input to articles, or to rejects with their reasons.

Every input gives an article or a reject, so nothing is lost unsaid; no reader raises for what a file holds.
Texts are kept character for character: offsets point into them. The module knows nothing of models.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from rasid.errors import DataError

from .decoding import decode

STDIN = "-"
_PACKED = (".gz", ".zst")
_LINES = (".jsonl", ".json")
# A folder's own list of files is never an article; everything else with these endings is.
_NOT_ARTICLES = frozenset({"manifest.json"})
_BOM = "\ufeff"
_DEEPEST = 100  # lists and objects within one another in a line; records are written down to 255 levels


@dataclass(frozen=True, slots=True)
class Article:
    """A text to be read: its id, unique in a job, the raw text, what else its JSON line held, and where it
    came from."""

    doc: str
    text: str
    meta: dict[str, Any] = field(default_factory=dict)
    where: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """An input that gave no article: file or file:line, and the reason in one sentence."""

    where: str
    reason: str


Read = Article | Reject


def read(inputs: Sequence[str]) -> Iterator[Read]:
    """Articles and rejects of all inputs, in order. An id that was seen before is rejected."""
    seen: dict[str, str] = {}
    for item in chain.from_iterable(_read_input(name) for name in inputs):
        if isinstance(item, Article):
            if item.doc in seen:
                yield Reject(item.where, f"duplicate id {item.doc!r}, first seen at {seen[item.doc]}")
                continue
            seen[item.doc] = item.where
        yield item


def article_files(folder: Path) -> list[Path]:
    """The files of a folder that hold articles, at any depth, in path order; hidden ones and manifest.json
    left out."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if _kind(path) in (".txt", *_LINES)
        and path.name not in _NOT_ARTICLES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]


def _plain(path: Path) -> Path:
    """The path without .gz or .zst."""
    return path.with_suffix("") if path.suffix in _PACKED else path


def _kind(path: Path) -> str:
    return _plain(path).suffix.lower()


def _read_input(name: str) -> Iterator[Read]:
    path = Path(name)
    if name == STDIN:
        yield from _read_stdin()
    elif path.is_dir():
        files = article_files(path)
        if not files:
            yield Reject(name, "no article in this folder; it may hold .txt, .jsonl and .json, each also .gz or .zst")
        for file in files:
            yield from _read_file(file, _plain(file.relative_to(path)).with_suffix("").as_posix())
    else:
        yield from _read_file(path, _plain(path).stem)


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if path.suffix == ".zst":
        reader = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True)
        return io.BufferedReader(cast(io.RawIOBase, reader))  # gives the stream its lines
    return path.open("rb")


def _read_file(path: Path, doc: str) -> Iterator[Read]:
    try:
        with _open(path) as stream:
            if _kind(path) in _LINES:
                yield from _read_lines(stream, str(path), path.name)
            else:
                yield _whole(stream.read(), doc, str(path))
    except FileNotFoundError:
        yield Reject(str(path), "no such file or folder")
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        yield Reject(str(path), f"damaged or truncated {path.suffix} file ({error})")
    except OSError as error:
        yield Reject(str(path), f"cannot be read ({error.strerror or error})")


def _read_stdin() -> Iterator[Read]:
    """JSONL when the first character that is not white space opens an object, else one article of plain
    text."""
    stream = sys.stdin.buffer
    head: list[bytes] = []
    for line in stream:
        head.append(line)
        if line.lstrip(b"\xef\xbb\xbf \t\r\n"):
            break
    if head and head[-1].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        yield from _read_lines(chain(head, stream), "<stdin>", "stdin")
    else:
        yield _whole(b"".join(head) + stream.read(), "stdin", "<stdin>")


def _whole(data: bytes, doc: str, where: str) -> Read:
    """A plain text as one article."""
    if not data:
        return Reject(where, "empty file")
    try:
        return Article(doc, decode(data), {}, where)
    except DataError as error:
        return Reject(where, str(error))


def _read_lines(lines: Iterable[bytes], where: str, name: str) -> Iterator[Read]:
    """The articles of JSON lines; `name` stands in for ids that are missing, with the line's number."""
    blank = True
    for number, line in enumerate(lines, 1):
        try:
            text = decode(line).removeprefix(_BOM if number == 1 else "")
            if text.strip():
                blank = False
                yield _parse_line(text, f"{name}:{number}", f"{where}:{number}")
        except DataError as error:
            blank = False
            yield Reject(f"{where}:{number}", str(error))
            if number == 1 and "looks like UTF-" in str(error):
                return  # the whole file is in that encoding; its lines mean nothing
    if blank:
        yield Reject(where, "empty file: no JSON line in it")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(number: str) -> float:
    """A JSON number with a fraction or an exponent. Raises DataError for one that no float holds (1e999)."""
    value = float(number)
    if not isfinite(value):
        raise DataError(f"the number {number[:40]} is out of range")
    return value


def _parse_line(line: str, default_id: str, where: str) -> Article:
    try:
        tree = json.loads(line, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise DataError(f"not valid JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error})") from None
    if not isinstance(tree, dict):
        raise DataError("not a JSON object; expected one with a `text` field in each line")
    if not isinstance(tree.get("text"), str):
        found = f"`text` is {_name_of(tree['text'])}" if "text" in tree else f"no `text` field, only {_fields(tree)}"
        raise DataError(f"{found}; a string is needed")
    _refuse_depth(tree)
    _refuse_surrogates(tree)
    named = "doc" if tree.get("doc") is not None else "id"
    doc = default_id if tree.get(named) is None else _doc_of(tree[named])
    # A line may have both `doc` and `id`: the one that does not name the article is a field like others.
    meta = {k: v for k, v in tree.items() if k not in ("text", named) and (k != "doc" or v is not None)}
    return Article(doc, tree["text"], meta, where)


def _name_of(value: Any) -> str:
    """A JSON value's type as JSON calls it."""
    names = {bool: "a boolean", dict: "an object", list: "a list", type(None): "null"}
    return names.get(type(value), "a number")


def _fields(tree: dict[str, Any]) -> str:
    return ", ".join(repr(name) for name in sorted(tree)[:8]) or "an empty object"


def _doc_of(given: Any) -> str:
    """The name of an article from its line's `doc` or `id`."""
    if isinstance(given, bool) or not isinstance(given, str | int) or given == "":
        raise DataError(f"the id is {given!r}; a string that is not empty, or a whole number, is needed")
    return str(given)


def _refuse_depth(tree: dict[str, Any]) -> None:
    """Raises DataError for a line nested deeper than a record can be written."""
    level: list[Any] = [tree]
    for _ in range(_DEEPEST):
        inner = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
        level = [child for child in inner if isinstance(child, dict | list)]
        if not level:
            return
    raise DataError(f"fields nested more than {_DEEPEST} levels deep")


def _refuse_surrogates(tree: dict[str, Any]) -> None:
    """Raises DataError for half a surrogate pair anywhere in the line: it cannot be written back as UTF-8."""
    dumped = json.dumps(tree, ensure_ascii=False)
    try:
        dumped.encode("utf-8")
    except UnicodeEncodeError as error:
        try:
            tree["text"].encode("utf-8")
            place = "in a field other than `text`"
        except UnicodeEncodeError as inner:
            place = f"at character {inner.start} of `text`"
        raise DataError(f"lone surrogate U+{ord(dumped[error.start]):04X} {place}") from None
