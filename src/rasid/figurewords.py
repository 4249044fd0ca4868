"""An article's words as figures are looked for in them: folded, with and without the particles written onto them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rasid.normalizer import normalise

PARTICLES = ("", "و", "ف", "ب", "ل", "ك", "وب", "ول")  # written onto a figure's first word
_ARTICLES = (("وال", "ال"), ("بال", "ال"), ("فال", "ال"), ("كال", "ال"), ("لل", "ال"), ("وبال", "ال"), ("ولل", "ال"))


class Told(NamedTuple):
    """Words [start, end) are a span of `type`. One that is `open_left` or `open_right` may take in words there too; one
    `within` stands in the figure told before it."""

    start: int
    end: int
    type: str
    open_left: bool = False
    open_right: bool = False
    within: bool = False


@lru_cache(maxsize=65536)
def plain(word: str) -> str:
    """The word with its letters folded."""
    return normalise(word)


@lru_cache(maxsize=65536)
def stems(word: str) -> frozenset[str]:
    """The folded word, and what is left of it without a particle (وليلا: ليلا; بالليرة, لليرة: الليره)."""
    own = plain(word)
    bare = (own.removeprefix(particle) for particle in PARTICLES if own.startswith(particle))
    definite = (article + own.removeprefix(before) for before, article in _ARTICLES if own.startswith(before))
    return frozenset((*bare, *definite))


def forms(text: str) -> frozenset[str]:
    """The words of `text`, folded."""
    return frozenset(normalise(word) for word in text.split())


def definite(words: frozenset[str]) -> frozenset[str]:
    """Folded words with the article."""
    return frozenset("ال" + word for word in words)


class Words:
    """An article's words by place; a place outside it holds an empty word."""

    def __init__(self, words: Sequence[str]) -> None:
        self.raw = words

    def plain(self, place: int) -> str:
        return plain(self.raw[place]) if 0 <= place < len(self.raw) else ""

    def stem_in(self, place: int, words: frozenset[str]) -> bool:
        """Whether the word, a particle aside, is one of `words`."""
        return 0 <= place < len(self.raw) and not stems(self.raw[place]).isdisjoint(words)
