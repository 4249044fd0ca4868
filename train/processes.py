"""The processes of a run: one, or those that `accelerate launch` (or torchrun) started. Not what they compute."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch.distributed as dist

from rasid.errors import ConfigError

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process's number among `count`; the first writes, and speaks."""

    number: int
    count: int

    @property
    def first(self) -> bool:
        return self.number == 0


def processes() -> Processes:
    """The launchers say it in the environment, before anything is set up."""
    return Processes(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def only_one(what: str) -> None:
    """Raises ConfigError where several processes would each do all of `what`."""
    if processes().count > 1:
        raise ConfigError(f"{what} runs in one process; start it with `rasid`, without a launcher")


def meet() -> None:
    """Waits until every process is here."""
    if dist.is_initialized():
        dist.barrier()


def shared(items: Sequence[Item], answer: Callable[[Sequence[Item]], Sequence[Answer]]) -> list[Answer]:
    """What `answer` says of all items, in order, with every process asking about its share of them. The same list in
    all processes, and of every item one answer."""
    own = processes()
    if own.count == 1 or not dist.is_initialized():
        return list(answer(items))
    parts: list[Sequence[Answer]] = [()] * own.count
    dist.all_gather_object(parts, answer(items[own.number :: own.count]))
    return [parts[place % own.count][place // own.count] for place in range(len(items))]
