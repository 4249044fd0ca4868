"""Gold texts, pairs and articles to training rows: windows of pieces with the labels of their words or their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from rasid.encoding import PASSAGE, SLOTS, Window, grouped, target_slots, windows
from rasid.loaded import polarity
from rasid.model import BEGIN, INSIDE, OUTSIDE, Head
from rasid.naming import blinded
from rasid.places import Words, words_in
from rasid.repair import read_words
from rasid.scoring import pair_rows as windows_of_pair
from rasid.text import Span, trimmed

from .config import Source
from .labelled import Labelled
from .masking import IGNORED
from .sources import GoldPair, GoldText

Labels = NDArray[np.int8] | NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """One training row of a head. `labels` is (words, types) for a `tokens` head; (1,) for a `pair` head, or (groups,)
    in an article's window; for a `text` head () or, with several labels, (classes,) of 0 and 1. `more` are the further
    windows of an article, which such a head reads together; None for rows of other heads.
    """

    head: str
    window: Window
    labels: Labels
    more: tuple[Window, ...] | None = None

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
    blind: bool = False,
    contrasted: bool = False,
) -> list[Row]:
    """A row per pair, each read alone; of a passage too long for the window a row for each part, and all parts bear the
    pair's class. `blind` hides the targets' names, `contrasted` is that of `rasid.scoring.pair_rows`."""
    rows = []
    for gold in pairs:
        pair = blinded([gold.pair], str(tokenizer.mask_token))[0] if blind else gold.pair
        for window in windows_of_pair(tokenizer, pair, size, contrasted):
            rows.append(Row(source.head, window, np.array([head.labels.index(gold.label)])))
    return rows


@dataclass(frozen=True)
class _Company:
    """The pairs of one passage of an article: its words, those of each target, and the pairs' classes."""

    passage: range
    targets: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]

    def within(self, window: Window) -> _Company | None:
        """Of its pairs those with a mention in a window's core, if any."""
        core = range(window.core_start, window.core_end)
        kept = [n for n, words in enumerate(self.targets) if any(word in core for word in words)]
        chosen = (tuple(self.targets[n] for n in kept), tuple(self.labels[n] for n in kept))
        return _Company(self.passage, *chosen) if kept else None


def placed_rows(
    pairs: Sequence[GoldPair],
    source: Source,
    head: Head,
    tokenizer: PreTrainedTokenizerFast,
    size: int,
    overlap: int,
    repair: bool = True,
    blind: bool = False,
) -> list[Row]:
    """Rows of pairs whose passages are read in their articles: the windows that words are labelled in, with all
    passages that have a mention in their cores. Passages that share words, as a speaker's does with the author's, are
    of different rows. `blind` hides the mentions."""
    rows = []
    for text in dict.fromkeys(gold.pair.place.text for gold in pairs if gold.pair.place):
        cut = read_words(text, repair)
        companies = _companies([g for g in pairs if g.pair.place and g.pair.place.text == text], cut, head)
        for window in windows(tokenizer, [word.of(text) for word in cut], size, overlap):
            for apart in _apart([own for own in (company.within(window) for company in companies) if own]):
                row = grouped(window, [(company.passage, company.targets) for company in apart])
                row = _blind(row, window, cut, text, int(tokenizer.mask_token_id)) if blind else row
                rows.append(Row(source.head, row, _slot_labels(apart)))
    return rows


def _companies(pairs: Sequence[GoldPair], cut: Sequence[Span], head: Head) -> list[_Company]:
    """The pairs of one article by the passage that they are about, in runs of so many as a window has slots for."""
    of_passage: dict[tuple[int, int], list[tuple[Words, int]]] = {}
    for gold in pairs:
        if gold.pair.place:
            words = words_in(cut, gold.pair.place, len(gold.pair.passage), gold.pair.mentions)
            key = (gold.pair.place.start, len(gold.pair.passage))
            of_passage.setdefault(key, []).append((words, head.labels.index(gold.label)))
    runs = [own[n : n + SLOTS - 1] for own in of_passage.values() for n in range(0, len(own), SLOTS - 1)]
    return [_Company(run[0][0].passage, tuple(w.target for w, _ in run), tuple(n for _, n in run)) for run in runs]


def _apart(companies: Sequence[_Company]) -> list[list[_Company]]:
    """Passages in as few lists as it takes that no two of a list share a word."""
    found: list[list[_Company]] = []
    for company in companies:
        free = (own for own in found if not any(set(other.passage) & set(company.passage) for other in own))
        row = next(free, None)
        if row is None:
            found.append(row := [])
        row.append(company)
    return found


def _slot_labels(companies: Sequence[_Company]) -> Labels:
    """(groups,) the class of each target's group; IGNORED elsewhere."""
    labels = np.full((len(companies), SLOTS), IGNORED, dtype=np.int64)
    for number, company in enumerate(companies):
        labels[number, target_slots()[: len(company.labels)]] = company.labels
    return labels.reshape(-1)


def _blind(row: Window, window: Window, cut: Sequence[Span], text: str, mask: int) -> Window:
    """A row with the pieces of its targets masked, but not those of words that judge."""
    ids = tuple(
        mask if _is_targets(group) and not polarity(cut[window.first + word].of(text)) else piece
        for piece, group, word in zip(row.ids, row.index, window.index, strict=True)
    )
    return replace(row, ids=ids)


def _is_targets(group: int) -> bool:
    return group >= 0 and group % SLOTS != PASSAGE


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
