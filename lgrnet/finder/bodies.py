"""Bodies below cut-out heads: without them a network would learn that faces float."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

_SOFT = 0.5  # of the bodies have a soft edge, as out of focus
_PLAIN = 0.45  # of the clothes are of one colour; all others are a piece of a backdrop
_SHADED = 0.5  # of the clothes get darker or brighter downwards


class Patch(NamedTuple):
    """A part of a picture that something covers.

    Attributes:
        place: Rows and columns.
        opacity: (h, w) float32 in [0, 1].
    """

    place: tuple[slice, slice]
    opacity: np.ndarray


def sample_outline(rng: np.random.Generator, landmarks: np.ndarray) -> np.ndarray:
    """Draw the outline of neck, shoulders and chest.

    Args:
        rng: Source of randomness.
        landmarks: (49, 2) of the face above, pixels.

    Returns:
        (6, 2), pixels.
    """
    unit = np.linalg.norm(np.ptp(landmarks, axis=0))
    down = landmarks[31:43].mean(0) - landmarks[:10].mean(0)  # from the brows to the mouth
    # Bodies follow heads half-way: who tilts the head does not tilt the body as far.
    down = 0.5 * down / (np.linalg.norm(down) + 1e-6) + np.array([0, 0.5])
    across = np.array([down[1], -down[0]])
    neck = landmarks[31:43].mean(0) + down * unit * rng.uniform(0.55, 0.8)
    shoulder, length = unit * rng.uniform(0.9, 1.5), unit * rng.uniform(1.5, 4)
    return np.array(
        [
            neck - across * unit * 0.3,
            neck - across * shoulder + down * unit * rng.uniform(0.2, 0.5),
            neck - across * shoulder * rng.uniform(0.8, 1.2) + down * length,
            neck + across * shoulder * rng.uniform(0.8, 1.2) + down * length,
            neck + across * shoulder + down * unit * rng.uniform(0.2, 0.5),
            neck + across * unit * 0.3,
        ]
    )


def draw_body(
    rng: np.random.Generator,
    image: np.ndarray,
    landmarks: np.ndarray,
    sample_cloth: Callable[[], np.ndarray],
) -> Patch | None:
    """Draw a body below a face.

    Args:
        rng: Source of randomness.
        image: (H, W, 3) uint8, drawn on.
        landmarks: (49, 2) of the face, pixels.
        sample_cloth: Draws a pattern of the image's shape.

    Returns:
        What the body covers; None if it lies outside.
    """
    outline = sample_outline(rng, landmarks)
    blur = 0.0
    if rng.random() < _SOFT:
        blur = max(0.5, 0.04 * float(np.linalg.norm(np.ptp(landmarks, axis=0))))
    margin = 3 * blur + 2
    height, width = image.shape[:2]
    low = np.clip(np.floor(outline.min(0) - margin), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(outline.max(0) + margin), 0, (width, height)).astype(int)
    if (high <= low).any():
        return None
    place = (slice(low[1], high[1]), slice(low[0], high[0]))
    part = image[place]
    mask: np.ndarray = np.zeros(part.shape[:2], np.uint8)
    corners = np.round(outline - low).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA)
    if blur:
        mask = cv2.GaussianBlur(mask, (0, 0), blur)
    opacity = mask * np.float32(1 / 255)
    if rng.random() < _PLAIN:
        cloth = np.broadcast_to(rng.integers(0, 256, 3).astype(np.float32), part.shape)
    else:
        cloth = sample_cloth()[place].astype(np.float32)
    if rng.random() < _SHADED:
        above, below = rng.uniform(0.5, 1.2, 2)
        ramp = np.linspace(above, below, height, dtype=np.float32)[place[0]]
        cloth = np.minimum(cloth * ramp[:, None, None], 255)
    part[:] = part + (cloth - part) * opacity[..., None] + np.float32(0.5)
    return Patch(place, opacity)
