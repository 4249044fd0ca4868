"""Writers: records to one file, to numbered parts, or to a file per article; rejects to a JSONL file beside them.

A file appears under its own name only when it is whole and the job's journal knows of it; until then its lines stand
in a spool, `.part`, which a resumed job cuts back to what was committed. The module knows records and paths, nothing of
how records are made.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

import regex

from rasid.errors import DataError
from rasid.records import Record

from .articles import Reject
from .faults import DiskError
from .outputs import Output

_UNSAFE = regex.compile(r"[^\p{L}\p{M}\p{N}._-]|^[.]")
_NAME_BYTES = 180  # of a file name made from an id; file systems allow 255
State = dict[str, int]


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns the OSErrors of writing `path` into a DiskError that names it."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: cannot be written ({error.strerror or error})") from None


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder outlast a loss of power, where the system lets a folder be synced."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


class Spool:
    """Lines appended to a file, which begins with the `length` bytes of it that were committed.

    Unbuffered, so that what could not be written is known at once and nothing is left to be flushed later.
    """

    def __init__(self, path: Path, length: int = 0) -> None:
        """Raises DataError when less than `length` is there, DiskError when it cannot be written."""
        self.path = path
        self._committed = length
        with disk_errors(path):
            found = path.stat().st_size if path.exists() else 0
            if found < length:
                raise DataError(f"{path}: {found} bytes of {length} are left; begin again with --overwrite")
            self._stream: IO[bytes] = path.open("r+b" if found else "w+b", buffering=0)
            self._stream.truncate(length)
            self.length = self._stream.seek(length)

    def write_line(self, line: str) -> None:
        data = memoryview(f"{line}\n".encode())
        with disk_errors(self.path):
            while data:  # a disk that is nearly full takes a part before it complains
                taken = self._stream.write(data)
                data = data[taken:]
                self.length += taken

    def sync(self) -> int:
        """Makes all that is written outlast a loss of power; returns its length, which is now committed."""
        with disk_errors(self.path):
            os.fsync(self._stream.fileno())
        self._committed = self.length
        return self.length

    def close(self) -> None:
        """Cuts off what is not committed, so that every line is whole."""
        if self._stream.closed:
            return
        with suppress(OSError):
            self._stream.truncate(self._committed)
        self._stream.close()


class Writer(Protocol):
    """Takes records one by one. After `commit`, whose state the caller keeps safe, `publish` gives what is whole its
    name; `finish` before the last commit says that no record follows, `discard` that none came at all; `close` may
    come at any time."""

    def write(self, record: Record) -> None: ...

    def commit(self) -> State: ...

    def publish(self) -> None: ...

    def finish(self) -> None: ...

    def discard(self) -> None: ...

    def close(self) -> None: ...

    @property
    def full(self) -> bool:
        """Whether a commit would let something be published."""


class PartsWriter:
    """Records to one file, or to numbered parts of `part_size` records, as JSONL or Parquet."""

    def __init__(self, output: Output, state: State | None = None) -> None:
        """`state` is that of the last commit; without it, spools and parts of an earlier job are removed."""
        self._output = output
        self._number = state["part"] if state else 0
        self._records = state["records"] if state else 0  # in the current part
        self._published = 0
        self._drop(state)
        self._spool: Spool | None = None
        self._ended = bool(state and state["ended"])
        if not self._ended:
            self._spool = Spool(output.spool(self._number), state["bytes"] if state else 0)

    def _drop(self, state: State | None) -> None:
        """Removes what is not the job's: all of an earlier one, or the spools begun after the last commit."""
        with disk_errors(self._output.path):
            for path in self._output.spools():
                if state is None or self._output.number_of(path) > self._number:
                    path.unlink()
            for path in self._output.parts() if state is None and self._output.part_size else ():
                path.unlink()

    @property
    def full(self) -> bool:
        return self._number > self._published

    def write(self, record: Record) -> None:
        if self._records == self._output.part_size:
            self._next_part()
        self._open().write_line(record.to_json())
        self._records += 1

    def _open(self) -> Spool:
        if self._spool is None:
            self._spool = Spool(self._output.spool(self._number))
        return self._spool

    def _next_part(self) -> None:
        spool = self._open()
        spool.sync()
        spool.close()
        self._number, self._records, self._spool = self._number + 1, 0, None

    def commit(self) -> State:
        length = 0 if self._ended else self._open().sync()
        return {"part": self._number, "records": self._records, "bytes": length, "ended": int(self._ended)}

    def publish(self) -> None:
        """Gives every finished part its name. Those that have it already are passed over, so this may be repeated
        after a job was killed amid it."""
        for path in self._output.spools():
            number = self._output.number_of(path)
            if number < self._number:
                with disk_errors(self._output.part(number)):
                    self._publish(path, self._output.part(number))
        self._published = self._number

    def _publish(self, spool: Path, part: Path) -> None:
        if self._output.format == "parquet":
            from .parquet import write_parquet  # pyarrow, which JSONL does not need

            whole = part.with_name(f"_{part.name}.part")
            with spool.open("rb") as lines:
                write_parquet(lines, whole)
            with whole.open("rb") as written:
                os.fsync(written.fileno())
            whole.replace(part)
            sync_folder(part.parent)
            spool.unlink()
        else:
            spool.replace(part)
        sync_folder(part.parent)

    def finish(self) -> None:
        if not self._ended:
            self._next_part()
            self._ended = True

    def discard(self) -> None:
        self.close()
        self._drop(None)

    def close(self) -> None:
        if self._spool:
            self._spool.close()


class FolderWriter:
    """`<doc>.json` files in a folder, each written whole and then renamed. A resumed job writes those since its last
    commit again, the same."""

    full = False

    def __init__(self, output: Output) -> None:
        self._folder = output.path

    def write(self, record: Record) -> None:
        path = self._folder / f"{file_name(record.doc)}.json"
        part = path.with_name(f"{path.name}.part")
        try:
            with disk_errors(path), part.open("wb") as stream:
                stream.write(f"{record.to_json(indent=1)}\n".encode())
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
        except DiskError:
            part.unlink(missing_ok=True)
            raise

    def commit(self) -> State:
        sync_folder(self._folder)
        return {}

    def publish(self) -> None:
        """Every record is whole as soon as it is written."""

    def finish(self) -> None:
        """Nothing is pending."""

    def discard(self) -> None:
        """Nothing was written."""

    def close(self) -> None:
        """Nothing is open."""


class RejectsWriter:
    """`<stem>.rejects.jsonl` beside the output, made when there is a reject; an old one is removed when there is
    none."""

    def __init__(self, output: Output, length: int = 0, count: int = 0, ended: bool = False) -> None:
        """`length` bytes and `count` rejects are committed; when the job has `ended`, they may have their name."""
        self.path = output.rejects
        self.count = count
        self._part = output.rejects.with_name(f"{output.rejects.name}.part")
        self._spool: Spool | None = None
        if not ended and (length or self._part.exists()):
            self._spool = Spool(self._part, length)

    def write(self, reject: Reject) -> None:
        self._spool = self._spool or Spool(self._part)
        self._spool.write_line(json.dumps({"where": reject.where, "reason": reject.reason}, ensure_ascii=False))
        self.count += 1

    def commit(self) -> int:
        """The length that is now safe, in bytes."""
        return self._spool.sync() if self._spool else 0

    def publish(self) -> None:
        """Gives the rejects their name, or removes those of an earlier job. May be repeated."""
        with disk_errors(self.path):
            if self.count == 0:
                self.path.unlink(missing_ok=True)
                self._part.unlink(missing_ok=True)
            elif self._part.exists():
                self._part.replace(self.path)
        sync_folder(self.path.parent)

    def first(self) -> Reject | None:
        """The first reject of the job, once they have their name."""
        if not self.count:
            return None
        with self.path.open(encoding="utf-8") as lines:
            return Reject(**json.loads(next(lines)))

    def close(self) -> None:
        if self._spool:
            self._spool.close()


def file_name(doc: str) -> str:
    """An id as a file name. One that cannot be (a slash, a leading dot, too long) is changed, and marked
    with a digest."""
    name = _UNSAFE.sub("_", doc)
    cut = name.encode()[:_NAME_BYTES].decode(errors="ignore")
    return cut if cut == doc else f"{cut}-{hashlib.sha256(doc.encode()).hexdigest()[:8]}"


def open_writer(output: Output, state: State | None) -> Writer:
    """The writer of an output, at the state of its last commit, or from the beginning."""
    return FolderWriter(output) if output.format == "json" else PartsWriter(output, state)
