"""Numbers as texts write them: figures (٣١٢, 1.5), words (سبعة وأربعين, ثلاثة ملايين ونصف المليون), or both (40 ألفا).

A number's words stand in a fixed order: of each thousand the hundreds, then the ones, then the tens, each with و
before it; thousands, millions and milliards fall. So where one number ends and the next begins is settled by its
form. Knows nothing of what is counted, and of ordinals nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rasid.figurewords import PARTICLES, forms, plain

_FIGURE = re.compile(r"[+\-]?\d+(?:[.,٫٬/\-]\d+)*")
_ONES = """واحد واحدة إحدى أحد اثنان اثنين اثنتان اثنتين اثنا اثني اثنتا اثنتي ثلاث ثلاثة أربع أربعة
    خمس خمسة ست ستة سبع سبعة ثماني ثمانية ثمان تسع تسعة"""
_TENS = """عشرون عشرين ثلاثون ثلاثين أربعون أربعين خمسون خمسين ستون ستين سبعون سبعين ثمانون ثمانين تسعون تسعين"""
_HUNDREDS = """مئة مائة مئتان مئتين مئتي مائتان مائتين مائتي مئات المئات عشرات العشرات""" + "".join(
    f" {ones}{hundred}"
    for ones in ("ثلاث", "أربع", "خمس", "ست", "سبع", "ثمان", "ثماني", "تسع")
    for hundred in ("مئة", "مائة")
)
_SCALES = {
    10**3: "ألف ألفا آلاف الآلاف ألفان ألفين ألفي ألوف",
    10**6: "مليون مليونا مليونان مليونين مليوني ملايين الملايين",
    10**9: "مليار مليارا ملياران مليارين ملياري مليارات المليارات بليون بلايين",
    10**12: "تريليون تريليونا تريليونات",
}
_MOST = 10**15  # above every scale
_SCALE_NAMED = {"الالف": 10**3, "المليون": 10**6, "المليار": 10**9}  # in ونصف المليون, of the scale before it
VAGUE = forms("مئات المئات عشرات العشرات آلاف الآلاف ملايين الملايين ألوف")  # numbers, if of no exact value
_FRACTIONS = frozenset({"نصف", "ربع", "ثلث"})
_TEN = frozenset({"عشر", "عشره"})
_WHOLE_HUNDRED = frozenset({"مئه", "مائه"})


_ORDERS = {word: order for order, words in {1: _ONES, 10: _TENS, 100: _HUNDREDS}.items() for word in forms(words)}
_ORDERS |= dict.fromkeys(_TEN, 10)
_SCALE = {word: scale for scale, words in _SCALES.items() for word in forms(words)}


class Number(NamedTuple):
    """Words [start, end) that are one number; whether it is `spelled` out at least in part."""

    start: int
    end: int
    spelled: bool


def is_numeral(word: str) -> bool:
    """Whether a number may begin with the word."""
    return _bare(word) is not None


@lru_cache(maxsize=65536)
def _bare(word: str) -> str | None:
    """The numeral that a word is, particles before it aside; None where it is none."""
    own = plain(word)
    for particle in PARTICLES:
        if own.startswith(particle):
            rest = own.removeprefix(particle)
            if rest in _ORDERS or rest in _SCALE or rest in _FRACTIONS or _FIGURE.fullmatch(rest):
                return rest
    return None


def _joined(word: str, following: str) -> str:
    """The rest of a word that begins with و, which joins it to the number before; empty where it does not."""
    own = plain(word)
    one = own == "واحد" and plain(following) not in _TEN  # but وأحد عشر
    return own[1:] if own.startswith("و") and not one and own != "واحده" else ""


class _Reader:
    """Reads one number from `start` on, word by word, as long as its form allows."""

    def __init__(self, words: Sequence[str], start: int, first: str) -> None:
        self._words = words
        self._met: set[int] = set()  # orders of the thousand under way
        self._scale = _MOST  # of the thousands read so far, falling
        self._last = first
        self.end = start
        self.spelled = False
        self._take(first)

    def _take(self, word: str) -> None:
        self._last = word
        self.end += 1
        self.spelled |= not word[-1].isdigit()
        if word in _SCALE:
            self._scale = _SCALE[word]
            self._met = set()
        elif word in _ORDERS:
            self._met.add(_ORDERS[word])
        else:
            self._met |= {1, 10, 100}  # a figure fills its thousand, and of a fraction a scale has to follow

    def _goes_on(self, word: str) -> bool:
        """Whether a word without و continues: عشر of خمسة عشر, مئة of ثلاث مئة, a scale after what it counts."""
        ones = self._last in _ORDERS and _ORDERS[self._last] == 1
        if ones and word in _TEN:
            return 10 not in self._met
        if ones and word in _WHOLE_HUNDRED:
            return self._met == {1}
        vague = self._last in ("مئات", "عشرات") or (self._last in _SCALE and self._last != word)
        return word in _SCALE and (bool(self._met) or vague) and (_SCALE[word] < self._scale or vague)

    def _is_added(self, word: str) -> bool:
        """Whether a word with و continues: another order of the same thousand, or what is left over of a scale."""
        if word in _ORDERS and not self._last[-1].isdigit():
            # خمس وعشر are two numbers, مئة وعشر is one
            barred = {1, 10, 100} if _ORDERS[word] == 100 else {1, 10} if word in _TEN else {_ORDERS[word]}
            return not self._met & barred
        over = self._last in _SCALE
        return over and (
            word in _FRACTIONS or _FIGURE.fullmatch(word) is not None or _SCALE.get(word, _MOST) < self._scale
        )

    def read(self) -> None:
        while self.end < len(self._words):
            following = self._words[self.end + 1] if self.end + 1 < len(self._words) else ""
            word, joined = plain(self._words[self.end]), _joined(self._words[self.end], following)
            if joined and self._is_added(joined):
                self._take(joined)
            elif self._goes_on(word) or (self._last in _FRACTIONS and _SCALE_NAMED.get(word) == self._scale):
                self._take(word)
            else:
                return


def number_at(words: Sequence[str], start: int) -> Number | None:
    """The longest number that begins with word `start`; None where none does. A fraction alone is none."""
    first = _bare(words[start])
    if first is None:
        return None
    reader = _Reader(words, start, first)
    reader.read()
    alone = reader.end == start + 1 and first in _FRACTIONS
    return None if alone else Number(start, reader.end, reader.spelled)
