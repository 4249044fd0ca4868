"""Calibration maps: what they compute, that they keep what they must, and that a model folder carries them."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from rasid.calibration import NOTHING, Calibration, decided
from rasid.errors import ConfigError, ModelError
from rasid.infer.articles import Article
from rasid.infer.engine import open_engine
from rasid.infer.predictor import predict
from rasid.infer.stances import Question, stances
from rasid.labels import STANCES
from rasid.model import RasidConfig, load_model
from rasid.scoring import Pair, pair_probs
from rasid.text import Span

CPU = torch.device("cpu")


def with_calibration(model: Path, folder: Path, sections: dict[str, Any]) -> Path:
    """A copy of a model folder with these sections in its config.json."""
    shutil.copytree(model, folder)
    path = folder / "config.json"
    tree = json.loads(path.read_text(encoding="utf-8")) | {"calibration": sections}
    path.write_text(json.dumps(tree), encoding="utf-8")
    return folder


def test_a_span_by_hand() -> None:
    calibration = Calibration(temperature=2.0, bias=(-0.5,))
    expected = 1 / (1 + math.exp(-(math.log(0.9 / 0.1) / 2 - 0.5)))
    assert calibration.spans(np.array([0.9]))[0] == pytest.approx(expected)


def test_spans_keep_their_order_and_stay_probabilities() -> None:
    scores = np.array([0.0, 1e-9, 0.2, 0.5, 0.999, 1.0])
    found = Calibration(temperature=0.3, bias=(1.0,)).spans(scores)
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_the_default_changes_nothing_to_the_last_digit() -> None:
    scores = np.random.default_rng(0).random(50, dtype=np.float32)
    assert (NOTHING.spans(scores) == scores).all()
    rows = np.random.default_rng(1).dirichlet([1, 1, 1], 20).astype(np.float32)
    assert (NOTHING.classes(rows) == rows).all()
    assert (NOTHING.article(rows) == rows.mean(axis=0)).all()


def test_classes_are_the_softmax_of_cooler_logits() -> None:
    logits = np.array([[2.0, 0.5, -1.0], [0.0, 3.0, 3.0]])
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = Calibration(temperature=2.5).classes(rows)
    expected = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    moved = Calibration(temperature=2.5, bias=(0.0, 0.0, 4.0)).classes(rows)
    assert (moved.argmax(axis=1) == 2).all()
    np.testing.assert_allclose(moved.sum(axis=1), 1.0)


def test_a_side_needs_more_than_none_and_at_least_the_least() -> None:
    rows = np.array([[0.5, 0.1, 0.4], [0.45, 0.1, 0.45], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7]])
    none = STANCES.index("none")
    assert decided(rows, none).tolist() == [0, none, 1, none]
    assert decided(rows, none, least=0.55).tolist() == [none, none, 1, none]
    assert decided(rows, none, least=0.6).tolist() == [none, none, 1, none]  # reached is enough
    assert decided(np.empty((0, 3)), none).tolist() == []


def test_an_articles_mean_is_sharpened() -> None:
    rows = np.array([[0.7, 0.1, 0.2], [0.5, 0.2, 0.3]])
    mean = rows.mean(axis=0)
    found = Calibration(article_temperature=0.5).article(rows)
    np.testing.assert_allclose(found, mean**2 / (mean**2).sum(), rtol=1e-9)


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"temperature": float("inf")}, {"least": 1.1}, {"warmth": 2}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Calibration.model_validate(wrong)


def test_a_folder_without_calibration_has_none(tiny_model: Path) -> None:
    config = load_model(str(tiny_model)).model.config
    assert isinstance(config, RasidConfig)
    assert config.calibration_of("entities") is NOTHING


def test_a_folder_with_nonsense_is_one_line(tiny_model: Path, tmp_path: Path) -> None:
    folder = with_calibration(tiny_model, tmp_path / "m", {"entities": {"temperature": -1}})
    with pytest.raises(ModelError, match=r"config\.json do not fit.*temperature"):
        load_model(str(folder))


def test_pairs_come_calibrated_unless_raw_is_asked_for(tiny_model: Path, tmp_path: Path) -> None:
    pairs = [Pair("داعش", "وانتقد اتحاد الصيادين تأخر الحكومة."), Pair("تركيا", "ووصل وفد من الأمم المتحدة.")]
    raw = pair_probs(load_model(str(tiny_model)), "stance", pairs)
    folder = with_calibration(tiny_model, tmp_path / "m", {"stance": {"temperature": 3.0}})
    loaded = load_model(str(folder))
    np.testing.assert_array_equal(pair_probs(loaded, "stance", pairs, calibrated=False), raw)
    expected = raw ** (1 / 3) / (raw ** (1 / 3)).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pair_probs(loaded, "stance", pairs), expected, rtol=1e-4)


def test_only_the_questions_that_a_fit_was_made_on_are_calibrated(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model))
    pairs = [Pair("تركيا", "تركيا والنهر"), Pair("تركيا", "تركيا والنهر", (Span(0, 5),))]
    raw = pair_probs(loaded, "stance", pairs)
    for asked, own in (("alone", 0), ("mentioned", 1)):
        loaded.model.config.calibration = {"stance": {"temperature": 3.0, "asked": asked}}
        found = pair_probs(loaded, "stance", pairs)
        np.testing.assert_array_equal(found[1 - own], raw[1 - own])
        assert found[own].max() < raw[own].max()


def test_records_hold_calibrated_scores_of_the_same_spans(
    tiny_model: Path, tmp_path: Path, sentences: tuple[str, ...]
) -> None:
    article = Article("a", "\n".join(sentences))
    calibration = Calibration(temperature=2.0, bias=(-1.0,))
    folder = with_calibration(tiny_model, tmp_path / "m", {"entities": calibration.model_dump()})
    (raw,) = predict(open_engine(str(tiny_model), CPU), [article])
    (found,) = predict(open_engine(str(folder), CPU), [article])
    assert len(raw.entities) > 20
    assert [(e.start, e.end, e.type) for e in raw.entities] == [(e.start, e.end, e.type) for e in found.entities]
    pairs = [(e.score or 0.0, f.score or 0.0) for e, f in zip(raw.entities, found.entities, strict=True)]
    given, got = np.array([pair for pair in pairs if 0.01 < pair[0] < 0.99]).T  # four digits are kept: no nearer to 1
    assert len(given) > 20
    np.testing.assert_allclose(got, calibration.spans(given), atol=2e-3)


def test_a_stance_that_is_not_sure_enough_is_none() -> None:
    asked = [Question("C1", "x", Span(0, 5)), Question("C1", "x", Span(6, 9))]
    rows = np.array([[0.1, 0.7, 0.2], [0.2, 0.45, 0.35]])
    assert [one.label for one in stances(asked, rows)] == ["against"] * 3
    article, *passages = stances(asked, rows, Calibration(least=0.6))
    assert [one.label for one in passages] == ["against", "none"]
    assert [one.score for one in passages] == [0.7, 0.35]
    assert (article.label, article.evidence) == ("none", None)  # the mean is 0.575
    article, *_ = stances(asked, rows, Calibration(least=0.6, article_temperature=0.5))
    assert (article.label, article.evidence) == ("against", ((0, 5),))


def test_a_least_score_keeps_the_surer_entities(tiny_model: Path, sentences: tuple[str, ...]) -> None:
    article = Article("a", "\n".join(sentences))
    (whole,) = predict(open_engine(str(tiny_model), CPU), [article])
    least = sorted(entity.score or 0.0 for entity in whole.entities)[len(whole.entities) // 2]
    (found,) = predict(open_engine(str(tiny_model), CPU, least_score=least), [article])
    assert 0 < len(found.entities) < len(whole.entities)
    assert found.entities == tuple(entity for entity in whole.entities if (entity.score or 0.0) >= least)
    with pytest.raises(ConfigError, match=r"--min-score 1\.5: a score is between 0 and 1"):
        open_engine(str(tiny_model), CPU, least_score=1.5)
