"""A face rig made by code: 1100 vertices in the real rig's file format, units and places.

Tests render it where the real rig, which is derived from ICT-FaceKit, is not at hand. It is a bent
sheet with eye and mouth openings, two exact spheres for eyeballs, a mouth with teeth, and the back
of a head; expressions are smooth bumps in the right direction.
"""

from pathlib import Path

import numpy as np
from scipy.spatial import Delaunay

EYE_CENTRES = np.array([[3.12, 3.6, 8.04], [-3.12, 3.6, 8.04]])
"""Left and right eyeball, cm; left is the person's left, at positive x."""

EYE_RADIUS = 1.5

_LIP_LINE = -3.35  # y at which upper and lower lip part

# Left half of the 68 landmarks that have a mirror image, by index of the right one: x, y in cm.
_MIRRORED = {
    **{
        0: (7.3, 3.7),
        1: (7.2, 1.5),
        2: (6.9, -0.5),
        3: (6.5, -2.4),
        4: (5.7, -4.5),
        5: (4.3, -6.2),
    },
    **{6: (3.0, -6.9), 7: (1.5, -7.3)},
    **{17: (5.8, 5.2), 18: (4.9, 6.0), 19: (3.8, 6.3), 20: (2.4, 6.2), 21: (1.2, 5.9)},
    **{31: (1.2, -1.1), 32: (0.6, -1.15)},
    **{36: (4.5, 3.4), 37: (3.9, 3.9), 38: (2.8, 3.95), 39: (1.8, 3.25), 40: (2.7, 3.1)},
    **{41: (3.9, 3.1)},
    **{48: (2.5, -3.5), 49: (1.7, -2.8), 50: (0.7, -2.4), 59: (1.8, -4.1), 58: (1.0, -4.3)},
    **{60: (2.2, -3.45), 61: (1.0, -3.3), 67: (1.0, -3.4)},
}
_MIRROR_OF = {
    **{a: 16 - a for a in range(8)},
    **{a: 43 - a for a in range(17, 22)},
    **{31: 35, 32: 34, 36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46},
    **{48: 54, 49: 53, 50: 52, 59: 55, 58: 56, 60: 64, 61: 63, 67: 65},
}
_MIDDLE = {
    **{8: -7.6, 27: 3.7, 28: 2.6, 29: 1.6, 30: 0.4, 33: -1.2},
    **{51: -2.5, 57: -4.4, 62: -3.3, 66: -3.4},
}

# Shape → bumps of (centre, radius, displacement at weight 1, which lip or lid it moves), cm, on the
# person's left.
_SIDED = {
    "browInnerUp": [((1.6, 5.8), 1.6, (0.05, 0.6, 0), "all")],
    "browOuterUp": [((5.0, 5.8), 1.6, (0, 0.8, 0), "all")],
    "browDown": [((2.8, 6.0), 2.0, (-0.35, -0.45, 0.1), "all")],
    "cheekSquint": [((4.0, 1.0), 1.8, (0, 0.35, 0.25), "all")],
    "cheekRaiser": [((4.8, 0.8), 1.8, (0, 0.5, 0.25), "all")],
    "eyeSquint": [((3.2, 3.0), 0.8, (0, 0.3, 0.05), "all")],
    "eyeWide": [((3.3, 3.95), 0.8, (0, 0.2, 0), "upper lid")],
    "eyeBlink": [((3.3, 3.95), 0.9, (0, -0.85, 0), "upper lid")],
    "noseSneer": [((1.1, 0.3), 1.2, (0.05, 0.5, 0.1), "all")],
    "mouthUpperUp": [((1.0, -2.8), 1.0, (0, 0.6, 0.15), "upper lip")],
    "mouthSmile": [((2.5, -3.5), 1.3, (0.8, 0.95, -0.5), "all")],
    "mouthDimple": [((2.5, -3.5), 1.0, (0.35, 0.1, -0.4), "all")],
    "mouthFrown": [((2.5, -3.6), 1.1, (0.1, -0.6, -0.1), "all")],
    "mouthStretch": [((2.5, -3.7), 1.2, (0.7, -0.3, -0.3), "all")],
    "mouthPress": [((1.5, -3.35), 1.0, (0.1, 0, -0.25), "all")],
    "mouthLowerDown": [((1.0, -3.9), 1.0, (0, -0.7, 0.1), "lower lip")],
    "cheekPuff": [((4.5, -2.5), 1.8, (0.3, 0, 0.6), "all")],
    "eyeLookUp": [((3.3, 3.95), 0.8, (0, 0.35, -0.1), "upper lid")],
    "eyeLookDown": [((3.3, 3.95), 0.9, (0, -0.75, 0), "upper lid")],
    "eyeLookIn": [((3.3, 3.95), 0.8, (-0.2, 0, 0), "upper lid")],
    "eyeLookOut": [((3.3, 3.95), 0.8, (0.2, 0, 0), "upper lid")],
}
_WHOLE = {
    "mouthShrugUpper": [((0, -2.6), 1.6, (0, 0.25, 0.2), "upper lip")],
    "mouthShrugLower": [((0, -4.3), 1.8, (0, 0.55, 0.25), "lower lip")],
    "mouthPucker": [
        ((2.5, -3.5), 1.2, (-0.9, 0, 0.4), "all"),
        ((-2.5, -3.5), 1.2, (0.9, 0, 0.4), "all"),
    ],
    "mouthFunnel": [
        ((0, -2.6), 1.2, (0, 0.2, 0.6), "upper lip"),
        ((0, -4.2), 1.2, (0, -0.2, 0.6), "lower lip"),
    ],
    "mouthRollLower": [((0, -4.0), 1.4, (0, 0.25, -0.4), "lower lip")],
    "mouthRollUpper": [((0, -2.8), 1.4, (0, -0.2, -0.35), "upper lip")],
    "jawOpen": [((0, -6.0), 6.0, (0, -3.0, -1.2), "jaw")],
    "jawLeft": [((0, -6.0), 6.0, (0.9, 0, 0), "jaw")],
    "jawRight": [((0, -6.0), 6.0, (-0.9, 0, 0), "jaw")],
    "mouthLeft": [((0, -3.5), 2.5, (1.5, 0, 0.3), "all")],
    "mouthRight": [((0, -3.5), 2.5, (-1.5, 0, 0.3), "all")],
    "mouthClose": [((0, -3.9), 1.2, (0, 1.4, 0.5), "lower lip")],
    "jawForward": [((0, -6.0), 6.0, (0, 0, 0.9), "jaw")],
}


def build() -> dict[str, np.ndarray]:
    """Return the arrays of the rig file."""
    head = _Head()
    vertices, triangles, part = head.vertices, head.triangles, head.part
    names, expressions = [], []
    for name, bumps in _SIDED.items():
        mirrored = [((-x, y), r, (-dx, dy, dz), w) for (x, y), r, (dx, dy, dz), w in bumps]
        names += [f"{name}_L", f"{name}_R"]
        expressions += [head.displace(bumps), head.displace(mirrored)]
    for name, bumps in _WHOLE.items():
        names.append(name)
        expressions.append(head.displace(bumps))
    identity, identity_scale = _quantise(np.stack(head.identities()))
    expression, expression_scale = _quantise(np.stack(expressions))
    dark = np.isin(part, (2, 3, 4, 5))
    occlusion = np.full(len(vertices), 220, np.uint8)
    occlusion[triangles[dark].ravel()] = 60
    return {
        "V": vertices.astype(np.float32),
        "T": triangles.astype(np.uint16),
        "part": part,
        "uv": np.stack(
            [0.5 + vertices[:, 0] / 22, 0.5 + (vertices[:, 1] - 1.5) / 24], axis=1
        ).astype(np.float32),
        "lm": np.arange(68, dtype=np.int32),  # the landmarks are the first vertices of the face
        "ao": occlusion,
        "I": identity,
        "E": expression,
        "si": identity_scale,
        "se": expression_scale,
        "names": np.array(names),
    }  # fmt: skip


def write(path: Path) -> Path:
    """Write the rig file; returns its path."""
    np.savez_compressed(path, **build())
    return path


def landmark_plan() -> np.ndarray:
    """Return where the 68 landmarks are seen from the front, (68, 2), cm."""
    plan = np.zeros((68, 2))
    for index, (x, y) in _MIRRORED.items():
        # Landmarks are numbered from the image's left, which is the person's right.
        plan[index], plan[_MIRROR_OF[index]] = (-x, y), (x, y)
    for index, y in _MIDDLE.items():
        plan[index] = (0, y)
    return plan


class _Head:
    """Collects the pieces: vertices (V, 3), triangles (T, 3), part (T,)."""

    def __init__(self) -> None:
        self.vertices = np.empty((0, 3))
        self.triangles = np.empty((0, 3), int)
        self.part = np.empty(0, np.uint8)
        plan, triangles = _face_plan()
        face = np.column_stack([plan, _relief(plan)])
        self._add(0, _clear_of_eyes(face), triangles, lambda middle: middle * 0 + (0, 0, 1))
        self._sphere(1, (0, 1.5, 0), (8.3, 11.5, 9.0), np.linspace(60, 300, 13))
        self._mouth_bag()
        for outline, centre in ((range(42, 48), EYE_CENTRES[0]), (range(36, 42), EYE_CENTRES[1])):
            self._eye_socket(list(outline), centre)
        for low, high, depth, part in (
            *((-2.4, -1.8, 9.6, 4), (-4.9, -4.3, 9.6, 4)),
            *((-3.2, -2.4, 9.8, 5), (-4.3, -3.6, 9.8, 5)),
        ):
            self._strip(part, low, high, depth)
        for part, centre in zip((6, 7), EYE_CENTRES, strict=True):
            self._eyeball(part, centre)

    def displace(self, bumps) -> np.ndarray:
        """Sum bumps over face and mouth, (V, 3), cm; the eyes and the back of the head rest."""
        x, y, _ = self.vertices.T
        total = np.zeros_like(self.vertices)
        moving = np.zeros(len(x), bool)
        moving[self.triangles[np.isin(self.part, (0, 2, 4, 5))].ravel()] = True
        for (cx, cy), radius, delta, where in bumps:
            weight = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / radius**2)
            if where == "upper lid":
                weight = weight * np.clip((y - 3.3) / 0.4, 0, 1)
            elif where != "all":
                # The lips part sharply in the middle and are one at the corners.
                lower = np.clip((_LIP_LINE - y) / (0.04 + 2.5 * np.clip(x / 2.6, -1, 1) ** 2), 0, 1)
                weight = weight * (1 - lower if where == "upper lip" else lower)
            total += (weight * moving)[:, None] * np.array(delta)
        return total

    def identities(self) -> list[np.ndarray]:
        """Return five ways in which heads differ, (V, 3) each, cm."""
        at = self.vertices.copy()
        for part, centre in zip((6, 7), EYE_CENTRES, strict=True):
            at[self.triangles[self.part == part].ravel()] = centre  # so that eyeballs stay spheres
        x, y, _ = at.T
        zero = np.zeros_like(x)
        nose = np.exp(-((x / 1.3) ** 2) - ((y - 0.5) / 1.8) ** 2)
        brow = np.exp(-(((y - 5.8) / 1.2) ** 2))
        return [
            np.stack([0.03 * x, zero, zero], 1),
            np.stack([zero, 0.03 * y, zero], 1),
            np.stack([zero, zero, 0.3 * nose], 1),
            np.stack([0.05 * x * (y < -2), zero, zero], 1),
            np.stack([zero, zero, 0.25 * brow * (np.abs(x) < 6)], 1),
        ]

    def _add(self, part: int, vertices: np.ndarray, triangles: np.ndarray, outwards) -> None:
        """Append a piece, its triangles turned to agree with ``outwards(middle)``."""
        start = len(self.vertices)
        self._join(part, vertices, np.asarray(triangles) + start, outwards)

    def _join(self, part: int, vertices: np.ndarray, triangles: np.ndarray, outwards) -> None:
        self.vertices = np.concatenate([self.vertices, vertices])
        a, b, c = self.vertices[triangles].transpose(1, 0, 2)
        against = (np.cross(b - a, c - a) * outwards((a + b + c) / 3)).sum(1) < 0
        triangles = np.where(against[:, None], triangles[:, ::-1], triangles)
        self.triangles = np.concatenate([self.triangles, triangles])
        self.part = np.concatenate([self.part, np.full(len(triangles), part, np.uint8)])

    def _sphere(self, part: int, centre, radii, azimuth) -> None:
        """Add a part of an ellipsoid, azimuth in degrees from the front about the y axis."""
        polar, turn = np.meshgrid(np.deg2rad(np.linspace(3, 177, 11)), np.deg2rad(azimuth))
        unit = np.stack([np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)])
        vertices = unit.reshape(3, -1).T * radii + centre
        self._add(part, vertices, _quads(*polar.shape), lambda middle: middle - centre)

    def _eyeball(self, part: int, centre: np.ndarray) -> None:
        """Add the front of a sphere around the z axis."""
        off, turn = np.meshgrid(np.deg2rad(np.linspace(2, 105, 9)), np.linspace(0, 2 * np.pi, 17))
        unit = np.stack([np.sin(off) * np.cos(turn), np.sin(off) * np.sin(turn), np.cos(off)])
        vertices = unit.reshape(3, -1).T * EYE_RADIUS + centre
        self._add(part, vertices, _quads(*off.shape), lambda middle: middle - centre)

    def _mouth_bag(self) -> None:
        """Add a bag behind the lips, seen from inside."""
        centre = np.array([0, -3.4, 9.6])
        off, turn = np.meshgrid(np.deg2rad(np.linspace(90, 175, 5)), np.linspace(0, 2 * np.pi, 15))
        unit = np.stack([np.sin(off) * np.cos(turn), np.sin(off) * np.sin(turn), np.cos(off)])
        vertices = unit.reshape(3, -1).T * (2.6, 1.7, 4) + centre
        self._add(2, vertices, _quads(*off.shape), lambda middle: centre - middle)

    def _eye_socket(self, outline: list[int], centre: np.ndarray) -> None:
        """Add a rim from the lids, whose vertices are the face's, back to the eyeball."""
        start, count = len(self.vertices), len(outline)
        back = self.vertices[outline] - np.array([0, 0, 1.0])
        inner = start + np.arange(count)
        ahead = [*outline[1:], outline[0]]
        triangles = np.concatenate(
            [np.stack([outline, ahead, inner], 1), np.stack([ahead, np.roll(inner, -1), inner], 1)]
        )
        self._join(3, back, triangles, lambda middle: centre - middle)

    def _strip(self, part: int, low: float, high: float, depth: float) -> None:
        """Add a band of teeth or gums that follows the lips."""
        x, y = np.meshgrid(np.linspace(-2.2, 2.2, 9), [low, high], indexing="ij")
        vertices = np.stack([x, y, depth - 0.3 * x**2], -1).reshape(-1, 3)
        self._add(part, vertices, _quads(9, 2), lambda middle: middle * 0 + (0, 0, 1))


def _face_plan() -> tuple[np.ndarray, np.ndarray]:
    """Return the face's vertices seen from the front, landmarks first, and its triangles."""
    landmarks = landmark_plan()
    x, y = np.meshgrid(np.arange(-8, 8.01, 0.8), np.arange(-9, 12.01, 0.75))
    grid = np.stack([x.ravel(), y.ravel()], 1)
    outline = np.abs(grid[:, 0] / 8.1) ** 2.5 + np.abs((grid[:, 1] - 1.5) / 10.6) ** 2.5 < 1
    apart = np.linalg.norm(grid[:, None] - landmarks, axis=2).min(1) > 0.45
    eyes = np.abs([(grid - centre[:2]) / (1.3, 0.45) for centre in EYE_CENTRES])
    in_eye = ((eyes**2).sum(2) < 1).any(0)
    plan = np.concatenate([landmarks, grid[outline & apart & ~in_eye]])
    triangles = Delaunay(plan).simplices
    for opening in (range(36, 42), range(42, 48), range(60, 68)):
        triangles = triangles[~np.isin(triangles, list(opening)).all(1)]
    return plan, triangles


def _relief(plan: np.ndarray) -> np.ndarray:
    """Return how far the face stands out at (x, y), cm."""
    x, y = plan.T
    bend = 10.9 - 0.125 * x**2 - 0.04 * np.maximum(y - 6, 0) ** 2
    nose = 2.1 * np.exp(-((x / 1.1) ** 2) - ((y - 0.4) / 1.7) ** 2)
    lips = 0.6 * np.exp(-((x / 2.0) ** 2) - ((y + 3.4) / 1.0) ** 2)
    return bend + nose + lips


def _clear_of_eyes(face: np.ndarray) -> np.ndarray:
    """Push the lids out of the eyeballs."""
    for centre in EYE_CENTRES:
        away = face - centre
        distance = np.linalg.norm(away, axis=1, keepdims=True)
        face = centre + away * np.maximum(1, (EYE_RADIUS + 0.12) / distance)
    return face


def _quads(rows: int, columns: int) -> np.ndarray:
    """Return the triangles of a grid of vertices."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    return np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)


def _quantise(deltas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale = np.abs(deltas).max((1, 2))
    return np.rint(deltas / scale[:, None, None] * 127).astype(np.int8), scale.astype(np.float32)
