"""How deep in an encoder a parameter stands, for learning rates that fall from the top layer to the embeddings.

It goes by the names and the order of an encoder's parameters, not by its architecture: a numbered layer is as deep as
its number, what is registered before the first layer belongs to the embeddings, what comes after the last is the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Registered behind the layers, and read by all of them: the positions of DeBERTa, and the norm over them.
_RELATIVE = ("encoder.rel_embeddings.", "encoder.LayerNorm.")


@dataclass(frozen=True)
class Depths:
    """The depth of each parameter, 0 for the embeddings, and of the top layer. Layers that share their weights
    (ALBERT) are one."""

    of: dict[str, int]
    top: int


def _number(name: str) -> int | None:
    """The number of the layer in a parameter's name, `encoder.layer.3.output.dense.weight`: 3."""
    return next((int(part) for part in name.split(".") if part.isdecimal()), None)


def depths(names: Sequence[str]) -> Depths:
    """Depths of an encoder's parameters, given their names in the order in which they are registered."""
    numbers = [number for name in names if (number := _number(name)) is not None]
    top = max(numbers, default=-1) + 1
    found: dict[str, int] = {}
    passed = False  # the first layer
    for name in names:
        number = _number(name)
        passed = passed or number is not None
        outside = top if passed and not name.startswith(_RELATIVE) else 0
        found[name] = outside if number is None else number + 1
    return Depths(found, top)
