"""How sure a figure is: bootstrap intervals, means over runs, and the paired test of two runs.

A figure is a measure of counts that add up over articles (or whatever the units are), so nothing here matches, reads
or knows a text: resamples recombine rows of counts. The intervals say what another set of articles of the kind might
give; they do not hold the spread over training seeds, which `over_runs` gives beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Row = Sequence[float]
Measure = Callable[[Row], float]
RESAMPLES = 1000
SWAPS = 9999  # random swaps of a paired test: its p-values are good to 0.005 at 0.05 (two standard errors)
LEVEL = 0.05  # p-values below it are called real; intervals are 1 - LEVEL
MATTERS = 0.02  # two points of F1: what a set must be able to show to be called large enough
FEWEST = 6  # differing articles: with fewer no two-sided p-value is below LEVEL, 2 / 2**5 being 0.0625
FEW_ARTICLES = 20  # below it intervals were seen to cover less than 93 % (scripts/interval_coverage.py)
_POWER = 0.8
_CHUNK = 100  # resamples summed at once: 100 x 10,000 articles of float64 are 8 MB
_KEPT = 20_000  # units up to which draws are kept for the next figure: 1000 x 20,000 of uint16 are 40 MB
_EXACT = 13  # differing articles up to which all 2**13 = 8192 swaps are counted
_TIE = 1e-12  # differences that rounding alone tells apart


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RunsEstimate:
    """A figure over several runs: mean, sample standard deviation (None for one run), and the 95 % bootstrap interval
    of the mean over the units. The interval speaks of other articles, the spread of other seeds."""

    by_run: tuple[float, ...]
    mean: float
    spread: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Two runs on the same articles; `difference` is new minus base, with the 95 % interval of the paired bootstrap.

    `p` is two-sided, by randomisation. `effect` is Cohen's d_z: the difference over the standard deviation of what
    single articles contribute to it (0 where none does). `detectable` is the true difference that a set of this size
    would show at p < 0.05 in 80 % of cases. `changed` of the `articles` have other counts in the two runs.
    """

    base: float
    new: float
    difference: float
    low: float
    high: float
    p: float
    effect: float
    detectable: float
    articles: int
    changed: int

    @property
    def real(self) -> bool:
        """Whether the test tells the runs apart at p < 0.05."""
        return self.p < LEVEL


def bootstrap(
    rows: Sequence[Row] | NDArray[np.float64], measure: Measure, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """95 % interval of `measure(sum of rows)` over draws of rows with replacement.

    `rows` is [units, k]: one row of additive counts per article or passage. The same seed, the same interval; figures
    of equally many units are taken on the same draws. Percentiles are widened for few units (see `_levels`).
    """
    if not len(rows):
        return Estimate(0.0, 0.0, 0.0)
    counts = np.asarray(rows, dtype=np.float64)
    values = _resampled(counts, measure, resamples, seed)
    low, high = np.percentile(values, _levels(len(counts)))
    return Estimate(measure(counts.sum(axis=0).tolist()), float(low), float(high))


def over_runs(runs: Sequence[Sequence[Row]], measure: Measure, seed: int = 0) -> RunsEstimate:
    """Mean and spread of one figure; `runs` is [runs, units, k], the same units in the same order (ValueError)."""
    width = len(runs[0][0]) if runs[0] else 0
    rows = [[count for row in unit for count in row] for unit in zip(*runs, strict=True)]
    starts = range(0, len(runs) * width, width)

    def mean(row: Row) -> float:
        return fmean(measure(row[start : start + width]) for start in starts)

    values = tuple(measure(np.sum(run, axis=0).tolist()) if len(run) else 0.0 for run in runs)
    interval = bootstrap(rows, mean, seed=seed)
    return RunsEstimate(values, fmean(values), stdev(values) if len(values) > 1 else None, interval.low, interval.high)


def paired(base: Sequence[Row], new: Sequence[Row], measure: Measure, seed: int = 0) -> Difference:
    """Compares two runs; `base` and `new` are [units, k], the same units in the same order (ValueError).

    The interval is that of a paired bootstrap (both runs on the same draw), the p-value that of approximate
    randomisation (Noreen 1989; Yeh 2000), exact where few units differ.
    """
    if len(base) != len(new):
        raise ValueError(f"runs are not aligned: {len(base)} units beside {len(new)}")
    if not base:
        return Difference(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0, 0)
    left, right = np.asarray(base, dtype=np.float64), np.asarray(new, dtype=np.float64)
    width = left.shape[1]

    def gain(row: Row) -> float:
        return measure(row[width:]) - measure(row[:width])

    values = _resampled(np.hstack([left, right]), gain, RESAMPLES, seed)
    low, high = np.percentile(values, _levels(len(left)))
    error = float(np.std(values, ddof=1))
    before, after = measure(left.sum(axis=0).tolist()), measure(right.sum(axis=0).tolist())
    return Difference(
        base=before,
        new=after,
        difference=after - before,
        low=float(low),
        high=float(high),
        p=_randomisation(left, right, measure, seed),
        effect=(after - before) / (error * len(left) ** 0.5) if error > _TIE else 0.0,
        detectable=float(norm.ppf(1 - LEVEL / 2) + norm.ppf(_POWER)) * error,
        articles=len(left),
        changed=int(_changed(left, right).sum()),
    )


def too_small(found: Difference) -> str | None:
    """Why the set cannot tell the two runs apart; None where it can, or where they are the same in every article.

    The rule: fewer than 6 articles differ (no p-value below 0.05 can come of them); or p is not below 0.05 and a true
    difference of two points would have been missed more than once in five times.
    """
    if not found.changed or found.real:
        return None
    if found.changed < FEWEST:
        return f"only {found.changed} of {found.articles} articles differ: no p-value below {LEVEL} can come of them"
    if found.detectable > MATTERS:
        points = 100 * MATTERS
        return f"{found.articles} articles are too few to tell: a true difference of {points:g} points is often missed"
    return None


def _levels(units: int) -> list[float]:
    """Percentiles of the ends of a 95 % interval: 2.5 and 97.5 for many units, further out for few.

    The plain percentile interval is too narrow by sqrt(1 - 1/n) and takes normal for Student quantiles; this is the
    expanded percentile interval of Hesterberg (2015), "What Teachers Should Know About the Bootstrap".
    """
    if units < 2:
        return [0.0, 100.0]
    wide = (units / (units - 1)) ** 0.5 * float(t.ppf(1 - LEVEL / 2, units - 1))
    tail = 100 * float(norm.cdf(-wide))
    return [tail, 100 - tail]


def _resampled(counts: NDArray[np.float64], measure: Measure, resamples: int, seed: int) -> list[float]:
    """[resamples] values of `measure` on sums of drawn rows."""
    return [measure(total) for drawn in _draws(len(counts), resamples, seed) for total in (drawn @ counts).tolist()]


def _draws(units: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each unit is drawn, [_CHUNK, units] at a time."""
    drawn = _kept_draws if units <= _KEPT else _new_draws
    for chunk in drawn(units, resamples, seed):
        yield chunk.astype(np.float64)


def _new_draws(units: int, resamples: int, seed: int) -> Iterator[NDArray[np.uint16]]:
    generator = np.random.default_rng(seed)
    chances = np.full(units, 1 / units)
    for first in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - first)
        yield generator.multinomial(units, chances, size=size).astype(np.uint16)


@lru_cache(maxsize=2)
def _kept_draws(units: int, resamples: int, seed: int) -> tuple[NDArray[np.uint16], ...]:
    """The draws as they are, since one report takes many figures on the same ones."""
    return tuple(_new_draws(units, resamples, seed))


def _changed(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((np.abs(left - right) > _TIE).any(axis=1))


def _randomisation(left: NDArray[np.float64], right: NDArray[np.float64], measure: Measure, seed: int) -> float:
    """Two-sided p-value of the difference, were it a toss of a coin which run has which of an article's two rows."""
    moved = (right - left)[_changed(left, right)]
    base, new = left.sum(axis=0), right.sum(axis=0)

    def gap(shift: NDArray[np.float64]) -> float:
        return abs(measure((new - shift).tolist()) - measure((base + shift).tolist()))

    seen = gap(np.zeros_like(base)) - _TIE
    exact = len(moved) <= _EXACT
    swaps = _all_swaps(len(moved)) if exact else _random_swaps(len(moved), seed)
    far = sum(gap(shift) >= seen for chosen in swaps for shift in chosen @ moved)
    return far / 2 ** len(moved) if exact else (far + 1) / (SWAPS + 1)


def _all_swaps(units: int) -> Iterator[NDArray[np.float64]]:
    numbers = np.arange(2**units)[:, None]
    yield (numbers >> np.arange(units) & 1).astype(np.float64)


def _random_swaps(units: int, seed: int) -> Iterator[NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    for first in range(0, SWAPS, _CHUNK):
        yield generator.integers(0, 2, (min(_CHUNK, SWAPS - first), units), dtype=np.int8).astype(np.float64)
