"""Runs a loaded model over many texts at once: label probabilities for words, class probabilities for pairs.

Windows from all texts are sorted by length and batched under a token budget, so padding is little; results come back in
input order and do not depend on what a text was batched with, beyond float rounding. Labels and offsets are decided
elsewhere. Classes come out calibrated where the model folder says how; of words it is the spans made from them that
are calibrated, by whoever makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from rasid.contrast import contrast
from rasid.encoding import Asked, Window, asked_windows, pad, windows
from rasid.labels import STANCES
from rasid.lexical import with_lexical
from rasid.loaded import loads, weighed
from rasid.model import BIO, Loaded
from rasid.network import network_of
from rasid.text import Span

Floats = NDArray[np.float32]
MOST_TARGETS = 16  # that a passage is read for at once
# Power of the encoder's answer beside that of the lexical part (docs/decisions/0031-lexical-part.md).
_TRUST = 0.25


@dataclass(frozen=True)
class Pair:
    """What a `pair` head reads. `mentions` are the target's places in the passage. Pairs of one `group` and passage
    may be read together; a pair without a group is read alone, so that no answer hangs on what else is asked."""

    target: str
    passage: str
    mentions: tuple[Span, ...] = ()
    group: str = ""

    @property
    def by_itself(self) -> bool:
        """Whether the words of target and passage are all that the answer can go by: no mentions, no company."""
        return not self.group and not self.mentions


def _batches(rows: Sequence[Window], tokens: int) -> Iterator[list[int]]:
    """Row numbers in batches of similar length, each of at most `tokens` padded pieces (or one row)."""
    batch: list[int] = []
    for number in sorted(range(len(rows)), key=lambda i: -len(rows[i].ids)):
        longest = len(rows[batch[0]].ids) if batch else len(rows[number].ids)
        if batch and (len(batch) + 1) * longest > tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _scored(loaded: Loaded, head: str, rows: Sequence[Window], tokens: int) -> Iterator[tuple[int, Floats]]:
    """(row number, log probabilities) of every window, batch by batch: (words, types, 3) or (classes,)."""
    network = network_of(loaded)
    pad_id = int(loaded.tokenizer.pad_token_id or 0)
    for numbers in _batches(rows, tokens):
        scores = network.log_probs(head, pad([rows[n] for n in numbers], pad_id))
        yield from zip(numbers, scores, strict=True)


def word_log_probs(loaded: Loaded, head: str, texts: Sequence[Sequence[str]], tokens: int = 8192) -> list[Floats]:
    """BIO log probabilities of every word of each text (given as words): a list of (words, types, 3) arrays.

    A word is scored by the window in which it stands most central. A word without a piece gets Outside for certain.
    """
    config = loaded.model.config
    types = len(config.named_heads[head].labels)
    cut = [windows(loaded.tokenizer, words, config.window, config.overlap) for words in texts]
    places = [(text, row) for text, rows in enumerate(cut) for row in rows]
    found = [np.empty((len(words), types, BIO), dtype=np.float32) for words in texts]
    outside = np.array([0.0, -1e4, -1e4], dtype=np.float32)
    for number, scores in _scored(loaded, head, [row for _, row in places], tokens):
        text, row = places[number]
        scores[np.setdiff1d(np.arange(row.count), row.index)] = outside
        core = slice(row.core_start - row.first, row.core_end - row.first)
        found[text][row.core_start : row.core_end] = scores[core]
    return found


def together(pairs: Sequence[Pair]) -> list[list[int]]:
    """Numbers of the pairs that are read in one row: those of one group and passage, at most `MOST_TARGETS`."""
    found: list[list[int]] = []
    last: dict[tuple[str, str], list[int]] = {}
    for number, pair in enumerate(pairs):
        own = last.get((pair.group, pair.passage)) if pair.group else None
        if own is None or len(own) == MOST_TARGETS:
            own = []
            found.append(own)
            last[(pair.group, pair.passage)] = own
        own.append(number)
    return found


def pair_rows(
    tokenizer: PreTrainedTokenizerFast, pairs: Sequence[Pair], size: int, marked: bool, contrasted: bool = False
) -> list[Window]:
    """The windows, of at most `size` pieces, of pairs of one passage; `marked` sets the targets' mentions apart, and
    `contrasted` the words that a claim and its passage do not share, of pairs without mentions and without a group."""
    if contrasted and pairs[0].by_itself:
        target, passage = pairs[0].target, pairs[0].passage
        return asked_windows(tokenizer, [Asked(target, contrast=contrast(target, passage))], passage, size)
    asked = [Asked(pair.target, pair.mentions if marked else ()) for pair in pairs]
    return asked_windows(tokenizer, asked, pairs[0].passage, size)


def pair_probs(loaded: Loaded, head: str, pairs: Sequence[Pair], tokens: int = 8192, calibrated: bool = True) -> Floats:
    """Class probabilities (pairs, classes) of a `pair` head; of a passage read in parts, the parts' mean.

    `calibrated` false gives them raw, as calibration is fitted on them.
    """
    config = loaded.model.config
    company = together(pairs) if config.together else [[number] for number in range(len(pairs))]
    how = (config.pair_window, config.together, config.contrast)
    cut = [pair_rows(loaded.tokenizer, [pairs[n] for n in numbers], *how) for numbers in company]
    places = [(which, row) for which, rows in enumerate(cut) for row in rows]
    found = np.zeros((len(pairs), len(config.named_heads[head].labels)), dtype=np.float32)
    for number, scores in _scored(loaded, head, [row for _, row in places], tokens):
        which = places[number][0]
        numbers = company[which]
        found[numbers] += np.exp(np.atleast_2d(scores)[: len(numbers)]) / len(cut[which])
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
