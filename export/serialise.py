"""From an nn.Module to one static ONNX model."""

import contextlib
import io
import logging
import warnings

import onnx
import torch
from torch import nn

from runtime.align import CROP_SIZE
from runtime.spec import INPUT_NAME, OUTPUT_NAMES

OPSET = 18
"""ONNX operator set of our files: what PyTorch's exporter writes without converting, and old enough
for every ONNX Runtime and TensorRT that is still in use."""


def to_onnx(graph: nn.Module, batch: int) -> onnx.ModelProto:
    """Trace a graph with a fixed batch.

    PyTorch's exporter built on ``torch.export`` (``dynamo=True``) is used: it folds constants and
    knows every shape, so that what is left are the network's own operations. The older one records
    each shape computation (3,300 nodes against 1,000 for the paper's network) and is deprecated.

    Args:
        graph: Takes ``face``, gives ``au_probability`` and ``landmarks``.
        batch: The batch size B.

    Returns:
        The model, with the shape of every tensor and without external data.
    """
    face = torch.zeros(batch, CROP_SIZE, CROP_SIZE, 3, dtype=torch.uint8)
    with torch.inference_mode(), _quiet():
        program = torch.onnx.export(
            graph.eval(),
            (face,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=list(OUTPUT_NAMES),
            optimize=True,
            verbose=False,
        )
    model = program.model_proto
    _strip(model)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def _strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about our source code: stack traces, paths, module names."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for tensor in graph.initializer:
        tensor.ClearField("metadata_props")
        tensor.ClearField("doc_string")


@contextlib.contextmanager
def _quiet():
    """Silence the exporter, which prints its progress and warns about packages we do not use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
