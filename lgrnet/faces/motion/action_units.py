"""Action units as blend shapes: how each AU moves the rig at full intensity.

Shape names are ARKit's, as ICT-FaceKit has them; a name without ``_L`` or ``_R`` moves both sides.
Where ICT-FaceKit's own mapping is too weak to see or shows another AU, ours differs: AU 10 is
mostly ``mouthUpperUp``; AU 1, 2, 4, 5, 6, 7, 15, 17, 20, 23 and 24 are driven past 1, for at 1 they
drown in the identity's shape. ``cheekSquint`` and ``cheekRaiser`` push the lower lid up farther
than AU 7 does, so AU 6 takes some of that back: it narrows the eye from below, but above all it
raises the cheek. What the rig does not have, such as the cheek that bulges below the lid and
the lines of a frown, is relief, see :data:`MARKS`.
"""

from lgrnet.faces.person.marks import (
    CHEEK,
    CHIN,
    GLABELLA,
    INNER_FOREHEAD,
    MOUTH_CORNER,
    OUTER_FOREHEAD,
)

AU_SHAPES: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 1.55},
    2: {"browOuterUp": 1.45},
    4: {"browDown": 1.45, "eyeSquint": 0.1},
    5: {"eyeWide": 1.8},
    6: {"cheekSquint": 0.9, "cheekRaiser": 0.9, "eyeSquint": -0.3},
    7: {"eyeSquint": 1.45, "eyeBlink": 0.18},
    9: {"noseSneer": 1.0, "browDown": 0.15},
    10: {"mouthUpperUp": 0.75, "mouthShrugUpper": 0.2, "noseSneer": 0.08},
    12: {"mouthSmile": 1.0},
    14: {"mouthDimple": 1.0},
    15: {"mouthFrown": 1.55},
    17: {"mouthShrugLower": 1.1, "mouthShrugUpper": -0.12},
    20: {"mouthStretch": 1.4},
    23: {"mouthRollUpper": 0.6, "mouthRollLower": 0.6, "mouthPucker": 0.9},
    24: {"mouthPress": 1.9, "mouthRollUpper": 0.2, "mouthRollLower": 0.2, "mouthShrugLower": 0.25},
    25: {"mouthLowerDown": 0.55, "mouthUpperUp": 0.12, "jawOpen": 0.06},
    26: {"jawOpen": 0.38},
    28: {"mouthRollUpper": 0.85, "mouthRollLower": 0.95, "jawOpen": 0.05, "mouthClose": 0.05},
    43: {"eyeBlink": 1.0},
}
"""AU → shape → weight at intensity 1, the shape that the AU is known by first."""

FACE_AUS: tuple[int, ...] = tuple(sorted(AU_SHAPES))
"""The AUs that the renderer labels."""

MARKS: dict[str, dict[int, float]] = {
    INNER_FOREHEAD: {1: 1.0},
    OUTER_FOREHEAD: {2: 1.0},
    GLABELLA: {4: 1.0, 9: 0.2},
    CHEEK: {6: 1.0, 9: 0.15, 12: 0.15},
    MOUTH_CORNER: {14: 1.0, 12: 0.15},
    CHIN: {17: 1.0, 24: 0.2, 15: 0.1},
}
"""Part of the skin → AU → how far it draws its marks there at intensity 1, see
:mod:`lgrnet.faces.person.marks`. A broad smile and a wrinkled nose do a little of what AU 6 does to
the cheek, without being it."""

DISTRACTORS: tuple[str, ...] = (
    *("mouthFunnel", "mouthPucker", "cheekPuff", "jawLeft", "jawRight"),
    *("mouthLeft", "mouthRight", "jawForward"),
)
"""Movements that carry no label here and must not be mistaken for one that does."""

PRESENT_FROM = 0.3
"""Intensity, in [0, 1], from which an AU is labelled present: where FACS's A ends and B begins, the
level from which DISFA's protocol calls an AU present."""
