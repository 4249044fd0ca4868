"""Whole-word masking for masked language modelling (Devlin et al. 2019, whole-word variant; rate as in cramming, 2022).

Works on id tensors alone: a word is a run of pieces whose continuation pieces are known from the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer
from torch import Tensor

IGNORED = -100  # the label that torch's cross entropy leaves out


@dataclass(frozen=True)
class Masked:
    """Model input and labels, both (batch, length); labels are IGNORED outside masked positions."""

    inputs: Tensor
    labels: Tensor


@dataclass(frozen=True)
class WordMasker:
    """Masks whole words at `rate`; of the masked pieces 80 % become [MASK], 10 % a random piece, 10 % stay."""

    continuation: Tensor  # (vocabulary,) bool: pieces that begin with ##
    special: int  # ids below this are special tokens and never masked
    mask_id: int
    rate: float

    @classmethod
    def of(cls, tokenizer: Tokenizer, rate: float, whole_words: bool = True) -> WordMasker:
        vocabulary = tokenizer.get_vocab()
        continuation = torch.zeros(len(vocabulary), dtype=torch.bool)
        for piece, index in vocabulary.items():
            continuation[index] = whole_words and piece.startswith("##")
        return cls(continuation, special=5, mask_id=vocabulary["[MASK]"], rate=rate)

    def to(self, device: torch.device) -> WordMasker:
        return replace(self, continuation=self.continuation.to(device))

    def __call__(self, ids: Tensor, generator: torch.Generator) -> Masked:
        """`ids` (batch, length) int64, on the generator's device; the same generator state gives the same masks."""
        words = (~self.continuation[ids]).cumsum(dim=1)  # word number of each piece, from 1 (0: a cut first word)
        draw = torch.rand(ids.shape[0], ids.shape[1] + 1, generator=generator, device=ids.device)
        masked = (draw.gather(1, words) < self.rate) & (ids >= self.special)
        labels = torch.where(masked, ids, IGNORED)
        fate = torch.rand(ids.shape, generator=generator, device=ids.device)
        random = torch.randint(self.special, len(self.continuation), ids.shape, generator=generator, device=ids.device)
        inputs = torch.where(masked & (fate < 0.8), self.mask_id, ids)
        inputs = torch.where(masked & (fate >= 0.9), random, inputs)
        return Masked(inputs, labels)
