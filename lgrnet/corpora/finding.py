"""Landmarks where a corpus has none: found by the packaged detector, if that is asked for."""

from functools import cache

import numpy as np

from runtime.align import alignment_matrix
from runtime.detector import Detector
from runtime.files.digest import file_sha256
from runtime.finders.grids_opencv import MODEL
from runtime.packaged import DEFAULT, model_path


def finder() -> str:
    """Name what finds them, for the recipe of the data set: another model makes another one."""
    detector, network = (file_sha256(path)[:12] for path in (model_path(None), MODEL))
    return f"{DEFAULT} {detector}, face finder {network}"


def require_finder() -> None:
    """Check that landmarks can be found, before anything is begun.

    Raises:
        ImportError: ONNX Runtime is not installed.
    """
    Detector(threads=1).close()


@cache
def _detector() -> Detector:
    """Open the detector, once a process."""
    return Detector(threads=1, max_faces=1)


def find_landmarks(picture: np.ndarray) -> np.ndarray | None:
    """Find the landmarks of the largest face.

    Args:
        picture: (H, W, 3) uint8, BGR.

    Returns:
        (49, 2) float64, 0-based pixels of the picture; None if there is no face, or none that can
        be aligned.

    Raises:
        ImportError: ONNX Runtime is not installed.
    """
    faces = _detector()(picture).faces
    if not faces:
        return None
    points = faces[0].landmarks.astype(np.float64)
    try:
        alignment_matrix(points)
    except ValueError:
        return None
    return points
