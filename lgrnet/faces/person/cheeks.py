"""What a raised cheek looks like below the eye: relief that shows as far as AU 6 acts.

The rig lifts the cheek as one smooth sheet. A real cheek is pushed against the lower lid: its skin
bulges broadly, is cut off from the lid by a soft furrow that begins beside the nose, and at the
outer corner of the eye it gathers into crow's feet, which the skin of young people hardly does. So
the bulge, not the wrinkles, has to tell AU 6.
"""

import cv2
import numpy as np

from lgrnet.faces.person.chart import FaceChart, draw_lines, soften

_EYES = ((36, 39, -1), (45, 42, 1))  # landmarks of the outer and inner corner, and which way is out

_BULGE = 14.0
_FURROW = 7.0
_CROWS_FEET = 1.3
"""Heights of the relief in bump units, of 0.4 mm."""

_CAUGHT = 0.03
"""Share of the light that relief gains for every bump unit it stands out from its surroundings."""

_SPOKES = (-26, -12, 2, 16, 32)
"""Directions of the crow's feet, degrees below the horizontal."""


def bulge(chart: FaceChart) -> np.ndarray:
    """Draw the cheek that bulges below the lid, (S, S) float32 bump heights, ≥ 0.

    Args:
        chart: The face's texture chart.

    Returns:
        The relief of fully raised cheeks, steep towards the lid and fading out downwards.
    """
    high = _hang(chart, (0.0, 0.150), 0.195, (0.080, 0.130))
    low = _hang(chart, (0.035, 0.230), 0.275, (0.095, 0.190))
    steep = soften(draw_lines(chart.size, high, 1.0, 8), 0.045 * chart.brow_span)
    flat = soften(draw_lines(chart.size, low, 1.0, 8), 0.080 * chart.brow_span)
    return _BULGE * (0.8 * steep + 0.6 * flat)


def furrow(chart: FaceChart) -> np.ndarray:
    """Draw the furrow between lid and cheek, from the side of the nose, (S, S) float32, ≤ 0."""
    lines = _hang(chart, (-0.025, 0.030), 0.088, (0.045, 0.045))
    drawn = draw_lines(chart.size, lines, 1.0, 2)
    return -_FURROW * soften(drawn, 0.014 * chart.brow_span)


def caught_light(relief: np.ndarray, unit: float) -> np.ndarray:
    """Tell how much more light soft relief catches: hollows see less of the sky than ridges.

    Bump mapping turns normals only, so under an even sky, without this, nothing of it would show.

    Args:
        relief: Bump heights, (S, S).
        unit: Span of the brows, texels.

    Returns:
        (S, S) float32, a share of the light, negative in hollows.
    """
    around = cv2.GaussianBlur(relief, (0, 0), 0.08 * unit)
    return (_CAUGHT * (relief - around)).astype(np.float32)


def crows_feet(chart: FaceChart) -> np.ndarray:
    """Draw the creases that radiate from the outer corners of the eyes, (S, S) float32, ≤ 0."""
    lines = []
    reach = np.linspace(0.035, 0.15, 10)
    for outer, _, side in _EYES:
        x, y = chart.landmarks[outer]
        for index, angle in enumerate(np.deg2rad(_SPOKES)):
            far = reach * (1 - 0.18 * (index % 2))  # every other one is shorter
            # The upper ones bend up, the lower ones run down onto the cheek.
            down = far * np.sin(angle) + angle * far**2
            out = side * far * np.cos(angle)
            lines.append(np.stack([x + out * chart.brow_span, y + down * chart.brow_span], axis=1))
    return -_CROWS_FEET * cv2.GaussianBlur(draw_lines(chart.size, lines, 1.0, 2), (0, 0), 1.5)


def _hang(
    chart: FaceChart, inner: tuple[float, float], middle: float, outer: tuple[float, float]
) -> list[np.ndarray]:
    """Return one curve below each eye, through three places in units of the brow span.

    Args:
        chart: The face's texture chart.
        inner: Beginning, outwards and down from the inner corner of the eye.
        middle: How far the curve hangs below the middle of the eye.
        outer: End, outwards and down from the outer corner.
    """
    curves = []
    t = np.linspace(0, 1, 25)
    for outer_corner, inner_corner, side in _EYES:
        start = chart.landmarks[inner_corner] + np.multiply(inner, (side, 1)) * chart.brow_span
        end = chart.landmarks[outer_corner] + np.multiply(outer, (side, 1)) * chart.brow_span
        eye = (chart.landmarks[inner_corner] + chart.landmarks[outer_corner]) / 2
        sag = eye[1] + middle * chart.brow_span - (start[1] + end[1]) / 2
        x = start[0] * (1 - t) + end[0] * t
        y = start[1] * (1 - t) + end[1] * t + sag * (1 - (2 * t - 1) ** 2)
        curves.append(np.stack([x, y], axis=1))
    return curves
