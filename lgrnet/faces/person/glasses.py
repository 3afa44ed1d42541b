"""Glasses: rims, bridge and temples as curves in space, lenses that tint and reflect.

They sit rigidly on nose and ears. Sizes are those of spectacle frames' boxing system (ISO 8624):
lenses 4.4 to 5.6 cm wide and 2.9 to 4.8 cm high, 1.5 to 2.2 cm apart.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.drawing.raster import FAR

_POINTS = 40  # of a lens's outline
_BEFORE_EYES = 1.9  # cm from the corners of the eyes forward to the lenses
_BOW = 0.022  # per cm: how the front bends around the face
_CLEARANCE = 0.5  # cm that the head may reach through a lens before it hides it

_PLASTIC = ((0.02, 0.02, 0.02), (0.03, 0.02, 0.015), (0.16, 0.07, 0.03), (0.02, 0.03, 0.07),
            (0.20, 0.02, 0.03), (0.45, 0.40, 0.36), (0.85, 0.83, 0.80))  # fmt: skip
_METAL = ((0.55, 0.54, 0.52), (0.62, 0.46, 0.20), (0.05, 0.05, 0.05), (0.40, 0.26, 0.20))


@dataclass(frozen=True, eq=False)
class Glasses:
    """A person's glasses, an overlay.

    Attributes:
        outline: (N, 2) of the right lens as the image shows it, cm from its middle.
        gap: Between the lenses, cm.
        drop: How far the lenses' middles lie below the top of the nose, cm.
        tilt: By how much the lower rims lie further back, rad.
        rim: Thickness of the rims, cm.
        upper_only: Whether there is no rim below.
        frame: (3,) linear reflectance of the frame.
        through: (3,) share of light that the lenses let through.
        mirror: How much the lenses reflect, in [0, 1].
        streak: Slope and place of the reflection on the lens.
    """

    outline: np.ndarray
    gap: float
    drop: float
    tilt: float
    rim: float
    upper_only: bool
    frame: np.ndarray
    through: np.ndarray
    mirror: float
    streak: tuple[float, float]

    def draw(self, canvas: Canvas) -> None:
        """Draw the glasses."""
        lenses = [self._place(canvas, side * self._shifted() * (1, side)) for side in (-1, 1)]
        arriving = _arriving(canvas)
        colour = self.frame * arriving
        self._shade_skin(canvas, lenses)
        for lens in lenses:
            self._glaze(canvas, lens)
        for side, lens in zip((-1, 1), lenses, strict=True):
            self._temple(canvas, lens, side, colour)
            rim = lens[: _POINTS // 2 + 1] if self.upper_only else np.vstack([lens, lens[:1]])
            canvas.stroke(rim, self.rim, colour)
            if self.rim > 0.2:  # light from above on the upper edge
                top = lens[: _POINTS // 2 + 1] + np.array([0, self.rim / 4, 0.05])
                canvas.stroke(top, self.rim / 4, 1.6 * colour + 0.04 * arriving, 0.5)
        inner = [lens[np.abs(lens[:, 0]).argmin()] + np.array([0, 0.25, 0]) for lens in lenses]
        middle = (inner[0] + inner[1]) / 2 + np.array([0, 0.25, 0.1])
        canvas.stroke(np.stack([inner[0], middle, inner[1]]), max(0.75 * self.rim, 0.14), colour)

    def _shifted(self) -> np.ndarray:
        """Return the outline where the right lens is, (N, 2) cm from the middle of the nose."""
        return self.outline + np.array([self.gap / 2 - self.outline[:, 0].min(), 0])

    def _place(self, canvas: Canvas, flat: np.ndarray) -> np.ndarray:
        """Put points of the front (N, 2), cm, into the head, (N, 3)."""
        face = canvas.anatomy
        height = face[27, 1] - self.drop
        depth = face[[36, 39, 42, 45], 2].mean() + _BEFORE_EYES
        x, y = flat.T
        middle = face[[27, 28], 0].mean()
        z = depth - _BOW * x**2 + np.sin(self.tilt) * y
        return np.stack([middle + x, height + y, z], 1)

    def _glaze(self, canvas: Canvas, lens: np.ndarray) -> None:
        """Look through a lens, and at what it reflects."""
        cover = canvas.fill(lens) * _before(canvas, lens)
        canvas.blend(cover, canvas.image * self.through.astype(np.float32))
        if self.mirror <= 0:
            return
        seen = canvas.see(lens)[:, :2]
        low, size = seen.min(0), np.ptp(seen, axis=0) + 1e-6
        rows, columns = np.indices(cover.shape, dtype=np.float32)
        across, down = (columns - low[0]) / size[0], (rows - low[1]) / size[1]
        slope, place = self.streak
        band = np.exp(-(((across + slope * down - place) / 0.22) ** 2)) + 0.25 * (1 - down)
        light = 0.6 * canvas.light.key + 0.5 * canvas.light.ambient
        share = cover * np.clip(band, 0, 1) * self.mirror
        canvas.blend(share.astype(np.float32), light)

    def _shade_skin(self, canvas: Canvas, lenses: list[np.ndarray]) -> None:
        """Let the rims throw a soft shadow."""
        towards = canvas.light.key_direction
        cast = np.array([-towards[0], -towards[1], 0]) * 0.8 / max(towards[2], 0.5)
        cover = np.zeros(canvas.depth.shape, np.uint8)
        thick = max(1, round(1.5 * self.rim * canvas.density))
        for lens in lenses:
            points = np.round(canvas.see(lens + cast)[:, :2] * 16).astype(np.int32)
            cv2.polylines(cover, [points], not self.upper_only, 255, thick, cv2.LINE_AA, 4)
        dim = cv2.GaussianBlur(cover, (0, 0), 0.12 * canvas.density + 0.3) / np.float32(255)
        canvas.image[:] = canvas.image * (1 - 0.4 * (dim * (canvas.depth < FAR))[..., None])

    def _temple(self, canvas: Canvas, lens: np.ndarray, side: int, colour: np.ndarray) -> None:
        """Draw what leads to the ear."""
        hinge = lens[(side * lens[:, 0]).argmax()] + np.array([0, 0.5, 0])
        ear = canvas.anatomy[16 if side > 0 else 0] + np.array([side * 0.35, 0.9, -0.8])
        share = np.linspace(0, 1, 12)[:, None]
        way = hinge * (1 - share) + ear * share
        way[:, 0] += side * 0.5 * np.sin(np.pi * share[:, 0]) ** 0.5
        canvas.stroke(way, max(self.rim, 0.15), 0.8 * colour)


def sample_glasses(rng: np.random.Generator) -> Glasses:
    """Draw somebody's glasses.

    Args:
        rng: Source of randomness.

    Returns:
        The glasses.
    """
    kind = rng.choice(["round", "oval", "rectangle", "square", "aviator"])
    width = rng.uniform(4.5, 5.5)
    ratio, corners = {
        "round": (rng.uniform(0.92, 1.0), 2.0),
        "oval": (rng.uniform(0.68, 0.8), 2.2),
        "rectangle": (rng.uniform(0.58, 0.72), 4.0),
        "square": (rng.uniform(0.75, 0.9), 3.2),
        "aviator": (rng.uniform(0.85, 0.95), 2.5),
    }[kind]
    turn = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)  # counter-clockwise from the temple
    c, s = np.cos(turn), np.sin(turn)
    x, y = (np.sign(each) * np.abs(each) ** (2 / corners) for each in (c, s))  # a superellipse
    outline = np.stack([x, ratio * y], 1) * width / 2
    if kind == "aviator":  # drops towards the cheek
        outline[:, 0] += 0.12 * width * np.clip(-outline[:, 1] / width, 0, 1)
        outline[:, 1] -= 0.06 * outline[:, 0] * (outline[:, 1] < 0)
    thin = kind == "aviator" or rng.random() < 0.45
    frame = np.array(_METAL[rng.integers(len(_METAL))] if thin else _PLASTIC[_plastic(rng)])
    dark = rng.random() < 0.1
    yellow = rng.uniform(0, 0.25) ** 1.5
    tint = np.array([1.0, 1 - 0.3 * yellow, 1 - yellow])
    return Glasses(
        outline=outline,
        gap=rng.uniform(1.5, 2.2),
        drop=rng.uniform(0.1, 0.9) + (0.6 if rng.random() < 0.15 else 0.0),
        tilt=np.deg2rad(rng.uniform(2, 12)),
        rim=rng.uniform(0.07, 0.14) if thin else rng.uniform(0.2, 0.5),
        upper_only=bool(rng.random() < 0.15),
        frame=np.clip(frame * rng.uniform(0.7, 1.3), 0.01, 0.9),
        through=tint * (rng.uniform(0.04, 0.4) if dark else rng.uniform(0.86, 0.98)),
        mirror=0.0 if rng.random() < 0.4 else rng.uniform(0.05, 0.45) ** (1.0 if dark else 1.3),
        streak=(rng.normal(0, 0.6), rng.uniform(0.1, 0.9)),
    )


def _plastic(rng: np.random.Generator) -> int:
    """Draw the number of a plastic: black and brown are common."""
    return int(rng.choice(len(_PLASTIC), p=[0.36, 0.18, 0.18, 0.08, 0.05, 0.08, 0.07]))


def _arriving(canvas: Canvas) -> np.ndarray:
    """Return the light on the front of a pair of glasses, (3,) linear RGB."""
    light = canvas.light
    towards = canvas.pose.rotation() @ np.array([0, 0.2, 0.98])
    facing = max(float(towards @ light.key_direction), 0.0)
    return light.key * facing + 0.8 * light.ambient + 0.5 * light.fill


def _before(canvas: Canvas, lens: np.ndarray) -> np.ndarray:
    """Return where a lens lies before the head, (H, W) bool, from the plane through its rim."""
    x, y, z = canvas.see(lens).T
    plane, *_ = np.linalg.lstsq(np.stack([x, y, np.ones_like(x)], 1), z, rcond=None)
    rows, columns = np.indices(canvas.depth.shape, dtype=np.float32)
    return plane[0] * columns + plane[1] * rows + plane[2] - _CLEARANCE < canvas.depth
