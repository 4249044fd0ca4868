"""The NeoBERT architecture, of which NeoAraBERT is one: transformers has none, and code from the hub is never run.

Written from the published description (Le Breton et al. 2025; github.com/U4RASD/NeoAraBERT): pre-normed layers with
RMSNorm, rotary positions over neighbouring pairs, SwiGLU, no biases. Parameters bear the names of the published
weights. It knows nothing of Rasid's heads.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

_THETA = 10_000.0  # of the rotary positions
_MULTIPLE = 8  # that the width of the SwiGLU is rounded up to


class NeoAraBertConfig(PreTrainedConfig):
    """config.json of a NeoBERT encoder."""

    model_type = "neoarabert"

    def __init__(
        self,
        hidden_size: int = 768,
        num_hidden_layers: int = 28,
        num_attention_heads: int = 12,
        intermediate_size: int = 3072,
        vocab_size: int = 65_000,
        max_position_embeddings: int = 1024,
        norm_eps: float = 1e-5,
        decoder_init_range: float = 0.02,
        embedding_init_range: float = 0.02,
        pad_token_id: int = 0,
        **kwargs: Any,
    ) -> None:
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.vocab_size = vocab_size
        # NeoBERT calls it max_length, a name that transformers keeps for itself
        self.max_position_embeddings = int(kwargs.pop("max_length", None) or max_position_embeddings)
        self.norm_eps = norm_eps
        self.decoder_init_range = decoder_init_range
        self.embedding_init_range = embedding_init_range
        self.pad_token_id = pad_token_id
        super().__init__(**kwargs)


class NeoBertConfig(NeoAraBertConfig):
    """The same under the name that NeoBERT itself has."""

    model_type = "neobert"


def rotation(length: int, size: int, device: torch.device) -> Tensor:
    """Unit complex numbers (length, size / 2): by how much each pair of a query's or key's numbers is turned."""
    rates = 1.0 / _THETA ** (torch.arange(0, size, 2, dtype=torch.float32, device=device) / size)
    angles = torch.outer(torch.arange(length, dtype=torch.float32, device=device), rates)
    return torch.polar(torch.ones_like(angles), angles)


def rotated(states: Tensor, turns: Tensor) -> Tensor:
    """States (B, L, heads, size), each pair of neighbouring numbers turned by its position's angle."""
    pairs = torch.view_as_complex(states.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns[None, :, None]).flatten(-2).type_as(states)


class SwiGLU(nn.Module):
    """The gated layer; `w12` holds the gate's and the value's weights, one after the other, `w3` the way back."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.w12 = nn.Linear(size, 2 * width, bias=False)
        self.w3 = nn.Linear(width, size, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        gate, value = self.w12(states).chunk(2, dim=-1)
        output: Tensor = self.w3(F.silu(gate) * value)
        return output


class EncoderBlock(nn.Module):
    """One layer: attention and SwiGLU, each over normed states and added to them."""

    def __init__(self, config: NeoAraBertConfig) -> None:
        super().__init__()
        size = config.hidden_size
        width = -(-int(2 * config.intermediate_size / 3) // _MULTIPLE) * _MULTIPLE
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.wo = nn.Linear(size, size, bias=False)
        self.ffn = SwiGLU(size, width)
        self.attention_norm = nn.RMSNorm(size, config.norm_eps)
        self.ffn_norm = nn.RMSNorm(size, config.norm_eps)
        self._heads = config.num_attention_heads

    def forward(self, states: Tensor, mask: Tensor | None, turns: Tensor) -> Tensor:
        states = states + self._attended(self.attention_norm(states), mask, turns)
        output: Tensor = states + self.ffn(self.ffn_norm(states))
        return output

    def _attended(self, states: Tensor, mask: Tensor | None, turns: Tensor) -> Tensor:
        # a head's query, key and value stand together, head by head
        query, key, value = self.qkv(states).unflatten(-1, (self._heads, -1)).chunk(3, dim=-1)
        query, key = rotated(query, turns), rotated(key, turns)
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        output: Tensor = self.wo(mixed.transpose(1, 2).flatten(-2))
        return output


class NeoAraBert(PreTrainedModel):
    """The encoder: embeddings, layers, a norm over what comes out."""

    config_class: type[NeoAraBertConfig] = NeoAraBertConfig
    base_model_prefix = "model"
    _no_split_modules: list[str] = ["EncoderBlock"]  # noqa: RUF012  the base class has it so
    _supports_sdpa = True

    def __init__(self, config: NeoAraBertConfig) -> None:
        super().__init__(config)
        self.encoder = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.transformer_encoder = nn.ModuleList(EncoderBlock(config) for _ in range(config.num_hidden_layers))
        self.layer_norm = nn.RMSNorm(config.hidden_size, config.norm_eps)
        self.post_init()  # type: ignore[no-untyped-call]

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.encoder = cast(nn.Embedding, value)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.uniform_(module.weight, -self.config.decoder_init_range, self.config.decoder_init_range)
        elif isinstance(module, nn.Embedding):
            nn.init.uniform_(module.weight, -self.config.embedding_init_range, self.config.embedding_init_range)
        elif isinstance(module, nn.RMSNorm):
            nn.init.ones_(module.weight)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **unused: Any) -> BaseModelOutput:
        """States (B, L, hidden) of ids (B, L); mask (B, L), 0 on padding."""
        states = self.encoder(input_ids)
        size = self.config.hidden_size // self.config.num_attention_heads
        turns = rotation(input_ids.shape[1], size, input_ids.device)
        mask = None if attention_mask is None else attention_mask[:, None, None, :].bool()
        for layer in self.transformer_encoder:
            states = layer(states, mask, turns)
        return BaseModelOutput(last_hidden_state=self.layer_norm(states))


class NeoBert(NeoAraBert):
    """The same for configs that are called `neobert`."""

    config_class: type[NeoAraBertConfig] = NeoBertConfig


def register() -> None:
    """Lets `AutoConfig` and `AutoModel` know the architecture, without code from the hub."""
    for config, model in ((NeoAraBertConfig, NeoAraBert), (NeoBertConfig, NeoBert)):
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModel.register(config, model, exist_ok=True)
