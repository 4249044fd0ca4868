"""Sections of a run config that say how a run learns: a head's loss, adapters, when to stop. Plain values, checked."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from rasid.config import Section

_PLAIN, _WEIGHTED, _FOCAL = "plain", "weighted", "focal"


class LossSection(Section):
    """What a wrong answer of a head costs; `loss: weighted` and `loss: focal` are short for the usual settings.

    `weights` multiply the cost by gold label: a number for some labels (others cost 1), or `balanced`, the inverse of
    how often a label stands in the training rows, to the `power`, with mean 1. Of a `tokens` head they weigh the words
    inside entities of a type. `gamma` is that of the focal loss, (1 - p) ** gamma (Lin et al. 2017).
    """

    weights: dict[str, float] | Literal["balanced"] | None = None
    power: float = Field(default=1.0, gt=0.0, le=1.0)
    gamma: float = Field(default=0.0, ge=0.0)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        names: dict[str, dict[str, Any]] = {_PLAIN: {}, _WEIGHTED: {"weights": "balanced"}, _FOCAL: {"gamma": 2.0}}
        if isinstance(value, str):
            if value not in names:
                raise ValueError(f"unknown loss {value!r}; known: {', '.join(names)}, or weights, power and gamma")
            return names[value]
        return value

    @field_validator("weights")
    @classmethod
    def _above_nought(cls, value: dict[str, float] | str | None) -> dict[str, float] | str | None:
        for label, weight in value.items() if isinstance(value, dict) else ():
            if not weight > 0:
                raise ValueError(f"the weight of {label} must be above 0, got {weight}")
        return value

    @model_validator(mode="after")
    def _power_is_for_balanced(self) -> LossSection:
        if self.power != 1.0 and self.weights != "balanced":
            raise ValueError("power is for weights: balanced")
        return self


class EarlyStopping(Section):
    """Training ends after `patience` evaluations that do not better `metric` by more than `least`; the best checkpoint
    is the model. `metric` is an evaluation set and a measure, as a run prints them: `dev_span_f1`."""

    metric: str
    patience: int = Field(default=3, ge=1)
    least: float = Field(default=0.0, ge=0.0)  # a smaller gain counts as none
    goal: Literal["max", "min"] = "max"


class Lora(Section):
    """Adapters in place of the encoder's own weights (Hu et al. 2021, by peft); heads are trained in full.

    `targets` are names of the encoder's linear layers, or all of them. Merged into the weights when training is done.
    """

    r: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.05, ge=0.0, lt=1.0)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
