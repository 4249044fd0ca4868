"""Runs a loaded model over whole articles in one pass: BIO scores of words, class probabilities of articles.

An article's state is the mean of its pieces' states, each piece read in the window where its word stands most central:
an article of any length is read whole, and every piece counts once. The windows are those that words are labelled in,
so where a model has a `tokens` head too, classification costs nothing but its last layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.encoding import Batch, Window, pad, windows
from rasid.model import BIO, Head, Loaded, pool
from rasid.scoring import _batches

Floats = NDArray[np.float32]
_OUTSIDE = np.array([0.0, -1e4, -1e4], dtype=np.float32)  # a word without a piece is nothing for certain
_YES = 0.5  # the probability from which one of several labels is given


@dataclass(frozen=True, slots=True)
class Choice:
    """A label given to an article, and its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class Reading:
    """What the heads say of some texts, in their order.

    words: BIO log probabilities (words, types, 3) of each text; no types without a `tokens` head. labels: by `text`
    head, probabilities (texts, classes); rows sum to 1 unless the head gives several labels.
    """

    words: list[Floats]
    labels: dict[str, Floats]


@dataclass(frozen=True)
class _Place:
    """A window and the number of its text."""

    text: int
    window: Window


class _Means:
    """Mean state of each text's pieces, summed up batch by batch."""

    def __init__(self, texts: int, size: int, device: torch.device) -> None:
        self._texts = texts
        self._sums = torch.zeros(texts + 1, size, device=device)  # the last row takes what is not to count
        self._counts = torch.zeros(texts + 1, device=device)

    def add(self, states: Tensor, batch: Batch, places: Sequence[_Place]) -> None:
        """states (B, L, H) of the windows in `places`; pieces of words outside a window's core are left out."""
        cores = [(p.window.core_start - p.window.first, p.window.core_end - p.window.first, p.text) for p in places]
        start, end, text = torch.tensor(cores, device=states.device)[:, :, None].unbind(1)
        slots = torch.where((batch.index >= start) & (batch.index < end), text, self._texts).flatten()
        self._sums.index_add_(0, slots, states.flatten(0, 1).float())
        self._counts.index_add_(0, slots, torch.ones_like(slots, dtype=self._counts.dtype))

    def value(self) -> Tensor:
        """(texts, H); zeros for a text without a piece."""
        return self._sums[:-1] / self._counts[:-1].clamp(min=1.0).unsqueeze(-1)


def read_articles(
    loaded: Loaded,
    texts: Sequence[Sequence[str]],
    tokens_head: str | None,
    text_heads: Sequence[str],
    tokens: int = 8192,
) -> Reading:
    """Reads texts (given as words) once for a `tokens` head and any number of `text` heads.

    `tokens`: padded pieces of a batch. Windows overlap only where words are to be labelled.
    """
    model, config = loaded.model, loaded.model.config
    overlap = config.overlap if tokens_head else 0
    cut = [windows(loaded.tokenizer, words, config.window, overlap) for words in texts]
    places = [_Place(text, window) for text, rows in enumerate(cut) for window in rows]
    types = len(config.named_heads[tokens_head].labels) if tokens_head else 0
    found = [np.empty((len(words), types, BIO), dtype=np.float32) for words in texts]
    device = next(model.parameters()).device
    means = _Means(len(texts), model.encoder.config.hidden_size, device)
    with torch.inference_mode():
        for numbers in _batches([place.window for place in places], tokens):
            own = [places[number] for number in numbers]
            batch = pad([place.window for place in own], int(loaded.tokenizer.pad_token_id or 0)).to(device)
            states = model.states(batch.input_ids, batch.attention_mask)
            means.add(states, batch, own)
            if tokens_head:
                logits = model.heads[tokens_head](pool(states, batch.index, batch.groups))
                _place_words(found, own, logits.float().log_softmax(dim=-1).cpu().numpy())
        labels = {head: _probabilities(loaded, head, means.value()) for head in text_heads}
    return Reading(found, labels)


def _place_words(found: list[Floats], places: Sequence[_Place], scores: Floats) -> None:
    """Writes the scores (B, words, types, 3) of each window's core words where they belong."""
    for place, own in zip(places, scores, strict=True):
        window = place.window
        own[np.setdiff1d(np.arange(window.count), window.index)] = _OUTSIDE
        core = slice(window.core_start - window.first, window.core_end - window.first)
        found[place.text][window.core_start : window.core_end] = own[core]


def _probabilities(loaded: Loaded, head: str, articles: Tensor) -> Floats:
    logits = loaded.model.heads[head](articles).float()
    several = loaded.model.config.named_heads[head].multilabel
    probabilities: Floats = (logits.sigmoid() if several else logits.softmax(dim=-1)).cpu().numpy()
    return probabilities


def chosen(head: Head, probabilities: Floats) -> list[Choice]:
    """The likeliest label; of a head with several, those at least as likely as not, the likeliest first."""
    order = [int(number) for number in np.argsort(-probabilities, kind="stable")]
    kept = [number for number in order if probabilities[number] >= _YES] if head.multilabel else order[:1]
    return [Choice(head.labels[number], float(probabilities[number])) for number in kept]
