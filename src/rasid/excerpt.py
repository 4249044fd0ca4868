"""Excerpts: stretches of an article around what stands in it, cut between words, with offsets that still hold.

Knows texts and spans, nothing of entities.
"""

from __future__ import annotations

from dataclasses import dataclass

from rasid.text import Span


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Part of a raw text, from the code point `start` on; spans given to it are of the whole text."""

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def of(self, span: Span) -> str:
        """What the excerpt holds of a span."""
        return self.text[max(0, span.start - self.start) : max(0, span.end - self.start)]

    def around(self, span: Span, reach: int, longest: int) -> Excerpt:
        """The excerpt of this one that holds `span` and up to `reach` characters on each side, in whole words.

        Of a span over `longest` characters the beginning. A word that is longer than the reach is left out.
        """
        last = min(span.end, span.start + longest)
        low, high = max(self.start, span.start - reach), min(self.end, last + reach)
        before, after = self.text[low - self.start : span.start - self.start], self.text[last - self.start :]
        if low > self.start and not self.text[low - self.start - 1].isspace():
            low += next((n + 1 for n, letter in enumerate(before) if letter.isspace()), len(before))
        if high < self.end and last == span.end and not self.text[high - self.start].isspace():
            tail = after[: high - last]
            high -= next((n + 1 for n, letter in enumerate(reversed(tail)) if letter.isspace()), len(tail))
        return Excerpt(low, self.text[low - self.start : high - self.start])
