"""Multi-task batches: rows of one head each, of similar length, under a budget of padded pieces; seeded by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from rasid.encoding import pad

from .features import Row
from .masking import IGNORED


class Rows(Dataset[Row]):
    """The rows of all sources, in a list."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Row:
        return self._rows[number]


class BatchSampler(Sampler[list[int]]):
    """Batches of row numbers for an epoch: a function of (seed, epoch), so a resumed run goes through the same ones.

    `repeats[i]` is how often row i stands in an epoch: its whole part always, the rest by chance. The number of
    batches is that of epoch 0 for every epoch (schedules need it fixed), rounded up to whole updates of `per_update`
    batches; longer epochs are cut, shorter ones wrap.
    """

    def __init__(
        self, rows: Sequence[Row], repeats: Sequence[float], tokens: int, seed: int, per_update: int = 1
    ) -> None:
        self._lengths = np.array([len(row.window.ids) for row in rows])
        self._windows = np.array([len(row.windows) for row in rows])
        names = sorted({row.head for row in rows})
        self._heads = np.array([names.index(row.head) for row in rows])
        self._repeats = np.array(repeats)
        self._tokens = tokens
        self._seed = seed
        self._epoch = 0
        self._own = len(self._batches(0))
        self._count = -(-self._own // per_update) * per_update

    @property
    def wrapped(self) -> int:
        """Batches at the end of an epoch that are its first ones again, to fill the last update."""
        return self._count - self._own

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[list[int]]:
        yield from islice(cycle(self._batches(self._epoch)), self._count)

    def _batches(self, epoch: int) -> list[list[int]]:
        random = np.random.default_rng((self._seed, epoch))
        whole = np.floor(self._repeats)
        times = (whole + (random.random(len(whole)) < self._repeats - whole)).astype(int)
        drawn = random.permutation(np.repeat(np.arange(len(times)), times))
        batches: list[list[int]] = []
        for head in np.unique(self._heads[drawn]):
            batches += self._of_head(drawn[self._heads[drawn] == head], random)
        order = random.permutation(len(batches))
        return [batches[i] for i in order]

    def _of_head(self, drawn: np.ndarray[Any, np.dtype[np.int64]], random: np.random.Generator) -> list[list[int]]:
        """Rows of one head, nearly sorted by length (noise keeps the company varied), cut under the token budget."""
        noise = 1.0 + 0.1 * random.random(len(drawn))
        batches: list[list[int]] = []
        longest = windows = 0
        for number in drawn[np.argsort(self._lengths[drawn] * self._windows[drawn] * noise)]:
            longest = max(longest, int(self._lengths[number]))
            windows += int(self._windows[number])
            if not batches or windows * longest > self._tokens:
                batches.append([])
                longest, windows = int(self._lengths[number]), int(self._windows[number])
            batches[-1].append(int(number))
        return batches


class Collator:
    """Rows of one head to the model's arguments plus `labels`: (B, words, types) of words, (B,) of pairs or (B, groups)
    where some are read in their articles, IGNORED where nothing is to be said; (B,) of articles or (B, classes) where
    one has several labels. The windows of an article bear its number in the batch."""

    def __init__(self, pad_id: int) -> None:
        self._pad_id = pad_id

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        batch = pad([window for row in rows for window in row.windows], self._pad_id)
        index, groups = batch.index, batch.groups
        if rows[0].more is not None:
            owner = torch.tensor([number for number, row in enumerate(rows) for _ in row.windows])
            index, groups = torch.where(index < 0, index, owner[:, None]), len(rows)
        return {
            "head": rows[0].head,
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "index": index,
            "groups": groups,
            "labels": self._labels(rows, batch.groups),
        }

    @staticmethod
    def _labels(rows: Sequence[Row], groups: int) -> torch.Tensor:
        if rows[0].more is not None:
            return torch.tensor(np.array([row.labels for row in rows], dtype=np.int64))
        of_words = rows[0].labels.ndim == 2
        most = groups if of_words else max(len(row.labels) for row in rows)
        labels = torch.full((len(rows), most, *rows[0].labels.shape[1:]), IGNORED)
        for i, row in enumerate(rows):
            labels[i, : len(row.labels)] = torch.from_numpy(row.labels.astype(np.int64))
        return labels if of_words or most > 1 else labels[:, 0]
