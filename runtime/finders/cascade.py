"""The face cascade that OpenCV 4 brings."""

from pathlib import Path

import cv2
import numpy as np

from runtime.align import ALIGNED_SIZE, invert, transform
from runtime.boxes import SAME_FACE, overlap
from runtime.errors import OpenCVError
from runtime.finders.base import SEARCH_SIDE, FoundFace, checked_side, reduce
from runtime.installed import how_to_install

CASCADE = "haarcascade_frontalface_alt2.xml"
"""The cascade (Lienhart, Kuranov and Pisarevsky 2003: trees of two splits)."""

CASCADE_MIN_SIDE = 24
"""Smallest face that the cascade looks for in the reduced frame, pixels: 6 % of the longer side."""

CASCADE_STEP = 1.2
"""Factor from one size that the cascade looks for to the next."""

CASCADE_NEIGHBOURS = 1
"""Hits that must overlap with another to make a face. One is little; `confirm` sorts out what is
none."""

# Measured at 640 × 360, ms of CPU time; a search runs on the first frame, after losses, and on all
# frames while nobody is there. "Crowds" are the 501 faces in every 15th frame of the 14 clips of
# `benchmarks.tracking`, and what was found beside them; "photographs" the 173 faces of
# `benchmarks.stills`; "small" is scikit-image's astronaut at 40 to 66 pixels, tilted, mirrored,
# darkened and moved 150 times; "wrong" are finds in 25 pictures, once more at 640 × 360, and in 200
# of the renderer's backgrounds.
#
#   cascade  step  neighbours  crowds  beside  photographs  small  wrong    ms
#   default   1.2           2     474      11          141    133     12  18.7
#   alt       1.2           2     483       2          132    112      0  20.2
#   alt2      1.2           2     483       0          138    120      5  15.2
#   alt2      1.2           1     485       5          143    143      7  15.2
#   alt2     1.15           2     482       4          142    123      3  18.5
#   alt2      1.1           2     485       9          146    144      7  27.0
#
# In the 25 pictures as they are, the detector then takes one thing for a face, before five.
# As `confirm` the chosen row takes 467 of 495 whole faces of the crowds for one, the first 460, in
# half the time, and none of 3,000 pieces of pictures without a face. The frame is reduced to 400
# pixels; with 640 the default cascade took twice the time and found all small ones.
#
# The second look makes good for coarse boxes. YuNet takes 12 ms, and still finds all of 25
# astronauts of 20 to 28 pixels (at 640 also those of 10 to 14).

CASCADE_SCALE = 1.25
"""Side of the aligned face over the side of the cascade's box."""

CASCADE_DROP = 0.10
"""How far the aligned face's middle lies below the middle of the cascade's box, in box sides."""

# Measured: medians 1.12 and 0.096 on the crowds (against their truth), 1.284 and 0.099 on the
# astronaut at 23 sizes (against the alignment from YuNet's five points). The box itself comes in
# steps of 20 %. The value chosen leaves either within 12 %.

FAINTEST = 53.76
"""Level weight from which the cascade's last stage lets a face pass."""

CLEAR = 1.2
"""By how much more it passes a face whose score is 1 − 1/e."""

CLOSE_UP_SIDE = 160
"""Longer side to which a frame is reduced where only faces that fill it are looked for, pixels."""

CLOSE_UP_FACE = 0.7
"""Smallest box of a face that fills the frame, over the frame's shorter side."""

CLOSE_UP_MARGIN = 0.25
"""How far the frame is continued on all sides for that, over its shorter side."""

# The cascade wants to see what is around a face, which pictures cropped to the face lack. Of 173
# crops of real portraits, none of them in the repository, the first search misses 30; this one
# finds nine of them (the others are turned, tilted or covered), and one face in the 250 pictures
# without any. In three more the first takes nose and mouth for a face, so this one is made in any
# case: it takes 1.1 ms.

TILT = 30.0
"""How far the frame is turned to either side where no upright face was seen, degrees."""

TILTED_SIDE = 160
"""Longer side to which it is reduced for that, pixels: tilted faces are seen from 15 % of it."""

TILTED_STEP = 1.3
"""Factor from one size that the cascade then looks for to the next."""

TILTED_NEIGHBOURS = 3
"""Overlapping hits that then make a face."""

# Of the 21 crops that neither search finds a face in this one finds 12. When it was chosen, after
# two searches with the default cascade, it found 16 of 23, and none in 25 pictures without a face,
# as they are and at 640 × 360. Turns of 25° found 16 as well, the default cascade 14, 240 pixels in
# steps of 1.2 found 17 in three times the time. It takes 13 ms where the first search took 35.


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


def _in_frame(box: np.ndarray, score: float) -> FoundFace:
    x, y, w, h = box.tolist()
    return FoundFace((x, y, w, h), score, align_box((x, y, w, h), CASCADE_SCALE, CASCADE_DROP))


class CascadeFinder:
    """OpenCV 4's bundled frontal-face cascade: nothing to download, frontal faces only.

    It looks for upright faces and for one that fills the frame; where it sees neither, for large
    ones that are tilted, up to about 40°.

    Its score is 1 − exp((`FAINTEST` − w) / `CLEAR`) of the cascade's level weight w: 0 to 1,
    monotone, no probability.

    Args:
        min_side: Smallest face to find in the frame as searched, pixels.
        search_side: Longer side to which larger frames are reduced for the search, pixels.

    Raises:
        OpenCVError: This OpenCV has no cascades, as OpenCV 5, or the file is damaged.
        ValueError: ``search_side`` is below `LEAST_SEARCH_SIDE`.
    """

    name = "cascade"

    def __init__(self, min_side: int = CASCADE_MIN_SIDE, search_side: int = SEARCH_SIDE) -> None:
        self._search_side = checked_side(search_side)
        path = cascade_path()
        if path is None:
            raise OpenCVError(
                f"OpenCV {cv2.__version__} has no face cascade: take 'network' as finder "
                f"(--finder network), or install OpenCV 4 with {how_to_install('headless')}"
            )
        self._cascade = _load(path)
        self._min_side = min_side

    def find(self, frame: np.ndarray) -> list[FoundFace]:
        """Search a frame; see `FaceFinder.find`."""
        small, zoom = reduce(frame, self._search_side)
        limits = (self._min_side, max(small.shape[:2]))
        upright = _search(self._cascade, small, limits, CASCADE_STEP, CASCADE_NEIGHBOURS)
        found = [_in_frame(box / zoom, score) for box, score in upright]
        for face in self._find_close_up(small, zoom):
            if all(overlap(face.box, other.box) < SAME_FACE for other in found):
                found.append(face)
        return found or self._find_tilted(small, zoom)

    def _find_close_up(self, searched: np.ndarray, zoom: float) -> list[FoundFace]:
        """Search a frame, already reduced by ``zoom``, for the one face that fills it."""
        small, further = reduce(searched, CLOSE_UP_SIDE)
        zoom *= further
        side = min(small.shape[:2])
        margin = round(CLOSE_UP_MARGIN * side)
        wider = cv2.copyMakeBorder(small, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        limits = (max(CASCADE_MIN_SIDE, round(CLOSE_UP_FACE * side)), max(wider.shape[:2]))
        found = _search(self._cascade, wider, limits, CASCADE_STEP, CASCADE_NEIGHBOURS)
        if not found:
            return []
        box, score = max(found, key=lambda each: each[1])
        return [_in_frame((box - [margin, margin, 0, 0]) / zoom, score)]

    def _find_tilted(self, searched: np.ndarray, zoom: float) -> list[FoundFace]:
        """Search a frame, already reduced by ``zoom``, for faces that are tilted.

        One that is seen from both sides is in the answer twice.
        """
        small, further = reduce(searched, TILTED_SIDE)
        if min(small.shape[:2]) < CASCADE_MIN_SIDE:
            return []
        zoom *= further
        least = max(CASCADE_MIN_SIDE, round(self._min_side * further))
        limits = (least, max(small.shape[:2]))
        faces = []
        for angle in (TILT, -TILT):
            turn, size = _turn(small.shape[1::-1], angle)
            to_turned = turn @ np.diag([zoom, zoom, 1.0])
            turned = cv2.warpAffine(small, turn, size, borderMode=cv2.BORDER_REPLICATE)
            for box, score in _search(
                self._cascade, turned, limits, TILTED_STEP, TILTED_NEIGHBOURS
            ):
                x, y = transform(box[:2] + box[2:] / 2, invert(to_turned)).tolist()
                width, height = (box[2:] / zoom).tolist()
                alignment = align_box(tuple(box.tolist()), CASCADE_SCALE, CASCADE_DROP)
                faces.append(
                    FoundFace(
                        (x - width / 2, y - height / 2, width, height),
                        score,
                        alignment @ np.vstack([to_turned, [0, 0, 1]]),
                    )
                )
        return faces

    def confirm(self, face: np.ndarray) -> float | None:
        """Look whether an aligned image shows a face; see `FaceFinder.confirm`."""
        # Half the size and coarse steps are a sixth of the work; a face of 74 pixels is plenty.
        small = cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        expected = small.shape[0] / CASCADE_SCALE
        limits = (int(0.65 * expected), int(1.3 * expected))
        found = _search(self._cascade, small, limits, CASCADE_STEP, CASCADE_NEIGHBOURS)
        return max((score for _, score in found), default=None)


def cascade_path() -> Path | None:
    """Name the cascade's file; None where this OpenCV has none or cannot run it.

    Of OpenCV 5 the contrib packages still run cascades, but no package brings their files.
    """
    folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
    if not hasattr(cv2, "CascadeClassifier") or folder is None:
        return None
    path = Path(folder, CASCADE)
    return path if path.is_file() else None


def _load(path: Path) -> "cv2.CascadeClassifier":
    # OpenCV gets the text and not the path, as on Windows it opens none with letters beyond ASCII.
    memory = cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY
    cascade = cv2.CascadeClassifier()
    try:
        stored = cv2.FileStorage(path.read_text("utf-8"), memory)
        whole = cascade.read(stored.getFirstTopLevelNode())
    except (OSError, UnicodeDecodeError, SystemError, cv2.error) as error:
        raise OpenCVError(f"{path} cannot be read ({error}): reinstall OpenCV") from error
    if not whole:
        raise OpenCVError(f"{path} is no cascade: reinstall OpenCV")
    return cascade


def _turn(size: tuple[int, int], angle: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Turn a picture about its middle, counterclockwise as seen.

    Args:
        size: Its width and height.
        angle: Degrees.

    Returns:
        The matrix, (2, 3), and width and height of what holds all of it.
    """
    turn = cv2.getRotationMatrix2D((0, 0), angle, 1)
    corners = transform(np.array([(0, 0), (size[0], 0), (0, size[1]), size], float), turn)
    turn[:, 2] = -corners.min(0)
    width, height = np.ceil(np.ptp(corners, axis=0)).astype(int).tolist()
    return turn, (width, height)


def _search(
    cascade: "cv2.CascadeClassifier",
    image: np.ndarray,
    limits: tuple[int, int],
    step: float,
    neighbours: int,
) -> list[tuple[np.ndarray, float]]:
    low, high = limits
    if min(image.shape[:2]) < low:
        return []
    boxes, _, weights = cascade.detectMultiScale3(
        cv2.cvtColor(image, cv2.COLOR_BGR2GRAY),
        scaleFactor=step,
        minNeighbors=neighbours,
        minSize=(low, low),
        maxSize=(high, high),
        outputRejectLevels=True,
    )
    scores = 1 - np.exp(-np.maximum(np.ravel(weights) - FAINTEST, 0) / CLEAR)
    return list(zip(np.reshape(boxes, (-1, 4)), scores.tolist(), strict=True))
