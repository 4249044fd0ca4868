"""The gate file: what a report must hold for a change to be merged, checked like a run config.

It knows limits by the names of figures; what the figures are, and whether they keep the limits, is said elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from rasid.config import Section, parse_config, read_tree

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Points = Annotated[float, Field(ge=0.0, le=100.0)]  # 100 times a share
Number = Annotated[int, Field(ge=1)]


class Floor(Section):
    """The least that a figure may be, and the least that the low end of its 95 % interval may be."""

    value: Share | None = None
    low: Share | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Floor:
        if self.value is None and self.low is None:
            raise ValueError("a floor needs a value, a low or both")
        return self


class SliceLimit(Section):
    """Of one perturbed spelling: the most points of F1 that it may cost, and the least F1 under it (nested, strict)."""

    loss: Points | None = None
    f1: Share | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> SliceLimit:
        if self.loss is None and self.f1 is None:
            raise ValueError("a slice needs a loss, an f1 or both")
        return self


class Regressions(Section):
    """Points that a figure may lose against the baseline, by name or pattern (`of which *`).

    What is lost beyond that counts when the paired test calls it real; `level` is the chance of a false alarm among all
    the figures together (Holm 1979).
    """

    level: float = Field(default=0.05, gt=0.0, lt=1.0)
    allowed: dict[str, Points] = Field(min_length=1)


class Minimum(Section):
    """How much there must be for the other gates to mean something: articles, gold items of a figure, scored answers of
    a kind, and the true loss in points that the test against the baseline shows in 80 % of cases."""

    articles: Number | None = None
    gold: dict[str, Number] = Field(default_factory=dict)
    answers: dict[str, Number] = Field(default_factory=dict)
    detectable: dict[str, Points] = Field(default_factory=dict)


def _as(key: str) -> BeforeValidator:
    """Takes a bare number for the section's one usual key."""

    def widened(value: Any) -> Any:
        return {key: value} if isinstance(value, int | float) and not isinstance(value, bool) else value

    return BeforeValidator(widened)


class Gate(Section):
    """A gate file. Figures are named as `rasid compare` prints them."""

    minimum: Minimum = Minimum()
    floors: dict[str, Annotated[Floor, _as("value")]] = Field(default_factory=dict)
    regressions: Regressions | None = None
    slices: dict[str, Annotated[SliceLimit, _as("loss")]] = Field(default_factory=dict)
    calibration: dict[str, Share] = Field(default_factory=dict)  # the greatest ECE of a kind of scores

    @model_validator(mode="after")
    def _asks_for_something(self) -> Gate:
        if self == Gate.model_construct():
            raise ValueError("a gate file that demands nothing lets everything pass; give floors, regressions, slices, "
                             "calibration or minimum")  # fmt: skip
        return self

    @property
    def needs_baseline(self) -> bool:
        return self.regressions is not None or bool(self.minimum.detectable)


def load_gate(path: Path) -> Gate:
    """A gate file. Raises ConfigError in one line that names the key and what is allowed."""
    return parse_config(Gate, read_tree(path), str(path))
