"""Acquisition: which articles to annotate next under a budget of words, by what a model doubts and what is new.

Annotators are paid by the word, so doubt counts by the word as well (an article's, over its length), and an article
that is like a chosen or annotated one is worth little however much the model doubts it. Articles are taken one by one,
the one that scores most first. Works on numbers; knows neither texts nor models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Strategy = Literal["both", "uncertainty", "diversity", "random"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Floats = NDArray[np.floating]
_OPENING = 20  # words that it costs to open an article at all; without it scraps of three words would come first
_TINY = 1e-12


@dataclass(frozen=True)
class Candidate:
    """An article: its length in words, the doubt about it in nats, its state [H], and its place in a random order, a
    number in [0, 1)."""

    words: int
    nats: float
    state: Floats
    draw: float = 0.0

    def base(self, strategy: Strategy) -> float:
        """What it scores before novelty. Of doubt: nats by the word, the words of opening it included."""
        if strategy == "random":
            return 1.0 - self.draw
        return 1.0 if strategy == "diversity" else self.nats / (self.words + _OPENING)


@dataclass(frozen=True, slots=True)
class Pick:
    """A chosen candidate, by number, and what it scored.

    `novelty` is 1 - cosine to `nearest`, the article most like it of those that were chosen before or are annotated
    (numbers of annotated ones go on after the candidates'): 0 where the two are alike, 1 where they have nothing in
    common or there is none.
    """

    number: int
    score: float
    novelty: float
    nearest: int | None


def choose(candidates: Sequence[Candidate], annotated: Sequence[Floats], budget: int, strategy: Strategy) -> list[Pick]:
    """Candidates in the order of choice, together at most `budget` words; `annotated` are states of articles that are
    done.

    One that no longer fits is passed over for the next best that does. Ties go to the earlier candidate.
    """
    if not candidates:
        return []
    count = len(candidates)
    directions = _directions([*(one.state for one in candidates), *annotated])
    similarity, nearest = np.zeros(count), np.full(count, -1)
    if annotated:
        found = directions[:count] @ directions[count:].T
        similarity, nearest = found.max(axis=1), count + found.argmax(axis=1)
    words = np.array([one.words for one in candidates])
    base = np.array([one.base(strategy) for one in candidates])
    unused, picks = np.ones(count, dtype=bool), list[Pick]()
    while (fitting := unused & (words <= budget)).any():
        novelty = np.clip(1.0 - similarity, 0.0, None)
        score = base * novelty if strategy in ("both", "diversity") else base
        number = int(np.where(fitting, score, -np.inf).argmax())
        near = int(nearest[number])
        picks.append(Pick(number, float(score[number]), float(novelty[number]), None if near < 0 else near))
        unused[number] = False
        budget -= int(words[number])
        found = directions[:count] @ directions[number]
        closer = (found > similarity) | (nearest < 0)
        similarity, nearest = np.where(closer, found, similarity), np.where(closer, number, nearest)
    return picks


def _directions(states: Sequence[Floats]) -> Floats:
    """Unit vectors [n, H]: states less their mean, in which all texts of a language are alike."""
    stacked = np.stack(states).astype(np.float64)
    centred = stacked - stacked.mean(axis=0)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), _TINY))
