"""Windows: every word in exactly one core, nothing over the size; batches: padded, never mixed up."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from rasid.encoding import MAX_WORD_PIECES, Window, pad, pair_windows, piece_ids, windows
from rasid.model import load_tokenizer

WORDS = st.lists(
    st.one_of(
        st.sampled_from(["داعش", "في", "الباغوز", "،", "٢٠١٩", "\u064b", "\u200f", "😀", "ا" * 70, "مخيم" * 9]),
        st.text(alphabet="ابتسمنوي", min_size=1, max_size=12),
    ),
    max_size=120,
)
SIZES = st.tuples(st.integers(MAX_WORD_PIECES + 2, 60), st.integers(0, 29)).map(
    lambda pair: (pair[0], min(pair[1], (pair[0] - 2) // 2))
)


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder: Path) -> PreTrainedTokenizerFast:
    return load_tokenizer(tiny_encoder)


@given(WORDS, SIZES)
def test_every_word_stands_in_exactly_one_core(
    tokenizer: PreTrainedTokenizerFast, words: list[str], sizes: tuple[int, int]
) -> None:
    found = windows(tokenizer, words, *sizes)
    cores = [word for window in found for word in range(window.core_start, window.core_end)]
    assert cores == list(range(len(words)))
    for window in found:
        assert window.first <= window.core_start <= window.core_end <= window.first + window.count


@given(WORDS, SIZES)
def test_windows_fit_and_hold_whole_words(
    tokenizer: PreTrainedTokenizerFast, words: list[str], sizes: tuple[int, int]
) -> None:
    pieces = piece_ids(tokenizer, words)
    for window in windows(tokenizer, words, *sizes):
        assert len(window.ids) == len(window.index) <= sizes[0]
        assert (window.index[0], window.index[-1]) == (-1, -1)
        assert (window.ids[0], window.ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        for word in range(window.count):
            held = [piece for piece, index in zip(window.ids, window.index, strict=True) if index == word]
            assert held == pieces[window.first + word]


def test_a_word_is_labelled_where_it_stands_most_central(tokenizer: PreTrainedTokenizerFast) -> None:
    words = ["في"] * 200
    found = windows(tokenizer, words, 42, 20)
    assert len(found) > 5
    for word in range(len(words)):
        holders = [w for w in found if w.first <= word < w.first + w.count]
        # The text's own first and last word are no edges: nothing was cut off there.
        room = {
            id(w): min(
                word - w.first if w.first else len(words),
                w.first + w.count - 1 - word if w.first + w.count < len(words) else len(words),
            )
            for w in holders
        }
        (owner,) = [w for w in holders if w.core_start <= word < w.core_end]
        assert room[id(owner)] >= max(room.values()) - 1


def test_neighbours_share_about_the_overlap(tokenizer: PreTrainedTokenizerFast) -> None:
    found = windows(tokenizer, ["في"] * 200, 42, 20)
    per_word = len(piece_ids(tokenizer, ["في"])[0])
    for left, right in itertools.pairwise(found):
        shared = (left.first + left.count - right.first) * per_word
        assert 20 - per_word < shared <= 20


def test_no_words_no_windows(tokenizer: PreTrainedTokenizerFast) -> None:
    assert windows(tokenizer, [], 64, 16) == []
    assert piece_ids(tokenizer, []) == []


def test_words_that_vanish_still_have_their_place(tokenizer: PreTrainedTokenizerFast) -> None:
    words = ["\u064b", "في", "\u0640\u0640", "\u064b"]
    pieces = piece_ids(tokenizer, words)
    assert [bool(p) for p in pieces] == [False, True, False, False]
    (window,) = windows(tokenizer, words, 64, 16)
    assert (window.count, window.core_start, window.core_end) == (4, 0, 4)
    assert set(window.index) == {-1, 1}


def test_an_endless_word_keeps_its_first_pieces(tokenizer: PreTrainedTokenizerFast) -> None:
    endless = "مخيم" * 15
    whole = tokenizer(endless, add_special_tokens=False)["input_ids"]
    assert len(whole) > MAX_WORD_PIECES
    assert piece_ids(tokenizer, ["في", endless])[1] == whole[:MAX_WORD_PIECES]
    assert len(piece_ids(tokenizer, ["ا" * 100_000])[0]) <= MAX_WORD_PIECES


def test_a_pair_puts_the_target_before_the_passage(tokenizer: PreTrainedTokenizerFast) -> None:
    (window,) = pair_windows(tokenizer, "داعش", "خرج المدنيون من الباغوز", 64)
    left = tokenizer("داعش", add_special_tokens=False)["input_ids"]
    right = tokenizer("خرج المدنيون من الباغوز", add_special_tokens=False)["input_ids"]
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert window.ids == (cls, *left, sep, *right, sep)
    assert window.index == (-1, *[0] * len(left), -1, *[1] * len(right), -1)
    assert window.count == 2


@given(st.integers(1, 60), st.integers(0, 60), st.integers(8, 40))
def test_a_pair_fits_and_no_piece_of_the_passage_is_lost(
    tokenizer: PreTrainedTokenizerFast, target: int, passage: int, size: int
) -> None:
    found = pair_windows(tokenizer, "في " * target, "من " * passage, size)
    whole = tokenizer("من " * passage, add_special_tokens=False)["input_ids"]
    read: list[int] = []
    for window in found:
        assert len(window.ids) == len(window.index) <= size
        assert window.index.count(0) == found[0].index.count(0) <= (size - 3) // 3
        read += [piece for piece, side in zip(window.ids, window.index, strict=True) if side == 1]
    assert read == whole
    assert len(found) == 1 or min(len(window.ids) for window in found) > 3


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_padding_keeps_rows_apart(lengths: list[int]) -> None:
    rows = [
        Window((2, *[10 + i] * n, 3), (-1, *range(n), -1), first=0, count=n, core_start=0, core_end=n)
        for i, n in enumerate(lengths)
    ]
    batch = pad(rows, pad_id=0)
    width = max(lengths) + 2
    assert batch.input_ids.shape == batch.attention_mask.shape == batch.index.shape == (len(rows), width)
    assert batch.groups == max(lengths)
    for i, row in enumerate(rows):
        n = len(row.ids)
        assert batch.input_ids[i].tolist() == [*row.ids, *[0] * (width - n)]
        assert batch.attention_mask[i].tolist() == [1] * n + [0] * (width - n)
        assert batch.index[i].tolist() == [*row.index, *[-1] * (width - n)]


def test_a_batch_moves_whole() -> None:
    batch = pad([Window((2, 7, 3), (-1, 0, -1), 0, 1, 0, 1)], pad_id=0).to("cpu")
    assert batch.input_ids.dtype == batch.attention_mask.dtype == batch.index.dtype == torch.long
    assert batch.groups == 1


@given(WORDS)
def test_a_word_has_the_pieces_that_it_has_by_itself(tokenizer: PreTrainedTokenizerFast, words: list[str]) -> None:
    alone = [tokenizer([[word]], is_split_into_words=True, add_special_tokens=False)["input_ids"][0] for word in words]
    assert piece_ids(tokenizer, words) == [pieces[:MAX_WORD_PIECES] for pieces in alone]


def test_more_words_than_are_remembered_are_still_cut(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["خرج", "المدنيون", "من", "الباغوز", "إلى", "مخيم"]
    expected = piece_ids(tokenizer, words)
    monkeypatch.setattr("rasid.encoding._MOST_KNOWN", 2)
    assert [piece_ids(tokenizer, [word])[0] for word in words] == expected
    assert piece_ids(tokenizer, words) == expected
