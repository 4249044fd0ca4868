"""BIO scores to spans: for each type the best path that never opens with Inside, then the best spans that never cross.

Works on word numbers and probabilities; offsets are added by whoever holds the words. Decisions are per word, so a word
is never split and never has two labels of one type. Spans of one type never stand in one another: a BIO layer per type
has no way to say so.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rasid.labels import Inventory

Floats = NDArray[np.floating]
_EXACT = 64  # crossing spans settled exactly: cubic time; trained models give five at most, untrained ones thousands


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

    def clashes(self, other: WordSpan, nested: bool) -> bool:
        """Whether the two cannot both stand: they cross, or (flat inventories) share a word."""
        return self.crosses(other) if nested else self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A span of a best path; `gain` is what it adds to the log probability of all labels, against Outside for its
    words (nats; never negative, or Viterbi would have taken Outside)."""

    span: WordSpan
    gain: float


def best_paths(log_probs: Floats) -> NDArray[np.int8]:
    """Best constrained BIO labels: log_probs (words, types, 3) -> labels (words, types).

    Each type on its own; Inside may follow Begin or Inside only. Where the likeliest labels of a type keep to that they
    are the best path already, and Viterbi runs over the stretches where they do not.
    """
    outside, begin, inside = np.moveaxis(log_probs, 2, 0)
    labels: NDArray[np.int8] = (begin > outside).astype(np.int8)  # so much for argmax, in a third of its time
    labels[inside > np.maximum(outside, begin)] = 2
    for kind, start, end in _unsettled(log_probs, labels):
        labels[start:end, kind] = _viterbi(log_probs[start:end, kind].tolist())
    return labels


def _unsettled(log_probs: Floats, labels: NDArray[np.int8]) -> Iterator[tuple[int, int, int]]:
    """(type, first word, end) of the stretches whose likeliest labels have an Inside that nothing opened.

    A stretch begins and ends at words whose likeliest label is sure to be on the best path: a Begin, which may stand
    anywhere; and an Outside that leads by more than it costs to turn an Inside at the next word into a Begin, for
    whatever runs through it would do better to begin after it.
    """
    before = np.vstack([np.zeros((1, labels.shape[1]), dtype=np.int8), labels[:-1]])[: len(labels)]
    astray = (labels == 2) & (before == 0)
    broken = np.flatnonzero(astray.any(axis=0))
    if not len(broken):
        return
    own, scores = labels[:, broken], log_probs[:, broken]
    cost = np.vstack([scores[1:, :, 2] - scores[1:, :, 1], np.zeros((1, len(broken)))])
    sure = (own == 0) & (scores[:, :, 0] - scores[:, :, 1:].max(axis=2) > cost)
    opens, closes = own == 1, (own == 1) | sure
    opens[1:] |= sure[:-1]
    words = np.arange(len(labels))[:, None]
    start_of = np.maximum.accumulate(np.where(opens, words, 0))
    end_of = np.minimum.accumulate(np.where(closes, words, len(labels))[::-1])[::-1]
    for column, kind in enumerate(broken.tolist()):
        places = np.flatnonzero(astray[:, kind])
        starts, ends = start_of[places, column].tolist(), end_of[places, column].tolist()
        yield from ((kind, start, end) for start, end in {*zip(starts, ends, strict=True)})


def _viterbi(scores: Sequence[Sequence[float]]) -> list[int]:
    """The best path of one type through some words, given (Outside, Begin, Inside) of each. For each word it is kept
    whether Inside beat Begin at the word before, and whether the two beat Outside there: that is all the way back."""
    back: list[tuple[bool, bool]] = []
    o, b, i = scores[0][0], scores[0][1], -math.inf
    for outside, begin, inside in scores[1:]:
        within = max(b, i)
        back.append((i > b, within > o))
        best = max(o, within)
        o, b, i = best + outside, best + begin, within + inside
    label = max(range(3), key=(o, b, i).__getitem__)
    labels = [label]
    for inner, entered in reversed(back):
        label = 1 + inner if entered or label == 2 else 0
        labels.append(label)
    return labels[::-1]


def spans(log_probs: Floats, inventory: Inventory) -> list[WordSpan]:
    """Spans of an article from its word labels' log probabilities (words, types, 3), in text order.

    Of each type's best path those spans stay that together are the likeliest without a crossing, or without an overlap
    where the inventory is flat; of figures, which hold no figures, the outermost. Order: start, then longer first, then
    type.
    """
    kept = sorted(_settle(_candidates(log_probs), inventory.nested), key=lambda s: (s.start, -s.end, s.type))
    return _without_figures_in_figures(kept, inventory) if inventory.nested else kept


def _without_figures_in_figures(found: Sequence[WordSpan], inventory: Inventory) -> list[WordSpan]:
    """Spans in text order without those that stand where their type may not: inside a longer one, or on the words of
    one that is likelier."""
    kept: list[WordSpan] = []
    open_: list[WordSpan] = []  # those around the place that is reached, the outermost first
    for span in sorted(found, key=lambda s: (s.start, -s.end, -s.score)):
        open_ = [outer for outer in open_ if outer.end > span.start]
        if all(inventory.may_hold(outer.type, span.type) for outer in open_):
            kept.append(span)
            open_.append(span)
    return sorted(kept, key=lambda s: (s.start, -s.end, s.type))


def flat(found: Iterable[WordSpan]) -> list[WordSpan]:
    """The flat view of spans that nest: the outermost, and of several types on the same words the inventory's first.

    Takes spans that do not cross; gives disjoint ones in text order. By the inventory's order and not by score, so that
    gold annotations, which have no scores, are seen in the same way.
    """
    kept: list[WordSpan] = []
    for span in sorted(found, key=lambda s: (s.start, -s.end, s.type)):
        if not kept or kept[-1].end <= span.start:
            kept.append(span)
    return kept


def _candidates(log_probs: Floats) -> list[_Candidate]:
    """The spans of all types' best paths, by type and then by place."""
    labels = best_paths(log_probs)
    kinds, starts = np.nonzero(labels.T == 1)
    words = np.arange(len(labels) + 1)[:, None]
    stops = np.vstack([labels != 2, np.ones((1, labels.shape[1]), dtype=bool)])
    end_of = np.minimum.accumulate(np.where(stops, words, len(labels))[::-1])[::-1]
    ends = end_of[starts + 1, kinds]
    scores, gains = np.empty(len(starts)), np.empty(len(starts))
    for length in np.unique(ends - starts).tolist():  # sums of one length at once, each in the order of its words
        rows = np.flatnonzero(ends - starts == length)
        places, own = starts[rows, None] + np.arange(length), kinds[rows, None]
        chosen = log_probs[places, own, np.minimum(np.arange(length), 1) + 1]
        scores[rows] = np.exp(chosen.mean(axis=1))
        gains[rows] = (chosen - log_probs[places, own, 0]).sum(axis=1, dtype=np.float64)
    columns = (each.tolist() for each in (starts, ends, kinds, scores, np.maximum(gains, 0.0)))
    return [_Candidate(WordSpan(*span), gain) for *span, gain in zip(*columns, strict=True)]


def _settle(found: Sequence[_Candidate], nested: bool) -> list[WordSpan]:
    """The candidates without a clash whose gains add up to the most: the likeliest labels that say nothing
    contradictory, among those that leave out whole spans of the best paths.

    Exact, save among more than `_EXACT` spans that hang together by crossings, which are taken greedily by score.
    """
    kept: list[WordSpan] = []
    for group in _groups(found, nested):
        if len(group) == 1:
            kept.append(group[0].span)
        elif not nested:
            kept += _disjoint(group)
        elif len(group) <= _EXACT:
            kept += _laminar(group)
        else:
            kept += _greedy(group)
    return kept


def _groups(found: Sequence[_Candidate], nested: bool) -> list[list[_Candidate]]:
    """Candidates in groups that hang together by clashes, each in text order (start, longer first, type)."""
    group_of: dict[int, list[_Candidate]] = {}
    active: list[_Candidate] = []  # at most one per type: spans of one type are disjoint
    for new in sorted(found, key=lambda c: (c.span.start, -c.span.end, c.span.type)):
        active = [old for old in active if old.span.end > new.span.start]
        group_of[id(new)] = [new]
        for old in active:
            theirs, mine = group_of[id(old)], group_of[id(new)]
            if old.span.clashes(new.span, nested) and theirs is not mine:
                small, large = sorted((theirs, mine), key=len)
                large += small
                group_of |= {id(moved): large for moved in small}
        active.append(new)
    groups = {id(group): group for group in group_of.values()}.values()
    return [sorted(group, key=lambda c: (c.span.start, -c.span.end, c.span.type)) for group in groups]


def _disjoint(group: Sequence[_Candidate]) -> list[WordSpan]:
    """Weighted interval scheduling: the disjoint spans with the greatest total gain."""
    order = sorted(group, key=lambda c: (c.span.end, -c.span.start, -c.span.type))
    ends = [each.span.end for each in order]
    before = [bisect_right(ends, each.span.start) for each in order]
    best = [0.0]
    for each, free in zip(order, before, strict=True):
        best.append(max(best[-1], best[free] + each.gain))
    kept: list[WordSpan] = []
    number = len(order)
    while number:
        each, free = order[number - 1], before[number - 1]
        if best[free] + each.gain >= best[number - 1]:
            kept.append(each.span)
            number = free
        else:
            number -= 1
    return kept


def _laminar(group: Sequence[_Candidate]) -> list[WordSpan]:
    """The spans with the greatest total gain of which no two cross, by a dynamic programme over ranges between ends.

    In a range, everything stands inside or after the longest span that begins with the range, or begins later itself.
    """
    points = sorted({place for each in group for place in (each.span.start, each.span.end)})
    number = {place: i for i, place in enumerate(points)}
    at: dict[tuple[int, int], list[_Candidate]] = defaultdict(list)
    for each in group:
        at[number[each.span.start], number[each.span.end]].append(each)
    gain = {ends: sum(each.gain for each in held) for ends, held in at.items()}
    ends_of = [[end for start, end in gain if start == i] for i in range(len(points))]
    best = np.zeros((len(points), len(points)))
    cut = np.zeros(
        (len(points), len(points)), dtype=int
    )  # end of the first span inside a range; 0 where it starts later
    for start in range(len(points) - 2, -1, -1):
        for end in range(start + 1, len(points)):
            options = [(best[start + 1, end], 0)]
            options += [(best[start, e] + best[e, end], e) for e in ends_of[start] if e < end]
            value, cut[start, end] = max(options)
            best[start, end] = value + gain.get((start, end), 0.0)
    kept: list[WordSpan] = []
    ranges = [(0, len(points) - 1)]
    while ranges:
        start, end = ranges.pop()
        if start < end:
            kept += [each.span for each in at.get((start, end), ())]
            inner = int(cut[start, end])
            ranges += [(start, inner), (inner, end)] if inner else [(start + 1, end)]
    return kept


def _greedy(group: Sequence[_Candidate]) -> list[WordSpan]:
    """By score: a span stays when it crosses none that stayed before it."""
    kept: list[WordSpan] = []
    at: dict[int, list[WordSpan]] = defaultdict(list)  # kept spans by word: only those that share a word can clash
    for span in sorted((each.span for each in group), key=lambda s: (-s.score, s.start - s.end, s.start, s.type)):
        if not any(other.crosses(span) for word in range(span.start, span.end) for other in at[word]):
            kept.append(span)
            for word in range(span.start, span.end):
                at[word].append(span)
    return kept
