"""How a pretraining run spends its budget: the share that is spent, the learning rate, and the length of its rows.

Everything is a function of the share of the budget spent, so a run that is resumed, or given more, keeps its shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import model_validator

from rasid.config import Section


class Budget(Section):
    """How long to train: minutes of training on this machine, or tokens. Exactly one."""

    minutes: float | None = None
    tokens: int | None = None

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if (self.minutes is None) == (self.tokens is None):
            raise ValueError("give either minutes or tokens")
        return self


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    tokens: int = 0
    minutes: float = 0.0

    def share(self, budget: Budget) -> float:
        spent = self.minutes / budget.minutes if budget.minutes else self.tokens / (budget.tokens or 1)
        return min(1.0, spent)


class Rate(Section):
    """The learning rate: a linear rise over `warmup` of the budget, then a fall to nothing. `trapezoid` holds the peak
    until the last `decay` of the budget, which lets a run be prolonged from before the fall (Hu et al. 2024)."""

    peak: float = 1.5e-3
    warmup: float = 0.03
    shape: Literal["linear", "cosine", "trapezoid"] = "linear"
    decay: float = 0.3

    def at(self, share: float) -> float:
        if share < self.warmup:
            return self.peak * max(share / self.warmup, 1e-3)
        fallen = (share - self.warmup) / (1.0 - self.warmup)
        if self.shape == "cosine":
            return self.peak * 0.5 * (1.0 + math.cos(math.pi * fallen))
        if self.shape == "trapezoid":
            return self.peak * min(1.0, (1.0 - share) / self.decay)
        return self.peak * (1.0 - fallen)


class Stage(Section):
    """Rows of `length` pieces, special tokens included, until `until` of the budget is spent."""

    length: int = 128
    until: float = 1.0


def stage_at(stages: tuple[Stage, ...], share: float) -> Stage:
    return next((stage for stage in stages if share < stage.until), stages[-1])
