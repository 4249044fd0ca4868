"""Asks a `pair` head of a loaded model about many targets and passages at once: class probabilities.

A passage that mentions its target is read in place, where the model was trained so: the head is given the states that
the encoder has of the mentions and of the passage's other words, with the whole article around them, and where the
article has been read for its entities nothing is read again. All other pairs are read alone, target and passage in a
window of their own, and so are claims always. Answers do not depend on what else is asked, beyond float rounding, and
come out calibrated where the model folder says how.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from rasid.contrast import contrast
from rasid.encoding import Asked, Window, asked_windows, batches, pad
from rasid.labels import STANCES
from rasid.lexical import with_lexical
from rasid.loaded import loads, weighed
from rasid.model import Loaded
from rasid.network import network_of
from rasid.places import Place, Words, words_in
from rasid.repair import read_words
from rasid.text import Span
from rasid.textscoring import States, core_states

Floats = NDArray[np.float32]
_ARTICLES = 64  # that are read at once for their pairs
# Power of the encoder's answer beside that of the lexical part (docs/decisions/0031-lexical-part.md).
_TRUST = 0.25


@dataclass(frozen=True)
class Pair:
    """What a `pair` head reads. `mentions` are the target's places in the passage, and `place` is where in its article
    that stands; a passage without one is all that there is of its text."""

    target: str
    passage: str
    mentions: tuple[Span, ...] = ()
    place: Place | None = None

    @property
    def by_itself(self) -> bool:
        """Whether the words of target and passage are all that the answer can go by: a claim, or a name in a text that
        nobody has read for who is in it."""
        return not self.mentions and self.place is None

    @property
    def placed(self) -> bool:
        """Whether it can be read in its article: the target is mentioned, and where is known."""
        return bool(self.mentions) and self.place is not None


@dataclass(frozen=True)
class ReadText:
    """An article's words and the states that the encoder has of them."""

    cut: Sequence[Span]
    states: States


def _scored(loaded: Loaded, head: str, rows: Sequence[Window], tokens: int) -> Iterator[tuple[int, Floats]]:
    """(row number, log probabilities (classes,)) of every window, batch by batch."""
    network = network_of(loaded)
    pad_id = int(loaded.tokenizer.pad_token_id or 0)
    for numbers in batches(rows, tokens):
        scores = network.log_probs(head, pad([rows[n] for n in numbers], pad_id))
        yield from zip(numbers, scores, strict=True)


def pair_rows(tokenizer: PreTrainedTokenizerFast, pair: Pair, size: int, contrasted: bool = False) -> list[Window]:
    """The windows, of at most `size` pieces, of a pair that is read alone; `contrasted` sets the words apart that a
    claim and its passage do not share, where the passage does not mention it."""
    told = contrast(pair.target, pair.passage) if contrasted and pair.by_itself else None
    return asked_windows(tokenizer, Asked(pair.target, told), pair.passage, size)


def _alone(loaded: Loaded, head: str, pairs: Sequence[Pair], tokens: int) -> Floats:
    """Probabilities (pairs, classes), each pair in windows of its own; of a passage read in parts, the parts' mean."""
    config = loaded.model.config
    cut = [pair_rows(loaded.tokenizer, pair, config.pair_window, config.contrast) for pair in pairs]
    places = [(number, row) for number, rows in enumerate(cut) for row in rows]
    found = np.zeros((len(pairs), len(config.named_heads[head].labels)), dtype=np.float32)
    for row, scores in _scored(loaded, head, [row for _, row in places], tokens):
        number = places[row][0]
        found[number] += np.exp(scores) / len(cut[number])
    return found


class _Sums:
    """States of targets and of the rest of their passages, summed up for each pair."""

    def __init__(self, pairs: int, hidden: int) -> None:
        self._states = np.zeros((pairs, 2, hidden), dtype=np.float32)
        self._pieces = np.zeros((pairs, 2, 1), dtype=np.float32)

    def add(self, number: int, words: Words, states: States) -> None:
        """What some of an article's words have for a pair, given its own words."""
        sums, counts = states.sums(words.passage, words.target)
        self._states[number] += sums
        self._pieces[number] += counts

    @property
    def means(self) -> Floats:
        """(pairs, 2, hidden); zeros where there is no piece."""
        found: Floats = (self._states / np.maximum(self._pieces, 1.0)).astype(np.float32)
        return found


def _in_place(loaded: Loaded, head: str, pairs: Sequence[Pair], tokens: int, known: Mapping[str, ReadText]) -> Floats:
    """Probabilities (pairs, classes) from the states of mentions and passages; articles that are not known are read."""
    sums = _Sums(len(pairs), loaded.model.config.encoder_config().hidden_size)
    unread: dict[str, list[int]] = {}
    for number, pair in enumerate(pairs):
        text = pair.place.text if pair.place else ""
        if text in known:
            sums.add(number, _words(pair, known[text].cut), known[text].states)
        else:
            unread.setdefault(text, []).append(number)
    texts = list(unread)
    for start in range(0, len(texts), _ARTICLES):
        _read(loaded, pairs, {text: unread[text] for text in texts[start : start + _ARTICLES]}, sums, tokens)
    return of_states(loaded, head, sums.means)


def _words(pair: Pair, cut: Sequence[Span]) -> Words:
    if pair.place is None:
        raise ValueError("a pair that has no place")
    return words_in(cut, pair.place, len(pair.passage), pair.mentions)


def _read(loaded: Loaded, pairs: Sequence[Pair], asked: Mapping[str, list[int]], sums: _Sums, tokens: int) -> None:
    """Reads articles, given with the numbers of the pairs about them, and adds up what their windows have for these."""
    cuts = [read_words(text, loaded.model.config.repair) for text in asked]
    words = [[word.of(text) for word in cut] for text, cut in zip(asked, cuts, strict=True)]
    own = [
        sorted(((_words(pairs[n], cut), n) for n in numbers), key=lambda each: each[0].passage.start)
        for cut, numbers in zip(cuts, asked.values(), strict=True)
    ]
    longest = [max(len(each.passage) for each, _ in of_text) for of_text in own]
    for text, states in core_states(loaded, words, tokens):
        # Whatever begins before this cannot reach into the window: an endless article has tens of thousands of pairs.
        first = bisect_left(own[text], states.first - longest[text], key=lambda each: each[0].passage.start)
        end = bisect_left(own[text], states.first + len(states.pieces), key=lambda each: each[0].passage.start)
        for place in range(first, end):
            sums.add(own[text][place][1], own[text][place][0], states)


def of_states(loaded: Loaded, head: str, states: Floats) -> Floats:
    """What the head's layers make of the states (pairs, 2, hidden) of targets and passages: (pairs, classes). They run
    in torch whatever engine has read the article: they are small, and what they read is known only with its entities.
    """
    module = loaded.model.heads[head]
    with torch.inference_mode():
        given = torch.from_numpy(states).to(next(module.parameters()).device)
        found: Floats = module(given[:, 0], given[:, 1]).float().softmax(dim=-1).cpu().numpy()
        return found


def pair_probs(
    loaded: Loaded,
    head: str,
    pairs: Sequence[Pair],
    tokens: int = 8192,
    calibrated: bool = True,
    known: Mapping[str, ReadText] | None = None,
) -> Floats:
    """Class probabilities (pairs, classes) of a `pair` head.

    `known` has the articles, by their text, that the encoder has read already. `calibrated` false gives probabilities
    raw, as calibration is fitted on them.
    """
    config = loaded.model.config
    found = np.zeros((len(pairs), len(config.named_heads[head].labels)), dtype=np.float32)
    placed = [number for number, pair in enumerate(pairs) if config.in_place and pair.placed]
    alone = [number for number, pair in enumerate(pairs) if not (config.in_place and pair.placed)]
    found[placed] = _in_place(loaded, head, [pairs[number] for number in placed], tokens, known or {})
    found[alone] = _alone(loaded, head, [pairs[number] for number in alone], tokens)
    labels = config.named_heads[head].labels
    if config.wording and set(labels) == set(STANCES):
        order = [labels.index(label) for label in STANCES]
        words = [loads(pair.passage, pair.mentions) if pair.mentions else None for pair in pairs]
        found[:, order] = weighed(found[:, order], words)
    lexical = loaded.lexical(head)
    if lexical is not None:
        said = [lexical.log_probs(pair.target, pair.passage) if pair.by_itself else None for pair in pairs]
        found = with_lexical(found, said, _TRUST)
    if calibrated:
        calibration = config.calibration_of(head)
        own = [number for number, pair in enumerate(pairs) if calibration.answers_for(pair.by_itself)]
        found[own] = calibration.classes(found[own])
    return found
