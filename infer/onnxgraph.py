"""The ONNX graph of a model: encoder, pooling of words and all heads in one file, equal to torch's numbers.

Inputs (windows B, pieces L, groups G, free, but two groups at least): input_ids, attention_mask, index (B, L) int64 as
`rasid.encoding` has them; groups (G) int64, the numbers in `index` to answer for, counted from 0; counted (B, L) bool,
the pieces that count for `text` heads. Outputs by head name: `tokens` log probabilities (B, G, types, 3); `pair` log
probabilities (B, classes), group 0 being the target and 1 the passage; `text` logits (B, classes) of each window. And
`STATES`, the groups' mean states (B, G, hidden), off which stances are read in place. Knows no files but the one it
writes.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from rasid.encoding import PASSAGE, TARGET
from rasid.errors import ModelError, RasidError
from rasid.model import Loaded, RasidModel
from rasid.network import mean_of

from .gelus import arrange_gelus

OPSET = 18
STATES = ".states"  # no head can be called so
INPUTS = ("input_ids", "attention_mask", "index", "groups", "counted")
_LARGEST = 1 << 31  # bytes of a protobuf file; weights of a larger model lie in a file beside it
_MISSING = "ONNX export needs `pip install 'rasid[onnx]'`"


class Graph(nn.Module):
    """What is exported: the heads named, on one reading by the encoder."""

    def __init__(self, model: RasidModel, heads: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(heads)
        self.kinds = {name: head.kind for name, head in model.config.named_heads.items()}

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, index: Tensor, groups: Tensor, counted: Tensor
    ) -> tuple[Tensor, ...]:
        states = self.model.states(input_ids, attention_mask)
        pooled = mean_of_groups(states, index, groups)
        articles = mean_of(states, counted)
        return (*(self._answer(name, pooled, articles) for name in self.names), pooled)

    def _answer(self, name: str, pooled: Tensor, articles: Tensor) -> Tensor:
        head, kind = self.model.heads[name], self.kinds[name]
        if kind == "text":
            logits: Tensor = head(articles)
            return logits
        if kind == "tokens":
            scores: Tensor = head(pooled).log_softmax(dim=-1)
            return scores
        classes: Tensor = head(pooled[:, TARGET], pooled[:, PASSAGE]).log_softmax(dim=-1)
        return classes


def mean_of_groups(states: Tensor, index: Tensor, groups: Tensor) -> Tensor:
    """`rasid.model.pool` as a product of matrices, which every runtime has: (B, G, H), zeros for an empty group."""
    member = (index.unsqueeze(1) == groups.view(1, -1, 1)).to(states.dtype)
    return (member @ states) / member.sum(dim=-1, keepdim=True).clamp(min=1.0)


@dataclass(frozen=True)
class _Sample:
    """Inputs that the graph is traced with."""

    tensors: tuple[Tensor, ...]
    shapes: dict[str, dict[int, torch.export.Dim]]


def _sample(vocabulary: int) -> _Sample:
    batch, length, groups = 3, 24, 7  # no two alike, none 0 or 1, which the tracer would take for constants
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, vocabulary, (batch, length), generator=draw)
    index = torch.randint(-1, groups, (batch, length), generator=draw)
    sides = {0: torch.export.Dim("windows"), 1: torch.export.Dim("pieces")}
    return _Sample(
        (ids, torch.ones_like(ids), index, torch.arange(groups), index >= 0),
        {name: {0: torch.export.Dim("groups")} if name == "groups" else sides for name in INPUTS},
    )


def write_graph(loaded: Loaded, heads: Sequence[str], path: Path) -> None:
    """Writes the graph of some heads. Raises ModelError for an encoder that torch cannot export."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise RasidError(_MISSING) from None
    sample = _sample(loaded.model.config.encoder_config().vocab_size)
    try:
        with torch.no_grad(), _quiet(), _plain_attention(loaded.model):
            program = torch.onnx.export(
                Graph(loaded.model, heads).eval(),
                sample.tensors,
                input_names=list(INPUTS),
                output_names=[*heads, STATES],
                dynamic_shapes=sample.shapes,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ModelError(f"{loaded.name}: torch cannot export this encoder ({str(error).splitlines()[0]})") from error
    if program is None:
        raise ModelError(f"{loaded.name}: torch gave no ONNX program")
    size = sum(p.numel() * p.element_size() for p in loaded.model.parameters())
    program.save(path, external_data=size > _LARGEST)
    arrange_gelus(path)


@contextlib.contextmanager
def _plain_attention(model: RasidModel) -> Iterator[None]:
    """Attention as products and a softmax: what torch exports of its fused attention has guards against rows without a
    piece, a tenth of the time, and every window has pieces."""
    before = model.encoder.config._attn_implementation
    model.encoder.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.encoder.set_attn_implementation(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own running comment."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
