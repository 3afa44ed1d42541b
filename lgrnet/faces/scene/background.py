"""The surroundings of a person as a lens sees them: scenery, its light, and depth of field."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from lgrnet.faces.scene import exteriors, interiors
from lgrnet.faces.scene.stage import Stage

BRIGHTEST = 8.0
"""Radiance beyond which nothing shines; white paper under a light of 1 has 1."""

_MARGIN = 1.25  # of the painted over the wanted side, so that a tilted view stays inside
_STEEPEST = 0.25  # rad
_FINEST = 180  # pixels of height that sharp scenery is painted with
_COARSEST = 64
_FAR = 300  # cm of view from which scenery is far out of focus
_SMOOTH = 48  # pixels along a side of the map of light


class _Scene(NamedTuple):
    """A kind of scenery.

    Attributes:
        share: How often it is used, relative to the others.
        sharp: How often it is in focus.
        low: Smallest height of the view, cm.
        high: Largest.
        flat: Whether it is one surface close behind the head, which can throw a shadow on it.
        paint: Draws it.
    """

    share: float
    sharp: float
    low: float
    high: float
    flat: bool
    paint: Callable[[Stage], None]


# A face 200 pixels high spans some 28 cm, so a wall at its depth shows 28 cm, one twice as far
# from the camera 56 cm.
_SCENES = (
    _Scene(22, 0.5, 30, 120, True, interiors.wall),
    _Scene(12, 0.5, 30, 120, True, interiors.studio),
    _Scene(8, 0.45, 40, 110, True, interiors.door),
    _Scene(14, 0.3, 70, 220, False, interiors.room),
    _Scene(8, 0.25, 45, 130, False, interiors.shelves),
    _Scene(6, 0.25, 60, 180, False, interiors.window),
    _Scene(6, 0.35, 35, 110, True, interiors.curtain),
    _Scene(5, 0.5, 32, 90, True, interiors.planks),
    _Scene(5, 0.4, 35, 110, True, interiors.bricks),
    _Scene(12, 0.06, 150, 900, False, exteriors.outdoor),
    _Scene(4, 0.0, 100, 400, False, exteriors.night),
    _Scene(7, 0.25, 90, 260, False, interiors.office),
    _Scene(3, 0.1, 45, 80, False, exteriors.car),
)
_SHARES = np.array([scene.share for scene in _SCENES]) / sum(scene.share for scene in _SCENES)


def sample_background(
    rng: np.random.Generator, height: int, width: int, tilt: float | None = None
) -> np.ndarray:
    """Draw what lies behind a person: a wall, a room, a street, mostly out of focus.

    Args:
        rng: Source of randomness.
        height: Rows.
        width: Columns.
        tilt: Turn of the scenery about the view's axis, rad, at most 0.25 either way. None draws
            one, as faces that were turned upright have it.

    Returns:
        (height, width, 3) float32, linear RGB in [0, ``BRIGHTEST``].
    """
    scene = _SCENES[rng.choice(len(_SCENES), p=_SHARES)]
    tilt = rng.normal(0, 0.1) if tilt is None else tilt
    blur = _sample_blur(rng, scene)
    # Blurred scenery needs few pixels: the blur is then some 2 pixels wide whatever its true size.
    rows = round(_MARGIN * np.clip(2.2 / blur, _COARSEST, _FINEST))
    columns = round(rows * max(width / height, 1 / _MARGIN))
    image = np.empty((rows, columns, 3), np.float32)
    view = rng.uniform(scene.low, scene.high)
    stage = Stage(rng, image, rows / _MARGIN / view)
    scene.paint(stage)
    _illuminate(stage, scene)
    defocused = _defocus(np.clip(image, 0, BRIGHTEST), blur * rows / _MARGIN, rng.random() < 0.6)
    return _look(defocused, height, width, float(np.clip(tilt, -_STEEPEST, _STEEPEST)))


def _sample_blur(rng: np.random.Generator, scene: _Scene) -> float:
    """Draw the radius of the circle of confusion, relative to the picture's height."""
    if rng.random() < scene.sharp:
        return rng.uniform(0.002, 0.006)  # small sensors see everything sharp
    least = 0.006 if scene.high < _FAR else 0.014
    return float(np.exp(rng.uniform(np.log(least), np.log(0.06))))


def _illuminate(stage: Stage, scene: _Scene) -> None:
    """Put the scenery into a light of some strength, colour and direction, with shadows."""
    rng, image = stage.rng, stage.image
    level = 0.08 if rng.random() < 0.12 else 0.6
    level = np.clip(level * np.exp(rng.normal(0, 0.5)), 0.02, 1.8)
    warmth = rng.normal(0.03, 0.08)
    side = np.linspace(-1, 1, _SMOOTH)
    x, y = side[None] * stage.right / stage.bottom, side[:, None]
    turn, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.6) ** 1.5
    light = np.exp(slope * (np.cos(turn) * x + np.sin(turn) * y))
    if scene.flat and rng.random() < 0.45:
        light *= 1 - rng.uniform(0.15, 0.6) * _head_shadow(rng)
    if rng.random() < 0.3:  # the pool of a lamp
        far = (x - rng.normal(0, 0.6)) ** 2 + (y - rng.normal(-0.3, 0.5)) ** 2
        light *= 0.35 + 0.9 / (1 + far / rng.uniform(0.3, 2))
    colour = level * np.array([1 + warmth, 1, 1 - 1.3 * warmth])
    lit = (light[..., None] * colour).astype(np.float32)
    image *= cv2.resize(lit, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _head_shadow(rng: np.random.Generator) -> np.ndarray:
    """Return the soft shadow of a head and shoulders, (_SMOOTH, _SMOOTH) float32 in [0, 1]."""
    side = _SMOOTH
    mask = np.zeros((side, side), np.float32)
    x = side / 2 + rng.choice([-1, 1]) * rng.uniform(0.05, 0.3) * side
    y, size = side * rng.uniform(0.45, 0.65), side * rng.uniform(0.24, 0.32)
    cv2.ellipse(mask, (round(x), round(y)), (round(0.8 * size), round(size)), 0, 0, 360, 1, -1)
    top, half = round(y + 1.1 * size), 1.6 * size
    cv2.rectangle(mask, (round(x - half), top), (round(x + half), side), 1, -1)
    return cv2.GaussianBlur(mask, (0, 0), rng.uniform(1, 6))


def _defocus(image: np.ndarray, radius: float, round_iris: bool) -> np.ndarray:
    """Blur by a radius in pixels: by a disc, as a lens does, or softly, as software does."""
    if not round_iris or radius < 1:
        return cv2.GaussianBlur(image, (0, 0), max(radius / 1.5, 0.4))
    half = int(np.ceil(radius))
    offset = np.arange(-half, half + 1)
    disc = np.clip(radius + 0.5 - np.hypot(offset[:, None], offset), 0, 1).astype(np.float32)
    return cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)


def _look(image: np.ndarray, height: int, width: int, tilt: float) -> np.ndarray:
    """Cut the middle out of the painted scenery, turned and enlarged to the wanted size."""
    rows, columns = image.shape[:2]
    scale = height * _MARGIN / rows
    turn = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), np.rad2deg(tilt), scale)
    turn[:, 2] += ((width - columns) / 2, (height - rows) / 2)
    return cv2.warpAffine(
        image, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
