"""A spool: pieces of bytes put by on disk in the order in which they come, any of which can be read again.

The file has no name and goes with the process. Knows nothing of what the pieces are.
"""

from __future__ import annotations

import shutil
import tempfile
from array import array
from pathlib import Path
from typing import BinaryIO

from rasid.errors import DataError


class Spool:
    """Pieces by number, the first being 0. What the disk refuses is a DataError."""

    def __init__(self) -> None:
        try:
            self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the spool)
        except OSError as error:
            raise self._refused(error) from None
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise self._refused(error) from None
        self._ends.append(self._ends[-1] + len(piece))

    def read(self, number: int) -> bytes:
        start, end = self._ends[number], self._ends[number + 1]
        position = self._file.tell()
        self._file.seek(start)
        piece = self._file.read(end - start)
        self._file.seek(position)
        return piece

    def copy_to(self, path: Path) -> None:
        """All pieces, one after the other, as a file."""
        self._file.seek(0)
        try:
            with path.open("wb") as target:
                shutil.copyfileobj(self._file, target)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror})") from None

    def _refused(self, error: OSError) -> DataError:
        return DataError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror})")
