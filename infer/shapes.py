"""Models of a known shape with random weights, for what costs time and memory and not for what they say.

Their heads are set so that they name about as many words as a trained model does in news, because a model that finds
nothing, or an entity in every word, would be given another job than the one that is measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertModel

from rasid.errors import ConfigError, nearest
from rasid.labels import STANCES, WOJOOD
from rasid.model import BIO, INSIDE, OUTSIDE, Head, Loaded, find_model, load_tokenizer, new_model, save_model
from rasid.scoring import word_log_probs
from rasid.text import words

from .workload import articles

SHAPES: dict[str, dict[str, int]] = {
    "bert-base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "tiny": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
}
_WINDOW, _OVERLAP = 512, 64
_NAMED = 0.008  # of the words, by each type; the shipped model names about a fifth of them, by 21 types
_SAMPLE = 4  # articles that the heads are set on
_TOKENIZER = "compact"  # the shipped encoder's: what a word is cut into decides the length of what is read


def check_shape(name: str) -> str:
    """The name. Raises ConfigError for an unknown one."""
    if name not in SHAPES:
        raise ConfigError(f"--shape {name}: no such shape{nearest(name, SHAPES)}")
    return name


def make_model(shape: str, folder: Path, seed: int) -> None:
    """Writes a model folder of that shape, with entities and stance."""
    encoder = folder / "encoder"
    tokenizer = load_tokenizer(find_model(_TOKENIZER))
    torch.manual_seed(seed)
    ids: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    bert = BertModel(BertConfig(**SHAPES[shape], **ids, max_position_embeddings=_WINDOW))
    torch.nn.init.zeros_(bert.embeddings.position_embeddings.weight)  # a name is then the same thing wherever it stands
    bert.save_pretrained(encoder)
    tokenizer.model_max_length = _WINDOW
    tokenizer.save_pretrained(encoder)
    heads = {
        "entities": Head(kind="tokens", labels=WOJOOD, nested=True),
        "stance": Head(kind="pair", labels=STANCES),
    }
    model = new_model(str(encoder), heads, _WINDOW, _OVERLAP, 0.0, pair_window=_WINDOW)
    model.config.together = True
    loaded = Loaded(model.eval(), tokenizer, shape, "")
    _set_outside(loaded, seed)
    save_model(loaded, folder, compress=False)


def _set_outside(loaded: Loaded, seed: int) -> None:
    """Moves each type's Outside so far up that `_NAMED` of the words are of the type, and Inside out of the way."""
    bias = loaded.model.heads["entities"].output.bias.data.view(-1, BIO)
    bias[:, INSIDE] -= 1.0
    texts = [[word.of(a.text) for word in words(a.text)] for a in articles(_SAMPLE, seed)]
    scores = np.concatenate(word_log_probs(loaded, "entities", texts))
    bias[:, OUTSIDE] += torch.from_numpy(np.quantile(scores[:, :, 1] - scores[:, :, 0], 1 - _NAMED, axis=0)).float()
