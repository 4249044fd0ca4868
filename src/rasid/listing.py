"""Listings: rows of text with spans marked on lines one above the other, and the facets that rows are filtered by.

A listing is what `report.js` shows, page by page; `tree` is its form in the page, small enough for a list that is long.
Where there are more rows than a page should hold, rare groups stay whole and common ones are thinned evenly. Knows
nothing of what the lines and facets mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple, Protocol, TypeVar

from rasid.excerpt import Excerpt
from rasid.standing import Placed

MOST = 20_000  # rows of a page: about 12 MB
_MARKS = 24  # of a line: more cannot be told apart, and only a broken model makes them

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One of the lines of every row; `facet` names the facet whose value says what the line's run made of it."""

    label: str
    facet: str | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    """Something that rows are filtered by, and what is said of it beside its label."""

    key: str
    label: str


class Marked(Placed, Protocol):
    """An entity, or as much of it as a mark shows."""

    @property
    def score(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Marks:
    """Entities of one line: those that the row is about, and those that stand around."""

    own: tuple[Marked, ...]
    others: tuple[Marked, ...] = ()


Mark = tuple[int, int, str, int, float | None, int, int]


class Flat(NamedTuple):
    """A row as plain text and numbers.

    `lines` are marks: [start, end, type, whether the row is about it, score if any, start and end in the article].
    """

    doc: str
    facets: tuple[str, ...]
    start: int
    text: str
    lines: tuple[tuple[Mark, ...], ...]
    score: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """`facets` [of the listing] are values, `lines` [of the listing] marks in the excerpt; `score` is to sort by."""

    doc: str
    facets: tuple[str, ...]
    excerpt: Excerpt
    lines: tuple[Marks, ...]
    score: float | None = None

    @property
    def flat(self) -> Flat:
        units = _utf16(self.excerpt.text)
        lines = tuple([_marks(line, self.excerpt, units) for line in self.lines])
        return Flat(self.doc, self.facets, self.excerpt.start, self.excerpt.text, lines, self.score)


@dataclass(frozen=True, slots=True)
class Listing:
    """`rows` of `total` that there are."""

    lines: tuple[Line, ...]
    facets: tuple[Facet, ...]
    rows: Sequence[Flat]
    total: int

    def tree(self) -> dict[str, Any]:
        """Plain lists and numbers: names stand once, rows refer to them; offsets are UTF-16 units of the excerpt."""
        docs, types = _Names(), _Names()
        values = [_Names() for _ in self.facets]
        rows = [
            [
                docs.number(row.doc),
                [own.number(value) for own, value in zip(values, row.facets, strict=True)],
                row.start,
                row.text,
                [[[*mark[:2], types.number(mark[2]), *mark[3:]] for mark in line] for line in row.lines],
                row.score,
            ]
            for row in self.rows
        ]
        return {
            "lines": [{"label": each.label, "facet": each.facet} for each in self.lines],
            "facets": [
                {"key": each.key, "label": each.label, "values": own.names}
                for each, own in zip(self.facets, values, strict=True)
            ],
            "docs": docs.names,
            "types": types.names,
            "rows": rows,
        }


class _Names:
    """Names by number, numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))

    @property
    def names(self) -> list[str]:
        return list(self._numbers)


def _marks(line: Marks, excerpt: Excerpt, units: Sequence[int]) -> tuple[Mark, ...]:
    """Marks of what a line has in the excerpt; `units` as of `_utf16`."""
    begin, length = excerpt.start, len(excerpt.text)
    found: list[Mark] = []
    for entity, own in [(each, 1) for each in line.own] + [(each, 0) for each in line.others[:_MARKS]]:
        start, end = max(0, entity.start - begin), min(entity.end - begin, length)
        if start < end:
            places = (units[start], units[end]) if units else (start, end)
            found.append((*places, entity.type, own, entity.score, entity.start, entity.end))
    return tuple(found)


def _utf16(text: str) -> list[int]:
    """UTF-16 units before each place of a text; empty where they are the code points."""
    if not text or max(text) <= "\uffff":
        return []
    return [0, *accumulate(2 if letter > "\uffff" else 1 for letter in text)]


def thin(items: Sequence[T], group: Callable[[T], Hashable], most: int = MOST) -> list[T]:
    """At most `most` of the items, in order: small groups whole, larger ones evenly thinned to one common size."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        groups[group(item)].append(number)
    left, kept = most, []
    by_size = sorted(groups.values(), key=len)
    for place, own in enumerate(by_size):
        share = min(len(own), left // (len(by_size) - place))
        kept += [own[n * len(own) // share] for n in range(share)]
        left -= share
    return [items[number] for number in sorted(kept)]
