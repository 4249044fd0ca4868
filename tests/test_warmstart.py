"""The static start: counts against a brute-force count, and vectors that bring together pieces used alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rasid.train import warmstart
from rasid.train.warmstart import WarmStart, cooccurrences, log_frequencies, positive_pmi, static_embeddings


def test_counts_are_those_of_a_slow_count() -> None:
    ids = np.random.default_rng(0).integers(2, 12, 300).astype(np.uint16)
    expected = np.zeros((12, 12))
    for place, left in enumerate(ids):
        for distance in range(1, 4):
            if place + distance < len(ids) and left >= 5 and ids[place + distance] >= 5:
                expected[left, ids[place + distance]] += (4 - distance) / 3
    np.testing.assert_allclose(cooccurrences(ids, 12, 3), expected, rtol=1e-5)


def test_counting_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.random.default_rng(1).integers(5, 20, 500).astype(np.uint16)
    whole = cooccurrences(ids, 20, 5)
    monkeypatch.setattr(warmstart, "_CHUNK", 7)
    np.testing.assert_allclose(cooccurrences(ids, 20, 5), whole, rtol=1e-5)


def test_pmi_is_that_of_the_definition() -> None:
    counts = torch.tensor([[0.0, 4.0], [4.0, 2.0]])
    contexts = torch.tensor([4.0, 6.0]) ** 0.75
    found = positive_pmi(counts.clone(), 0.75)
    assert found[0, 0] == 0.0
    assert math.isclose(found[0, 1], math.log(4 / 4 / (contexts[1] / contexts.sum())), rel_tol=1e-5)


def test_pieces_in_like_company_lie_near_each_other() -> None:
    random = np.random.default_rng(2)
    rows = [(5 + i % 2, 10, 11) if random.random() < 0.5 else (7 + i % 2, 12, 13) for i in range(3000)]
    ids = np.array([i for row in rows for i in (*row, 3, 3, 3, 3, 3)], dtype=np.uint16)
    vectors = static_embeddings(ids, 16, 8, WarmStart(), seed=1)
    near = torch.nn.functional.cosine_similarity(vectors[5], vectors[6], dim=0)
    far = torch.nn.functional.cosine_similarity(vectors[5], vectors[7], dim=0)
    assert near > 0.9
    assert far < 0.3
    assert 0.03 < vectors[5:14].std() < 0.12


def test_frequencies_are_log_probabilities() -> None:
    found = log_frequencies(np.array([5, 5, 6], dtype=np.uint16), 8)
    assert math.isclose(found.exp().sum(), 1.0, rel_tol=1e-5)
    assert found[5] > found[6] > found[7]
