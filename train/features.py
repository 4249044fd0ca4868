"""Gold texts and pairs to training rows: windows of pieces with the labels of their words or their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from rasid.encoding import Window, pair_windows, windows
from rasid.model import BEGIN, INSIDE, OUTSIDE, Head
from rasid.text import Span, trimmed, words

from .config import Source
from .masking import IGNORED
from .sources import GoldPair, GoldText

Labels = NDArray[np.int8]


@dataclass(frozen=True)
class Row:
    """One training row of a head. `labels` is (words, types) for a `tokens` head and () for a `pair` head."""

    head: str
    window: Window
    labels: Labels


def covered(place: Span, cut: Sequence[Span], text: str) -> range:
    """Numbers of the words that a span covers, punctuation at its ends left out when anything else is there."""
    inside = [number for number, word in enumerate(cut) if word.overlaps(place)]
    if not inside:
        return range(0)
    return trimmed(text, cut, inside[0], inside[-1] + 1) or range(inside[0], inside[-1] + 1)


def word_labels(gold: GoldText, cut: Sequence[Span], head: Head, source: Source) -> Labels:
    """BIO labels (words, types) of a text; IGNORED where a partial source cannot know.

    Of spans of one type that nest or touch inside a word, the outermost stands. A partial source teaches only the types
    its map reaches, and inside any of its spans nothing but that span's own type: it may well mark no nested names.
    """
    labels = np.full((len(cut), len(head.labels)), OUTSIDE, dtype=np.int8)
    renames = source.map or {label: label for label in head.labels}
    if source.partial:
        reached = [head.inventory.index(label) for label in set(renames.values())]
        unknown = np.setdiff1d(np.arange(len(head.labels)), reached)
        labels[:, unknown] = IGNORED
    for entity in sorted(gold.entities, key=lambda e: (e.span.start, -e.span.end)):
        place = covered(entity.span, cut, gold.text)
        if source.partial:
            labels[place.start : place.stop] = IGNORED
        if entity.type not in renames:
            continue
        column = labels[:, head.inventory.index(renames[entity.type])]
        if len(place) and not (column[place.start : place.stop] > OUTSIDE).any():
            column[place.start : place.stop] = INSIDE
            column[place.start] = BEGIN
    return labels


def text_rows(
    texts: Sequence[GoldText], source: Source, head: Head, tokenizer: PreTrainedTokenizerFast, size: int, overlap: int
) -> list[Row]:
    """Every window of every text, with the labels of all its words (also those outside its core)."""
    rows = []
    for gold in texts:
        cut = words(gold.text)
        labels = word_labels(gold, cut, head, source)
        for window in windows(tokenizer, [word.of(gold.text) for word in cut], size, overlap):
            rows.append(Row(source.head, window, labels[window.first : window.first + window.count]))
    return rows


def pair_rows(
    pairs: Sequence[GoldPair], source: Source, head: Head, tokenizer: PreTrainedTokenizerFast, size: int
) -> list[Row]:
    """A row per pair, or per part of a passage too long for the window; all parts bear the pair's class."""
    return [
        Row(source.head, window, np.array(head.labels.index(gold.label), dtype=np.int8))
        for gold in pairs
        for window in pair_windows(tokenizer, gold.pair.target, gold.pair.passage, size)
    ]
