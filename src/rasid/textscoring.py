"""Runs a loaded model over whole articles in one pass: BIO scores and states of words, class probabilities of articles.

An article's state is the mean of its pieces' states, each piece read in the window where its word stands most central:
an article of any length is read whole, and every piece counts once. The windows are those that words are labelled in,
so where a model has a `tokens` head too, classification costs nothing but its last layer.

Windows from all texts are sorted by length and batched under a token budget, so padding is little; results come back in
input order and do not depend on what a text was batched with, beyond float rounding. Labels and offsets are decided
elsewhere, and it is the spans made from words that are calibrated, by whoever makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.encoding import Batch, Window, batches, pad, windows
from rasid.model import BIO, Head, Loaded
from rasid.network import Wanted, network_of

Floats = NDArray[np.float32]
_OUTSIDE = np.array([0.0, -1e4, -1e4], dtype=np.float32)  # a word without a piece is nothing for certain
MOST_WORDS = 50_000  # of a text whose states are kept: 154 MB of an encoder of 768
_YES = 0.5  # the probability from which one of several labels is given


@dataclass(frozen=True, slots=True)
class Choice:
    """A label given to an article, and its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class States:
    """Words of a text, from number `first` on, as the encoder has read them: `means` (words, hidden) of the states of
    each word's pieces, zeros for a word without a piece, and how many `pieces` (words,) it has."""

    means: Floats
    pieces: Floats
    first: int = 0

    def sums(self, passage: range, target: Sequence[int]) -> tuple[Floats, Floats]:
        """The summed states (2, hidden) of the pieces of a target's words and of the other words of its passage, as far
        as they are here, and how many pieces (2, 1) those are. Words are given by their numbers in the text."""
        end = self.first + len(self.pieces)
        part = slice(max(0, passage.start - self.first), max(0, passage.stop - self.first))
        numbers = np.array([word - self.first for word in target if self.first <= word < end], dtype=np.intp)
        own, whole = self.pieces[numbers], self.pieces[part]
        sums = np.stack([own @ self.means[numbers], whole @ self.means[part]])
        counts = np.array([[own.sum()], [whole.sum()]], dtype=np.float32)
        sums[1] -= sums[0]
        counts[1] -= counts[0]
        return sums, counts


@dataclass(frozen=True)
class Reading:
    """What a model says of some texts, in their order.

    words: BIO log probabilities (words, types, 3) of each text; no types without a `tokens` head. labels: by `text`
    head, probabilities (texts, classes); rows sum to 1 unless the head gives several labels. states: of each text,
    where they were asked for; None for one of more than `MOST_WORDS`.
    """

    words: list[Floats]
    labels: dict[str, Floats]
    states: list[States | None] = field(default_factory=list)


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
    keep_states: bool = False,
) -> Reading:
    """Reads texts (given as words) once for a `tokens` head and any number of `text` heads.

    A word is scored by the window in which it stands most central, and a word without a piece gets Outside for certain.
    `tokens`: padded pieces of a batch. Windows overlap only where words are asked about.
    """
    config = loaded.model.config
    overlap = config.overlap if tokens_head or keep_states else 0
    cut = [windows(loaded.tokenizer, words, config.window, overlap) for words in texts]
    places = [_Place(text, window) for text, rows in enumerate(cut) for window in rows]
    types = len(config.named_heads[tokens_head].labels) if tokens_head else 0
    found = [np.empty((len(words), types, BIO), dtype=np.float32) for words in texts]
    hidden = config.encoder_config().hidden_size
    states = [_unread(len(words), hidden) for words in texts] if keep_states else []
    means = _Means(len(texts), {head: len(config.named_heads[head].labels) for head in text_heads})
    network, wanted = network_of(loaded), Wanted(tokens_head, text_heads, keep_states)
    for numbers in batches([place.window for place in places], tokens):
        own = [places[number] for number in numbers]
        batch = pad([place.window for place in own], int(loaded.tokenizer.pad_token_id or 0))
        counted = _counted(batch, own)
        heard = network.read(batch, counted, wanted)
        means.add(heard.labels, counted.sum(dim=1).numpy(), own)
        if heard.words is not None:
            _place_words(found, own, heard.words)
        if heard.states is not None:
            _place_states(states, own, heard.states)
    return Reading(found, {head: _probabilities(loaded, head, means.value(head)) for head in text_heads}, states)


def word_log_probs(loaded: Loaded, head: str, texts: Sequence[Sequence[str]], tokens: int = 8192) -> list[Floats]:
    """BIO log probabilities (words, types, 3) of each text's words (given as such), see `read_articles`."""
    return read_articles(loaded, texts, head, (), tokens).words


def core_states(loaded: Loaded, texts: Sequence[Sequence[str]], tokens: int = 8192) -> Iterator[tuple[int, States]]:
    """The states of all words of some texts, in no order: the number of a text, and those of one window's core."""
    config, network = loaded.model.config, network_of(loaded)
    cut = [windows(loaded.tokenizer, words, config.window, config.overlap) for words in texts]
    places = [_Place(text, window) for text, rows in enumerate(cut) for window in rows]
    for numbers in batches([place.window for place in places], tokens):
        batch = pad([places[number].window for number in numbers], int(loaded.tokenizer.pad_token_id or 0))
        heard = network.read(batch, torch.zeros_like(batch.index, dtype=torch.bool), Wanted(states=True))
        for number, own in zip(numbers, heard.states if heard.states is not None else (), strict=True):
            yield places[number].text, _of_core(places[number].window, own)


def _of_core(window: Window, states: Floats) -> States:
    """Of the states (words, hidden) of a window's words, those of its core."""
    pieces = np.bincount(np.array(window.index) + 1, minlength=window.count + 1)[1:].astype(np.float32)
    core = slice(window.core_start - window.first, window.core_end - window.first)
    return States(states[core], pieces[core], window.core_start)


def _unread(words: int, hidden: int) -> States | None:
    if words > MOST_WORDS:
        return None
    return States(np.zeros((words, hidden), dtype=np.float32), np.zeros(words, dtype=np.float32))


def _place_states(found: Sequence[States | None], places: Sequence[_Place], states: Floats) -> None:
    """Writes the states (B, words, hidden) of each window's core words where they belong, with the words' pieces."""
    for place, own in zip(places, states, strict=True):
        text, core = found[place.text], _of_core(place.window, own)
        if text is not None:
            text.means[place.window.core_start : place.window.core_end] = core.means
            text.pieces[place.window.core_start : place.window.core_end] = core.pieces


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
