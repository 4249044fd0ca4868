"""The NeoBERT architecture against a plain reading of its description, number by number."""

from __future__ import annotations

import cmath
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel

from rasid.neoarabert import NeoAraBert, NeoAraBertConfig, register, rotated, rotation


@pytest.fixture
def model() -> NeoAraBert:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    made = NeoAraBert(NeoAraBertConfig(vocab_size=20, max_length=64, **shape)).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return made


def _norm(x: Tensor, weight: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5) * weight


def _by_hand(model: NeoAraBert, ids: list[int]) -> Tensor:
    """The forward pass with loops over positions and heads, and complex numbers for the rotation."""
    x = torch.stack([model.encoder.weight[i] for i in ids])
    heads, size = 2, 8
    for layer in model.transformer_encoder:
        normed = _norm(x, layer.attention_norm.weight)
        projected = (normed @ layer.qkv.weight.T).view(len(ids), heads, 3 * size)
        out = torch.zeros(len(ids), heads * size)
        for head in range(heads):
            q, k, v = (projected[:, head, i * size : (i + 1) * size] for i in range(3))
            q, k = _turn(q), _turn(k)
            out[:, head * size : (head + 1) * size] = (q @ k.T / math.sqrt(size)).softmax(-1) @ v
        x = x + out @ layer.wo.weight.T
        gate, value = (_norm(x, layer.ffn_norm.weight) @ layer.ffn.w12.weight.T).chunk(2, -1)
        x = x + (gate * torch.sigmoid(gate) * value) @ layer.ffn.w3.weight.T
    return _norm(x, model.layer_norm.weight)


def _turn(states: Tensor) -> Tensor:
    turned = states.clone()
    for position in range(len(states)):
        for pair in range(states.shape[1] // 2):
            number = complex(float(states[position, 2 * pair]), float(states[position, 2 * pair + 1]))
            number *= cmath.exp(1j * position / 10_000 ** (2 * pair / states.shape[1]))
            turned[position, 2 * pair], turned[position, 2 * pair + 1] = number.real, number.imag
    return turned


@torch.no_grad()
def test_it_computes_what_the_description_says(model: NeoAraBert) -> None:
    ids = [3, 5, 7, 11, 2]
    found = model(torch.tensor([ids])).last_hidden_state[0]
    torch.testing.assert_close(found, _by_hand(model, ids), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_padding_changes_nothing(model: NeoAraBert) -> None:
    alone = model(torch.tensor([[3, 5, 7]])).last_hidden_state
    ids, mask = torch.tensor([[3, 5, 7, 0, 0], [1, 2, 3, 4, 5]]), torch.tensor([[1, 1, 1, 0, 0], [1] * 5])
    together = model(ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(together[:1, :3], alone, rtol=1e-4, atol=1e-5)


def test_turning_keeps_lengths_and_sees_distances_only() -> None:
    states = torch.randn(1, 6, 2, 8)
    turned = rotated(states, rotation(6, 8, torch.device("cpu")))
    torch.testing.assert_close(turned.norm(dim=-1), states.norm(dim=-1))
    same = states[:, :1].expand(-1, 6, -1, -1)
    turned = rotated(same, rotation(6, 8, torch.device("cpu")))
    products = (turned[0, 1:, 0] * turned[0, :-1, 0]).sum(-1)
    torch.testing.assert_close(products, products[:1].expand(5))


@pytest.mark.parametrize("name", ["neoarabert", "neobert"])
def test_published_folders_load_without_code_of_their_own(
    name: str, stand_in: Callable[[str], Path], tmp_path: Path
) -> None:
    register()
    made = AutoModel.from_pretrained(stand_in("neoarabert"))
    names = set(made.state_dict())
    assert {"encoder.weight", "layer_norm.weight", "transformer_encoder.1.ffn.w12.weight"} <= names
    # as published: saved under the masked LM's prefix, with its decoder, and a map to code
    from safetensors.torch import save_file

    weights = {f"model.{key}": value for key, value in made.state_dict().items()}
    save_file(weights | {"decoder.weight": torch.zeros(2, 32)}, tmp_path / "model.safetensors", {"format": "pt"})
    config = json.loads((stand_in("neoarabert") / "config.json").read_text())
    config |= {
        "model_type": name,
        "auto_map": {"AutoModel": "model.NeoAraBERT", "AutoConfig": "model.NeoAraBERTConfig"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    read = AutoModel.from_pretrained(tmp_path, trust_remote_code=False)
    for key, value in made.state_dict().items():
        torch.testing.assert_close(read.state_dict()[key], value)
    assert AutoConfig.from_pretrained(tmp_path, trust_remote_code=False).max_position_embeddings == 512
