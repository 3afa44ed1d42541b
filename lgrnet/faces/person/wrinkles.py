"""Wrinkles: where and how a person's skin folds when it is squeezed.

Three kinds of pattern. *Lines* are noise stretched along one direction, one texture for each of
four directions; which of them shows at a place, and how deep, is decided by the strain of the skin
there (:mod:`lgrnet.faces.person.strain`), so every movement of the face wrinkles it, labelled or
not.
*Folds* are where anatomy puts single deep creases (:mod:`lgrnet.faces.person.creases`); squeezed
skin deepens them too, and some are there at rest. *Marks* are what a muscle draws on the skin over
it, however far the rig squeezes it (:mod:`lgrnet.faces.person.marks`, and for AU 6
:mod:`lgrnet.faces.person.cheeks`).

Cheeks get no lines: the rig shortens their skin a lot where AU 6 and AU 12 lift it, while under
the real, thick and padded skin nothing folds, and a network takes such lines for what tells AU 6.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrnet.faces.person.chart import FaceChart
from lgrnet.faces.person.cheeks import bulge, caught_light, crows_feet, furrow
from lgrnet.faces.person.creases import Crease, creases_at_rest, draw_creases
from lgrnet.faces.person.marks import Marks, draw_marks, person_marks

DIRECTIONS = 4
"""Lines are drawn for skin squeezed along 0°, 45°, 90° and 135°, counted from u towards v."""

_PERIODS = ((30.0, 1.0), (13.0, 0.5))  # texels from line to line, and weight: lines and fine lines
_LENGTH = 5.0  # how many periods a line is long

_FOLDS_AT_LEAST = 1.2
"""Depth of folds in the smoothest skin: the youngest have no lines, but a nasolabial fold, where
the cheek's fat ends."""


@dataclass(frozen=True, eq=False)
class Grooves:
    """Patterns of one person, bump heights at full strain.

    Attributes:
        lines: (4, S, S) float32, for skin squeezed along each of :data:`DIRECTIONS`.
        folds: (S, S) float32.
        at_rest: Folds of the resting face, (S, S) float32, bump heights.
        marks: (S, S) float32, what muscles draw that act as far as they can; it bulges, too.
        mark_light: (S, S) float32, by what share that relief catches more light.
    """

    lines: np.ndarray
    folds: np.ndarray
    at_rest: np.ndarray
    marks: np.ndarray
    mark_light: np.ndarray


@dataclass(frozen=True, eq=False)
class WrinkleMaker:
    """What all people's wrinkles are made from; see :func:`wrinkle_maker`."""

    lines: np.ndarray  # (4, S, S) periodic
    creases: dict[str, Crease]
    folds: np.ndarray
    middle: float  # of the face, a column of the texture
    bulge: np.ndarray
    furrow: np.ndarray
    crows_feet: np.ndarray
    marks: Marks
    unit: float  # span of the brows, texels
    soft: np.ndarray  # (S, S) in [0, 1]: where lines may fold: neither lips and lids nor cheeks

    def person(self, rng: np.random.Generator, depth: float, age: float) -> Grooves:
        """Draw a person's patterns.

        Args:
            rng: Source of randomness.
            depth: How deep this skin folds.
            age: From 0 to 1.

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
        own, still, other = rng.spawn(3)  # leaves what is drawn after the wrinkles as it was
        # Cheekbones lie higher or lower under the eyes.
        cheeks = own.uniform(0.5, 1.25) * np.roll(self.bulge, own.integers(-3, 7), 0)
        cheeks += own.uniform(0.5, 1.4) * self.furrow
        marks = cheeks + person_marks(other, self.marks, depth)
        return Grooves(
            lines=lines * (strength * self.soft),
            folds=share * max(depth, _FOLDS_AT_LEAST) * self.folds,
            at_rest=creases_at_rest(still, self.middle, self.creases, age),
            marks=marks + depth * own.uniform(0.3, 1.3) * self.crows_feet,
            mark_light=caught_light(marks, self.unit),
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
    creases = draw_creases(chart)
    return WrinkleMaker(
        lines=lines,
        creases=creases,
        folds=np.sum([each.squeezed * each.pattern for each in creases.values()], axis=0),
        middle=float(chart.landmarks[27, 0]),
        bulge=bulge(chart),
        furrow=furrow(chart),
        crows_feet=crows_feet(chart),
        marks=draw_marks(chart, creases),
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
        cv2.fillPoly(mask, [np.array(outline).astype(np.int32)], 1.0)
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
