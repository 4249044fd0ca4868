"""Early stopping, adapters, sampling: asked for in the config, recorded in the run folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from rasid.config import parse_config
from rasid.errors import ConfigError
from rasid.model import Head, load_model, new_model
from rasid.train.adapters import add_adapters, merge_adapters
from rasid.train.checkpoints import FACTS, begin, last_checkpoint
from rasid.train.config import RunConfig
from rasid.train.finetune import HISTORY, fit, save
from rasid.train.sections import Lora
from rasid.train.seeds import run_seeds

HEADS = {"h": Head(kind="tokens", labels=("PERS", "LOC"))}


def _corpus(path: Path, count: int) -> Path:
    rows = ["زار\tO\nسامر\tB-PERS\nالحداد\tI-PERS\nالميناء\tB-LOC\n.\tO\n", "وصل\tO\nالوفد\tO\n.\tO\n"]
    path.write_text("\n".join(rows[number % 2] for number in range(count)), encoding="utf-8")
    return path


def _config(encoder: Path, folder: Path, **changes: Any) -> RunConfig:
    train, more, dev = (_corpus(folder / f"{name}.tsv", n) for name, n in (("train", 24), ("more", 4), ("dev", 6)))
    source = {"head": "h", "reader": "conll"}
    tree: dict[str, Any] = {
        "encoder": str(encoder),
        "output": str(folder / "run"),
        "heads": {"h": {"kind": "tokens", "inventory": "anercorp"}},
        "sources": {"train": source | {"path": str(train)}, "more": source | {"path": str(more)}},
        "evaluation": {"dev": source | {"path": str(dev)}},
        "window": 64,
        "overlap": 16,
        "batch_tokens": 160,
        "precision": "fp32",
        "head_learning_rate": 2e-2,
        "compress": False,
        "training": {"num_train_epochs": 4, "learning_rate": 5e-3, "disable_tqdm": True},
    }
    return parse_config(RunConfig, tree | changes, "test")


def _facts(run: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((run / FACTS).read_text(encoding="utf-8"))
    return tree


def test_it_stops_when_the_metric_stands_still_and_takes_the_best(tiny_encoder: Path, tmp_path: Path) -> None:
    training = {"num_train_epochs": 30, "learning_rate": 5e-3, "disable_tqdm": True}
    stopping = {"metric": "dev_strict_f1", "patience": 2}
    config = _config(tiny_encoder, tmp_path, training=training, early_stopping=stopping)
    result = fit(config, config.output)
    ended = _facts(config.output)["ended"]
    assert ended["early_stopping"]["stopped"]
    assert ended["epochs"] < 30
    scores = {
        line["step"]: line["eval_dev_strict_f1"]
        for line in map(json.loads, (config.output / HISTORY).read_text().splitlines())
        if "eval_dev_strict_f1" in line
    }
    best = max(scores.values())
    assert ended["early_stopping"]["best"] == result.metrics["dev_strict_f1"] == best
    assert scores[ended["early_stopping"]["step"]] == best
    # Killed after the last evaluation: there is nothing left to train, and the model is the same.
    again = fit(config, config.output, resume=True)
    assert _facts(config.output)["ended"] == ended
    for left, right in zip(result.loaded.model.parameters(), again.loaded.model.parameters(), strict=True):
        assert torch.equal(left, right)


def test_waiting_is_remembered_in_checkpoints(tiny_encoder: Path, tmp_path: Path) -> None:
    """A run cut off while it waits for a better score stops when the whole one does."""
    training = {"num_train_epochs": 30, "learning_rate": 5e-3, "disable_tqdm": True, "save_total_limit": 40}
    stopping = {"metric": "dev_strict_f1", "patience": 3}
    config = _config(tiny_encoder, tmp_path, training=training, early_stopping=stopping)
    fit(config, config.output)
    ended = _facts(config.output)["ended"]
    last = last_checkpoint(config.output)
    assert last is not None
    assert last.out_of_patience()
    shutil.rmtree(last.folder)
    fit(config, config.output, resume=True)
    assert _facts(config.output)["ended"] == ended


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"early_stopping": {"metric": "dev_strict_f"}}, "unknown metric 'dev_strict_f'; did you mean 'dev_strict_f1'"),
        ({"early_stopping": {"metric": "dev_strict_f1"}, "cross_validation": {}}, "which a fold does not have"),
        ({"early_stopping": {"metric": "dev_strict_f1", "patience": 0}}, "greater than or equal to 1"),
        ({"sampling_temperature": 0}, "greater than 0"),
        ({"lora": {"rank": 4}}, "unknown key 'lora.rank'"),
    ],
)
def test_mistakes_are_one_line(tiny_encoder: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _config(tiny_encoder, tmp_path, **changes)


def test_stopping_needs_checkpoints(tiny_encoder: Path, tmp_path: Path) -> None:
    training = {"save_strategy": "no"}
    config = _config(tiny_encoder, tmp_path, training=training, early_stopping={"metric": "dev_strict_f1"})
    with pytest.raises(ConfigError, match=r"take training\.save_strategy: no out"):
        fit(config, config.output)


def test_seeds_may_stop_early(tiny_encoder: Path, tmp_path: Path) -> None:
    config = _config(tiny_encoder, tmp_path, seeds=[1, 2], early_stopping={"metric": "dev_strict_f1", "patience": 1})
    assert run_seeds(config) == 0
    assert all(_facts(config.output / f"seed-{n}")["ended"]["early_stopping"]["best"] >= 0 for n in (1, 2))
    page = (config.output / "report.md").read_text(encoding="utf-8")
    assert "best: seed " in page
    assert "chose the checkpoint of each run" in page


def test_the_run_folder_says_what_the_sampler_made_of_the_sources(tiny_encoder: Path, tmp_path: Path) -> None:
    config = _config(tiny_encoder, tmp_path, sampling_temperature=2.0, batches_per_update=2)
    fit(config, config.output)
    facts = _facts(config.output)
    sources = facts["sampling"]["sources"]
    assert (sources["train"]["rows"], sources["more"]["rows"]) == (24, 4)
    assert sources["more"]["repeat"] / sources["train"]["repeat"] == pytest.approx(6**0.5, rel=1e-3)
    assert sum(one["share"] for one in sources.values()) == pytest.approx(1.0, abs=1e-3)
    assert facts["sampling"]["batches"] % 2 == 0
    assert facts["layout"] == {"processes": 1, "accumulation": 2, "bf16": False, "batches_per_update": 2}


def test_class_weights_are_recorded(tiny_encoder: Path, tmp_path: Path) -> None:
    heads = {"h": {"kind": "tokens", "inventory": "anercorp", "loss": "weighted"}}
    config = _config(tiny_encoder, tmp_path, heads=heads)
    fit(config, config.output)
    weights = _facts(config.output)["label_weights"]["h"]
    assert weights["LOC"] == pytest.approx(2 * weights["PERS"])  # two words of a person for each of a place


def test_merged_adapters_say_what_the_adapted_model_said(tiny_encoder: Path) -> None:
    pytest.importorskip("peft", reason="the extra `lora` is not installed")
    torch.manual_seed(0)
    model = new_model(str(tiny_encoder), HEADS, 64, 16, 0.1).eval()
    names = sorted(model.state_dict())
    batch = {"input_ids": torch.randint(5, 60, (2, 9)), "attention_mask": torch.ones(2, 9, dtype=torch.long)}
    batch |= {"index": torch.arange(9).repeat(2, 1)}
    before = model(head="h", groups=9, **batch)
    add_adapters(model, Lora(r=4, alpha=8))
    model.eval()
    torch.testing.assert_close(model(head="h", groups=9, **batch), before)  # B starts at nought
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2)
    adapted = model(head="h", groups=9, **batch)
    assert (adapted - before).abs().max() > 1e-3
    merge_adapters(model)
    torch.testing.assert_close(model(head="h", groups=9, **batch), adapted, rtol=1e-4, atol=1e-5)
    assert sorted(model.state_dict()) == names


def test_a_run_with_adapters_saves_an_ordinary_folder_and_resumes(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("peft", reason="the extra `lora` is not installed")
    config = _config(tiny_encoder, tmp_path, lora={"r": 4, "alpha": 8})
    begin(config.output, resume=False)
    result = fit(config, config.output)
    assert "parameters are trained" in capsys.readouterr().out
    found = _facts(config.output)["parameters"]
    assert 0 < found["trainable"] < found["all"] / 2
    shutil.copytree(config.output, tmp_path / "cut")
    save(result, config, config.output)
    loaded = load_model(str(config.output))
    plain = new_model(str(tiny_encoder), HEADS, 64, 16, 0.1)
    frozen = [name for name, p in plain.encoder.state_dict().items() if "embeddings" in name]
    for name in frozen:
        assert torch.equal(loaded.model.encoder.state_dict()[name], plain.encoder.state_dict()[name])
    last = last_checkpoint(tmp_path / "cut")
    assert last is not None
    shutil.rmtree(last.folder)
    again = fit(config.model_copy(update={"output": tmp_path / "cut"}), tmp_path / "cut", resume=True)
    for (name, left), right in zip(
        result.loaded.model.state_dict().items(), again.loaded.model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(left, right, rtol=0, atol=0, msg=name)


def test_a_target_that_the_encoder_does_not_have(tiny_encoder: Path) -> None:
    pytest.importorskip("peft", reason="the extra `lora` is not installed")
    model = new_model(str(tiny_encoder), HEADS, 64, 16, 0.1)
    with pytest.raises(ConfigError, match=r"no linear layer 'query'; known: W"):
        add_adapters(model, Lora(targets=("query",)))


def test_a_data_seed_changes_the_order_and_what_is_hidden_and_not_the_beginning(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    def weights(name: str, head_rate: float = 2e-2, **training: Any) -> list[torch.Tensor]:
        own = {"num_train_epochs": 1, "learning_rate": 5e-3, "disable_tqdm": True, "seed": 3, "save_strategy": "no"}
        changes = {"head_learning_rate": head_rate, "evaluation": {}, "training": own | training}
        config = _config(tiny_encoder, tmp_path, **changes)
        return [own.detach().clone() for own in fit(config, tmp_path / name).loaded.model.parameters()]

    def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
        return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

    plain = weights("plain")
    assert same(plain, weights("named", data_seed=3))
    assert not same(plain, weights("other", data_seed=4))
    still = {"head_rate": 0.0, "learning_rate": 0.0}
    assert same(weights("still", **still), weights("still-other", data_seed=4, **still))
