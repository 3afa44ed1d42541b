"""What people wear and do that the renderer does not show: hats, dark glasses, hands, blots.

Drawn flat and coarse, over rendered heads: a finder has to bear with parts of a face that it does
not see. The first network, trained without these, missed hands on foreheads, woollen caps and
sunglasses.
"""

from collections.abc import Callable

import cv2
import numpy as np

HAT, GLASSES, FINGERS, BLOT = 0.12, 0.10, 0.08, 0.06
"""Shares of the faces that carry each; the others carry none."""

_SMALLEST = 14.0  # pixels from the eyes to the mouth, below which nothing of this can be told
_SUBPIXEL = 3  # bits of the fixed point that OpenCV draws with


class _Frame:
    """A face's own axes: from the middle of the eyes, in units of the way from there to the mouth.

    Args:
        points: (5, 2), see :func:`lgrnet.finder.geometry.five_points`.
    """

    def __init__(self, points: np.ndarray) -> None:
        self.origin = points[:2].mean(0)
        self.down = points[3:].mean(0) - self.origin
        self.unit = float(np.linalg.norm(self.down))
        self.across = np.array([self.down[1], -self.down[0]])
        self.width = max(0.4, float(np.linalg.norm(points[1] - points[0])) / max(self.unit, 1e-6))
        """Distance of the eyes; it shrinks as a head turns."""

    def place(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Take places in the face's axes to pixels, (n, 2)."""
        return self.origin + np.outer(x, self.across) + np.outer(y, self.down)

    def ellipse(self, x: float, y: float, width: float, height: float) -> np.ndarray:
        """Return the outline of an ellipse, (32, 2) pixels."""
        angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        return self.place(x + width * np.cos(angle), y + height * np.sin(angle))


def cover_face(
    rng: np.random.Generator,
    image: np.ndarray,
    points: np.ndarray,
    sample_cloth: Callable[[], np.ndarray],
) -> None:
    """Draw nothing, or something over a part of a face.

    Args:
        rng: Source of randomness.
        image: (H, W, 3) uint8, drawn on.
        points: (5, 2) of the face, pixels: eyes, tip of the nose, corners of the mouth.
        sample_cloth: Draws a pattern of the image's shape.
    """
    kind = rng.random() - np.cumsum([HAT, GLASSES, FINGERS, BLOT])
    frame = _Frame(points)
    if frame.unit < _SMALLEST or kind[-1] >= 0:
        return
    if kind[0] < 0:
        _draw_hat(rng, image, frame, _cloth(rng, image, sample_cloth))
    elif kind[1] < 0:
        _draw_glasses(rng, image, frame, points)
    elif kind[2] < 0:
        _draw_fingers(rng, image, frame)
    else:
        _draw_blot(rng, image, frame, _cloth(rng, image, sample_cloth))


def _cloth(
    rng: np.random.Generator, image: np.ndarray, sample_cloth: Callable[[], np.ndarray]
) -> np.ndarray:
    if rng.random() < 0.5:
        return sample_cloth()
    return np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), image.shape)


def _draw_hat(
    rng: np.random.Generator, image: np.ndarray, frame: _Frame, cloth: np.ndarray
) -> None:
    """Draw a cap down to the brows or a little above, perhaps with a brim."""
    edge = rng.uniform(-0.75, -0.3)
    tall, wide = rng.uniform(0.6, 1.0), frame.width * rng.uniform(1.05, 1.4)
    lean = rng.normal(0, 0.08)
    _paint(image, frame.ellipse(lean, edge - tall, wide, tall), cloth, 1.0)
    if rng.random() < 0.4:
        brim = frame.ellipse(lean, edge, wide * rng.uniform(1.0, 1.6), rng.uniform(0.05, 0.15))
        _paint(image, brim, (cloth * np.float32(rng.uniform(0.4, 1.0))).astype(np.uint8), 1.0)


def _draw_glasses(
    rng: np.random.Generator, image: np.ndarray, frame: _Frame, points: np.ndarray
) -> None:
    """Draw dark lenses and the bridge between them."""
    tint = np.broadcast_to(rng.integers(0, 90, 3).astype(np.uint8), image.shape)
    opacity = rng.uniform(0.75, 1)
    wide, tall = frame.width * rng.uniform(0.36, 0.48), rng.uniform(0.26, 0.42)
    square = rng.random() < 0.5
    eyes = (points[:2] - frame.origin) @ np.stack([frame.across, frame.down]).T / frame.unit**2
    for x, y in eyes:
        if square:
            corners = np.array([-1, 1, 0.85, -0.85]), np.array([-1, -1, 1, 1])
            lens = frame.place(x + wide * corners[0], y + 0.05 + tall * corners[1])
        else:
            lens = frame.ellipse(x, y + 0.05, wide, tall)
        _paint(image, lens, tint, opacity)
    bar = np.array([eyes[0, 0], eyes[1, 0], eyes[1, 0], eyes[0, 0]])
    _paint(image, frame.place(bar, np.array([-0.1, -0.1, 0, 0])), tint, opacity)


def _draw_fingers(rng: np.random.Generator, image: np.ndarray, frame: _Frame) -> None:
    """Draw the fingers of a hand, of the colour of the cheek, from any side."""
    skin = _colour_at(image, frame.place(np.array([0.3 * frame.width]), np.array([0.6]))[0])
    skin = skin * np.exp(rng.normal(0, 0.15))
    middle = np.array([rng.uniform(-0.8, 0.8) * frame.width, rng.uniform(-0.8, 1.3)])
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.6)
    along = np.array([np.cos(angle), np.sin(angle)])
    beside = np.array([-along[1], along[0]])
    thick = rng.uniform(0.16, 0.24)
    for number in range(int(rng.integers(2, 5))):
        tip = middle + beside * number * thick * rng.uniform(0.95, 1.2)
        root = tip + along * length + beside * rng.normal(0, 0.08)
        sides = np.array([tip - beside * thick / 2, tip + beside * thick / 2])
        ends = np.array([root + beside * thick / 2, root - beside * thick / 2])
        outline = np.concatenate([sides, ends])
        shade = np.clip(skin * rng.uniform(0.8, 1.1), 0, 255).astype(np.uint8)
        colour = np.broadcast_to(shade, image.shape)
        _paint(image, frame.place(outline[:, 0], outline[:, 1]), colour, 1.0)
        _paint(image, frame.ellipse(tip[0], tip[1], thick / 2, thick / 2), colour, 1.0)


def _draw_blot(
    rng: np.random.Generator, image: np.ndarray, frame: _Frame, cloth: np.ndarray
) -> None:
    """Draw a thing of no particular kind before a part of the face."""
    angle = rng.uniform(0, 2 * np.pi)
    x, y = frame.width * 0.9 * np.cos(angle), 0.5 + 0.9 * np.sin(angle)
    width, height = rng.uniform(0.25, 0.6, 2)
    _paint(image, frame.ellipse(x, y, width, height), cloth, 1.0)


def _colour_at(image: np.ndarray, place: np.ndarray) -> np.ndarray:
    column, row = np.clip(np.round(place), 0, np.array(image.shape[1::-1]) - 1).astype(int)
    return image[row, column].astype(np.float32)


def _paint(image: np.ndarray, outline: np.ndarray, cloth: np.ndarray, opacity: float) -> None:
    """Fill an outline (n, 2) with a pattern, smoothly."""
    low = np.clip(np.floor(outline.min(0)) - 1, 0, image.shape[1::-1]).astype(int)
    high = np.clip(np.ceil(outline.max(0)) + 2, 0, image.shape[1::-1]).astype(int)
    if (high <= low).any():
        return
    place = (slice(low[1], high[1]), slice(low[0], high[0]))
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    corners = np.round((outline - low) * (1 << _SUBPIXEL)).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _SUBPIXEL)
    share = mask[..., None] * np.float32(opacity / 255)
    part = image[place]
    part[:] = part + (cloth[place].astype(np.float32) - part) * share + np.float32(0.5)
