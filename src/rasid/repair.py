"""Words glued by a lost space (سورياوالعراق), cut for the model where two words meet, and words split by a bare mark
(د.اعش), read whole; the text and its offsets stay.

A word that nobody writes is cut into words that everybody writes, when these are far likelier than one unknown word as
long. Letters on both sides of a full stop, comma, hyphen or slash are one word when it is far likelier than the parts:
a space lost beside a mark is common, a mark inside a word is not. What is written, and how often, `rasid.wordforms`
knows. The module knows nothing of models or labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest

import regex

from rasid.text import Ranges, Span, cut_by_chunk, words
from rasid.wordforms import SHORTEST, wordforms

_CONTROLS = r"\u00AD\u061C\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF"
_CONTROL = regex.compile(rf"[{_CONTROLS}]")
_MARK = regex.compile(rf"[\u0640\u064B-\u0652\u0670{_CONTROLS}]")  # tatweel, harakat, controls: no letters of a form
_LETTERS = regex.compile(r"[\u0621-\u063A\u0641-\u064A]+")
# A bare mark inside a word. Beside a tatweel `rasid.text` takes any mark into the word, and a star always.
_INNER = regex.compile(r"(?<=[\u0621-\u063A\u0641-\u064A\u064B-\u0652\u0670])[.,،/\-](?=[\u0621-\u063A\u0641-\u064A])")
_MOST_PARTS = 4  # that marks have split a word into


@lru_cache(maxsize=1 << 15)
def _cuts(word: str) -> tuple[int, ...]:
    """Where a word of a text falls apart, counted in its own characters. Marks go with the letter before them."""
    kept = [place for place, character in enumerate(word) if not _MARK.match(character)]
    bare = "".join(word[place] for place in kept)
    if not _LETTERS.fullmatch(bare):
        return ()  # digits, Latin, dodging marks: no plain glued word
    return tuple(kept[place] for place in wordforms().cuts(bare))


def read_words(text: str, repair: bool = True) -> list[Span]:
    """The words of a text as models read them: those of `rasid.text.words`, glued ones cut where two words meet, and
    those that a bare mark splits in one piece (`undodged` tells what they say).

    Nothing is moved or left out but bidi and zero-width controls at a cut. Without `repair` just the words.
    """
    return cut_by_chunk(text, _ranges, _kept_ranges) if repair else words(text)


def undodged(word: str) -> str:
    """What a word of `read_words` says: without the bare marks inside it (قت.ل: قتل)."""
    return _INNER.sub("", word)


def read_whole(text: str) -> str:
    """A text whose words have no bare marks inside them, for names and keys; never for offsets."""
    if not _INNER.search(text):
        return text
    found, end = [], 0
    for word in read_words(text):
        found += [text[end : word.start], undodged(word.of(text))]
        end = word.end
    return "".join((*found, text[end:]))


def _ranges(chunk: str) -> Ranges:
    cut = words(chunk)
    if _INNER.search(chunk):
        cut = list(_joined(chunk, cut))
    return tuple(part for word in cut for part in _parts(chunk, word))


def _joined(text: str, cut: Sequence[Span]) -> Iterator[Span]:
    """The words, those that marks have split as one."""
    number = 0
    while number < len(cut):
        end = number + _split(text, cut[number : number + 2 * _MOST_PARTS - 1])
        yield Span(cut[number].start, cut[end - 1].end)
        number = end


def _split(text: str, cut: Sequence[Span]) -> int:
    """How many of these words, marks among them, are the first word."""
    parts: list[str] = []
    for word, mark in zip_longest(cut[::2], cut[1::2]):
        bare = _MARK.sub("", word.of(text))
        if not _LETTERS.fullmatch(bare):
            break
        parts.append(bare)
        if mark is None or len(mark) > 1 or not _INNER.match(text, mark.start):
            break
    for count in range(len(parts), 1, -1):
        if wordforms().joins(parts[:count], text[cut[1].start]):
            return 2 * count - 1
    return 1


_kept_ranges = lru_cache(maxsize=1 << 15)(_ranges)


def _parts(text: str, word: Span) -> Iterator[tuple[int, int]]:
    if len(word) < SHORTEST:
        yield word.start, word.end
        return
    surface = word.of(text)
    start = 0
    for end in (*_cuts(surface), len(surface)):
        bare = end
        while end < len(surface) and _CONTROL.match(surface[bare - 1]):
            bare -= 1  # a control at a cut would trail the word before it
        yield word.start + start, word.start + bare
        start = end
