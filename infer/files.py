"""Input files: which of a folder's files hold articles, how each is opened, how much of all of them is read.

It knows endings, bytes and compression; what the bytes mean is the readers' affair.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

import zstandard

STDIN = "-"
LINES = frozenset({".jsonl", ".ndjson", ".json"})
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
KINDS = frozenset({".txt", PARQUET, *LINES, *DELIMITERS})
_PACKED = (".gz", ".zst")
# A folder's own list of files is never an article; everything else with these endings is.
_NOT_ARTICLES = frozenset({"manifest.json"})
# What `datasets` writes beside the Arrow files of a dataset, and at the head of a dictionary of them.
DATASET, SPLITS = "state.json", "dataset_dict.json"
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
LARGEST = 64 << 20  # bytes of one article, or of one JSON document; what bounds a job's memory
TOO_LARGE = f"more than {LARGEST >> 20} MiB for one article; the most that is read"


def plain(path: Path) -> Path:
    """The path without .gz or .zst."""
    return path.with_suffix("") if path.suffix in _PACKED else path


def kind_of(path: Path) -> str:
    """The ending that says what a file holds: `.jsonl` of `a.jsonl.gz`."""
    return plain(path).suffix.lower()


def is_dataset(folder: Path) -> bool:
    """Whether a folder was written by `save_to_disk` of `datasets`."""
    return (folder / SPLITS).is_file() or ((folder / DATASET).is_file() and (folder / "dataset_info.json").is_file())


def walk(folder: Path) -> Iterator[Path]:
    """The files of a folder that hold articles, at any depth, in path order; hidden ones, links to folders and
    manifest.json left out.

    Holds the names of one folder at a time, about 100 bytes each. Raises OSError for a folder that cannot be read.
    """
    with os.scandir(folder) as entries:
        found = {
            entry.name: entry.is_dir(follow_symlinks=False)
            for entry in entries
            if not entry.name.startswith(".")
            and (entry.is_dir(follow_symlinks=False) or kind_of(Path(entry.name)) in KINDS)
        }
    for name in sorted(found):
        path = folder / name
        if found[name]:
            yield from walk(path)
        elif name not in _NOT_ARTICLES and path.is_file():
            yield path


class Meter:
    """How many bytes of the inputs are read; of compressed files, as they lie on disk."""

    def __init__(self) -> None:
        self._finished = 0
        self._position: Callable[[], int] | None = None

    @property
    def bytes(self) -> int:
        return self._finished + (self._position() if self._position else 0)

    @contextmanager
    def reading(self, size: int, position: Callable[[], int]) -> Iterator[None]:
        """While inside, `position` tells how much of a file of `size` bytes is read."""
        self._position = position
        try:
            yield
        finally:
            self._position = None
            self._finished += size


@contextmanager
def opened(path: Path, meter: Meter) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked. Raises OSError, and one of DAMAGED on reading."""
    with path.open("rb") as raw:
        stream: IO[bytes] = raw
        if path.suffix == ".gz":
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
        elif path.suffix == ".zst":
            reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            stream = io.BufferedReader(cast(io.RawIOBase, reader))  # gives the stream its lines
        with meter.reading(path.stat().st_size, raw.tell):
            yield stream


def lines_of(stream: IO[bytes], head: bytes = b"") -> Iterator[bytes]:
    """The lines of `head` and then of the stream; of one larger than LARGEST, enough to tell that it is."""
    start = io.BytesIO(head)
    while line := start.readline() or stream.readline(LARGEST + 1):
        if not line.endswith(b"\n") and len(line) <= LARGEST:
            line += stream.readline(LARGEST + 1)
        rest = line
        while len(line) > LARGEST and rest and not rest.endswith(b"\n"):
            rest = stream.readline(LARGEST)
        yield line


@dataclass(frozen=True, slots=True)
class Survey:
    """An input by name: its files, their bytes, and a digest of their names and sizes; all None for standard input
    and for what is not there."""

    name: str
    files: int | None = None
    bytes: int | None = None
    digest: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def survey(inputs: Sequence[str]) -> list[Survey]:
    """What the inputs are, without reading any: a look at the size of each file."""
    return [_survey(name) for name in inputs]


def total_bytes(surveys: Sequence[Survey]) -> int | None:
    """Bytes of all inputs; None when that cannot be known beforehand, as with standard input."""
    if any(each.name == STDIN for each in surveys):
        return None
    return sum(each.bytes or 0 for each in surveys)


def _survey(name: str) -> Survey:
    path = Path(name)
    if name == STDIN:
        return Survey(name)
    try:
        if not path.is_dir():
            size = path.stat().st_size
            return Survey(name, 1, size, _digest([("", size)]))
        files = dataset_files(path) if is_dataset(path) else walk(path)
        sizes = ((os.fsdecode(file.relative_to(path)), file.stat().st_size) for file in files)
        count = total = 0
        state = hashlib.blake2b(digest_size=16)
        for place, size in sizes:
            state.update(f"{place}\0{size}\n".encode("utf-8", "surrogatepass"))
            count, total = count + 1, total + size
        return Survey(name, count, total, state.hexdigest())
    except (OSError, ValueError, KeyError):
        return Survey(name)  # the reader will say why


def _digest(sizes: Sequence[tuple[str, int]]) -> str:
    lines = "".join(f"{place}\0{size}\n" for place, size in sizes)
    return hashlib.blake2b(lines.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def dataset_files(folder: Path) -> list[Path]:
    """The Arrow files of a dataset folder in order, of a dictionary split by split.

    Raises OSError, ValueError or KeyError when its own lists cannot be read.
    """
    if (folder / SPLITS).is_file():
        splits = json.loads((folder / SPLITS).read_bytes())["splits"]
        return [file for split in splits for file in dataset_files(folder / split)]
    state = json.loads((folder / DATASET).read_bytes())
    return [folder / each["filename"] for each in state["_data_files"]]
