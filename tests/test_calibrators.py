"""Fits of calibration maps: that they find what made the data, and that no article is judged by a fit that saw it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rasid.calibration import Calibration, logit, sigmoid
from rasid.train.calibrators import (
    CLASS_FIT,
    CLASS_FITS,
    SPAN_FIT,
    SPAN_FITS,
    ClassTrials,
    SpanTrials,
    class_bias,
    class_temperature,
    fit_class,
    fit_span,
    held_out_classes,
    held_out_spans,
    parts,
    span_isotonic,
    span_platt,
    span_temperature,
    span_types,
)


def spans(size: int, temperature: float, bias: float, seed: int = 0, groups: int = 5) -> SpanTrials:
    """Scores with outcomes drawn from the map with these numbers."""
    generator = np.random.default_rng(seed)
    scores = generator.uniform(0.3, 0.9999, size)
    right = generator.random(size) < sigmoid(logit(scores) / temperature + bias)
    types = generator.choice(["ORG", "GPE"], size)
    return SpanTrials(scores, types, right, np.arange(size) % groups)


def classes(size: int, temperature: float, seed: int = 0) -> ClassTrials:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (size, 3))
    rows, true = (np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in (logits, logits / temperature))
    gold = np.array([generator.choice(3, p=row) for row in true])
    return ClassTrials(rows, gold, np.arange(size) % 4)


def test_span_fits_find_the_numbers_that_made_the_data() -> None:
    found = span_platt(spans(20_000, 2.0, -0.7))
    assert found.temperature == pytest.approx(2.0, rel=0.05)
    assert found.bias[0] == pytest.approx(-0.7, abs=0.06)
    assert found.answers == 20_000
    assert span_temperature(spans(20_000, 1.6, 0.0)).temperature == pytest.approx(1.6, rel=0.05)


def test_class_fits_find_the_temperature_that_made_the_data() -> None:
    trials = classes(8_000, 2.5)
    assert class_temperature(trials).temperature == pytest.approx(2.5, rel=0.06)
    found = class_bias(trials)
    assert found.temperature == pytest.approx(2.5, rel=0.08)
    assert np.ptp(found.bias) < 0.2


def penalised(trials: SpanTrials, temperature: float, bias: float) -> float:
    p = sigmoid(logit(trials.scores) / temperature + bias)
    loss = -np.log(np.where(trials.right, p, 1 - p)).sum()
    return float(loss + (np.log(temperature) ** 2 + bias**2) / 2)


def test_no_other_numbers_do_better() -> None:
    trials = spans(150, 1.4, 0.3, seed=4)
    found = span_platt(trials)
    best = penalised(trials, found.temperature, found.bias[0])
    grid = [penalised(trials, t, b) for t in np.geomspace(0.3, 5, 60) for b in np.linspace(-2, 2, 60)]
    assert best <= min(grid) + 1e-6


def test_answers_that_are_all_right_run_away_to_nothing_infinite() -> None:
    trials = spans(40, 1.0, 0.0)
    sure = SpanTrials(trials.scores, trials.types, np.ones(40, dtype=np.bool_), trials.groups)
    found = span_platt(sure)
    assert 0.05 < found.temperature < 20
    assert found.bias[0] < 5


def test_isotonic_is_monotone_and_types_have_their_own() -> None:
    trials = spans(400, 2.0, -0.5)
    order = np.argsort(trials.scores)
    assert (np.diff(span_isotonic(trials)(trials)[order]) >= 0).all()
    unlike = SpanTrials(trials.scores, trials.types, trials.types == "ORG", trials.groups)
    found = span_types(unlike)(unlike)
    assert found[trials.types == "ORG"].min() > found[trials.types == "GPE"].max()
    strange = SpanTrials(trials.scores, np.full(400, "LAW"), trials.right, trials.groups)
    assert len(span_types(trials)(strange)) == 400


def test_few_articles_are_left_out_one_by_one_and_many_by_fifths() -> None:
    assert parts(np.array([7, 7, 3, 9])).tolist() == [1, 1, 0, 2]
    many = parts(np.arange(100))
    assert np.bincount(many).tolist() == [20] * 5
    assert (np.diff(many) >= 0).all()
    assert len(set(parts(np.repeat(np.arange(30), 3))[3:6].tolist())) == 1  # an article is in one part


@pytest.mark.parametrize("groups", [5, 40])
def test_no_fit_sees_what_it_is_judged_on(groups: int) -> None:
    trials = spans(200, 2.0, 0.0, groups=groups)
    part = parts(trials.groups)
    seen: list[NDArray[np.intp]] = []

    def spy(shown: SpanTrials) -> Calibration:
        seen.append(np.unique(shown.groups))
        return Calibration(temperature=1.0 + len(seen), bias=(0.0,))

    found = held_out_spans(trials, spy)
    assert len(seen) == 5
    for number in range(5):
        own = part == number
        assert not set(seen[number].tolist()) & set(trials.groups[own].tolist())
        np.testing.assert_allclose(found[own], sigmoid(logit(trials.scores[own]) / (2.0 + number)))


def test_held_out_classes_are_probabilities_by_others_fits() -> None:
    trials = classes(300, 2.5)
    found = held_out_classes(trials, class_temperature)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    own = trials.groups == 2
    np.testing.assert_allclose(found[own], class_temperature(trials.where(~own)).classes(trials.probabilities[own]))


def test_what_is_kept_is_what_is_reported() -> None:
    assert SPAN_FITS[SPAN_FIT] is fit_span
    assert CLASS_FITS[CLASS_FIT] is fit_class
