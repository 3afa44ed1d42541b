"""What a face does at one moment, and the geometry that results."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lgrnet.faces.action_units import AU_SHAPES, DISTRACTORS
from lgrnet.faces.camera import rotation
from lgrnet.faces.identity import Identity, Studio

_LID_CLEARANCE = 0.10  # cm between eyeball and lid


@dataclass(frozen=True)
class Expression:
    """A moment of a face.

    Attributes:
        intensity: AU → intensity in [0, 1].
        extra: Unlabelled expression shapes → weight (names may lack ``_L``/``_R``).
        lean: Share by which the left side is stronger than the right, by shape.
        gaze: Horizontal and vertical eye rotation, radians.
    """

    intensity: Mapping[int, float] = field(default_factory=dict)
    extra: Mapping[str, float] = field(default_factory=dict)
    lean: Mapping[str, float] = field(default_factory=dict)
    gaze: tuple[float, float] = (0.0, 0.0)


def sample_expression(rng: np.random.Generator, intensity: Mapping[int, float]) -> Expression:
    """Add what is not labelled to given AU intensities: blinks, distractors, asymmetry, gaze."""
    extra: dict[str, float] = {}
    if rng.random() < 0.08:
        extra["eyeBlink"] = rng.uniform(0.3, 1)
    for name in DISTRACTORS:
        if rng.random() < 0.05:
            extra[name] = rng.uniform(0.05, 0.3)
    names = {name for au in intensity for name in AU_SHAPES[au]}
    lean = {name: rng.normal(0, 0.08) for name in sorted(names)}
    return Expression(dict(intensity), extra, lean, (rng.normal(0, 0.16), rng.normal(0, 0.10)))


def pose_vertices(studio: Studio, person: Identity, expression: Expression) -> np.ndarray:
    """Move a person's head into an expression.

    Args:
        studio: The rig and what is derived from it.
        person: Whose head.
        expression: What it does.

    Returns:
        (V, 3) float32, cm, head axes, without the hair's thickness.
    """
    rig = studio.rig
    weights = np.zeros(len(rig.shapes), np.float32)

    def add(name: str, weight: float) -> None:
        if name in rig.shapes:
            weights[rig.shapes[name]] += weight
            return
        lean = expression.lean.get(name, 0.0)
        weights[rig.shapes[f"{name}_L"]] += weight * (1 + lean)
        weights[rig.shapes[f"{name}_R"]] += weight * (1 - lean)

    for au, intensity in expression.intensity.items():
        for name, weight in AU_SHAPES[au].items():
            add(name, weight * intensity)
    for name, weight in expression.extra.items():
        add(name, weight)
    across, up = expression.gaze
    add("eyeLookUp" if up > 0 else "eyeLookDown", 1.8 * abs(up))  # the lids follow the gaze
    weights *= person.gain

    used = np.flatnonzero(weights)
    vertices = person.vertices + (weights[used] @ rig.expression[used]).reshape(-1, 3)
    turn = rotation(across, -up, 0).T
    for eye in range(2):
        centre, radius = person.eye_centres[eye], person.eye_radii[eye]
        # Blend shapes move eyeballs along straight lines; they turn instead.
        ball = studio.eyeballs[eye]
        vertices[ball] = (person.vertices[ball] - centre) @ turn + centre
        lid = studio.lids[eye]
        from_centre = vertices[lid] - centre
        distance = np.linalg.norm(from_centre, axis=1)
        in_front = from_centre[:, 2] > 0.25 * radius
        push = np.where(in_front, np.maximum(1, (radius + _LID_CLEARANCE) / distance), 1)
        vertices[lid] = centre + from_centre * push[:, None]
    return vertices.astype(np.float32)
