"""Writers: records to one JSONL file or to a folder of JSON files, and rejects to a JSONL file beside them.

A file appears under its own name only when it is whole; until then it stands beside it as `.part`. The
module knows records and paths, nothing of how records are made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

import regex

from rasid.errors import DataError
from rasid.records import Record

from .readers import STDIN, Reject

_UNSAFE = regex.compile(r"[^\p{L}\p{M}\p{N}._-]|^[.]")
_NAME_BYTES = 180  # of a file name made from an id; file systems allow 255


class Writer(Protocol):
    """Takes records one by one; `close` ends a whole job, `abandon` one that stopped on the way."""

    def write(self, record: Record) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


class LinesWriter:
    """One JSON line per item into `<path>.part`, renamed to `path` on close."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = _part_of(path)
        self._stream = _create(self._part, path)
        self._empty = True

    def write(self, record: Record) -> None:
        self.write_line(record.to_json())

    def write_line(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._empty = False

    def close(self) -> None:
        self._stream.close()
        self._part.replace(self._path)

    def abandon(self) -> None:
        """Leaves what was written as `.part`, and nothing where there is nothing."""
        self._stream.close()
        if self._empty:
            self._part.unlink(missing_ok=True)


class FolderWriter:
    """`<doc>.json` files in a folder, each written whole and then renamed."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from None
        probe = _part_of(folder / "rasid")
        _create(probe, folder).close()  # a folder that takes no file is found out before the model runs
        probe.unlink()
        self._folder = folder

    def write(self, record: Record) -> None:
        path = self._folder / f"{file_name(record.doc)}.json"
        part = _part_of(path)
        part.write_text(record.to_json(indent=1) + "\n", encoding="utf-8", newline="")
        part.replace(path)

    def close(self) -> None:
        """Nothing is pending: every record is whole as soon as it is written."""

    def abandon(self) -> None:
        """Nothing is pending."""


class RejectsWriter:
    """`<stem>.rejects.jsonl` beside the output, made at the first reject; an old one is removed when there
    is none."""

    def __init__(self, output: Path) -> None:
        self.path = rejects_path(output)
        self.count = 0
        self.first: Reject | None = None
        self._lines: LinesWriter | None = None

    def write(self, reject: Reject) -> None:
        self._lines = self._lines or LinesWriter(self.path)
        self._lines.write_line(json.dumps({"where": reject.where, "reason": reject.reason}, ensure_ascii=False))
        self.first = self.first or reject
        self.count += 1

    def close(self) -> None:
        if self._lines:
            self._lines.close()
        else:
            self.path.unlink(missing_ok=True)

    def abandon(self) -> None:
        if self._lines:
            self._lines.abandon()


def rejects_path(output: Path) -> Path:
    """`out.jsonl` and the folder `out` both have `out.rejects.jsonl` beside them. Raises DataError for `/`."""
    if output.name in ("", ".."):  # the folder `.` has a name too, and so has `a/..`
        output = output.resolve()
    if not output.name:
        raise DataError(f"{output}: has no folder around it for the rejects; give another --output")
    stem = output.stem if output.suffix == ".jsonl" else output.name
    return output.with_name(f"{stem}.rejects.jsonl")


def file_name(doc: str) -> str:
    """An id as a file name. One that cannot be (a slash, a leading dot, too long) is changed, and marked
    with a digest."""
    name = _UNSAFE.sub("_", doc)
    cut = name.encode()[:_NAME_BYTES].decode(errors="ignore")
    return cut if cut == doc else f"{cut}-{hashlib.sha256(doc.encode()).hexdigest()[:8]}"


def open_writer(output: Path, inputs: Sequence[str]) -> Writer:
    """The writer that an `--output` asks for.

    Raises DataError when it cannot be written, is neither a .jsonl file nor a folder, or would overwrite an
    input or lie in an input folder, where the next run would take it for an article.
    """
    _spare_inputs(output, inputs)
    if output.suffix == ".jsonl":
        if output.is_dir():
            raise DataError(f"{output}: is a folder; an --output that ends in .jsonl is a file")
        return LinesWriter(output)
    if output.is_dir() or not output.suffix:
        return FolderWriter(output)
    raise DataError(f"{output}: --output is a .jsonl file or a folder, not a {output.suffix} file")


def _spare_inputs(output: Path, inputs: Sequence[str]) -> None:
    written = [output.resolve(), rejects_path(output).resolve()]
    for name in inputs:
        given = Path(name).resolve()
        if name == STDIN or not given.exists():
            continue
        if given in written:
            raise DataError(f"{output}: would overwrite the input {name}; give another --output")
        if given.is_dir() and any(path.is_relative_to(given) for path in written):
            raise DataError(f"{output}: lies in the input folder {name}; give an --output outside it")
        if given.suffix == ".json" and given.parent == written[0]:
            raise DataError(f"{output}: holds the input {name}; give another --output")


def _create(part: Path, path: Path) -> IO[str]:
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        return part.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written ({error.strerror or error})")
