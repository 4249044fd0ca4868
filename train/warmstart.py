"""Skip-gram vectors of the tokenizer's own pieces, as a static start for the encoder's embeddings.

A masked-LM run of minutes spends most of its budget on learning which pieces resemble each other; skip-gram (Mikolov et
al. 2013, through gensim) finds that out for a fraction of the cost. Needs the `rasid[pretrain]` extra.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rasid.config import Section
from rasid.errors import ConfigError


class WarmStart(Section):
    """Budget and shape of the skip-gram run."""

    tokens: int = 12_000_000
    window: int = 5
    negative: int = 5
    workers: int = 2
    scale: float = 0.06  # standard deviation of the embedding weights; keeps tied logits near unit scale


class _Sentences:
    """The first `limit` packed ids as lists of strings, cut every 200, re-iterable as gensim wants it."""

    def __init__(self, ids: NDArray[np.unsignedinteger], limit: int) -> None:
        self._ids = ids
        self._limit = min(limit, len(ids))

    def __iter__(self) -> Iterator[list[str]]:
        for start in range(0, self._limit, 200):
            yield [str(index) for index in self._ids[start : min(start + 200, self._limit)]]


def skipgram_embeddings(
    ids: NDArray[np.unsignedinteger], vocabulary: int, size: int, options: WarmStart, seed: int
) -> Tensor:
    """Embeddings (vocabulary, size) float32, standardised to `options.scale`; unseen pieces drawn at that scale.

    With more than one worker gensim's result varies from run to run in its last digits.
    """
    try:
        from gensim.models import Word2Vec
    except ImportError:
        raise ConfigError("warm_start needs gensim: pip install 'rasid[pretrain]', or set warm_start: null") from None
    model = Word2Vec(
        _Sentences(ids, options.tokens),
        vector_size=size,
        window=options.window,
        negative=options.negative,
        sg=1,
        sample=1e-4,
        min_count=5,
        epochs=1,
        workers=options.workers,
        seed=seed,
    )
    weights = torch.randn(vocabulary, size, generator=torch.Generator().manual_seed(seed)) * options.scale
    known = torch.tensor([int(key) for key in model.wv.index_to_key])
    vectors = torch.from_numpy(np.array(model.wv.vectors))
    vectors = (vectors - vectors.mean(0)) / vectors.std()
    weights[known] = vectors * options.scale
    return weights
