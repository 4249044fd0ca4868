"""What runs a model: a small protocol, and torch, which every model runs on.

Whoever scores words, pairs and articles hands a network batches of windows and gets numbers back, in numpy, wherever
and by whatever library they were computed. ONNX Runtime's is in `rasid.infer.onnxnetwork`. Knows no texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.encoding import Batch
from rasid.model import Loaded, RasidModel, pool

Floats = NDArray[np.float32]
Precision = Literal["fp32", "bf16", "fp16", "int8"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Wanted:
    """What is to be said of a batch: of words by a `tokens` head, of articles by `text` heads, the words' states."""

    tokens_head: str | None = None
    text_heads: Sequence[str] = ()
    states: bool = False


@dataclass(frozen=True)
class Heard:
    """What a model says of a batch of windows: BIO log probabilities (windows, words, types, 3), None without a
    `tokens` head; by `text` head the logits (windows, classes) of the mean of the pieces that count; and, where asked
    for, the mean states (windows, words, hidden) of the words' pieces."""

    words: Floats | None
    labels: dict[str, Floats]
    states: Floats | None = None


class Network(Protocol):
    """Computes the heads of one model. Batches are on the CPU, and so are the answers."""

    @property
    def label(self) -> str:
        """The engine and its precision, as records name them: `torch fp32`."""
        ...

    def log_probs(self, head: str, batch: Batch) -> Floats:
        """Log probabilities of a `tokens` head (windows, groups, types, 3) or of a `pair` head (windows, classes)."""
        ...

    def read(self, batch: Batch, counted: Tensor, wanted: Wanted) -> Heard:
        """Words and articles in one pass; `counted` (windows, pieces) is true of pieces that count for `text` heads.

        A `text` head is linear, so the logits of an article are the mean of its windows' logits, each weighted by the
        pieces of it that count."""
        ...


@dataclass(frozen=True)
class TorchNetwork:
    """A model as torch runs it, on the device that it is on."""

    model: RasidModel
    precision: Precision = "fp32"

    @property
    def label(self) -> str:
        return f"torch {self.precision}"

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def log_probs(self, head: str, batch: Batch) -> Floats:
        with torch.inference_mode():
            there = batch.to(self._device)
            logits = self.model(head, there.input_ids, there.attention_mask, there.index, there.groups)
            return _numbers(logits.float().log_softmax(dim=-1))

    def read(self, batch: Batch, counted: Tensor, wanted: Wanted) -> Heard:
        with torch.inference_mode():
            there = batch.to(self._device)
            states = self.model.states(there.input_ids, there.attention_mask)
            heads, head = self.model.heads, wanted.tokens_head
            pooled = pool(states, there.index, there.groups) if head or wanted.states else states
            words = _numbers(heads[head](pooled).float().log_softmax(dim=-1)) if head else None
            means = mean_of(states, counted.to(self._device)) if wanted.text_heads else states
            labels = {name: _numbers(heads[name](means).float()) for name in wanted.text_heads}
            return Heard(words, labels, _numbers(pooled.float()) if wanted.states else None)


def mean_of(states: Tensor, counted: Tensor) -> Tensor:
    """Mean state (windows, hidden) of the pieces that count; zeros where none does."""
    weights = counted.to(states.dtype).unsqueeze(1)
    return (weights @ states).squeeze(1) / weights.sum(dim=-1).clamp(min=1.0)


def network_of(loaded: Loaded) -> Network:
    """What a loaded model is run by: torch, unless it came with something else."""
    return loaded.network or TorchNetwork(loaded.model)


def halved(model: RasidModel, precision: Precision) -> RasidModel:
    """The model with its encoder's parameters in `precision`. Heads stay in float32, and so do buffers: the frequencies
    of rotary positions, off by a thousandth, would misplace the pieces at a window's end."""
    for parameter in model.encoder.parameters():
        parameter.data = parameter.data.to(_DTYPES[precision])
    return model


def _numbers(tensor: Tensor) -> Floats:
    found: Floats = tensor.cpu().numpy()
    return found
