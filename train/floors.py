"""The floors that a trained model must beat: majority class, and a dictionary of the training articles' surfaces."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rasid.normalizer import normalise
from rasid.text import Span, words

from .sources import GoldPair, GoldText, Typed

LONGEST = 12  # words of a dictionary entry


def _key(text: str, cut: Sequence[Span]) -> str:
    return " ".join(normalise(word.of(text)) for word in cut)


@dataclass(frozen=True)
class SurfaceDictionary:
    """Normalised surfaces with the type each bore most often in training."""

    types: dict[str, str]

    @classmethod
    def learn(cls, texts: Sequence[GoldText]) -> SurfaceDictionary:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for gold in texts:
            for entity in gold.entities:
                surface = entity.span.of(gold.text)
                counts[_key(surface, words(surface))][entity.type] += 1
        return cls({key: count.most_common(1)[0][0] for key, count in counts.items()})

    def find(self, text: str, nested: bool) -> list[Typed]:
        """Known surfaces in a text, longest first; with `nested`, shorter ones inside longer ones as well."""
        cut = words(text)
        found: list[Typed] = []
        for length in range(min(LONGEST, len(cut)), 0, -1):
            for start in range(len(cut) - length + 1):
                kind = self.types.get(_key(text, cut[start : start + length]))
                place = Span(cut[start].start, cut[start + length - 1].end)
                if kind and not any(self._clash(place, other.span, nested) for other in found):
                    found.append(Typed(place, kind))
        return sorted(found, key=lambda e: (e.span.start, -e.span.end))

    @staticmethod
    def _clash(place: Span, other: Span, nested: bool) -> bool:
        return place.crosses(other) or place == other or (not nested and place.overlaps(other))


def of_passages(labels: Sequence[str]) -> str:
    """An article's stance by its passages' loaded words: the side that at least two of them take, or the only one; of
    two such sides the commoner, `none` when they are as common."""
    sides = Counter(label for label in labels if label != "none").most_common(2)
    if not sides or (len(sides) == 2 and sides[0][1] == sides[1][1]):
        return "none"
    label, count = sides[0]
    return label if count >= min(2, len(labels)) else "none"


@dataclass(frozen=True)
class StanceFloors:
    """The label seen most often, and the one seen most often for a target of the same name."""

    majority: str
    by_target: dict[str, str]

    @classmethod
    def learn(cls, pairs: Sequence[GoldPair]) -> StanceFloors:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for gold in pairs:
            counts[normalise(gold.pair.target)][gold.label] += 1
        majority = Counter(gold.label for gold in pairs).most_common(1)[0][0]
        return cls(majority, {name: count.most_common(1)[0][0] for name, count in counts.items()})

    def of_target(self, target: str) -> str:
        return self.by_target.get(normalise(target), self.majority)
