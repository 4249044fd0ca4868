"""Depths of parameters: every architecture's layers, embeddings and final norms stand where they belong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AlbertConfig, AutoModel, DistilBertConfig

from rasid.config import parse_config
from rasid.model import Head, _pretrained, new_model
from rasid.pretrained import find_encoder
from rasid.train.config import RunConfig
from rasid.train.layers import depths
from rasid.train.standin import FAMILIES
from rasid.train.trainer import parameter_groups

TOP = {"modernbert": "final_norm.weight", "neoarabert": "layer_norm.weight"}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_layers_embeddings_and_the_top(family: str, stand_in: Callable[[str], Path]) -> None:
    import rasid.model  # registers what transformers lacks

    assert rasid.model
    names = [name for name, _ in _pretrained(find_encoder(str(stand_in(family)))).named_parameters()]
    found = depths(names)
    assert found.top == 2
    for name, depth in found.of.items():
        if ".0." in name or ".1." in name:
            assert depth == (1 if ".0." in name else 2), name
        elif name == TOP.get(family) or name.startswith("pooler."):
            assert depth == 2, name
        else:
            assert depth == 0, name
            assert "embeddings" in name or name in (
                "encoder.weight",
                "encoder.LayerNorm.weight",
                "encoder.LayerNorm.bias",
            )


def test_layers_that_share_their_weights_are_one() -> None:
    shape = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 9}
    albert = AutoModel.from_config(AlbertConfig(embedding_size=8, num_hidden_layers=12, **shape))
    found = depths([name for name, _ in albert.named_parameters()])
    assert found.top == 1
    assert found.of["encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight"] == 1
    assert found.of["embeddings.word_embeddings.weight"] == 0


def test_an_architecture_that_numbers_its_layers_otherwise() -> None:
    distil = AutoModel.from_config(DistilBertConfig(dim=16, n_heads=2, n_layers=3, hidden_dim=16, vocab_size=9))
    found = depths([name for name, _ in distil.named_parameters()])
    assert found.top == 3
    assert found.of["transformer.layer.2.attention.q_lin.weight"] == 3


@pytest.mark.parametrize("family", ["bert", "electra", "deberta-v2", "modernbert", "neoarabert"])
def test_rates_fall_from_the_heads_to_the_embeddings(family: str, stand_in: Callable[[str], Path]) -> None:
    model = new_model(str(stand_in(family)), {"e": Head(kind="tokens", labels=("PERS",))}, 64, 16, 0.1)
    tree = {
        "encoder": "x",
        "output": "y",
        "heads": {"e": {"kind": "tokens", "labels": ["PERS"]}},
        "sources": {"s": {"head": "e", "reader": "conll", "path": "z"}},
        "layer_decay": 0.5,
    }
    groups = parameter_groups(model, 1e-4, parse_config(RunConfig, tree, "test"))
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    named = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    assert {named[name] for name in named if name.startswith("heads.")} == {1e-3}
    (words,) = [name for name, p in model.named_parameters() if p is model.encoder.get_input_embeddings().weight]
    assert named[words] == pytest.approx(0.25e-4)
    assert {rate for name, rate in named.items() if ".1." in name} == {1e-4}
    assert {rate for name, rate in named.items() if ".0." in name} == {0.5e-4}
