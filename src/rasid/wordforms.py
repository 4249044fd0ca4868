"""Which words are written, and how often: a list of word forms with their frequencies, and what follows from it alone.

Counted in news and Wikipedia text by `scripts/count_wordforms.py` (`wordforms.txt.xz`). It belongs to no model, so that
training, scoring and inference cut words alike whatever tokenizer follows. Knows bare words, not texts.
"""

from __future__ import annotations

import lzma
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import regex

_FILE = Path(__file__).parent / "wordforms.txt.xz"
_TOTAL = "total"
LEVELS_PER_DOUBLING = 2  # the file keeps counts as levels, round(2 * log2(count)): within a fifth of the true count

_LONGEST = 40  # letters; longer runs are no lost space
SHORTEST = 5  # letters of a word that is looked at: two of the shortest part and three
_MOST_CUTS = 3
_COMMON = 1000  # occurrences that make a word of three letters common enough to be a part
# Two letters and their like are parts only if they are these; لا and ما are written together with a verb as a habit.
_SHORT = frozenset({"في", "من", "عن", "أن", "إن", "ان", "أو", "او"})
# An article with two letters after it is a piece of a name oftener than a word: الم+حجز, البر+مائي.
_STUMP = regex.compile(r"(?:[وفبك]?ال|و?لل).{0,2}")
_PREFIXES = (
    *("وبال", "وكال", "ولل", "فلل", "وال", "بال", "كال", "فال", "ال", "لل", "وب", "ول", "وك", "وس", "فل", "فب", "فس"),
    *("فك", "و", "ف", "ب", "ل", "ك", "س", "أ"),
)
_SUFFIXES = (
    *("ه", "ها", "هم", "هما", "هن", "ك", "كم", "نا", "ني", "ي", "ا", "ان", "ين", "ون", "ات", "ت", "وا", "ية", "يا"),
    *("يين", "يون", "وه", "وها", "وهم", "وهما", "وني", "ونا", "ونه", "ونها", "ونهم", "اه", "اها", "اهم", "ناه"),
    *("ناها", "ناهم", "ته", "تها", "تهم", "تهما", "تنا", "تك", "تي", "تا", "تين", "تان", "يه", "يها", "يهم", "يات"),
    *("اته", "اتها", "اتهم"),
)
_NEGATIONS = ("ما", "لا", "ولا", "وما", "فلا")
_STEM = 3  # letters that must be left of a word when prefixes and suffixes are taken off

# log10 probability that a running word is a given unknown word of n letters: -(_UNKNOWN + _PER_LETTER * n). Two words
# must be likelier than that by _MARGIN. Set on synthetic and real glued words, see docs/decisions.
_UNKNOWN = 5.0
_PER_LETTER = 0.7
_MARGIN = 1.0
_EVIDENCE = 3.0  # log10 odds of a lost space where letters meet that never meet inside a word

_TITLES = frozenset({"أ", "د", "م"})  # أ.حمد may be one, Professor Hamad
_DODGED = 3.0  # log10 odds beforehand that a bare mark between letters stands between two words
_DERIVED = -7.0  # log10 share of a form that is known by its stem alone, of five letters or more


@dataclass(frozen=True, slots=True)
class Wordforms:
    """Word forms without harakat and tatweel, each with the log10 of its share of running words."""

    shares: dict[str, float]
    parts: dict[str, float]  # those that may stand beside a lost space anywhere
    weak: dict[str, float]  # those that may only where the letters themselves show that a space was lost

    @classmethod
    def of(cls, shares: dict[str, float], common: float) -> Wordforms:
        """Sorted into what may be a part and what not; `common` is the share from which three letters may."""
        whole = {form: share for form, share in shares.items() if len(form) > 2 and not _STUMP.fullmatch(form)}
        parts = {form: share for form, share in whole.items() if len(form) > 3 or share >= common}
        parts |= {form: shares[form] for form in _SHORT if form in shares}
        return cls(shares, parts, {form: share for form, share in whole.items() if form not in parts})

    def knows(self, word: str) -> bool:
        """Whether a word is written as it is: listed, or listed without its prefix, its suffix, or both."""
        if word in self.shares:
            return True
        stems = [word, *_less_suffix(word)]
        return any(stem in self.shares for each in stems for stem in (each, *_less_prefix(each))) or any(
            word[len(negation) :] in self.shares for negation in _NEGATIONS if word.startswith(negation)
        )

    def cuts(self, word: str) -> tuple[int, ...]:
        """Where the words begin, but for the first, that a bare glued word consists of; nothing for any other word."""
        if not SHORTEST <= len(word) <= _LONGEST or word in self.shares:
            return ()
        evident = frozenset(place for place in range(2, len(word) - 1) if _never_meet(word[place - 1], word[place]))
        if not evident and self.knows(word):
            return ()
        places, share = self._best(word, evident)
        unknown = -(_UNKNOWN + _PER_LETTER * len(word))
        return places if 0 < len(places) <= _MOST_CUTS and share - unknown >= _MARGIN else ()

    def joins(self, parts: Sequence[str], mark: str) -> bool:
        """Whether bare parts with marks between them, `mark` the first, are one word (ق.ت.ل may be, but is as likely
        an abbreviation: of single letters it is never said)."""
        word = "".join(parts)
        if max(map(len, parts)) == 1 or len(word) < _STEM:
            return False
        if mark == "." and parts[0] in _TITLES and all(part in self.shares for part in parts[1:]):
            return False
        derived = _DERIVED if len(word) >= SHORTEST and self.knows(word) else -math.inf
        apart = sum(self.shares.get(part, -(_UNKNOWN + _PER_LETTER * len(part))) for part in parts)
        return self.shares.get(word, derived) - apart >= _DODGED

    def _best(self, word: str, evident: frozenset[int]) -> tuple[tuple[int, ...], float]:
        """The likeliest way to cut a word in two or more, and its log10 probability (-inf: there is none)."""
        best = [-math.inf] * (len(word) + 1)
        start_of = [0] * (len(word) + 1)
        best[0] = 0.0
        for end in range(2, len(word) + 1):
            for start in range(end - 1):
                if best[start] == -math.inf or end - start == len(word):
                    continue
                share = self.parts.get(word[start:end])
                if share is None and (start in evident or end in evident):
                    share = self.weak.get(word[start:end])
                if share is None:
                    continue
                reached = best[start] + share + (_EVIDENCE if end in evident else 0.0)
                if reached > best[end]:
                    best[end], start_of[end] = reached, start
        places: list[int] = []
        place = start_of[-1]
        while place:
            places.append(place)
            place = start_of[place]
        return tuple(reversed(places)), best[-1]


def _less_prefix(word: str) -> Iterator[str]:
    return (word[len(p) :] for p in _PREFIXES if word.startswith(p) and len(word) - len(p) >= _STEM)


def _less_suffix(word: str) -> Iterator[str]:
    """Stems of a word, with the ta marbuta that a suffix takes away or turns into a ta."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _STEM:
            stem = word[: -len(suffix)]
            yield from (stem, stem + "ة")
            if stem.endswith("ت"):
                yield stem[:-1] + "ة"


def _never_meet(left: str, right: str) -> bool:
    """Whether two letters do not stand side by side in a word: ta marbuta and alef maqsura end one, and after an alef
    no other begins. (شىء and its like are a spelling of the hamza.)"""
    return left == "ة" or (left == "ى" and right != "ء") or (left == "ا" and right in "أإآ")


def parse_wordforms(lines: Iterable[str]) -> Wordforms:
    """The word forms of a file: `total N`, then for each level a line with the level and its forms."""
    shares: dict[str, float] = {}
    total = 1
    for line in lines:
        head, *forms = line.split()
        if head == _TOTAL:
            total = int(forms[0])
            continue
        share = int(head) / LEVELS_PER_DOUBLING * math.log10(2) - math.log10(total)
        shares |= dict.fromkeys(forms, share)
    return Wordforms.of(shares, math.log10(_COMMON / total))


@cache
def wordforms() -> Wordforms:
    """The word forms that ship; read at the first call (about a tenth of a second)."""
    with lzma.open(_FILE, "rt", encoding="utf-8") as lines:
        return parse_wordforms(lines)
