"""What muscles draw on the skin over them: the furrows and bulges by which FACS tells an AU.

Blend shapes move the skin as one smooth sheet, and how far they squeeze it says little about where
it folds: the rig's lowered brows squeeze the upper forehead, which no frown does. So what the FACS
manual (Ekman, Friesen and Hager, 2002) lists as changes of appearance due to an AU is drawn as
relief and shows as far as the AU acts. How deep it is differs between people and with age. AU 6 has
a module of its own (:mod:`lgrnet.faces.person.cheeks`).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lgrnet.faces.person.chart import FaceChart, draw_lines, soften
from lgrnet.faces.person.creases import Crease

INNER_FOREHEAD, OUTER_FOREHEAD, GLABELLA, CHEEK, MOUTH_CORNER, CHIN = (
    *("inner forehead", "outer forehead", "glabella", "cheek", "mouth corner", "chin"),
)
"""Parts of the skin, each with marks of its own, that pass into one another softly."""

_FOREHEAD, _FROWN, _HEADS = 9.0, 5.0, 6.0
_PIT, _BEHIND = 8.0, 6.0
_PEBBLES, _BOSS, _UNDER_LIP = 4.5, 10.0, 6.0
"""Heights of the relief in bump units, of 0.4 mm."""


class Marks(NamedTuple):
    """Relief of everybody's muscles at full action, (S, S) float32 bump heights.

    Attributes:
        forehead: Furrows across the forehead (frontalis).
        glabella: Lines between the brows and the bulge of their heads (corrugator).
        corner: A crescent beside the corner of the mouth and the bulge behind it (buccinator).
        chin: The boss that rises, its dimples, and the crease under the lower lip (mentalis).
    """

    forehead: np.ndarray
    glabella: np.ndarray
    corner: np.ndarray
    chin: np.ndarray


def draw_marks(chart: FaceChart, creases: Mapping[str, Crease]) -> Marks:
    """Draw the marks.

    Args:
        chart: The face's texture chart.
        creases: Those that are deepened: ``"forehead"``, ``"glabella"``, ``"chin"``.

    Returns:
        The relief.
    """
    unit, points = chart.brow_span, chart.landmarks
    brow_heads = points[[21, 22]] + np.array([(0.01, -0.03), (-0.01, -0.03)]) * unit
    boss = (points[57] + points[8]) / 2 - (0, 0.01 * unit)
    beside = points[[48, 54]] + np.array([(-0.12, 0.0), (0.12, 0.0)]) * unit
    return Marks(
        forehead=_FOREHEAD * creases["forehead"].pattern,
        glabella=_FROWN * creases["glabella"].pattern + _HEADS * _blobs(chart, brow_heads, 0.045),
        corner=_BEHIND * _blobs(chart, beside, 0.06) - _PIT * _crescents(chart),
        chin=_PEBBLES * creases["chin"].pattern
        + _BOSS * _blobs(chart, boss[None], 0.09)
        - _UNDER_LIP * _under_lip(chart),
    )


def person_marks(rng: np.random.Generator, marks: Marks, depth: float) -> np.ndarray:
    """Draw the marks of a person.

    Args:
        rng: Source of randomness.
        marks: Everybody's.
        depth: How deep this skin folds, from about 0 to 3.4.

    Returns:
        (S, S) float32, bump heights at full action of all muscles.
    """
    folds = 0.6 + 0.5 * depth
    return (
        rng.uniform(0.1, 1.6) * folds * marks.forehead
        + rng.uniform(0.3, 1.5) * folds * marks.glabella
        + rng.uniform(0.2, 1.0) * marks.corner
        + rng.uniform(0.4, 1.0) * marks.chin
    ).astype(np.float32)


def skin_parts(chart: FaceChart, uv: np.ndarray) -> dict[str, np.ndarray]:
    """Tell how far each vertex belongs to each part of the skin.

    Args:
        chart: The face's texture chart.
        uv: Texture coordinates, (V, 2) float32, v up.

    Returns:
        Part → (V,) float32 in [0, 1]; the parts of a vertex sum up to at most 1.
    """
    unit, points = chart.brow_span, chart.landmarks
    across = np.abs(uv[:, 0] * chart.size - points[27, 0]) / unit
    down = (1 - uv[:, 1]) * chart.size / unit

    def below(height: float) -> np.ndarray:
        return np.clip((down - height / unit) / 0.04 + 0.5, 0, 1)

    brows = points[[19, 24], 1].mean()
    corners = points[[48, 54], 1].mean()
    face = below(brows - 0.04 * unit)
    mouth = below((points[33, 1] + corners) / 2)
    chin = below(points[57, 1] + 0.01 * unit) * np.clip((0.24 - across) / 0.06, 0, 1)
    aside = np.clip((across - 0.12) / 0.04, 0, 1)
    inner = np.exp(-((across / 0.22) ** 2))
    middle = np.clip((0.14 - across) / 0.05, 0, 1) * (1 - below(points[28, 1]))
    return {
        INNER_FOREHEAD: ((1 - face) * inner).astype(np.float32),
        OUTER_FOREHEAD: ((1 - face) * (1 - inner)).astype(np.float32),
        GLABELLA: (face * (1 - mouth) * middle).astype(np.float32),
        CHEEK: (face * (1 - mouth) * (1 - middle)).astype(np.float32),
        MOUTH_CORNER: (mouth * (1 - chin) * aside).astype(np.float32),
        CHIN: (mouth * chin).astype(np.float32),
    }


def _blobs(chart: FaceChart, centres: np.ndarray, radius: float) -> np.ndarray:
    """Draw round hills of height 1; their radius is in brow spans."""
    row, column = np.mgrid[: chart.size, : chart.size].astype(np.float32)
    total = np.zeros((chart.size, chart.size), np.float32)
    for x, y in centres:
        total += np.exp(-((column - x) ** 2 + (row - y) ** 2) / (radius * chart.brow_span) ** 2)
    return total


def _crescents(chart: FaceChart) -> np.ndarray:
    """Draw a crescent outside each corner of the mouth, bent around it, of height 1."""
    t = np.linspace(-1, 1, 15)
    lines = []
    for corner, side in ((48, -1), (54, 1)):
        bent = np.stack([side * (0.06 - 0.02 * t**2), 0.065 * t - 0.005], axis=1)
        lines.append(chart.landmarks[corner] + bent * chart.brow_span)
    return soften(draw_lines(chart.size, lines, 1.0, 2), 2.2)


def _under_lip(chart: FaceChart) -> np.ndarray:
    """Draw the crease between lower lip and chin, arched around the chin, of height 1."""
    t = np.linspace(-1, 1, 21)
    arch = np.stack([0.13 * t, 0.045 + 0.05 * t**2], axis=1)
    line = chart.landmarks[57] + arch * chart.brow_span
    return soften(draw_lines(chart.size, [line], 1.0, 2), 3.0)
