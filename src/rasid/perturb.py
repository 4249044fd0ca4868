"""Arabic as it is met with: spellings that a reader hardly notices, with offsets carried along, so gold moves too.

A perturbation is a pure function of (text, seed). It never judges: where it hits a name, the name's span moves to its
new characters. It knows nothing of models, records or scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

import regex

from rasid.text import Span

_LETTERS = "\u0621-\u063a\u0641-\u064a"
_WORD = regex.compile(rf"[{_LETTERS}]{{2,}}")
_LONG_WORD = regex.compile(rf"[{_LETTERS}]{{4,}}")  # shorter ones turn into other words too easily
_ENDS_WORD = rf"(?![{_LETTERS}\p{{M}}\u0640])"

HARAKAT_RATE = 0.6  # of the letters that can bear one: between a newspaper's stray shadda and a schoolbook
TATWEEL_RATE = 0.3  # of the words
FORMS_RATE = 0.5  # of the letters that have another form
SPACES_RATE = 0.05  # of the places where one space stands between two words
DODGES_RATE = 0.1  # of the words of four letters or more
BIDI_RATE = 0.1  # of the words
TYPOS_RATE = 0.05  # of the words of four letters or more

_VOWELLED = regex.compile(rf"[{_LETTERS}--[اآىء]](?!\p{{M}})", regex.VERSION1)  # a letter without a mark of its own
_VOWELS = "\u064e\u064f\u0650\u0652"
_SHADDA = "\u0651"
_TANWIN = "\u064b\u064c\u064d"
_NOT_JOINING = frozenset("اأإآدذرزوؤةىء")  # nothing can be drawn out after these
_FORMS = (
    (regex.compile("[اأإآ]"), "اأإآ"),
    (regex.compile(f"[يى]{_ENDS_WORD}"), "يى"),
    (regex.compile(f"[ةه]{_ENDS_WORD}"), "ةه"),
)
_SPACE = regex.compile(r"(?<=[\p{L}\p{M}]) (?=\p{L})")
# Marks put into a word against filters. Those next to a tatweel, and those that never stand between two letters
# otherwise, can be told from punctuation; a bare stop or hyphen (د.اعش) looks like a lost space.
_DODGES = ("ـ,", "ـ.", "ـ،", "ـ-ـ", ",ـ", ".ـ", "*", "_", "~", "|", "·")
_BARE_MARKS = (".", ",", "-", "/")
_DIGITS = dict(zip("0123456789", "٠١٢٣٤٥٦٧٨٩", strict=True))
_MARKS = ("\u200f", "\u200e", "\u061c")
_PAIRS = (("\u202b", "\u202c"), ("\u202a", "\u202c"), ("\u2067", "\u2069"))
_KEYBOARD = ("ضصثقفغعهخحجد", "شسيبلاتنمكط", "ئءؤرىةوزظ")  # Arabic 101, the rows of letters


@dataclass(frozen=True, slots=True)
class Perturbed:
    """A perturbed text. Character i of the original has become `text[starts[i]:ends[i]]`, empty where it was lost.

    Both are monotone; what stands between two images was put in and belongs to neither character.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def move(self, span: Span) -> Span:
        """Where a span of the original now stands: from its first to its last character that is still there.

        Empty when none of them is. Spans that nested still nest, spans that did not cross do not.
        """
        there = [i for i in range(span.start, span.end) if self.starts[i] < self.ends[i]]
        if not there:
            return Span(self.starts[span.start], self.starts[span.start]) if len(span) else Span(0, 0)
        return Span(self.starts[there[0]], self.ends[there[-1]])


@dataclass(frozen=True, slots=True)
class Changes:
    """What is done to a text: `images` replaces characters by number; `gaps` puts something before a character (or,
    under the text's length, at its end) that belongs to none."""

    images: dict[int, str] = field(default_factory=dict)
    gaps: dict[int, str] = field(default_factory=dict)

    def put(self, place: int, mark: str) -> None:
        self.gaps[place] = self.gaps.get(place, "") + mark

    def applied(self, text: str) -> Perturbed:
        parts: list[str] = []
        starts, ends, position = [], [], 0
        for number, character in enumerate(text):
            gap, image = self.gaps.get(number, ""), self.images.get(number, character)
            parts += (gap, image)
            starts.append(position + len(gap))
            position += len(gap) + len(image)
            ends.append(position)
        parts.append(self.gaps.get(len(text), ""))
        return Perturbed("".join(parts), tuple(starts), tuple(ends))


def _chosen(pattern: regex.Pattern[str], text: str, rate: float, random: Random) -> Iterator[regex.Match[str]]:
    return (match for match in pattern.finditer(text) if random.random() < rate)


def harakat(text: str, random: Random) -> Changes:
    """Short vowels on letters that bear none; a tanwin now and then at the end of a word."""
    changes = Changes()
    for match in _chosen(_VOWELLED, text, HARAKAT_RATE, random):
        last = match.end() == len(text) or not regex.match(rf"[{_LETTERS}]", text[match.end()])
        mark = random.choice(_TANWIN if last and random.random() < 0.3 else _VOWELS)
        doubled = _SHADDA if random.random() < 0.1 else ""
        changes.images[match.start()] = match.group() + doubled + mark
    return changes


def tatweel(text: str, random: Random) -> Changes:
    """Words drawn out by one to three tatweels after a letter that joins the next."""
    changes = Changes()
    for match in _chosen(_WORD, text, TATWEEL_RATE, random):
        places = [i for i in range(match.start(), match.end() - 1) if text[i] not in _NOT_JOINING]
        if places:
            place = random.choice(places)
            changes.images[place] = text[place] + "\u0640" * random.randint(1, 3)
    return changes


def letter_forms(text: str, random: Random) -> Changes:
    """Another form of alef anywhere, of ya and of ta marbuta at the end of a word."""
    changes = Changes()
    for pattern, forms in _FORMS:
        for match in _chosen(pattern, text, FORMS_RATE, random):
            changes.images[match.start()] = random.choice(forms.replace(match.group(), ""))
    return changes


def lost_spaces(text: str, random: Random) -> Changes:
    """Single spaces between two words dropped."""
    return Changes({match.start(): "" for match in _chosen(_SPACE, text, SPACES_RATE, random)})


def _marked_inside(text: str, random: Random, marks: tuple[str, ...]) -> Changes:
    changes = Changes()
    for match in _chosen(_LONG_WORD, text, DODGES_RATE, random):
        changes.put(random.randrange(match.start() + 1, match.end()), random.choice(marks))
    return changes


def dodges(text: str, random: Random) -> Changes:
    """Marks inside a word that dodge a filter and can be told from punctuation: beside a tatweel, or a star."""
    return _marked_inside(text, random, _DODGES)


def bare_marks(text: str, random: Random) -> Changes:
    """A stop, comma, hyphen or slash straight between two letters of a word, which may as well be a lost space."""
    return _marked_inside(text, random, _BARE_MARKS)


def digits(text: str, random: Random) -> Changes:
    """All ASCII digits as Arabic-Indic ones."""
    return Changes({i: _DIGITS[character] for i, character in enumerate(text) if character in _DIGITS})


def bidi(text: str, random: Random) -> Changes:
    """Direction marks before, after and inside words, and embeddings or isolates around them."""
    changes = Changes()
    for match in _chosen(_WORD, text, BIDI_RATE, random):
        if random.random() < 0.3:
            opening, closing = random.choice(_PAIRS)
            changes.put(match.start(), opening)
            changes.put(match.end(), closing)
        else:
            changes.put(random.randint(match.start(), match.end()), random.choice(_MARKS))
    return changes


def _neighbours(letter: str) -> str:
    """The keys beside, above and below a letter's; empty for a letter that is not on a plain key."""
    for number, row in enumerate(_KEYBOARD):
        place = row.find(letter)
        if place >= 0:
            around = [row[max(0, place - 1) : place], row[place + 1 : place + 2]]
            around += [other[place : place + 1] for i, other in enumerate(_KEYBOARD) if abs(i - number) == 1]
            return "".join(around)
    return ""


def typos(text: str, random: Random) -> Changes:
    """One slip in a word, never in its first letter: a letter dropped, doubled, or struck on a neighbouring key."""
    changes = Changes()
    for match in _chosen(_LONG_WORD, text, TYPOS_RATE, random):
        place = random.randrange(match.start() + 1, match.end())
        letter = text[place]
        slips = ["", letter * 2, *([random.choice(near)] if (near := _neighbours(letter)) else [])]
        changes.images[place] = random.choice(slips)
    return changes


PERTURBATIONS: dict[str, Callable[[str, Random], Changes]] = {
    each.__name__: each
    for each in (harakat, tatweel, letter_forms, lost_spaces, dodges, bare_marks, digits, bidi, typos)
}


def perturb(name: str, text: str, seed: int = 0) -> Perturbed:
    """`text` under one of PERTURBATIONS (KeyError for another name). The same arguments, the same result anywhere."""
    # Seeded by the text as well, so that a corpus read in another order or in part comes out the same.
    random = Random(f"{name} {seed} {text}".encode("utf-8", "surrogatepass"))
    return PERTURBATIONS[name](text, random).applied(text)
