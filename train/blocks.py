"""The packed text as blocks of a fixed length, a few held out, the rest in a new order each epoch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.errors import ConfigError

from .corpus import Ids


class Blocks:
    """The packed text as blocks of `length` ids, [CLS] and [SEP] included; `held_out` of a fixed shuffle apart."""

    def __init__(self, ids: Ids, length: int, held_out: int, seed: int) -> None:
        self._ids = ids
        self._content = length - 2
        order = np.random.default_rng(seed).permutation(len(ids) // self._content)
        if len(order) <= held_out:
            raise ConfigError(f"text: {len(ids)} tokens give {len(order)} blocks, not more than held_out={held_out}")
        self.held_out = order[:held_out]
        self._train = order[held_out:]
        self._seed = seed
        self._epoch = -1
        self._shuffled: NDArray[np.int64] | None = None  # of the epoch under way; made once, not at every step

    def read(self, numbers: NDArray[np.int64]) -> Tensor:
        """Blocks by number as (len(numbers), length) int64, [CLS]=2 first and [SEP]=3 last."""
        starts = numbers[:, None] * self._content + np.arange(self._content)[None, :]
        content = torch.from_numpy(self._ids[starts].astype(np.int64))
        edge = torch.full((len(numbers), 1), 2)
        return torch.cat([edge, content, edge + 1], dim=1)

    def batch(self, step: int, size: int) -> Tensor:
        """The training batch of a step; each epoch goes through all blocks in an order of its own."""
        positions = np.arange(step * size, (step + 1) * size)
        epochs, places = positions // len(self._train), positions % len(self._train)
        numbers = np.empty(size, dtype=np.int64)
        for epoch in np.unique(epochs):
            order = self._order(int(epoch))
            chosen = epochs == epoch
            numbers[chosen] = order[places[chosen]]
        return self.read(numbers)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if self._shuffled is None or self._epoch != epoch:
            self._epoch = epoch
            self._shuffled = np.random.default_rng((self._seed, epoch)).permutation(self._train)
        return self._shuffled
