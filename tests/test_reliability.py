"""Calibration error against brute force, what chance does to it, and the diagram."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rasid.errors import DataError
from rasid.reliability import BINS, draw, equal_mass, equal_width, reliability, reliability_rows


def ece_by_hand(scores: list[float], right: list[bool], bins: list[int]) -> float:
    total = 0.0
    for number in set(bins):
        own = [i for i, b in enumerate(bins) if b == number]
        gap = sum(scores[i] for i in own) / len(own) - sum(right[i] for i in own) / len(own)
        total += abs(gap) * len(own) / len(scores)
    return total


answers = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(0, 3)), min_size=1, max_size=80)


@given(answers)
def test_against_brute_force(rows: list[tuple[float, bool, int]]) -> None:
    scores, right, groups = ([row[i] for row in rows] for i in range(3))
    found = reliability(scores, right, groups)
    own = np.array(scores)
    assert found.ece.value == pytest.approx(ece_by_hand(scores, right, equal_mass(own).tolist()), abs=1e-9)
    assert found.ece_width == pytest.approx(ece_by_hand(scores, right, equal_width(own).tolist()), abs=1e-9)
    assert found.brier.value == pytest.approx(np.mean([(s - r) ** 2 for s, r, _ in rows]), abs=1e-9)
    assert sum(each.count for each in found.bins) == found.count == len(rows)
    assert found.brier.low <= found.brier.high


def test_equal_masses_are_equal_and_ties_stay_together() -> None:
    scores = np.random.default_rng(0).random(15 * 40)
    assert np.bincount(equal_mass(scores)).tolist() == [40] * BINS
    tied = np.array([0.5] * 100 + [0.9])
    assert len(set(equal_mass(tied)[:100].tolist())) == 1
    assert equal_width(np.array([0.0, 0.999, 1.0])).tolist() == [0, BINS - 1, BINS - 1]


def test_exact_scores_show_no_more_than_chance_and_wrong_ones_more() -> None:
    generator = np.random.default_rng(3)
    scores = generator.uniform(0.3, 1, 600)
    right = generator.random(600) < scores
    groups = np.arange(600) % 20
    exact = reliability(scores, right, groups)
    assert 0.02 < exact.chance < 0.08  # 600 answers in 15 bins cannot show less
    assert exact.ece.value < 2 * exact.chance
    sure = reliability(np.sqrt(scores), right, groups)
    assert sure.ece.value > exact.ece.high
    assert sure.nll.value > exact.nll.value


def test_nothing_is_nothing() -> None:
    empty = reliability([], [], [])
    assert empty.count == 0
    assert reliability_rows({"none": empty}) == []


def test_the_diagram_is_a_picture(tmp_path: Path) -> None:
    found = {name: reliability([0.2, 0.8, 0.9], [False, True, True], [0, 1, 1]) for name in ("a", "b", "c")}
    assert draw(found, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(DataError, match="cannot be written"):
        draw(found, tmp_path)


def test_without_matplotlib_there_is_no_diagram_and_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    assert not draw({"a": reliability([0.5], [True], [0])}, tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
