"""A face where it is: box, landmarks, and a tag with its number and what is present."""

import cv2
import numpy as np

from runtime.drawing.style import ACCENT, INK, LINE, Style, tag
from runtime.landmarks import CONTOURS, inter_ocular
from runtime.results import Face


def draw_face(canvas: np.ndarray, face: Face, style: Style, label: bool) -> None:
    """Draw one face onto a canvas, in place.

    Args:
        canvas: (H, W, 3) uint8, BGR.
        face: The face.
        style: Sizes.
        label: Whether to add the tag.
    """
    # Four more binary digits of a pixel keep thin contours from trembling from frame to frame.
    points = np.round(face.landmarks * 16).astype(np.int32)
    for indices, closed in CONTOURS:
        cv2.polylines(canvas, [points[list(indices)]], closed, LINE, style.line, cv2.LINE_AA, 4)
    radius = max(9, round(0.3 * float(inter_ocular(face.landmarks))))
    for x, y in points.tolist():
        cv2.circle(canvas, (x, y), radius, INK, cv2.FILLED, cv2.LINE_AA, 4)
    x, y, w, h = face.box
    low, high = (round(x), round(y)), (round(x + w), round(y + h))
    cv2.rectangle(canvas, low, high, ACCENT, style.line, cv2.LINE_AA)
    if label:
        text = " ".join([f"#{face.id}", *face.present])
        tag(canvas, text, (low[0], low[1] - style.row), style)
