"""Models of a known shape with random weights, for what costs time and memory and not for what they say.

Their entity layer is set so that they name about as many words as a trained model does, because a model that finds
nothing, or an entity in every word, would have another job to do than the one that is measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

from rasid.decode import best_paths
from rasid.encoding import pad, windows
from rasid.errors import ConfigError, nearest
from rasid.labels import STANCES, WOJOOD
from rasid.model import BIO, Head, Loaded, find_model, load_model, load_tokenizer, new_model, pool, save_model
from rasid.network import Precision
from rasid.text import words
from rasid.textscoring import word_log_probs

from .workload import articles

SHAPES: dict[str, dict[str, Any]] = {
    "bert-base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "tiny": {"hidden_size": 256, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 256},
}
_WINDOW, _OVERLAP = 512, 16
_SAMPLE = 12  # articles that the entity layer is set on
_TEACHER = "news"
_RIDGE, _SCALE = 1.0, 8.0
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
    model.config.in_place = True
    torch.nn.Module.eval(model)
    loaded = Loaded(model, tokenizer, shape, "")
    _teach(loaded, seed)
    save_model(loaded, folder, compress=False)


def _teach(loaded: Loaded, seed: int) -> None:
    """Fits the entity layer, by least squares on the random encoder's states, to what the shipped model finds in a few
    articles of the workload, so that as much is found and asked about as by a trained model."""
    teacher = load_model(_TEACHER)
    texts = [[word.of(a.text) for word in words(a.text)] for a in articles(_SAMPLE, seed)]
    found = word_log_probs(teacher, str(teacher.head("tokens")), texts)
    wanted = np.eye(BIO, dtype=np.float32)[np.concatenate([best_paths(scores) for scores in found])]
    states = np.concatenate([_states(loaded, text) for text in texts])
    inputs = np.hstack([states, np.ones((len(states), 1), dtype=np.float32)])
    square = inputs.T @ inputs + _RIDGE * np.eye(inputs.shape[1], dtype=np.float32)
    weights = _SCALE * np.linalg.solve(square, inputs.T @ wanted.reshape(len(wanted), -1))
    layer = cast(torch.nn.Linear, loaded.model.heads["entities"].output)
    with torch.inference_mode(False), torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights[:-1].T))
        layer.bias.copy_(torch.from_numpy(weights[-1]))


@torch.inference_mode()
def _states(loaded: Loaded, text: list[str]) -> NDArray[np.float32]:
    """The mean state of each word's pieces (words, hidden), of the windows' cores."""
    config = loaded.model.config
    found = []
    for window in windows(loaded.tokenizer, text, config.window, config.overlap):
        batch = pad([window], int(loaded.tokenizer.pad_token_id or 0))
        pooled = pool(loaded.model.states(batch.input_ids, batch.attention_mask), batch.index, batch.groups)[0]
        found.append(pooled[window.core_start - window.first : window.core_end - window.first].numpy())
    return np.concatenate(found)


def add_graph(model: str, precision: str) -> None:
    """Adds an ONNX graph to a model made here; there is nothing annotated that an int8 one could be judged by."""
    from .onnxexport import Order, export_onnx  # needs the extra `onnx`

    known: Precision = "int8" if precision == "int8" else "fp32"
    export_onnx(Order(model, Path(model), known, "nothing", [], accept_loss=True))
