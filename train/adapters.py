"""Low-rank adapters (LoRA) in an encoder, put in for training and merged into its weights when it is done.

peft does the work. The model keeps its class, so checkpoints, resuming and scoring know nothing of adapters, and the
saved folder is an ordinary one.
"""

from __future__ import annotations

import re

from torch import nn

from rasid.errors import ConfigError
from rasid.model import RasidModel

from .sections import Lora

_NO_LAYER = r".*pooler.*"  # BERT's, which nothing here reads


def _linear(encoder: nn.Module) -> list[str]:
    """The last parts of the names of an encoder's linear layers."""
    names = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    return sorted({name.rpartition(".")[2] for name in names if not re.fullmatch(_NO_LAYER, name)})


def add_adapters(model: RasidModel, section: Lora) -> None:
    """Puts adapters on the encoder's layers and freezes the rest of it. Raises ConfigError for a target that it does
    not have."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise ConfigError("lora: peft is not installed; pip install 'rasid[lora]'") from None
    known = _linear(model.encoder)
    targets = known if section.targets == "all-linear" else list(section.targets)
    for target in targets:
        if target not in known:
            raise ConfigError(f"lora.targets: the encoder has no linear layer {target!r}; known: {', '.join(known)}")
    config = LoraConfig(
        r=section.r,
        lora_alpha=section.alpha,
        lora_dropout=section.dropout,
        target_modules=targets,
        exclude_modules=_NO_LAYER
        if any(re.fullmatch(_NO_LAYER, n) for n, _ in model.encoder.named_modules())
        else None,
    )
    inject_adapter_in_model(config, model.encoder)


def merge_adapters(model: RasidModel) -> None:
    """Adds what the adapters have learnt to the weights they stand on, and takes them out."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, module in adapted:
        module.merge()
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, module.get_base_layer())
    for parameter in model.parameters():
        parameter.requires_grad_(True)
