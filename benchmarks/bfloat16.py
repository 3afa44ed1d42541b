"""bfloat16 on a CPU that has none: the same graph, rounded where bfloat16 arithmetic rounds.

::

    python -m export.onnx weights/lgrnet_edge.pt --graph plain -o out/plain.onnx
    python -m benchmarks.bfloat16 out/plain.onnx -o out/bf16.onnx

Products of two bfloat16 numbers are exact in float32, where processors with bfloat16 add them up
as well (VDPBF16PS, TDPBF16PS). So rounding what goes into convolutions and matrix products is what
such a processor does, but for the order of sums and for engines that round between other operators
as well. It tells what the precision costs in accuracy, and nothing of its speed.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from runtime.console.help import purpose
from runtime.console.stoppable import stoppable
from runtime.errors import InputError, SpecError
from runtime.files.atomic import PendingFile
from runtime.spec import ModelSpec

ROUNDED = ("Conv", "MatMul", "Gemm")
"""Operators whose numbers and weights are rounded; a bias is added in float32."""


def emulate(source: Path, target: Path) -> None:
    """Write a graph whose convolutions and matrix products take bfloat16 numbers.

    Args:
        source: An exported model in float32.
        target: Where to. It is opened as other models are, and its preset tells what it is.

    Raises:
        InputError: The file cannot be read, or is not an export in float32.
    """
    model, spec = _read(source)
    graph = model.graph
    nodes, rounded = [], {}
    for node in graph.node:
        if node.op_type in ROUNDED:
            for place, name in enumerate(node.input[:2]):
                if name not in rounded:
                    rounded[name] = f"{name}/bf16"
                    nodes += _round(name, rounded[name])
                node.input[place] = rounded[name]
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    named = replace(spec, preset=f"{spec.preset} (bf16 emulated)")
    helper.set_model_props(model, named.to_metadata())
    with PendingFile(target) as part:
        onnx.save_model(model, part)


def _read(path: Path) -> tuple[onnx.ModelProto, ModelSpec]:
    try:
        model = onnx.load(path)
        spec = ModelSpec.from_metadata({p.key: p.value for p in model.metadata_props}, str(path))
    except (OSError, DecodeError, SpecError) as error:
        raise InputError(f"model {path} cannot be read: {error}") from error
    if spec.precision != "fp32":
        raise InputError(f"model {path} is in {spec.precision}: give one in fp32")
    return model, spec


def _round(name: str, to: str) -> list[onnx.NodeProto]:
    short = f"{to}/short"
    return [
        helper.make_node("Cast", [name], [short], name=short, to=TensorProto.BFLOAT16),
        helper.make_node("Cast", [short], [to], name=to, to=TensorProto.FLOAT),
    ]


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bfloat16", description=purpose(__doc__)
    )
    parser.add_argument("model", type=Path, help="an exported model in fp32, best a plain graph")
    parser.add_argument(
        "-o", "--output", "--out", type=Path, required=True, help="the model to write"
    )
    args = parser.parse_args(argv)
    try:
        emulate(args.model, args.output)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written to {args.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
