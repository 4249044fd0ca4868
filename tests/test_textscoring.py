"""Articles read in one pass: every piece counts once, company changes nothing, words are labelled as alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from rasid.labels import WOJOOD
from rasid.model import Head, Loaded, load_tokenizer, new_model, pool
from rasid.text import words
from rasid.textscoring import chosen, read_articles, word_log_probs

LABELS = ("رياضة", "صحة", "فن")
TOLERANCE = 1e-5  # of a probability, in float32 on the CPU


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    heads = {
        "entities": Head(kind="tokens", labels=WOJOOD, nested=True),
        "topic": Head(kind="text", labels=LABELS),
        "tags": Head(kind="text", labels=LABELS, multilabel=True),
    }
    torch.manual_seed(3)
    model = new_model(str(tiny_model), heads, window=64, overlap=20, dropout=0.1)
    for name in ("topic", "tags"):
        torch.nn.init.normal_(model.heads[name].output.weight, std=1.0)
    model.eval()
    return Loaded(model, load_tokenizer(tiny_model), "m", "")


def _texts(sentences: Sequence[str]) -> list[list[str]]:
    texts = [" ".join(sentences * 3), *sentences, "كلمة", ""]
    return [[word.of(text) for word in words(text)] for text in texts]


def test_labels_are_those_of_the_mean_state_of_all_pieces(loaded: Loaded, sentences: Sequence[str]) -> None:
    (short,) = [[w.of(sentences[0]) for w in words(sentences[0])]]
    reading = read_articles(loaded, [short], None, ["topic", "tags"])
    ids = loaded.tokenizer([short], is_split_into_words=True, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        states = loaded.model.states(ids, torch.ones_like(ids))[0, 1:-1]
        mean = states.mean(dim=0, keepdim=True)
        for head, squash in (("topic", lambda z: z.softmax(-1)), ("tags", torch.sigmoid)):
            expected = squash(loaded.model.heads[head](mean)).numpy()
            np.testing.assert_allclose(reading.labels[head], expected, atol=TOLERANCE)


def test_a_long_article_is_read_to_its_end(loaded: Loaded, sentences: Sequence[str]) -> None:
    long, *_ = _texts(sentences)
    changed = [*long[:-8], *["كرة"] * 8]
    reading = read_articles(loaded, [long, changed, long[:40]], None, ["topic"])
    assert np.abs(reading.labels["topic"][0] - reading.labels["topic"][1]).max() > 1e-4
    assert np.abs(reading.labels["topic"][0] - reading.labels["topic"][2]).max() > 1e-4


@pytest.mark.parametrize("tokens_head", [None, "entities"])
def test_company_and_batches_change_nothing(loaded: Loaded, sentences: Sequence[str], tokens_head: str | None) -> None:
    texts = _texts(sentences)
    together = read_articles(loaded, texts, tokens_head, ["topic", "tags"])
    tight = read_articles(loaded, texts, tokens_head, ["topic", "tags"], tokens=64)
    for number, text in enumerate(texts):
        alone = read_articles(loaded, [text], tokens_head, ["topic", "tags"])
        for head in ("topic", "tags"):
            np.testing.assert_allclose(together.labels[head][number], alone.labels[head][0], atol=TOLERANCE)
            np.testing.assert_allclose(together.labels[head][number], tight.labels[head][number], atol=TOLERANCE)
    np.testing.assert_allclose(together.labels["topic"].sum(axis=1), 1.0, atol=TOLERANCE)
    assert together.labels["topic"].std(axis=0).max() > 0.01


def test_in_overlapping_windows_every_piece_counts_once(loaded: Loaded, sentences: Sequence[str]) -> None:
    from rasid.encoding import pad, windows

    long, *_ = _texts(sentences)
    cut = windows(loaded.tokenizer, long, 64, 20)
    assert len(cut) > 2
    batch = pad(cut, 0)
    with torch.inference_mode():
        means = pool(loaded.model.states(batch.input_ids, batch.attention_mask), batch.index, batch.groups)
        total, pieces = torch.zeros(means.shape[-1]), 0
        for row, window in zip(means, cut, strict=True):
            for word in range(window.core_start, window.core_end):
                count = window.index.count(word - window.first)
                total += row[word - window.first] * count
                pieces += count
        expected = loaded.model.heads["topic"](total / pieces).softmax(-1).numpy()
    reading = read_articles(loaded, [long], "entities", ["topic"])
    np.testing.assert_allclose(reading.labels["topic"][0], expected, atol=TOLERANCE)


def test_words_are_scored_as_without_article_labels(loaded: Loaded, sentences: Sequence[str]) -> None:
    texts = _texts(sentences)
    reading = read_articles(loaded, texts, "entities", ["topic"])
    for mine, plain in zip(reading.words, word_log_probs(loaded, "entities", texts), strict=True):
        np.testing.assert_allclose(mine, plain, atol=TOLERANCE)
    none = read_articles(loaded, texts, None, ["topic"]).words
    assert [array.shape for array in none] == [(len(text), 0, 3) for text in texts]


def test_one_label_or_all_that_are_likely() -> None:
    scores = np.array([0.5, 0.2, 0.7], dtype=np.float32)
    one, several = Head(kind="text", labels=LABELS), Head(kind="text", labels=LABELS, multilabel=True)
    assert [(c.label, round(c.score, 3)) for c in chosen(one, scores)] == [("فن", 0.7)]
    assert [c.label for c in chosen(several, scores)] == ["فن", "رياضة"]
    assert chosen(several, scores / 2) == []
