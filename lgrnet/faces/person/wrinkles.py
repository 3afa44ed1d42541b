"""Wrinkles: where and how a person's skin folds when it is squeezed.

Three kinds of pattern. *Lines* are noise stretched along one direction, one texture for each of
four directions; which of them shows at a place, and how deep, is decided by the strain of the skin
there (:mod:`lgrnet.faces.person.strain`), so every movement of the face wrinkles it, labelled or
not.
*Folds* are where anatomy puts single deep creases (the forehead's furrows, the nasolabial fold,
under the eyes, beside the mouth, the dimpled chin); squeezed skin deepens them too. *Cheeks* are
what AU 6 does, other smiles a little (:mod:`lgrnet.faces.person.cheeks`).

Cheeks get no lines: the rig shortens their skin a lot where AU 6 and AU 12 lift it, while under
the real, thick and padded skin nothing folds, and a network takes such lines for what tells AU 6.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrnet.faces.person.chart import FaceChart, draw_lines
from lgrnet.faces.person.cheeks import bulge, caught_light, crows_feet, furrow

DIRECTIONS = 4
"""Lines are drawn for skin squeezed along 0°, 45°, 90° and 135°, counted from u towards v."""

_PERIODS = ((30.0, 1.0), (13.0, 0.5))  # texels from line to line, and weight: lines and fine lines
_LENGTH = 5.0  # how many periods a line is long

_FOREHEAD = 7.0
"""Depth of the forehead's furrows. The rig's raised brows shorten the forehead little, real ones
furrow it deeply: that is what tells raised brows (AU 1, 2) from brows that are high at rest."""


_FOLDS_AT_LEAST = 1.2
"""Depth of folds in the smoothest skin: the youngest have no lines, but their foreheads furrow too,
and the nasolabial fold is where the cheek's fat ends."""


@dataclass(frozen=True, eq=False)
class Grooves:
    """Patterns of one person, bump heights at full strain.

    Attributes:
        lines: (4, S, S) float32, for skin squeezed along each of :data:`DIRECTIONS`.
        folds: (S, S) float32.
        cheeks: (S, S) float32, of fully raised cheeks; the only one that also bulges.
        cheek_light: (S, S) float32, by what share the relief of the cheeks catches more light.
    """

    lines: np.ndarray
    folds: np.ndarray
    cheeks: np.ndarray
    cheek_light: np.ndarray


@dataclass(frozen=True, eq=False)
class WrinkleMaker:
    """What all people's wrinkles are made from; see :func:`wrinkle_maker`."""

    lines: np.ndarray  # (4, S, S) periodic
    folds: np.ndarray
    bulge: np.ndarray
    furrow: np.ndarray
    crows_feet: np.ndarray
    unit: float  # span of the brows, texels
    soft: np.ndarray  # (S, S) in [0, 1]: where lines may fold: neither lips and lids nor cheeks

    def person(self, rng: np.random.Generator, depth: float) -> Grooves:
        """Draw a person's patterns.

        Args:
            rng: Source of randomness.
            depth: How deep this skin folds.

        Returns:
            The patterns.
        """
        size = self.folds.shape[0]
        lines = np.empty_like(self.lines)
        for direction in range(DIRECTIONS):
            shift = tuple(rng.integers(0, size, 2).tolist())
            lines[direction] = np.roll(self.lines[direction], shift, (0, 1))
        strength = depth * rng.uniform(0.5, 1.5)
        share = rng.uniform(0.4, 1.4)
        own = rng.spawn(1)[0]  # leaves what is drawn after the wrinkles as it was
        # Cheekbones lie higher or lower under the eyes.
        cheeks = own.uniform(0.5, 1.25) * np.roll(self.bulge, own.integers(-3, 7), 0)
        cheeks += own.uniform(0.5, 1.4) * self.furrow
        return Grooves(
            lines=lines * (strength * self.soft),
            folds=share * max(depth, _FOLDS_AT_LEAST) * self.folds,
            cheeks=cheeks + depth * own.uniform(0.3, 1.3) * self.crows_feet,
            cheek_light=caught_light(cheeks, self.unit),
        )


def wrinkle_maker(chart: FaceChart) -> WrinkleMaker:
    """Make the patterns that people's wrinkles are drawn from.

    Args:
        chart: The face's texture chart.

    Returns:
        The maker.
    """
    rng = np.random.default_rng(11)  # the same for everybody; people shift and scale it
    lines = np.stack([_lines(rng, chart.size, 45.0 * each) for each in range(DIRECTIONS)])
    thin = np.maximum(chart.lips, np.maximum(*chart.lashes))
    near = cv2.GaussianBlur(cv2.dilate(thin, np.ones((5, 5))), (0, 0), 3)
    return WrinkleMaker(
        lines=lines,
        folds=_folds(chart),
        bulge=bulge(chart),
        furrow=furrow(chart),
        crows_feet=crows_feet(chart),
        unit=chart.brow_span,
        soft=(1 - np.clip(near, 0, 1)) * (1 - _cheek_mask(chart)),
    )


def _cheek_mask(chart: FaceChart) -> np.ndarray:
    """Mask the cheeks from below the eyes to the jaw, (S, S) float32 in [0, 1]."""
    unit, points = chart.brow_span, chart.landmarks
    mask = np.zeros((chart.size, chart.size), np.float32)
    for side, eye, nostril, corner in ((-1, (36, 39), 31, 48), (1, (45, 42), 35, 54)):
        outer, inner = points[list(eye)]
        outline = [
            inner + np.array([0, 0.12]) * unit,
            points[nostril] + np.array([side * 0.03, -0.02]) * unit,
            points[corner] + np.array([side * 0.01, -0.02]) * unit,
            points[corner] + np.array([side * -0.05, 0.06]) * unit,
            points[corner] + np.array([side * -0.12, 0.6]) * unit,
            outer + np.array([side * 0.6, 1.0]) * unit,
            outer + np.array([side * 0.6, 0.1]) * unit,
            outer + np.array([side * 0.1, 0.1]) * unit,
            (inner + outer) / 2 + np.array([0, 0.15]) * unit,
        ]
        cv2.fillPoly(mask, [np.int32(outline)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), 0.02 * unit)


def _lines(rng: np.random.Generator, size: int, angle: float) -> np.ndarray:
    """Draw periodic noise whose grooves run across a direction, (S, S) float32 in [-1, 0]."""
    row, column = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    turn = np.deg2rad(angle)
    along = np.abs(column * np.cos(turn) - row * np.sin(turn))  # v points up, rows down
    across = np.abs(column * np.sin(turn) + row * np.cos(turn))
    total = np.zeros((size, size), np.float32)
    for period, weight in _PERIODS:
        band = np.exp(-(((along * period - 1) / 0.35) ** 2) - (across * period * _LENGTH) ** 2)
        noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * band).real
        noise = noise / noise.std()
        # Skin bulges broadly between narrow grooves.
        total -= weight * np.clip(noise - 0.2, 0, 2).astype(np.float32) ** 1.5
    return total / -np.quantile(total, 0.002).astype(np.float32)


def _folds(chart: FaceChart) -> np.ndarray:
    """Draw the creases that anatomy places, (S, S) float32, ≤ 0."""
    draw = _Creases(chart)
    total = _FOREHEAD * draw.lines(draw.forehead(), 2.6)
    total += 0.9 * draw.lines(draw.under_eyes((0.075, 0.10)), 2.0)
    total += 1.2 * draw.lines(draw.glabella(), 2.6)
    total += 0.9 * draw.lines(draw.nose_sides(), 1.9)
    total += draw.lines(draw.nasolabial(), 3.2)
    total += 0.9 * draw.lines(draw.mouth_corners(0.03, 0.015, 0.02, 0.05), 2.4)
    total += 0.8 * draw.lines(draw.lip_lines(7), 1.5)
    return total + draw.chin_dimples()


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
