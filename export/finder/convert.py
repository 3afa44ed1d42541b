"""From a face finder's checkpoint to one ONNX file."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch

import lgrnet
from export.errors import ExportError
from export.options import checked_output, require_writable
from export.serialise import OPSET, quiet_exporter
from lgrnet.finder.network import CHANNELS, FinderNetwork
from lgrnet.finder.weights import load_finder
from runtime.files.atomic import PendingFile
from runtime.files.digest import file_sha256
from runtime.finders.network import INPUT, LEAST_SIDE, OUTPUTS, STRIDES

UNKNOWN = "unknown"
"""Licence of a finder of which none is told."""

TOLERANCE = 1e-3
"""Most that an output may differ from PyTorch's: a thousandth of a stride, or of a logit."""

SIZES = ((96, 96), (224, 416), (416, 224), (LEAST_SIDE, 640), (640, LEAST_SIDE))
"""Heights and widths of the pictures that both are given."""

logger = logging.getLogger(__name__)


def export_finder(
    checkpoint: str | Path, output: str | Path | None = None, licence: str = UNKNOWN
) -> Path:
    """Write a face finder as ONNX.

    Args:
        checkpoint: Written by ``python -m lgrnet.finder.train``.
        output: Where to; None for the checkpoint's name with the suffix ``.onnx``.
        licence: Of the weights; travels with them.

    Returns:
        The file.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or of something else.
        ExportError: OpenCV does not compute what PyTorch does.
        InputError: The output cannot be written.
        ValueError: The output's name has another suffix.
    """
    checkpoint = Path(checkpoint)
    network, meta = load_finder(checkpoint)
    path = checked_output(output, checkpoint.with_suffix(".onnx"))
    pending = PendingFile(path)
    require_writable(pending)
    with pending as part:
        proto = _trace(network)
        onnx.helper.set_model_props(
            proto,
            {
                "format": "lgrnet-face-finder-1",
                "strides": ", ".join(map(str, STRIDES)),
                "channels": f"{CHANNELS}: score, box, five points; see runtime/finders/network.py",
                "checkpoint": f"{checkpoint.name} {file_sha256(checkpoint)}",
                "training_data": _training_data(meta),
                "licence": licence,
                "lgrnet": lgrnet.__version__,
            },
        )
        onnx.save_model(proto, part)
        worst = _compare(network, part)
        if not worst <= TOLERANCE:
            raise ExportError(
                f"OpenCV {cv2.__version__} computes other outputs than PyTorch: they differ by up "
                f"to {worst:.2g}, {TOLERANCE:g} is allowed"
            )
    logger.info("%s: within %.1e of PyTorch in OpenCV %s", path, worst, cv2.__version__)
    return path


def _training_data(meta: Mapping[str, Any]) -> str:
    """Say in a line what a finder was trained on, from what was saved with it."""
    if "heads" not in meta:
        return "not stated"
    return (
        f"{meta['heads']} rendered heads of {meta['persons']} people and {meta['faces']} rendered "
        f"faces, over {meta['backgrounds']} rendered backgrounds and {meta['pictures']['count']} "
        "pictures without faces; no picture of a real person"
    )


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


def _compare(network: FinderNetwork, path: Path) -> float:
    """Return how far OpenCV is from PyTorch, on noise of several sizes."""
    opened = cv2.dnn.readNetFromONNX(np.fromfile(path, np.uint8))
    rng = np.random.default_rng(0)
    worst = 0.0
    for height, width in SIZES:
        coarse = rng.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
        blob = cv2.dnn.blobFromImage(cv2.resize(coarse, (width, height)))
        opened.setInput(blob, INPUT)
        with torch.inference_mode():
            wanted = [output.numpy() for output in network(torch.from_numpy(blob))]
        for found, right in zip(opened.forward(OUTPUTS), wanted, strict=True):
            worst = max(worst, float(np.abs(found - right).max()))
    return worst
