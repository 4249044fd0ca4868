"""Resume: the journal beside an output, in which a job writes down what it is and how far it is safe, and the lock.

A job killed at any moment goes on from the last line of its journal, and writes what an uninterrupted one writes. It
knows positions, not records: what was written up to a position the writers know.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from rasid.errors import DataError

from .articles import Article, Read
from .files import Survey
from .writers import State, disk_errors, sync_folder

_FORMAT = 1  # of the journal


@dataclass(frozen=True, slots=True)
class Commit:
    """What is safe: the inputs that were worked on (articles and rejects) and a digest of them, and what came out.

    `batch_tokens` is the token budget in force, which a full memory may have lowered; records are the same only with
    the same batches.
    """

    items: int = 0
    digest: str = ""
    records: int = 0
    rejects: int = 0
    rejects_bytes: int = 0
    batch_tokens: int = 0
    writer: State = field(default_factory=dict)
    done: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """What a job is: all that its records depend on, and the machine, which may change their last digit only."""

    model: dict[str, Any]
    options: dict[str, Any]
    inputs: list[dict[str, Any]]
    machine: dict[str, Any]
    journal: int = _FORMAT


class Journal:
    """A file of JSON lines: the header, then a line for each commit. A torn last line counts for nothing."""

    def __init__(self, path: Path, header: Header | None, last: Commit | None, length: int) -> None:
        self.path = path
        self.header = header
        self.last = last
        self._length = length  # bytes of whole lines
        self._stream: IO[bytes] | None = None

    @classmethod
    def find(cls, path: Path) -> Journal | None:
        """The journal of an unfinished job; None where there is none, or none with a whole header.

        Raises DataError for a file that no job of this version wrote.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
        lines = _whole_lines(data)
        if not lines:
            return None
        try:
            header = Header(**json.loads(lines[0]))
            if header.journal != _FORMAT:
                raise ValueError
            last = Commit(**json.loads(lines[-1])) if len(lines) > 1 else None
        except (ValueError, TypeError):
            raise DataError(f"{path}: not a journal that this version of rasid reads; --overwrite drops it") from None
        return cls(path, header, last, sum(map(len, lines)))

    def begin(self, header: Header) -> None:
        """A new journal with this header, in place of any that was there."""
        self.header, self.last, self._length = header, None, 0
        self._append(asdict(header))
        sync_folder(self.path.parent)

    def commit(self, commit: Commit) -> None:
        """Writes down what is safe; the caller has synced it before."""
        self._append(asdict(commit))
        self.last = commit

    def _append(self, tree: dict[str, Any]) -> None:
        line = f"{json.dumps(tree, ensure_ascii=True)}\n".encode()
        with disk_errors(self.path):
            if self._stream is None:
                self._stream = self.path.open("r+b" if self._length else "wb", buffering=0)
                self._stream.truncate(self._length)
                self._stream.seek(self._length)
            written = self._stream.write(line)
            if written < len(line):
                raise OSError(28, os.strerror(28))  # a part of the line only: the disk is full
            os.fsync(self._stream.fileno())
        self._length += len(line)

    def remove(self) -> None:
        """The job is done."""
        self.close()
        self.path.unlink(missing_ok=True)
        sync_folder(self.path.parent)

    def close(self) -> None:
        """A line that was not written whole is cut off."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.truncate(self._length)
            self._stream.close()
            self._stream = None


def _whole_lines(data: bytes) -> list[bytes]:
    """The lines up to the first that is torn or damaged (after a loss of power it may be zeros)."""
    lines = []
    for line in data.splitlines(keepends=True):
        try:
            if not line.endswith(b"\n") or not isinstance(json.loads(line), dict):
                break
        except ValueError:
            break
        lines.append(line)
    return lines


class Trail:
    """A running digest of the inputs that were worked on, by which a resumed job knows them again."""

    def __init__(self) -> None:
        self.items = 0
        self._state = hashlib.blake2b(digest_size=16)

    def add(self, item: Read) -> None:
        if isinstance(item, Article):
            self._state.update(f"{json.dumps([item.doc, item.meta, len(item.text)])}\n".encode())
            self._state.update(item.text.encode())
        else:
            self._state.update(f"{json.dumps([item.where, item.reason])}\n".encode())
        self.items += 1

    @property
    def digest(self) -> str:
        return self._state.hexdigest()


def follow(trail: Trail, items: Iterator[Read], commit: Commit) -> None:
    """Reads the inputs up to a commit without working on them. Raises DataError when they are not the same."""
    for item in items:
        trail.add(item)
        if trail.items == commit.items:
            break
    if trail.digest != commit.digest:
        raise DataError(
            f"--resume: the first {commit.items} inputs are not those of the interrupted job; give the same inputs, "
            "or begin again with --overwrite"
        )


def change(old: Header, new: Header) -> str | None:
    """What differs between two jobs, in one clause; None when their records are the same."""
    for kind, was, now in (("the model's ", old.model, new.model), ("", old.options, new.options)):
        for name in dict.fromkeys((*was, *now)):
            if was.get(name) != now.get(name):
                return f"{kind}{name} is {_brief(now.get(name))} and was {_brief(was.get(name))}"
    names = [[each["name"] for each in header.inputs] for header in (old, new)]
    if names[0] != names[1]:
        return f"the inputs are {' '.join(names[1])} and were {' '.join(names[0])}"
    for was, now in zip(old.inputs, new.inputs, strict=True):
        if was != now:
            return f"the input {now['name']} is {_size(now)} and was {_size(was)}"
    return None


def _brief(value: Any) -> str:
    return "not given" if value is None else str(value)[:60]


def _size(survey: dict[str, Any]) -> str:
    if survey["bytes"] is None:
        return "not there"
    return f"{survey['bytes']} bytes in {survey['files']} file(s) {survey['digest'][:8]}"


def header_of(
    model: dict[str, Any], options: dict[str, Any], surveys: Sequence[Survey], machine: dict[str, Any]
) -> Header:
    """The header of a job, as JSON gives it back."""
    header = Header(model, options, [each.to_json() for each in surveys], machine)
    return Header(**json.loads(json.dumps(asdict(header))))


@contextmanager
def locked(path: Path, output: Path | None = None) -> Iterator[None]:
    """Holds the lock of an output. A lock of a process that is dead holds nobody up: the system drops it.

    Raises DataError when another job holds it, or it cannot be made.
    """
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise DataError(f"{output or path}: another job is writing it; wait, or give another --output") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # while it is held, so that none is taken away from another job
        lock.release()
