"""Decoding against an oracle that tries every labelling, and the invariants of the spans."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from rasid.decode import Floats, WordSpan, best_paths, spans
from rasid.labels import Inventory

NESTED = Inventory("nested", ("A", "B", "C"), nested=True)
FLAT = Inventory("flat", ("A", "B", "C"))


def scores(words: int, types: int) -> st.SearchStrategy[Floats]:
    values = st.floats(-8, 8, width=32)
    return npst.arrays(np.float32, (words, types, 3), elements=values).map(log_softmax)


def log_softmax(logits: Floats) -> Floats:
    logits = logits.astype(np.float64)
    shifted: Floats = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def is_valid(path: tuple[int, ...]) -> bool:
    """Whether no Inside opens a span."""
    return all(label != 2 or (i > 0 and path[i - 1] in (1, 2)) for i, label in enumerate(path))


def total(log_probs: Floats, kind: int, path: tuple[int, ...]) -> float:
    return float(sum(log_probs[word, kind, label] for word, label in enumerate(path)))


def best_by_trying_all(log_probs: Floats, kind: int) -> float:
    paths = itertools.product(range(3), repeat=len(log_probs))
    return max(total(log_probs, kind, path) for path in paths if is_valid(path))


@given(st.integers(1, 6).flatmap(lambda words: scores(words, 2)))
@settings(max_examples=60, deadline=None)
def test_best_paths_are_valid_and_as_good_as_the_best_of_all(log_probs: Floats) -> None:
    labels = best_paths(log_probs)
    assert labels.shape == log_probs.shape[:2]
    for kind in range(log_probs.shape[1]):
        path = tuple(int(label) for label in labels[:, kind])
        assert is_valid(path)
        assert total(log_probs, kind, path) == pytest.approx(best_by_trying_all(log_probs, kind), abs=1e-4)


def test_an_inside_that_outscores_all_still_needs_a_begin() -> None:
    log_probs = log_softmax(np.array([[[0.0, -1.0, 9.0]], [[0.0, -5.0, 9.0]]]))
    assert best_paths(log_probs)[:, 0].tolist() == [1, 2]


def test_two_neighbours_of_one_type_stay_two() -> None:
    log_probs = log_softmax(np.array([[[0.0, 5.0, 0.0]], [[0.0, 5.0, 0.0]], [[5.0, 0.0, 0.0]]]))
    found = spans(log_probs, Inventory("one", ("A",)))
    assert [(s.start, s.end) for s in found] == [(0, 1), (1, 2)]


def test_no_words_no_spans() -> None:
    nothing = np.zeros((0, 3, 3))
    assert best_paths(nothing).shape == (0, 3)
    assert spans(nothing, NESTED) == []


def test_the_score_is_the_geometric_mean_of_the_probabilities() -> None:
    probabilities = np.array([[[0.1, 0.8, 0.1]], [[0.3, 0.2, 0.5]]])
    (found,) = spans(np.log(probabilities), Inventory("one", ("A",)))
    assert found == WordSpan(0, 2, 0, pytest.approx((0.8 * 0.5) ** 0.5))


def oracle_spans(log_probs: Floats, nested: bool) -> set[tuple[int, int, int]]:
    """Spans by their definition: candidates of the best paths, kept by score unless they clash."""
    labels = best_paths(log_probs)
    candidates = []
    for kind in range(labels.shape[1]):
        column = "".join("OBI"[label] for label in labels[:, kind])
        for start in (i for i, tag in enumerate(column) if tag == "B"):
            end = start + 1 + len(column[start + 1 :]) - len(column[start + 1 :].lstrip("I"))
            mean = np.mean([log_probs[w, kind, 1 if w == start else 2] for w in range(start, end)])
            candidates.append((float(np.exp(mean)), end - start, start, kind))
    kept: list[tuple[int, int, int]] = []
    for _, length, start, kind in sorted(candidates, key=lambda c: (-c[0], -c[1], c[2], c[3])):
        mine = set(range(start, start + length))
        others = [set(range(a, b)) for a, b, _ in kept]
        if nested:
            clash = any(mine & other and not mine <= other and not other <= mine for other in others)
        else:
            clash = any(mine & other for other in others)
        if not clash:
            kept.append((start, start + length, kind))
    return set(kept)


@given(st.integers(0, 7).flatmap(lambda words: scores(words, 3)), st.booleans())
@settings(max_examples=150, deadline=None)
def test_spans_agree_with_their_definition(log_probs: Floats, nested: bool) -> None:
    found = spans(log_probs, NESTED if nested else FLAT)
    assert {(s.start, s.end, s.type) for s in found} == oracle_spans(log_probs, nested)


@given(st.integers(1, 12).flatmap(lambda words: scores(words, 3)))
@settings(max_examples=100, deadline=None)
def test_spans_never_cross_and_flat_ones_never_overlap(log_probs: Floats) -> None:
    nested, flat = spans(log_probs, NESTED), spans(log_probs, FLAT)
    for a, b in itertools.combinations(nested, 2):
        assert not a.crosses(b)
        assert (a.start, -a.end, a.type) < (b.start, -b.end, b.type)
    for a, b in itertools.combinations(flat, 2):
        assert a.end <= b.start
    assert all(0.0 < span.score <= 1.0 + 1e-9 for span in nested)


def test_of_two_crossing_spans_the_surer_one_stays() -> None:
    wide = np.log(np.array([[0.05, 0.9, 0.05], [0.05, 0.05, 0.9], [0.9, 0.05, 0.05]]))
    late = np.log(np.array([[0.9, 0.05, 0.05], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]]))
    found = spans(np.stack([wide, late], axis=1), Inventory("two", ("A", "B"), nested=True))
    assert [(s.start, s.end, s.type) for s in found] == [(0, 2, 0)]
