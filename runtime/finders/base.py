"""What face finders have in common."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

SEARCH_SIDE = 400
"""Longer side to which larger frames are reduced to search them, pixels, if none is given."""

LEAST_SEARCH_SIDE = 64
"""Smallest search side that is accepted, pixels."""


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
    `Detector.clone` work without more ado. One of a file has the file's digest as ``sha256``: a run
    that was cut off is gone on with by the same alone. The detector's `repr` also tells its
    ``engine``, if that is a text: what computes it.
    """

    name: str
    """Name of the finder in the detector's `repr`."""

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


def checked_side(side: int) -> int:
    """Return a search side.

    Raises:
        ValueError: It is below `LEAST_SEARCH_SIDE`.
    """
    if side < LEAST_SEARCH_SIDE:
        raise ValueError(f"search_side must be {LEAST_SEARCH_SIDE} pixels or more, got {side}")
    return side


def reduce(frame: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Reduce a frame for the search.

    Args:
        frame: (H, W, 3) uint8, BGR.
        side: Longer side that it gets at most, pixels.

    Returns:
        The reduced frame, or the frame itself, and its sides over those of the frame.
    """
    zoom = side / max(frame.shape[:2])
    if zoom >= 1:
        return frame, 1.0
    # Halves up, as programs without Python round (docs/embedding.md); `round` takes the even one.
    height, width = (max(1, int(side * zoom + 0.5)) for side in frame.shape[:2])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), zoom
