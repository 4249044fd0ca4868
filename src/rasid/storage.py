"""Weights on disk: safetensors, as they are or compressed to a quarter.

Compressed: fp16, and the input embeddings, half of a small model's parameters, as int8 with one scale per row (its
largest absolute value over 127). A compressed tensor NAME stands beside its `NAME.scale`; reading gives float32 again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_SCALE = ".scale"
_LEVELS = 127


def write_weights(model: nn.Module, path: Path, embeddings: Tensor | None = None) -> None:
    """Writes a model's state; compressed when `embeddings`, the parameter to store as int8, is given."""
    tensors: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if embeddings is None or not value.is_floating_point():
            tensors[name] = value.contiguous()
        elif value.data_ptr() == embeddings.data_ptr():
            scale = value.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / _LEVELS
            tensors[name] = (value / scale).round().to(torch.int8)
            tensors[name + _SCALE] = scale
        else:
            tensors[name] = value.half()
    save_file(tensors, path, metadata={"format": "pt"})


def add_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Adds tensors to a weights file, or replaces those of the same names; all others keep their bytes."""
    made = path.with_name(f"_{path.name}")
    save_file(load_file(path) | tensors, made, metadata={"format": "pt"})
    shutil.copymode(path, made)
    made.replace(path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file as float32, compressed ones restored."""
    tensors = load_file(path)
    scales = {name.removesuffix(_SCALE): value for name, value in tensors.items() if name.endswith(_SCALE)}
    restored: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name in scales:
            restored[name] = value.float() * scales[name]
        elif not name.endswith(_SCALE):
            restored[name] = value.float() if value.is_floating_point() else value
    return restored
