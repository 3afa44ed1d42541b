"""Whether an exported file is as good as what it was made of."""

import logging
from contextlib import closing
from pathlib import Path

import numpy as np

from export.accuracy import measure_cost
from export.bounds import Bounds
from export.compare import compare
from export.errors import ExportError
from export.faces import held_out_faces
from lgrnet.network.model import LGRNet
from runtime.backends import open_backend
from runtime.backends.base import Backend
from runtime.spec import ModelSpec

logger = logging.getLogger(__name__)


def require_equal(
    model: LGRNet,
    backend: Backend,
    crops: np.ndarray,
    tolerance: float,
    landmark_tolerance: float,
) -> None:
    """Run a float32 file beside the network, log the differences, raise if they are too large.

    Args:
        model: The network.
        backend: The opened file.
        crops: Faces, (N, 176, 176, 3) uint8, BGR.
        tolerance: How much an AU's probability may differ.
        landmark_tolerance: How much a landmark coordinate may differ, pixels.

    Raises:
        ExportError: The file computes something else.
    """
    result = compare(model, backend, crops)
    logger.info(
        "compared with PyTorch on %d faces: AU probabilities differ by at most %.1e, landmarks by "
        "%.1e px (between faces they vary by %.1e and %.1e px)",
        *(result.faces, result.probability, result.landmarks),
        *(result.probability_spread, result.landmark_spread),
    )
    if result.ties:
        logger.info(
            "on %d of the faces a patch lies in the middle between two cells, within float error; "
            "PyTorch took the cells of the exported landmarks there",
            result.ties,
        )
    failures = result.failures(tolerance, landmark_tolerance)
    if failures:
        raise ExportError(f"not exported: {'; '.join(failures)}")


def judge(
    source: Path, converted: Path, spec: ModelSpec, held_out: Path | None, most: int, bounds: Bounds
) -> dict:
    """Compare a file with the float32 file that it was made of, on labelled faces.

    Args:
        source: The float32 file.
        converted: The other one.
        spec: What it says of itself.
        held_out: Data set whose test split judges; None for the demo clip.
        most: How many of its faces at most.
        bounds: What the precision may cost.

    Returns:
        The report, as plain values.

    Raises:
        ExportError: A bound is broken; the message names the AU.
    """
    faces = held_out_faces(held_out, spec.aus, most)
    with (
        closing(open_backend(source, backend=spec.engine)) as reference,
        closing(open_backend(converted, backend=spec.engine)) as backend,
    ):
        cost = measure_cost(reference(faces.faces), backend(faces.faces), faces, spec)
        provider = backend.provider
    logger.info("%s beside fp32, on held-out faces\n%s", spec.precision, cost.table())
    failures = cost.failures(bounds)
    if failures:
        raise ExportError(f"not exported: {'; '.join(failures)}")
    # JSON has no infinity, which a bound that does not bind is.
    told = {name: bound if np.isfinite(bound) else None for name, bound in vars(bounds).items()}
    return {"provider": provider, "bounds": told, **cost.as_dict()}
