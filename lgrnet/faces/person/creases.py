"""Creases: where anatomy puts single deep folds, and those that a face at rest has.

A fold that an expression makes is dynamic, one that stays when the face is at rest static, in the
terms of dermatology (Glogau, "Aesthetic and anatomic analysis of the aging skin", Seminars in
Cutaneous Medicine and Surgery 15, 1996). Nobody over thirty is without static ones, and the
nasolabial fold, where the cheek's fat ends, is there from childhood. A network that never saw a
resting face with a fold takes every one for the work of a muscle: the shadow beside a mouth at rest
for AU 15, a line between the brows for AU 4.
"""

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np

from lgrnet.faces.person.chart import FaceChart, draw_lines


class Crease(NamedTuple):
    """One kind of crease.

    Attributes:
        pattern: (S, S) float32, ≤ 0: bump height of a fold of depth 1.
        squeezed: Depth where the skin is squeezed as far as it goes.
        at_rest: Greatest depth at rest, in the oldest.
    """

    pattern: np.ndarray
    squeezed: float
    at_rest: float


_NONE = 0.15  # of the creases of a kind are not there at all
_YOUNG = 0.15  # of the depth of the oldest: the youngest
_UNEVEN = 0.35  # from side to side
_DEEPEST = 5.0  # bump height of a crease of depth 1


def draw_creases(chart: FaceChart) -> dict[str, Crease]:
    """Draw all kinds of creases.

    Those of the forehead, between the brows and on the chin are deepened by the muscle under them,
    whatever the strain (:mod:`lgrnet.faces.person.marks`).

    Args:
        chart: The face's texture chart.

    Returns:
        Kind → crease.
    """
    draw = _Creases(chart)
    return {
        "forehead": Crease(draw.lines(draw.forehead(), 2.6), 0.0, 0.8),
        "under the eyes": Crease(draw.lines(draw.under_eyes((0.075, 0.10)), 2.0), 0.9, 0.9),
        "glabella": Crease(draw.lines(draw.glabella(), 2.6), 0.0, 0.5),
        "nose": Crease(draw.lines(draw.nose_sides(), 1.9), 0.9, 0.2),
        "nasolabial": Crease(draw.lines(draw.nasolabial(), 3.2), 1.0, 1.0),
        "mouth corners": Crease(
            draw.lines(draw.mouth_corners(0.03, 0.015, 0.02, 0.05), 2.4), 0.9, 0.8
        ),
        "marionette": Crease(draw.lines(draw.marionette(), 3.2), 0.0, 0.8),
        "lips": Crease(draw.lines(draw.lip_lines(7), 1.5), 0.8, 0.2),
        "chin": Crease(draw.chin_dimples(), 0.0, 0.3),
    }


def creases_at_rest(
    rng: np.random.Generator, middle: float, creases: Mapping[str, Crease], age: float
) -> np.ndarray:
    """Draw the creases that a person's face keeps at rest.

    Args:
        rng: Source of randomness.
        middle: Column of the texture that lies on the middle of the face.
        creases: All kinds.
        age: From 0 (a child's skin) to 1.

    Returns:
        (S, S) float32, ≤ 0, bump heights.
    """
    size = next(iter(creases.values())).pattern.shape[0]
    # From the one side to the other over the width of the nose; neither side is like the other.
    left = np.clip((np.arange(size) - middle) / (0.06 * size) + 0.5, 0, 1)
    total = np.zeros((size, size), np.float32)
    for crease in creases.values():
        if rng.random() < _NONE:
            continue
        depth = crease.at_rest * rng.uniform(0, _YOUNG + (1 - _YOUNG) * age)
        sides = depth * rng.normal(1, _UNEVEN, 2).clip(0, 2)
        total += crease.pattern * (sides[0] + (sides[1] - sides[0]) * left).astype(np.float32)
    # What has been there for long is wide and soft in some, a sharp line in others.
    width = rng.uniform(0, 4)
    return _DEEPEST * (1 + width) * cv2.GaussianBlur(total, (0, 0), width + 0.3)


class _Creases:
    """Polylines in texels, in units of the brow span around the landmarks."""

    def __init__(self, chart: FaceChart) -> None:
        self.size = chart.size
        self.points = chart.landmarks
        self.unit = chart.brow_span
        self.middle = (chart.landmarks[21] + chart.landmarks[22]) / 2

    def lines(self, lines: list[np.ndarray], width: float) -> np.ndarray:
        drawn = draw_lines(self.size, lines, 1.0, max(1, int(width)))
        return -cv2.GaussianBlur(drawn, (0, 0), width * 0.8)

    def glabella(self) -> list[np.ndarray]:
        t = np.linspace(-1, 1, 25)
        return [
            np.stack(
                [
                    self.middle[0] + side * (0.035 + 0.012 * t**2) * self.unit,
                    self.middle[1] + (-0.02 + 0.06 * t) * self.unit,
                ],
                axis=1,
            )
            for side in (-1, 1)
        ]

    def forehead(self) -> list[np.ndarray]:
        t = np.linspace(-1, 1, 41)
        brows = self.points[[19, 24], 1].mean()
        lines = []
        for rise, reach, phase in (
            (0.08, 0.3, 0.4),
            (0.14, 0.4, 2.1),
            (0.2, 0.42, 3.9),
            (0.26, 0.3, 5),
        ):
            # Furrows follow both brows' arches a little, never quite alike on both sides.
            wave = 0.004 * np.sin(6 * t + phase) - 0.012 * np.sin(np.pi * np.abs(t))
            x = self.middle[0] + (reach * t + 0.02 * np.sin(3 * phase)) * self.unit
            lines.append(np.stack([x, brows + (wave - rise) * self.unit], axis=1))
        return lines

    def under_eyes(self, drops: tuple[float, ...]) -> list[np.ndarray]:
        t = np.linspace(0, 1, 15)[:, None]
        lines = []
        for inner, outer in ((36, 39), (42, 45)):
            lid = self.points[inner] * (1 - t) + self.points[outer] * t
            sag = (0.03 * np.sin(np.pi * t[:, 0])) * self.unit
            for drop in drops:
                lines.append(lid + np.stack([0 * sag, drop * self.unit + sag], axis=1))
        return lines

    def nose_sides(self) -> list[np.ndarray]:
        t = np.linspace(0, 1, 8)
        x, y = self.points[28]
        return [
            np.stack(
                [
                    x + side * (0.02 + 0.05 * t) * self.unit,
                    y + (height - 0.05 * t) * self.unit,
                ],
                axis=1,
            )
            for side in (-1, 1)
            for height in (-0.01, 0.03, 0.07)
        ]

    def nasolabial(self) -> list[np.ndarray]:
        t = np.linspace(0, 1, 20)[:, None]
        lines = []
        for nostril, corner, side in ((31, 48, -1), (35, 54, 1)):
            top = self.points[nostril] + np.array([side * 0.055, -0.03]) * self.unit
            bottom = self.points[corner] + np.array([side * 0.065, 0.0]) * self.unit
            bulge = side * 0.035 * self.unit * np.sin(np.pi * t)
            lines.append(top * (1 - t) + bottom * t + np.hstack([bulge, 0 * t]))
        return lines

    def mouth_corners(self, out: float, bulge: float, drop: float, half: float) -> list[np.ndarray]:
        t = np.linspace(-1, 1, 9)
        return self._beside_mouth(out + bulge * (1 - t**2), drop + half * t)

    def marionette(self) -> list[np.ndarray]:
        t = np.linspace(0, 1, 12)
        return self._beside_mouth(0.03 + 0.05 * t**1.5, 0.03 + 0.2 * t)

    def _beside_mouth(self, out: np.ndarray, down: np.ndarray) -> list[np.ndarray]:
        return [
            np.stack(
                [
                    self.points[corner, 0] + side * out * self.unit,
                    self.points[corner, 1] + down * self.unit,
                ],
                axis=1,
            )
            for corner, side in ((48, -1), (54, 1))
        ]

    def lip_lines(self, count: int) -> list[np.ndarray]:
        t = np.linspace(-1, 1, 9)
        left, right = self.points[48, 0], self.points[54, 0]
        y = self.points[51, 1] - (0.035 + 0.025 * t) * self.unit
        return [
            np.stack([np.full_like(t, left + (right - left) * share), y], axis=1)
            for share in np.linspace(0.2, 0.8, count)
        ]

    def chin_dimples(self) -> np.ndarray:
        rng = np.random.default_rng(5)  # one pattern for everybody; people differ in its strength
        chin = (self.points[57] + self.points[8]) / 2 - (0, 0.02 * self.unit)
        dots = np.zeros((self.size, self.size), np.float32)
        for offset in rng.normal(0, 1, (130, 2)) * np.array([0.075, 0.05]) * self.unit:
            centre = tuple(int(v) for v in chin + offset)
            cv2.circle(dots, centre, 2, 1.0, -1, cv2.LINE_AA)
        return -1.2 * cv2.GaussianBlur(dots, (0, 0), 1.5)
