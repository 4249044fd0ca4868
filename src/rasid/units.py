"""What an offset counts: code points, UTF-16 units, bytes or grapheme clusters, and which of them a file means.

An emoji is one code point, two UTF-16 units, four bytes; a letter with its harakat is several code points and one
grapheme cluster. Where a file repeats the text of its spans, the text decides. Knows nothing of formats or records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import regex

from rasid.errors import DataError
from rasid.text import Span

CODE_POINTS, UTF_16, BYTES, GRAPHEMES = UNITS = ("code-points", "utf-16", "bytes", "graphemes")
_GRAPHEME = regex.compile(r"\X")
_SPACE = regex.compile(r"(?:\s|\\[nrt])+")


def _boundaries(text: str, unit: str) -> Iterator[tuple[int, int]]:
    """(code points before, units before) of every place where one unit ends; a grapheme's inside is no such place."""
    yield 0, 0
    if unit == GRAPHEMES:
        yield from ((match.end(), number) for number, match in enumerate(_GRAPHEME.finditer(text), 1))
        return
    count = 0
    for place, character in enumerate(text, 1):
        if unit == UTF_16:
            count += 2 if ord(character) > 0xFFFF else 1
        else:
            count += 1 if unit == CODE_POINTS else len(character.encode("utf-8", "surrogatepass"))
        yield place, count


class Ruler:
    """Turns offsets into one text from code points to another unit (`out`) and back (`into`).

    Both give None for an offset beyond the text or inside a character (a surrogate pair, a cluster).
    """

    def __init__(self, text: str, unit: str) -> None:
        if unit not in UNITS:
            raise DataError(f"unknown unit {unit!r}; known: {', '.join(UNITS)}")
        self.unit = unit
        self._out = dict(_boundaries(text, unit))
        self._into = {count: place for place, count in self._out.items()}

    def out(self, place: int) -> int | None:
        return self._out.get(place)

    def into(self, count: int) -> int | None:
        return self._into.get(count)

    def span(self, start: int, end: int, where: str) -> Span:
        """A span of a file that does not repeat its text. Raises DataError where the text has no such place."""
        first, last = self.into(start), self.into(end)
        if first is None or last is None or first >= last:
            raise DataError(
                f"{where}: [{start}, {end}) is no span of this text when offsets count {self.unit}; "
                "--units says what they count: code-points, utf-16 or graphemes"
            )
        return Span(first, last)


@dataclass(frozen=True, slots=True)
class Quoted:
    """A span as a file gives it: offsets in an unknown unit, the text the file says is there, and `file:line`."""

    start: int
    end: int
    surface: str
    where: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The unit in which every span quotes the text rightly, and the spans in code points."""

    unit: str
    spans: tuple[Span, ...]


def _same(actual: str, quoted: str) -> bool:
    return actual == quoted


def _same_but_space(actual: str, quoted: str) -> bool:
    """As above, whatever the white space: tools print a newline as a space or as a backslash and an n."""
    return _SPACE.sub(" ", actual) == _SPACE.sub(" ", quoted)


def _place(ruler: Ruler, quoted: Quoted) -> Span | None:
    start, end = ruler.into(quoted.start), ruler.into(quoted.end)
    return None if start is None or end is None or start >= end else Span(start, end)


def _fits(text: str, spans: Sequence[Span | None], quoted: Sequence[Quoted], same: Callable[[str, str], bool]) -> int:
    """Number of the first span that does not quote the text; their count when all do."""
    pairs = enumerate(zip(spans, quoted, strict=True))
    wrong = (n for n, (span, one) in pairs if span is None or not same(span.of(text), one.surface))
    return next(wrong, len(quoted))


def settle(text: str, quoted: Sequence[Quoted]) -> Settled:
    """The unit that all of `quoted` were counted in: code points if they fit, else UTF-16 units, else bytes.

    White space may differ from the text's only where nothing fits exactly. Raises DataError for the first span that
    fits in no unit, with its place and what stands there.
    """
    readings = {unit: [_place(Ruler(text, unit), one) for one in quoted] for unit in (CODE_POINTS, UTF_16, BYTES)}
    for same in (_same, _same_but_space):
        for unit, spans in readings.items():
            if _fits(text, spans, quoted, same) == len(quoted):
                return Settled(unit, tuple(span for span in spans if span is not None))
    first = readings[CODE_POINTS]
    number = _fits(text, first, quoted, _same_but_space)
    one, span = quoted[number], first[number]
    actual = f"the text there reads {span.of(text)!r}" if span else f"the text has {len(text)} code points"
    raise DataError(
        f"{one.where}: [{one.start}, {one.end}) is said to be {one.surface!r}, {actual}; "
        "offsets may count code points, UTF-16 units or bytes, the same throughout"
    )
