"""One person: head shape, skin, and how strongly each muscle moves them."""

from dataclasses import dataclass

import numpy as np

from lgrnet.faces.drawing.canvas import Overlay
from lgrnet.faces.head.rig import Part, Rig
from lgrnet.faces.person.chart import FaceChart, make_chart
from lgrnet.faces.person.glasses import sample_glasses
from lgrnet.faces.person.hair import sample_hair
from lgrnet.faces.person.lashes import sample_lashes
from lgrnet.faces.person.marks import skin_parts
from lgrnet.faces.person.resting import resting_offset
from lgrnet.faces.person.skin import Complexion, Skin, paint_skin, sample_complexion
from lgrnet.faces.person.strain import facial_triangles
from lgrnet.faces.person.wrinkles import Grooves, WrinkleMaker, wrinkle_maker

_SHAPE_SPREAD = 0.7  # of the modes' standard deviation, see lgrnet.faces.person.resting
_RESTING_GAP = 0.02  # cm between the lips of a resting mouth
_WIDER_GAP = 0.12  # cm more, at most, where resting faces spread twice as far
_WEAR_GLASSES = 0.22  # share of people
_LID_CLEARANCE = 0.10  # cm between eyeball and lid
_INNER_LIPS = ((61, 67), (62, 66), (63, 65))


@dataclass(frozen=True, eq=False)
class Studio:
    """A rig with everything that is derived from it once and shared by all people.

    Attributes:
        rig: The face rig.
        chart: Its texture chart.
        wrinkles: Makes people's wrinkles.
        parts: Part of the skin → how far each vertex belongs to it, (V,) float32.
        skin_triangles: Triangles whose strain folds the skin, (F, 3) int32.
        eyeballs: Vertices of each eyeball.
        lids: Facial vertices near each eyeball, which must stay outside it.
        shadow_casters: Triangles of face and head.
    """

    rig: Rig
    chart: FaceChart
    wrinkles: WrinkleMaker
    parts: dict[str, np.ndarray]
    skin_triangles: np.ndarray
    eyeballs: tuple[np.ndarray, np.ndarray]
    lids: tuple[np.ndarray, np.ndarray]
    shadow_casters: np.ndarray


def open_studio(rig: Rig) -> Studio:
    """Derive what all people share; takes about a second."""
    chart = make_chart(rig)
    left, right = rig.vertices_of(Part.LEFT_EYE), rig.vertices_of(Part.RIGHT_EYE)
    return Studio(
        rig=rig,
        chart=chart,
        wrinkles=wrinkle_maker(chart),
        parts=skin_parts(chart, rig.uv),
        skin_triangles=facial_triangles(rig),
        eyeballs=(left, right),
        lids=(_lids(rig, left), _lids(rig, right)),
        shadow_casters=np.ascontiguousarray(rig.triangles[rig.part < Part.MOUTH_SOCKET]),
    )


def _lids(rig: Rig, eyeball: np.ndarray) -> np.ndarray:
    """Find the vertices of the face around an eyeball."""
    middle = rig.vertices[eyeball].mean(0) - np.array([0, 0, 0.8])
    near = np.linalg.norm(rig.vertices - middle, axis=1) < 2.6
    return np.flatnonzero((rig.vertex_part == Part.FACE) & near)


@dataclass(frozen=True, eq=False)
class Identity:
    """One person.

    Attributes:
        vertices: Resting head, (V, 3) float32, cm.
        eye_centres: (2, 3), cm.
        eye_radii: (2,), cm.
        gain: How far each expression shape moves this person, (S,) around 1.
        grooves: How the skin folds.
        pupil: Pupil radius over iris radius.
        complexion: Colours.
        skin: Painted materials.
        overlays: What the person always wears and has: lashes, glasses, long hair.
    """

    vertices: np.ndarray
    eye_centres: np.ndarray
    eye_radii: np.ndarray
    gain: np.ndarray
    grooves: Grooves
    pupil: float
    complexion: Complexion
    skin: Skin
    overlays: tuple[Overlay, ...] = ()


def make_identity(studio: Studio, seed: int, resting: float = 1.0, oldest: float = 1.0) -> Identity:
    """Draw a person; the same seed gives the same person.

    Args:
        studio: The rig and what is derived from it.
        seed: Number of the person.
        resting: How far resting faces spread, see :func:`resting_offset`; above 1 the lips of some
            are also a little apart at rest, too little for AU 25.
        oldest: How old the skin may be, from 0 (a child's) to 1. A person drawn with less has
            younger skin on the same head.

    Returns:
        The person.
    """
    rig = studio.rig
    rng = np.random.default_rng([77, seed])
    weights = rng.normal(0, _SHAPE_SPREAD, len(rig.identity)).astype(np.float32)
    vertices = rig.vertices + (weights @ rig.identity).reshape(-1, 3)
    vertices = vertices + resting_offset(rng, rig, resting)
    # Identity modes part some people's lips, which would read as AU 25 at rest.
    jaw = rig.shape("jawOpen")
    wider = max(0.0, resting - 1) * _WIDER_GAP * np.random.default_rng([78, seed]).uniform()
    gap = _lip_gap(vertices, rig) - _RESTING_GAP - wider
    vertices = vertices - jaw * (gap / _lip_gap(jaw, rig))
    spheres = [_fit_sphere(vertices[eyeball]) for eyeball in studio.eyeballs]
    for lid, (centre, radius) in zip(studio.lids, spheres, strict=True):
        clear_of_eye(vertices, lid, centre, radius)
    age = oldest * rng.uniform(0, 1)
    complexion = sample_complexion(rng)
    hair = sample_hair(rng, complexion)
    depth = 0.15 + 3.25 * age  # young skin hardly creases
    return Identity(
        vertices=vertices.astype(np.float32),
        eye_centres=np.array([centre for centre, _ in spheres]),
        eye_radii=np.array([radius for _, radius in spheres]),
        gain=rng.normal(1, 0.12, len(rig.shapes)).clip(0.7, 1.3).astype(np.float32),
        grooves=studio.wrinkles.person(rng, depth, age),
        pupil=rng.uniform(0.3, 0.5),
        complexion=complexion,
        skin=paint_skin(rng, rig, studio.chart, complexion, hair, age),
        overlays=(
            hair,
            sample_lashes(rng, complexion.masculine, complexion.hair),
            *([sample_glasses(rng)] if rng.random() < _WEAR_GLASSES else []),
        ),
    )


def clear_of_eye(vertices: np.ndarray, lid: np.ndarray, centre: np.ndarray, radius: float) -> None:
    """Push lid vertices that lie inside an eyeball out of it, in place.

    Args:
        vertices: (V, 3), cm.
        lid: Indices of the vertices near this eye.
        centre: Of the eyeball, (3,), cm.
        radius: Of the eyeball, cm.
    """
    from_centre = vertices[lid] - centre
    distance = np.linalg.norm(from_centre, axis=1)
    in_front = from_centre[:, 2] > 0.25 * radius
    push = np.where(in_front, np.maximum(1, (radius + _LID_CLEARANCE) / distance), 1)
    vertices[lid] = centre + from_centre * push[:, None]


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
