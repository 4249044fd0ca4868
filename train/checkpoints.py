"""Checkpoints of a run folder: which is the last whole one, and whether going on from it is the same run.

transformers writes them; `trainer_state.json` comes last, so a checkpoint without one that can be read was cut off by
a kill and counts for nothing. `training.json` says how updates were shared out; what is not said there cannot differ.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rasid.errors import ConfigError
from rasid.model import WEIGHTS

CHECKPOINTS = "checkpoints"
FACTS = "training.json"
_STATE = "trainer_state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint, and what the trainer knew when it was written."""

    folder: Path
    state: dict[str, Any]

    @property
    def step(self) -> int:
        return int(self.folder.name.rpartition("-")[2])

    def out_of_patience(self) -> bool:
        """Whether early stopping had ended the run when this was written."""
        kept = self.state.get("stateful_callbacks", {}).get("EarlyStoppingCallback")
        if not isinstance(kept, dict):
            return False
        waited = kept["attributes"]["early_stopping_patience_counter"]
        return bool(waited >= kept["args"]["early_stopping_patience"])


def _read(folder: Path) -> Checkpoint | None:
    try:
        return Checkpoint(folder, json.loads((folder / _STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def last_checkpoint(run: Path) -> Checkpoint | None:
    """The last whole checkpoint of a run folder, if there is one."""
    found = [_read(folder) for folder in (run / CHECKPOINTS).glob("checkpoint-*")]
    return max((one for one in found if one), key=lambda one: one.step, default=None)


def sweep_torn(run: Path) -> None:
    """Removes checkpoints that a kill cut off: they would be counted among those to keep."""
    for folder in (run / CHECKPOINTS).glob("checkpoint-*"):
        if _read(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)


def begin(run: Path, resume: bool) -> None:
    """Makes the run folder ready. Raises ConfigError where a new run would leave checkpoints of an unfinished one
    lying, or write among them."""
    finished = (run / WEIGHTS).is_file()
    if resume and finished:
        raise ConfigError(f"{run}: this run is finished; choose another --output to train again")
    if not resume and last_checkpoint(run) is not None and not finished:
        how = f"add --resume to go on, or remove {run / CHECKPOINTS} to begin again"
        raise ConfigError(f"{run}: holds the checkpoints of a run that is not finished; {how}")
    if not resume:
        shutil.rmtree(run / CHECKPOINTS, ignore_errors=True)
        (run / FACTS).unlink(missing_ok=True)
    run.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True)
class Layout:
    """How updates are shared out. Runs whose `per_update` and `bf16` agree take the same steps; `processes` and
    `accumulation` may differ."""

    processes: int
    accumulation: int
    bf16: bool

    @property
    def per_update(self) -> int:
        return self.processes * self.accumulation


def check_layout(run: Path, own: Layout) -> None:
    """Raises ConfigError where a run that was begun here would go on with other updates."""
    path = run / FACTS
    if not path.is_file():
        return
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))["layout"]
        theirs = Layout(**{name: tree[name] for name in ("processes", "accumulation", "bf16")})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); choose another --output") from None
    if theirs.per_update != own.per_update:
        was = f"{theirs.processes} process(es) x {theirs.accumulation} batch(es)"
        now = f"{own.processes} x {own.accumulation}"
        how = f"set batches_per_update to {theirs.per_update}, or gradient_accumulation_steps to match"
        raise ConfigError(f"{run}: begun with updates of {was}, now {now}: this would be another run; {how}")
    if theirs.bf16 != own.bf16:
        was, flag = ("bf16", "bf16") if theirs.bf16 else ("float32", "fp32")
        raise ConfigError(f"{run}: begun in {was}; set precision to {flag} to go on, or choose another --output")


def write_facts(run: Path, layout: Layout, **facts: Any) -> None:
    """training.json: how the run is laid out and what it is made of."""
    tree = {"layout": asdict(layout) | {"batches_per_update": layout.per_update}} | facts
    run.mkdir(parents=True, exist_ok=True)
    (run / FACTS).write_text(json.dumps(tree, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def add_fact(run: Path, **facts: Any) -> None:
    """Adds to training.json what is known when the run is done."""
    path = run / FACTS
    tree = json.loads(path.read_text(encoding="utf-8")) | facts
    path.write_text(json.dumps(tree, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
