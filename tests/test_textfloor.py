"""Article rows, text heads learning one label or several, and the floor in one table with the model."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rasid.config import dump_config, parse_config
from rasid.model import Head, load_model, load_tokenizer
from rasid.text import words
from rasid.train.batching import BatchSampler, Collator
from rasid.train.command import run_train
from rasid.train.config import RunConfig, Source
from rasid.train.evaluation import predict_labels
from rasid.train.features import article_rows
from rasid.train.finetune import fit, resolve_heads, save
from rasid.train.labelled import Labelled, read_labelled
from rasid.train.losses import loss_of
from rasid.train.textfloor import TextFloor, compare, shared_runs

WORDS = {
    "رياضة": ("المباراة", "الفريق", "هدف", "الملعب", "المدرب", "كأس"),
    "صحة": ("المستشفى", "علاج", "المرض", "لقاح", "الأطباء", "دواء"),
    "مال": ("الأسهم", "السوق", "المصرف", "أرباح", "النفط", "سعر"),
}
COMMON = ("قال", "في", "من", "أمس", "مدينة", "الميناء", "إن", "على", "وصل", "الحكومة")
ONE = Head(kind="text", labels=tuple(sorted(WORDS)))
SEVERAL = Head(kind="text", labels=tuple(sorted(WORDS)), multilabel=True)
SOURCE = Source(head="topic", reader="labelled", path=Path("x.jsonl"))


def _article(draw: random.Random, labels: list[str], length: int) -> str:
    own = [word for label in labels for word in WORDS[label]]
    return " ".join(draw.choice(own if own and draw.random() < 0.5 else COMMON) for _ in range(length))


def _write(path: Path, multilabel: bool, number: int = 120) -> Path:
    draw = random.Random(7)
    lines = []
    for place in range(number):
        labels = draw.sample(sorted(WORDS), draw.randrange(3) if multilabel else 1)
        text = _article(draw, labels, draw.choice((8, 30, 90)))
        label = labels if multilabel else labels[0]
        lines.append(json.dumps({"id": str(place), "text": text, "label": label}, ensure_ascii=False))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _config(encoder: Path, path: Path, output: Path, multilabel: bool, **changes: Any) -> RunConfig:
    source = {"head": "topic", "reader": "labelled", "path": str(path)}
    tree: dict[str, Any] = {
        "encoder": str(encoder),
        "output": str(output),
        "heads": {"topic": {"kind": "text", "labels": "data", "multilabel": multilabel}},
        "sources": {"train": source | {"ids": [0.0, 0.75]}},
        "evaluation": {"dev": source | {"ids": [0.75, 1.0]}},
        "window": 48,
        "overlap": 16,
        "batch_tokens": 512,
        "head_learning_rate": 2e-2,
        "precision": "fp32",
        "compress": False,
        "training": {
            "num_train_epochs": 10,
            "learning_rate": 5e-3,
            "save_strategy": "no",
            "eval_strategy": "no",
            "disable_tqdm": True,
        },
    }
    return parse_config(RunConfig, tree | changes, "test")


def test_an_article_is_one_row_of_all_its_windows(tiny_encoder: Path) -> None:
    tokenizer = load_tokenizer(tiny_encoder)
    text = _article(random.Random(1), ["صحة"], 200)
    articles = [Labelled("a", text, ("صحة",), "x:1"), Labelled("b", "خبر", ("مال",), "x:2")]
    whole, short = article_rows(articles, SOURCE, ONE, tokenizer, 48, 100)
    assert short.more == ()
    assert len(whole.windows) > 3
    read = [word for w in whole.windows for word in range(w.core_start, w.core_end)]
    assert read == list(range(len(words(text))))
    assert [w.first for w in whole.windows[1:]] == [w.core_end for w in whole.windows[:-1]]  # nothing is read twice
    cut = article_rows(articles, SOURCE, ONE, tokenizer, 48, 3)[0]
    assert [w.first for w in cut.windows] == [whole.windows[i * len(whole.windows) // 3].first for i in range(3)]
    assert article_rows([Labelled("c", "\u200b", ("مال",), "x:3")], SOURCE, ONE, tokenizer, 48, 3) == []


def test_batches_keep_articles_whole_under_the_budget(tiny_encoder: Path) -> None:
    draw = random.Random(2)
    texts = [_article(draw, ["مال"], draw.randrange(1, 150)) for _ in range(40)]
    articles = [Labelled(str(i), text, ("مال",), "x") for i, text in enumerate(texts)]
    rows = article_rows(articles, SOURCE, ONE, load_tokenizer(tiny_encoder), 48, 8)
    sampler = BatchSampler(rows, [1.0] * len(rows), 600, 1)
    batches = list(sampler)
    assert sorted(n for batch in batches for n in batch) == list(range(40))
    assert len(batches) < 40
    for numbers in batches:
        batch = Collator(0)([rows[n] for n in numbers])
        assert batch["input_ids"].numel() <= 600 or len(numbers) == 1
        assert batch["groups"] == len(numbers) == len(batch["labels"])
        pieces = [sum(len(w.ids) - 2 for w in rows[n].windows) for n in numbers]
        assert torch.bincount(batch["index"][batch["index"] >= 0]).tolist() == pieces


def test_training_and_inference_read_an_article_alike(tiny_encoder: Path, tmp_path: Path) -> None:
    from rasid.textscoring import read_articles
    from rasid.train.finetune import build_model

    config = _config(tiny_encoder, _write(tmp_path / "a.jsonl", False), tmp_path / "run", False)
    model = build_model(config, {"topic": ONE}).eval()
    tokenizer = load_tokenizer(tiny_encoder)
    articles = read_labelled(config.sources["train"], ONE.labels, False)[:7]
    batch = Collator(0)(article_rows(articles, SOURCE, ONE, tokenizer, config.window, 100))
    labels = batch.pop("labels")
    assert [ONE.labels[i] for i in labels.tolist()] == [a.labels[0] for a in articles]
    with torch.inference_mode():
        mine = model(**batch).softmax(-1).numpy()
    from rasid.model import Loaded

    cut = [[w.of(a.text) for w in words(a.text)] for a in articles]
    theirs = read_articles(Loaded(model, tokenizer, "m", ""), cut, None, ["topic"]).labels["topic"]
    np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_the_loss_of_several_labels_asks_of_each() -> None:
    logits, labels = torch.zeros(2, 3), torch.tensor([[1, 0, 1], [0, 0, 0]])
    assert loss_of(logits, labels).item() == pytest.approx(0.6931, abs=1e-3)
    sure = torch.where(labels > 0, 20.0, -20.0)
    assert loss_of(sure, labels).item() < 1e-6
    assert loss_of(-sure, labels).item() == pytest.approx(20.0)


@pytest.mark.parametrize("multilabel", [False, True])
def test_it_learns_topics_and_the_saved_model_says_the_same(
    tiny_encoder: Path, tmp_path: Path, multilabel: bool
) -> None:
    config = _config(tiny_encoder, _write(tmp_path / "a.jsonl", multilabel), tmp_path / "run", multilabel)
    result = fit(config, config.output)
    gold = read_labelled(config.evaluation["dev"], ONE.labels, multilabel)
    assert len(gold) > 15
    guess = max(sum(g.labels == h.labels for g in gold) / len(gold) for h in gold)
    assert result.metrics["dev_accuracy"] > guess + 0.2
    assert result.metrics["dev_macro_f1"] > 0.7
    save(result, config, config.output)
    loaded = load_model(str(config.output))
    assert loaded.model.config.named_heads["topic"] == (SEVERAL if multilabel else ONE)
    texts = [g.text for g in gold]
    assert predict_labels(loaded, "topic", texts) == predict_labels(result.loaded, "topic", texts)


def test_labels_of_the_data_are_all_that_its_sources_hold(tiny_encoder: Path, tmp_path: Path) -> None:
    config = _config(tiny_encoder, _write(tmp_path / "a.jsonl", True), tmp_path / "run", True)
    assert resolve_heads(config) == {"topic": SEVERAL}


@pytest.mark.parametrize("multilabel", [False, True])
def test_the_floor_learns_what_words_tell(tmp_path: Path, multilabel: bool) -> None:
    head = SEVERAL if multilabel else ONE
    path = _write(tmp_path / "a.jsonl", multilabel)
    learnt = read_labelled(SOURCE.model_copy(update={"path": path, "ids": (0.0, 0.75)}), head.labels, multilabel)
    gold = read_labelled(SOURCE.model_copy(update={"path": path, "ids": (0.75, 1.0)}), head.labels, multilabel)
    answers = TextFloor.learn(learnt, head).predict([g.text for g in gold])
    right = sum(set(answer) == set(g.labels) for answer, g in zip(answers, gold, strict=True))
    assert right / len(gold) > 0.8


def test_shared_runs_are_counted_in_words_and_not_in_marks_or_digits() -> None:
    text = " ".join(f"كلمة{chr(0x0627 + n)}" for n in range(20))  # 11 runs of 10 words
    first, second = text.split()[:10], text.split()[8:]
    assert shared_runs([text], [" ، ".join(first) + " 12 " + "نهاية"]) == [pytest.approx(1 / 11)]
    assert shared_runs([text], [" ".join(second)]) == [pytest.approx(3 / 11)]
    assert shared_runs([text, "قصير"], [text]) == [1.0, 0.0]
    assert shared_runs([text], []) == [0.0]


def test_one_command_prints_the_model_and_its_floor_in_one_table(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = {"num_train_epochs": 1, "save_strategy": "no", "eval_strategy": "no", "disable_tqdm": True}
    path = _write(tmp_path / "a.jsonl", False, 80)
    config = _config(tiny_encoder, path, tmp_path / "run", False, text_floor=True, training=training)
    dump_config(config, tmp_path / "c.yaml")
    args = argparse.Namespace(config=str(tmp_path / "c.yaml"), set=[], output=None, dry_run=False, resume=False)
    assert run_train(args) == 0
    printed = capsys.readouterr().out
    page = (config.output / "labels.md").read_text(encoding="utf-8")
    assert page.strip() in printed
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        f"{system}: {part}"
        for system in ("run", "TF-IDF + linear")
        for part in ("all", "over 400 words", "under 20% shared with training")
    ]
    metrics = json.loads((config.output / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    assert f"{metrics['dev_accuracy']:.3f}" == lines[2].split("|")[3].strip()
    gold = read_labelled(config.evaluation["dev"], ONE.labels, False)
    assert lines[2].split("|")[2].strip() == str(len(gold))
    assert lines[3].split("|")[2].strip() == "0"
    loaded = load_model(str(config.output))
    answers = {"dev": predict_labels(loaded, "topic", [g.text for g in gold])}
    assert compare(config, loaded, answers) == page.rstrip()
