"""A face finder as one ONNX graph."""

from collections.abc import Mapping
from pathlib import Path

import onnx
import torch

from export.serialise import OPSET, quiet_exporter
from lgrnet.finder.network import FinderNetwork
from runtime.finders.grids_opencv import INPUT, OUTPUTS
from runtime.finders.network import CHANNELS, STRIDES


def write_graph(network: FinderNetwork, path: Path, about: Mapping[str, str]) -> None:
    """Write a face finder as ONNX.

    Args:
        network: The network, in evaluation mode.
        path: Where to.
        about: What the file says of itself.
    """
    proto = _trace(network)
    onnx.helper.set_model_props(
        proto,
        {
            "format": about["format"],
            "strides": ", ".join(map(str, STRIDES)),
            "channels": f"{CHANNELS}: score, box, five points; see runtime/finders/network.py",
            **about,
        },
    )
    onnx.save_model(proto, path)


def _trace(network: FinderNetwork) -> onnx.ModelProto:
    rows, columns = torch.export.Dim("rows"), torch.export.Dim("columns")
    picture = torch.zeros(1, 3, 3 * STRIDES[-1], 5 * STRIDES[-1])
    with torch.inference_mode(), quiet_exporter():
        program = torch.onnx.export(
            network,
            (picture,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({2: STRIDES[-1] * rows, 3: STRIDES[-1] * columns},),
            verbose=False,
        )
    assert program is not None  # as with dynamo=False alone
    proto = program.model_proto
    for node in proto.graph.node:  # stack traces and paths of our source code
        del node.metadata_props[:]
    return proto
