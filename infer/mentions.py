"""Mentions: word spans from the decoder as ranges of characters in the raw text.

Punctuation at a span's ends stays out (annotation guidelines, rule 1), save the signs that make an amount
what it is (70%, $5). It knows nothing of models or clusters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rasid.decode import WordSpan
from rasid.labels import Inventory
from rasid.text import Span, is_punctuation

_AMOUNT_SIGNS = frozenset("%٪‰°")


@dataclass(frozen=True, slots=True)
class Mention:
    """`text[start:end]` with its type; `score` is the geometric mean of its words' probabilities."""

    start: int
    end: int
    type: str
    surface: str
    score: float = 1.0

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


def _stays_out(word: str) -> bool:
    return is_punctuation(word) and word not in _AMOUNT_SIGNS and unicodedata.category(word[0]) != "Sc"


def mentions(text: str, words: Sequence[Span], spans: Iterable[WordSpan], inventory: Inventory) -> list[Mention]:
    """The mentions of a text in order (start, then longer first, then the inventory's order).

    Trimming is the same at every depth, so spans that did not cross still do not. A span without a letter or
    digit is dropped.
    """
    found = []
    for span in spans:
        start, end = span.start, span.end
        while start < end and _stays_out(words[start].of(text)):
            start += 1
        while end > start and _stays_out(words[end - 1].of(text)):
            end -= 1
        if all(is_punctuation(words[place].of(text)) for place in range(start, end)):
            continue
        place = Span(words[start].start, words[end - 1].end)
        found.append(Mention(place.start, place.end, inventory.types[span.type], place.of(text), span.score))
    order = {name: number for number, name in enumerate(inventory.types)}
    return sorted(found, key=lambda m: (m.start, -m.end, order[m.type]))
