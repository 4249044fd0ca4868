"""Plain views give the model's own numbers, on every kind of encoder that they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, DistilBertConfig, ElectraConfig, ModernBertConfig, PreTrainedConfig, RobertaConfig

from rasid.errors import ModelError
from rasid.infer.plain import bio_names, blank_classifier, has_mean_classifier, text_classifier, token_classifier
from rasid.model import Head, Loaded, RasidConfig, RasidModel, load_tokenizer

SIZE: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
MODERN = ModernBertConfig(**SIZE, layer_types=["full_attention"] * 2, bos_token_id=2, eos_token_id=3)
ENCODERS = {
    "modernbert": MODERN,
    "bert": BertConfig(**SIZE),
    "roberta": RobertaConfig(**SIZE),
    "electra": ElectraConfig(**SIZE, embedding_size=32),
    "distilbert": DistilBertConfig(vocab_size=60, dim=32, n_layers=2, n_heads=2, hidden_dim=48),
}
HEADS = {
    "entities": Head(kind="tokens", labels=("PERS", "ORG", "GPE"), nested=True),
    "stance": Head(kind="pair", labels=("favor", "against", "none")),
    "topic": Head(kind="text", labels=("a", "b", "c", "d")),
    "tags": Head(kind="text", labels=("x", "y"), multilabel=True),
}


def made(encoder: PreTrainedConfig, tokenizer: Path, heads: dict[str, Head] = HEADS) -> Loaded:
    """A model of random weights on an encoder of this kind; its layer norms are not at their start."""
    torch.manual_seed(0)
    tree = encoder.to_diff_dict() | {"model_type": encoder.model_type}
    model = RasidModel(RasidConfig(encoder=tree, heads={n: h.model_dump(mode="json") for n, h in heads.items()}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name.lower() and name.endswith("weight"):
                parameter.uniform_(0.2, 1.8)
            elif name.startswith("heads"):
                parameter.normal_(std=0.7)
    return Loaded(model.eval(), load_tokenizer(tokenizer), "made", "")


@pytest.fixture(params=sorted(ENCODERS))
def loaded(request: pytest.FixtureRequest, tiny_encoder: Path) -> Loaded:
    return made(ENCODERS[request.param], tiny_encoder)


def sample() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 60, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    return ids, mask


def test_one_softmax_is_the_layers_given_at_most_one_type(loaded: Loaded) -> None:
    """By brute force: all ways to label a piece in which at most one type is not Outside, and their probabilities."""
    ids, mask = sample()
    with torch.inference_mode():
        found = token_classifier(loaded, "entities")(input_ids=ids, attention_mask=mask).logits.softmax(-1).numpy()
        own = loaded.model.heads["entities"](loaded.model.states(ids, mask)).softmax(-1).numpy()
    outside = own[..., 0].prod(axis=-1)
    ways = [outside]
    for kind in range(3):
        ways += [outside / own[..., kind, 0] * own[..., kind, mark] for mark in (1, 2)]
    wanted = np.stack(ways, axis=-1)
    wanted /= wanted.sum(axis=-1, keepdims=True)
    there = mask.numpy().astype(bool)
    np.testing.assert_allclose(found[there], wanted[there], atol=2e-4)


def test_labels_are_those_of_bio() -> None:
    assert bio_names(("PERS", "ORG")) == ("O", "B-PERS", "I-PERS", "B-ORG", "I-ORG")


def test_a_mean_of_words_is_the_mean_of_pieces_logits(loaded: Loaded) -> None:
    ids, mask = sample()
    index = torch.arange(12).expand(3, 12) // 3
    with torch.inference_mode():
        pieces = token_classifier(loaded, "entities")(input_ids=ids, attention_mask=mask).logits
        words = loaded.model("entities", ids, mask, index, 4)
    odds = (words[..., 1:] - words[..., :1]).flatten(2)
    mean = pieces.view(3, 4, 3, -1).mean(dim=2)[..., 1:]
    np.testing.assert_allclose(mean[0].numpy(), odds[0].numpy(), atol=1e-3)


@pytest.mark.parametrize("head", ["topic", "tags"])
def test_a_text_view_gives_the_heads_logits_of_the_mean_piece(head: str, tiny_encoder: Path) -> None:
    loaded = made(MODERN, tiny_encoder)
    assert has_mean_classifier(loaded)
    view = text_classifier(loaded, head)
    ids, mask = sample()
    with torch.inference_mode():
        found = view(input_ids=ids, attention_mask=mask).logits
        states = loaded.model.states(ids, mask)
        mean = (states * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        wanted = loaded.model.heads[head](mean)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=1e-3)
    assert view.config.problem_type == ("multi_label" if head == "tags" else "single_label") + "_classification"
    assert list(view.config.id2label.values()) == list(HEADS[head].labels)


def test_other_encoders_have_no_text_classifier_of_the_mean(tiny_encoder: Path) -> None:
    assert not has_mean_classifier(made(ENCODERS["bert"], tiny_encoder))


def test_too_many_labels_for_a_held_norm_are_refused(tiny_encoder: Path) -> None:
    heads = {"topic": Head(kind="text", labels=tuple(f"t{n}" for n in range(30)))}
    with pytest.raises(ModelError, match="30 labels do not fit a classifier of 32 dimensions; at most 29 do"):
        text_classifier(made(MODERN, tiny_encoder, heads), "topic")


def test_a_view_that_is_off_is_refused(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rasid.infer.plain._pass_through", lambda model: None)
    with pytest.raises(ModelError, match=r"ModernBertForTokenClassification is \d+% off the model's own logits"):
        token_classifier(made(MODERN, tiny_encoder), "entities")


def test_a_blank_classifier_has_the_encoder_and_the_labels(loaded: Loaded) -> None:
    model = blank_classifier(loaded, ("favor", "against", "none"))
    assert model.config.num_labels == 3
    own = loaded.model.encoder.state_dict()
    kept = model.base_model.state_dict()
    assert all(torch.equal(own[name], kept[name]) for name in own if not name.startswith("pooler."))
