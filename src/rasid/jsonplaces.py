"""Where each value of a JSON text stands, so that a message can name its line and a change leave the rest alone.

Knows nothing of records; the text must be JSON already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rasid.text import Span

Path = tuple[str | int, ...]
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass
class _Open:
    """An object or a list whose end is not reached yet; `key` is the name or number of the value at hand."""

    start: int
    key: str | int | None
    named: bool


def places(source: str) -> dict[Path, Span]:
    """Path of every value to its place: `("entities", 0, "start")` to the two ends of its number."""
    found: dict[Path, Span] = {}
    stack: list[_Open] = []

    def path() -> Path:
        return tuple(one.key for one in stack if one.key is not None)

    for match in _TOKEN.finditer(source):
        token = match.group()
        if token in "{[":
            stack.append(_Open(match.start(), None if token == "{" else 0, token == "{"))
        elif token in "}]":
            closed = stack.pop()
            found[path()] = Span(closed.start, match.end())
        elif token == ",":
            last = stack[-1]
            last.key = last.key + 1 if isinstance(last.key, int) else None
        elif stack and stack[-1].named and stack[-1].key is None:
            stack[-1].key = json.loads(token)
        elif token != ":":
            found[path()] = Span(*match.span())
    return found


def line_of(source: str, found: Mapping[Path, Span], path: Path) -> int:
    """The line, from 1, of the value at `path`, or of the nearest one around it."""
    while path and path not in found:
        path = path[:-1]
    return source.count("\n", 0, found[path].start) + 1 if path in found else 1


@dataclass(frozen=True, slots=True)
class Change:
    """A value that is to stand in place of another."""

    path: Path
    value: str | int


def changed(source: str, changes: Iterable[Change]) -> str:
    """The text with other values in it, all else as it was; a string is escaped as the one that it replaces."""
    found = places(source)
    for place, value in sorted(((found[one.path], one.value) for one in changes), reverse=True):
        written = json.dumps(value, ensure_ascii="\\u" in place.of(source))
        source = source[: place.start] + written + source[place.end :]
    return source
