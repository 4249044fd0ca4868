"""The lexical part of a `pair` head: a linear model over words, beside the encoder (wide and deep, Cheng et al. 2016,
arXiv 1606.07792).

A small encoder that learns a stance from a few thousand pairs remembers them; which words speak for a side it learns
worse than logistic regression does (docs/decisions/0031-lexical-part.md). Asked about a claim, the model looks at the
words that only one of claim and text has, and at how much they share; asked about a name, at the words of the text, and
what they mean for that name where it has learnt much about it. Features are strings hashed into buckets (Weinberger et
al. 2009), so a model folder holds one table of weights and no vocabulary. Fitted by `rasid.train.lexicalfit`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import regex
from numpy.typing import NDArray

from rasid.config import Section
from rasid.contrast import is_claim, stems
from rasid.normalizer import normalise

Floats = NDArray[np.float32]
Kind = Literal["claims", "names"]


class Learnt(Section):
    """What a lexical part was fitted on: kinds of target, and the names that have weights of their own."""

    kinds: tuple[Kind, ...]
    names: tuple[str, ...] = ()

    def knows(self, target: str) -> bool:
        """Whether there is an answer about such a target at all."""
        return kind_of(target) in self.kinds


BUCKETS = 1 << 15
_DENIALS = "لا لم لن ليس ليست غير عدم ما بدون دون نفي ينفي تنفي نفى نفت رفض يرفض ترفض تكذيب يكذب"
_NEGATIONS = frozenset(normalise(_DENIALS).split())
_NUMBER = regex.compile(r"\d+")
_MOST = 8  # words that only one side has: more count as so many
_LONGEST = 12  # words of a side: likewise
_LEAST = 1e-4  # probability of the encoder's answer, so that it cannot outweigh every word


def kind_of(target: str) -> Kind:
    """Whether a target says something or names somebody."""
    return "claims" if is_claim(target) else "names"


def features(target: str, passage: str, own: bool = False) -> Iterator[str]:
    """What the lexical part sees of a pair, as strings; some may repeat. `own`: the target is a name with weights of
    its own. Other names are judged by a second set of weights, learnt from the same pairs without their names: what
    is left of the first set without a name's own weights knows little (0.49 against 0.55 on names not met)."""
    if kind_of(target) == "claims":
        yield from _of_claim(target, passage)
        return
    for stem in stems(passage):
        if own:
            yield f"text {stem}"
            yield f"of {target} {stem}"
        else:
            yield f"any {stem}"


def _of_claim(claim: str, passage: str) -> Iterator[str]:
    """Words by which the two differ, and in steps how much and how: steps hold for texts longer than any learnt
    from, where a straight line would not."""
    ours, theirs = stems(claim), stems(passage)
    here, there = set(ours), set(theirs)
    for stem in here - there:
        yield f"claim only {stem}"
    for stem in there - here:
        yield f"text only {stem}"
    for name, value in _steps(ours, theirs).items():
        yield f"{name} = {value}"
    for name, value in _signs(claim, passage).items():
        yield f"{name} = {value}"


def _steps(ours: Sequence[str], theirs: Sequence[str]) -> dict[str, int]:
    here, there = set(ours), set(theirs)
    shared = here & there
    in_place = sum(one == other for one, other in zip(ours, theirs, strict=False))
    return {
        "tenths of the claim shared": 10 * len(shared) // max(1, len(here)),
        "tenths of the text shared": 10 * len(shared) // max(1, len(there)),
        "fifths of the claim in place": 5 * in_place // max(1, len(ours)),
        "claim only, words": min(_MOST, len(here - there)),
        "text only, words": min(_MOST, len(there - here)),
        "claim, words": min(_LONGEST, len(ours)),
        "text, words": min(_LONGEST, len(theirs)),
        "text longer by": max(-4, min(4, len(theirs) - len(ours))),
        "same first": int(ours[:1] == theirs[:1]),
        "same last": int(ours[-1:] == theirs[-1:]),
        "shared in order": int([w for w in ours if w in there] == [w for w in theirs if w in here]),
    }


def _signs(claim: str, passage: str) -> dict[str, int]:
    """Numbers and negations, and words shared to the letter."""
    left, right = normalise(claim).split(), normalise(passage).split()
    ours, theirs = ({n.lstrip("0") for n in _NUMBER.findall(" ".join(words))} for words in (left, right))
    denials = [sum(map(_denies, words)) for words in (left, right)]
    return {
        "numbers, claim only": min(2, len(ours - theirs)),
        "numbers, text only": min(2, len(theirs - ours)),
        "numbers shared": min(2, len(ours & theirs)),
        "claim denies": int(denials[0] > 0),
        "text denies": int(denials[1] > 0),
        "text denies more": int(np.sign(denials[1] - denials[0])),
        "fifths shared to the letter": 5 * len(set(left) & set(right)) // max(1, len(set(left))),
    }


def _denies(word: str) -> bool:
    return word in _NEGATIONS or (word[:1] in ("و", "ف") and word[1:] in _NEGATIONS)


@lru_cache(maxsize=1 << 12)
def buckets(target: str, passage: str, own: bool = False) -> tuple[int, ...]:
    """The buckets of a pair's features, each once, in order."""
    return tuple(sorted({zlib.crc32(each.encode()) % BUCKETS for each in features(target, passage, own)}))


@dataclass(frozen=True)
class Lexical:
    """Weights (classes, `BUCKETS`) and biases (classes,) of a fitted part, and what it was fitted on."""

    weight: Floats
    bias: Floats
    learnt: Learnt

    def log_probs(self, target: str, passage: str) -> Floats | None:
        """Log probabilities (classes,) of a pair; None for a kind of target that was not learnt from.

        Features weigh alike and a pair's have length 1, so that long texts are not surer than short ones.
        """
        if not self.learnt.knows(target):
            return None
        found = list(buckets(target, passage, target in self.learnt.names))
        logits = self.bias + self.weight[:, found].sum(axis=1) / max(1, len(found)) ** 0.5
        return _log_softmax(logits)


def with_lexical(probabilities: Floats, said: Sequence[Floats | None], trust: float) -> Floats:
    """The encoder's class probabilities (pairs, classes) and what the lexical part says of each pair, multiplied, the
    former to the power `trust` (a product of experts, Hinton 2002). Pairs it says nothing of stay as they are."""
    mixed = probabilities.copy()
    for row, own in enumerate(said):
        if own is not None:
            mixed[row] = np.exp(_log_softmax(own + trust * np.log(np.maximum(probabilities[row], _LEAST))))
    return mixed


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max()
    found: Floats = (shifted - np.log(np.exp(shifted).sum())).astype(np.float32)
    return found
