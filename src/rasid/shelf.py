"""A shelf: where each record of a file or folder lies, by doc, so that any can be read alone and none must be kept.

Finding the doc of a record takes a tenth of the time of reading it, and no memory but that of its place.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from rasid.errors import DataError
from rasid.records import Record, parse_record, read_exact, record_files


class _Named(BaseModel):
    doc: str


@dataclass(frozen=True, slots=True)
class Place:
    """A record of a file: `size` bytes from `start`, the whole file where `size` is None. `where` is for messages.

    `doc` is None where only reading the record says what is wrong with it.
    """

    path: Path
    where: str
    doc: str | None
    start: int = 0
    size: int | None = None

    def read(self) -> Record:
        """Raises DataError."""
        if self.size is None:
            return parse_record(read_exact(self.path), self.where, kept=False)
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.start)
                line = stream.read(self.size)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from None
        try:
            return parse_record(line.decode("utf-8"), self.where, kept=False)
        except UnicodeDecodeError as error:
            told = f"not UTF-8 ({error.reason} at byte {error.start} of the line)"
            raise DataError(f"{self.where}: {told}") from None


def read_shelf(path: Path) -> list[Place]:
    """The places of a .jsonl file, a .json file or a folder of .json files, in the order of `records.read_records`."""
    if path.is_dir() or path.suffix == ".json":
        return [Place(file, str(file), _doc_of(_bytes(file))) for file in record_files(path)]
    return list(_lines(path))


def read_places(places: Sequence[Place]) -> Iterator[tuple[str, Record]]:
    """(where, record) pairs, as `records.read_records` gives them."""
    for place in places:
        yield place.where, place.read()


def _lines(path: Path) -> Iterator[Place]:
    start = 0
    try:
        file = path.resolve() if path.is_file() else _copied(path)
        with file.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield Place(file, f"{path}:{number}", _doc_of(line), start, len(line))
                start += len(line)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _copied(pipe: Path) -> Path:
    """A copy of what can be read but once, for as long as the process lives."""
    with pipe.open("rb") as stream, tempfile.NamedTemporaryFile(delete=False) as copy:
        atexit.register(Path(copy.name).unlink, missing_ok=True)
        shutil.copyfileobj(stream, copy)
    return Path(copy.name)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # said when the record is read, and those before it are sound
        return b""


def _doc_of(source: bytes) -> str | None:
    try:
        return _Named.model_validate_json(source).doc
    except ValidationError:
        return None
