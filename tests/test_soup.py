"""Soups: members that differ in chance alone, their weights averaged, resumed without training a member twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rasid.config import parse_config
from rasid.errors import ConfigError
from rasid.model import load_model
from rasid.train import finetune, soup
from rasid.train.checkpoints import FACTS, begin
from rasid.train.config import RunConfig
from rasid.train.finetune import fit, save

Weights = dict[str, Tensor]


def config_of(encoder: Path, folder: Path, **changes: Any) -> RunConfig:
    rows = ["زار\tO\nسامر\tB-PERS\nالحداد\tI-PERS\nالميناء\tB-LOC\n.\tO\n", "وصل\tO\nالوفد\tO\n.\tO\n"]
    path = folder / "train.tsv"
    path.write_text("\n".join(rows[number % 2] for number in range(16)), encoding="utf-8")
    tree: dict[str, Any] = {
        "encoder": str(encoder),
        "output": str(folder / "run"),
        "heads": {"h": {"kind": "tokens", "inventory": "anercorp"}},
        "sources": {"train": {"head": "h", "reader": "conll", "path": str(path)}},
        "batch_tokens": 160,
        "precision": "fp32",
        "compress": False,
        "training": {"num_train_epochs": 2, "learning_rate": 5e-3, "disable_tqdm": True, "seed": 3},
    }
    return parse_config(RunConfig, tree | changes, "test")


def weights_of(config: RunConfig, output: Path, resume: bool = False) -> Weights:
    return {name: own.clone() for name, own in fit(config, output, resume).loaded.model.state_dict().items()}


def assert_same(one: Weights, other: Weights, within: float = 0.0) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=within, msg=name)


@pytest.fixture
def members_alone(tiny_encoder: Path, tmp_path: Path) -> tuple[RunConfig, Sequence[Weights]]:
    """A config of a soup of three, and the weights of its members trained one by one, each a run of its own."""
    config = config_of(tiny_encoder, tmp_path, soup=3)
    alone = []
    for number, (own, _) in enumerate(soup.members(config, tmp_path / "run")):
        alone.append(weights_of(own, tmp_path / f"alone-{number}"))
    return config, alone


def test_a_soup_is_the_mean_of_its_members(
    members_alone: tuple[RunConfig, Sequence[Weights]], tiny_encoder: Path, tmp_path: Path
) -> None:
    config, alone = members_alone
    mean = {name: torch.stack([one[name] for one in alone]).mean(dim=0) for name in alone[0]}
    assert_same(weights_of(config, config.output), mean, within=1e-6)
    plain = weights_of(config_of(tiny_encoder, tmp_path), tmp_path / "plain")
    assert_same(plain, alone[0])  # the first member is the run without a soup
    for one, other in ((0, 1), (1, 2)):
        assert any(not torch.equal(alone[one][name], alone[other][name]) for name in plain)


def test_members_begin_with_the_same_heads(tiny_encoder: Path, tmp_path: Path) -> None:
    still = {"num_train_epochs": 1, "learning_rate": 0.0, "disable_tqdm": True, "seed": 3}
    config = config_of(tiny_encoder, tmp_path, soup=2, training=still, head_learning_rate=0.0)
    first, second = (weights_of(own, tmp_path / folder.name) for own, folder in soup.members(config, tmp_path))
    assert_same(first, second)


def test_a_soup_that_was_cut_off_trains_no_member_twice(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tiny_encoder, tmp_path, soup=3)
    whole = weights_of(config, tmp_path / "whole")
    trained: list[Path] = []
    keep = soup.keep

    def cut_off(model: Any, folder: Path) -> None:
        keep(model, folder)
        trained.append(folder)
        if folder.name == "member-2" and len(trained) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(finetune, "keep", cut_off)
    with pytest.raises(KeyboardInterrupt):
        fit(config, config.output)
    with pytest.raises(ConfigError, match="add --resume to go on"):
        begin(config.output, resume=False)
    begin(config.output, resume=True)
    assert_same(weights_of(config, config.output, resume=True), whole)
    assert [folder.name for folder in trained] == ["member-1", "member-2", "member-3"]


def test_the_run_folder_tells_of_all_members_and_keeps_none(tiny_encoder: Path, tmp_path: Path) -> None:
    training = {"num_train_epochs": 2, "learning_rate": 5e-3, "disable_tqdm": True, "logging_steps": 1}
    config = config_of(tiny_encoder, tmp_path, soup=2, training=training)
    result = fit(config, config.output)
    expected = {name: own.clone() for name, own in result.loaded.model.state_dict().items()}
    save(result, config, config.output)
    assert not list(config.output.glob("member-*"))
    facts = json.loads((config.output / FACTS).read_text(encoding="utf-8"))
    assert facts["soup"] == 2
    assert [ended["steps"] for ended in facts["ended"]] == [facts["ended"][0]["steps"]] * 2
    lines = [json.loads(line) for line in (config.output / "history.jsonl").read_text().splitlines()]
    assert {line["member"] for line in lines} == {1, 2}
    assert_same(load_model(str(config.output)).model.state_dict(), expected)


def test_seeds_that_are_neighbours_share_no_member(tiny_encoder: Path, tmp_path: Path) -> None:
    chances = []
    for seed in (1, 2, 3):
        config = config_of(tiny_encoder, tmp_path, soup=3, training={"seed": seed})
        chances += [own.training["data_seed"] for own, _ in soup.members(config, tmp_path)]
    assert len(set(chances)) == 9
