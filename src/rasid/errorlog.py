"""The error log of a report: every mistake counted as it comes, its line and its row of the browser put by on disk.

So a list of any length needs no more memory than its counts, and the rows that the page shows. The rows go through a
file of our own making and no other's, so they are pickled.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rasid.annotations import Annotated
from rasid.listing import Flat, Listing, thin
from rasid.mistakecounts import Counted, MistakeCounts, Told
from rasid.mistakerows import FACETS, LINES, mistake_rows
from rasid.mistakes import Fault, mistakes
from rasid.records import Record, write_exact
from rasid.spool import Spool


class Noted(NamedTuple):
    """A mistake as the log takes it: what is counted of it, its line of errors.jsonl, its row (a pickled `Flat`)."""

    counted: Counted
    line: bytes
    row: bytes


def note(article: Annotated, predicted: Record) -> Iterator[Noted]:
    """The mistakes of one article, by place."""
    wrong = mistakes(article.record, predicted, article.text)
    for each, row in zip(wrong, mistake_rows(wrong, article.record, predicted), strict=True):
        line = f"{each.to_json(row.excerpt)}\n".encode()
        yield Noted(Counted.of(each), line, pickle.dumps(tuple(row.flat), pickle.HIGHEST_PROTOCOL))


class ErrorLog:
    """Mistakes in the order of the articles."""

    def __init__(self) -> None:
        self.counts = MistakeCounts()
        self._kinds: dict[Fault, int] = {}
        self._order: list[int] = []  # of every mistake its fault, by number
        self._lines, self._rows = Spool(), Spool()

    def add(self, found: Iterable[Noted]) -> None:
        for each in found:
            self.counts.add(each.counted)
            self._order.append(self._kinds.setdefault(each.counted.fault, len(self._kinds)))
            self._lines.add(each.line)
            self._rows.add(each.row)

    def listing(self) -> Listing:
        """The rows that a page holds: all, or of too many the rare kinds whole and the common ones thinned."""
        shown = thin(range(len(self._order)), lambda number: self._order[number])
        rows = [Flat(*pickle.loads(self._rows.read(number))) for number in shown]
        return Listing(LINES, FACETS, rows, len(self._order))

    def write(self, path: Path, gold: int, predicted: int) -> None:
        """Every mistake as a JSON line into `path`, and the page that counts them beside it, as .md; of so many gold
        and predicted entities. Raises DataError."""
        self._lines.copy_to(path)
        write_exact(path.with_suffix(".md"), self.counts.page(gold, predicted, self._told))

    def _told(self, number: int) -> Told:
        tree = json.loads(self._lines.read(number))
        return Told(tree["surface"], tree["context"])
