"""Sweeps: what is tried, that a stopped one goes on, and what may not choose."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from rasid.config import parse_config
from rasid.errors import ConfigError
from rasid.train import sweep as module
from rasid.train.config import load_run_config
from rasid.train.finetune import Result
from rasid.train.proposals import Range, Scored, grid, optuna, random
from rasid.train.sweep import SweepConfig, Trial, best_of, run_sweep

RATE = Range(low=1e-5, high=1e-3, log=True)


@pytest.fixture
def file(tiny_encoder: Path, tmp_path: Path) -> Path:
    """A sweep file and the run config that it searches over."""
    corpus = tmp_path / "set.tsv"
    corpus.write_text("زار\tO\nسامر\tB-PERS\nالميناء\tB-LOC\n.\tO\n\n" * 8, encoding="utf-8")
    source = {"head": "h", "reader": "conll", "path": str(corpus)}
    run = {
        "encoder": str(tiny_encoder),
        "output": str(tmp_path / "run"),
        "heads": {"h": {"kind": "tokens", "inventory": "anercorp"}},
        "sources": {"train": source},
        "evaluation": {"dev": source},
        "precision": "fp32",
        "training": {"num_train_epochs": 1, "disable_tqdm": True, "save_strategy": "no"},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    return _write(tmp_path, space={"training.learning_rate": [1e-5, 1e-2], "word_dropout": [0.0, 0.2]})


def _write(folder: Path, **changes: Any) -> Path:
    tree = {"config": str(folder / "run.yaml"), "output": str(folder / "sweep"), "metric": "dev_strict_f1"}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(tree | changes))
    return folder / "sweep.yaml"


def _args(file: Path, *overrides: str) -> argparse.Namespace:
    return argparse.Namespace(config=str(file), set=list(overrides), output=None)


def test_a_grid_has_every_combination() -> None:
    found = grid({"a": (1, 2), "b": ("x", "y")})
    assert [(one["a"], one["b"]) for one in found] == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    with pytest.raises(ConfigError, match=r"space.rate: a grid needs a list of values"):
        grid({"rate": RATE})


def test_random_trials_are_of_the_space_and_come_again() -> None:
    space = {
        "rate": RATE,
        "count": Range(low=2, high=8, step=3),
        "share": Range(low=0.0, high=0.3, step=0.1),
        "k": ("a", "b"),
    }
    trials = [random(space, 1, number) for number in range(300)]
    assert trials == [random(space, 1, number) for number in range(300)]
    assert trials[0] != random(space, 2, 0)
    logs = [math.log10(trial["rate"]) for trial in trials]
    assert all(-5 <= log <= -3 for log in logs)
    assert sum(log < -4 for log in logs) == pytest.approx(150, abs=40)  # evenly by the logarithm
    assert {trial["count"] for trial in trials} == {2, 5, 8}
    assert {trial["share"] for trial in trials} == {0.0, 0.1, 0.2, 0.3}
    assert {trial["k"] for trial in trials} == {"a", "b"}
    whole = [random({"n": Range(low=1, high=100, log=True)}, 0, number)["n"] for number in range(300)]
    assert min(whole) >= 1
    assert max(whole) <= 100
    assert sum(n < 10 for n in whole) > 100


def test_optuna_learns_from_the_trials_before() -> None:
    pytest.importorskip("optuna", reason="the extra `sweep` is not installed")
    space = {"x": Range(low=0.0, high=1.0), "kind": ([1], [2])}
    before: list[Scored] = []
    for number in range(30):
        settings = optuna(space, 0, number, before, "max")
        assert settings == optuna(space, 0, number, before, "max")
        before.append(Scored(settings, -((settings["x"] - 0.8) ** 2) - (settings["kind"] == [1])))
    late = [one.settings for one in before[-10:]]
    assert sum(abs(one["x"] - 0.8) < 0.2 for one in late) >= 7
    assert sum(one["kind"] == [2] for one in late) >= 7


def test_a_sweep_leaves_a_table_and_a_config_that_train_takes(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_sweep(_args(file)) == 0
    page = (tmp_path / "sweep" / "sweep.md").read_text(encoding="utf-8")
    assert page.strip() in capsys.readouterr().out
    assert page.startswith("4 trials by grid, 1 seed(s) each, chosen by `dev_strict_f1`.")
    tree = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert tree["count"] == len(tree["trials"]) == 4
    best = max(tree["trials"], key=lambda one: one["score"])
    config = load_run_config(str(tmp_path / "sweep" / "best.yaml"))
    chosen = tree["trials"][tree["best"]]
    assert chosen["score"] == best["score"]
    assert config.training["learning_rate"] == chosen["settings"]["training.learning_rate"]
    assert config.word_dropout == chosen["settings"]["word_dropout"]
    assert config.output == tmp_path / "sweep" / "best"


def test_a_stopped_sweep_goes_on(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []

    def fit(config: Any, folder: Path, resume: bool) -> Result:
        if len(made) == 3:
            made.append(("stop", 0))
            raise KeyboardInterrupt
        made.append((folder.parent.name, config.training["seed"]))
        return Result(None, {"dev_strict_f1": config.word_dropout}, 1.0)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "fit", fit)
    file = _write(tmp_path, method="random", trials=3, seeds=[1, 2], space={"word_dropout": {"low": 0.0, "high": 0.5}})
    with pytest.raises(KeyboardInterrupt):
        run_sweep(_args(file))
    assert run_sweep(_args(file)) == 0
    # The trial that was stopped between its seeds is made again, the first is not.
    names = ("trial-000", "trial-000", "trial-001", "stop", "trial-001", "trial-001", "trial-002", "trial-002")
    assert tuple(name for name, _ in made) == names
    with pytest.raises(ConfigError, match="begun with another value of word_dropout"):
        run_sweep(_args(_write(tmp_path, method="grid", space={"word_dropout": [0.9]})))


def test_of_equals_the_first_is_best_and_losses_are_least() -> None:
    trials = [Trial(n, {}, (value,), 1.0) for n, value in enumerate((0.2, 0.5, 0.5))]
    assert best_of(trials, "max").number == 1
    assert best_of(trials, "min").number == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "dev_strict_f"}, "unknown metric 'dev_strict_f'; did you mean 'dev_strict_f1'"),
        ({"trials": 3}, "trials is for method random or optuna"),
        ({"method": "random"}, "which need it"),
        ({"space": {"data.test": ["a"]}}, "chooses on the dev set as it is"),
        ({"space": {"training.seed": [1, 2]}}, "a seed is not a setting to choose"),
        ({"space": {"word_dropout": []}}, "an empty list"),
        ({"space": {"word_dropot": [0.1]}}, "unknown key 'word_dropot'; did you mean 'word_dropout'"),
        ({"method": "random", "trials": 1, "space": {"x": {"low": 1, "high": 0}}}, "low must be below high"),
        (
            {"method": "random", "trials": 1, "space": {"x": {"low": 0, "high": 1, "log": True}}},
            "log needs low above 0",
        ),
    ],
)
def test_mistakes_are_one_line(file: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    space = {"space": {"word_dropout": [0.0]}}
    with pytest.raises(ConfigError, match=message):
        run_sweep(_args(_write(tmp_path, **(space | changes))))


def test_a_test_file_may_not_choose(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"data.test is for the model that was chosen"):
        run_sweep(_args(file, f"data.test={file}"))


def test_numbers_without_a_point_are_numbers() -> None:
    from rasid.config import apply_overrides

    assert apply_overrides({}, ["rate=3e-4", "name=3e"]) == {"rate": 3e-4, "name": "3e"}
    tree = {"config": "c", "output": "o", "metric": "m", "space": {"a": [1, "x"]}}
    assert parse_config(SweepConfig, tree, "test").space == {"a": (1, "x")}
