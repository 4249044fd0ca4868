"""Rows for training: word labels, partial sources, windows; and multi-task batches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from rasid.model import BEGIN, INSIDE, OUTSIDE, Head, load_tokenizer
from rasid.text import Span, words
from rasid.train.batching import BatchSampler, Collator
from rasid.train.config import Source
from rasid.train.features import Row, pair_rows, text_rows, word_labels
from rasid.train.masking import IGNORED
from rasid.train.sources import GoldPair, GoldText, Pair, Typed

TEXT = "انتقد مجلس دير الزور «الهدنة» أمس"
HEAD = Head(kind="tokens", labels=("ORG", "GPE", "EVENT"), nested=True)
FULL = Source(head="entities", reader="conll", path=Path("x"))


def _gold(*surfaces: tuple[str, str]) -> GoldText:
    typed = (Typed(Span(TEXT.index(s), TEXT.index(s) + len(s)), kind) for s, kind in surfaces)
    return GoldText("d", TEXT, tuple(typed))


def test_nested_spans_label_the_columns_of_their_types() -> None:
    labels = word_labels(_gold(("مجلس دير الزور", "ORG"), ("دير الزور", "GPE")), words(TEXT), HEAD, FULL)
    assert labels[:5, 0].tolist() == [OUTSIDE, BEGIN, INSIDE, INSIDE, OUTSIDE]
    assert labels[:5, 1].tolist() == [OUTSIDE, OUTSIDE, BEGIN, INSIDE, OUTSIDE]


def test_punctuation_at_a_spans_ends_is_left_out() -> None:
    labels = word_labels(_gold(("«الهدنة»", "EVENT")), words(TEXT), HEAD, FULL)
    assert labels[:, 2].tolist() == [0, 0, 0, 0, 0, BEGIN, 0, 0]


def test_of_one_type_inside_itself_the_outermost_stands() -> None:
    labels = word_labels(_gold(("مجلس دير الزور", "ORG"), ("دير", "ORG")), words(TEXT), HEAD, FULL)
    assert labels[1:4, 0].tolist() == [BEGIN, INSIDE, INSIDE]


def test_a_partial_source_teaches_only_what_it_knows() -> None:
    source = Source(head="entities", reader="conll", path=Path("x"), map={"LOC": "GPE"}, partial=True)
    labels = word_labels(_gold(("مجلس", "ORG"), ("دير الزور", "LOC")), words(TEXT), HEAD, source)
    assert (labels[:, [0, 2]] == IGNORED).all()  # types that its map does not reach
    assert labels[:5, 1].tolist() == [OUTSIDE, IGNORED, BEGIN, INSIDE, OUTSIDE]  # an unmapped span may hide anything


def test_every_word_of_a_long_text_gets_its_label_in_some_window(tiny_encoder: Path) -> None:
    text = " ".join(["مجلس دير الزور"] * 40)
    gold = GoldText("d", text, (Typed(Span(0, 14), "ORG"), Typed(Span(len(text) - 5, len(text)), "GPE")))
    rows = text_rows([gold], FULL, HEAD, load_tokenizer(tiny_encoder), 48, 16)
    assert len(rows) > 3
    covered = {w for r in rows for w in range(r.window.first, r.window.first + r.window.count)}
    assert covered == set(range(len(words(text))))
    assert rows[0].labels[0, 0] == BEGIN
    assert rows[-1].labels[-1, 1] == BEGIN


def _row(head: str, length: int, label: int = 0) -> Row:
    from rasid.encoding import Window

    window = Window(tuple(range(length)), (-1, *[0] * (length - 2), -1), 0, 1, 0, 1)
    labels = np.array([[label]] if head == "tokens" else [label], dtype=np.int8)
    return Row(head, window, labels)


def _sampler(seed: int = 0) -> BatchSampler:
    rows = [_row("tokens", 4 + i % 30) for i in range(60)] + [_row("pair", 10 + i % 5) for i in range(30)]
    return BatchSampler(rows, [1.0] * 60 + [2.5] * 30, tokens=128, seed=seed)


def test_batches_hold_one_head_each_and_keep_the_budget() -> None:
    sampler = _sampler()
    drawn: Counter[int] = Counter()
    for batch in sampler:
        assert len({number >= 60 for number in batch}) == 1
        longest = max(4 + n % 30 if n < 60 else 10 + (n - 60) % 5 for n in batch)
        assert longest * len(batch) <= 128
        drawn.update(batch)
    assert all(drawn[n] == 1 for n in range(60))
    assert all(drawn[n] in (2, 3) for n in range(60, 90))


def test_an_epoch_is_a_function_of_seed_and_epoch() -> None:
    first, again, other = _sampler(), _sampler(), _sampler(1)
    assert list(first) == list(again)
    assert list(first) != list(other)
    for sampler in (first, again):
        sampler.set_epoch(3)
    assert list(first) == list(again)
    assert len(list(first)) == len(first)
    assert list(first) != list(_sampler())


def test_collation_pads_labels_with_ignored() -> None:
    from rasid.encoding import Window

    long = Row("tokens", Window((2, 7, 8, 3), (-1, 0, 1, -1), 0, 2, 0, 2), np.array([[1], [2]], dtype=np.int8))
    batch = Collator(0)([_row("tokens", 3, 1), long])
    assert batch["labels"].tolist() == [[[1], [IGNORED]], [[1], [2]]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert Collator(0)([_row("pair", 3, 2)])["labels"].tolist() == [2]


def test_pair_rows_carry_class_numbers(tiny_encoder: Path) -> None:
    head = Head(kind="pair", labels=("favor", "against", "none"))
    gold = [GoldPair(Pair("الهدنة", "انهارت الهدنة"), "against", "g")]
    (row,) = pair_rows(gold, FULL, head, load_tokenizer(tiny_encoder), 32)
    assert row.labels.tolist() == [1]
    assert {0, 1} <= set(row.window.index)


@pytest.mark.parametrize("repeat", [0.0, 0.5])
def test_fractions_of_a_source_are_drawn_by_chance(repeat: float) -> None:
    rows = [_row("tokens", 10) for _ in range(400)]
    count = sum(len(batch) for batch in BatchSampler(rows, [repeat] * 399 + [1.0], tokens=64, seed=0))
    assert abs(count - (399 * repeat + 1)) < 50
