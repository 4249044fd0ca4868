"""Reports to other tools: none by default, TensorBoard's with our figures, and a clear word where a tool is missing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from rasid.config import parse_config
from rasid.errors import ConfigError
from rasid.train import reporting
from rasid.train.command import run_train
from rasid.train.config import RunConfig
from rasid.train.finetune import fit, training_arguments

TEXT = "زار سامر الحداد مدينة الميناء أمس."


def config_of(encoder: Path, folder: Path, report_to: Any = None) -> RunConfig:
    lines = [f"{word}\t{'B-PERS' if word == 'سامر' else 'O'}" for word in TEXT.split()]
    (folder / "train.txt").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    source = {"head": "entities", "reader": "conll", "path": str(folder / "train.txt")}
    training = {"num_train_epochs": 2, "save_strategy": "no", "disable_tqdm": True, "logging_steps": 1}
    tree = {
        "encoder": str(encoder),
        "output": str(folder / "run"),
        "heads": {"entities": {"kind": "tokens", "labels": ["PERS"]}},
        "sources": {"train": source},
        "evaluation": {"dev": source},
        "window": 64,
        "overlap": 16,
        "precision": "fp32",
        "training": training | ({"report_to": report_to} if report_to else {}),
    }
    return parse_config(RunConfig, tree, "test")


def test_nothing_is_reported_unless_a_config_says_so(tiny_encoder: Path, tmp_path: Path) -> None:
    config = config_of(tiny_encoder, tmp_path)
    assert training_arguments(config, config.output).report_to == []
    fit(config, config.output)
    assert not list(tmp_path.rglob("events.out.tfevents*"))


def test_tensorboard_gets_the_figures_of_training_and_of_the_finished_model(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the tensorboard extra is not installed"
    )
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    config = config_of(tiny_encoder, tmp_path, "tensorboard")
    result = fit(config, config.output)
    files = list(tmp_path.rglob("events.out.tfevents*"))
    assert files
    assert {file.parent for file in files} == {config.output / "tensorboard"}
    found = accumulator.EventAccumulator(str(config.output / "tensorboard"))
    found.Reload()
    scalars = set(found.Tags()["scalars"])
    assert {"train/loss", "train/learning_rate"} <= scalars
    assert {f"eval/{name}" for name in result.metrics} <= scalars
    (name,) = [name for name in result.metrics if name.endswith("strict_f1")] or list(result.metrics)[:1]
    events = found.Scalars(f"eval/{name}")
    assert len(events) == 3  # two epochs, and the finished model
    assert events[-1].value == pytest.approx(result.metrics[name])


def test_a_folder_that_the_user_has_set_stands(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard", reason="the tensorboard extra is not installed")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "mine"))
    config = config_of(tiny_encoder, tmp_path, ["tensorboard"])
    fit(config, config.output)
    assert {file.parent for file in tmp_path.rglob("events.out.tfevents*")} == {tmp_path / "mine"}


def test_trackio_gets_them_too_in_one_run(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when trackio is first imported
    trackio = pytest.importorskip("trackio", reason="trackio is not installed; pip install trackio")
    storage = pytest.importorskip("trackio.sqlite_storage").SQLiteStorage
    config = config_of(tiny_encoder, tmp_path, "trackio")
    result = fit(config, config.output)
    trackio.finish()
    (run,) = trackio.Api().runs("rasid")
    assert run.name == config.output.name
    rows = storage.get_logs("rasid", run.name)
    assert {"train/loss", "train/learning_rate"} <= {name for row in rows for name in row}
    for name, value in result.metrics.items():
        seen = [row[f"eval/{name}"] for row in rows if f"eval/{name}" in row]
        assert len(seen) == 3  # two epochs, and the finished model, which is logged once trackio's run has ended
        assert seen[-1] == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tensorbord", r"training\.report_to: unknown integration 'tensorbord'; did you mean 'tensorboard'\?"),
        ("tensorboard", r"training\.report_to: tensorboard is not installed; pip install 'rasid\[tensorboard\]'"),
        ("trackio", r"training\.report_to: trackio is not installed; pip install trackio, or report to none"),
    ],
)
def test_a_tool_that_is_not_there_is_named_before_anything_is_read(
    name: str, message: str, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "get_available_reporting_integrations", list)
    config = config_of(tiny_encoder, tmp_path, name)
    (tmp_path / "train.txt").unlink()
    with pytest.raises(ConfigError, match=message):
        fit(config, config.output)


def test_a_dry_run_finds_a_missing_tool(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "get_available_reporting_integrations", list)
    config_of(tiny_encoder, tmp_path)
    page = tmp_path / "run.yaml"
    source = f"{{head: entities, reader: conll, path: {tmp_path / 'train.txt'}}}"
    page.write_text(
        f"encoder: {tiny_encoder}\noutput: {tmp_path / 'out'}\nheads: {{entities: {{kind: tokens, labels: [PERS]}}}}\n"
        f"sources: {{train: {source}}}\ntraining: {{report_to: tensorboard}}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match="tensorboard is not installed"):
        run_train(argparse.Namespace(config=str(page), set=[], output=None, dry_run=True, resume=False))
