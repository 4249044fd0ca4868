"""Static vectors of the tokenizer's own pieces, as a start for the encoder's embeddings.

A masked-LM run of minutes spends most of its budget on learning which pieces resemble each other; counting finds that
out for a fraction of the cost. The vectors are a truncated SVD of positive pointwise mutual information, which
skip-gram with negative sampling factorises implicitly (Levy & Goldberg 2014), with the settings of Levy, Goldberg &
Dagan (2015): linearly fading window, smoothed context counts, square roots of the singular values. Memory: 12 bytes a
pair of pieces.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.config import Section

from .corpus import Ids

_SPECIAL = 5  # ids below this stand for no text
_CHUNK = 8_000_000  # ids counted at a time


class WarmStart(Section):
    """How pieces are counted and their vectors scaled."""

    tokens: int | None = None  # of the packed text, from its start; all by default
    window: int = 5
    smoothing: float = 0.75  # power of the context counts
    scale: float = 0.06  # standard deviation of the embedding weights; keeps tied logits near unit scale


def cooccurrences(ids: Ids, vocabulary: int, window: int) -> NDArray[np.float32]:
    """Counts (vocabulary, vocabulary) of ordered pairs at most `window` apart, a pair at distance d weighing
    (window - d + 1) / window; special pieces have none."""
    counts = np.zeros((vocabulary, vocabulary), dtype=np.float32)
    flat = counts.reshape(-1)
    for start in range(0, len(ids), _CHUNK):
        for distance in range(1, window + 1):
            right = ids[start + distance : start + distance + _CHUNK].astype(np.int64)
            left = ids[start : start + len(right)].astype(np.int64)
            text = (left >= _SPECIAL) & (right >= _SPECIAL)
            # Sorted, equal pairs lie together and the table is walked in order: random access is twenty times slower.
            pairs, times = np.unique((left * vocabulary + right)[text], return_counts=True)
            flat[pairs] += times * np.float32((window - distance + 1) / window)
    return counts


def positive_pmi(counts: Tensor, smoothing: float) -> Tensor:
    """max(0, log P(word, context) / (P(word) P(context)^smoothing)) of symmetric counts (V, V), computed in place."""
    totals = counts.sum(dim=1)
    contexts = totals.pow(smoothing)
    words, contexts = totals.clamp(min=1e-9).log(), (contexts / contexts.sum()).clamp(min=1e-12).log()
    return counts.log_().sub_(words[:, None]).sub_(contexts[None, :]).clamp_(min=0.0)


def static_embeddings(ids: Ids, vocabulary: int, size: int, options: WarmStart, seed: int) -> Tensor:
    """Embeddings (vocabulary, size) float32 with standard deviation `options.scale`; unseen pieces drawn at that scale.

    Deterministic for a seed and a number of threads.
    """
    counts = torch.from_numpy(cooccurrences(ids[: options.tokens], vocabulary, options.window))
    counts += counts.T.clone()
    seen = counts.sum(dim=1) > 0
    torch.manual_seed(seed)
    rank = min(size, vocabulary)
    left, values, _ = torch.svd_lowrank(positive_pmi(counts, options.smoothing), q=min(rank + 32, vocabulary), niter=2)
    vectors = left[:, :rank] * values[:rank].sqrt()
    vectors = (vectors - vectors[seen].mean(dim=0)) / vectors[seen].std()
    weights = torch.randn(vocabulary, size) * options.scale
    weights[seen, :rank] = vectors[seen] * options.scale
    return weights


def log_frequencies(ids: Ids, vocabulary: int) -> Tensor:
    """log P(piece), (vocabulary,) float32, add-one smoothed: where a masked-LM decoder's bias arrives anyway."""
    counts = np.bincount(ids, minlength=vocabulary) + 1
    return torch.from_numpy(np.log(counts) - math.log(counts.sum())).float()
