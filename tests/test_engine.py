"""The engine and the predictor: batches change nothing, mentions are trimmed, a full memory is survived."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rasid.decode import WordSpan
from rasid.errors import ConfigError, ModelError
from rasid.infer import engine as engine_module
from rasid.infer.engine import Engine, choose_device, open_engine
from rasid.infer.mentions import mentions
from rasid.infer.predictor import predict
from rasid.infer.readers import Article
from rasid.labels import STANCES, WOJOOD, Inventory
from rasid.model import Head, Loaded, load_tokenizer, new_model, save_model
from rasid.scoring import Pair
from rasid.text import words

TOLERANCE = 1e-5  # of a probability or log probability, in float32 on the CPU
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Engine:
    return open_engine(str(tiny_model), CPU)


def cut(text: str) -> list[str]:
    return [word.of(text) for word in words(text)]


def test_scores_do_not_depend_on_the_company(sentences: Sequence[str], engine: Engine) -> None:
    long = " ".join(sentences * 3)
    texts = [cut(text) for text in (*sentences, long, "كلمة", "")]
    together = engine.word_scores(texts)
    small = Engine(engine.loaded, engine.entity_head, engine.stance_head, batch_tokens=64)
    for text, scores, tight in zip(texts, together, small.word_scores(texts), strict=True):
        assert scores.shape == (len(text), len(WOJOOD), 3)
        np.testing.assert_allclose(scores, engine.word_scores([text])[0], atol=TOLERANCE)
        np.testing.assert_allclose(scores, tight, atol=TOLERANCE)
        np.testing.assert_allclose(np.exp(scores).sum(axis=-1), 1.0, atol=TOLERANCE)


def test_stances_do_not_depend_on_the_company(sentences: Sequence[str], engine: Engine) -> None:
    pairs = [Pair(target, sentence) for sentence in sentences for target in ("تركيا", "اتحاد الصيادين")]
    together = engine.stance_scores(pairs)
    alone = np.concatenate([engine.stance_scores([pair]) for pair in pairs])
    np.testing.assert_allclose(together, alone, atol=TOLERANCE)
    assert len({round(float(row[0]), 3) for row in together}) > 1


def test_records_do_not_depend_on_the_company(sentences: Sequence[str], engine: Engine) -> None:
    articles = [Article(str(n), " ".join(sentences[n:] + sentences[:n])) for n in range(4)]
    for article, together in zip(articles, predict(engine, articles), strict=True):
        (alone,) = predict(engine, [article])
        assert [e.model_copy(update={"score": 0}) for e in alone.entities] == [
            e.model_copy(update={"score": 0}) for e in together.entities
        ]
        assert alone.clusters == together.clusters
        assert [(s.target, s.scope, s.label) for s in alone.stances] == [
            (s.target, s.scope, s.label) for s in together.stances
        ]
        pairs = zip([*alone.entities, *alone.stances], [*together.entities, *together.stances], strict=True)
        # Scores are printed to four digits: a rounding may tip by one in the last.
        assert all(abs((one.score or 0) - (other.score or 0)) <= 1.01e-4 for one, other in pairs)


def test_stance_scores_are_in_the_order_of_the_labels(
    sentences: Sequence[str], tiny_encoder: Path, tmp_path: Path
) -> None:
    turned = tuple(reversed(STANCES))
    heads = {"e": Head(kind="tokens", labels=WOJOOD), "s": Head(kind="pair", labels=turned)}
    model = new_model(str(tiny_encoder), heads, 64, 20, 0.0)
    with torch.no_grad():
        model.heads["s"].output.bias.copy_(torch.tensor([float(label == "favor") * 9 for label in turned]))
    save(model, tiny_encoder, tmp_path)
    scores = open_engine(str(tmp_path), CPU).stance_scores([Pair("تركيا", sentences[0])])
    assert STANCES[int(scores[0].argmax())] == "favor"


def save(model: Any, encoder: Path, folder: Path) -> None:
    save_model(Loaded(model, load_tokenizer(encoder), "made", ""), folder, compress=False)


def test_a_model_without_stance_reads_entities_only(
    sentences: Sequence[str], tiny_encoder: Path, tmp_path: Path
) -> None:
    save(
        new_model(str(tiny_encoder), {"e": Head(kind="tokens", labels=WOJOOD)}, 64, 20, 0.0),
        tiny_encoder,
        tmp_path,
    )
    (record,) = predict(open_engine(str(tmp_path), CPU), [Article("a", sentences[0])])
    assert record.stances == ()


def test_a_model_without_entities_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    save(
        new_model(str(tiny_encoder), {"s": Head(kind="pair", labels=STANCES)}, 64, 20, 0.0),
        tiny_encoder,
        tmp_path,
    )
    with pytest.raises(ModelError, match="no head of kind tokens"):
        open_engine(str(tmp_path), CPU)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    with pytest.raises(ConfigError, match="no CUDA device is available; choose cpu or auto"):
        choose_device("cuda")
    with pytest.raises(ConfigError, match="unknown device 'gpu'"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert choose_device("cpu") == CPU


def test_a_full_memory_halves_the_batch(
    sentences: Sequence[str], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = engine_module.read_articles

    def tight(loaded: Any, texts: Any, head: Any, labels: Any, tokens: int, keep_states: bool = False) -> Any:
        asked.append(tokens)
        if tokens > 2048:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(loaded, texts, head, labels, tokens, keep_states)

    monkeypatch.setattr(engine_module, "read_articles", tight)
    (scores,) = engine.word_scores([cut(sentences[0])])
    assert asked == [8192, 4096, 2048]
    assert len(scores) == len(cut(sentences[0]))


def test_a_memory_that_never_suffices_is_an_error(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(engine_module, "read_articles", never)
    with pytest.raises(torch.OutOfMemoryError):
        engine.word_scores([["كلمة"]])


# -- mentions ---------------------------------------------------------------------------------------

TYPES = Inventory("test", ("ORG", "PERCENT", "GPE"), nested=True)


def surfaces(text: str, *spans: tuple[int, int, int]) -> list[str]:
    found = mentions(text, words(text), [WordSpan(*span, 0.5) for span in spans], TYPES)
    assert all(text[m.start : m.end] == m.surface for m in found)
    return [m.surface for m in found]


def test_punctuation_at_the_ends_stays_out() -> None:
    text = "لـ “قسد” (قوات)"
    assert cut(text) == ["لـ", "“", "قسد", "”", "(", "قوات", ")"]
    assert surfaces(text, (1, 4, 0), (4, 7, 0)) == ["قسد", "قوات"]
    assert surfaces(text, (1, 7, 0)) == ["قسد” (قوات"]


def test_the_sign_of_an_amount_stays_in() -> None:
    assert surfaces("نحو 70% منهم", (1, 3, 1)) == ["70%"]
    assert surfaces("نحو ٤٪، منهم", (1, 4, 1)) == ["٤٪"]
    assert surfaces("ثمنه $5.", (1, 4, 1)) == ["$5"]


def test_a_span_of_punctuation_is_dropped() -> None:
    assert surfaces("نعم … % !", (1, 4, 0), (2, 3, 1)) == []


def test_order_is_by_start_then_length_then_type() -> None:
    text = "(شمال المدينة"
    assert surfaces(text, (1, 2, 2), (0, 3, 0), (1, 2, 0)) == ["شمال المدينة", "شمال", "شمال"]
