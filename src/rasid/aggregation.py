"""From passages to an article: one stance from the class probabilities of the passages that speak of a target.

Besides the plain mean of probabilities, four ways that give each side a score in log-odds against `none`; a side is
taken when its score is above 0, else the answer is `none`. Which one a model uses stands in its config.json and was
chosen by cross-validation (docs/decisions/0009-stance-designs.md). Knows nothing of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rasid.labels import STANCES

Floats = NDArray[np.floating]
_NONE = STANCES.index("none")
_SIDES = [number for number, label in enumerate(STANCES) if label != "none"]
_LEAST = 1e-6  # probability; keeps log-odds finite


def _odds(probabilities: Floats) -> Floats:
    """(passages, 3) to log-odds (passages, 2) of each side against `none`."""
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST))
    odds: Floats = logs[:, _SIDES] - logs[:, [_NONE]]
    return odds


def mean_odds(probabilities: Floats) -> Floats:
    """The mean of the passages' log-odds."""
    found: Floats = _odds(probabilities).mean(axis=0)
    return found


def strongest(probabilities: Floats) -> Floats:
    """The strongest passage's log-odds."""
    found: Floats = _odds(probabilities).max(axis=0)
    return found


def noisy_or(probabilities: Floats) -> Floats:
    """The log-odds that at least one passage takes the side, passages taken as independent (Pearl 1988)."""
    sides = np.asarray(probabilities, dtype=np.float64)[:, _SIDES]
    nobody = np.clip((1 - sides).prod(axis=0), _LEAST, 1 - _LEAST)
    found: Floats = np.log1p(-nobody) - np.log(nobody)
    return found


def two_strongest(probabilities: Floats) -> Floats:
    """The mean log-odds of the two strongest passages: one passage by itself makes no article, unless there is only
    one."""
    found: Floats = np.sort(_odds(probabilities), axis=0)[-2:].mean(axis=0)
    return found


AGGREGATIONS: dict[str, Callable[[Floats], Floats]] = {
    "mean-odds": mean_odds,
    "strongest": strongest,
    "noisy-or": noisy_or,
    "two-strongest": two_strongest,
}
MEAN = "mean"
NAMES = (MEAN, *AGGREGATIONS)


def article_probabilities(passages: Floats | Sequence[Sequence[float]], how: str = MEAN) -> Floats:
    """The article's class probabilities (3,) in the order of `STANCES`, from its passages' (passages, 3)."""
    rows = np.asarray(passages)
    if how == MEAN:
        mean: Floats = rows.mean(axis=0)
        return mean
    scores = AGGREGATIONS[how](rows)
    logits = np.zeros(len(STANCES))
    logits[_SIDES] = scores
    logits = np.exp(logits - logits.max())
    found: Floats = logits / logits.sum()
    return found
