"""Where a passage stands in its article, and which of the article's words are the passage's and which a target's.

What is read in place is read with the whole article around it, in the windows that its words are labelled in. Knows
words and characters, no model.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from rasid.text import Span


@dataclass(frozen=True, slots=True)
class Place:
    """The article that a passage is of, whole, and the character that it begins at."""

    text: str
    start: int

    def instead(self, old: str, new: str) -> Place:
        """The place of passage `new`, put into the article where `old` stood."""
        return Place(self.text[: self.start] + new + self.text[self.start + len(old) :], self.start)


@dataclass(frozen=True, slots=True)
class Words:
    """Numbers of an article's words: those of a passage, and of them those that mention a target."""

    passage: range
    target: tuple[int, ...]


def words_in(cut: Sequence[Span], place: Place, length: int, mentions: Sequence[Span]) -> Words:
    """The words, of those that an article is cut into, that any character of a passage of that length is in, and any of
    its mentions, counted from its start."""
    passage = _overlapping(cut, place.start, place.start + length)
    found = (_overlapping(cut, place.start + each.start, place.start + each.end) for each in mentions)
    return Words(passage, tuple(sorted({number for each in found for number in each if number in passage})))


def _overlapping(cut: Sequence[Span], start: int, end: int) -> range:
    first = bisect_right(cut, start, key=attrgetter("end"))
    return range(first, max(first, bisect_left(cut, end, key=attrgetter("start"))))
