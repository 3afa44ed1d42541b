"""YuNet, a small network that finds faces, run by OpenCV."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from runtime.align import BORDER, anchor_matrix
from runtime.errors import InputError, OpenCVError
from runtime.finders.base import SEARCH_SIDE, FoundFace, checked_side, reduce

_levels = threading.Lock()


@contextmanager
def _no_warning_of_targets() -> Iterator[None]:
    """Keep OpenCV 5 from warning that its new engine chooses no target; nobody asked it to.

    It does so whenever a ``FaceDetectorYN`` is made. Errors are still told. The level is that of
    the whole process, hence one thread at a time, and no longer than needed.
    """
    logging = getattr(cv2.utils, "logging", None)
    if logging is None:  # OpenCV 4.12, which does not warn either
        yield
        return
    with _levels:
        level = logging.getLogLevel()
        logging.setLogLevel(min(level, logging.LOG_LEVEL_ERROR))
        try:
            yield
        finally:
            logging.setLogLevel(level)


class YuNetFinder:
    """YuNet through ``cv2.FaceDetectorYN``: half profiles, tilted and small faces as well.

    Its score is the network's own confidence.

    Args:
        path: YuNet ONNX file, such as ``face_detection_yunet_2023mar.onnx`` of OpenCV Zoo.
        threshold: Least confidence of a face.
        search_side: Longer side to which larger frames are reduced for the search, pixels.

    Attributes:
        sha256: Digest of the file, which tells one YuNet model from another.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is not a YuNet model.
        OpenCVError: This OpenCV has no ``FaceDetectorYN``.
        ValueError: ``search_side`` is below `LEAST_SEARCH_SIDE`, or ``threshold`` no probability.
    """

    name = "yunet"

    def __init__(
        self, path: str | Path, threshold: float = 0.7, search_side: int = SEARCH_SIDE
    ) -> None:
        self._search_side = checked_side(search_side)
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must be from 0 to 1, got {threshold}")
        self._path, self._threshold = path, threshold
        if not hasattr(cv2, "FaceDetectorYN"):
            raise OpenCVError(
                f"OpenCV {cv2.__version__} has no FaceDetectorYN: install 4.8 or newer"
            )
        if not Path(path).exists():
            raise FileNotFoundError(f"face finder {path} does not exist: give a YuNet ONNX file")
        if not Path(path).is_file():
            raise InputError(f"face finder {path} is not a file: give a YuNet ONNX file")
        model = np.fromfile(path, np.uint8)
        self.sha256 = hashlib.sha256(model.data).hexdigest()
        try:
            with _no_warning_of_targets():
                self._network = cv2.FaceDetectorYN.create(
                    "onnx", model, np.empty(0, np.uint8), (64, 64), threshold
                )
            self.find(np.zeros((64, 64, 3), np.uint8))
        except cv2.error as error:
            raise InputError(
                f"{path} is not a YuNet model that OpenCV {cv2.__version__} runs: give a YuNet "
                f"ONNX file, such as face_detection_yunet_2023mar.onnx ({error.err})"
            ) from error

    def clone(self) -> "YuNetFinder":
        """Open another one of the same settings, for another thread."""
        return YuNetFinder(self._path, self._threshold, self._search_side)

    def find(self, frame: np.ndarray) -> list[FoundFace]:
        """Search a frame; see `FaceFinder.find`."""
        small, zoom = reduce(frame, self._search_side)
        found = []
        for row in self._search(small):
            x, y, w, h = (float(value) for value in row[:4] / zoom)
            # The person's right eye comes first, which is the viewer's left, as anchors are.
            points = row[4:14].reshape(5, 2).astype(np.float64) / zoom
            if np.hypot(*(points[1] - points[0])) < 1:
                continue
            found.append(FoundFace((x, y, w, h), float(row[14]), anchor_matrix(points)))
        return found

    def confirm(self, face: np.ndarray) -> float | None:
        """Look whether an aligned image shows a face; see `FaceFinder.confirm`."""
        small = cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return max((float(row[14]) for row in self._search(small)), default=None)

    def _search(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        # Narrow images make OpenCV 4.14's YuNet read memory that nobody wrote (seen at 20 × 300:
        # boxes of 1e21 pixels, confidence 1), so none is, and what is no box in the image is none.
        wide, tall = (max(96, -(-side // 32) * 32) for side in (width, height))
        padded = cv2.copyMakeBorder(
            image, 0, tall - height, 0, wide - width, cv2.BORDER_CONSTANT, value=BORDER
        )
        self._network.setInputSize((wide, tall))
        faces = self._network.detect(padded)[1]
        if faces is None:
            return np.empty((0, 15), np.float32)
        middle = faces[:, :2] + faces[:, 2:4] / 2
        inside = ((middle >= 0) & (middle < (width, height))).all(1)
        sane = np.isfinite(faces).all(1) & (faces[:, 2:4] > 0).all(1)
        return faces[inside & sane]
