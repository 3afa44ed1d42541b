"""Where the faces of a frame are, before anything is known of them.

A finder is asked in two ways: `find` searches a whole frame, reduced, and `confirm` looks at one
small upright face of known size, which is cheap enough to do every few frames while a face is
tracked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from runtime.align import ALIGNED_SIZE, BORDER, anchor_matrix
from runtime.errors import InputError, OpenCVError

SEARCH_SIDE = 400
"""Longer side to which larger frames are reduced for the search, pixels, unless it is said."""

LEAST_SEARCH_SIDE = 64
"""Least value of it that makes sense."""

CASCADE_MIN_SIDE = 24
"""Smallest face that the cascade looks for in the reduced frame, pixels: what it was trained on,
and 6 % of the longer side."""

CASCADE_STEP = 1.2
"""Factor from one size that the cascade looks for to the next."""

CASCADE_NEIGHBOURS = 2
"""Overlapping hits that make a face. Two are few; `confirm` sorts out what is none."""

# Measured at 640 × 360, ms of CPU time; a search runs on the first frame, after losses, and on all
# frames while nobody is there. "Small" is scikit-image's astronaut at 40 to 66 pixels, turned,
# mirrored, darkened and moved about 150 times; "clip" is every 9th frame of the demo clip;
# "rendered" are 80 test faces of 60 to 300 pixels; "wrong" are finds in 15 pictures without a face.
#
#   side  smallest  step  neighbours    small   clip  rendered  wrong      ms
#    640        40   1.1           5  150/150  23/24     68/80      1      45
#    480        30   1.2           2  138/150  24/24     69/80      0      20
#    400        24  1.15           3  142/150  24/24     65/80      0      26
#    400        24   1.2           2  142/150  24/24     67/80      0      20
#    320        24   1.2           2  127/150  24/24     61/80      0      14
#
# The second look makes good for coarser boxes: its landmarks on the clip are 2.14 % of the
# inter-ocular distance off the truth, 2.12 % after the first row. YuNet takes 12 ms instead of 26,
# and still finds all of 25 astronauts of 20 to 28 pixels (at 640 also those of 10 to 14).

CASCADE_SCALE = 1.25
"""Side of the aligned face over the side of the frontal cascade's box."""

CASCADE_DROP = 0.10
"""How far the aligned face's middle lies below the middle of the cascade's box, in box sides."""

# Measured: 1.284 and 0.099 on scikit-image's astronaut (against the alignment from YuNet's five
# points), medians 1.162 and 0.114 on 36 frames of the rendered demo clip (against its truth). The
# box itself comes in steps of 20 %. The value chosen leaves either within 8 %.


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """One face as a finder sees it.

    Attributes:
        box: Left, top, width, height, pixels of the frame.
        score: How sure the finder is, 0 to 1, on its own scale.
        alignment: First guess at the similarity frame → aligned 200 × 200 face, (2, 3); from
            `align_box` or `runtime.align.anchor_matrix`.
    """

    box: tuple[float, float, float, float]
    score: float
    alignment: np.ndarray


class FaceFinder(Protocol):
    """What the detector needs of a face finder; bring your own by having these three members.

    One that also has ``clone()``, which returns another for use in another thread, makes
    `Detector.clone` work without more ado.
    """

    name: str
    """How the finder is called where the detector describes itself."""

    def find(self, frame: np.ndarray) -> list[FoundFace]:
        """Search a frame.

        Args:
            frame: (H, W, 3) uint8, BGR, any size from 1 × 1.

        Returns:
            The faces in any order; empty where there is none.
        """
        ...

    def confirm(self, face: np.ndarray) -> float | None:
        """Look whether an aligned image shows a face.

        Args:
            face: (200, 200, 3) uint8, BGR, upright, as `runtime.align` makes it.

        Returns:
            Score on the scale of `find`, or None where no face is seen.
        """
        ...


def align_box(box: tuple[float, float, float, float], scale: float, drop: float) -> np.ndarray:
    """Guess the alignment of an upright face from a finder's box.

    Args:
        box: Left, top, width, height, pixels.
        scale: Side of the aligned face over the side of the box.
        drop: How far the aligned face's middle lies below the box's, in box sides.

    Returns:
        Matrix, (2, 3), frame → aligned image.
    """
    x, y, width, height = box
    side = (width + height) / 2
    zoom = ALIGNED_SIZE / (side * scale)
    centre = np.array([x + width / 2, y + height / 2 + drop * side])
    shift = (ALIGNED_SIZE - 1) / 2 - zoom * centre
    return np.hstack([zoom * np.eye(2), shift[:, None]])


class CascadeFinder:
    """OpenCV 4's bundled frontal-face cascade: nothing to download, frontal upright faces only.

    Its score is 1 − exp(−w / 3) of the cascade's level weight w: 0 to 1, monotone, no probability.

    Args:
        min_side: Smallest face to find in the frame as searched, pixels.
        search_side: Longer side to which larger frames are reduced for the search, pixels.

    Raises:
        OpenCVError: OpenCV 5, which has no cascades.
        ValueError: ``search_side`` is below `LEAST_SEARCH_SIDE`.
    """

    name = "cascade"

    def __init__(self, min_side: int = CASCADE_MIN_SIDE, search_side: int = SEARCH_SIDE) -> None:
        self._search_side = _checked(search_side)
        folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
        if not hasattr(cv2, "CascadeClassifier") or folder is None:
            raise OpenCVError(
                f"OpenCV {cv2.__version__} has no face cascade: give the path of a YuNet model as "
                'finder (--finder), or install OpenCV 4 with pip install "lgrnet[headless]"'
            )
        path = Path(folder) / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise OpenCVError(f"{path} cannot be read: reinstall OpenCV")
        self._min_side = min_side

    def find(self, frame: np.ndarray) -> list[FoundFace]:
        """Search a frame; see `FaceFinder.find`."""
        small, zoom = _reduce(frame, self._search_side)
        found = []
        limits = (self._min_side, max(small.shape[:2]))
        for box, score in self._search(small, limits, CASCADE_STEP, CASCADE_NEIGHBOURS):
            x, y, w, h = (float(value) / zoom for value in box)
            box = (x, y, w, h)
            found.append(FoundFace(box, score, align_box(box, CASCADE_SCALE, CASCADE_DROP)))
        return found

    def confirm(self, face: np.ndarray) -> float | None:
        """Look whether an aligned image shows a face; see `FaceFinder.confirm`."""
        # Half the size and coarse steps are a sixth of the work; a face of 74 pixels is plenty.
        small = cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        expected = small.shape[0] / CASCADE_SCALE
        limits = (int(0.65 * expected), int(1.3 * expected))
        found = self._search(small, limits, step=1.2, neighbours=2)
        return max((score for _, score in found), default=None)

    def _search(
        self, image: np.ndarray, limits: tuple[int, int], step: float, neighbours: int
    ) -> list[tuple[np.ndarray, float]]:
        low, high = limits
        if min(image.shape[:2]) < low:
            return []
        boxes, _, weights = self._cascade.detectMultiScale3(
            cv2.cvtColor(image, cv2.COLOR_BGR2GRAY),
            scaleFactor=step,
            minNeighbors=neighbours,
            minSize=(low, low),
            maxSize=(high, high),
            outputRejectLevels=True,
        )
        scores = 1 - np.exp(-np.maximum(np.ravel(weights), 0) / 3)
        return list(zip(boxes, scores.tolist(), strict=True))


class YuNetFinder:
    """YuNet through ``cv2.FaceDetectorYN``: half profiles, tilted and small faces as well.

    Its score is the network's own confidence.

    Args:
        path: YuNet ONNX file, such as ``face_detection_yunet_2023mar.onnx`` of OpenCV Zoo.
        threshold: Least confidence of a face.
        search_side: Longer side to which larger frames are reduced for the search, pixels.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is not a YuNet model.
        OpenCVError: This OpenCV has no ``FaceDetectorYN``.
        ValueError: ``search_side`` is below `LEAST_SEARCH_SIDE`.
    """

    name = "yunet"

    def __init__(
        self, path: str | Path, threshold: float = 0.7, search_side: int = SEARCH_SIDE
    ) -> None:
        self._search_side = _checked(search_side)
        if not hasattr(cv2, "FaceDetectorYN"):
            raise OpenCVError(
                f"OpenCV {cv2.__version__} has no FaceDetectorYN: install 4.8 or newer"
            )
        if not Path(path).is_file():
            raise FileNotFoundError(f"face finder {path} does not exist: give a YuNet ONNX file")
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), "", (64, 64), threshold)
            self.find(np.zeros((64, 64, 3), np.uint8))
        except cv2.error as error:
            raise InputError(
                f"{path} is not a YuNet model that OpenCV {cv2.__version__} runs: give a YuNet "
                f"ONNX file ({error.err})"
            ) from error

    def find(self, frame: np.ndarray) -> list[FoundFace]:
        """Search a frame; see `FaceFinder.find`."""
        small, zoom = _reduce(frame, self._search_side)
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


def open_finder(
    finder: "FaceFinder | str | Path | None", search_side: int | None = None
) -> FaceFinder:
    """Make a finder of what a user gives.

    Args:
        finder: None for the cascade, the path of a YuNet model, or a finder itself.
        search_side: Longer side to which larger frames are reduced for the search, pixels; None
            for `SEARCH_SIDE`.

    Returns:
        The finder.

    Raises:
        FileNotFoundError: The path leads nowhere.
        InputError: The path is no YuNet model, or the object is no finder.
        OpenCVError: This OpenCV lacks what the finder needs.
        ValueError: ``search_side`` is too small, or given with a finder of the caller's own.
    """
    side = SEARCH_SIDE if search_side is None else search_side
    if finder is None:
        return CascadeFinder(search_side=side)
    if isinstance(finder, str | Path):
        return YuNetFinder(finder, search_side=side)
    if search_side is not None:
        raise ValueError(
            f"search_side is for the cascade and YuNet: finder {finder!r} searches as it likes"
        )
    missing = [part for part in ("name", "find", "confirm") if not hasattr(finder, part)]
    if missing:
        raise InputError(
            f"finder {finder!r} has no {', '.join(missing)}: give None, the path of a YuNet model, "
            "or an object with the members of runtime.finders.FaceFinder"
        )
    return finder


def _checked(side: int) -> int:
    if side < LEAST_SEARCH_SIDE:
        raise ValueError(f"search_side must be {LEAST_SEARCH_SIDE} pixels or more, got {side}")
    return side


def _reduce(frame: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    zoom = side / max(frame.shape[:2])
    if zoom >= 1:
        return frame, 1.0
    height, width = (max(1, round(side * zoom)) for side in frame.shape[:2])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), zoom
