"""What a model's work amounts to: time inside it, pieces it read, the padding among them, floating-point operations.

Operations are counted by a formula and not by a profiler, the same for every contender of a benchmark: a batch of B
rows, padded to L pieces, costs B L (2 W + 4 N L H), where W is the number of weights in the matrices of the encoder's
layers (embeddings, norms and biases left out), N the layers and H the hidden size: two operations for each weight and
piece, and as many for the products of queries with keys and of attention with values. Padding is counted, since the
machine does compute it. Heads are left out: less than a hundredth.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from rasid.encoding import Batch
from rasid.network import Floats, Heard, Network, Wanted


@dataclass(frozen=True, slots=True)
class Cost:
    """What the formula needs of an encoder."""

    weights: int
    layers: int
    hidden: int

    @classmethod
    def of(cls, encoder: nn.Module, config: PreTrainedConfig) -> Cost:
        layers = (module for name, module in encoder.named_modules() if "pooler" not in name)
        weights = sum(module.weight.numel() for module in layers if isinstance(module, nn.Linear))
        return cls(weights, config.num_hidden_layers, config.hidden_size)

    def operations(self, rows: int, length: int) -> int:
        return rows * length * (2 * self.weights + 4 * self.layers * length * self.hidden)


@dataclass
class Meter:
    """Sums over the batches of one run."""

    cost: Cost
    seconds: float = 0.0
    pieces: int = 0
    padded: int = 0  # pieces and padding
    operations: int = 0
    batches: int = 0
    _began: float = field(default=0.0, repr=False)

    @contextmanager
    def inside(self, mask: Tensor) -> Iterator[None]:
        """Counts a batch by its attention mask (rows, length), and the time in the `with`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
            self.add(mask)

    def add(self, mask: Tensor) -> None:
        rows, length = mask.shape
        self.pieces += int(mask.sum())
        self.padded += rows * length
        self.operations += self.cost.operations(rows, length)
        self.batches += 1

    def clear(self) -> None:
        self.seconds, self.pieces, self.padded, self.operations, self.batches = 0.0, 0, 0, 0, 0

    def watch(self, model: nn.Module) -> None:
        """Counts every call of a transformers model, as a pipeline makes them."""

        def before(_: nn.Module, __: tuple[object, ...], kwargs: dict[str, Tensor]) -> None:
            self._began = time.perf_counter()

        def after(_: nn.Module, __: tuple[object, ...], kwargs: dict[str, Tensor], ___: object) -> None:
            self.seconds += time.perf_counter() - self._began
            self.add(kwargs["attention_mask"])

        model.register_forward_pre_hook(before, with_kwargs=True)
        model.register_forward_hook(after, with_kwargs=True)


@dataclass(frozen=True)
class Metered:
    """A network whose work a meter counts."""

    network: Network
    meter: Meter

    @property
    def label(self) -> str:
        return self.network.label

    def log_probs(self, head: str, batch: Batch) -> Floats:
        with self.meter.inside(batch.attention_mask):
            return self.network.log_probs(head, batch)

    def read(self, batch: Batch, counted: Tensor, wanted: Wanted) -> Heard:
        with self.meter.inside(batch.attention_mask):
            return self.network.read(batch, counted, wanted)


def matmul_peak(seconds: float = 0.3) -> float:
    """The most float32 operations a second that torch's matrix product reaches here, with its threads; of three shapes
    like those of encoders, the best."""
    best = 0.0
    for rows, inner, columns in ((512, 768, 3072), (1024, 1024, 1024), (2048, 768, 768)):
        left, right = torch.randn(rows, inner), torch.randn(inner, columns)
        times: list[float] = []
        until = time.perf_counter() + seconds / 3
        while time.perf_counter() < until or len(times) < 3:
            began = time.perf_counter()
            torch.mm(left, right)
            times.append(time.perf_counter() - began)
        best = max(best, 2 * rows * inner * columns / min(times))
    return best
