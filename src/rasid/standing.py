"""Which mentions speak of their thing by themselves, and where a passage mentions a target. Knows entities' places
and types."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import takewhile
from operator import attrgetter
from typing import Protocol

from rasid.text import Span


class Placed(Protocol):
    """What an entity of a record and a mention of a prediction share."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def type(self) -> str: ...


def standing(mentions: Sequence[Placed]) -> list[bool]:
    """Whether each mention (in text order) speaks of its thing by itself and is not part of another name.

    A title is no such name: مدير المرصد speaks of المرصد, but قوات سوريا الديمقراطية not of سوريا. Of
    mentions on the same characters the first one stands.
    """
    flags, end = [], -1
    for mention in mentions:
        flags.append(mention.end > end)
        if mention.type != "OCC":
            end = max(end, mention.end)
    return flags


def inside(passage: Span, mentions: Sequence[Placed]) -> tuple[Span, ...]:
    """The places of mentions (in text order) within a passage, counted from its start; of those that overlap the
    first."""
    found: list[Span] = []
    first = bisect_left(mentions, passage.start, key=attrgetter("start"))  # an article may have thousands
    for mention in takewhile(lambda m: m.start < passage.end, (mentions[n] for n in range(first, len(mentions)))):
        place = Span(mention.start - passage.start, mention.end - passage.start)
        if mention.end <= passage.end and not (found and found[-1].overlaps(place)):
            found.append(place)
    return tuple(found)
