"""Runs a loaded model over many texts at once: label probabilities for words, class probabilities for pairs.

Windows from all texts are sorted by length and batched under a token budget, so padding is little; results come back in
input order and do not depend on what a text was batched with, beyond float rounding. Labels and offsets are decided
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rasid.encoding import Window, pad, pair_window, windows
from rasid.model import BIO, Loaded

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """What a `pair` head reads."""

    target: str
    passage: str


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


def _logits(loaded: Loaded, head: str, rows: Sequence[Window], tokens: int) -> list[Floats]:
    """Raw scores of each window, in order: (words, types, 3) or (classes,), normalised to log probabilities."""
    device = next(loaded.model.parameters()).device
    pad_id = int(loaded.tokenizer.pad_token_id or 0)
    results: list[Floats] = [np.empty(0, dtype=np.float32)] * len(rows)
    with torch.inference_mode():
        for numbers in _batches(rows, tokens):
            batch = pad([rows[n] for n in numbers], pad_id).to(device)
            logits = loaded.model(head, batch.input_ids, batch.attention_mask, batch.index, batch.groups)
            scores = logits.float().log_softmax(dim=-1).cpu().numpy()
            for place, number in enumerate(numbers):
                results[number] = scores[place]
    return results


def word_log_probs(loaded: Loaded, head: str, texts: Sequence[Sequence[str]], tokens: int = 8192) -> list[Floats]:
    """BIO log probabilities of every word of each text (given as words): a list of (words, types, 3) arrays.

    A word is scored by the window in which it stands most central. A word without a piece gets Outside for certain.
    """
    config = loaded.model.config
    types = len(config.named_heads[head].labels)
    cut = [windows(loaded.tokenizer, words, config.window, config.overlap) for words in texts]
    scores = _logits(loaded, head, [row for rows in cut for row in rows], tokens)
    outside = np.array([0.0, -1e4, -1e4], dtype=np.float32)
    found, position = [], 0
    for words, rows in zip(texts, cut, strict=True):
        whole = np.empty((len(words), types, BIO), dtype=np.float32)
        for row in rows:
            core = slice(row.core_start - row.first, row.core_end - row.first)
            whole[row.core_start : row.core_end] = scores[position][core]
            silent = np.setdiff1d(np.arange(row.count), np.array(row.index)) + row.first
            whole[silent[(silent >= row.core_start) & (silent < row.core_end)]] = outside
            position += 1
        found.append(whole)
    return found


def pair_probs(loaded: Loaded, head: str, pairs: Sequence[Pair], tokens: int = 8192) -> Floats:
    """Class probabilities (pairs, classes) of a `pair` head."""
    config = loaded.model.config
    rows = [pair_window(loaded.tokenizer, pair.target, pair.passage, config.window) for pair in pairs]
    classes = len(config.named_heads[head].labels)
    scores = _logits(loaded, head, rows, tokens)
    return np.exp(np.stack(scores)) if scores else np.empty((0, classes), dtype=np.float32)
