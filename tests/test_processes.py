"""Training by several processes: the same steps as by one; resumed by another number; FSDP; kills."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
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
# Runs the command once for each line of a file, in the processes that the launcher started. accelerate has FSDP for
# GPUs alone, so for a line with fsdp the kind of the processes is renamed; that one must come last.
SEVERAL = """
import json, sys
from accelerate.state import DistributedType, PartialState
from rasid.cli import main
from rasid.train import finetune
plain = finetune.training_arguments
def renamed(config, output):
    arguments = plain(config, output)
    if "fsdp" in config.training:
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    return arguments
finetune.training_arguments = renamed
for line in open(sys.argv[1], encoding="utf-8"):
    if main(["train", *json.loads(line)]):
        sys.exit(1)
"""
# Starts a run at once for each line that comes in, in a process of its own, so that the imports are paid once.
FORKS = """
import json, os, sys
from rasid.cli import main
import rasid.train.command
for line in sys.stdin:
    log, *arguments = json.loads(line)
    child = os.fork()
    if not child:
        written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(written, 1)
        os.dup2(written, 2)
        sys.stdout.reconfigure(line_buffering=True)
        os._exit(main(["train", *arguments]))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}


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


def _write(tree: dict[str, Any], folder: Path) -> str:
    """The config file of a run beside its folder."""
    file = folder.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    return str(file)


def _launch(folder: Path, count: int, lines: list[list[str]]) -> str:
    """Runs `rasid train` with each line of arguments under `accelerate launch`, which must end with exit code 0."""
    script, work = folder / "several.py", folder / "lines.jsonl"
    script.write_text(SEVERAL, encoding="utf-8")
    work.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    options = ["--num_processes", str(count), "--num_machines", "1", "--mixed_precision", "no"]
    # --multi_gpu means several processes; they are on the CPU where there is no GPU.
    options += ["--multi_gpu", "--dynamo_backend", "no", "--main_process_port", "0"]
    shown = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *options, str(script), str(work)],
        capture_output=True,
        text=True,
        timeout=300,
        env=ENVIRONMENT,
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


@dataclass(frozen=True)
class Launched:
    """Runs by one process (`one`, `whole`), and by two: `two`, `sharded`, and `cut`, which one process began."""

    folder: Path
    printed: str
    cut_at: int


def _cut(run: Path, step: int) -> None:
    """What a run leaves that was killed after its checkpoint of `step`."""
    for late in (run / "checkpoints").iterdir():
        if int(late.name.split("-")[1]) > step:
            shutil.rmtree(late)
    (run / "model.safetensors").unlink()


@pytest.fixture(scope="module")
def launched(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Launched:
    folder = tmp_path_factory.mktemp("launched")
    base = _tree(tiny_encoder, folder)
    stops = base["training"] | {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 20}
    plain, often = base | {"batches_per_update": 4}, base | {"batches_per_update": 2, "training": stops}
    _alone(plain, folder / "one")
    _alone(often, folder / "whole")
    shutil.copytree(folder / "whole", folder / "cut")
    (folder / "cut" / HISTORY).unlink()
    steps = json.loads((folder / "cut" / FACTS).read_text())["ended"]["steps"]
    _cut(folder / "cut", steps // 2 + 1)  # one step into the second epoch
    lines = [
        [_write(plain, folder / "two"), "--output", str(folder / "two")],
        [_write(often, folder / "cut"), "--output", str(folder / "cut"), "--resume"],
        [_write(plain, folder / "sharded"), "--output", str(folder / "sharded"), "--set", "training.fsdp=true"],
    ]
    return Launched(folder, _launch(folder, 2, lines), steps // 2 + 1)


def test_two_processes_take_the_steps_of_one(launched: Launched) -> None:
    one, two = launched.folder / "one", launched.folder / "two"
    _same_curve(one, two, TOLERANCE)
    assert _farthest(one, two) < TOLERANCE
    assert launched.printed.count(f"model -> {two}") == 1  # the first process alone speaks
    layouts = [json.loads((run / FACTS).read_text())["layout"] for run in (one, two)]
    assert [(each["processes"], each["accumulation"]) for each in layouts] == [(1, 4), (2, 2)]
    assert any("eval_dev_strict_f1" in line for line in _curve(two))


def test_other_updates_are_another_run(base: dict[str, Any], tmp_path: Path) -> None:
    """The comparison above could not fail if it did not matter how many batches an update has."""
    _alone(base | {"batches_per_update": 4}, tmp_path / "four")
    _alone(base | {"batches_per_update": 2}, tmp_path / "two")
    assert _farthest(tmp_path / "four", tmp_path / "two") > 100 * TOLERANCE


def test_sharded_processes_take_the_steps_of_one(launched: Launched) -> None:
    _same_curve(launched.folder / "one", launched.folder / "sharded", TOLERANCE)
    assert _farthest(launched.folder / "one", launched.folder / "sharded") < TOLERANCE


def test_a_run_of_one_process_goes_on_with_two(launched: Launched) -> None:
    """Stopped in the middle of an epoch, after which the order is that of the epoch all the same."""
    whole, cut = launched.folder / "whole", launched.folder / "cut"
    _same_curve(whole, cut, TOLERANCE)
    assert _farthest(whole, cut) < TOLERANCE
    facts = json.loads((cut / FACTS).read_text())
    assert (facts["resumed_at"], facts["layout"]["processes"]) == (launched.cut_at, 2)


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


class Killer:
    """Starts runs, and kills each as soon as it has logged so many lines."""

    def __init__(self) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._forks = subprocess.Popen([sys.executable, "-c", FORKS], text=True, env=ENVIRONMENT, **pipes)  # type: ignore[call-overload]

    def kill(self, log: Path, lines: int, *arguments: str) -> None:
        log.write_text("")
        self._forks.stdin.write(json.dumps([str(log), *arguments]) + "\n")
        self._forks.stdin.flush()
        child, deadline = int(self._forks.stdout.readline()), time.monotonic() + 120
        while log.read_text(encoding="utf-8").count("'loss'") < lines:
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")[-2000:]
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        assert int(self._forks.stdout.readline()) == -signal.SIGKILL, log.read_text(encoding="utf-8")[-2000:]

    def close(self) -> None:
        self._forks.stdin.close()
        self._forks.wait(timeout=60)


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
    done, killer, cut = 0, Killer(), tmp_path / "cut"
    for number, place in enumerate(sorted(lines)):
        options = ("--output", str(cut), *(["--resume"] if number else []))
        killer.kill(tmp_path / "cut.log", max(1, place - done), _write(tree, cut), *options)
        found = last_checkpoint(cut)
        done = found.step // 3 if found else 0
    killer.close()
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
