"""Our ONNX graph, as TensorRT reads it."""

from pathlib import Path
from types import ModuleType
from typing import Any

import onnx

from export.errors import ExportError
from runtime.spec import INPUT_NAME

_FLOATS = "face_float"


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read a file and put the conversion of its pixels first.

    TensorRT takes bytes as input only where nothing but a cast reads them; our graphs transpose
    them before, which is cheaper on a CPU.

    Args:
        path: The file.

    Returns:
        The same function: the input is cast to float32, and what read bytes reads that.

    Raises:
        ExportError: The file is not an ONNX model.
    """
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's errors, which differ from version to version
        raise ExportError(f"{path} is not an ONNX file ({error}): give one") from error
    graph = model.graph
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == INPUT_NAME:
                node.input[place] = _FLOATS
    cast = onnx.helper.make_node(
        "Cast", [INPUT_NAME], [_FLOATS], name="input/Cast", to=onnx.TensorProto.FLOAT
    )
    graph.node.insert(0, cast)
    del graph.value_info[:]  # the types between the input and the old cast are others now
    return model


def parse(library: ModuleType, builder: Any, model: onnx.ModelProto, log: Any) -> Any:
    """Have TensorRT read a graph, all of it.

    Args:
        library: From `runtime.backends.tensorrt_plan.load_tensorrt`.
        builder: Its ``Builder``.
        model: From :func:`read_onnx`.
        log: Its ``Logger``.

    Returns:
        An ``INetworkDefinition``, strongly typed: each tensor has the precision that the file says.

    Raises:
        ExportError: An operator is not known to it; the message names the nodes.
    """
    network = builder.create_network(_strongly_typed(library))
    parser = library.OnnxParser(network, log)
    if not parser.parse(model.SerializeToString()):
        errors = [parser.get_error(place) for place in range(parser.num_errors)]
        nodes = "; ".join(" ".join(error.desc().split())[:200] for error in errors[:3])
        raise ExportError(
            f"TensorRT {library.__version__} cannot read the graph ({nodes}). It reads plain "
            "graphs in fp32 and fp16: export with `python -m export.onnx CHECKPOINT --graph plain`"
        )
    return network


def _strongly_typed(library: ModuleType) -> int:
    """Flags of a strongly typed network; from TensorRT 11 on every network is one."""
    flags = library.NetworkDefinitionCreationFlag
    return 1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0
