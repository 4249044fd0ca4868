"""The engine: a loaded model on its device, asked for word labels and for stances, many articles at once.

Batching by length under a token budget is `rasid.scoring`'s; what is added here is the choice of device, the
choice of heads, and smaller batches when a GPU's memory is full. It knows nothing of offsets, records or
files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from rasid.errors import ConfigError, ModelError, nearest
from rasid.labels import STANCES, Inventory
from rasid.model import Head, Loaded, load_model
from rasid.scoring import Pair, pair_probs, word_log_probs

Floats = NDArray[np.float32]
DEVICES = ("auto", "cpu", "cuda")
BATCH_TOKENS = 8192  # padded pieces of one batch
_LEAST_TOKENS = 256  # below this a full memory is not the batch's fault
ResultT = TypeVar("ResultT")


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where present, else the CPU. Raises ConfigError for an unknown or absent device."""
    if name not in DEVICES:
        raise ConfigError(f"unknown device {name!r}{nearest(name, DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: no CUDA device is available; choose cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def describe(device: torch.device) -> str:
    """The device in words, for the line that a job begins with."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({torch.get_num_threads()} threads)"


@dataclass(frozen=True)
class Engine:
    """A model with the heads it answers by. `stance_head` is None for a model that reads entities only."""

    loaded: Loaded
    entity_head: str
    stance_head: str | None
    batch_tokens: int = BATCH_TOKENS

    @property
    def inventory(self) -> Inventory:
        head: Head = self.loaded.model.config.named_heads[self.entity_head]
        return head.inventory

    def word_scores(self, texts: Sequence[Sequence[str]]) -> list[Floats]:
        """BIO log probabilities of each text's words: one (words, types, 3) array per text."""
        return self._within_memory(
            lambda tokens: word_log_probs(self.loaded, self.entity_head, texts, tokens), self.batch_tokens
        )

    def stance_scores(self, pairs: Sequence[Pair]) -> Floats:
        """Probabilities (pairs, 3) in the order of `rasid.labels.STANCES`."""
        head = self.stance_head
        if head is None or not pairs:
            return np.empty((0, len(STANCES)), dtype=np.float32)
        order = [self.loaded.model.config.named_heads[head].labels.index(label) for label in STANCES]
        return self._within_memory(lambda tokens: pair_probs(self.loaded, head, pairs, tokens), self.batch_tokens)[
            :, order
        ]

    def _within_memory(self, run: Callable[[int], ResultT], tokens: int) -> ResultT:
        """`run` with a token budget that is halved for as long as the device's memory does not hold the
        batch."""
        while True:
            try:
                return run(tokens)
            except torch.OutOfMemoryError:
                if tokens <= _LEAST_TOKENS:
                    raise
            tokens //= 2  # outside `except`, so that the failed batch is freed before the next is tried
            torch.cuda.empty_cache()


def open_engine(model: str, device: torch.device, batch_tokens: int = BATCH_TOKENS) -> Engine:
    """The engine of a model folder or shipped model. Raises ModelError when it has no head for entities."""
    if batch_tokens < 1:
        raise ConfigError(f"batch tokens: a number above 0 is needed, got {batch_tokens}")
    loaded = load_model(model, device)
    heads = loaded.model.config.named_heads
    entity_head = loaded.head("tokens")
    if entity_head is None:
        raise ModelError(f"{model}: no head of kind tokens, so no entities; its heads: {', '.join(heads) or 'none'}")
    stance_heads = [name for name, head in heads.items() if head.kind == "pair" and set(head.labels) == set(STANCES)]
    return Engine(loaded, entity_head, stance_heads[0] if stance_heads else None, batch_tokens)
