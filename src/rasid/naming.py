"""Names inside stance questions: hidden behind a mask, or exchanged for another name of the same kind.

Both keep what a name's words judge (المتشدد in التنظيم المتشدد): it is wording, not the name. Used to teach a model
not to go by names, and to measure how far it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rasid.loaded import polarity
from rasid.scoring import Pair
from rasid.text import Span, words


@dataclass(frozen=True)
class _Rewritten:
    """A text with parts replaced, and where the replaced spans of each owner now are."""

    text: str
    places: dict[int, tuple[Span, ...]]


def _judging(surface: str) -> str:
    """The loaded words of a mention, which stay."""
    return " ".join(word.of(surface) for word in words(surface) if polarity(word.of(surface)))


def _rewrite(text: str, owners: Sequence[tuple[int, Span]], names: dict[int, str]) -> _Rewritten:
    """`text` with each owner's spans (which do not overlap) reading its new name."""
    parts: list[str] = []
    places: dict[int, list[Span]] = {}
    position = length = 0
    for owner, span in sorted(owners, key=lambda item: item[1]):
        kept = _judging(span.of(text))
        new = f"{names[owner]} {kept}" if kept else names[owner]
        parts += [text[position : span.start], new]
        start = length + span.start - position
        places.setdefault(owner, []).append(Span(start, start + len(new)))
        length, position = start + len(new), span.end
    return _Rewritten("".join([*parts, text[position:]]), {owner: tuple(spans) for owner, spans in places.items()})


def renamed(pairs: Sequence[Pair], names: dict[int, str]) -> list[Pair]:
    """Pairs of one passage, with the targets of the numbers in `names` called so, as targets and where mentioned.

    Only whole mentions are exchanged; a particle written onto a name goes with it (وتركيا).
    """
    owners = [(n, span) for n, pair in enumerate(pairs) if n in names for span in pair.mentions]
    kept = [(n, span) for n, pair in enumerate(pairs) if n not in names for span in pair.mentions]
    surfaces = names | {n: "" for n, _ in kept}
    text = pairs[0].passage
    fixed = _Rewritten(text, {}) if not owners else _rewrite(text, owners, surfaces)
    found = []
    for number, pair in enumerate(pairs):
        if number in names:
            places = fixed.places.get(number, ())
            found.append(_put(replace(pair, target=names[number], mentions=places), fixed.text))
        else:
            moved = tuple(_moved(span, owners, surfaces, text) for span in pair.mentions)
            found.append(_put(replace(pair, mentions=moved), fixed.text))
    return found


def _put(pair: Pair, passage: str) -> Pair:
    """The pair with another passage, in its article too."""
    place = pair.place and pair.place.instead(pair.passage, passage)
    return replace(pair, passage=passage, place=place)


def _moved(span: Span, owners: Sequence[tuple[int, Span]], names: dict[int, str], text: str) -> Span:
    """Where a span that was not rewritten stands after the rewriting of those before it."""
    shift = 0
    for owner, other in owners:
        if other.end <= span.start:
            kept = _judging(other.of(text))
            shift += len(names[owner]) + (len(kept) + 1 if kept else 0) - len(other)
    return Span(span.start + shift, span.end + shift)


def blinded(pairs: Sequence[Pair], mask: str) -> list[Pair]:
    """Pairs of one passage with every target's name, and its mentions, hidden behind `mask`."""
    return renamed(pairs, dict.fromkeys(range(len(pairs)), mask))
