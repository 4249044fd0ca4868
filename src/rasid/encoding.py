"""Words to windows of pieces, windows to padded batches: the way into the model, the same in training and inference.

Every word of an article stands in at least one window, and in the core of exactly one: a text longer than the window is
read in overlapping windows and a word is labelled where it stands most central. Nothing is truncated but the pieces of
a single endless word. Words are given to the tokenizer one by one, so any fast tokenizer keeps our word boundaries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from weakref import WeakKeyDictionary

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from rasid.contrast import Contrast
from rasid.repair import undodged
from rasid.text import Span

MAX_WORD_PIECES = 16  # of a "word" such as 100,000 letters in a row; the rest says nothing more


@dataclass(frozen=True)
class Window:
    """Pieces of a run of words. `index[i]` is the word of piece i, counted from `first`, or -1 on special tokens.

    The words in [core_start, core_end), numbers in the article, take their labels from this window.
    """

    ids: tuple[int, ...]
    index: tuple[int, ...]
    first: int
    count: int
    core_start: int
    core_end: int


def piece_ids(tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> list[list[int]]:
    """Piece ids of each word; empty for a word that the tokenizer drops whole (a lone combining mark, say).

    A word's pieces are the same wherever it stands, so those of words seen before are remembered, and shared: they are
    not to be changed.
    """
    known = _words.setdefault(tokenizer, {})
    new = list(dict.fromkeys(word for word in words if word not in known))
    if len(known) + len(new) > _MOST_KNOWN:
        known.clear()
        new = list(dict.fromkeys(words))
    found = dict(zip(new, _cut(tokenizer, new), strict=True))
    known.update((word, pieces) for word, pieces in found.items() if len(word) <= _LONG_WORD)
    return [found[word] if word in found else known[word] for word in words]


def _name_ids(tokenizer: PreTrainedTokenizerFast, name: str) -> list[int]:
    """Piece ids of a target's name, which is asked about again and again; not to be changed."""
    known = _names.setdefault(tokenizer, {})
    if name not in known:
        if len(known) == _MOST_KNOWN:
            known.clear()
        known[name] = _backend(tokenizer).encode(name, add_special_tokens=False).ids
    return known[name]


_Known = WeakKeyDictionary[PreTrainedTokenizerFast, dict[str, list[int]]]
_words: _Known = WeakKeyDictionary()
_names: _Known = WeakKeyDictionary()
_MOST_KNOWN = 1 << 15  # of a tokenizer, of each; 8 MB for words
_LONG_WORD = 40  # characters; longer ones hardly come back


def _cut(tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> list[list[int]]:
    pieces: list[list[int]] = [[] for _ in words]
    if words:
        said = [undodged(word) for word in words]
        found = _backend(tokenizer).encode(said, is_pretokenized=True, add_special_tokens=False)
        for word, piece in zip(found.word_ids, found.ids, strict=True):
            if word is not None and len(pieces[word]) < MAX_WORD_PIECES:
                pieces[word].append(piece)
    return pieces


def _backend(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """What a tokenizer cuts with, by itself, at a third of the time; set to leave nothing out and to add nothing."""
    backend: Tokenizer = tokenizer.backend_tokenizer
    if backend.truncation is not None:
        backend.no_truncation()
    if backend.padding is not None:
        backend.no_padding()
    return backend


def _frame(tokenizer: PreTrainedTokenizerFast) -> tuple[int, int]:
    """Ids of the tokens that open and close a sequence (CLS/SEP, or BOS/EOS for tokenizers without them)."""
    opening = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    closing = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    return int(opening), int(closing)


def windows(tokenizer: PreTrainedTokenizerFast, words: Sequence[str], size: int, overlap: int) -> list[Window]:
    """Windows of at most `size` pieces (specials included) over an article's words, neighbours sharing about `overlap`.

    No words, no windows. Requires size - 2 >= MAX_WORD_PIECES and overlap <= (size - 2) // 2.
    """
    pieces = piece_ids(tokenizer, words)
    opening, closing = _frame(tokenizer)
    runs = _runs([len(p) for p in pieces], size - 2, overlap)
    found = []
    for number, (start, end) in enumerate(runs):
        core_start = 0 if number == 0 else (start + runs[number - 1][1]) // 2
        core_end = len(words) if number == len(runs) - 1 else (runs[number + 1][0] + end) // 2
        own = pieces[start:end]
        index = (word for word, piece in enumerate(own) for _ in piece)
        ids = (opening, *chain.from_iterable(own), closing)
        found.append(Window(ids, (-1, *index, -1), start, end - start, core_start, core_end))
    return found


def _runs(lengths: list[int], capacity: int, overlap: int) -> list[tuple[int, int]]:
    """Word ranges whose pieces fit the capacity; each begins about `overlap` pieces before the last one's end."""
    runs: list[tuple[int, int]] = []
    start = 0
    while start < len(lengths):
        end, used = start, 0
        while end < len(lengths) and used + lengths[end] <= capacity:
            used += lengths[end]
            end += 1
        runs.append((start, end))
        if end == len(lengths):
            break
        back, shared = end, 0
        while back > start + 1 and shared + lengths[back - 1] <= overlap:
            shared += lengths[back - 1]
            back -= 1
        start = back
    return runs


@dataclass(frozen=True)
class Asked:
    """What a passage is read for: a name or a claim; of a claim, what it and the passage do not share."""

    name: str
    contrast: Contrast | None = None


# Groups of pieces in the windows of a `pair` head. In an article's window several passages may be asked about, each for
# several targets: passage p has the groups from p * SLOTS on, its further targets the slots 2, 3 ...
TARGET, PASSAGE, SLOTS = 0, 1, 16


def pair_windows(tokenizer: PreTrainedTokenizerFast, target: str, passage: str, size: int) -> list[Window]:
    """[CLS] target [SEP] passage [SEP] with index 0 on the target and 1 on the passage; see `asked_windows`."""
    return asked_windows(tokenizer, Asked(target), passage, size)


def asked_windows(tokenizer: PreTrainedTokenizerFast, target: Asked, passage: str, size: int) -> list[Window]:
    """[CLS] target [SEP] passage [SEP]: a passage read for one target, without the article that it is of.

    With a contrast, the pieces of words that the target shares with the passage bear no group, unless no piece of their
    side were left. A passage that does not fit is read in even pieces, one window each; a name keeps at most a third of
    the window. Requires size >= 6.
    """
    opening, closing = _frame(tokenizer)
    name = _name_ids(tokenizer, target.name)[: (size - 3) // 3]
    left = _name_groups(tokenizer, target, [TARGET] * len(name))
    encoding = _backend(tokenizer).encode(passage, add_special_tokens=False)
    whole, offsets = encoding.ids, encoding.offsets
    lone = target.contrast.text if target.contrast else ()
    parts = max(1, -(-len(whole) // (size - 3 - len(name))))
    length = max(1, -(-len(whole) // parts))
    found = []
    for start in range(0, max(1, len(whole)), length):
        part = slice(start, start + length)
        own = _told_apart([PASSAGE] * len(whole[part]), offsets[part], lone)
        ids = (opening, *name, closing, *whole[part], closing)
        index = (_NOBODY, *left, _NOBODY, *own, _NOBODY)
        found.append(Window(ids, index, 0, 2, 0, 2))
    return found


def grouped(window: Window, passages: Sequence[tuple[range, Sequence[Collection[int]]]]) -> Window:
    """An article's window as a `pair` head learns from it: passages without a word in common, each with the words that
    mention its targets, at most `SLOTS` - 1. Words are numbered as the article's are; a word that mentions two targets
    is the first one's."""
    owners: dict[int, int] = {}
    for number, (passage, targets) in enumerate(passages):
        owners |= dict.fromkeys(passage, number * SLOTS + PASSAGE)
        for slot, words in reversed([*zip(target_slots(), targets, strict=False)]):
            owners |= dict.fromkeys(words, number * SLOTS + slot)
    index = tuple(owners.get(window.first + word, _NOBODY) if word >= 0 else _NOBODY for word in window.index)
    groups = len(passages) * SLOTS
    return Window(window.ids, index, 0, groups, 0, groups)


def target_slots() -> list[int]:
    """The slots of a passage's targets, in their order."""
    return [slot for slot in range(SLOTS) if slot != PASSAGE]


def _name_groups(tokenizer: PreTrainedTokenizerFast, target: Asked, groups: list[int]) -> list[int]:
    """The groups of a name's pieces, given those of all of them alike."""
    if target.contrast is None:
        return groups
    offsets = _backend(tokenizer).encode(target.name, add_special_tokens=False).offsets
    return _told_apart(groups, offsets[: len(groups)], target.contrast.claim)


def _told_apart(groups: list[int], offsets: Sequence[tuple[int, int]], lone: Sequence[Span]) -> list[int]:
    """The groups of pieces, nobody's for those outside of the lone words; as they are where none is inside."""
    if not lone:
        return groups
    edges = np.array([(word.start, word.end) for word in lone]).T
    inside = [bool(((start < edges[1]) & (edges[0] < end)).any()) for start, end in offsets]
    return [group if own else _NOBODY for group, own in zip(groups, inside, strict=True)] if any(inside) else groups


_NOBODY = -1


@dataclass(frozen=True)
class Batch:
    """Padded windows: input_ids, attention_mask and index are (B, L); groups is the most words of any row."""

    input_ids: Tensor
    attention_mask: Tensor
    index: Tensor
    groups: int

    def to(self, device: torch.device | str) -> Batch:
        return Batch(
            self.input_ids.to(device, non_blocking=True),
            self.attention_mask.to(device, non_blocking=True),
            self.index.to(device, non_blocking=True),
            self.groups,
        )


def pad(rows: Sequence[Window], pad_id: int) -> Batch:
    """Windows as one batch, padded on the right to the longest row."""
    lengths = np.array([len(row.ids) for row in rows])
    filled = np.arange(lengths.max()) < lengths[:, None]
    input_ids, index = np.full(filled.shape, pad_id), np.full(filled.shape, -1)
    for array, pieces in ((input_ids, (row.ids for row in rows)), (index, (row.index for row in rows))):
        array[filled] = np.fromiter(chain.from_iterable(pieces), dtype=np.int64, count=lengths.sum())
    mask = filled.astype(np.int64)
    groups = max(1, *(row.count for row in rows))
    return Batch(torch.from_numpy(input_ids), torch.from_numpy(mask), torch.from_numpy(index), groups)


def batches(rows: Sequence[Window], tokens: int) -> Iterator[list[int]]:
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
