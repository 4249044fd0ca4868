"""Intervals, means over runs and paired tests: against brute force, known distributions and simulated truth."""

from __future__ import annotations

import importlib.util
import itertools
import math
import random
import sys
import time
from pathlib import Path
from statistics import fmean, stdev
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import permutation_test, t

from rasid.metrics import span_f1
from rasid.uncertainty import FEWEST, LEVEL, MATTERS, Row, bootstrap, over_runs, paired, too_small

ROOT = Path(__file__).parents[1]


def mean(row: Row) -> float:
    return row[0] / row[1] if row[1] else 0.0


def some_rows(units: int, seed: int, ease: float = 0.8) -> list[list[float]]:
    """Rows [correct, predicted, gold] of articles of unlike length."""
    generator = random.Random(seed)
    rows = []
    for _ in range(units):
        gold = generator.randint(1, 20)
        correct = sum(generator.random() < ease for _ in range(gold))
        rows.append([float(correct), float(correct + generator.randint(0, 3)), float(gold)])
    return rows


def test_the_interval_is_seeded_and_holds_the_value() -> None:
    rows = some_rows(40, 5)
    found = bootstrap(rows, span_f1, seed=3)
    assert found == bootstrap(rows, span_f1, seed=3)
    assert found.low != bootstrap(rows, span_f1, seed=4).low
    assert found.low < found.value < found.high
    assert bootstrap([(2, 4, 4)] * 7, span_f1).low == bootstrap([(2, 4, 4)] * 7, span_f1).high == 0.5
    assert bootstrap([(2, 4, 4)], span_f1).value == 0.5
    assert bootstrap([], span_f1).high == 0.0


@pytest.mark.parametrize("units", [12, 400])
def test_the_interval_of_a_mean_is_students(units: int) -> None:
    """A mean's interval is known: mean +- t x standard error, also for few units, where percentiles fall short."""
    generator = np.random.default_rng(units)
    values = generator.normal(10, 1, units)
    found = bootstrap([(float(value), 1.0) for value in values], mean, resamples=20_000)
    width = float(t.ppf(0.975, units - 1)) * float(values.std(ddof=1)) / math.sqrt(units)
    assert found.high - found.low == pytest.approx(2 * width, rel=0.05)
    assert (found.high + found.low) / 2 == pytest.approx(float(values.mean()), abs=0.1 * width)


def test_exact_p_values_are_those_of_all_swaps_by_brute_force() -> None:
    base, new = some_rows(7, 1, 0.6), some_rows(7, 2, 0.8)
    seen = abs(span_f1(np.sum(new, axis=0)) - span_f1(np.sum(base, axis=0)))
    far = 0
    for swaps in itertools.product((False, True), repeat=7):
        left = [two if swap else one for one, two, swap in zip(base, new, swaps, strict=True)]
        right = [one if swap else two for one, two, swap in zip(base, new, swaps, strict=True)]
        gap = abs(span_f1(np.sum(right, axis=0)) - span_f1(np.sum(left, axis=0)))
        far += gap >= seen - 1e-12
    found = paired(base, new, span_f1)
    assert found.p == far / 2**7
    assert found.difference == pytest.approx(found.new - found.base)
    assert found.changed == sum(one != two for one, two in zip(base, new, strict=True))


def test_sampled_p_values_are_scipys() -> None:
    """For a difference of means, scipy's paired permutation test asks the same question."""
    generator = np.random.default_rng(3)
    one = generator.normal(0, 1, 40)
    two = one + generator.normal(0.3, 1, 40)
    found = paired([(x, 1.0) for x in one.tolist()], [(x, 1.0) for x in two.tolist()], mean)
    known = permutation_test(
        (one, two), lambda x, y: float(np.mean(y) - np.mean(x)), permutation_type="samples", n_resamples=9999, rng=1
    )
    assert found.p == pytest.approx(known.pvalue, abs=0.02)
    gaps = two - one
    assert found.effect == pytest.approx(float(gaps.mean() / gaps.std(ddof=1)), rel=0.1)
    assert found.low < gaps.mean() < found.high


def test_a_real_difference_is_found_and_its_sign_is_new_minus_base() -> None:
    base, new = some_rows(80, 1, 0.6), some_rows(80, 1, 0.9)
    found = paired(base, new, span_f1)
    assert found.real
    assert found.low > 0
    assert found.effect > 0
    back = paired(new, base, span_f1)
    assert back.real
    assert (back.difference, back.effect) == (pytest.approx(-found.difference), pytest.approx(-found.effect))
    assert too_small(found) is None


def test_a_run_against_itself_differs_in_nothing() -> None:
    rows = some_rows(30, 1)
    found = paired(rows, rows, span_f1)
    assert (found.p, found.difference, found.low, found.high, found.effect, found.changed) == (1.0, 0, 0, 0, 0, 0)
    assert too_small(found) is None
    assert paired([], [], span_f1).p == 1.0
    with pytest.raises(ValueError, match="not aligned"):
        paired(rows, rows[1:], span_f1)


def test_no_five_articles_can_show_a_difference_and_six_can() -> None:
    """The rule of `too_small` is a fact of the test: even articles that all speak for one run cannot, below six."""
    for units in (FEWEST - 1, FEWEST):
        base, new = [(0.0, 5.0, 5.0)] * units, [(5.0, 5.0, 5.0)] * units
        found = paired(base, new, span_f1)
        assert found.p == 2 / 2**units
        assert found.real == (units == FEWEST)
        assert (too_small(found) is None) == found.real
    assert "only 5 of 5 articles differ" in str(too_small(paired(base[:5], new[:5], span_f1)))


def test_a_set_is_too_small_when_two_points_would_be_missed() -> None:
    few = paired(some_rows(15, 1), some_rows(15, 2), span_f1)
    assert few.p >= LEVEL
    assert few.detectable > MATTERS
    assert "15 articles are too few to tell" in str(too_small(few))
    # Runs that differ in a hundredth of a large set: what they might differ by is known to be small.
    base = some_rows(2000, 1)
    new = [[row[0] - (n % 100 == 0), *row[1:]] if n % 200 else [row[0] + 1, *row[1:]] for n, row in enumerate(base)]
    many = paired(base, new, span_f1)
    assert many.detectable < MATTERS
    assert too_small(many) is None


def test_mean_and_spread_over_runs() -> None:
    runs = [some_rows(30, seed) for seed in range(3)]
    found = over_runs(runs, span_f1)
    values = [span_f1(np.sum(run, axis=0)) for run in runs]
    assert found.by_run == pytest.approx(values)
    assert found.mean == pytest.approx(fmean(values))
    assert found.spread == pytest.approx(stdev(values))
    assert found.low < found.mean < found.high
    alone = over_runs(runs[:1], span_f1)
    one = bootstrap(runs[0], span_f1)
    assert alone.spread is None
    assert (alone.mean, alone.low, alone.high) == pytest.approx((one.value, one.low, one.high))
    with pytest.raises(ValueError, match="argument"):
        over_runs([runs[0], runs[1][1:]], span_f1)


def test_ten_thousand_articles_take_seconds() -> None:
    rows, other = some_rows(10_000, 1), some_rows(10_000, 2)
    begin = time.process_time()
    bootstrap(rows, span_f1)
    paired(rows, other, span_f1)
    assert time.process_time() - begin < 20  # about 2 s on one idle core


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("interval_coverage", ROOT / "scripts/interval_coverage.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_intervals_cover_a_known_truth(capsys: pytest.CaptureFixture[str]) -> None:
    """150 sets of 50 articles. A true coverage of 95 % gives less than 90 % here once in 280 times (binomial), one of
    85 % gives more than 90 % once in 20; five false alarms in a hundred give more than 10 % once in 280 times."""
    module = script()
    found = module.coverage(50, 150)
    assert found.f1 >= 0.90
    assert found.difference >= 0.90
    assert found.alarms <= 0.10
    assert found.small >= 0.8
    assert module.main(["--sets", "2", "--sizes", "5", "10"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_the_simulations_truth_is_that_of_a_large_set() -> None:
    """The truth that coverage is held against, itself held against 200,000 articles."""
    module = script()
    base, new = module.two_systems(200_000, module.GAP, np.random.default_rng(0))
    ease = module.EASE[0] / sum(module.EASE) * (1 - module.GAP)
    assert span_f1(base.sum(axis=0)) == pytest.approx(module.true_f1(ease), abs=0.001)
    assert span_f1(new.sum(axis=0)) == pytest.approx(module.true_f1(ease + module.GAP), abs=0.001)
