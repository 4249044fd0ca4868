"""GELUs of a graph in the form that ONNX Runtime runs as one operation.

torch's exporter writes x · (½ · (1 + erf(x / √2))), and ONNX Runtime knows (x · (1 + erf(x / √2))) · ½. A half is a
power of two, so the numbers are the same, and four passes over the widest layer become one.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def arrange_gelus(path: Path) -> int:
    """Rewrites the GELUs of a graph's file, weights beside it left alone; says how many there were."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    count = _arranged(model.graph)
    if count:
        onnx.save(model, str(path))
    return count


def _arranged(graph: GraphProto) -> int:
    halves = _halves(graph)
    made = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    count = 0
    for node in graph.node:
        half = next((name for name in node.input if name in halves), None)
        if node.op_type != "Mul" or half is None:
            continue
        (term,) = (name for name in node.input if name != half)
        (whole,) = readers[node.output[0]] if len(readers[node.output[0]]) == 1 else (None,)
        if whole is None or whole.op_type != "Mul" or not _is_erf_and_one(term, made):
            continue
        given = next(name for name in whole.input if name != node.output[0])
        node.input[:] = [given, term]
        whole.input[:] = [node.output[0], half]
        count += 1
    return count


def _halves(graph: GraphProto) -> set[str]:
    """Names of the graph's constants that are a single ½."""
    from onnx import numpy_helper

    small = (each for each in graph.initializer if not any(side > 1 for side in each.dims))
    return {each.name for each in small if numpy_helper.to_array(each).size == 1 and numpy_helper.to_array(each) == 0.5}


def _is_erf_and_one(name: str, made: dict[str, NodeProto]) -> bool:
    """Whether a value is a sum with what an Erf gives."""
    node = made.get(name)
    parts = [made.get(each) for each in node.input] if node is not None and node.op_type == "Add" else []
    return any(part is not None and part.op_type == "Erf" for part in parts)
