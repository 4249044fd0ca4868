"""Training by several processes: the same steps as by one; resumed by another number; FSDP; kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from rasid.config import parse_config
from rasid.errors import ConfigError
from rasid.train.checkpoints import FACTS, Layout, begin, check_layout, last_checkpoint, sweep_torn, write_facts
from rasid.train.config import RunConfig
from rasid.train.finetune import HISTORY, fit, save
from rasid.train.processes import processes, shared

SENTENCE = (("زار", "O"), ("سامر", "B-PERS"), ("الحداد", "I-PERS"), ("الميناء", "B-LOC"), (".", "O"))
PAIRS = ("favor", "against", "none")
# Starts the module with FSDP on the CPU: accelerate has it for GPUs alone, so the kind of the processes is renamed.
SHARDED = """
import sys
from accelerate.state import DistributedType, PartialState
from rasid.cli import main
from rasid.train import finetune
plain = finetune.training_arguments
def renamed(config, output):
    arguments = plain(config, output)
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    return arguments
finetune.training_arguments = renamed
sys.exit(main(["train", *sys.argv[1:]]))
"""


def _sentences(path: Path, count: int, seed: int) -> Path:
    drawn = random.Random(seed)
    rows = ["\n".join(f"{w}\t{t}" for w, t in SENTENCE * drawn.randint(1, 4)) + "\n" for _ in range(count)]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def _pairs(path: Path, count: int) -> Path:
    rows = [
        {"target": "الحكومة", "text": "انتقد الصيادون الحكومة أمس. " * (1 + n % 3), "stance": PAIRS[n % 3]}
        for n in range(count)
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def _tree(encoder: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    """Two heads whose batches differ in kind and size; words hidden and dropout, so that chance matters."""
    train, dev = _sentences(folder / "train.tsv", 24, 1), _sentences(folder / "dev.tsv", 7, 2)
    pairs = _pairs(folder / "pairs.jsonl", 12)
    tree: dict[str, Any] = {
        "encoder": str(encoder),
        "output": str(folder / "run"),
        "heads": {"h": {"kind": "tokens", "inventory": "anercorp"}, "s": {"kind": "pair", "labels": list(PAIRS)}},
        "sources": {
            "train": {"head": "h", "reader": "conll", "path": str(train)},
            "pairs": {"head": "s", "reader": "pairs", "path": str(pairs)},
        },
        "evaluation": {"dev": {"head": "h", "reader": "conll", "path": str(dev)}},
        "window": 64,
        "overlap": 16,
        "batch_tokens": 160,
        "word_dropout": 0.1,
        "precision": "fp32",
        "compress": False,
        "training": {"num_train_epochs": 2, "learning_rate": 5e-3, "disable_tqdm": True, "logging_steps": 1},
    }
    return tree | changes


@pytest.fixture
def base(tiny_encoder: Path, tmp_path: Path) -> dict[str, Any]:
    return _tree(tiny_encoder, tmp_path)


def _run(tree: dict[str, Any], folder: Path, count: int, *options: str, script: str | None = None) -> str:
    """Trains `tree` into `folder` in processes of their own. The launcher's exit code must be 0."""
    file = folder.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    launcher = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--num_processes",
        str(count),
        "--num_machines",
        "1",
    ]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    launcher += ["--multi_gpu"] if count > 1 else ["--cpu"]  # several processes; on the CPU where there is no GPU
    if script:
        (folder.parent / "sharded.py").write_text(script, encoding="utf-8")
    what = [str(folder.parent / "sharded.py")] if script else ["-m", "rasid.train"]
    shown = subprocess.run(
        [*launcher, *what, str(file), "--output", str(folder), *options],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
    )
    assert shown.returncode == 0, shown.stderr[-3000:]
    return shown.stdout


def _alone(tree: dict[str, Any], folder: Path, resume: bool = False) -> None:
    config = parse_config(RunConfig, tree | {"output": str(folder)}, "test")
    begin(folder, resume)
    save(fit(config, folder, resume), config, folder)


def _curve(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / HISTORY).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _same_curve(left: Path, right: Path, tolerance: float) -> None:
    one, other = _curve(left), _curve(right)
    assert [line["step"] for line in one] == [line["step"] for line in other]
    for mine, theirs in zip(one, other, strict=True):
        assert mine == pytest.approx(theirs, rel=tolerance, abs=tolerance)


def _farthest(left: Path, right: Path) -> float:
    one, other = load_file(left / "model.safetensors"), load_file(right / "model.safetensors")
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


TOLERANCE = 1e-5  # of losses (relative) and weights after some steps; docs/accelerate.md states it


def test_two_processes_take_the_steps_of_one(base: dict[str, Any], tmp_path: Path) -> None:
    tree = base | {"batches_per_update": 4}
    _alone(tree, tmp_path / "one")
    printed = _run(tree, tmp_path / "two", 2)
    _same_curve(tmp_path / "one", tmp_path / "two", TOLERANCE)
    assert _farthest(tmp_path / "one", tmp_path / "two") < TOLERANCE
    assert printed.count("model -> ") == 1  # the first process alone speaks
    layouts = [json.loads((tmp_path / name / FACTS).read_text())["layout"] for name in ("one", "two")]
    assert [(each["processes"], each["accumulation"]) for each in layouts] == [(1, 4), (2, 2)]
    assert any("eval_dev_strict_f1" in line for line in _curve(tmp_path / "two"))


def test_other_updates_are_another_run(base: dict[str, Any], tmp_path: Path) -> None:
    """The comparison above could not fail if it did not matter how many batches an update has."""
    _alone(base | {"batches_per_update": 4}, tmp_path / "four")
    _alone(base | {"batches_per_update": 2}, tmp_path / "two")
    assert _farthest(tmp_path / "four", tmp_path / "two") > 100 * TOLERANCE


def test_sharded_processes_take_the_steps_of_one(base: dict[str, Any], tmp_path: Path) -> None:
    tree = base | {"batches_per_update": 2}
    _alone(tree, tmp_path / "one")
    _run(tree, tmp_path / "sharded", 2, "--set", "training.fsdp=true", script=SHARDED)
    _same_curve(tmp_path / "one", tmp_path / "sharded", TOLERANCE)
    assert _farthest(tmp_path / "one", tmp_path / "sharded") < TOLERANCE


def test_a_run_of_one_process_goes_on_with_two(base: dict[str, Any], tmp_path: Path) -> None:
    """Stopped in the middle of an epoch, after which the order is that of the epoch all the same."""
    training = base["training"] | {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 20}
    tree = base | {"batches_per_update": 2, "training": training}
    _alone(tree, tmp_path / "whole")
    _alone(tree, tmp_path / "cut")
    checkpoints = sorted((tmp_path / "cut" / "checkpoints").iterdir(), key=lambda p: int(p.name.split("-")[1]))
    epoch = json.loads((checkpoints[-1] / "trainer_state.json").read_text())["max_steps"] // 2
    for late in checkpoints[epoch + 1 :]:  # one step into the second epoch
        for file in late.iterdir():
            file.unlink()
        late.rmdir()
    (tmp_path / "cut" / "model.safetensors").unlink()
    _run(tree, tmp_path / "cut", 2, "--resume")
    _same_curve(tmp_path / "whole", tmp_path / "cut", TOLERANCE)
    assert _farthest(tmp_path / "whole", tmp_path / "cut") < TOLERANCE
    facts = json.loads((tmp_path / "cut" / FACTS).read_text())
    assert (facts["resumed_at"], facts["layout"]["processes"]) == (epoch + 1, 2)


def test_other_updates_are_refused_on_resume(tmp_path: Path) -> None:
    write_facts(tmp_path, Layout(2, 2, False))
    check_layout(tmp_path, Layout(4, 1, False))
    check_layout(tmp_path, Layout(1, 4, False))
    with pytest.raises(ConfigError, match="this would be another run; set batches_per_update to 4"):
        check_layout(tmp_path, Layout(1, 2, False))
    with pytest.raises(ConfigError, match="begun in float32; set precision to fp32"):
        check_layout(tmp_path, Layout(2, 2, True))


def test_updates_that_cannot_be_shared_out(
    base: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse_config(RunConfig, base | {"batches_per_update": 3}, "test")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="3 batches cannot be shared out evenly among 2 processes"):
        fit(config, tmp_path / "run")
    twice = base | {"batches_per_update": 2, "training": {"gradient_accumulation_steps": 2}}
    with pytest.raises(ConfigError, match="either batches_per_update or"):
        parse_config(RunConfig, twice, "test")


def test_a_run_that_is_not_finished_is_neither_overwritten_nor_left(tmp_path: Path) -> None:
    whole = tmp_path / "checkpoints" / "checkpoint-3"
    whole.mkdir(parents=True)
    (whole / "trainer_state.json").write_text("{}")
    torn = tmp_path / "checkpoints" / "checkpoint-6"
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"a": ')
    found = last_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 3
    with pytest.raises(ConfigError, match="add --resume to go on"):
        begin(tmp_path, resume=False)
    begin(tmp_path, resume=True)
    sweep_torn(tmp_path)
    assert [one.name for one in (tmp_path / "checkpoints").iterdir()] == ["checkpoint-3"]
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match="this run is finished"):
        begin(tmp_path, resume=True)
    begin(tmp_path, resume=False)
    assert not (tmp_path / "checkpoints").exists()


def test_gradient_checkpointing_changes_nothing(base: dict[str, Any], tmp_path: Path) -> None:
    _alone(base, tmp_path / "plain")
    _alone(base | {"training": base["training"] | {"activation_checkpointing": True}}, tmp_path / "checked")
    assert _farthest(tmp_path / "plain", tmp_path / "checked") < TOLERANCE


def test_bf16_with_accumulation_learns(base: dict[str, Any], tmp_path: Path) -> None:
    changes = {"precision": "bf16", "batches_per_update": 2}
    _alone(base | changes, tmp_path / "run")
    losses = [line["loss"] for line in _curve(tmp_path / "run") if "loss" in line]
    assert losses[-1] < losses[0]
    assert json.loads((tmp_path / "run" / FACTS).read_text())["layout"]["bf16"]


def test_one_process_answers_everything_itself() -> None:
    assert processes().first
    assert shared([1, 2, 3], lambda items: [item * 2 for item in items]) == [2, 4, 6]


def _kill_after(tree: dict[str, Any], folder: Path, step: int, *options: str) -> None:
    """Starts a run and kills it as soon as it has logged `step`; it must not have come to its end."""
    file = folder.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    seen = folder.with_suffix(".log")
    command = [sys.executable, "-m", "rasid.train", str(file), "--output", str(folder), *options]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with seen.open("w", encoding="utf-8") as log:
        run = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env)
        deadline = time.monotonic() + 120
        while seen.read_text(encoding="utf-8").count("'loss'") < step and run.poll() is None:
            assert time.monotonic() < deadline, seen.read_text(encoding="utf-8")[-2000:]
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, seen.read_text(encoding="utf-8")[-2000:]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_a_killed_run_goes_on_with_the_same_curve(base: dict[str, Any], tmp_path: Path) -> None:
    """Killed at three random points, some in the middle of an epoch, with a checkpoint at every second step, a line of
    the log for every third, and early stopping that counts."""
    training = {"save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2}
    training |= {"logging_steps": 3, "num_train_epochs": 8}
    stopping = {"metric": "dev_strict_f1", "patience": 30}
    tree = base | {"training": base["training"] | training, "early_stopping": stopping}
    _alone(tree, tmp_path / "whole")
    steps = max(line["step"] for line in _curve(tmp_path / "whole"))
    lines = random.Random(time.time_ns()).sample(range(1, steps // 3), 3)
    done = 0
    for number, place in enumerate(sorted(lines)):
        _kill_after(tree, tmp_path / "cut", max(1, place - done), *(["--resume"] if number else []))
        found = last_checkpoint(tmp_path / "cut")
        done = found.step // 3 if found else 0
    _alone(tree, tmp_path / "cut", resume=True)
    assert _curve(tmp_path / "cut") == _curve(tmp_path / "whole"), lines
    assert _farthest(tmp_path / "whole", tmp_path / "cut") == 0.0, lines


def test_shares_of_an_update_are_whole_and_by_item(base: dict[str, Any], tmp_path: Path) -> None:
    """Two batches of a head with 30 and 10 words, one of another: two thirds by words, one third."""
    from rasid.train.trainer import MultiTaskTrainer

    class Here:
        reduce = staticmethod(lambda tensor, reduction: tensor)

    trainer = MultiTaskTrainer.__new__(MultiTaskTrainer)
    trainer._losses = {"h": None, "s": None}  # type: ignore[dict-item]
    trainer.args = type("Arguments", (), {"device": torch.device("cpu")})()
    trainer.accelerator = Here()
    words = [{"head": "h", "labels": torch.zeros(1, count, 2, dtype=torch.long)} for count in (30, 10)]
    batches = [*words, {"head": "s", "labels": torch.zeros(5, dtype=torch.long)}]
    assert trainer._shares(batches) == pytest.approx([2 / 3 * 30 / 40, 2 / 3 * 10 / 40, 1 / 3])
    assert trainer._idle == ()
