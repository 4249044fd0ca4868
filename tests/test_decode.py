"""Decoding against an oracle that tries every labelling, and the invariants of the spans."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from rasid.decode import Floats, WordSpan, best_paths, flat, spans
from rasid.labels import INVENTORIES, Inventory
from rasid.records import Record

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


def likeliest_by_plain_viterbi(log_probs: Floats, kind: int) -> float:
    """The log probability of the best valid path, word by word over the whole text."""
    before = {0: 0.0, 1: -np.inf, 2: -np.inf}
    for outside, begin, inside in log_probs[:, kind].tolist():
        best = max(before.values())
        before = {0: best + outside, 1: best + begin, 2: max(before[1], before[2]) + inside}
    return max(before.values())


@given(st.integers(7, 60).flatmap(lambda words: scores(words, 2)), st.floats(0, 6))
@settings(max_examples=60, deadline=None)
def test_best_paths_of_long_texts_are_those_of_viterbi_over_all_words(log_probs: Floats, outside: float) -> None:
    log_probs = log_softmax(log_probs + np.array([outside, 0.0, 0.0]))  # with more of it, stretches come apart
    labels = best_paths(log_probs)
    for kind in range(2):
        path = tuple(int(label) for label in labels[:, kind])
        assert is_valid(path)
        assert total(log_probs, kind, path) == pytest.approx(likeliest_by_plain_viterbi(log_probs, kind), abs=1e-6)


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


def candidates(log_probs: Floats) -> list[tuple[WordSpan, float]]:
    """The spans of every type's best path and what each adds to the labels' log probability, by their definition."""
    labels = best_paths(log_probs)
    found = []
    for kind in range(labels.shape[1]):
        column = "".join("OBI"[label] for label in labels[:, kind])
        for start in (i for i, tag in enumerate(column) if tag == "B"):
            end = start + 1 + len(column[start + 1 :]) - len(column[start + 1 :].lstrip("I"))
            places = range(start, end)
            logs = [log_probs[w, kind, 1 if w == start else 2] for w in places]
            gain = sum(logs) - sum(log_probs[w, kind, 0] for w in places)
            found.append((WordSpan(start, end, kind, float(np.exp(np.mean(logs)))), float(gain)))
    return found


def sound(chosen: Iterable[WordSpan], nested: bool) -> bool:
    """Whether no two spans cross, or share a word where nothing may nest; said with sets of words."""
    for a, b in itertools.combinations(chosen, 2):
        one, other = set(range(a.start, a.end)), set(range(b.start, b.end))
        if one & other and not (nested and (one <= other or other <= one)):
            return False
    return True


def best_gain_by_trying_all(found: list[tuple[WordSpan, float]], nested: bool) -> float:
    sets = itertools.chain.from_iterable(itertools.combinations(found, n) for n in range(len(found) + 1))
    return max(sum(gain for _, gain in chosen) for chosen in sets if sound((s for s, _ in chosen), nested))


@given(st.integers(0, 7).flatmap(lambda words: scores(words, 3)), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_spans_kept_are_the_likeliest_of_all_sound_sets(log_probs: Floats, nested: bool) -> None:
    found = candidates(log_probs)
    assume(len(found) <= 12)  # 4,096 sets to try
    kept = spans(log_probs, NESTED if nested else FLAT)
    gains = {(s.start, s.end, s.type): gain for s, gain in found}
    reached = sum(gains[s.start, s.end, s.type] for s in kept)
    assert sound(kept, nested)
    assert reached == pytest.approx(best_gain_by_trying_all(found, nested), abs=1e-4)


def crossing_chain(count: int) -> Floats:
    """Scores under which `count` spans stand, each crossing the next, of two types in turn."""
    log_probs = np.full((2 * count + 3, 2, 3), np.log(0.01))
    log_probs[:, :, 0] = np.log(0.98)
    for number in range(count):
        sure = 0.6 + 0.3 * ((number * 7) % 10) / 10
        for word in range(2 * number, 2 * number + 3):
            rest = np.log((1 - sure) / 2)
            log_probs[word, number % 2] = rest
            log_probs[word, number % 2, 1 if word == 2 * number else 2] = np.log(sure)
    return log_probs


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("count", [2, 9, 12])
def test_a_chain_of_crossing_spans_is_settled_as_trying_all_settles_it(count: int, nested: bool) -> None:
    log_probs = crossing_chain(count)
    found = candidates(log_probs)
    assert len(found) == count
    kept = spans(log_probs, Inventory("two", ("A", "B"), nested=nested))
    gains = {(s.start, s.end, s.type): gain for s, gain in found}
    reached = sum(gains[s.start, s.end, s.type] for s in kept)
    assert sound(kept, nested)
    assert len(kept) < count
    assert reached == pytest.approx(best_gain_by_trying_all(found, nested), abs=1e-6)


def test_a_tangle_too_large_to_be_settled_exactly_is_still_sound() -> None:
    """An untrained model gives thousands of spans that hang together; they take no cubic time."""
    kept = spans(crossing_chain(3000), Inventory("two", ("A", "B"), nested=True))
    assert 1000 <= len(kept) <= 1500
    assert all(a.end <= b.start for a, b in itertools.pairwise(kept))


def test_two_short_spans_together_can_be_likelier_than_the_surer_one_that_crosses_both() -> None:
    """What a greedy choice by score gets wrong."""
    log_probs = np.log(np.full((5, 3, 3), 0.02))
    log_probs[:, :, 0] = np.log(0.96)
    for kind, places, sure in ((0, (1, 2, 3), 0.75), (1, (0, 1), 0.72), (2, (3, 4), 0.72)):
        for word in places:
            log_probs[word, kind] = np.log((1 - sure) / 2)
            log_probs[word, kind, 1 if word == places[0] else 2] = np.log(sure)
    found = spans(log_probs, NESTED)
    assert [(s.start, s.end, s.type) for s in found] == [(0, 2, 1), (3, 5, 2)]


@given(st.integers(0, 9).flatmap(lambda words: scores(words, 3)))
@settings(max_examples=100, deadline=None)
def test_the_flat_view_is_the_outermost_by_the_order_of_types(log_probs: Floats) -> None:
    nested = spans(log_probs, NESTED)
    expected = [
        s
        for s in nested
        if not any(
            o.start <= s.start and s.end <= o.end and (len(range(o.start, o.end)), -o.type) > (s.end - s.start, -s.type)
            for o in nested
        )
    ]
    assert flat(nested) == flat(reversed(nested)) == expected
    assert all(a.end <= b.start for a, b in itertools.pairwise(expected))


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


def test_of_two_crossing_spans_alike_in_length_the_surer_one_stays() -> None:
    wide = np.log(np.array([[0.05, 0.9, 0.05], [0.05, 0.05, 0.9], [0.9, 0.05, 0.05]]))
    late = np.log(np.array([[0.9, 0.05, 0.05], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]]))
    found = spans(np.stack([wide, late], axis=1), Inventory("two", ("A", "B"), nested=True))
    assert [(s.start, s.end, s.type) for s in found] == [(0, 2, 0)]


def wojood_scores(words: int, *said: tuple[int, int, str, float]) -> Floats:
    """Log probabilities in which words [start, end) are a type with a probability, and nothing else is anything."""
    types = INVENTORIES["wojood"].types
    probs = np.full((words, len(types), 3), [0.98, 0.01, 0.01])
    for start, end, name, sure in said:
        for word in range(start, end):
            rest = (1 - sure) / 2
            probs[word, types.index(name)] = [rest, sure, rest] if word == start else [rest, rest, sure]
    return np.log(probs)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        # 40 مليون ليرة تركية: the number is no entity of its own, the currency and its adjective are
        (
            [(0, 4, "MONEY", 0.8), (0, 2, "CARDINAL", 0.9), (2, 4, "CURR", 0.9), (3, 4, "NORP", 0.9)],
            {(0, 4, "MONEY"), (2, 4, "CURR"), (3, 4, "NORP")},
        ),
        ([(0, 3, "TIME", 0.8), (2, 3, "DATE", 0.9)], {(0, 3, "TIME"), (2, 3, "DATE")}),
        ([(0, 3, "DATE", 0.8), (2, 3, "TIME", 0.9)], {(0, 3, "DATE")}),
        ([(0, 1, "ORDINAL", 0.7), (0, 1, "CARDINAL", 0.8)], {(0, 1, "CARDINAL")}),
        ([(0, 4, "EVENT", 0.8), (2, 4, "DATE", 0.9), (3, 4, "CARDINAL", 0.9)], {(0, 4, "EVENT"), (2, 4, "DATE")}),
        ([(0, 2, "MONEY", 0.8), (2, 3, "CARDINAL", 0.8)], {(0, 2, "MONEY"), (2, 3, "CARDINAL")}),
    ],
)
def test_figures_hold_no_figures(said: list[tuple[int, int, str, float]], kept: set[tuple[int, int, str]]) -> None:
    inventory = INVENTORIES["wojood"]
    found = spans(wojood_scores(4, *said), inventory)
    assert {(s.start, s.end, inventory.types[s.type]) for s in found} == kept


def test_the_project_s_own_annotations_keep_figures_apart() -> None:
    inventory = INVENTORIES["wojood"]
    folder = Path(__file__).parents[1] / "annotations"
    for path in sorted(folder.glob("*.json")):
        entities = Record.model_validate_json(path.read_text(encoding="utf-8")).entities
        for outer, inner in itertools.permutations(entities, 2):
            if outer.span.contains(inner.span):
                assert inventory.may_hold(inventory.index(outer.type), inventory.index(inner.type)), (
                    path,
                    outer,
                    inner,
                )
