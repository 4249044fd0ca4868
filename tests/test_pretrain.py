"""Pretraining: masks, packing, and the whole way from text to an encoder, with an interruption that leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM, AutoTokenizer

from rasid.config import load_config, parse_config
from rasid.errors import ConfigError, DataError
from rasid.train.blocks import Blocks
from rasid.train.corpus import Source, Text, articles, open_packed, pack, paragraphs_of
from rasid.train.masking import IGNORED, Masked, WordMasker
from rasid.train.objectives import MaskedLM, ReplacedTokens, Shape, decoder_of
from rasid.train.pretrain import PretrainConfig, prepare, pretrain
from rasid.train.schedule import Rate, Stage, stage_at
from rasid.train.tokenizer import train_tokenizer

from .conftest import SENTENCES  # type: ignore[import-not-found]

SHAPE = Shape(layers=1, hidden=32, heads=2, intermediate=32, positions=64)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    file = tmp_path / "text.jsonl"
    rows = [{"id": str(i), "text": "\n".join(SENTENCES[i % 6 :] + SENTENCES[: i % 6])} for i in range(40)]
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return file


def _text(shard: Path) -> Text:
    return Text(folder=shard.parent, sources=[Source(file=shard.name)])


def _config(shard: Path, output: Path, **changes: Any) -> PretrainConfig:
    tree: dict[str, Any] = {
        "text": {"folder": str(shard.parent), "sources": [{"file": shard.name}]},
        "output": str(output),
        "budget": {"tokens": 12 * 4 * 16},
        "vocabulary": 300,
        "tokenizer_share": 1.0,
        "encoder": {"layers": 1, "hidden": 32, "heads": 2, "intermediate": 32, "positions": 64},
        "warm_start": None,
        "stages": [{"length": 16}],
        "batch_tokens": 64,
        "held_out": 8,
        "compile": False,
        "precision": "fp32",
        "checkpoint_minutes": 1000,
    }
    return parse_config(PretrainConfig, tree | changes, "test")


def _tokenizer() -> Tokenizer:
    return train_tokenizer(iter(SENTENCES * 6), 130)


def test_whole_words_are_masked_and_special_tokens_never() -> None:
    tokenizer = _tokenizer()
    masker = WordMasker.of(tokenizer, 0.5)
    ids = torch.tensor([tokenizer.encode(SENTENCES[1]).ids] * 50)
    masked = masker(ids, torch.Generator().manual_seed(0))
    chosen = masked.labels != IGNORED
    assert not chosen[:, [0, -1]].any()
    continuation = masker.continuation[ids]
    assert continuation.any()
    assert (chosen[:, 1:] == chosen[:, :-1])[continuation[:, 1:]].all()  # a piece shares its word's fate
    assert 0.4 < chosen.float().mean() < 0.6
    assert (masked.labels[chosen] == ids[chosen]).all()
    assert (masked.inputs[~chosen] == ids[~chosen]).all()
    fates = masked.inputs[chosen]
    assert 0.7 < (fates == masker.mask_id).float().mean() < 0.9


def test_masks_are_a_function_of_the_generator() -> None:
    masker = WordMasker.of(_tokenizer(), 0.3)
    ids = torch.randint(5, 130, (4, 16))
    first, again = (masker(ids, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first.inputs, again.inputs)


def test_packing_keeps_every_paragraph(shard: Path, tmp_path: Path) -> None:
    tokenizer = _tokenizer()
    total = pack(_text(shard), tokenizer, tmp_path / "ids.bin")
    ids = open_packed(tmp_path / "ids.bin", tokenizer.get_vocab_size())
    lines = list(paragraphs_of(articles(_text(shard))))
    assert len(ids) == total
    assert (ids == tokenizer.token_to_id("[SEP]")).sum() == len(lines) == 240


def test_a_share_of_a_shard_is_the_same_each_time(shard: Path) -> None:
    first, again = (list(articles(_text(shard).shared(0.5))) for _ in range(2))
    assert first == again
    assert 8 < len(first) < 32


def test_broken_and_missing_shards_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(articles(_text(tmp_path / "none.jsonl")))
    (tmp_path / "bad.jsonl").write_text('{"id": 1, "text": "a"}\n{"id": 2}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.jsonl:2: not a JSON object with id and text"):
        list(articles(_text(tmp_path / "bad.jsonl")))


def test_endless_lines_are_cut_without_loss() -> None:
    pieces = list(paragraphs_of(iter(["كلمة " * 3000 + "ا" * 9000]), limit=4000))
    assert max(map(len, pieces)) <= 4000
    assert "".join(pieces).replace(" ", "") == "كلمة" * 3000 + "ا" * 9000


def test_an_epoch_takes_each_block_once_and_held_out_blocks_never() -> None:
    import numpy as np

    ids = np.arange(100, dtype=np.uint16) + 5
    blocks = Blocks(ids, length=6, held_out=5, seed=1)
    seen = torch.cat([blocks.batch(step, 4) for step in range(5)])
    held = blocks.read(blocks.held_out)
    assert sorted(seen[:, 1].tolist() + held[:, 1].tolist()) == list(range(5, 105, 4))
    assert (seen[:, 0] == 2).all()
    assert (seen[:, -1] == 3).all()


def test_the_rate_rises_then_falls_to_nothing() -> None:
    for shape in ("linear", "cosine", "trapezoid"):
        rates = [Rate(peak=2.0, shape=shape).at(share / 100) for share in range(101)]
        assert max(rates) == pytest.approx(2.0)
        assert rates.index(max(rates)) == 3
        assert rates[-1] == pytest.approx(0.0)
        assert rates[3:] == sorted(rates[3:], reverse=True)
    assert Rate(peak=2.0, shape="trapezoid").at(0.69) == 2.0


def test_rows_grow_longer_by_stages() -> None:
    stages = (Stage(length=16, until=0.5), Stage(length=32))
    assert [stage_at(stages, share).length for share in (0.0, 0.49, 0.5, 1.0)] == [16, 16, 32, 32]


def test_a_budget_is_minutes_or_tokens() -> None:
    tree = {"text": {"folder": ".", "sources": []}, "output": "x", "budget": {"minutes": 1, "tokens": 5}}
    with pytest.raises(ConfigError, match="budget: give either minutes or tokens"):
        parse_config(PretrainConfig, tree, "test")


def test_an_interrupted_run_ends_as_an_uninterrupted_one(shard: Path, tmp_path: Path) -> None:
    whole = pretrain(_config(shard, tmp_path / "whole"))
    (tmp_path / "parts").mkdir()
    for name in ("tokenizer.json", "tokens.bin"):  # the library's WordPiece trainer breaks ties by chance
        (tmp_path / "parts" / name).write_bytes((tmp_path / "whole" / name).read_bytes())
    paused = pretrain(_config(shard, tmp_path / "parts", pause_minutes=1e-9))
    assert not (tmp_path / "parts" / "encoder").exists()
    assert json.loads((paused / "checkpoint" / "progress.json").read_text())["step"] == 1
    for _ in range(12):
        paused = pretrain(_config(shard, tmp_path / "parts", pause_minutes=1e-9))
        if paused.name == "encoder":
            break
    first, second = (load_file(folder / "model.safetensors") for folder in (whole, paused))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=1e-5, atol=1e-7)


def test_the_encoder_is_an_ordinary_model_folder(shard: Path, tmp_path: Path) -> None:
    folder = pretrain(_config(shard, tmp_path / "run"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder)
    encoded = tokenizer("أعلنت وزارة [MASK] أمس", return_tensors="pt")
    assert tokenizer.mask_token_id in encoded["input_ids"][0].tolist()
    assert model(**encoded).logits.shape[-1] == len(tokenizer)
    curve = [json.loads(line) for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]
    assert curve[-1]["step"] == 12
    assert curve[-1]["held_out"] > 0


def test_stages_and_replaced_token_detection_run_to_the_end_and_resume(shard: Path, tmp_path: Path) -> None:
    changes = {"objective": "rtd", "stages": [{"length": 8, "until": 0.5}, {"length": 16}]}
    paused = pretrain(_config(shard, tmp_path / "run", **changes, pause_minutes=1e-9))
    assert not (paused / "encoder").exists()
    folder = pretrain(_config(shard, tmp_path / "run", **changes))
    assert AutoModelForMaskedLM.from_pretrained(folder).config.num_hidden_layers == 1
    assert json.loads((tmp_path / "run" / "curve.jsonl").read_text().splitlines()[-1])["tokens"] == 12 * 4 * 16


def test_the_detector_is_told_which_pieces_were_replaced() -> None:
    torch.manual_seed(0)
    objective = ReplacedTokens(SHAPE, vocabulary=50)
    labels = torch.full((2, 8), IGNORED)
    labels[:, 3] = torch.tensor([7, 9])
    inputs = torch.randint(5, 50, (2, 8)).masked_fill(labels != IGNORED, 4)
    guess = objective.guess(Masked(inputs, labels))
    unchosen = labels == IGNORED
    assert torch.equal(guess.ids[unchosen], inputs[unchosen])
    decoder_of(objective.generator).bias.data[7] = 100.0  # now the generator is sure of piece 7
    assert objective.guess(Masked(inputs, labels)).ids[:, 3].tolist() == [7, 7]
    assert decoder_of(objective.generator).weight is decoder_of(objective.kept).weight


def test_a_plain_bert_trains_as_well(shard: Path, tmp_path: Path) -> None:
    shape = {"kind": "bert", "layers": 1, "hidden": 32, "heads": 2, "intermediate": 32, "positions": 64}
    folder = pretrain(_config(shard, tmp_path / "run", encoder=shape))
    assert AutoModelForMaskedLM.from_pretrained(folder).config.model_type == "bert"


@pytest.mark.parametrize("kind", ["modernbert", "bert"])
def test_the_loss_is_that_of_the_whole_masked_lm(kind: Any) -> None:
    torch.manual_seed(0)
    objective = MaskedLM(SHAPE.model_copy(update={"kind": kind}), vocabulary=50).eval()
    inputs = torch.randint(5, 50, (3, 8))
    labels = torch.where(torch.rand(3, 8) < 0.4, inputs, IGNORED)
    ours, theirs = objective(Masked(inputs, labels)), objective.kept(input_ids=inputs, labels=labels).loss
    torch.testing.assert_close(ours, theirs)


def test_preparing_leaves_what_the_training_then_takes(shard: Path, tmp_path: Path) -> None:
    config = _config(shard, tmp_path / "run")
    prepare(config)
    before = {name: (tmp_path / "run" / name).read_bytes() for name in ("tokenizer.json", "tokens.bin")}
    assert not (tmp_path / "run" / "checkpoint").exists()
    shard.unlink()  # on the machine that trains there is no text
    pretrain(config)
    assert before == {name: (tmp_path / "run" / name).read_bytes() for name in before}


def test_the_gpu_config_differs_from_the_cpu_one_by_its_budget_and_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASID_DATA", "/data")
    cpu, gpu = (load_config(PretrainConfig, name) for name in ("pretrain-compact", "pretrain-gpu"))
    assert cpu.text == gpu.text
    assert cpu.vocabulary == gpu.vocabulary
    assert gpu.pause_minutes is not None
    assert gpu.pause_minutes < 10
