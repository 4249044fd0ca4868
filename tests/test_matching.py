"""Entities that are nearly right: against every pairing by brute force, the published cases, and other scorers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.scheme import IOB2
from sklearn.metrics import precision_recall_fscore_support

from rasid.matching import (
    Key,
    Outcome,
    Scheme,
    SchemeCounts,
    by_depth,
    by_length,
    by_seen,
    by_type,
    group_rows,
    match,
    outcomes,
    scheme_counts,
    scheme_f1,
    scheme_row,
)
from rasid.metrics import Unit, iob2, sides_score, span_f1, span_row, span_scores
from rasid.records import Entity
from rasid.text import Span

QUICK = settings(deadline=None, max_examples=150)
SCHEMES: tuple[Scheme, ...] = ("strict", "boundary", "partial", "type")


def entities(rows: Iterable[tuple[int, int, str]], surface: str = "اسم") -> tuple[Entity, ...]:
    """Entities from (start, end, type), those that cross one before them left out."""
    kept: list[Entity] = []
    for start, end, label in rows:
        if not any(Span(start, end).crosses(each.span) for each in kept):
            kept.append(Entity(id=f"T{len(kept)}", type=label, start=start, end=end, surface=surface))
    return tuple(kept)


SIDE = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.sampled_from("ABC")), max_size=5).map(
    lambda rows: entities((start, start + length, label) for start, length, label in rows)
)


def pairings(left: Sequence[Key], right: Sequence[Key]) -> Iterator[list[tuple[Key, Key]]]:
    """Every one-to-one pairing, of whatever size."""
    if not left:
        yield []
        return
    yield from pairings(left[1:], right)
    for n, other in enumerate(right):
        for rest in pairings(left[1:], [*right[:n], *right[n + 1 :]]):
            yield [(left[0], other), *rest]


def worth(pairs: Sequence[tuple[Key, Key]]) -> tuple[int, int, int]:
    """Equal ranges, overlaps of one type, overlaps: what the definition maximises, in this order."""
    overlaps = [(one, other) for one, other in pairs if min(one[1], other[1]) > max(one[0], other[0])]
    equal = sum(one[:2] == other[:2] for one, other in overlaps)
    return equal, sum(one[2] == other[2] for one, other in overlaps), len(overlaps)


@given(SIDE, SIDE)
@QUICK
def test_the_pairing_is_the_best_of_all(gold: tuple[Entity, ...], predicted: tuple[Entity, ...]) -> None:
    left, right = ({(e.start, e.end, e.type) for e in side} for side in (gold, predicted))
    same, one, other = len(left & right), sorted(left - right), sorted(right - left)
    equal, typed, overlaps = max(worth(pairs) for pairs in pairings(one, other))
    row = outcomes(Unit(gold, predicted)).row
    expected = [same, equal, typed, overlaps - equal - typed, len(one) - overlaps, len(other) - overlaps]
    assert list(row) == expected


@given(SIDE, SIDE)
@QUICK
def test_schemes_are_ordered_and_count_every_entity_once(
    gold: tuple[Entity, ...], predicted: tuple[Entity, ...]
) -> None:
    unit = Unit(gold, predicted)
    row = outcomes(Unit(gold, predicted)).row
    sizes = [len({(e.start, e.end, e.type) for e in side}) for side in (predicted, gold)]
    for scheme in SCHEMES:
        counts = scheme_counts(row, scheme)
        paired = counts.correct + counts.incorrect + counts.partial
        assert [paired + counts.spurious, paired + counts.missed] == sizes
        score = sides_score(scheme_row(row, scheme))
        assert score.support == sizes[1]
        # The formulas of the task: (COR + 0.5 PAR) / ACT and / POS.
        credit = counts.correct + 0.5 * counts.partial
        assert score.precision == pytest.approx(credit / sizes[0] if sizes[0] else 0.0)
        assert score.recall == pytest.approx(credit / sizes[1] if sizes[1] else 0.0)
    strict, boundary, partial, typed = (scheme_f1(row, scheme) for scheme in SCHEMES)
    assert strict <= boundary + 1e-12
    assert boundary <= partial + 1e-12
    assert strict <= typed + 1e-12
    assert strict == pytest.approx(span_f1(span_row(unit)))


@given(SIDE, SIDE, st.randoms(use_true_random=False))
@QUICK
def test_order_and_repeats_of_the_input_change_nothing(
    gold: tuple[Entity, ...], predicted: tuple[Entity, ...], dice: random.Random
) -> None:
    shuffled = [[*side, *side[:1]] for side in (gold, predicted)]
    for side in shuffled:
        dice.shuffle(side)
    assert outcomes(Unit(*map(tuple, shuffled))).row == outcomes(Unit(gold, predicted)).row


def test_the_six_scenarios_of_the_scheme() -> None:
    """The table of scenarios by which the scheme is usually told (Batista 2018), each on its own stretch of text."""
    gold = entities([(0, 10, "A"), (40, 50, "A"), (60, 70, "A"), (80, 90, "A"), (100, 110, "A")])
    predicted = entities([(0, 10, "A"), (20, 30, "A"), (60, 70, "B"), (80, 88, "A"), (98, 110, "B")])
    matched = match(Unit(gold, predicted))
    assert [each.outcome for each in matched.gold] == [
        Outcome.SAME,
        Outcome.ALONE,
        Outcome.RANGE,
        Outcome.TYPE,
        Outcome.OVERLAP,
    ]
    row = outcomes(Unit(gold, predicted)).row
    assert {scheme: scheme_counts(row, scheme) for scheme in SCHEMES} == {
        "strict": SchemeCounts(1, 3, 0, 1, 1),
        "boundary": SchemeCounts(2, 2, 0, 1, 1),
        "partial": SchemeCounts(2, 0, 2, 1, 1),
        "type": SchemeCounts(2, 2, 0, 1, 1),
    }
    assert [scheme_f1(row, scheme) for scheme in SCHEMES] == pytest.approx([1 / 5, 2 / 5, 3 / 5, 2 / 5])


def test_a_worked_example_with_known_figures() -> None:
    """Six gold and seven predicted names, scored by hand after the published formulas."""
    gold = entities([(0, 4, "P"), (6, 12, "L"), (20, 26, "P"), (30, 34, "O"), (40, 44, "L"), (50, 60, "O")])
    rows = [(0, 4, "P"), (6, 12, "P"), (22, 26, "P"), (28, 34, "L"), (50, 54, "O"), (56, 60, "O"), (70, 72, "L")]
    row = outcomes(Unit(gold, entities(rows))).row
    # (50, 60) has two predictions inside: one is its partner, the other spurious, as is (70, 72); (40, 44) is missed.
    assert scheme_counts(row, "strict") == SchemeCounts(1, 4, 0, 1, 2)
    assert scheme_counts(row, "boundary") == SchemeCounts(2, 3, 0, 1, 2)
    assert scheme_counts(row, "partial") == SchemeCounts(2, 0, 3, 1, 2)
    assert scheme_counts(row, "type") == SchemeCounts(3, 2, 0, 1, 2)
    partial, typed = (sides_score(scheme_row(row, scheme)) for scheme in ("partial", "type"))
    assert (partial.precision, partial.recall) == pytest.approx((3.5 / 7, 3.5 / 6))
    assert (typed.precision, typed.recall) == pytest.approx((3 / 7, 3 / 6))


def test_nested_names_are_paired_with_their_like() -> None:
    """The outer name is there, the inner one is not: a nested miss is no boundary error of the outer one."""
    gold = entities([(0, 20, "ORG"), (5, 10, "GPE")])
    matched = match(Unit(gold, entities([(0, 20, "ORG")])))
    assert [each.outcome for each in matched.gold] == [Outcome.SAME, Outcome.ALONE]
    assert [each.depth for each in matched.gold] == [0, 1]


WORDS = [Span(n * 2, n * 2 + 1) for n in range(8)]
FLAT = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 3), st.sampled_from(["ORG", "GPE"])), max_size=4)


def flat(rows: Iterable[tuple[int, int, str]]) -> tuple[Entity, ...]:
    """Entities of whole words that share none, so that tags can say the same."""
    kept: list[tuple[int, int, str]] = []
    for first, length, label in rows:
        last = min(first + length, len(WORDS)) - 1
        if all(last < low or high < first for low, high, _ in kept):
            kept.append((first, last, label))
    return entities((WORDS[low].start, WORDS[high].end, label) for low, high, label in kept)


@given(FLAT, FLAT)
@QUICK
def test_flat_entities_score_as_in_seqeval_and_scikit_learn(
    left: list[tuple[int, int, str]], right: list[tuple[int, int, str]]
) -> None:
    gold, predicted = flat(left), flat(right)
    row = outcomes(Unit(gold, predicted)).row
    if not (gold or predicted):
        assert scheme_f1(row, "strict") == 0.0
        return
    tags = [[iob2(WORDS, side)] for side in (gold, predicted)]
    strict = scheme_f1(row, "strict")
    assert strict == pytest.approx(seqeval_f1(*tags, mode="strict", scheme=IOB2, zero_division=0))
    bare = [[[tag[:1] + "-X" if tag != "O" else tag for tag in tags_of[0]]] for tags_of in tags]
    boundary = scheme_f1(row, "boundary")
    assert boundary == pytest.approx(seqeval_f1(*bare, mode="strict", scheme=IOB2, zero_division=0))
    # scikit-learn: each (range, type) that occurs is a yes-or-no question to both sides.
    keys = sorted({(e.start, e.end, e.type) for e in (*gold, *predicted)})
    answers = [[any((e.start, e.end, e.type) == key for e in side) for key in keys] for side in (gold, predicted)]
    *known, _ = precision_recall_fscore_support(*answers, average="binary", zero_division=0)
    score = sides_score(scheme_row(row, "strict"))
    assert [score.precision, score.recall, score.f1] == pytest.approx([float(each) for each in known])


@given(st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=4))
@QUICK
def test_groups_by_type_are_the_scores_by_type(pairs: list[tuple[tuple[Entity, ...], ...]]) -> None:
    units = [Unit(*pair) for pair in pairs]
    found = group_rows([match(unit) for unit in units], by_type)
    expected = span_scores(units).by_type
    assert set(found) == set(expected)
    for label, rows in found.items():
        assert len(rows) == len(units)
        score = sides_score([sum(column) for column in zip(*rows, strict=True)])
        assert (score.precision, score.recall, score.f1, score.support) == pytest.approx(
            (expected[label].precision, expected[label].recall, expected[label].f1, expected[label].support)
        )


@given(SIDE)
@QUICK
def test_depth_is_the_number_of_longer_ranges_around(side: tuple[Entity, ...]) -> None:
    for each in match(Unit(side, ())).gold:
        around = {e.span for e in side if e.span.contains(each.entity.span) and e.span != each.entity.span}
        assert each.depth == len(around)


def test_groups_by_depth_length_and_surface() -> None:
    outer = Entity(id="1", type="ORG", start=0, end=25, surface="قوات سوريا الديمقراطية")
    inner = Entity(id="2", type="GPE", start=5, end=10, surface="سوريا")
    innermost = Entity(id="3", type="GPE", start=6, end=8, surface="ور")
    deepest = Entity(id="4", type="GPE", start=7, end=8, surface="ر")
    long = Entity(id="5", type="ORG", start=30, end=60, surface="أ ب ت ث ج ح")
    matched = [match(Unit((), ())), match(Unit((outer, inner, innermost, deepest, long), (outer,)))]
    depths = group_rows(matched, by_depth)
    assert {name: rows[1][3] for name, rows in depths.items()} == {"depth 0": 2, "depth 1": 1, "depth 2+": 2}
    assert depths["depth 0"] == [[0, 0, 0, 0], [1, 1, 1, 2]]
    lengths = group_rows(matched, by_length)
    assert {name: rows[1][3] for name, rows in lengths.items()} == {"1 word": 3, "3 words": 1, "5+ words": 1}
    seen = group_rows(matched, by_seen(["سُورِيا", "شيء آخر"]))  # the same word under harakat
    assert {name: rows[1] for name, rows in seen.items()} == {"seen": [0, 0, 0, 1], "unseen": [1, 1, 1, 4]}


def test_a_wrong_prediction_counts_against_the_group_it_falls_in() -> None:
    gold, predicted = entities([(0, 4, "ORG")]), entities([(0, 4, "GPE")])
    rows = group_rows([match(Unit(gold, predicted))], by_type)
    assert rows == {"GPE": [[0, 1, 0, 0]], "ORG": [[0, 0, 0, 1]]}
