"""BIO scores to spans: for each type the best path that never opens with Inside, then spans that never cross.

Works on word numbers and probabilities; offsets are added by whoever holds the words. Decisions are per word, so a word
is never split and never has two labels of one type.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rasid.labels import Inventory

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class WordSpan:
    """Words [start, end) with a type (index in the inventory); the score is the geometric mean of its labels'
    probabilities."""

    start: int
    end: int
    type: int
    score: float

    def crosses(self, other: WordSpan) -> bool:
        apart = self.end <= other.start or other.end <= self.start
        nested = (self.start <= other.start and other.end <= self.end) or (
            other.start <= self.start and self.end <= other.end
        )
        return not apart and not nested


def best_paths(log_probs: Floats) -> NDArray[np.int8]:
    """Best constrained BIO labels: log_probs (words, types, 3) -> labels (words, types).

    Each type on its own; Inside may follow Begin or Inside only. Where the likeliest labels of a type keep to that they
    are the best path already, and Viterbi runs for the other types only.
    """
    labels: NDArray[np.int8] = log_probs.argmax(axis=2).astype(np.int8)
    before = np.vstack([np.zeros((1, labels.shape[1]), dtype=np.int8), labels[:-1]])[: len(labels)]
    broken = np.flatnonzero(((labels == 2) & (before == 0)).any(axis=0))
    if len(broken):
        labels[:, broken] = _viterbi(log_probs[:, broken])
    return labels


def _viterbi(log_probs: Floats) -> NDArray[np.int8]:
    words, types, _ = log_probs.shape
    labels = np.zeros((words, types), dtype=np.int8)
    score = log_probs[0].copy()
    score[:, 2] = -np.inf
    back = np.zeros((words, types, 3), dtype=np.int8)
    for word in range(1, words):
        best = score.argmax(axis=1)
        inner = 1 + score[:, 1:].argmax(axis=1)
        back[word, :, :2] = best[:, None]
        back[word, :, 2] = inner
        rows = np.arange(types)
        entered = np.stack([score[rows, best], score[rows, best], score[rows, inner]], axis=1)
        score = entered + log_probs[word]
    labels[-1] = score.argmax(axis=1)
    for word in range(words - 1, 0, -1):
        labels[word - 1] = back[word, np.arange(types), labels[word]]
    return labels


def spans(log_probs: Floats, inventory: Inventory) -> list[WordSpan]:
    """Spans of an article from its word labels' log probabilities (words, types, 3), in text order.

    Crossing spans are settled for the higher score, and so are overlapping ones when the inventory is flat (the longer
    one wins a tie). Order: start, then longer first, then type.
    """
    labels = best_paths(log_probs)
    found: list[WordSpan] = []
    for kind in range(labels.shape[1]):
        column = labels[:, kind]
        for start in np.flatnonzero(column == 1):
            end = int(start) + 1
            while end < len(column) and column[end] == 2:
                end += 1
            chosen = log_probs[np.arange(start, end), kind, column[start:end]]
            found.append(WordSpan(int(start), end, kind, float(np.exp(chosen.mean()))))
    return sorted(_settle(found, inventory.nested), key=lambda s: (s.start, -s.end, s.type))


def _settle(found: list[WordSpan], nested: bool) -> list[WordSpan]:
    """Greedy by score: a span stays when it crosses (or, in a flat inventory, overlaps) none that stayed before it."""
    kept: list[WordSpan] = []
    at: dict[int, list[WordSpan]] = defaultdict(list)  # kept spans by word: only those that share a word can clash
    for span in sorted(found, key=lambda s: (-s.score, s.start - s.end, s.start, s.type)):
        near = (other for word in range(span.start, span.end) for other in at[word])
        if not any(not nested or other.crosses(span) for other in near):
            kept.append(span)
            for word in range(span.start, span.end):
                at[word].append(span)
    return kept
