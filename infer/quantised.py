"""int8 graphs: weights of matrix products in 7 bits, activations in 8, scales taken as a text is read.

Seven bits because products of 8-bit numbers saturate on CPUs without VNNI, and the graph is to give the same answers
wherever it runs; what that and the other schemes cost is in docs/decisions/0016-engines.md. Embeddings, norms, softmax,
pooling and the heads' own last layers stay in fp32.
"""

from __future__ import annotations

import logging
from pathlib import Path

from rasid.errors import RasidError

SCHEME = "dynamic, activations unsigned 8 bits, weights signed 7 bits per column; heads fp32"
_HEADS = "model.heads."  # in the scopes that torch's exporter notes beside each node
_MISSING = "int8 export needs `pip install 'rasid[onnx]'`"


def quantise(source: Path, path: Path) -> None:
    """Writes the int8 graph of an fp32 one."""
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError:
        raise RasidError(_MISSING) from None
    graph = onnx.load(str(source), load_external_data=False).graph
    heads = [node.name for node in graph.node if any(_HEADS in origin.value for origin in node.metadata_props)]
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it recommends a pre-processing that torch's exporter has done
    try:
        quantize_dynamic(
            str(source),
            str(path),
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=heads,
        )
    finally:
        root.setLevel(level)
