"""Losses of heads: cross entropy, weighted by label or focal, as a sum over items.

An item is a word that has labels (its cost summed over types), a pair, or an article's label; how many items there are
says what a mean is taken over, so that batches of any size can share one mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rasid.errors import ConfigError, nearest
from rasid.model import Head

from .features import Row
from .masking import IGNORED
from .sections import LossSection

_ONE = 1.0 - 1e-7  # below 1, so that (1 - p) ** gamma has a slope


def items_of(labels: Tensor) -> int:
    """How many items labels speak of: words of (B, W, T), else numbers that are not IGNORED."""
    known = labels != IGNORED
    return int((known.any(dim=-1) if labels.ndim == 3 else known).sum())


class HeadLoss:
    """The loss of one head. `weights` stand by class; of a `tokens` head by type. `several`: each class is a question
    of its own, and its weight is for the articles that have it."""

    def __init__(self, gamma: float = 0.0, weights: Tensor | None = None, several: bool = False) -> None:
        self._gamma = gamma
        self._weights = weights
        self._several = several

    def total(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The cost of all items together.

        Logits are (B, W, T, 3) with labels (B, W, T); (B, classes) with labels (B,), or (B, classes) of 0 and 1 where
        each class is a question of its own; (B, targets, classes) with labels (B, targets).
        """
        if labels.shape == logits.shape:
            costs = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")
        else:
            flat = F.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED, reduction="none"
            )
            costs = flat.view(labels.shape)
        if self._gamma:
            costs = costs * (1.0 - torch.exp(-costs).clamp(max=_ONE)) ** self._gamma
        return (costs if self._weights is None else costs * self._weight(labels)).sum()

    def mean(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The cost of an item."""
        return self.total(logits, labels) / max(1, items_of(labels))

    def _weight(self, labels: Tensor) -> Tensor:
        weights = torch.as_tensor(self._weights, device=labels.device)
        if labels.ndim == 3 or self._several:
            return torch.where(labels > 0, weights, 1.0)
        return weights[labels.clamp(min=0)]


def label_counts(rows: Iterable[Row], repeats: Iterable[float], head: Head) -> list[float]:
    """How often an epoch meets each label of a head: words inside entities of a type, pairs, articles."""
    counts: Counter[int] = Counter()
    for row, repeat in zip(rows, repeats, strict=True):
        labels = row.labels.astype(np.int64)
        if head.kind == "tokens":
            found = (labels > 0).sum(axis=0).tolist()
        elif head.multilabel:
            found = labels.tolist()
        else:
            found = np.bincount(labels[labels != IGNORED].reshape(-1), minlength=len(head.labels)).tolist()
        counts.update({number: repeat * count for number, count in enumerate(found)})
    return [counts[number] for number in range(len(head.labels))]


def balanced(counts: Sequence[float], power: float) -> list[float]:
    """Inverse frequencies to the `power`, whose mean over what was counted is 1; a label never met gets 1."""
    raw = [count**-power if count else 0.0 for count in counts]
    scale = sum(counts) / max(1e-12, sum(weight * count for weight, count in zip(raw, counts, strict=True)))
    return [weight * scale if weight else 1.0 for weight in raw]


def label_weights(name: str, section: LossSection, head: Head, counts: Sequence[float]) -> dict[str, float] | None:
    """The weight of each label of a head. Raises ConfigError for a label that the head does not have."""
    if section.weights is None:
        return None
    if section.weights == "balanced":
        return dict(zip(head.labels, balanced(counts, section.power), strict=True))
    given: Mapping[str, float] = section.weights
    for label in given:
        if label not in head.labels:
            raise ConfigError(f"heads.{name}.loss.weights: unknown label {label!r}{nearest(label, head.labels)}")
    return {label: given.get(label, 1.0) for label in head.labels}


def head_loss(name: str, section: LossSection, head: Head, counts: Sequence[float]) -> HeadLoss:
    """The loss that a head's section asks for."""
    weights = label_weights(name, section, head, counts)
    by_class = None if weights is None else torch.tensor(list(weights.values()))
    return HeadLoss(section.gamma, by_class, head.multilabel)


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Plain cross entropy of an item, whatever the head."""
    return HeadLoss().mean(logits, labels)
