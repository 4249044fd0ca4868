"""Which engine runs a model, and why: torch or ONNX Runtime, by the device, by what the model folder holds, and by what
was measured when it was exported. Loads no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import torch

from rasid.errors import ConfigError, ModelError, nearest
from rasid.model import find_model, revision_of
from rasid.network import Precision

from .cpu import Cpu, this_cpu
from .exported import Exported, GraphInfo, graph_file, read_exported

ENGINES = ("auto", "torch", "onnx")
PRECISIONS = ("auto", *get_args(Precision))
_PAYS = 1.05  # times as fast as torch: less is not worth another library


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine and a precision, why these, and what speaks against them, if anything does."""

    engine: str
    precision: Precision
    why: str
    warning: str | None = None

    @property
    def label(self) -> str:
        """As records name it: `onnx int8`."""
        return f"{self.engine} {self.precision}"

    @property
    def identity(self) -> str:
        """What of it a resumed job must share. torch's precision goes with the device, so that a job whose GPU died can
        go on on the CPU; ONNX graphs give answers of their own."""
        return self.label if self.engine == "onnx" else self.engine

    @property
    def machine(self) -> dict[str, str]:
        """What of it may change on the way, with a word: precision on a GPU, the version of the library."""
        runtime = {"onnxruntime": version("onnxruntime")} if self.engine == "onnx" else {}
        return {"precision": self.precision, **runtime}


TORCH = Choice("torch", "fp32", "named")


def choose(engine: str, precision: str, device: torch.device, model: str) -> Choice:
    """The engine for a model on a device. Raises ConfigError for what cannot go together, ModelError where an engine
    asked for by name has nothing to run."""
    for name, known in ((engine, ENGINES), (precision, PRECISIONS)):
        if name not in known:
            raise ConfigError(f"unknown engine or precision {name!r}{nearest(name, known)}")
    if engine == "onnx" and device.type != "cpu":
        raise ConfigError("--engine onnx runs on the CPU; give --device cpu as well, or --engine torch")
    if engine == "torch" or device.type != "cpu":
        return _torch(precision, device, "named" if engine == "torch" else "the device is a GPU")
    return _onnx(precision, model) if engine == "onnx" else _fastest(precision, model)


def _torch(precision: str, device: torch.device, why: str) -> Choice:
    """torch, in half precision on a GPU unless told otherwise."""
    if precision == "int8":
        raise ConfigError(
            "--precision int8 is ONNX Runtime's; `rasid export --to onnx --precision int8`, --engine onnx"
        )
    if precision != "auto":
        return Choice("torch", _checked(precision), why)
    if device.type == "cpu":
        return Choice("torch", "fp32", why)
    return Choice("torch", "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16", why)


def _onnx(precision: str, model: str) -> Choice:
    """A graph of the model folder: the one asked for, else the faster one."""
    folder = find_model(model)
    graphs = _graphs(folder)
    if not graphs:
        raise ModelError(f"{model}: no ONNX graph in it; `rasid export {model} --to onnx --output DIR` makes a folder")
    if precision != "auto":
        wanted = _checked(precision)
        if wanted not in graphs:
            raise ModelError(f"{model}: no {wanted} graph, only {', '.join(graphs)}; `rasid export` makes others")
        return Choice("onnx", wanted, "named", _warning(wanted, this_cpu()))
    best = max(graphs, key=lambda name: _expected(graphs[name], name, this_cpu()))
    return Choice("onnx", best, "named", _warning(best, this_cpu()))


def _fastest(precision: str, model: str) -> Choice:
    """A graph that was faster than torch, when exported on such a CPU; else torch."""
    graphs = _graphs(find_model(model))
    if precision in ("bf16", "fp16"):
        return _torch(precision, torch.device("cpu"), "its precision")
    wanted = {name: info for name, info in graphs.items() if precision in ("auto", name)}
    if precision == "int8" and not wanted:
        raise ModelError(f"{model}: no int8 graph; `rasid export {model} --to onnx --precision int8` makes one")
    if not graphs:
        return Choice("torch", "fp32", "no ONNX graph")
    if find_spec("onnxruntime") is None:
        return Choice("torch", "fp32", "onnxruntime is not installed")
    cpu = this_cpu()
    best = max(wanted, key=lambda name: _expected(wanted[name], name, cpu), default=None)
    if best is not None and (precision == "int8" or _expected(wanted[best], best, cpu) >= _PAYS):
        return Choice("onnx", best, _reason(wanted[best]), _warning(best, cpu) if precision == "int8" else None)
    return Choice("torch", "fp32", "no graph was measured to be faster on such a CPU")


def _graphs(folder: Path) -> dict[Precision, GraphInfo]:
    """The graphs whose files are there."""
    if not graph_file(folder, "fp32").parent.is_dir():
        return {}
    exported: Exported = read_exported(folder, revision_of(folder))
    return {name: info for name, info in exported.graphs.items() if graph_file(folder, name).is_file()}


def _expected(info: GraphInfo, precision: Precision, cpu: Cpu) -> float:
    """How many times as fast as torch a graph is expected to be here. What was measured on another CPU holds for int8
    where this one has the instructions for it, and for nothing else."""
    if info.speed is None:
        return 0.0
    same = info.speed.cpu == cpu.name
    return info.speed.ratio if same or (precision == "int8" and cpu.dots) else 0.0


def _reason(info: GraphInfo) -> str:
    return f"{info.speed.ratio:.1f} times as fast as torch when exported" if info.speed else "named"


def _warning(precision: Precision, cpu: Cpu) -> str | None:
    return cpu.advice if precision == "int8" else None


def _checked(precision: str) -> Precision:
    found: Precision = next(name for name in get_args(Precision) if name == precision)
    return found
