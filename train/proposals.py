"""What a sweep tries: the settings of trial N, by grid, at random, or by Optuna's TPE from the trials before it.

A trial's settings depend on the space, the seed, its number and (Optuna) the scores before it, so a sweep that was
stopped goes on with the trials that it would have made. Knows nothing of training.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from rasid.config import Section
from rasid.errors import ConfigError

Settings = dict[str, Any]


class Range(Section):
    """Numbers from `low` to `high`, evenly or (`log`) by their logarithms; whole ones where both ends and the step are
    whole."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0, and takes no step")
        return self

    @property
    def whole(self) -> bool:
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    def draw(self, random: np.random.Generator) -> int | float:
        """A number of the range."""
        if self.whole or self.step is not None:
            step = self.step or 1
            count = math.floor((self.high - self.low) / step + 1e-9) + 1
            place = self._log_place(random, count) if self.log else int(random.integers(count))
            value = self.low + place * step
            return value if self.whole else round(value, 12)
        if self.log:
            return float(math.exp(random.uniform(math.log(self.low), math.log(self.high))))
        return float(random.uniform(self.low, self.high))

    def _log_place(self, random: np.random.Generator, count: int) -> int:
        drawn = math.exp(random.uniform(math.log(self.low), math.log(self.high + 1)))
        return min(count - 1, int(drawn) - int(self.low))


# By what is written: a mapping is a range, so that its own mistakes are told and not that it is no list.
Values = Annotated[
    Annotated[tuple[Any, ...], Tag("list")] | Annotated[Range, Tag("range")],
    Discriminator(lambda value: "range" if isinstance(value, dict | Range) else "list"),
]
Space = Mapping[str, tuple[Any, ...] | Range]


@dataclass(frozen=True)
class Scored:
    """A finished trial, as a proposer sees it."""

    settings: Settings
    score: float


def grid(space: Space) -> list[Settings]:
    """Every combination, the last key moving fastest. Raises ConfigError for a range, which has no end of values."""
    for key, values in space.items():
        if isinstance(values, Range):
            raise ConfigError(f"space.{key}: a grid needs a list of values; a range is for method random or optuna")
    lists = [values for values in space.values() if not isinstance(values, Range)]
    return [dict(zip(space, chosen, strict=True)) for chosen in itertools.product(*lists)]


def random(space: Space, seed: int, number: int) -> Settings:
    """Trial `number` of a random search, counted from 0."""
    generator = np.random.default_rng((seed, number))
    return {
        key: values.draw(generator) if isinstance(values, Range) else values[int(generator.integers(len(values)))]
        for key, values in space.items()
    }


def optuna(space: Space, seed: int, number: int, before: Sequence[Scored], goal: str) -> Settings:
    """Trial `number` of a search by Optuna's TPE, given all trials before it."""
    try:
        import optuna as library
    except ImportError:
        raise ConfigError("method: optuna is not installed; pip install 'rasid[sweep]', or take random") from None
    library.logging.set_verbosity(library.logging.WARNING)
    sampler = library.samplers.TPESampler(seed=int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
    study = library.create_study(direction="maximize" if goal == "max" else "minimize", sampler=sampler)
    kinds = {key: _distribution(library, values) for key, values in space.items()}
    for one in before:
        # Optuna takes lists and mappings for values of a choice only by their place.
        places = {key: _place(values, one.settings[key]) for key, values in space.items()}
        study.add_trial(library.trial.create_trial(params=places, distributions=kinds, value=one.score))
    found = study.ask(kinds).params
    return {key: found[key] if isinstance(v, Range) else v[found[key]] for key, v in space.items()}


def _distribution(library: Any, values: tuple[Any, ...] | Range) -> Any:
    if not isinstance(values, Range):
        return library.distributions.CategoricalDistribution(tuple(range(len(values))))
    whole = library.distributions.IntDistribution, {"step": values.step or 1}
    real = library.distributions.FloatDistribution, {"step": values.step}
    kind, options = whole if values.whole else real
    return kind(values.low, values.high, log=values.log, **options)


def _place(values: tuple[Any, ...] | Range, value: Any) -> Any:
    return value if isinstance(values, Range) else values.index(value)
