"""Doubt: entropies word by word against the model's own probabilities, and the state that they weigh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rasid.encoding import pad, windows
from rasid.infer.doubt import doubts
from rasid.model import Loaded, load_model, pool
from rasid.text import words
from rasid.textscoring import word_log_probs


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    return load_model(str(tiny_model))


def cut(text: str) -> list[str]:
    return [word.of(text) for word in words(text)]


def test_doubt_is_the_entropy_of_what_the_model_says(loaded: Loaded, sentences: tuple[str, ...]) -> None:
    texts = [cut(sentences[0]), [], cut(" ".join(sentences)), ["\u064b"]]  # the third needs several windows
    assert len(windows(loaded.tokenizer, texts[2], 64, 20)) > 1
    found = doubts(loaded, "entities", texts, tokens=128)
    for own, log_probs in zip(found[:3], word_log_probs(loaded, "entities", texts[:3]), strict=True):
        expected = -(np.exp(log_probs) * log_probs).sum(axis=(1, 2))
        assert own.nats == pytest.approx(expected, abs=1e-4)
        assert own.total == pytest.approx(float(expected.sum()), abs=1e-3)
    assert found[0].total > 1
    assert found[3].nats.tolist() == [0.0]  # a word that the tokenizer drops says nothing


def test_the_state_is_weighted_by_doubt(loaded: Loaded, sentences: tuple[str, ...]) -> None:
    text = cut(sentences[1])
    (found,) = doubts(loaded, "entities", [text])
    batch = pad(windows(loaded.tokenizer, text, 64, 20), 0)
    with torch.inference_mode():
        states = pool(loaded.model.states(batch.input_ids, batch.attention_mask), batch.index, batch.groups)[0].numpy()
    expected = (found.nats[:, None] * states).sum(axis=0) / found.nats.sum()
    assert found.state == pytest.approx(expected, abs=1e-4)
    assert np.abs(found.state - states.mean(axis=0)).max() > 1e-3


def test_company_changes_nothing_but_rounding(loaded: Loaded, sentences: tuple[str, ...]) -> None:
    texts = [cut(sentence) for sentence in sentences]
    together = doubts(loaded, "entities", texts)
    for text, own in zip(texts, together, strict=True):
        (alone,) = doubts(loaded, "entities", [text])
        assert alone.nats == pytest.approx(own.nats, abs=1e-4)
        assert alone.state == pytest.approx(own.state, abs=1e-4)
