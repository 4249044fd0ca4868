"""What may not stand at a span's ends: white space, quotation marks, brackets, and the marks of a sentence.

Rule 1 of the annotation guidelines. A bracket or a quotation mark stays where its partner is inside the span,
unless the two are around all of it; so does the full stop of an abbreviation. Knows nothing of records.
"""

from __future__ import annotations

from rasid.text import Span, words

_PAIRS = {"(": ")", "[": "]", "{": "}", "«": "»", "“": "”", "‘": "’", "„": "“", "‹": "›", "﴿": "﴾"}
_CLOSING = {close: opening for opening, close in _PAIRS.items()} | {"”": "“"}
_SAME = frozenset("\"'`´″")  # marks that open and close alike
_MARKS = frozenset(".,،؛;:!؟?…–—-۔")
_QUOTES = frozenset("\"'`´″«»“”‘’„‹›")


def _begins_badly(surface: str) -> bool:
    mark = surface[0]
    if mark in _PAIRS:
        return _PAIRS[mark] not in surface[1:] and not (mark == "“" and "”" in surface[1:])
    if mark in _SAME:
        return mark not in surface[1:]
    if mark in _MARKS:  # -5 and .5 begin with what is theirs
        return not surface[1:2].isdigit()
    return mark.isspace() or mark in _CLOSING


def _ends_badly(surface: str) -> bool:
    mark, before = surface[-1], surface[:-1]
    if mark in _CLOSING:
        return _CLOSING[mark] not in before
    if mark in _SAME:
        return mark not in before
    if mark == ".":  # أ.م. and U.S. end in the stop that they are written with
        return "." not in surface.split()[-1][:-1]
    return mark.isspace() or mark in _PAIRS or mark in _MARKS


def _partners(opening: str, closing: str) -> bool:
    return _PAIRS.get(opening) == closing or (opening == closing and opening in _SAME) or opening + closing == "“”"


def _enclosed(surface: str) -> bool:
    """Whether one pair of marks is around all of it: “قسد”, and not “أ” و“ب”."""
    return len(surface) > 2 and _partners(surface[0], surface[-1]) and surface[-1] not in surface[1:-1]


def trimmed(text: str, span: Span) -> Span:
    """The span without what may not stand at its ends; itself where nothing else would be left."""
    start, end = span.start, span.end
    while start < end:
        surface = text[start:end]
        begins, ends = _begins_badly(surface), _ends_badly(surface)
        if not begins and not ends and not _enclosed(surface):
            return Span(start, end)
        start += begins or not ends
        end -= ends and not begins
    return span


def shifted(text: str, span: Span) -> Span:
    """The span moved by one character where it takes a quotation mark in and leaves a letter out; else itself.

    [“داع]ش” was counted from one character too early: it reads داعش.
    """
    inside = {place for word in words(text) for place in range(word.start + 1, word.end)}
    for step, mark in ((1, text[span.start]), (-1, text[span.end - 1])):
        moved = Span(span.start + step, span.end + step)
        cut = span.end if step == 1 else span.start
        clean = moved.start not in inside and moved.end not in inside
        if mark in _QUOTES and cut in inside and clean and moved.start >= 0 and trimmed(text, moved) == moved:
            return moved
    return span
