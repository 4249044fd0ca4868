"""Percentages by their form: a number before or after a percent sign, or before the words for it.

Texts to learn from hold few of them (the five articles six, the Wojood sample three), and their form leaves nothing to
learn: ٤٪, %70, 60 في المئة, خمسة وعشرين بالمئة. The number belongs to the span, and is no CARDINAL in it (annotation
guidelines, rule 11). Knows nothing of scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rasid.normalizer import normalise

_SIGNS = frozenset("%٪")
_HUNDREDS = ("مئه", "مايه", "مائه", "ميه")
_OF_A_HUNDRED = frozenset(before + own for before in ("بال", "ب") for own in _HUNDREDS)
_HUNDRED = frozenset(before + own for before in ("ال", "") for own in _HUNDREDS)
_FIGURE = re.compile(r"[وفبلك]{0,2}[+\-]?\d+(?:[.,٫٬/\-]\d+)*")
_GLUED = re.compile(rf"{_FIGURE.pattern}(?:{'|'.join(sorted(_OF_A_HUNDRED, key=len, reverse=True))})")
_ORDERS = {  # numbers of one order are not written together: عشرين وثلاثين are two
    1: "واحد واحده اثنان اثنين اثنتين ثلاث ثلاثه اربع اربعه خمس خمسه ست سته سبع سبعه ثماني ثمانيه ثمان تسع تسعه نصف",
    10: "عشر عشره عشرون عشرين ثلاثون ثلاثين اربعون اربعين خمسون خمسين ستون ستين سبعون سبعين ثمانون ثمانين تسعون تسعين",
    100: "مئه مائه مئتان مئتين مائتان مائتين ثلاثمئه ثلاثمائه اربعمئه اربعمائه خمسمئه خمسمائه",
}
_ORDER = {normalise(word): order for order, words in _ORDERS.items() for word in words.split()}
_PARTICLES = ("", "و", "ف", "ب", "ل", "ك", "وب", "ول")
_LONGEST = 4  # words of a number that is written out: مئة وخمسة وعشرين and some


@lru_cache(maxsize=65536)
def _plain(word: str) -> str:
    return normalise(word)


@lru_cache(maxsize=65536)
def _order(word: str) -> int:
    """The order of a number word, particles before it aside; 0 where it is none."""
    plain = _plain(word)
    return max((_ORDER.get(plain.removeprefix(particle), 0) for particle in _PARTICLES), default=0)


def _is_figure(word: str) -> bool:
    return _FIGURE.fullmatch(_plain(word)) is not None


def _number_before(words: Sequence[str], end: int) -> int | None:
    """The first word of the number that ends before word `end`; None where none does."""
    if not end:
        return None
    if _is_figure(words[end - 1]):
        return end - 1
    start = end
    met: set[int] = set()
    while start and end - start < _LONGEST and (order := _order(words[start - 1])) and order not in met:
        met.add(order)
        start -= 1
    return start if start < end else None


def _ending(words: Sequence[str], place: int) -> int:
    """How many words from `place` on say `percent`: a sign, بالمئة, or في المئة; 0 where they do not."""
    if words[place] in _SIGNS or _plain(words[place]) in _OF_A_HUNDRED:
        return 1
    following = words[place + 1] if place + 1 < len(words) else ""
    return 2 if _plain(words[place]) == "في" and _plain(following) in _HUNDRED else 0


def percentages(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Words [start, end) of every percentage, in order; they do not overlap."""
    place = 0
    while place < len(words):
        size, start = _ending(words, place), None
        if size:
            start = _number_before(words, place)
        elif _GLUED.fullmatch(_plain(words[place])):
            start, size = place, 1
        if start is not None:
            yield start, place + size
        elif words[place] in _SIGNS and place + 1 < len(words) and _is_figure(words[place + 1]):
            size = 2
            yield place, place + size  # %70, as it is typed from right to left
        place += size or 1
