"""How far scores are from the truth: calibration error, Brier score, log loss, and the diagram that shows it.

A score says how likely an answer is right; over many answers with a score of 0.8, eight in ten should be. Knows numbers
only: what was asked, of whom and with what answer stands elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rasid.errors import DataError
from rasid.metrics import ratio
from rasid.uncertainty import Estimate, Row, bootstrap

Floats = NDArray[np.floating]
BINS = 15  # Guo et al. 2017
_PANELS = 2  # of the diagram, side by side
_DRAWS = 200  # simulated perfect calibrations; their mean is good to a thousandth
_SURE = 1e-6  # a score of 0 or 1 that is wrong costs -ln of this, not infinity


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose scores lie in [low, high]: how many, their mean score, and the share that is right."""

    low: float
    high: float
    count: int
    score: float
    right: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Scores held against what is true, over `count` answers.

    `ece`: expected calibration error over equal-mass bins (Guo et al. 2017, with bins as of Nguyen & O'Connor 2015);
    `ece_width`: the same over bins of equal width. `chance`: what `ece` would be on average if the scores were exactly
    right, for want of answers; a small set cannot show less. `brier`, `nll`: mean squared error, and log loss in nats.
    Intervals are 95 % over groups (articles); resampling adds noise of its own, so that of `ece` lies high.
    """

    count: int
    ece: Estimate
    ece_width: float
    chance: float
    brier: Estimate
    nll: Estimate
    bins: tuple[Bin, ...]


def equal_mass(scores: Floats, bins: int = BINS) -> NDArray[np.intp]:
    """The bin of each score, [n] in 0..bins-1: as many answers in each as ties allow, equal scores in one bin."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, scores, side="left")


def equal_width(scores: Floats, bins: int = BINS) -> NDArray[np.intp]:
    """The bin of each score, [n] in 0..bins-1, each 1/bins wide."""
    return np.minimum((np.asarray(scores) * bins).astype(np.intp), bins - 1)


def _ece(row: Row, bins: int) -> float:
    """Calibration error from [count, sum of scores, sum of right] of every bin, and whatever follows them."""
    table = np.asarray(row[: 3 * bins]).reshape(bins, 3)
    return ratio(float(np.abs(table[:, 1] - table[:, 2]).sum()), float(table[:, 0].sum()))


def _mean(row: Row, bins: int, place: int) -> float:
    return ratio(row[3 * bins + place], sum(row[: 3 * bins : 3]))


def _rows(
    scores: Floats, right: Floats, groups: Sequence[int] | NDArray[np.integer], binned: NDArray[np.intp]
) -> NDArray[np.float64]:
    """One row of additive counts per group: three for every bin, then squared error and log loss."""
    sure = np.clip(scores, _SURE, 1 - _SURE)
    loss = -(right * np.log(sure) + (1 - right) * np.log(1 - sure))
    names, places = np.unique(np.asarray(groups), return_inverse=True)
    count, bins = len(names), int(binned.max()) + 1
    cells = places * bins + binned
    columns = [np.bincount(cells, weights, count * bins) for weights in (None, scores, right)]
    table = np.stack(columns, axis=1).reshape(count, 3 * bins)
    losses = [np.bincount(places, weights, count) for weights in ((scores - right) ** 2, loss)]
    return np.column_stack([table, *losses])


def _chance(scores: Floats, binned: NDArray[np.intp], seed: int) -> float:
    generator = np.random.default_rng(seed)
    gaps = []
    for _ in range(_DRAWS):  # one draw in memory: of 700,000 answers all of them would be 1 GB
        right = generator.random(len(scores)) < scores
        gaps.append(np.abs(np.bincount(binned, scores - right)).sum())
    return float(np.mean(gaps) / len(scores))


def reliability(
    scores: Sequence[float] | Floats,
    right: Sequence[bool] | NDArray[np.bool_],
    groups: Sequence[int] | NDArray[np.integer],
    seed: int = 0,
) -> Reliability:
    """What `scores` [n] in [0, 1] are worth, given which answers were `right` [n].

    `groups` [n] number the articles that the bootstrap draws. Without an answer all is nought.
    """
    own, true = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if not len(own):
        nothing = Estimate(0.0, 0.0, 0.0)
        return Reliability(0, nothing, 0.0, 0.0, nothing, nothing, ())
    binned = equal_mass(own)
    rows = _rows(own, true, groups, binned)
    wide = _rows(own, true, np.zeros(len(own), dtype=np.intp), equal_width(own))[0].tolist()
    bins = int(binned.max()) + 1
    return Reliability(
        count=len(own),
        ece=bootstrap(rows, partial(_ece, bins=bins), seed=seed),
        ece_width=_ece(wide, (len(wide) - 2) // 3),
        chance=_chance(own, binned, seed),
        brier=bootstrap(rows, partial(_mean, bins=bins, place=0), seed=seed),
        nll=bootstrap(rows, partial(_mean, bins=bins, place=1), seed=seed),
        bins=tuple(_bins(own, true, binned)),
    )


def _bins(scores: Floats, right: Floats, binned: NDArray[np.intp]) -> list[Bin]:
    found = []
    for number in np.unique(binned):
        own = binned == number
        ends = float(scores[own].min()), float(scores[own].max())
        found.append(Bin(*ends, int(own.sum()), float(scores[own].mean()), float(right[own].mean())))
    return found


def reliability_rows(found: Mapping[str, Reliability]) -> list[list[str]]:
    """Cells for `rasid.tables.table` under `RELIABILITY_HEADER`, one row for each set of scores that is not empty."""
    return [
        [name, str(each.count)]
        + [f"{number:.3f}" for number in (each.ece.value, each.ece.low, each.ece.high, each.chance, each.ece_width)]
        + [f"{number:.3f}" for one in (each.brier, each.nll) for number in (one.value, one.low, one.high)]
        for name, each in found.items()
        if each.count
    ]


RELIABILITY_HEADER = (
    *("scores", "answers", "ECE", "low", "high", "if exact", "equal width"),
    *("Brier", "low", "high", "log loss", "low", "high"),
)


def draw(found: Mapping[str, Reliability], path: Path) -> bool:
    """The reliability diagrams as one PNG, a panel for each set of scores; False where matplotlib is not installed.

    Raises DataError when the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:  # the `report` extra
        return False
    shown = {name: each for name, each in found.items() if each.count}
    rows = max(1, -(-len(shown) // _PANELS))
    figure = Figure(figsize=(4 * min(_PANELS, max(1, len(shown))), 4 * rows), layout="constrained")
    for number, (name, each) in enumerate(shown.items(), 1):
        panel = figure.add_subplot(rows, min(_PANELS, len(shown)), number)
        panel.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        sizes = [12 + 300 * one.count / each.count for one in each.bins]
        panel.scatter([one.score for one in each.bins], [one.right for one in each.bins], s=sizes, alpha=0.8)
        panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share right", aspect="equal")
        panel.set_title(f"{name}: ECE {each.ece.value:.3f}, {each.count} answers", fontsize=9)
    FigureCanvasAgg(figure)
    try:
        with path.open("wb") as stream:
            figure.savefig(stream, format="png", dpi=120)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
    return True
