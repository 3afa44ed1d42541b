"""Half precision, by ONNX Runtime's converter.

Meant for GPUs: a CPU computes such a file in float32 between conversions, and slowly. What places
the patches stays in float32, as a landmark in half precision would be known to an eighth of a
pixel only; so do lengths of vectors, whose squares leave the range of half precision.
"""

from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

KEPT_PARTS = ("patches", "shared", "attention", "align.offsets", "align.hidden")
"""Modules, anywhere in a node's path, whose nodes stay in float32."""

KEPT_KINDS = ("ReduceSum", "ReduceMean", "Reciprocal", "Sqrt", "Resize", "ScatterND", "Round")
"""Operators that stay in float32."""


def halve(source: Path, target: Path) -> None:
    """Write a graph in half precision, with the same inputs and outputs.

    Args:
        source: The graph in float32.
        target: Where to.
    """
    model = onnx.load(source)
    kept = [node.name for node in model.graph.node if _is_kept(node.name)]
    half = convert_float_to_float16(
        model, keep_io_types=True, op_block_list=list(KEPT_KINDS), node_block_list=kept
    )
    drop_twins(half.graph)
    onnx.save_model(half, target)


def drop_twins(graph: onnx.GraphProto) -> None:
    """Keep one of several nodes that are the same, results included.

    ONNX Runtime 1.31 converts a number anew for each node that reads it, under one name, which it
    does not load then; from 1.32 on it converts it once.

    Args:
        graph: It is changed.
    """
    # The first of each stays in its place: nodes after it read what it makes.
    kept = dict.fromkeys(node.SerializeToString(deterministic=True) for node in graph.node)
    del graph.node[:]
    graph.node.extend(map(onnx.NodeProto.FromString, kept))


def _is_kept(name: str) -> bool:
    path = f".{name.split('/')[0]}."
    return name.startswith("graph/") or any(f".{part}." in path for part in KEPT_PARTS)
