"""What a face does at one moment, and the geometry that results."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lgrnet.faces.drawing.camera import rotation
from lgrnet.faces.head.rig import Rig
from lgrnet.faces.motion.action_units import AU_SHAPES, DISTRACTORS, MARKS, PRESENT_FROM
from lgrnet.faces.person.identity import Identity, Studio, clear_of_eye

_ONE_SIDED = 0.12  # of active AUs
_FOR_THE_CAMERA = 0.4  # of smiles and raised cheeks: with eyes that stay open
_LOOKS_DOWN = 0.2  # of pictures: at a keyboard, a phone, the floor
_NARROWEST = 0.35  # of the resting eye's opening: as far as AU 6 and 7 narrow it together
_MIDDLE = 1.2  # cm over which the one half of the face passes into the other
_LIDS = {"R": ((37, 38), (41, 40)), "L": ((43, 44), (47, 46))}  # upper, lower landmarks


@dataclass(frozen=True)
class Expression:
    """A moment of a face.

    Attributes:
        intensity: AU → intensity in [0, 1].
        extra: Unlabelled expression shapes → weight (names may lack ``_L``/``_R``).
        lean: By shape, how much weaker one side is than the other, as a share in [-1, 1]: the
            right one if positive, the left one if negative.
        gaze: Horizontal and vertical eye rotation, radians.
    """

    intensity: Mapping[int, float] = field(default_factory=dict)
    extra: Mapping[str, float] = field(default_factory=dict)
    lean: Mapping[str, float] = field(default_factory=dict)
    gaze: tuple[float, float] = (0.0, 0.0)


def sample_expression(rng: np.random.Generator, intensity: Mapping[int, float]) -> Expression:
    """Add to given AU intensities what else a face does: blinks, distractors, asymmetry, gaze.

    A blink (FACS's AU 45) counts as AU 43: one picture does not tell how long the eyes are closed.
    """
    intensity, extra = dict(intensity), dict[str, float]()
    if rng.random() < 0.08 and 5 not in intensity:
        intensity[43] = max(intensity.get(43, 0.0), rng.uniform(0.3, 1))
    for name in DISTRACTORS:
        if rng.random() < 0.05:
            extra[name] = rng.uniform(0.05, 0.3)
    smiles = max(intensity.get(6, 0.0), intensity.get(12, 0.0)) >= PRESENT_FROM
    if smiles and rng.random() < _FOR_THE_CAMERA:
        # Less than AU 5 is; raised cheeks then show below the eye, not by its narrowing.
        extra["eyeWide"] = rng.uniform(0, 0.3)
        extra["eyeSquint"] = -rng.uniform(0, 0.7) * intensity.get(6, 0.0)
    lean: dict[str, float] = {}
    for au in intensity:
        # Faces are never quite even, and now and then one side acts alone.
        weaker = rng.uniform(-1, 1) if rng.random() < _ONE_SIDED else rng.normal(0, 0.1)
        lean |= dict.fromkeys(AU_SHAPES[au], float(np.clip(weaker, -1, 1)))
    # The lids follow a gaze that is lowered, which is neither AU 7 nor 43, and no sign of AU 6.
    up = -rng.uniform(0.15, 0.5) if rng.random() < _LOOKS_DOWN else rng.normal(0, 0.10)
    return Expression(intensity, extra, lean, (rng.normal(0, 0.16), up))


def _keep_eyes_open(
    rig: Rig, person: Identity, weights: np.ndarray, closing: Mapping[str, float]
) -> None:
    """Let raised cheeks and tightened lids narrow the eyes, not close them, which is AU 43.

    Blend shapes add up, and those of AU 6 and 7 together would close the eyes of most people.
    """
    for side, (upper, lower) in _LIDS.items():
        blink = rig.shapes[f"eyeBlink_{side}"]
        top, bottom = rig.landmarks68[list(upper)], rig.landmarks68[list(lower)]
        rest = person.vertices[top, 1].mean() - person.vertices[bottom, 1].mean()
        heights = rig.expression.reshape(len(weights), -1, 3)
        opens = heights[:, top, 1].mean(1) - heights[:, bottom, 1].mean(1)  # by every shape
        wanted = _NARROWEST * rest * (1 - min(1.0, closing[side]))
        missing = wanted - (rest + weights @ opens)
        if missing > 0 and opens[blink] < 0:
            weights[blink] += missing / opens[blink]


def drawn_marks(studio: Studio, person: Identity, expression: Expression) -> np.ndarray:
    """Tell how far muscles draw their marks on the skin.

    Args:
        studio: The rig and what is derived from it.
        person: Whose face.
        expression: What it does.

    Returns:
        (V,) float32, about 1 where a muscle acts as far as it can.
    """
    rig = studio.rig
    left = np.clip(rig.vertices[:, 0] / _MIDDLE + 0.5, 0, 1)
    total = np.zeros(len(rig.vertices), np.float32)
    main = {au: next(iter(shapes)) for au, shapes in AU_SHAPES.items()}
    for part, aus in MARKS.items():
        own = main[next(iter(aus))]
        sides = []
        for side, sign in (("L", 1), ("R", -1)):
            drawn = 0.0
            for au, share in aus.items():
                weaker = min(1.0, 1 + sign * expression.lean.get(main[au], 0.0))
                drawn += share * expression.intensity.get(au, 0.0) * weaker
            shape = rig.shapes[own if own in rig.shapes else f"{own}_{side}"]
            sides.append(drawn * person.gain[shape])
        total += studio.parts[part] * (sides[0] * left + sides[1] * (1 - left)).astype(np.float32)
    return total


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
        weights[rig.shapes[f"{name}_L"]] += weight * min(1, 1 + lean)
        weights[rig.shapes[f"{name}_R"]] += weight * min(1, 1 - lean)

    for au, intensity in expression.intensity.items():
        for name, weight in AU_SHAPES[au].items():
            add(name, weight * intensity)
    for name, weight in expression.extra.items():
        add(name, weight)
    across, up = expression.gaze
    add("eyeLookUp" if up > 0 else "eyeLookDown", 1.8 * abs(up))  # the lids follow the gaze
    closing = {side: weights[rig.shapes[f"eyeBlink_{side}"]] for side in "LR"}
    weights *= person.gain
    _keep_eyes_open(rig, person, weights, closing)

    used = np.flatnonzero(weights)
    vertices = person.vertices + (weights[used] @ rig.expression[used]).reshape(-1, 3)
    turn = rotation(across, -up, 0).T
    for eye in range(2):
        centre, radius = person.eye_centres[eye], person.eye_radii[eye]
        # Blend shapes move eyeballs along straight lines; they turn instead.
        ball = studio.eyeballs[eye]
        vertices[ball] = (person.vertices[ball] - centre) @ turn + centre
        clear_of_eye(vertices, studio.lids[eye], centre, radius)
    return vertices.astype(np.float32)
