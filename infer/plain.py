"""Plain views: a head of a model as one of transformers' own classifiers, whose numbers follow from the model's.

A `tokens` head becomes a token classifier of one softmax over O, B-X and I-X. The logit of B-X is what X's own layer
has for B less what it has for O: the softmax of these is what the independent layers say, given that at most one of
them has more than O to say of a word. A `text` head becomes a text classifier where the encoder's kind has one that
takes the mean of all pieces. Only the classifier's pooling and its labels differ; what that costs is said in
docs/export.md. Knows tensors; reads no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from rasid.errors import ModelError
from rasid.model import BEGIN, BIO, OUTSIDE, Loaded

OUT = "O"
_TOLERANCE = 1e-3  # of a view's logits against the model's, relative to the largest
_CARRIER = 1e3  # what a classifier's own layer norm is held at; the logits beside it come out linear to (logit/this)²
_SAMPLE = (2, 48)  # random pieces that a view is checked on: rows, pieces


@dataclass(frozen=True)
class Linear:
    """Logits of encoder states: weight (labels, hidden) and bias (labels)."""

    weight: Tensor
    bias: Tensor


def bio_names(types: Sequence[str]) -> tuple[str, ...]:
    """Labels of a flat view: O, then B-X and I-X for each type."""
    return (OUT, *(f"{mark}-{name}" for name in types for mark in "BI"))


def flat_layer(loaded: Loaded, head: str) -> Linear:
    """The layer of a flat view, of a `tokens` head: one row for O, which is all zeros, then two for each type."""
    layer = loaded.model.heads[head].output
    weight = layer.weight.detach().view(-1, BIO, layer.in_features)
    bias = layer.bias.detach().view(-1, BIO)
    against = [slice(BEGIN, BIO), slice(OUTSIDE, OUTSIDE + 1)]
    rows = (weight[:, against[0]] - weight[:, against[1]]).flatten(0, 1)
    biases = (bias[:, against[0]] - bias[:, against[1]]).flatten()
    return Linear(torch.cat([rows.new_zeros(1, rows.shape[1]), rows]), torch.cat([biases.new_zeros(1), biases]))


def token_classifier(loaded: Loaded, head: str) -> PreTrainedModel:
    """The flat view of a `tokens` head. Raises ModelError where the encoder's kind has no token classifier, or one
    with a layer of its own that cannot be made to pass the states through."""
    config = _config(loaded, bio_names(loaded.model.config.named_heads[head].labels))
    model = _classifier(AutoModelForTokenClassification, config)
    linear = flat_layer(loaded, head)
    with torch.no_grad():
        fill_encoder(model, loaded)
        if hasattr(model, "head"):
            _pass_through(model)
        model.classifier.weight.copy_(linear.weight)
        model.classifier.bias.copy_(linear.bias)
    _check(model, loaded, linear, mean=False)
    return model


def has_mean_classifier(loaded: Loaded) -> bool:
    """Whether the encoder's kind has a text classifier that takes the mean of all pieces, and a layer norm of its own
    that can be held."""
    return hasattr(loaded.model.config.encoder_config(), "classifier_pooling")


def text_classifier(loaded: Loaded, head: str) -> PreTrainedModel:
    """The view of a `text` head, for encoders that `has_mean_classifier` is true of."""
    described = loaded.model.config.named_heads[head]
    config = _config(loaded, described.labels)
    config.classifier_pooling = "mean"
    config.classifier_bias = True
    config.problem_type = "multi_label_classification" if described.multilabel else "single_label_classification"
    model = _classifier(AutoModelForSequenceClassification, config)
    layer = loaded.model.heads[head].output
    linear = Linear(layer.weight.detach(), layer.bias.detach())
    with torch.no_grad():
        fill_encoder(model, loaded)
        _hold_norm(model, linear)
    _check(model, loaded, linear, mean=True)
    return model


def blank_classifier(loaded: Loaded, labels: Sequence[str]) -> PreTrainedModel:
    """A text classifier of the encoder's kind, with the model's encoder and a head that has learnt nothing."""
    config = _config(loaded, labels)
    if hasattr(config, "classifier_pooling"):
        config.classifier_pooling = "mean"
    config.problem_type = "single_label_classification"
    model = _classifier(AutoModelForSequenceClassification, config)
    with torch.no_grad():
        fill_encoder(model, loaded)
    return model


def _config(loaded: Loaded, labels: Sequence[str]) -> PreTrainedConfig:
    """The encoder's config with labels; its own classifier's activation, where it has one, is left out."""
    config = loaded.model.config.encoder_config()
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.architectures = None
    return config


def _classifier(kind: type, config: PreTrainedConfig) -> PreTrainedModel:
    try:
        model: PreTrainedModel = kind.from_config(config)
    except ValueError:
        kinds = "token" if kind is AutoModelForTokenClassification else "text"
        raise ModelError(f"transformers has no {kinds} classifier on encoders of type {config.model_type!r}") from None
    if not isinstance(getattr(model, "classifier", None), nn.Module):
        raise ModelError(
            f"transformers' {type(model).__name__} has no layer called classifier, which is all that is known"
        )
    return model.eval()


def fill_encoder(model: PreTrainedModel, loaded: Loaded) -> None:
    """Copies the encoder. A pooler that only one of the two has is left as it is."""
    encoder = model.base_model
    found = encoder.load_state_dict(loaded.model.encoder.state_dict(), strict=False)
    odd = [name for name in (*found.missing_keys, *found.unexpected_keys) if not name.startswith("pooler.")]
    if odd:
        raise ModelError(f"{loaded.name}: the encoder does not fit transformers' {type(model).__name__} ({odd[0]})")


def _pass_through(model: PreTrainedModel) -> None:
    """Makes the layer between encoder and classifier (dense, activation, layer norm) change nothing.

    The encoder ends in a layer norm without a shift: its scale is moved into the classifier's layer norm, which then
    takes the norm of what is normed already, and the dense layer in between is the identity.
    """
    encoder, between = model.base_model, model.head
    last = getattr(encoder, "final_norm", None)
    if not isinstance(last, nn.LayerNorm) or last.bias is not None or between.norm.bias is not None:
        raise ModelError(f"{type(model).__name__}: its own layers between encoder and labels cannot be passed through")
    between.act = nn.Identity()
    model.config.classifier_activation = "linear"
    between.norm.weight.copy_(last.weight)
    last.weight.fill_(1.0)
    nn.init.eye_(between.dense.weight)
    if between.dense.bias is not None:
        between.dense.bias.zero_()


def _hold_norm(model: PreTrainedModel, linear: Linear) -> None:
    """Makes the dense layer give the logits, and holds the layer norm behind it so that it only divides by a constant.

    Beside the logits stand their negative sum, so that the mean of all is 0, and a large number and its negative, next
    to which the logits' own variance is nothing. The classifier multiplies by the same constant.
    """
    between, labels = model.head, len(linear.bias)
    size = between.dense.out_features
    if labels + 3 > size:
        raise ModelError(f"{labels} labels do not fit a classifier of {size} dimensions; at most {size - 3} do")
    between.act = nn.Identity()
    model.config.classifier_activation = "linear"
    between.dense.weight.zero_()
    between.dense.bias.zero_()
    between.dense.weight[: labels + 1] = torch.cat([linear.weight, -linear.weight.sum(dim=0, keepdim=True)])
    between.dense.bias[: labels + 1] = torch.cat([linear.bias, -linear.bias.sum(dim=0, keepdim=True)])
    between.dense.bias[-2:] = torch.tensor([_CARRIER, -_CARRIER])
    between.norm.weight.fill_(1.0)
    model.classifier.weight.zero_()
    model.classifier.weight[:, :labels] = torch.eye(labels) * _CARRIER * (2 / size) ** 0.5
    model.classifier.bias.zero_()


@torch.inference_mode()
def _check(model: PreTrainedModel, loaded: Loaded, linear: Linear, mean: bool) -> None:
    """Raises ModelError when the view's logits are not those of the model's states on random pieces."""
    draw = torch.Generator().manual_seed(0)
    size = loaded.model.config.encoder_config().vocab_size
    ids = torch.randint(0, size, _SAMPLE, generator=draw)
    mask = torch.ones_like(ids)
    states = loaded.model.states(ids, mask)
    wanted = nn.functional.linear(states.mean(dim=1) if mean else states, linear.weight, linear.bias)
    found = model(input_ids=ids, attention_mask=mask).logits
    off = float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1.0))
    if off > _TOLERANCE:
        raise ModelError(f"{loaded.name}: transformers' {type(model).__name__} is {off:.0%} off the model's own logits")
