"""Fits of calibration maps: from a head's predictions on held-out texts, and what came of them, to probabilities.

Knows numbers only. Every fit takes the least log loss under a weak prior around changing nothing, so that what little
data cannot tell does not run away. `held_out` applies a fit to each article from the others alone: what is said of a
fit's worth is said of articles that it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize

from rasid.calibration import Calibration, Floats, Numbers, log, logit, sigmoid

_PRIOR = 1.0  # standard deviation of a bias, and of the temperature's logarithm, before any data
_FOLDS = 5  # parts of a set with more groups than this; a set of few articles leaves out one at a time
_FEW_GROUPS = 10


@dataclass(frozen=True)
class SpanTrials:
    """Predicted spans and what came of them: raw scores [n], types [n], right or not [n], article numbers [n]."""

    scores: Floats
    types: NDArray[np.str_]
    right: NDArray[np.bool_]
    groups: Numbers

    def __len__(self) -> int:
        return len(self.scores)

    def where(self, chosen: NDArray[np.bool_]) -> SpanTrials:
        return SpanTrials(self.scores[chosen], self.types[chosen], self.right[chosen], self.groups[chosen])


@dataclass(frozen=True)
class ClassTrials:
    """Questions to a `pair` head: raw probabilities (n, classes), gold class numbers [n], article numbers [n]."""

    probabilities: Floats
    gold: Numbers
    groups: Numbers

    def __len__(self) -> int:
        return len(self.gold)

    def where(self, chosen: NDArray[np.bool_]) -> ClassTrials:
        return ClassTrials(self.probabilities[chosen], self.gold[chosen], self.groups[chosen])


SpanMap = Callable[[SpanTrials], Floats]
ClassMap = Callable[[ClassTrials], Floats]


def _least(loss: Callable[[Floats], float], free: int) -> Floats:
    """The numbers [free] that minimise a smooth loss and the prior, begun at nought."""

    def whole(values: Floats) -> float:
        return loss(values) + float((values**2).sum()) / (2 * _PRIOR**2)

    return np.asarray(minimize(whole, np.zeros(free), method="L-BFGS-B").x)


def _span_loss(trials: SpanTrials, logits: Floats) -> float:
    return float((np.logaddexp(0, logits) - trials.right * logits).sum())


def span_temperature(trials: SpanTrials) -> Calibration:
    """One temperature for all spans of a head."""
    logits = logit(trials.scores)
    found = _least(lambda free: _span_loss(trials, logits * np.exp(free[0])), 1)
    return Calibration(temperature=float(np.exp(-found[0])), answers=len(trials))


def span_platt(trials: SpanTrials) -> Calibration:
    """Temperature and bias on the logit of a span's score."""
    logits = logit(trials.scores)
    found = _least(lambda free: _span_loss(trials, logits * np.exp(free[0]) + free[1]), 2)
    return Calibration(temperature=float(np.exp(-found[0])), bias=(float(found[1]),), answers=len(trials))


def span_types(trials: SpanTrials) -> SpanMap:
    """As `span_platt`, with a bias of its own for each type, drawn towards the common one by the prior."""
    names = sorted(set(trials.types.tolist()))
    logits, kinds = logit(trials.scores), np.searchsorted(names, trials.types)
    found = _least(
        lambda free: _span_loss(trials, logits * np.exp(free[0]) + free[1] + free[2:][kinds]), 2 + len(names)
    )
    of_type = dict(zip(names, found[2:].tolist(), strict=True))

    def apply(others: SpanTrials) -> Floats:
        own = np.array([of_type.get(name, 0.0) for name in others.types.tolist()])
        return sigmoid(logit(others.scores) * np.exp(found[0]) + found[1] + own)

    return apply


def span_isotonic(trials: SpanTrials) -> SpanMap:
    """The best non-decreasing steps (Zadrozny & Elkan 2002), with straight lines between them."""
    order = np.argsort(trials.scores, kind="stable")
    steps = isotonic_regression(trials.right[order].astype(np.float64)).x
    return lambda others: np.interp(others.scores, trials.scores[order], steps)


def _class_loss(trials: ClassTrials, logits: Floats) -> float:
    top = logits.max(axis=1)
    total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float((total - logits[np.arange(len(trials)), trials.gold]).sum())


def class_temperature(trials: ClassTrials) -> Calibration:
    """One temperature for the classes of a head."""
    logits = log(trials.probabilities)
    found = _least(lambda free: _class_loss(trials, logits * np.exp(free[0])), 1)
    return Calibration(temperature=float(np.exp(-found[0])), answers=len(trials))


def class_bias(trials: ClassTrials) -> Calibration:
    """Temperature and a bias for each class."""
    logits = log(trials.probabilities)
    found = _least(lambda free: _class_loss(trials, logits * np.exp(free[0]) + free[1:]), 1 + logits.shape[1])
    bias = tuple(float(value) for value in found[1:])
    return Calibration(temperature=float(np.exp(-found[0])), bias=bias, answers=len(trials))


def parts(groups: Numbers) -> Numbers:
    """The part [n] in which each trial is held out: its article's own, or of many articles a fifth of them, in
    order (neighbours may be of one article where a set does not say)."""
    names, numbers = np.unique(groups, return_inverse=True)
    return numbers if len(names) <= _FEW_GROUPS else numbers * _FOLDS // len(names)


def held_out_spans(trials: SpanTrials, fit: Callable[[SpanTrials], Calibration | SpanMap]) -> Floats:
    """Probabilities [n] of all trials, each by a fit on the parts that it is not in."""
    found, part = np.array(trials.scores, dtype=np.float64), parts(trials.groups)
    for number in np.unique(part):
        own = part == number
        fitted, asked = fit(trials.where(~own)), trials.where(own)
        found[own] = fitted.spans(asked.scores) if isinstance(fitted, Calibration) else fitted(asked)
    return found


def held_out_classes(trials: ClassTrials, fit: Callable[[ClassTrials], Calibration]) -> Floats:
    """Probabilities (n, classes) of all trials, each by a fit on the parts that it is not in."""
    found, part = np.array(trials.probabilities, dtype=np.float64), parts(trials.groups)
    for number in np.unique(part):
        own = part == number
        found[own] = fit(trials.where(~own)).classes(trials.probabilities[own])
    return found


# The fits that are kept; all are compared in every report (docs/decisions/0007-calibration.md says why these).
SPAN_FIT, fit_span = "temperature and bias", span_platt
CLASS_FIT, fit_class = "temperature", class_temperature
SPAN_FITS: dict[str, Callable[[SpanTrials], Calibration | SpanMap]] = {
    "raw": lambda _: Calibration(),
    "temperature": span_temperature,
    "temperature and bias": span_platt,
    "bias per type": span_types,
    "isotonic": span_isotonic,
}
CLASS_FITS: dict[str, Callable[[ClassTrials], Calibration]] = {
    "raw": lambda _: Calibration(),
    "temperature": class_temperature,
    "temperature and bias per class": class_bias,
}
