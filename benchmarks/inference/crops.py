"""The faces that networks are timed and compared on."""

import cv2
import numpy as np

from export.faces import demo_faces
from runtime import Detector
from runtime.align import alignment_matrix, crop_matrix, warp
from runtime.errors import OpenCVError
from runtime.packaged import DEMO_CLIP, DEMO_TRUTH
from runtime.truth import read_truth


def benchmark_faces() -> tuple[np.ndarray, str]:
    """Collect face crops that differ from each other, a photograph's first.

    The photograph is scikit-image's of an astronaut; without that package, or where no face is
    found in it, the rendered faces of the demo clip are all there is, and the description says so.

    Returns:
        Crops, (N, 176, 176, 3) uint8 BGR, and what they are.
    """
    rendered = demo_faces()
    try:
        from skimage.data import astronaut
    except ImportError:
        return rendered, "faces of the demo clip (scikit-image is not installed)"
    photograph = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    try:
        with Detector(threads=1) as detector:
            result = detector(photograph)
    except OpenCVError as error:  # of a version that has no face finder
        return rendered, f"faces of the demo clip ({error})"
    if not result:
        return rendered, "faces of the demo clip (none was found in the photograph)"
    matrix = crop_matrix(alignment_matrix(result.faces[0].landmarks))
    crop = warp(photograph, matrix)[None]
    what = "scikit-image's photograph of an astronaut, then faces of the demo clip"
    return np.concatenate([crop, rendered]), what


def benchmark_frame() -> tuple[np.ndarray, np.ndarray, str]:
    """Make a frame with a face in it, as a Full HD camera gives it.

    Returns:
        Frame, (1080, 1920, 3) uint8 BGR: one of the demo clip, enlarged; the matrix from it to the
        crop of its face, by its true landmarks, (2, 3); and what it is.
    """
    capture = cv2.VideoCapture(str(DEMO_CLIP))
    _, frame = capture.read()
    capture.release()
    landmarks = read_truth(DEMO_TRUTH)[0].landmarks
    scale = np.array([1920, 1080]) / [frame.shape[1], frame.shape[0]]
    frame = cv2.resize(frame, (1920, 1080))
    matrix = crop_matrix(alignment_matrix(landmarks * scale))
    return frame, matrix, "the first frame of the demo clip, enlarged to 1920 × 1080"


def batch_of(faces: np.ndarray, size: int) -> np.ndarray:
    """Fill a batch.

    Args:
        faces: (N, 176, 176, 3).
        size: Faces that are wanted.

    Returns:
        The first ``size`` faces, starting over where there are fewer.
    """
    return faces[np.arange(size) % len(faces)]
