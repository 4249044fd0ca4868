"""What `rasid export --to onnx` leaves in a model folder: onnx/, with a graph for each precision, and export.json.

export.json says what was measured at export: how far each graph's answers are from torch's, what int8 costs in F1, how
fast each was beside torch, and on what CPU. Knows no model.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field, ValidationError

from rasid.config import Section
from rasid.errors import ModelError
from rasid.network import Precision

FOLDER = "onnx"
SUMMARY = "export.json"
ALLOWED_LOSS = 0.005  # of F1: half a point, beyond which int8 is not written unasked


class Dev(Section):
    """F1 of a graph and of torch on the same annotated articles."""

    gold: str
    articles: int
    torch_entities: float
    entities: float
    torch_stances: float | None = None  # accuracy over the author's stances towards passages
    stances: float | None = None

    @property
    def loss(self) -> float:
        """By how much the graph's entity F1 is below torch's; a gain counts for nothing."""
        return max(0.0, self.torch_entities - self.entities)


class Speed(Section):
    """How many times as fast as torch the graph was, in turns on the same windows: median, and the least and most."""

    ratio: float
    low: float
    high: float
    threads: int
    cpu: str


class GraphInfo(Section):
    """One graph: what it was made with, and what was measured of it."""

    file: str
    opset: int
    onnxruntime: str
    torch: str
    heads: tuple[str, ...]
    scheme: str = ""  # of int8, in words
    off: float = 0.0  # the largest difference of a probability from torch's, on random windows
    dev: Dev | None = None
    speed: Speed | None = None
    accepted_loss: bool = False


class Exported(Section):
    """onnx/export.json, by precision."""

    revision: str  # of the weights that the graphs were made from
    graphs: dict[Precision, GraphInfo] = Field(default_factory=dict)


def graph_file(folder: Path, precision: Precision) -> Path:
    """The graph of a model folder."""
    return folder / FOLDER / ("model.onnx" if precision == "fp32" else f"model.{precision}.onnx")


def read_exported(folder: Path, revision: str) -> Exported:
    """What a model folder holds, nothing where nothing was exported. Raises ModelError for an export.json that is
    damaged, or of other weights than the folder's."""
    path = folder / FOLDER / SUMMARY
    try:
        found = Exported.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Exported(revision=revision)
    except (OSError, ValueError, ValidationError) as error:
        raise ModelError(f"{path}: cannot be read ({str(error).splitlines()[0]}); export again") from None
    if found.revision != revision:
        raise ModelError(f"{path}: made from other weights than the folder's; `rasid export {folder} --to onnx` again")
    return found


def write_exported(folder: Path, exported: Exported) -> None:
    """Writes export.json beside the graphs."""
    tree = json.dumps(exported.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False)
    (folder / FOLDER / SUMMARY).write_text(f"{tree}\n", encoding="utf-8")
