"""The ids of a job so far, in bounded memory: the second article of the same id is found out however many there are.

A temporary SQLite database that spills to disk: 17 MiB of memory, and on disk about 30 bytes for an article plus the
length of its place (53 MB for a million places of 25 characters). It knows nothing of articles.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import cast

from .faults import DiskError

_CACHE_KIB = 16_384
_DIGEST = 16  # bytes; two ids of 10**9 share a digest with a chance of 1e-21


class Seen:
    """Ids and the places where they were first seen."""

    def __init__(self) -> None:
        # An empty name is a private file in the temporary folder (TMPDIR), touched only when the cache is full.
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._base.execute(f"PRAGMA {setting}")
        self._base.execute("CREATE TABLE seen (id BLOB PRIMARY KEY, place TEXT) WITHOUT ROWID")
        self._base.execute("BEGIN")  # one transaction, never ended: nothing is to outlast the process

    def first(self, doc: str, place: str) -> str | None:
        """Where `doc` was seen before; None when it is new, and from now on it was seen at `place`.

        Raises DiskError when the temporary folder is full.
        """
        key = hashlib.blake2b(doc.encode(), digest_size=_DIGEST).digest()
        try:
            if self._base.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, place)).rowcount:
                return None
            (found,) = self._base.execute("SELECT place FROM seen WHERE id = ?", (key,)).fetchone()
        except sqlite3.OperationalError as error:
            raise DiskError(f"the list of ids cannot be written to the temporary folder, TMPDIR ({error})") from None
        return cast(str, found)

    def close(self) -> None:
        self._base.close()
