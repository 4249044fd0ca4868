"""What a claim and a text about it do not share: the words that tell whether one bears the other out.

Two headlines on one event agree in most words, and the rest decides (أعلى, أدنى): pooled over all their pieces the two
look alike. Words are the same here when they agree in five letters without particle, article and a common ending, a
stem no better than light10's (Larkey et al. 2002) is, which is enough to tell a word from another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import regex

from rasid.normalizer import normalise
from rasid.text import Span, words

_PARTICLES = regex.compile(r"^(?:[وف]?(?:ال|بال|كال|لل|فال)|[وفبلك])(?=\w{3})")
_ENDINGS = regex.compile(r"(?:ها|ان|ات|ون|ين|يه|ه|ي|ا)$")
_LETTERS = 5  # of a stem that count
_CLAIM = 3  # words of a target that says something; fewer are a name


@dataclass(frozen=True, slots=True)
class Contrast:
    """The words of a claim that the text has not, as offsets into the claim, and those of the text that the claim has
    not, as offsets into the text. Each is empty where the other side has them all."""

    claim: tuple[Span, ...]
    text: tuple[Span, ...]


def contrast(claim: str, text: str) -> Contrast | None:
    """How a text departs from a claim; None for a target that is a name."""
    if not is_claim(claim):
        return None
    left, right = _words(claim), _words(text)
    here, there = ({_stem(word.of(own)) for word in cut} for own, cut in ((claim, left), (text, right)))
    return Contrast(
        tuple(word for word in left if _stem(word.of(claim)) not in there),
        tuple(word for word in right if _stem(word.of(text)) not in here),
    )


def is_claim(target: str) -> bool:
    """Whether a target says something; one of fewer than three words is a name."""
    return len(_words(target)) >= _CLAIM


def stems(text: str) -> list[str]:
    """The words of a text as they are compared, in order."""
    return [_stem(word.of(text)) for word in _words(text)]


def _words(text: str) -> list[Span]:
    return [word for word in words(text) if any(letter.isalnum() for letter in word.of(text))]


@lru_cache(maxsize=1 << 15)
def _stem(word: str) -> str:
    key = _PARTICLES.sub("", normalise(word))
    return (_ENDINGS.sub("", key) if len(key) >= _LETTERS else key)[:_LETTERS]
