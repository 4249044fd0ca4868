"""`rasid bench`: the workload is the same for a seed, operations follow the formula, contenders are compared."""

from __future__ import annotations

import json
import statistics
from itertools import islice
from pathlib import Path

import pytest
import torch

from rasid.cli import make_parser
from rasid.encoding import Window, pad
from rasid.errors import ConfigError
from rasid.infer.bench import Spread, run_bench
from rasid.infer.meter import Cost, Meter
from rasid.infer.shapes import check_shape
from rasid.infer.workload import articles
from rasid.model import load_model


def test_the_workload_is_the_same_for_a_seed() -> None:
    some = list(articles(30, 1))
    assert list(articles(10, 1)) == some[:10]
    assert next(articles(1, 2)).text != some[0].text
    assert len({article.doc for article in some}) == 30


def test_the_workload_is_as_long_as_news() -> None:
    sizes = [len(article.text.split()) for article in islice(articles(400, 0), 400)]
    assert 230 < statistics.median(sizes) < 340
    assert min(sizes) >= 40
    assert max(sizes) > 800


def test_operations_by_the_formula(tiny_model: Path) -> None:
    model = load_model(str(tiny_model)).model
    config = model.config.encoder_config()
    cost = Cost.of(model.encoder, config)
    # ModernBERT: Wqkv 3HH, Wo HH, Wi 2IH (gated), Wo IH; 2 layers of hidden 32 and intermediate 48.
    assert cost == Cost(2 * (4 * 32 * 32 + 3 * 32 * 48), 2, 32)
    assert cost.operations(3, 10) == 30 * (2 * cost.weights + 4 * 2 * 10 * 32)
    meter = Meter(cost)
    rows = [Window(tuple(range(n)), (-1,) * n, 0, 1, 0, 1) for n in (4, 10)]
    with meter.inside(pad(rows, 0).attention_mask):
        torch.ones(1).sum()
    assert (meter.pieces, meter.padded, meter.operations) == (14, 20, cost.operations(2, 10))
    assert meter.seconds > 0
    meter.clear()
    assert (meter.pieces, meter.seconds) == (0, 0.0)


def test_a_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([3.0, 1.0, 2.0]).shown(1) == "2.0 (1.0 to 3.0)"


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such shape"):
        check_shape("bert-bse")
    with pytest.raises(ConfigError, match=r"no such engine.*torch-fp32"):
        run_bench(make_parser().parse_args(["bench", "--engines", "torch-fp23"]))


def test_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "bench.json"
    given = ["bench", "--shape", "tiny", "--articles", "3", "--rounds", "2", "--threads", "1", "--device", "cpu"]
    assert run_bench(make_parser().parse_args([*given, "--output", str(output)])) == 0
    tree = json.loads(output.read_text())
    assert [each["kind"] for each in tree["contenders"]] == ["torch-fp32", "pipelines"]
    ours, reference = tree["contenders"]
    assert reference["ratio"] == {"median": 1.0, "least": 1.0, "most": 1.0}
    runs = tree["runs"]
    ratios = [
        other["seconds"] / own["seconds"] for own, other in zip(runs["torch-fp32"], runs["pipelines"], strict=True)
    ]
    assert ours["ratio"]["median"] == pytest.approx(statistics.median(ratios))
    assert tree["workload"]["pairs"] > tree["workload"]["alone"] == 0  # stances are read in place
    assert all(0 < run["inside"] < run["seconds"] for own in runs.values() for run in own)
    assert ours["same"] == {"flat": 1.0, "entities": 1.0, "stances": 1.0, "apart": 0.0}
    assert reference["same"]["entities"] is None
    assert 0 <= reference["same"]["flat"] <= 1
    table = capsys.readouterr().out
    assert "| torch-fp32 |" in table
    assert "| 100.00% | 100.00% | 0.0000 |" in table
    assert "(outermost) |  |  |" in table
