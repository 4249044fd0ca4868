"""ONNX Runtime in torch's place: the network of a model folder that `rasid export --to onnx` has added a graph to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rasid.encoding import Batch
from rasid.errors import ModelError, RasidError
from rasid.model import Loaded
from rasid.network import Floats, Heard, Precision, Wanted

from .exported import FOLDER, graph_file
from .faults import FullError
from .onnxgraph import STATES

_FEWEST = 2  # groups: a `pair` head's part of the graph has one target at least
_FULL_WORDS = ("allocate memory", "bad allocation", "bad_alloc")
_MISSING = "engine onnx needs `pip install 'rasid[onnx]'`; or take --engine torch"


class OnnxNetwork:
    """A graph of `rasid.infer.onnxgraph`, run on the CPU."""

    def __init__(self, path: Path, precision: Precision, kinds: dict[str, str]) -> None:
        self._precision = precision
        self._kinds = kinds
        self._session = _session(path)
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._outputs = {each.name for each in self._session.get_outputs()}
        self._fetches_only = _run_options()

    @property
    def label(self) -> str:
        return f"onnx {self._precision}"

    def log_probs(self, head: str, batch: Batch) -> Floats:
        nothing = torch.zeros_like(batch.index, dtype=torch.bool)
        (scores,) = self._run([head], batch, nothing)
        return scores if self._kinds[head] == "pair" else scores[:, : batch.groups]

    def read(self, batch: Batch, counted: Tensor, wanted: Wanted) -> Heard:
        head = wanted.tokens_head
        names = [*([head] if head else ()), *wanted.text_heads, *([STATES] if wanted.states else ())]
        found = dict(zip(names, self._run(names, batch, counted), strict=True))
        words = found.pop(head)[:, : batch.groups] if head else None
        states = found.pop(STATES)[:, : batch.groups] if wanted.states else None
        return Heard(words, found, states)

    def _run(self, heads: list[str], batch: Batch, counted: Tensor) -> list[Floats]:
        feed = {
            "input_ids": batch.input_ids.numpy(),
            "attention_mask": batch.attention_mask.numpy(),
            "index": batch.index.numpy(),
            "groups": np.arange(max(_FEWEST, batch.groups)),
            "counted": counted.numpy(),
        }
        feed = {name: value for name, value in feed.items() if name in self._inputs}
        try:
            found: list[Floats] = self._session.run(heads, feed, self._fetches_only)
        except Exception as error:  # its exceptions are no RuntimeErrors, and have one type for many faults
            raise _translated(error) from error
        return found


def with_onnx(loaded: Loaded, folder: Path, precision: Precision) -> Loaded:
    """The model with ONNX Runtime in torch's place. Raises ModelError for a graph that is missing or damaged, or has
    not all of the model's heads."""
    path = graph_file(folder, precision)
    heads = loaded.model.config.named_heads
    if not path.is_file():
        raise ModelError(f"{folder}: no {FOLDER}/{path.name}; `rasid export {folder} --to onnx` makes it")
    network = OnnxNetwork(path, precision, {name: head.kind for name, head in heads.items()})
    missing = sorted({*heads, STATES} - network._outputs)
    if missing:
        raise ModelError(f"{path}: no output {missing[0]!r} in it; export all heads anew")
    return replace(loaded, network=network)


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise RasidError(_MISSING) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # as torch: one setting, OMP_NUM_THREADS, for both
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a type of its own for each kind of damage
        raise ModelError(f"{path}: cannot be run ({str(error).splitlines()[0][:200]})") from None


def _translated(error: Exception) -> RuntimeError:
    """What onnxruntime raised, told apart as `rasid.infer.faults` does it."""
    message = str(error)
    full = any(words in message for words in _FULL_WORDS)
    return FullError(message) if full else RuntimeError(message)


def _run_options() -> Any:
    """Nodes are run that the heads asked for need, and no others."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    return options
