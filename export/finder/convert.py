"""From a face finder's checkpoint to one file: an ONNX graph, or the native engine's arrays."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import lgrnet
from export.errors import ExportError
from export.finder.arrays import write_arrays
from export.finder.graph import write_graph
from export.options import checked_output, require_writable
from lgrnet.finder.network import FinderNetwork
from lgrnet.finder.weights import load_finder
from runtime.files.atomic import PendingFile
from runtime.files.digest import file_sha256
from runtime.finders.grids_native import FORMAT, NativeGrids
from runtime.finders.grids_opencv import OpenCVGrids
from runtime.finders.network import LEAST_SIDE, Grids
from runtime.native.library import find_library

UNKNOWN = "unknown"
"""Licence of a finder of which none is told."""

NATIVE = ".npz"
"""Suffix of files for the native engine."""

TOLERANCE = 1e-3
"""Most that an output may differ from PyTorch's: a thousandth of a stride, or of a logit."""

SIZES = ((96, 96), (224, 416), (416, 224), (LEAST_SIDE, 640), (640, LEAST_SIDE))
"""Heights and widths of the pictures that both are given."""

logger = logging.getLogger(__name__)


def export_finder(
    checkpoint: str | Path, output: str | Path | None = None, licence: str = UNKNOWN
) -> Path:
    """Write a face finder as ONNX, or for the native engine.

    Args:
        checkpoint: Written by ``python -m lgrnet.finder.train``.
        output: Where to: ``.onnx``, or ``.npz`` for the native engine; None for the checkpoint's
            name with the suffix ``.onnx``.
        licence: Of the weights; travels with them.

    Returns:
        The file.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or of something else.
        ExportError: The engine does not compute what PyTorch does.
        ImportError: The native engine is not compiled for this machine.
        InputError: The output cannot be written.
        ValueError: The output's name has another suffix.
    """
    checkpoint = Path(checkpoint)
    native = output is not None and Path(output).suffix.lower() == NATIVE
    if native:
        find_library()
    network, meta = load_finder(checkpoint)
    path = checked_output(output, checkpoint.with_suffix(NATIVE if native else ".onnx"))
    about = {
        "format": FORMAT,
        "checkpoint": f"{checkpoint.name} {file_sha256(checkpoint)}",
        "training_data": _training_data(meta),
        "licence": licence,
        "lgrnet": lgrnet.__version__,
    }
    pending = PendingFile(path)
    require_writable(pending)
    with pending as part:
        (write_arrays if native else write_graph)(network, part, about)
        grids = NativeGrids(path=part) if native else OpenCVGrids(part)
        engine = "the native engine" if native else f"OpenCV {cv2.__version__}"
        worst = _compare(network, grids)
        if not worst <= TOLERANCE:
            raise ExportError(
                f"{engine} computes other outputs than PyTorch: they differ by up to {worst:.2g}, "
                f"{TOLERANCE:g} is allowed"
            )
    logger.info("%s: within %.1e of PyTorch in %s", path, worst, engine)
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


def _compare(network: FinderNetwork, grids: Grids) -> float:
    """Return how far an engine is from PyTorch, on noise of several sizes."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for height, width in SIZES:
        coarse = rng.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
        picture = cv2.resize(coarse, (width, height))
        blob = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))
        with torch.inference_mode():
            wanted = [output[0].numpy() for output in network(blob)]
        for found, right in zip(grids(picture), wanted, strict=True):
            worst = max(worst, float(np.abs(found - right).max()))
    return worst
