"""Runs a loaded model over whole articles in one pass: BIO scores of words, class probabilities of articles.

An article's state is the mean of its pieces' states, each piece read in the window where its word stands most central:
an article of any length is read whole, and every piece counts once. The windows are those that words are labelled in,
so where a model has a `tokens` head too, classification costs nothing but its last layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.encoding import Batch, Window, pad, windows
from rasid.model import BIO, Head, Loaded
from rasid.network import network_of
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
    """Logits of each text: the mean of its windows' logits, weighted by the pieces of each that count."""

    def __init__(self, texts: int, classes: Mapping[str, int]) -> None:
        self._sums = {head: np.zeros((texts, size)) for head, size in classes.items()}
        self._counts = np.zeros((texts, 1))

    def add(self, labels: Mapping[str, Floats], pieces: NDArray[np.intp], places: Sequence[_Place]) -> None:
        """By head, logits (windows, classes) of the windows in `places`, `pieces` of which count."""
        texts = [place.text for place in places]
        np.add.at(self._counts, texts, pieces[:, None])
        for head, logits in labels.items():
            np.add.at(self._sums[head], texts, logits * pieces[:, None])

    def value(self, head: str) -> Floats:
        """(texts, classes); zeros for a text without a piece."""
        found: Floats = (self._sums[head] / np.maximum(self._counts, 1.0)).astype(np.float32)
        return found


def _counted(batch: Batch, places: Sequence[_Place]) -> Tensor:
    """Which pieces (windows, pieces) are of words in their window's core: each word of an article once."""
    cores = [(p.window.core_start - p.window.first, p.window.core_end - p.window.first) for p in places]
    start, end = torch.tensor(cores)[:, :, None].unbind(1)
    return (batch.index >= start) & (batch.index < end)


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
    config = loaded.model.config
    overlap = config.overlap if tokens_head else 0
    cut = [windows(loaded.tokenizer, words, config.window, overlap) for words in texts]
    places = [_Place(text, window) for text, rows in enumerate(cut) for window in rows]
    types = len(config.named_heads[tokens_head].labels) if tokens_head else 0
    found = [np.empty((len(words), types, BIO), dtype=np.float32) for words in texts]
    means = _Means(len(texts), {head: len(config.named_heads[head].labels) for head in text_heads})
    network = network_of(loaded)
    for numbers in _batches([place.window for place in places], tokens):
        own = [places[number] for number in numbers]
        batch = pad([place.window for place in own], int(loaded.tokenizer.pad_token_id or 0))
        counted = _counted(batch, own)
        heard = network.read(batch, counted, tokens_head, text_heads)
        means.add(heard.labels, counted.sum(dim=1).numpy(), own)
        if heard.words is not None:
            _place_words(found, own, heard.words)
    return Reading(found, {head: _probabilities(loaded, head, means.value(head)) for head in text_heads})


def _place_words(found: list[Floats], places: Sequence[_Place], scores: Floats) -> None:
    """Writes the scores (B, words, types, 3) of each window's core words where they belong."""
    for place, own in zip(places, scores, strict=True):
        window = place.window
        own[np.setdiff1d(np.arange(window.count), window.index)] = _OUTSIDE
        core = slice(window.core_start - window.first, window.core_end - window.first)
        found[place.text][window.core_start : window.core_end] = own[core]


def _probabilities(loaded: Loaded, head: str, logits: Floats) -> Floats:
    several = loaded.model.config.named_heads[head].multilabel
    powers = torch.from_numpy(logits)
    probabilities: Floats = (powers.sigmoid() if several else powers.softmax(dim=-1)).numpy()
    return probabilities


def chosen(head: Head, probabilities: Floats) -> list[Choice]:
    """The likeliest label; of a head with several, those at least as likely as not, the likeliest first."""
    order = [int(number) for number in np.argsort(-probabilities, kind="stable")]
    kept = [number for number in order if probabilities[number] >= _YES] if head.multilabel else order[:1]
    return [Choice(head.labels[number], float(probabilities[number])) for number in kept]
