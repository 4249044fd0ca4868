"""Changes: which entities one of two runs has right and the other wrong, found from the two lists of mistakes.

What is in neither list was right in both, or in neither. Both lists must be of the same articles and the same gold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rasid.mistakes import Mistake
from rasid.records import Entity

Outcome = Literal["won", "lost", "changed"]
RIGHT = "right"
Key = tuple[str, int, int, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one gold entity, or of one false alarm (`gold` is None), in the two runs; None is no mistake."""

    outcome: Outcome
    base: Mistake | None
    new: Mistake | None

    @property
    def mistake(self) -> Mistake:
        """The mistake of the run that makes one, the base run's where both do."""
        found = self.base or self.new
        if not found:
            raise ValueError("a change without a mistake")
        return found

    @property
    def gold(self) -> Entity | None:
        return self.mistake.gold

    @property
    def type(self) -> str:
        """The gold entity's type, or that of the false alarm."""
        return self.mistake.entities[0].type


@dataclass(frozen=True, slots=True)
class Tally:
    """Changes of one type."""

    type: str
    won: int
    lost: int
    changed: int


def changes(base: Sequence[Mistake], new: Sequence[Mistake]) -> list[Change]:
    """All changes, by article and place."""
    found = [*_of_gold(base, new), *_of_false_alarms(base, new)]
    return sorted(found, key=lambda each: (each.mistake.doc, each.mistake.entities[0].start))


def _key(doc: str, entity: Entity) -> Key:
    return doc, entity.start, entity.end, entity.type


def _of_gold(base: Sequence[Mistake], new: Sequence[Mistake]) -> list[Change]:
    """Gold entities that a run misses or gets wrong; what both get wrong in one way is no change."""
    before, after = ({_key(each.doc, each.gold): each for each in side if each.gold} for side in (base, new))
    found = []
    for key in dict.fromkeys([*before, *after]):
        one, other = before.get(key), after.get(key)
        if one and other:
            if _answer(one) != _answer(other):
                found.append(Change("changed", one, other))
        else:
            found.append(Change("won" if one else "lost", one, other))
    return found


def _answer(mistake: Mistake) -> Key | None:
    return _key(mistake.doc, mistake.predicted) if mistake.predicted else None


def _of_false_alarms(base: Sequence[Mistake], new: Sequence[Mistake]) -> list[Change]:
    """Predictions without a gold entity that the other run does not make at all."""
    made = [{_answer(each) for each in side} for side in (base, new)]
    gone = [Change("won", each, None) for each in base if not each.gold and _answer(each) not in made[1]]
    come = [Change("lost", None, each) for each in new if not each.gold and _answer(each) not in made[0]]
    return gone + come


def tallies(found: Sequence[Change]) -> list[Tally]:
    """Changes by type, the types with the most first."""
    counts = Counter((each.type, each.outcome) for each in found)
    totals = Counter(each.type for each in found)
    return [
        Tally(name, counts[name, "won"], counts[name, "lost"], counts[name, "changed"])
        for name, _ in totals.most_common()
    ]
