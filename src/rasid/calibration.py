"""Calibration: the maps that turn a head's raw scores into probabilities, saved with the head in config.json.

A span's raw score is the geometric mean of its labels' probabilities, a class's is the head's softmax; neither says how
often it is right. The numbers here do: they are fitted after training (`rasid.train.calibrate`), on predictions for
texts that the model has not learnt from. A span's map is increasing, so it changes no order, and it is applied to spans
that are decided already: calibration never changes which spans are found. Knows numbers only.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rasid.config import Section

Floats = NDArray[np.floating]
Numbers = NDArray[np.intp]
_EDGE = 1e-6  # scores are held off 0 and 1 by this much: their logarithms must be finite


class Calibration(Section):
    """A head's part of `calibration` in config.json; the defaults change nothing.

    A span: p = sigmoid(logit(score) / temperature + bias[0]), Platt scaling (Platt 1999). Classes:
    p = softmax(ln(score) / temperature + bias), temperature scaling (Guo et al. 2017) with a bias per class. A stance
    takes a side only where the side's probability is at least `least`, and is `none` otherwise. The mean of several
    passages is less sure than it should be: `article_temperature`, taken on it once more, mends that. `asked` says
    which questions to a `pair` head the numbers were fitted on, those with mentions of their target or those with the
    words alone: the two are answered in different ways, and the others keep their scores.
    """

    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    bias: tuple[float, ...] = ()
    least: float = Field(default=0.0, ge=0, le=1)
    article_temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    asked: Literal["mentioned", "alone"] | None = None  # all questions, where it is not said
    fitted_on: str = ""  # the data, in words
    answers: int = Field(default=0, ge=0)  # how many predictions that was

    @property
    def changes_nothing(self) -> bool:
        """Whether scores stay as they are, to the last digit."""
        return self.temperature == 1 and not any(self.bias)

    def spans(self, scores: Floats) -> Floats:
        """Probabilities that spans of these raw scores [n] are right: both ends, and the type."""
        if self.changes_nothing:
            return scores
        return sigmoid(logit(scores) / self.temperature + (self.bias[0] if self.bias else 0.0))

    def classes(self, probabilities: Floats) -> Floats:
        """Probabilities of classes from a head's own, both (n, classes)."""
        if self.changes_nothing or not len(probabilities):
            return probabilities
        logits = log(probabilities) / self.temperature
        return softmax(logits + np.asarray(self.bias) if self.bias else logits).astype(probabilities.dtype)

    def answers_for(self, alone: bool) -> bool:
        """Whether the numbers are for questions with the words `alone`, or else for those with mentions."""
        return self.asked is None or alone == (self.asked == "alone")

    def article(self, probabilities: Floats) -> Floats:
        """Class probabilities [classes] of an article from the calibrated ones of its passages (passages, classes)."""
        mean: Floats = probabilities.mean(axis=0)
        return mean if self.article_temperature == 1 else softmax(log(mean[None]) / self.article_temperature)[0]


NOTHING = Calibration()


def decided(probabilities: Floats, none: int, least: float = 0.0) -> Numbers:
    """The class [n] that each row of (n, classes) takes: the likeliest, but class `none` where that is as likely, or
    where the likeliest does not reach `least`."""
    best = probabilities.argmax(axis=1)
    rows = np.arange(len(probabilities))
    sure = (probabilities[rows, best] > probabilities[:, none]) & (probabilities[rows, best] >= least)
    return np.where(sure, best, none)


def log(probabilities: Floats) -> Floats:
    """Natural logarithm, finite at nought."""
    return np.asarray(np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _EDGE)))


def logit(scores: Floats) -> Floats:
    """Log odds, finite at 0 and 1."""
    kept = np.clip(np.asarray(scores, dtype=np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def sigmoid(logits: Floats) -> Floats:
    """The probability of log odds."""
    return np.asarray(1 / (1 + np.exp(-logits)))


def softmax(logits: Floats) -> Floats:
    """Rows (n, classes) that add up to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
