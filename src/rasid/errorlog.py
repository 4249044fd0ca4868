"""The error log of a report: every mistake counted as it comes, its line put by on disk with its article's entities.

So a list of any length needs no more memory than its counts, and the rows that the page shows. What goes through a file
of our own making and no other's is pickled.
"""

from __future__ import annotations

import pickle
from array import array
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rasid.annotations import Annotated
from rasid.listing import Flat, Listing, thin
from rasid.mistakecounts import Counted, MistakeCounts, Told
from rasid.mistakerows import FACETS, LINES, Mention, Side, mistake_rows
from rasid.mistakes import Fault, Mistake, mistakes, parse_mistake
from rasid.records import Record, write_exact
from rasid.spool import Spool


@dataclass(frozen=True, slots=True)
class Noted:
    """The mistakes of one article: what is counted of them, their lines of errors.jsonl, and the article's sides
    (pickled), which the rows of a page show beside them."""

    counted: list[Counted]
    lines: list[bytes]
    sides: bytes


def note(article: Annotated, predicted: Record) -> Noted:
    """The mistakes of one article, by place."""
    wrong = mistakes(article.record, predicted, article.text)
    lines = [f"{each.to_json()}\n".encode() for each in wrong]
    sides = [[tuple(each) for each in Side.of(record).mentions] for record in (article.record, predicted)]
    return Noted([Counted.of(each) for each in wrong], lines, pickle.dumps(sides) if wrong else b"")


class ErrorLog:
    """Mistakes in the order of the articles."""

    def __init__(self) -> None:
        self.counts = MistakeCounts()
        self._faults: dict[Fault, int] = {}
        self._kinds, self._articles = array("L"), array("L")  # of every mistake: number of its fault, of its article
        self._lines, self._sides = Spool(), Spool()

    def add(self, found: Noted) -> None:
        """The mistakes of one more article."""
        for each, line in zip(found.counted, found.lines, strict=True):
            self.counts.add(each)
            self._kinds.append(self._faults.setdefault(each.fault, len(self._faults)))
            self._articles.append(len(self._sides))
            self._lines.add(line)
        self._sides.add(found.sides)

    def listing(self) -> Listing:
        """The rows that a page holds: all, or of too many the rare kinds whole and the common ones thinned."""
        rows: list[Flat] = []
        shown = thin(range(len(self._kinds)), self._kinds.__getitem__)
        for article, own in groupby(shown, self._articles.__getitem__):
            sides = [Side([Mention(*each) for each in side]) for side in pickle.loads(self._sides.read(article))]
            rows += mistake_rows(map(self._mistake, own), sides)
        return Listing(LINES, FACETS, rows, len(self._kinds))

    def write(self, path: Path, gold: int, predicted: int) -> None:
        """Every mistake as a JSON line into `path`, and the page that counts them beside it, as .md; of so many gold
        and predicted entities. Raises DataError."""
        self._lines.copy_to(path)
        write_exact(path.with_suffix(".md"), self.counts.page(gold, predicted, self._told))

    def _mistake(self, number: int) -> Mistake:
        return parse_mistake(self._lines.read(number))

    def _told(self, number: int) -> Told:
        return Told.of(self._mistake(number))
