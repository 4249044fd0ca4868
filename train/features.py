"""Gold texts, pairs and articles to training rows: windows of pieces with the labels of their words or their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from rasid.encoding import Window, windows
from rasid.model import BEGIN, INSIDE, OUTSIDE, Head
from rasid.naming import blinded
from rasid.repair import read_words
from rasid.scoring import pair_rows as windows_of_pairs
from rasid.scoring import together
from rasid.text import Span, trimmed

from .config import Source
from .labelled import Labelled
from .masking import IGNORED
from .sources import GoldPair, GoldText

Labels = NDArray[np.int8] | NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """One training row of a head. `labels` is (words, types) for a `tokens` head, () for a `pair` head or, where
    `targets` are read at once, (targets,); for a `text`
    head () or, with several labels, (classes,) of 0 and 1. `more` are the further windows of an article, which such a
    head reads together; None for rows of other heads.
    """

    head: str
    window: Window
    labels: Labels
    more: tuple[Window, ...] | None = None
    targets: int = 0

    @property
    def windows(self) -> tuple[Window, ...]:
        return (self.window, *(self.more or ()))


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
    texts: Sequence[GoldText],
    source: Source,
    head: Head,
    tokenizer: PreTrainedTokenizerFast,
    size: int,
    overlap: int,
    repair: bool = True,
) -> list[Row]:
    """Every window of every text, with the labels of all its words (also those outside its core); `repair` cuts glued
    words, and is to be as the model has it."""
    rows = []
    for gold in texts:
        cut = read_words(gold.text, repair)
        labels = word_labels(gold, cut, head, source)
        for window in windows(tokenizer, [word.of(gold.text) for word in cut], size, overlap):
            rows.append(Row(source.head, window, labels[window.first : window.first + window.count]))
    return rows


def pair_rows(
    pairs: Sequence[GoldPair],
    source: Source,
    head: Head,
    tokenizer: PreTrainedTokenizerFast,
    size: int,
    at_once: bool = False,
    blind: bool = False,
    contrasted: bool = False,
) -> list[Row]:
    """A row per pair, or (`at_once`) per passage with all its targets; of a passage too long for the window a row for
    each part, and all parts bear the pairs' classes. `blind` hides the targets' names, `contrasted` is that of
    `rasid.scoring.pair_rows`."""
    read = [gold.pair for gold in pairs]
    company = together(read) if at_once else [[number] for number in range(len(pairs))]
    rows = []
    for numbers in company:
        labels = np.array([head.labels.index(pairs[n].label) for n in numbers], dtype=np.int8)
        own = labels if at_once else labels.reshape(())
        asked = [read[n] for n in numbers]
        asked = blinded(asked, str(tokenizer.mask_token)) if blind else asked
        for window in windows_of_pairs(tokenizer, asked, size, at_once, contrasted):
            rows.append(Row(source.head, window, own, targets=len(numbers) if at_once else 0))
    return rows


def article_rows(
    articles: Sequence[Labelled],
    source: Source,
    head: Head,
    tokenizer: PreTrainedTokenizerFast,
    size: int,
    most: int,
    repair: bool = True,
) -> list[Row]:
    """A row per article: its windows, which do not overlap; of an article with more than `most`, that many of them at
    even distances, the first among them. Articles without a word teach nothing and give no row."""
    rows = []
    for gold in articles:
        cut = [word.of(gold.text) for word in read_words(gold.text, repair)]
        found = windows(tokenizer, cut, size, 0)
        if len(found) > most:
            found = [found[place * len(found) // most] for place in range(most)]
        if found:
            rows.append(Row(source.head, found[0], class_labels(gold.labels, head), tuple(found[1:])))
    return rows


def class_labels(labels: Sequence[str], head: Head) -> NDArray[np.int64]:
    """The number of the one label, (); for a head with several, 1 at each of them and 0 elsewhere, (classes,)."""
    if not head.multilabel:
        return np.array(head.labels.index(labels[0]), dtype=np.int64)
    return np.array([label in labels for label in head.labels], dtype=np.int64)
