"""The evidence for spans: the scores of an article's words as a head gives them, made ready to decode.

Two things are added to them. A `lift`, since labels that are likelier than not are too few for the best F1: where F* is
the best F1 that can be had, the threshold that reaches it is F*/2 (Lipton et al. 2014, arXiv 1402.1892). And what an
article says of a name in its other places: a model reads each place on its own, so it may find بشار الأسد in the first
paragraph and miss it in the last; pooled per type, a name named clearly somewhere is found where its surroundings are
silent, and one found once against the evidence of all other places goes. Where the form alone says what a figure is
(`rasid.figures`), it is told to the decoder. Knows nothing of models, offsets or clusters.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rasid.decode import WordSpan, spans
from rasid.figures import figures
from rasid.figurewords import Told
from rasid.labels import FIGURES, VALUES, Inventory
from rasid.normalizer import normalise
from rasid.repair import undodged

Floats = NDArray[np.float32]
_PARTICLES = ("و", "ف", "ب", "ل", "ك", "وب", "ول", "فب", "فل", "وك")  # written onto a word; the name is the rest
_FIRST_LETTERS = tuple(particle for particle in _PARTICLES if len(particle) == 1)
_ARTICLE = "ال"
_SHORTEST = 3  # letters that have to stay when a particle is taken off
_MARKS = ".,،؛;:!؟?\"'()[]{}<>/-"
_LOUDEST = 8.0  # nats; how much one place may say
_BY_FORM = 0.98  # the probability of a label that the form settles
_OUTSIDE, _BEGIN, _INSIDE = range(3)
_SETTLED = np.log(np.full((3, 3), (1 - _BY_FORM) / 2) + np.eye(3) * (_BY_FORM - (1 - _BY_FORM) / 2))  # a row a label
_AMOUNTS = FIGURES | {"UNIT", "CURR"}  # of these a figure is one, with what stands in it, and no other


class _Place(NamedTuple):
    """Words [start, end) of one article, read as a name of type `kind`."""

    start: int
    end: int
    kind: int


class _Name(NamedTuple):
    """Folded words, the first without a particle, and the number of a type."""

    words: tuple[str, ...]
    kind: int


@lru_cache(maxsize=65536)
def _plain(word: str) -> str:
    return normalise(undodged(word)).strip(_MARKS)


@lru_cache(maxsize=65536)
def _readings(word: str) -> tuple[str, ...]:
    """A name's first word as it stands, and with a particle taken off (وسوريا: سوريا; للعراق: العراق)."""
    plain = _plain(word)
    found = [plain]
    for particle in _PARTICLES if plain.startswith(_FIRST_LETTERS) else ():
        rest = plain[len(particle) :]
        if plain.startswith(particle) and len(rest) >= _SHORTEST:
            found.append(rest)
            if particle.endswith("ل") and rest.startswith("ل"):
                found.append(_ARTICLE + rest[1:])
    return tuple(dict.fromkeys(found))


def _gains(log_probs: Floats, places: Collection[_Place]) -> dict[_Place, float]:
    """What reading each place's words as a name (B I I ...) adds to the log probability of their labels, against
    Outside; nats, within what one place may say. From running sums."""
    start, end, kind = np.array([*places], dtype=np.intp).reshape(-1, 3).T
    outside, inside = np.zeros((2, len(log_probs) + 1, log_probs.shape[1]))
    np.cumsum(log_probs[:, :, 0], axis=0, dtype=np.float64, out=outside[1:])
    np.cumsum(log_probs[:, :, 2], axis=0, dtype=np.float64, out=inside[1:])
    named = log_probs[start, kind, 1] + (inside[end, kind] - inside[start + 1, kind])
    gains = np.clip(named - (outside[end, kind] - outside[start, kind]), -_LOUDEST, _LOUDEST)
    return dict(zip(places, gains.tolist(), strict=True))


class _Names:
    """The names found in an article, to be looked for everywhere in it."""

    def __init__(self, words: Sequence[str], found: Sequence[WordSpan]) -> None:
        self._plain = [_plain(word) for word in words]
        self._readings = [_readings(word) for word in words]
        self._lengths: dict[str, set[int]] = defaultdict(set)  # of names, by their first word
        self._kinds: dict[tuple[str, ...], set[int]] = defaultdict(set)  # types a name was found as
        for span in found:
            for name in self._names(span.start, span.end):
                self._lengths[name[0]].add(span.end - span.start)
                self._kinds[name].add(span.type)

    def _names(self, start: int, end: int) -> Iterator[tuple[str, ...]]:
        rest = tuple(self._plain[start + 1 : end])
        for first in self._readings[start]:
            if first and all(rest):
                yield (first, *rest)

    def places(self) -> Iterator[tuple[tuple[str, ...], int, int, set[int]]]:
        """Every place of every name that may have several: the name, its words [start, end), and the types it was found
        as anywhere."""
        starts = Counter(first for readings in self._readings for first in readings if first in self._lengths)
        for start, readings in enumerate(self._readings):
            if all(starts[first] < 2 for first in readings):
                continue
            for end in sorted({start + n for first in readings for n in self._lengths.get(first, ())}):
                for name in self._names(start, end) if end <= len(self._plain) else ():
                    if name in self._kinds:
                        yield name, start, end, self._kinds[name]


def article_spans(
    log_probs: Floats, words: Sequence[str], inventory: Inventory, lift: float = 0.0, pooling: float = 0.0
) -> list[WordSpan]:
    """The spans of an article from BIO log probabilities (words, types, 3) and the words; see `lifted`, `pooled` and
    `figures_told`."""
    told = figures_told(lifted(log_probs, lift), words, inventory)
    return spans(pooled(told, words, inventory, pooling), inventory)


def lifted(log_probs: Floats, lift: float) -> Floats:
    """`lift` nats on Begin and Inside of every type; rows stay normalised. With 0 the scores are returned."""
    return _normalised(log_probs + np.array([0.0, lift, lift])) if lift else log_probs


def _normalised(log_scores: NDArray[np.floating]) -> Floats:
    outside, begin, inside = np.moveaxis(log_scores, 2, 0)  # one by one: three times as fast as a reduction over three
    total = np.logaddexp(np.logaddexp(outside, begin), inside)
    normal: Floats = (log_scores - total[:, :, None]).astype(np.float32)
    return normal


def figures_told(log_probs: Floats, words: Sequence[str], inventory: Inventory) -> Floats:
    """BIO log probabilities (words, types, 3) in which every figure that `rasid.figures` finds is one, and no other.
    Inventories that lack a type of figures get their scores back."""
    found = list(figures(words)) if set(inventory.types) >= _AMOUNTS else []
    if not found:
        return log_probs
    told = log_probs.copy()
    silenced = [inventory.index(name) for name in sorted(_AMOUNTS)]
    for each in found:
        if not each.within:
            told[each.start : each.end, silenced] = _SETTLED[_OUTSIDE]
    for each in found:
        _tell(told[:, inventory.index(each.type)], log_probs[:, inventory.index(each.type)], each)
    return told


def _tell(told: Floats, said: Floats, figure: Told) -> None:
    """Writes one figure into its type's scores (words, 3); where it is open, what was said stays."""
    start, end = figure.start, figure.end
    told[start:end] = _SETTLED[_INSIDE]
    told[start] = _SETTLED[_BEGIN]
    if figure.open_left:
        within = said[start, _BEGIN:]
        told[start, _BEGIN:] = within - np.logaddexp(*within) + np.log(_BY_FORM)
        told[start, _OUTSIDE] = np.log(1 - _BY_FORM)
    if not figure.open_right:
        told[end : end + 1] = _SETTLED[_OUTSIDE]


def pooled(log_probs: Floats, words: Sequence[str], inventory: Inventory, weight: float) -> Floats:
    """BIO log probabilities (words, types, 3) with what the other places of each name say added to them.

    To a place's log odds comes `weight` times the mean log odds of the name's other places in the article, per type;
    values (dates, numbers, amounts) are left alone. Rows stay normalised. With `weight` 0 the scores are returned.
    """
    named = [number for number, name in enumerate(inventory.types) if name not in VALUES]
    found = [span for span in spans(log_probs, inventory) if span.type in named] if weight and len(words) else []
    if not found:
        return log_probs
    raised = log_probs.astype(np.float64)
    for place, others in _told(_places(words, found), log_probs).items():
        each = weight * others / (place.end - place.start)
        raised[place.start, place.kind, 1] += each
        raised[place.start + 1 : place.end, place.kind, 2] += each
    return _normalised(raised)


def _places(words: Sequence[str], found: Sequence[WordSpan]) -> dict[_Name, list[_Place]]:
    """The places of every name that may have several, as every type it was found as; not those inside a longer name of
    the type, which say something of that one only (الأسد in بشار الأسد)."""
    within = {(word, span.type): span for span in found for word in range(span.start, span.end)}
    places: dict[_Name, list[_Place]] = defaultdict(list)
    for name, start, end, kinds in _Names(words, found).places():
        for kind in kinds:
            longer = within.get((start, kind))
            if longer is None or longer.end < end or longer.end - longer.start <= end - start:
                places[_Name(name, kind)].append(_Place(start, end, kind))
    return places


def _told(places: dict[_Name, list[_Place]], log_probs: Floats) -> dict[_Place, float]:
    """The mean gain of the other places of each place's name; a place of several names (a particle may be a letter of
    the name) hears the best."""
    repeated = [own for own in places.values() if len(own) > 1]
    gains = _gains(log_probs, dict.fromkeys(place for own in repeated for place in own))
    told: dict[_Place, float] = {}
    for own in repeated:
        total = sum(gains[place] for place in own)
        for place in own:
            others = (total - gains[place]) / (len(own) - 1)
            told[place] = max(told.get(place, -np.inf), others)
    return told
