"""How often the 95 % intervals hold the truth, and how often the paired test cries wolf, where the truth is known.

Articles are drawn from a made-up population in which some are long and some are hard, so that errors cluster by
article. Its true F1 and the true difference of two systems are ratios of expectations, so no sampling is needed to
know them. It prints, for several sizes of a test set: the share of bootstrap intervals of the F1 that hold the truth,
the same of the paired difference, the share of p-values below 0.05 where the two systems are equally good (false
alarms) and where one finds 3 % more of the gold, 1.8 points of F1 (power), and the share of the equal pairs whose set
was called too small.

    python scripts/interval_coverage.py --sets 2000
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rasid.metrics import span_f1
from rasid.tables import table
from rasid.uncertainty import LEVEL, bootstrap, paired, too_small

SIZES = (5, 10, 20, 50, 100, 200)
LENGTH = 12.0  # mean entities of an article; their number is negative binomial, as lengths of articles are skewed
SHAPE = 2.0
EASE = (8.0, 2.0)  # beta of the share of an article's entities that are found: mean 0.8, standard deviation 0.12
SPURIOUS = 0.15  # wrong entities per entity of the gold
GAP = 0.03  # by how much more the better system finds
HEADER = ("articles", "F1 covered", "difference covered", "false alarms", "power at 3 % recall", "called too small")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares of the simulated sets; see the module's docstring."""

    articles: int
    f1: float
    difference: float
    alarms: float
    power: float
    small: float


def true_f1(ease: float) -> float:
    """F1 of the population for a system that finds `ease` of the entities on average."""
    return 2 * ease / (ease + SPURIOUS + 1)


def two_systems(articles: int, gap: float, generator: np.random.Generator) -> list[NDArray[np.float64]]:
    """Rows [correct, predicted, gold] of two systems on one drawn set; the second finds `gap` more of every article.

    Hard articles are hard for both. An article's ease is scaled so that adding `gap` cannot leave [0, 1].
    """
    gold = generator.negative_binomial(SHAPE, SHAPE / (SHAPE + LENGTH), articles) + 1
    ease = generator.beta(*EASE, articles) * (1 - GAP)
    systems = []
    for more in (0.0, gap):
        correct = generator.binomial(gold, ease + more)
        predicted = correct + generator.poisson(SPURIOUS * gold)
        systems.append(np.stack([correct, predicted, gold], axis=1).astype(np.float64))
    return systems


def coverage(articles: int, sets: int, seed: int = 0) -> Coverage:
    """Simulates `sets` test sets of so many articles."""
    generator = np.random.default_rng([seed, articles])
    mean = EASE[0] / sum(EASE) * (1 - GAP)
    first, second = true_f1(mean), true_f1(mean + GAP)
    held, difference, alarms, power, small = [], [], [], [], []
    for number in range(sets):
        base, new = (rows.tolist() for rows in two_systems(articles, GAP, generator))
        found = bootstrap(base, span_f1, seed=number)
        held.append(found.low <= first <= found.high)
        unlike = paired(base, new, span_f1, seed=number)
        difference.append(unlike.low <= second - first <= unlike.high)
        power.append(unlike.real)
        base, new = (rows.tolist() for rows in two_systems(articles, 0.0, generator))
        alike = paired(base, new, span_f1, seed=number)
        alarms.append(alike.p < LEVEL)
        small.append(too_small(alike) is not None)
    shares = [sum(each) / sets for each in (held, difference, alarms, power, small)]
    return Coverage(articles, *shares)


def render(found: Sequence[Coverage]) -> str:
    """The shares as a table, a row for each size of a set."""
    rows = [
        [str(each.articles), *(f"{x:.1%}" for x in (each.f1, each.difference, each.alarms, each.power, each.small))]
        for each in found
    ]
    return table(HEADER, rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sets", type=int, default=2000, metavar="N", help="simulated sets per size (default: 2000)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="articles in a set")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    args = parser.parse_args(argv)
    print(render([coverage(size, args.sets, args.seed) for size in args.sizes]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
