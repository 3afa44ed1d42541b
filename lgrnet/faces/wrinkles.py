"""Wrinkles of each action unit: grooves in the face's bump map, placed by the landmarks."""

import cv2
import numpy as np

from lgrnet.faces.chart import FaceChart, draw_lines


def wrinkle_maps(chart: FaceChart) -> dict[int, np.ndarray]:
    """Draw the grooves that each AU folds into the skin.

    Args:
        chart: The face's texture chart.

    Returns:
        AU → bump height at full intensity, (S, S) float32, ≤ 0.
    """
    draw = _Grooves(chart)
    folds = draw.nasolabial()
    return {
        1: draw.lines(draw.forehead(((0.10, 0.015), (0.155, 0.035), (0.21, 0.015)), 0.42), 2.2),
        2: draw.lines(draw.outer_forehead(), 2.2),
        4: draw.lines(draw.glabella(), 2.8)
        + 0.6 * draw.lines(draw.forehead(((-0.06, 0), (-0.085, 0)), 0.08), 2.0),
        6: draw.lines(draw.crows_feet(), 1.9) + 0.7 * draw.lines(draw.under_eyes((0.075, 0.10)), 2),
        7: 0.6 * draw.lines(draw.under_eyes((0.075,)), 2.0),
        9: draw.lines(draw.nose_sides(), 1.9),
        10: draw.lines([fold[:12] for fold in folds], 3.2),
        12: draw.lines(folds, 3.2),
        14: draw.lines(draw.mouth_corners(0.03, 0.015, 0.0, 0.04), 2.6),
        15: draw.lines(draw.mouth_corners(0.03, 0.01, 0.06, 0.04), 2.6),
        17: draw.chin_dimples(),
        23: 0.7 * draw.lines(draw.lip_lines(9), 1.5),
        24: 0.5 * draw.lines(draw.lip_lines(5), 1.5)
        + 0.8 * draw.lines(draw.mouth_corners(0.02, 0.0, 0.0, 0.03), 2.4),
    }


class _Grooves:
    """Polylines in texels, in units of the brow span around the landmarks."""

    def __init__(self, chart: FaceChart) -> None:
        self.size = chart.size
        self.points = chart.landmarks
        self.unit = chart.brow_span
        self.middle = (chart.landmarks[21] + chart.landmarks[22]) / 2

    def lines(self, lines: list[np.ndarray], width: float) -> np.ndarray:
        drawn = draw_lines(self.size, lines, 1.0, max(1, int(width)))
        return -cv2.GaussianBlur(drawn, (0, 0), width * 0.8)

    def forehead(self, rows, span: float) -> list[np.ndarray]:
        t = np.linspace(-1, 1, 25)
        return [
            np.stack(
                [
                    self.middle[0] + t * span * self.unit / 2,
                    self.middle[1] - height * self.unit + bend * t**2 * self.unit,
                ],
                axis=1,
            )
            for height, bend in rows
        ]

    def outer_forehead(self) -> list[np.ndarray]:
        t = np.linspace(-1, 1, 25)
        return [
            np.stack(
                [
                    self.middle[0] + side * (0.28 + 0.175 * (t + 1)) * self.unit * 0.9,
                    self.middle[1] - height * self.unit + 0.05 * (t + 0.3) ** 2 * self.unit,
                ],
                axis=1,
            )
            for side in (-1, 1)
            for height in (0.12, 0.175, 0.23)
        ]

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

    def crows_feet(self) -> list[np.ndarray]:
        reach = np.linspace(0.03, 0.14, 8) * self.unit
        lines = []
        for corner, side in ((36, -1), (45, 1)):
            for angle in np.deg2rad((-28, -8, 12, 32)):
                x = self.points[corner, 0] + side * reach * np.cos(angle)
                y = self.points[corner, 1] + reach * np.sin(angle) + 0.002 * reach**1.5
                lines.append(np.stack([x, y], axis=1))
        return lines

    def under_eyes(self, drops) -> list[np.ndarray]:
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
        return [
            np.stack(
                [
                    self.points[corner, 0] + side * (out + bulge * (1 - t**2)) * self.unit,
                    self.points[corner, 1] + (drop + half * t) * self.unit,
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
