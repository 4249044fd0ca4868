"""Doubt: how unsure a model is of the words of articles, and what about.

The doubt of a word is the entropy of its BIO labels, summed over the types, in nats: the model decides every type by
itself, so this is the entropy of all that it says of the word. What it is unsure about is told by the encoder's states:
their mean over an article's words, each weighing as much as the model doubts it, points where the doubt lies. Knows
nothing of budgets or of which article is to be annotated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.encoding import Batch, Window, batches, pad, windows
from rasid.model import Loaded, pool

Floats = NDArray[np.float32]
_FLOOR = 1e-6  # nats that every word has: of an article without any doubt the state is the plain mean


@dataclass(frozen=True)
class Doubt:
    """Of one article: `nats` [words], the doubt of each word, and `state` [H], the mean of its words' states weighted
    by that."""

    nats: Floats
    state: Floats

    @property
    def total(self) -> float:
        """Of the whole article, in nats."""
        return float(self.nats.sum(dtype=np.float64))


@dataclass(frozen=True)
class _Place:
    """A window and the number of its text."""

    text: int
    window: Window

    @property
    def core(self) -> slice:
        """The window's core, counted from its first word."""
        return slice(self.window.core_start - self.window.first, self.window.core_end - self.window.first)


def doubts(loaded: Loaded, head: str, texts: Sequence[Sequence[str]], tokens: int = 8192) -> list[Doubt]:
    """The doubt of a `tokens` head about each text (given as words); `tokens` are the padded pieces of a batch.

    A word counts in the window where it stands most central, as it is labelled; one without a piece is not doubted.
    """
    model, config = loaded.model, loaded.model.config
    cut = [windows(loaded.tokenizer, words, config.window, config.overlap) for words in texts]
    places = [_Place(text, window) for text, rows in enumerate(cut) for window in rows]
    device = next(model.parameters()).device
    nats = [np.zeros(len(words), dtype=np.float32) for words in texts]
    sums = np.zeros((len(texts), model.encoder.config.hidden_size), dtype=np.float64)
    weights = np.zeros(len(texts), dtype=np.float64)
    with torch.inference_mode():
        for numbers in batches([place.window for place in places], tokens):
            own = [places[number] for number in numbers]
            batch = pad([place.window for place in own], int(loaded.tokenizer.pad_token_id or 0)).to(device)
            states = pool(model.states(batch.input_ids, batch.attention_mask), batch.index, batch.groups)
            entropy = _entropy(model.heads[head](states)) * _with_pieces(batch)
            for place, row, vectors in zip(own, entropy.cpu().numpy(), states.float().cpu().numpy(), strict=True):
                nats[place.text][place.window.core_start : place.window.core_end] = row[place.core]
                weight = row[place.core].astype(np.float64) + _FLOOR
                sums[place.text] += weight @ vectors[place.core]
                weights[place.text] += weight.sum()
    means = sums / np.maximum(weights, _FLOOR)[:, None]
    return [Doubt(own, mean.astype(np.float32)) for own, mean in zip(nats, means, strict=True)]


def _entropy(logits: Tensor) -> Tensor:
    """Entropies (B, words) in nats of BIO logits (B, words, types, 3), summed over the types."""
    log_probs = logits.float().log_softmax(dim=-1)
    return -(log_probs.exp() * log_probs).sum(dim=(-2, -1))


def _with_pieces(batch: Batch) -> Tensor:
    """(B, words): 1 for words that have a piece, else 0."""
    found = torch.zeros(len(batch.index), batch.groups + 1, device=batch.index.device)
    slots = torch.where(batch.index < 0, batch.groups, batch.index)
    return found.scatter(1, slots, 1.0)[:, :-1]
