"""One person: head shape, skin, and how strongly each muscle moves them."""

from dataclasses import dataclass

import numpy as np

from lgrnet.faces.action_units import FACE_AUS
from lgrnet.faces.chart import FaceChart, make_chart
from lgrnet.faces.rig import Part, Rig
from lgrnet.faces.skin import Complexion, Skin, paint_skin, sample_complexion
from lgrnet.faces.wrinkles import wrinkle_maps

_SHAPE_SPREAD = 0.85  # of the modes' standard deviation: 1 gives too many odd heads
_RESTING_GAP = 0.02  # cm between the lips of a resting mouth
_INNER_LIPS = ((61, 67), (62, 66), (63, 65))


@dataclass(frozen=True, eq=False)
class Studio:
    """A rig with everything that is derived from it once and shared by all people.

    Attributes:
        rig: The face rig.
        chart: Its texture chart.
        wrinkles: AU → bump map.
        eyeballs: Vertices of each eyeball.
        lids: Facial vertices near each eyeball, which must stay outside it.
        shadow_casters: Triangles of face and head.
    """

    rig: Rig
    chart: FaceChart
    wrinkles: dict[int, np.ndarray]
    eyeballs: tuple[np.ndarray, np.ndarray]
    lids: tuple[np.ndarray, np.ndarray]
    shadow_casters: np.ndarray


def open_studio(rig: Rig) -> Studio:
    """Derive what all people share; takes about a second."""
    chart = make_chart(rig)
    eyeballs = tuple(rig.vertices_of(part) for part in (Part.LEFT_EYE, Part.RIGHT_EYE))
    facial = rig.vertex_part == Part.FACE
    lids = []
    for eyeball in eyeballs:
        middle = rig.vertices[eyeball].mean(0) - np.array([0, 0, 0.8])
        near = np.linalg.norm(rig.vertices - middle, axis=1) < 2.6
        lids.append(np.flatnonzero(facial & near))
    return Studio(
        rig=rig,
        chart=chart,
        wrinkles=wrinkle_maps(chart),
        eyeballs=eyeballs,
        lids=tuple(lids),
        shadow_casters=np.ascontiguousarray(rig.triangles[rig.part < Part.MOUTH_SOCKET]),
    )


@dataclass(frozen=True, eq=False)
class Identity:
    """One person.

    Attributes:
        vertices: Resting head, (V, 3) float32, cm.
        eye_centres: (2, 3), cm.
        eye_radii: (2,), cm.
        gain: How far each expression shape moves this person, (S,) around 1.
        wrinkling: AU → depth of its wrinkles.
        pupil: Pupil radius over iris radius.
        complexion: Colours.
        skin: Painted materials.
    """

    vertices: np.ndarray
    eye_centres: np.ndarray
    eye_radii: np.ndarray
    gain: np.ndarray
    wrinkling: dict[int, float]
    pupil: float
    complexion: Complexion
    skin: Skin


def make_identity(studio: Studio, seed: int) -> Identity:
    """Draw a person; the same seed gives the same person.

    Args:
        studio: The rig and what is derived from it.
        seed: Number of the person.

    Returns:
        The person.
    """
    rig = studio.rig
    rng = np.random.default_rng([77, seed])
    weights = rng.normal(0, _SHAPE_SPREAD, len(rig.identity)).astype(np.float32)
    vertices = rig.vertices + (weights @ rig.identity).reshape(-1, 3)
    # Identity modes part some people's lips, which would read as AU 25 at rest.
    jaw = rig.shape("jawOpen")
    gap = _lip_gap(vertices, rig) - _RESTING_GAP
    vertices = vertices - jaw * (gap / _lip_gap(jaw, rig))
    spheres = [_fit_sphere(vertices[eyeball]) for eyeball in studio.eyeballs]
    age = rng.uniform(0, 1)
    complexion = sample_complexion(rng)
    depth = 1.2 + 2.2 * age
    return Identity(
        vertices=vertices.astype(np.float32),
        eye_centres=np.array([centre for centre, _ in spheres]),
        eye_radii=np.array([radius for _, radius in spheres]),
        gain=rng.normal(1, 0.12, len(rig.shapes)).clip(0.7, 1.3).astype(np.float32),
        wrinkling={au: depth * rng.uniform(0.3, 1.6) for au in FACE_AUS},
        pupil=rng.uniform(0.3, 0.5),
        complexion=complexion,
        skin=paint_skin(rng, rig, studio.chart, complexion, age),
    )


def _lip_gap(vertices: np.ndarray, rig: Rig) -> float:
    """Measure the mean height between the inner lips, cm."""
    points = vertices[rig.landmarks68]
    return float(np.mean([points[a, 1] - points[b, 1] for a, b in _INNER_LIPS]))


def _fit_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit centre and radius by least squares."""
    points = points.astype(np.float64)
    system = np.hstack([2 * points, np.ones((len(points), 1))])
    x, y, z, rest = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    centre = np.array([x, y, z])
    return centre, float(np.sqrt(rest + centre @ centre))
