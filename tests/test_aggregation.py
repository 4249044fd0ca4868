"""From passages to an article, against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rasid.aggregation import AGGREGATIONS, MEAN, NAMES, article_probabilities
from rasid.labels import STANCES

ROWS = np.array([[0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])


def label(rows: np.ndarray, how: str) -> str:
    return STANCES[int(article_probabilities(rows, how).argmax())]


def test_the_mean_is_the_mean() -> None:
    assert (article_probabilities(ROWS) == ROWS.mean(axis=0)).all()


@pytest.mark.parametrize("how", NAMES)
def test_probabilities_add_up_and_one_sure_passage_decides(how: str) -> None:
    assert article_probabilities(ROWS, how).sum() == pytest.approx(1.0)
    assert label(np.array([[0.02, 0.95, 0.03]]), how) == "against"
    assert label(np.array([[0.02, 0.03, 0.95]] * 3), how) == "none"


def test_scores_by_hand() -> None:
    odds = np.log(ROWS[:, :2] / ROWS[:, 2:])
    assert AGGREGATIONS["mean-odds"](ROWS) == pytest.approx(odds.mean(axis=0))
    assert AGGREGATIONS["strongest"](ROWS) == pytest.approx(odds.max(axis=0))
    favor = 1 - 0.8 * 0.9 * 0.7
    assert AGGREGATIONS["noisy-or"](ROWS)[0] == pytest.approx(np.log(favor / (1 - favor)))
    assert AGGREGATIONS["two-strongest"](ROWS)[1] == pytest.approx((odds[0, 1] + odds[2, 1]) / 2)


def test_one_passage_among_many_makes_no_article_unless_it_is_very_sure() -> None:
    rows = np.array([[0.1, 0.6, 0.3], *[[0.05, 0.05, 0.9]] * 4])
    assert label(rows, "strongest") == "against"
    assert label(rows, "two-strongest") == "none"
    assert label(rows, MEAN) == "none"


def test_certainty_does_not_overflow() -> None:
    rows = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    for how in NAMES:
        assert np.isfinite(article_probabilities(rows, how)).all()
