"""`rasid sweep`: one config trained with many settings, chosen among by a dev metric alone.

The sweep's folder holds a folder for each trial (config, log, metrics; no weights), a table of all (sweep.md,
sweep.json) and best.yaml, the config of the best, which `rasid train` takes. Started again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from rasid.config import Section, apply_overrides, dump_config, find_config, load_config, parse_config, read_tree
from rasid.errors import ConfigError, DataError, nearest
from rasid.tables import table

from .claim import claim
from .config import MEASURES, RunConfig
from .finetune import fit
from .processes import only_one
from .proposals import Range, Scored, Settings, Values, grid, optuna, random

BEST = "best.yaml"
_TRIAL = "trial.json"


class SweepConfig(Section):
    """A sweep file. `space` maps a config's keys, as `--set` takes them, to lists of values or ranges."""

    config: str
    output: Path
    metric: str  # an evaluation set and a measure, as a run prints them
    goal: Literal["max", "min"] = "max"
    method: Literal["grid", "random", "optuna"] = "grid"
    trials: int | None = Field(default=None, ge=1)  # for random and optuna
    seed: int = 0  # of the search
    seeds: tuple[int, ...] = Field(default=(1,), min_length=1)  # of training; a trial's score is their mean
    space: dict[str, Values] = Field(min_length=1)

    @model_validator(mode="after")
    def _trials_are_known(self) -> SweepConfig:
        if (self.method == "grid") != (self.trials is None):
            raise ValueError("trials is for method random or optuna, which need it; a grid has as many as it has")
        for key, values in self.space.items():
            if key.split(".")[0] in ("data", "evaluation", "output", "seeds"):
                raise ValueError(f"space.{key}: a sweep chooses on the dev set as it is; search over something else")
            if key == "training.seed":
                raise ValueError("space.training.seed: a seed is not a setting to choose; give seeds: [1, 2, 3]")
            if not isinstance(values, Range) and not values:
                raise ValueError(f"space.{key}: an empty list of values")
        return self


@dataclass(frozen=True)
class Trial:
    """A finished trial: its settings, the metric seed by seed, and the seconds of training."""

    number: int
    settings: Settings
    values: tuple[float, ...]
    seconds: float

    @property
    def score(self) -> float:
        return fmean(self.values)


def trial_config(sweep: SweepConfig, settings: Settings, overrides: list[str]) -> RunConfig:
    """The run config of a trial. Raises ConfigError for one that a sweep cannot choose on."""
    path = find_config(sweep.config)
    tree = apply_overrides(read_tree(path), overrides)
    apply_overrides(
        tree, [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in settings.items()]
    )
    config = parse_config(RunConfig, tree, str(path))
    for name, given in (("cross_validation", config.cross_validation), ("few_shot", config.few_shot)):
        if given:
            raise ConfigError(f"{path}: a sweep trains on sources and chooses on evaluation; take {name} out")
    if config.data.test is not None:
        raise ConfigError(f"{path}: data.test is for the model that was chosen; give it to `rasid train {BEST}`")
    known = [f"{set_}_{m}" for set_, s in config.evaluation.items() for m in MEASURES[config.heads[s.head].kind]]
    if sweep.metric not in known:
        raise ConfigError(f"metric: unknown metric {sweep.metric!r}{nearest(sweep.metric, known)}")
    return config


def propose(sweep: SweepConfig, before: list[Trial]) -> Settings | None:
    """The settings of the next trial; None when all are made."""
    number = len(before)
    if sweep.method == "grid":
        every = grid(sweep.space)
        return every[number] if number < len(every) else None
    if number >= (sweep.trials or 0):
        return None
    if sweep.method == "random":
        return random(sweep.space, sweep.seed, number)
    scored = [Scored(trial.settings, trial.score) for trial in before]
    return optuna(sweep.space, sweep.seed, number, scored, sweep.goal)


def run_trial(sweep: SweepConfig, config: RunConfig, number: int, settings: Settings) -> Trial:
    """Trains a trial with each of its seeds, or reads it where it was finished before with the same settings."""
    folder = sweep.output / f"trial-{number:03}"
    kept = folder / _TRIAL
    own = config.model_copy(update={"output": folder, "seeds": ()})
    claim(folder, own)
    if kept.is_file():
        tree = json.loads(kept.read_text(encoding="utf-8"))
        return Trial(number, tree["settings"], tuple(tree["values"]), tree["seconds"])
    values, seconds = [], 0.0
    for seed in sweep.seeds:
        result = fit(_of_seed(own, seed), folder / f"seed-{seed}", resume=True)
        if sweep.metric not in result.metrics:
            raise ConfigError(f"metric: a run has no {sweep.metric!r}{nearest(sweep.metric, result.metrics)}")
        values.append(result.metrics[sweep.metric])
        seconds += result.seconds
        shutil.rmtree(folder / f"seed-{seed}" / "checkpoints", ignore_errors=True)
    trial = Trial(number, settings, tuple(values), round(seconds, 1))
    dump_config(own, folder / "run.yaml")
    kept.write_text(json.dumps(asdict(trial), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return trial


def _of_seed(config: RunConfig, seed: int) -> RunConfig:
    return config.model_copy(update={"training": config.training | {"seed": seed}})


def best_of(trials: list[Trial], goal: str) -> Trial:
    """The best trial; of equals the first."""
    return max(trials, key=lambda trial: (trial.score if goal == "max" else -trial.score, -trial.number))


def render(sweep: SweepConfig, trials: list[Trial]) -> str:
    """All trials, the best first, as Markdown."""
    best = best_of(trials, sweep.goal)
    ranked = sorted(trials, key=lambda one: one.score, reverse=sweep.goal == "max")
    rows = [
        [str(one.number), *(_brief(one.settings[key]) for key in sweep.space), _value(one), f"{one.seconds:.0f}"]
        for one in ranked
    ]
    header = ["trial", *sweep.space, sweep.metric, "seconds"]
    how = f"{len(trials)} trials by {sweep.method}, {len(sweep.seeds)} seed(s) each, chosen by `{sweep.metric}`."
    note = "The best of many is lucky on the set that chose it: score it on another set before quoting a figure."
    lines = [how, note, "", table(header, rows), "", f"best: trial {best.number}, `rasid train {sweep.output / BEST}`"]
    return "\n".join(lines)


def _brief(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False).strip('"')


def _value(trial: Trial) -> str:
    spread = f" ± {stdev(trial.values):.4f}" if len(trial.values) > 1 else ""
    return f"{trial.score:.4f}{spread}"


def write_sweep(sweep: SweepConfig, trials: list[Trial], overrides: list[str]) -> str:
    """Writes the tables and best.yaml, and returns the page."""
    best = best_of(trials, sweep.goal)
    page = render(sweep, trials)
    tree = {
        "metric": sweep.metric,
        "method": sweep.method,
        "count": len(trials),
        "best": best.number,
        "trials": [asdict(trial) | {"score": trial.score} for trial in trials],
    }
    chosen = trial_config(sweep, best.settings, overrides)
    try:
        (sweep.output / "sweep.json").write_text(json.dumps(tree, ensure_ascii=False, indent=1) + "\n", "utf-8")
        (sweep.output / "sweep.md").write_text(page + "\n", "utf-8")
        dump_config(chosen.model_copy(update={"output": sweep.output / "best"}), sweep.output / BEST)
    except OSError as error:
        raise DataError(f"{sweep.output}: cannot be written ({error.strerror})") from None
    return page


def run_sweep(args: argparse.Namespace) -> int:
    """`rasid sweep`: every trial that is not made yet, then the table."""
    only_one("a sweep")
    sweep = load_config(SweepConfig, args.config)
    if args.output:
        sweep = sweep.model_copy(update={"output": args.output})
    trials: list[Trial] = []
    while (settings := propose(sweep, trials)) is not None:
        config = trial_config(sweep, settings, args.set)
        trial = run_trial(sweep, config, len(trials), settings)
        trials.append(trial)
        print(f"trial {trial.number}: {json.dumps(settings)} {sweep.metric} {_value(trial)}", flush=True)
    print(f"\n{write_sweep(sweep, trials, args.set)}")
    return 0
