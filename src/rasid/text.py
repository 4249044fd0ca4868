"""Raw text to words, sentences and passages, all as code-point offsets into the untouched input.

Words are what labels are given to: every non-space character outside bidi and zero-width controls stands in exactly one
word. A newline is not trusted as a sentence end, because scraped text breaks lines anywhere. Nothing is ever rewritten
here; this module knows nothing of models or labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise, zip_longest

import regex

from rasid.normalizer import normalise
from rasid.wordforms import wordforms


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open range [start, end) of code points in a raw text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end]

    def __len__(self) -> int:
        return self.end - self.start

    def contains(self, other: Span) -> bool:
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end

    def crosses(self, other: Span) -> bool:
        """Whether the two overlap without one containing the other."""
        return self.overlaps(other) and not self.contains(other) and not other.contains(self)


_CONTROL = r"\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF"
_DODGE = r"[,.،_*~^|'`\-\u00B7\u2022\u2026]"
_ARABIC = r"[\u0621-\u063A\u0641-\u064A\u066E-\u06D3]"
_LETTER = r"[\p{L}\p{M}\u0640]"
# A run of letters, marks, digits and tatweel; inside it, a decimal or thousands separator between digits, and a mark
# that dodges a filter (the same three shapes that rasid.normalizer drops, so the tokenizer sees the word whole).
_WORD = regex.compile(
    rf"""(?:
        [\p{{L}}\p{{M}}\p{{N}}]
        | (?<=[\p{{L}}\p{{M}}\p{{N}}])[{_CONTROL}]+(?=[\p{{L}}\p{{M}}\p{{N}}])
        | (?<=\p{{N}})[.,\u066B\u066C](?=\p{{N}})
        | (?<=\u0640){_DODGE}+(?=\u0640*{_ARABIC})
        | (?<={_ARABIC}){_DODGE}+(?=\u0640+{_ARABIC})
        | (?<={_ARABIC})[_*~^|\u00B7\u2022]+(?={_ARABIC})
    )+
    | [^\s{_CONTROL}]""",
    regex.VERBOSE,
)
# The marks that end a sentence, before a space; or between letters where the space was lost.
_SENTENCE_END = regex.compile(
    r"(?:(?<!\b\p{L})\.(?!\p{N})|[!?؟…]|\.{2,})[\"”»')\]]*(?=\s|$)"
    r"|(?<=\p{Arabic}{3})(?:\.|[!?؟]+)(?=\p{Arabic})|(?<=[\"”»)])\.(?=\p{Arabic})"
)
_LETTERS_AFTER = regex.compile(r"[\u0621-\u063A\u0641-\u064A]+")
_LETTERS_BEFORE = regex.compile(r"(?r)[\u0621-\u063A\u0641-\u064A]+\Z")
# A line that ends in one of these goes on in the next: no Arabic sentence ends in a particle, nor in these marks.
_OPEN_MARKS = frozenset("،,؛([«“")
_CLOSING_MARKS = frozenset("،,؛;:.)]»”")  # a line that begins with one goes on from the line before
_WRAP_WIDTH = 120  # characters; longer lines are paragraphs, however even they are
_WRAP_LINES = 4  # full lines that make a text wrapped by a mail program or a terminal
_OPEN_ENDED = frozenset(
    {
        "ضد", "من", "في", "إلى", "الى", "على", "عن", "مع", "أن", "ان", "إن", "التي", "الذي", "الذين",
        "بين", "حتى", "خلال", "بعد", "قبل", "منذ", "عند", "لدى", "نحو", "أو", "او", "ثم", "كما", "حيث",
        "و",
    }
)  # fmt: skip
_FURNITURE = regex.compile(
    r"^\W*(?:تخط[ىي] إلى المحتوى|A\+\s*A-|اقرأ أيضا?ً?|شارك.{0,40}|المصدر\s*:.*"
    r"|الرئيسية\b.{0,80}|طباعة|تابعونا.{0,60})\W*$"
)
_PASSAGE_CHARS = 700  # about three news sentences; a longer paragraph is read in pieces of whole sentences
_SENTENCES_PER_PASSAGE = 3


# What stands between white space (the `\s` of regex): no word reaches beyond it, and nothing beyond it changes a word.
_CHUNK = re.compile(r"[^\t-\r \x85\xA0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+")
_LONG_CHUNK = 40  # characters; longer ones hardly come back and are not kept
Ranges = tuple[tuple[int, int], ...]


def words(text: str) -> list[Span]:
    """The words of `text` in order: disjoint, non-empty, punctuation marks as words of their own."""
    return cut_by_chunk(text, _ranges, _kept_ranges)


def cut_by_chunk(text: str, cut: Callable[[str], Ranges], kept: Callable[[str], Ranges]) -> list[Span]:
    """A text's words, where `cut` says which ranges of a chunk are words. `kept` is the same with a memory, for chunks
    that come back: the same few thousand make up most of any text, and a look-up is several times as fast as a
    pattern."""
    found: list[Span] = []
    for match in _CHUNK.finditer(text):
        chunk, shift = match[0], match.start()
        for start, end in (cut if len(chunk) > _LONG_CHUNK else kept)(chunk):
            found.append(Span(shift + start, shift + end))
    return found


def _ranges(chunk: str) -> Ranges:
    return tuple(match.span() for match in _WORD.finditer(chunk))


_kept_ranges = lru_cache(maxsize=1 << 15)(_ranges)


def _trim(text: str, start: int, end: int) -> Span | None:
    """[start, end) without white space at its ends; None when nothing is left."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if start < end else None


def is_furniture(line: str) -> bool:
    """Whether a line belongs to the page and not to the article (menus, share buttons, the source line)."""
    return bool(_FURNITURE.match(line.strip()))


def _is_full(line: str, following: str, width: int) -> bool:
    """Whether the next line's first word would have passed the width at the end of this one."""
    words = following.split(maxsplit=1)
    return bool(words) and len(line.strip()) + 1 + len(words[0]) > width


def _wrap_width(lines: Sequence[str]) -> int:
    """The width that a text was wrapped at: that of its longest line, when nearly all lines that have no final mark are
    full at it; 0 when lines are paragraphs."""
    width = max((len(line.strip()) for line in lines), default=0)
    if width > _WRAP_WIDTH:
        return 0
    pairs = [(line, after) for line, after in pairwise(lines) if line.strip() and after.strip()]
    open_lines = [pair for pair in pairs if not _SENTENCE_END.search(pair[0].strip()[-3:])]
    full = sum(_is_full(line, after, width) for line, after in open_lines)
    return width if full >= max(_WRAP_LINES, 0.8 * len(open_lines)) else 0


def _goes_on(line: str, following: str, width: int) -> bool:
    """Whether a line break stands inside a paragraph. A blank line never does, nor one beside page furniture."""
    ahead, behind = following.strip(), line.split()
    if not ahead or not behind:
        return False
    mark = behind[-1][-1] in _OPEN_MARKS or ahead[0] in _CLOSING_MARKS
    if not (mark or behind[-1] in _OPEN_ENDED or (width and _is_full(line, following, width))):
        return False
    return not is_furniture(line) and not is_furniture(following)


def paragraphs(text: str) -> list[Span]:
    """Lines of text that read on, as spans. Scraped text is broken anywhere: a line that leaves its sentence open is
    joined to the next, and so is every full line of a text that is wrapped at some width."""
    return list(_paragraphs(text))


@lru_cache(maxsize=1)  # a text is asked for again with every passage of it, and may be large
def _paragraphs(text: str) -> tuple[Span, ...]:
    spans: list[Span] = []
    lines = text.splitlines(keepends=True)
    width = _wrap_width(lines)
    start = position = 0
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        position += len(line)
        if _goes_on(line, following, width):
            continue
        span = _trim(text, start, position)
        if span:
            spans.append(span)
        start = position
    return tuple(spans)


def sentences(text: str, within: Span | None = None) -> list[Span]:
    """Sentences of `text` (or of one span of it): cut at final marks, never at a newline alone inside a paragraph."""
    blocks = [within] if within else paragraphs(text)
    found: list[Span] = []
    for block in blocks:
        start = block.start
        for match in _SENTENCE_END.finditer(text, block.start, block.end):
            if match[0] == "." and _inside_word(text, match.start()):
                continue
            span = _trim(text, start, match.end())
            if span:
                found.append(span)
            start = match.end()
        rest = _trim(text, start, block.end)
        if rest:
            found.append(rest)
    return found


def _inside_word(text: str, stop: int) -> bool:
    """Whether a full stop between letters splits a word (الاحت.لال) and ends no sentence."""
    before, after = _LETTERS_BEFORE.search(text, endpos=stop), _LETTERS_AFTER.match(text, stop + 1)
    return bool(before and after and wordforms().joins((before[0], after[0]), "."))


def passages(text: str) -> list[Span]:
    """The units that stance is read in: paragraphs, long ones in groups of one to three sentences, furniture left out.

    The same text always gives the same passages; gold and predictions share them.
    """
    found: list[Span] = []
    for paragraph in paragraphs(text):
        if is_furniture(paragraph.of(text)):
            continue
        if len(paragraph) <= _PASSAGE_CHARS:
            found.append(paragraph)
            continue
        group: list[Span] = []
        for sentence in sentences(text, paragraph):
            full = len(group) == _SENTENCES_PER_PASSAGE
            if group and (full or sentence.end - group[0].start > _PASSAGE_CHARS):
                found.append(Span(group[0].start, group[-1].end))
                group = []
            group.append(sentence)
        if group:
            found.append(Span(group[0].start, group[-1].end))
    return found


def content_words(text: str) -> frozenset[str]:
    """Words of four letters or more as the tokenizer spells them, the article taken off: what two texts may share."""
    spelt = normalise(text)
    keys = (word.of(spelt) for word in words(spelt))
    return frozenset(key.removeprefix("ال") for key in keys if len(key) >= 4)


@cache
def is_punctuation(word: str) -> bool:
    """Whether a word as cut by `words` says nothing by itself: no letter, no digit, no sign of a unit (%, ٪, °, $)."""
    return not regex.search(r"[\p{L}\p{N}\p{Sc}%\u066A\u2030\u00B0]", word)


def trimmed(text: str, cut: Sequence[Span], start: int, end: int) -> range:
    """Word numbers [start, end) without the punctuation at both ends; empty when no letter or digit is among them."""
    if not any(character.isalnum() for word in cut[start:end] for character in word.of(text)):
        return range(start, start)
    while is_punctuation(cut[start].of(text)):
        start += 1
    while is_punctuation(cut[end - 1].of(text)):
        end -= 1
    return range(start, end)
