"""Nesting: names with names inside them, and what they are called when the inner one is told in full.

مديرة المخيم is the head of one camp, and outside its article of none: its cluster bears مديرة مخيم الهول. It knows
places and forms, not why mentions were joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .forms import Form
from .mentions import Mention
from .names import attached, bare, clean, key, particle

Inside = Sequence[Sequence[int]]
_LONGEST = 200  # characters of a name with others told in full; a longer one stays as it is printed


def inside(mentions: Sequence[Mention]) -> list[list[int]]:
    """For each mention (they are in text order and never cross) the numbers of those directly inside it."""
    found: list[list[int]] = [[] for _ in mentions]
    open_ones: list[int] = []
    for number, mention in enumerate(mentions):
        while open_ones and mentions[open_ones[-1]].end <= mention.start:
            open_ones.pop()
        if open_ones and mentions[open_ones[-1]].span != mention.span:
            found[open_ones[-1]].append(number)
        open_ones.append(number)
    return found


def signature(
    text: str, mentions: Sequence[Mention], number: int, name: str, parts: Mapping[int, int]
) -> tuple[str | int, ...]:
    """A mention's words as keys, with the group of each of its `parts` in place of that part's words.

    `name` is the mention's, so that a particle on its first word makes no difference.
    """
    spread: list[str | int] = []
    position = mentions[number].start
    for part, group in parts.items():
        spread += [*_keys(text[position : mentions[part].start]), group]
        position = mentions[part].end
    spread += _keys(text[position : mentions[number].end])
    if isinstance(spread[0], str):
        spread[0] = _keys(name)[0]
    return tuple(spread)


def _keys(words: str) -> list[str]:
    return bare(key(clean(words))).split()


class Namer:
    """Tells the name of each group of mentions, class nouns at its end replaced by what they stand for.

    `roots`: the group of each mention; `chosen`: for each group the mention whose name it bears, or the name.
    """

    def __init__(
        self,
        mentions: Sequence[Mention],
        found: Sequence[Form | None],
        within: Inside,
        roots: Sequence[int | None],
        chosen: Mapping[int, int | str],
    ) -> None:
        self._mentions, self._found, self._within = mentions, found, within
        self._roots, self._chosen = roots, chosen
        self._told: dict[int, str] = {}

    def name(self, root: int) -> str:
        """The name of a group."""
        if root not in self._told:
            choice = self._chosen[root]
            self._told[root] = choice if isinstance(choice, str) else self._printed(choice)
            if isinstance(choice, int):  # asked for again on the way, it is inside itself and stays as printed
                self._told[root] = self._in_full(choice)
        return self._told[root]

    def _printed(self, number: int) -> str:
        form = self._found[number]
        return form.name if form else clean(self._mentions[number].surface)

    def _in_full(self, number: int) -> str:
        plain = self._printed(number)
        generic = [part for part in self._within[number] if (form := self._found[part]) and form.generic]
        # In the middle of a name, grammar ties more to the noun than its words.
        if len(generic) != 1 or self._mentions[generic[0]].end != self._mentions[number].end:
            return plain
        surface, short = self._mentions[generic[0]].surface, self._printed(generic[0])
        root = self._roots[generic[0]]
        full = short if root is None else self.name(root)
        if full == short or not plain.endswith(clean(surface)):
            return plain
        longer = plain.removesuffix(clean(surface)) + attached(particle(surface, short), full)
        return longer if len(longer) <= _LONGEST else plain
