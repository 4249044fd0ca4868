"""A passage read once for all its targets: groups of pieces, and answers that do not hang on how pairs are batched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rasid.encoding import PASSAGE, Asked, asked_windows, pair_windows
from rasid.model import Head, load_model, load_tokenizer
from rasid.scoring import MOST_TARGETS, Pair, pair_probs, together
from rasid.text import Span
from rasid.train.batching import Collator
from rasid.train.config import Source
from rasid.train.features import pair_rows
from rasid.train.losses import loss_of
from rasid.train.masking import IGNORED
from rasid.train.sources import GoldPair

TEXT = "وصل وفد من الأمم المتحدة إلى العاصمة لبحث الهدنة مع تركيا"
UN, TURKEY = Span(11, 24), Span(52, 57)
PAIRS = [Pair("الأمم المتحدة", TEXT, (UN,), "g"), Pair("تركيا", TEXT, (TURKEY,), "g"), Pair("قطر", TEXT)]


def test_one_target_without_mentions_reads_as_a_pair_always_did(tiny_encoder: Path) -> None:
    tokenizer = load_tokenizer(tiny_encoder)
    assert asked_windows(tokenizer, [Asked("قطر")], TEXT, 64) == pair_windows(tokenizer, "قطر", TEXT, 64)


def test_names_and_mentions_bear_their_targets_group(tiny_encoder: Path) -> None:
    tokenizer = load_tokenizer(tiny_encoder)
    (window,) = asked_windows(tokenizer, [Asked("الأمم المتحدة", (UN,)), Asked("تركيا", (TURKEY,))], TEXT, 128)
    assert TEXT[UN.start : UN.end] == "الأمم المتحدة"
    assert TEXT[TURKEY.start : TURKEY.end] == "تركيا"
    groups = np.array(window.index)
    assert set(groups) == {-1, 0, PASSAGE, 2}
    assert window.count == 3
    name = len(tokenizer("تركيا", add_special_tokens=False)["input_ids"])
    inside = len(tokenizer(f"مع {TEXT[TURKEY.start :]}", add_special_tokens=False)["input_ids"])
    inside -= len(tokenizer("مع", add_special_tokens=False)["input_ids"])
    assert (groups == 2).sum() == name + inside


def test_long_names_and_passages_fit_their_windows(tiny_encoder: Path) -> None:
    tokenizer = load_tokenizer(tiny_encoder)
    asked = [Asked("الأمم المتحدة " * 9) for _ in range(5)]
    found = asked_windows(tokenizer, asked, TEXT * 8, 64)
    assert all(len(window.ids) <= 64 for window in found)
    pieces = sum(np.sum(np.array(window.index) == PASSAGE) for window in found)
    assert pieces == len(tokenizer(TEXT * 8, add_special_tokens=False)["input_ids"])


def test_only_pairs_of_one_group_and_passage_are_read_together() -> None:
    assert together(PAIRS) == [[0, 1], [2]]
    assert together([Pair("a", "x", (), "g"), Pair("b", "y", (), "g"), Pair("c", "x", (), "h")]) == [[0], [1], [2]]
    many = [Pair(f"{n}", "x", (), "g") for n in range(MOST_TARGETS + 1)]
    assert [len(numbers) for numbers in together(many)] == [MOST_TARGETS, 1]


def test_answers_do_not_hang_on_other_groups(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model))
    loaded.model.config.together = True
    whole = pair_probs(loaded, "stance", PAIRS)
    assert pair_probs(loaded, "stance", PAIRS[:2]) == pytest.approx(whole[:2], abs=1e-4)
    assert pair_probs(loaded, "stance", PAIRS[2:]) == pytest.approx(whole[2:], abs=1e-4)
    assert whole.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    loaded.model.config.together = False
    assert not np.allclose(pair_probs(loaded, "stance", PAIRS)[0], whole[0], atol=1e-3)


def test_training_rows_hold_a_passages_targets_and_padding_is_not_learnt(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model))
    head = Head(kind="pair", labels=("favor", "against", "none"))
    source = Source(head="stance", reader="pairs", path=Path("x"))
    gold = [GoldPair(pair, label, "g") for pair, label in zip(PAIRS, ("favor", "against", "none"), strict=True)]
    rows = pair_rows(gold, source, head, loaded.tokenizer, 64, at_once=True)
    assert [row.targets for row in rows] == [2, 1]
    batch = Collator(0)(rows)
    labels = batch.pop("labels")
    assert labels.tolist() == [[0, 1], [2, IGNORED]]
    logits = loaded.model(**batch)
    assert logits.shape == (2, 2, 3)
    picked = [logits[0, 0].log_softmax(-1)[0], logits[0, 1].log_softmax(-1)[1], logits[1, 0].log_softmax(-1)[2]]
    assert loss_of(logits, labels).item() == pytest.approx(-sum(each.item() for each in picked) / 3, abs=1e-5)


def test_blind_rows_see_no_name(tiny_encoder: Path) -> None:
    tokenizer = load_tokenizer(tiny_encoder)
    head = Head(kind="pair", labels=("favor", "against", "none"))
    source = Source(head="stance", reader="pairs", path=Path("x"))
    gold = [GoldPair(PAIRS[1], "against", "g")]
    (seen,) = pair_rows(gold, source, head, tokenizer, 64, at_once=True)
    (blind,) = pair_rows(gold, source, head, tokenizer, 64, at_once=True, blind=True)
    assert seen.window.ids.count(tokenizer.mask_token_id) == 0
    assert blind.window.ids.count(tokenizer.mask_token_id) == 2
