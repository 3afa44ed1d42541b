"""Scripts of the clips of several people: who moves where.

Places are pixels of a frame of 640 × 360, sizes pixels per cm of a head: at 5 the eyes are about 31
pixels apart. Larger heads are nearer, and hide smaller ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

WIDTH, HEIGHT, FPS = 640, 360, 30


@dataclass(frozen=True)
class Actor:
    """One person of a scene.

    Attributes:
        person: Number of the person within the scenes of a seed.
        path: Waypoints: frame, x, y, pixels per cm; straight lines at constant speed between them,
            and standing still before the first and after the last.
    """

    person: int
    path: tuple[tuple[float, float, float, float], ...]

    def at(self, frame: int) -> tuple[float, float, float]:
        """Return x, y and scale at a frame."""
        points = np.array(self.path, float)
        x, y, scale = (np.interp(frame, points[:, 0], points[:, i]) for i in (1, 2, 3))
        return float(x), float(y), float(scale)


@dataclass(frozen=True)
class Pillar:
    """Something that hides whoever is farther away, from top to bottom.

    Attributes:
        left: Its left edge, pixels.
        right: Its right edge, pixels.
        scale: How near it is, as the scale of a head.
    """

    left: float
    right: float
    scale: float


def _there_and_back(
    frames: tuple[float, float, float, float],
    here: tuple[float, float],
    there: tuple[float, float],
    scale: float,
) -> tuple[tuple[float, float, float, float], ...]:
    """Go from here to there between two frames, and back between two others."""
    places = (here, there, there, here)
    return tuple((frame, *place, scale) for frame, place in zip(frames, places, strict=True))


def _still(_: int) -> tuple[float, float]:
    return 0.0, 0.0


@dataclass(frozen=True)
class CrowdScene:
    """One clip.

    Attributes:
        name: Its file's name.
        frames: How long it is.
        actors: Who is in it.
        pillars: What stands in it.
        shift: Where the camera's turn moves everything, by frame, pixels.
    """

    name: str
    frames: int
    actors: tuple[Actor, ...]
    pillars: tuple[Pillar, ...] = ()
    shift: Callable[[int], tuple[float, float]] = field(default=_still)


def _pan(frame: int) -> tuple[float, float]:
    """To the right, left and back, twice, at up to 9 pixels a frame."""
    return 60 * float(np.sin(2 * np.pi * (np.clip(frame, 30, 114) - 30) / 42)), 0.0


SCENES: tuple[CrowdScene, ...] = (
    CrowdScene(
        "standing",
        120,
        (
            Actor(0, ((0, 90, 200, 4.4),)),
            Actor(1, ((0, 240, 180, 4.2),)),
            Actor(2, ((0, 395, 205, 4.5),)),
            Actor(3, ((0, 550, 185, 4.3),)),
        ),
    ),
    CrowdScene(
        "crossing",
        160,
        (
            Actor(4, ((10, 90, 190, 4.6), (140, 430, 185, 4.6))),
            Actor(5, ((10, 430, 180, 4.0), (140, 90, 190, 4.0))),
            Actor(6, ((0, 570, 180, 4.2),)),
        ),
    ),
    CrowdScene(
        "turning_back",
        160,
        (
            # They meet, the nearer hides the other, and both go back where they came from.
            Actor(7, _there_and_back((10, 70, 85, 145), (120, 190), (310, 190), 4.6)),
            Actor(8, _there_and_back((10, 70, 85, 145), (500, 185), (320, 190), 4.0)),
        ),
    ),
    CrowdScene(
        "leaving",
        200,
        (
            Actor(9, ((0, 150, 190, 4.4),)),
            Actor(10, _there_and_back((20, 60, 110, 150), (450, 180), (710, 180), 4.6)),
            Actor(11, ((50, -70, 200, 4.2), (110, 290, 200, 4.2))),
        ),
    ),
    CrowdScene(
        "taking_turns",
        200,
        (
            # One leaves, and another one comes from there.
            Actor(23, ((0, 180, 190, 4.3),)),
            Actor(24, ((15, 440, 180, 4.4), (65, 715, 180, 4.4))),
            Actor(25, ((90, 715, 190, 4.2), (150, 440, 185, 4.2))),
        ),
    ),
    CrowdScene(
        "pillar",
        170,
        (
            Actor(12, ((10, 90, 190, 4.2), (150, 560, 190, 4.2))),
            Actor(13, ((20, 560, 180, 3.9), (160, 90, 180, 3.9))),
        ),
        (Pillar(270, 375, 5.0),),
    ),
    CrowdScene(
        "crowd",
        220,
        (
            Actor(14, ((0, 80, 110, 3.3), (80, 300, 130, 3.3), (200, 80, 120, 3.3))),
            Actor(15, ((0, 300, 100, 3.5), (100, 110, 110, 3.5), (200, 330, 110, 3.5))),
            Actor(16, ((0, 540, 120, 3.4), (110, 400, 120, 3.4), (210, 560, 120, 3.4))),
            Actor(17, ((0, 120, 270, 3.9), (100, 380, 265, 3.9), (210, 140, 270, 3.9))),
            Actor(18, ((0, 360, 265, 3.6), (110, 120, 270, 3.6), (210, 380, 265, 3.6))),
            Actor(19, ((0, 560, 270, 3.7), (210, 540, 260, 3.7))),
        ),
    ),
    CrowdScene(
        "camera",
        140,
        (
            Actor(20, ((0, 130, 190, 4.4),)),
            Actor(21, ((0, 320, 180, 4.3),)),
            Actor(22, ((0, 510, 195, 4.5),)),
        ),
        shift=_pan,
    ),
)  # fmt: skip
"""All clips: 1,370 frames."""
