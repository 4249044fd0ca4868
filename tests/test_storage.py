"""Weights on disk: exact as they are, a quarter as large and nearly exact when compressed."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from rasid.model import load_model, save_model
from rasid.storage import read_weights, write_weights


def _network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(300, 64), nn.Linear(64, 8), nn.BatchNorm1d(8))
    network[0].weight.data[3] = 0.0  # a padding row
    network[0].weight.data[7] *= 40.0  # a row of another magnitude must not coarsen the others
    return network


def test_plain_weights_come_back_to_the_bit(tmp_path: Path) -> None:
    network = _network()
    write_weights(network, tmp_path / "w.safetensors")
    for name, value in read_weights(tmp_path / "w.safetensors").items():
        assert torch.equal(value, network.state_dict()[name])


def test_compressed_weights_are_close_row_by_row(tmp_path: Path) -> None:
    network = _network()
    write_weights(network, tmp_path / "w.safetensors", network[0].weight)
    stored = load_file(tmp_path / "w.safetensors")
    assert stored["0.weight"].dtype == torch.int8
    assert stored["1.weight"].dtype == torch.float16
    read = read_weights(tmp_path / "w.safetensors")
    assert read.keys() == network.state_dict().keys()
    error = (read["0.weight"] - network[0].weight).abs().amax(dim=1)
    step = network[0].weight.abs().amax(dim=1) / 127
    assert (error <= step / 2 + 1e-7).all()
    torch.testing.assert_close(read["1.weight"], network[1].weight.data, rtol=1e-3, atol=1e-4)
    assert read["2.num_batches_tracked"].dtype == torch.int64


def test_a_compressed_model_says_nearly_the_same(tiny_model: Path, tmp_path: Path) -> None:
    whole = load_model(str(tiny_model))
    save_model(whole, tmp_path / "small", compress=True)
    small = load_model(str(tmp_path / "small"))
    ids = torch.randint(5, 100, (2, 12))
    index = torch.arange(12).expand(2, -1)
    with torch.inference_mode():
        first, second = (m.model("entities", ids, torch.ones_like(ids), index, 12).softmax(-1) for m in (whole, small))
    assert (first - second).abs().max() < 0.05
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tiny_model, tmp_path / "small")]
    assert sizes[1] < 0.6 * sizes[0]
