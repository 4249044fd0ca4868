"""Fine-tuning: losses, learning, what is saved, resuming, dry runs, cross-validation with its floors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rasid.config import parse_config
from rasid.errors import ConfigError, DataError
from rasid.model import Head, load_model, load_tokenizer, new_model
from rasid.records import Cluster, Entity, Record, Stance, sha256_of
from rasid.text import Span, passages
from rasid.train.batching import BatchSampler
from rasid.train.command import run_train
from rasid.train.config import RunConfig
from rasid.train.evaluation import predict_entities, score_labels, span_f1
from rasid.train.finetune import fit, gather, save
from rasid.train.floors import StanceFloors, SurfaceDictionary
from rasid.train.losses import loss_of
from rasid.train.masking import IGNORED
from rasid.train.sources import GoldPair, GoldText, Pair, Typed
from rasid.train.trainer import MultiTaskTrainer, parameter_groups

LINES = (
    "زار سامر الحداد مدينة الميناء أمس.",
    "وانتقد اتحاد الصيادين الحكومة في الميناء.",
    "وقال سامر الحداد إن اتحاد الصيادين مخطئ.",
    "وعاد الوفد من الميناء.",
)
NAMES = (("سامر الحداد", "PERS"), ("اتحاد الصيادين", "ORG"), ("الميناء", "GPE"))


def _article(doc: str, folder: Path, turn: int) -> None:
    text = "\n".join(LINES[turn:] + LINES[:turn])
    entities, clusters = [], []
    for number, (surface, kind) in enumerate(NAMES, 1):
        clusters.append(Cluster(id=f"C{number}", name=surface, type=kind))
        start = text.find(surface)
        while start >= 0:
            span = {"start": start, "end": start + len(surface), "surface": surface}
            entities.append(Entity(id=f"T{len(entities) + 1}", type=kind, cluster=f"C{number}", **span))
            start = text.find(surface, start + 1)
    stances = [Stance(target="C2", scope="article", label="against")]
    for place in passages(text):
        if "اتحاد" in place.of(text):
            label = "against" if "مخطئ" in place.of(text) else "none"
            stances.append(Stance(target="C2", scope=(place.start, place.end), label=label))
    record = Record(
        doc=doc, sha256=sha256_of(text), entities=tuple(entities), clusters=tuple(clusters), stances=tuple(stances)
    )
    (folder / f"{doc}.json").write_text(record.to_json(), encoding="utf-8")
    (folder / f"{doc}.txt").write_text(text, encoding="utf-8", newline="")


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    folder = tmp_path / "gold"
    folder.mkdir()
    for turn in range(3):
        _article(f"a{turn}", folder, turn)
    return folder


def _config(encoder: Path, gold: Path, output: Path, **changes: Any) -> RunConfig:
    source = {"path": str(gold), "texts": str(gold)}
    tree: dict[str, Any] = {
        "encoder": str(encoder),
        "output": str(output),
        "heads": {
            "entities": {"kind": "tokens", "inventory": "wojood"},
            "stance": {"kind": "pair", "labels": ["favor", "against", "none"]},
            "aside": {"kind": "tokens", "labels": "data", "ship": False},
        },
        "sources": {
            "entities": {"head": "entities", "reader": "annotations", **source},
            "stances": {"head": "stance", "reader": "annotated-stances", **source},
            "aside": {"head": "aside", "reader": "annotations", **source},
        },
        "window": 64,
        "overlap": 16,
        "batch_tokens": 160,
        "precision": "fp32",
        "compress": False,
        "training": {"num_train_epochs": 3, "learning_rate": 5e-3, "save_strategy": "no", "disable_tqdm": True},
    }
    return parse_config(RunConfig, tree | changes, "test")


def test_loss_is_summed_over_types_and_averaged_over_labelled_words() -> None:
    logits = torch.zeros(1, 3, 2, 3)
    labels = torch.tensor([[[0, 1], [0, IGNORED], [IGNORED, IGNORED]]])
    assert loss_of(logits, labels).item() == pytest.approx(3 * torch.log(torch.tensor(3.0)).item() / 2)
    assert loss_of(torch.zeros(2, 3), torch.tensor([0, 2])).item() == pytest.approx(1.0986, abs=1e-3)


def test_it_learns_the_articles_and_saves_a_model_that_says_the_same(
    tiny_encoder: Path, gold: Path, tmp_path: Path
) -> None:
    training = {"num_train_epochs": 60, "learning_rate": 5e-3, "save_strategy": "no", "disable_tqdm": True}
    config = _config(tiny_encoder, gold, tmp_path / "run", training=training, head_learning_rate=2e-2)
    result = fit(config, config.output)
    text = (gold / "a0.txt").read_text(encoding="utf-8")
    found = predict_entities(result.loaded, "entities", [text])[0]
    wanted = {(name, kind) for name, kind in NAMES}
    assert {(e.span.of(text), e.type) for e in found} >= wanted
    save(result, config, config.output)
    loaded = load_model(str(config.output))
    assert list(loaded.model.heads) == ["entities", "stance"]  # `aside` only taught the encoder
    assert predict_entities(loaded, "entities", [text])[0] == found
    assert json.loads((config.output / "metrics.json").read_text())["revision"] == loaded.revision
    assert loaded.model.config.overlap == config.reading_overlap == 16


def test_masked_rows_need_a_mask_token(tiny_encoder: Path, gold: Path, tmp_path: Path) -> None:
    config = _config(tiny_encoder, gold, tmp_path)
    stances = config.sources["stances"].model_copy(update={"masked": 0.5})
    tokenizer = load_tokenizer(tiny_encoder)
    tokenizer.mask_token = None
    masked = config.model_copy(update={"sources": config.sources | {"stances": stances}})
    with pytest.raises(ConfigError, match="has no mask token; leave it out of the sources"):
        gather(masked, tokenizer)
    assert gather(config, tokenizer).rows


@pytest.mark.parametrize("key", ["overlap", "reading_overlap"])
def test_windows_cannot_share_more_than_half(tiny_encoder: Path, gold: Path, tmp_path: Path, key: str) -> None:
    _config(tiny_encoder, gold, tmp_path, **{key: 31})
    with pytest.raises(ConfigError, match=f"{key}: from 0 to 31, half of a window of 64 pieces"):
        _config(tiny_encoder, gold, tmp_path, **{key: 32})


def test_a_resumed_run_ends_as_an_uninterrupted_one(tiny_encoder: Path, gold: Path, tmp_path: Path) -> None:
    training = {"num_train_epochs": 4, "learning_rate": 5e-3, "save_strategy": "epoch", "disable_tqdm": True}
    whole = _config(tiny_encoder, gold, tmp_path / "whole", training=training)
    first = fit(whole, whole.output)
    checkpoints = sorted((whole.output / "checkpoints").iterdir(), key=lambda p: int(p.name.split("-")[1]))
    broken = _config(tiny_encoder, gold, tmp_path / "broken", training=training)
    (broken.output / "checkpoints").mkdir(parents=True)
    checkpoints[0].rename(broken.output / "checkpoints" / checkpoints[0].name)
    second = fit(broken, broken.output, resume=True)
    pairs = zip(first.loaded.model.state_dict().items(), second.loaded.model.state_dict().values(), strict=True)
    for (name, left), right in pairs:
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6, msg=name)


def test_going_on_from_a_model_keeps_heads_of_the_same_labels(tiny_model: Path, gold: Path, tmp_path: Path) -> None:
    from rasid.train.finetune import resolve_heads

    config = _config(tiny_model, gold, tmp_path / "run")
    model = new_model(str(tiny_model), resolve_heads(config), 64, 16, 0.1)
    before = load_file(tiny_model / "model.safetensors")
    assert torch.equal(model.heads["entities"].output.weight, before["heads.entities.output.weight"])
    assert model.heads["aside"].output.weight.shape[0] == 9


def test_heads_and_layers_learn_at_their_own_rates(tiny_model: Path, gold: Path, tmp_path: Path) -> None:
    config = _config(tiny_model, gold, tmp_path / "run", layer_decay=0.5)
    model = load_model(str(tiny_model)).model
    groups = parameter_groups(model, 1e-4, config)
    rates = {group["lr"] for group in groups}
    assert {1e-3, 1e-4, 0.5e-4, 0.25e-4} == rates
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_a_dry_run_takes_the_whole_way_but_writes_nothing(
    tiny_encoder: Path, gold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _config(tiny_encoder, gold, tmp_path / "run")
    file = tmp_path / "run.yaml"
    from rasid.config import dump_config

    dump_config(config, file)
    args = argparse.Namespace(config=str(file), set=[], output=None, dry_run=True, resume=False)
    assert run_train(args) == 0
    assert "stance: pair, 3 labels" in capsys.readouterr().out
    assert not config.output.exists()


def test_cross_validation_reports_the_model_beside_its_floors(
    tiny_encoder: Path, gold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rasid.train.crossval import run_cross_validation

    config = _config(tiny_encoder, gold, tmp_path / "cv", cross_validation={"seeds": [1, 2]})
    assert run_cross_validation(config) == 0
    printed = capsys.readouterr().out
    assert "| measure | model | majority | dictionary |" in printed
    assert "stance_passage_macro_f1: the model is " in printed
    report = json.loads((config.output / "report.json").read_text())
    assert set(report) == {"1", "2"}
    dictionary = report["1"]["dictionary"]["nested"]["micro"]["f1"]
    assert dictionary == 1.0  # every name of the held-out article stands in the other two
    assert report["1"]["majority"]["nested"]["micro"]["f1"] == 0.0


def test_config_mistakes_are_one_line(tiny_encoder: Path, gold: Path, tmp_path: Path) -> None:
    source = {"head": "entity", "reader": "annotations", "path": str(gold)}
    with pytest.raises(ConfigError, match="unknown head 'entity'; did you mean 'entities'"):
        _config(tiny_encoder, gold, tmp_path, sources={"x": source})
    misspelt = _config(tiny_encoder, gold, tmp_path / "o", training={"learning_rat": 1})
    with pytest.raises(ConfigError, match="training"):
        fit(misspelt, misspelt.output)
    heads = {"entities": {"kind": "tokens", "inventory": "wojood"}}
    source = {"head": "entities", "reader": "pairs", "path": str(gold)}
    mismatched = _config(tiny_encoder, gold, tmp_path / "p", sources={"x": source}, heads=heads)
    with pytest.raises(DataError, match="gives pairs"):
        fit(mismatched, mismatched.output)


def test_span_f1_counts_each_span_once() -> None:
    a, b = Typed(Span(0, 3), "ORG"), Typed(Span(4, 8), "GPE")
    assert span_f1([[a, b]], [[a]]) == pytest.approx(2 / 3)
    assert span_f1([[a]], [[Typed(Span(0, 3), "GPE")]]) == 0.0
    assert span_f1([[]], [[]]) == 0.0


def test_stance_scores_agree_with_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score

    gold = ["favor", "against", "none", "none", "against", "favor"]
    predicted = ["favor", "none", "none", "against", "against", "against"]
    scores = score_labels(gold, predicted, ("favor", "against"))
    assert scores["macro_f1"] == pytest.approx(f1_score(gold, predicted, labels=["favor", "against"], average="macro"))
    assert scores["accuracy"] == pytest.approx(accuracy_score(gold, predicted))


def test_the_dictionary_floor_finds_nested_names_longest_first() -> None:
    text = "مجلس الميناء في الميناء"
    gold = GoldText("d", text, (Typed(Span(0, 12), "ORG"), Typed(Span(5, 12), "GPE")))
    found = SurfaceDictionary.learn([gold]).find("زار مجلس الميناء", nested=True)
    assert [(e.span, e.type) for e in found] == [(Span(4, 16), "ORG"), (Span(9, 16), "GPE")]
    flat = SurfaceDictionary.learn([gold]).find("زار مجلس الميناء", nested=False)
    assert [e.type for e in flat] == ["ORG"]


def test_the_stance_floors_know_targets_by_name() -> None:
    pairs = [GoldPair(Pair("أنقرة", "x"), "against", "g"), *[GoldPair(Pair("قسد", "y"), "none", "g")] * 2]
    floors = StanceFloors.learn(pairs)
    assert (floors.majority, floors.of_target("انقرة"), floors.of_target("موسكو")) == ("none", "against", "none")


def test_every_epoch_goes_through_the_rows_in_another_order(
    tiny_encoder: Path, gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs: list[int] = []
    plain = BatchSampler._batches
    monkeypatch.setattr(BatchSampler, "_batches", lambda self, epoch: epochs.append(epoch) or plain(self, epoch))
    config = _config(tiny_encoder, gold, tmp_path / "run")
    fit(config, config.output)
    assert epochs == [0, 0, 0, 1, 2]  # to count batches, to account for them, then one for each epoch


@pytest.mark.parametrize(
    ("model", "lows", "word"),
    [
        (0.5, (0.45, 0.44), "above both floors"),
        (0.5, (0.45, 0.39), "above both floors, but NOT beyond its 95 % interval"),
        (0.4, (0.35, 0.35), "NOT above both floors"),
    ],
)
def test_a_score_is_held_against_its_floors_and_its_interval(model: float, lows: tuple[float, ...], word: str) -> None:
    from rasid.train.crossval import judge

    assert judge(model, (0.0, 0.4), lows) == word


def test_dropout_reaches_the_encoder_and_is_off_when_it_reads(tiny_encoder: Path, tmp_path: Path) -> None:
    heads = {"entities": Head(kind="tokens", labels=("PERS",))}
    model = new_model(str(tiny_encoder), heads, 64, 16, 0.1, encoder_dropout=0.5)
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    model.train()
    assert not torch.equal(model.states(ids, torch.ones_like(ids)), model.states(ids, torch.ones_like(ids)))
    model.eval()
    assert torch.equal(model.states(ids, torch.ones_like(ids)), model.states(ids, torch.ones_like(ids)))
    own = new_model(str(tiny_encoder), heads, 64, 16, 0.1).train()  # the encoder's own rates: none
    assert torch.equal(own.states(ids, torch.ones_like(ids)), own.states(ids, torch.ones_like(ids)))


def test_hidden_words_are_hidden_whole_and_special_tokens_stay(
    tiny_encoder: Path, gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(tiny_encoder, gold, tmp_path, word_dropout=0.5)
    seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    hide = MultiTaskTrainer._without_words

    def spy(self: MultiTaskTrainer, inputs: dict[str, Any]) -> torch.Tensor:
        hidden = hide(self, inputs)
        seen.append((inputs["input_ids"], hidden, inputs["index"]))
        return hidden

    monkeypatch.setattr(MultiTaskTrainer, "_without_words", spy)
    mask = fit(config, tmp_path / "run").loaded.tokenizer.mask_token_id
    changed = 0
    for ids, hidden, index in seen:
        assert torch.equal(ids[index < 0], hidden[index < 0])
        for row in range(len(ids)):
            for word in range(int(index[row].max()) + 1):
                pieces = hidden[row][index[row] == word]
                whole = bool((pieces == mask).all())
                assert whole or torch.equal(pieces, ids[row][index[row] == word])
                changed += whole
    assert changed
