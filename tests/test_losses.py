"""Losses: weighted and focal against their formulas, balanced weights, what the config refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from rasid.config import parse_config
from rasid.errors import ConfigError
from rasid.model import Head
from rasid.train.config import HeadSection
from rasid.train.losses import HeadLoss, balanced, head_loss, items_of, label_weights
from rasid.train.masking import IGNORED
from rasid.train.sections import LossSection

FLAT = Head(kind="tokens", labels=("PERS", "LOC"))
STANCE = Head(kind="pair", labels=("favor", "against", "none"))


def _section(loss: Any) -> LossSection:
    return parse_config(HeadSection, {"kind": "pair", "labels": ["a"], "loss": loss}, "test").loss


def test_the_names_are_short_for_settings() -> None:
    assert _section("plain") == LossSection()
    assert _section("weighted") == LossSection(weights="balanced")
    assert _section("focal") == LossSection(gamma=2.0)
    with pytest.raises(ConfigError, match="unknown loss 'focus'; known: plain, weighted, focal"):
        _section("focus")
    with pytest.raises(ConfigError, match="power is for weights: balanced"):
        _section({"power": 0.5})
    with pytest.raises(ConfigError, match="weight of a must be above 0"):
        _section({"weights": {"a": 0}})


def test_items_are_words_pairs_and_labels() -> None:
    words = torch.tensor([[[0, 1], [IGNORED, 0], [IGNORED, IGNORED]]])
    assert items_of(words) == 2
    assert items_of(torch.tensor([0, 2])) == 2
    assert items_of(torch.tensor([[0, IGNORED], [1, 2]])) == 3


def test_the_focal_loss_is_its_formula() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    right = logits.softmax(-1)[range(5), labels]
    wanted = (-((1 - right) ** 2) * right.log()).sum()
    torch.testing.assert_close(HeadLoss(gamma=2.0).total(logits, labels), wanted)
    words, tags = torch.randn(2, 4, 2, 3), torch.randint(0, 3, (2, 4, 2))
    flat = F.cross_entropy(words.reshape(-1, 3), tags.reshape(-1), reduction="none")
    wanted = ((1 - (-flat).exp()) ** 1.5 * flat).sum()
    torch.testing.assert_close(HeadLoss(gamma=1.5).total(words, tags), wanted)


def test_a_sure_answer_has_a_slope_that_is_a_number() -> None:
    logits = torch.tensor([[60.0, -60.0]], requires_grad=True)
    HeadLoss(gamma=0.5).total(logits, torch.tensor([0])).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_weights_are_by_class_and_of_words_by_type_inside_entities() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    weights = torch.tensor([2.0, 0.5, 1.0])
    wanted = F.cross_entropy(logits, labels, weight=weights, reduction="sum")
    torch.testing.assert_close(HeadLoss(weights=weights).total(logits, labels), wanted)
    words, tags = torch.zeros(1, 2, 2, 3), torch.tensor([[[0, 1], [2, IGNORED]]])
    total = HeadLoss(weights=torch.tensor([3.0, 5.0])).total(words, tags)
    assert total.item() == pytest.approx((1 + 5 + 3) * torch.log(torch.tensor(3.0)).item())
    several = HeadLoss(weights=torch.tensor([3.0, 5.0]), several=True)
    total = several.total(torch.zeros(1, 2), torch.tensor([[1, 0]]))
    assert total.item() == pytest.approx((3 + 1) * torch.log(torch.tensor(2.0)).item())


def test_balanced_weights_have_mean_one_over_what_was_counted() -> None:
    counts = [90.0, 9.0, 1.0, 0.0]
    weights = balanced(counts, 1.0)
    assert sum(w * c for w, c in zip(weights, counts, strict=True)) == pytest.approx(100)
    assert weights[1] / weights[0] == pytest.approx(10)
    assert weights[3] == 1.0
    softer = balanced(counts, 0.5)
    assert softer[1] / softer[0] == pytest.approx(10**0.5)


def test_weights_are_named_and_unknown_names_are_refused() -> None:
    given = label_weights("s", LossSection(weights={"against": 3.0}), STANCE, [1, 1, 1])
    assert given == {"favor": 1.0, "against": 3.0, "none": 1.0}
    with pytest.raises(ConfigError, match=r"heads.s.loss.weights: unknown label 'againts'; did you mean 'against'"):
        label_weights("s", LossSection(weights={"againts": 3.0}), STANCE, [1, 1, 1])
    loss = head_loss("h", LossSection(weights="balanced"), FLAT, [3.0, 1.0])
    one, other = (loss.total(torch.zeros(1, 1, 2, 3), torch.tensor([[tags]])) for tags in ([1, 0], [0, 1]))
    assert other > one  # the rarer type costs more


def test_a_temperature_evens_sources_out_and_keeps_the_epoch(tmp_path: Path) -> None:
    from rasid.train.sampling import tempered

    sources, repeats = ["big"] * 900 + ["small"] * 100, [1.0] * 900 + [2.0] * 100
    assert tempered(repeats, sources, 1.0) == pytest.approx(repeats)
    two = tempered(repeats, sources, 2.0)
    parts = {name: sum(r for r, s in zip(two, sources, strict=True) if s == name) for name in ("big", "small")}
    assert parts["big"] / parts["small"] == pytest.approx((900 / 200) ** 0.5)
    assert sum(two) == pytest.approx(1100)
    even = tempered(repeats, sources, 1e9)
    assert sum(even[:900]) == pytest.approx(550, abs=0.1)
