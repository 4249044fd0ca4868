"""What pretraining minimises: masked language modelling, or replaced-token detection with a small generator.

An objective owns the networks and turns masked blocks into a loss; the loop, the masks and the schedule stand
elsewhere. Both give an encoder that is kept as an ordinary masked-LM folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, ModernBertConfig, ModernBertForMaskedLM, PreTrainedModel

from rasid.config import Section

from .masking import IGNORED, Masked

CLS, SEP = 2, 3


class Shape(Section):
    """An encoder's size. `modernbert`: rotary positions, GeGLU, pre-norm (Warner et al. 2024), all layers attending
    globally; `bert`: learnt positions, GELU, post-norm (Devlin et al. 2019)."""

    kind: Literal["modernbert", "bert"] = "modernbert"
    layers: int = 6
    hidden: int = 256
    heads: int = 4
    intermediate: int = 512
    positions: int = 1024


def masked_lm(shape: Shape, vocabulary: int) -> PreTrainedModel:
    """A fresh encoder with its masked-LM head; output and input embeddings are one."""
    common: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": shape.positions,
        "pad_token_id": 0,
        # on a CPU the backward pass of torch's fused attention is slow for short rows
        "attn_implementation": "sdpa" if torch.cuda.is_available() else "eager",
    }
    if shape.kind == "bert":
        return BertForMaskedLM(BertConfig(**common))
    ends: dict[str, Any] = {"cls_token_id": CLS, "sep_token_id": SEP, "bos_token_id": CLS, "eos_token_id": SEP}
    layers: dict[str, Any] = {"layer_types": ["full_attention"] * shape.layers}
    return ModernBertForMaskedLM(ModernBertConfig(**common, **layers, **ends))


def decoder_of(model: PreTrainedModel) -> nn.Linear:
    """The output layer, whose weight is the embedding matrix."""
    return cast(nn.Linear, model.get_output_embeddings())


def logits_of(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Vocabulary logits of chosen states (n, hidden): the head is run for masked positions only."""
    if isinstance(model, BertForMaskedLM):
        return cast(Tensor, model.cls(hidden))
    return cast(Tensor, decoder_of(model)(cast(nn.Module, model.head)(hidden)))


class MaskedLM(nn.Module):
    """Cross entropy of masked pieces (Devlin et al. 2019)."""

    def __init__(self, shape: Shape, vocabulary: int) -> None:
        super().__init__()
        self.kept = masked_lm(shape, vocabulary)

    def compile_encoders(self) -> None:
        self.kept.base_model.compile()

    def forward(self, masked: Masked) -> Tensor:
        """Mean cross entropy over masked positions, in nats."""
        hidden = self.kept.base_model(input_ids=masked.inputs)[0]
        chosen = masked.labels != IGNORED
        return F.cross_entropy(logits_of(self.kept, hidden[chosen]), masked.labels[chosen])


@dataclass(frozen=True)
class Guess:
    """A generator's loss and the ids it proposes, in the shape of the input."""

    loss: Tensor
    ids: Tensor


class ReplacedTokens(nn.Module):
    """ELECTRA (Clark et al. 2020): a shallow generator fills the masks, the encoder tells which pieces are not the
    text's own. Generator and encoder share their embeddings; every position gives signal, not a quarter of them."""

    def __init__(self, shape: Shape, vocabulary: int, generator_layers: int = 2, weight: float = 50.0) -> None:
        super().__init__()
        self.kept = masked_lm(shape, vocabulary)
        self.generator = masked_lm(shape.model_copy(update={"layers": generator_layers}), vocabulary)
        self.generator.set_input_embeddings(self.kept.get_input_embeddings())
        decoder_of(self.generator).weight = decoder_of(self.kept).weight
        self.output = nn.Sequential(nn.Linear(shape.hidden, shape.hidden), nn.GELU(), nn.Linear(shape.hidden, 1))
        self._weight = weight

    def compile_encoders(self) -> None:
        self.kept.base_model.compile()
        self.generator.base_model.compile()

    def guess(self, masked: Masked) -> Guess:
        """Samples a piece for every chosen position (Gumbel-max); no gradient flows through the sample."""
        chosen = masked.labels != IGNORED
        logits = logits_of(self.generator, self.generator.base_model(input_ids=masked.inputs)[0][chosen]).float()
        noise = -torch.empty_like(logits).exponential_().log()
        ids = torch.where(chosen, masked.labels, masked.inputs)
        ids[chosen] = (logits.detach() + noise).argmax(dim=-1)
        return Guess(F.cross_entropy(logits, masked.labels[chosen]), ids)

    def forward(self, masked: Masked) -> Tensor:
        """Generator's loss in nats plus `weight` times the detector's binary cross entropy over all text positions;
        outside training the generator's loss alone, which compares with masked language modelling."""
        guess = self.guess(masked)
        if not self.training:
            return guess.loss
        truth = torch.where(masked.labels != IGNORED, masked.labels, masked.inputs)
        scores = self.output(self.kept.base_model(input_ids=guess.ids)[0]).squeeze(-1)
        detected = F.binary_cross_entropy_with_logits(scores.float(), (guess.ids != truth).float())
        return guess.loss + self._weight * detected


def new_objective(name: Literal["mlm", "rtd"], shape: Shape, vocabulary: int) -> MaskedLM | ReplacedTokens:
    return MaskedLM(shape, vocabulary) if name == "mlm" else ReplacedTokens(shape, vocabulary)
