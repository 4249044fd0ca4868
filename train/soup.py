"""A soup: runs that begin with the same weights and differ in chance alone, their weights averaged.

The average of several runs' weights does better than the runs do, and costs no more than one when it is read (Wortsman
et al. 2022, arXiv 2203.05482, the uniform soup). All members begin with the heads of the run's `seed`; the order of
batches and what dropout hides come from each one's `data_seed`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from rasid.model import RasidModel

from .checkpoints import FACTS
from .config import RunConfig

HISTORY = "history.jsonl"
_WEIGHTS = "member.safetensors"
_APART = 1000  # between the data seeds of members, so that runs of neighbouring seeds share none


def members(config: RunConfig, output: Path) -> Iterator[tuple[RunConfig, Path]]:
    """The config and folder of each member's run; of one that is alone, the run's own."""
    if config.soup == 1:
        yield config, output
        return
    seed = int(config.training.get("seed", 1))
    for number in range(config.soup):
        folder = output / f"member-{number + 1}"
        own = {"data_seed": seed + _APART * number, "run_name": f"{output.name}-{folder.name}"}
        yield config.model_copy(update={"training": config.training | own, "soup": 1}), folder


def folders(output: Path) -> list[Path]:
    """The members' folders that a run folder holds."""
    return sorted(output.glob("member-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))


def clear(output: Path) -> None:
    """Removes what the members left behind."""
    for folder in folders(output):
        shutil.rmtree(folder)


class Mean:
    """The mean of several models' weights, taken as they come; one copy of the weights is held, in float32 or more."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: dict[str, Tensor] = {}

    def add(self, model: RasidModel) -> None:
        self._count += 1
        for name, own in model.state_dict().items():
            if name not in self._mean:
                self._mean[name] = own.detach().clone()
            elif own.is_floating_point():
                self._mean[name] += (own.detach() - self._mean[name]) / self._count

    def into(self, model: RasidModel) -> None:
        """Gives a model the mean; nothing happens with a single model's."""
        if self._count > 1:
            model.load_state_dict(self._mean)


def keep(model: RasidModel, folder: Path) -> None:
    """Writes a trained member's weights, whole or not at all, so that a resumed soup does not train it again."""
    part = folder / f"{_WEIGHTS}.part"
    weights = {name: own.detach().cpu().contiguous().clone() for name, own in model.state_dict().items()}
    save_file(weights, part)
    part.replace(folder / _WEIGHTS)


def kept(folder: Path) -> dict[str, Tensor] | None:
    """The weights of a member that was trained before."""
    path = folder / _WEIGHTS
    return load_file(path) if path.is_file() else None


def gather_logs(output: Path) -> None:
    """Puts the members' logs and facts together in the run folder: each line of the log says whose it is, and the facts
    are the first member's."""
    own = folders(output)
    lines = [
        json.dumps({"member": number} | json.loads(line))
        for number, folder in enumerate(own, 1)
        for line in (folder / HISTORY).read_text(encoding="utf-8").split("\n")
        if line
    ]
    (output / HISTORY).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    facts = json.loads((own[0] / FACTS).read_text(encoding="utf-8"))
    ended = [json.loads((folder / FACTS).read_text(encoding="utf-8")).get("ended") for folder in own]
    tree = facts | {"soup": len(own), "ended": ended}
    (output / FACTS).write_text(json.dumps(tree, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
