"""Mentions: word spans from the decoder as ranges of characters in the raw text.

Punctuation at a span's ends stays out (annotation guidelines, rule 1), save the signs that make an amount
what it is (70%, $5). It knows nothing of models or clusters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rasid.decode import WordSpan
from rasid.labels import Inventory
from rasid.text import Span, trimmed


@dataclass(frozen=True, slots=True)
class Mention:
    """`text[start:end]` with its type; `score` is what the decoder's span has."""

    start: int
    end: int
    type: str
    surface: str
    score: float = 1.0

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


def mentions(text: str, words: Sequence[Span], spans: Iterable[WordSpan], inventory: Inventory) -> list[Mention]:
    """The mentions of a text in order (start, then longer first, then the inventory's order).

    Trimming is the same at every depth, so spans that did not cross still do not. A span without a letter or
    digit is dropped.
    """
    found = []
    for span in spans:
        kept = trimmed(text, words, span.start, span.end)
        if not kept:
            continue
        place = Span(words[kept.start].start, words[kept.stop - 1].end)
        found.append(Mention(place.start, place.end, inventory.types[span.type], place.of(text), span.score))
    order = {name: number for number, name in enumerate(inventory.types)}
    return sorted(found, key=lambda m: (m.start, -m.end, order[m.type]))
