"""Glasses: rims, bridge and temples that hide and are hidden, lenses that tint and reflect.

They sit rigidly on nose and ears. Sizes are those of the boxing system (ISO 8624), as stamped on
frames: lenses 4.2 to 5.4 cm wide and 2.8 to 4.6 cm high, 1.6 to 2.2 cm apart.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.drawing.patch import Patch
from lgrnet.faces.drawing.raster import FAR
from lgrnet.faces.noise import fractal_noise

_POINTS = 48  # of a lens's outline
_PUPIL = 0.25  # cm that the pupils lie over the middle of the corners
_PUPIL = 0.25  # cm that the pupils lie over the middle of the corners
_CORNEA = 0.75  # cm from the corners of the eyes forward to the cornea
_BOW = 0.011  # per cm: how the front bends around the face
_LENS_RADIUS = 11.0  # cm, of a lens's front surface: a base curve of five dioptres
_CLEARANCE = 0.15  # how far the head may stand before the front and not yet hide it, cm
_TEMPLE_CLEARANCE = 0.35  # temples press into skin and hair

_PLASTIC = np.array(
    [
        *((40, 38, 38), (66, 44, 30), (112, 66, 34), (150, 32, 40), (36, 56, 110)),
        *((200, 196, 188), (225, 200, 185)),
    ]
) / 255  # fmt: skip
_PLASTIC_SHARES = [0.42, 0.12, 0.22, 0.05, 0.07, 0.08, 0.04]
_TORTOISE, _CRYSTAL = 2, (5, 6)
_METAL = np.array([(142, 140, 138), (150, 118, 66), (70, 70, 74), (30, 30, 32)]) / 255

# Shape → its share, and the ranges of width (cm), height over width, squareness and taper.
_SHAPES = {
    "round": (0.2, (4.4, 5.0), (0.86, 0.94), (2.0, 2.2), (0.0, 0.05)),
    "oval": (0.15, (4.7, 5.3), (0.62, 0.74), (2.1, 2.5), (0.0, 0.05)),
    "rectangular": (0.3, (4.9, 5.4), (0.57, 0.70), (3.2, 5.0), (0.0, 0.08)),
    "square": (0.22, (4.8, 5.4), (0.70, 0.84), (2.7, 3.6), (0.05, 0.16)),
    "aviator": (0.13, (5.0, 5.4), (0.76, 0.84), (2.3, 2.7), (0.06, 0.14)),
}


@dataclass(frozen=True, eq=False)
class Glasses:
    """A person's glasses, an overlay.

    Attributes:
        outline: (N, 2) of one lens, cm from its middle; x away from the nose, y up, anticlockwise
            from the temple.
        rim: (N,) thickness of the rim, cm.
        gap: Between the lenses, cm.
        bridge: Height of the bridge over the lenses' middle and its thickness, cm.
        temple: Height of a temple, cm.
        drop: How far the lenses' middle lies below that of the eyes, cm.
        vertex: Distance from cornea to lens, cm.
        tilt: By how much the lower rims lie further back, rad.
        frame: (3,) linear reflectance of the frame.
        opacity: Of the frame, in [0, 1].
        gloss: Specular strength of the frame.
        mottle: (64, 192) float32 in [0, 1], darkness of the frame's pattern; zeros for none.
        through: (3,) share of light that the lenses let through.
        mirror: (3,) share of light that they throw back.
        window: (3,) where the room's window is, view axes; its half width over its distance,
            the half height, and its brightness beside the ambient light.
    """

    outline: np.ndarray
    rim: np.ndarray
    gap: float
    bridge: tuple[float, float]
    temple: float
    drop: float
    vertex: float
    tilt: float
    frame: np.ndarray
    opacity: float
    gloss: float
    mottle: np.ndarray
    through: np.ndarray
    mirror: np.ndarray
    window: tuple[np.ndarray, float, float, float]

    def draw(self, canvas: Canvas) -> None:
        """Draw the glasses: shadow, temples, lenses, then the front of the frame."""
        inner = self.outline + np.array([self.gap / 2 - self.outline[:, 0].min(), 0])
        outer = _widen(inner, self.rim)
        flat = np.concatenate([inner, inner * (-1, 1), outer, outer * (-1, 1), self._arch(inner)])
        seen = canvas.see(self._place(canvas, flat))
        ways = [self._way_to_ear(canvas, outer, side) for side in (-1, 1)]
        reach = np.concatenate([seen[:, :2], *(canvas.see(way)[:, :2] for way in ways)])
        patch = Patch.around(canvas, reach, margin=0.7)
        if patch is None:
            return
        depth, x, y = patch.spread(seen[:, :2], np.column_stack([seen[:, 2], flat]))
        shown = np.clip((patch.depth - depth + _CLEARANCE) / 0.1, 0, 1)
        outlines = seen[: 4 * _POINTS, :2].reshape(4, _POINTS, 2)
        glass = patch.fill([outlines[:2]]) * shown
        front = patch.fill([outlines, seen[None, 4 * _POINTS :, :2]])
        self._shade_skin(canvas, patch, front)
        for side, way in zip((-1, 1), ways, strict=True):
            cover = patch.ribbon(canvas, way, self.temple, _TEMPLE_CLEARANCE) * self.opacity
            self._paint(canvas, patch, cover, (side, 0.1, 0.45), 12 + way[0, 0] + 0 * x, y)
        self._glaze(canvas, patch, glass, x, y)
        self._paint(canvas, patch, front * shown * self.opacity, (0, 0, 1), x, y)

    def _place(self, canvas: Canvas, flat: np.ndarray) -> np.ndarray:
        """Put points of the front (N, 2), cm, into the head, (N, 3)."""
        face = canvas.anatomy.astype(np.float64)
        corners = face[[36, 39, 42, 45]].mean(0)
        height = corners[1] + _PUPIL - self.drop
        before_eye = corners[2] + _CORNEA + self.vertex
        ridge = face[[30, 29, 28, 27]]  # upwards
        on_nose = np.interp(height + self.bridge[0], ridge[:, 1], ridge[:, 2]) + 0.1
        x, y = flat.T
        z = np.clip(on_nose, before_eye, before_eye + 1) - _BOW * x**2
        z += np.sin(self.tilt) * (y - self.bridge[0])
        return np.stack([face[[27, 28], 0].mean() + x, height + y, z], 1)

    def _arch(self, inner: np.ndarray) -> np.ndarray:
        """Return the bridge's outline on the front, (14, 2) cm."""
        height, thickness = self.bridge
        nasal = inner[_POINTS // 4 : 3 * _POINTS // 4]
        edge = nasal[np.abs(nasal[:, 1] - height).argmin(), 0] - 0.3 * self.rim.max()
        x = np.linspace(-edge, edge, 7)
        middle = height + 0.14 * (1 - (x / edge) ** 2)
        half = thickness / 2
        return np.stack([np.r_[x, x[::-1]], np.r_[middle + half, (middle - half)[::-1]]], 1)

    def _way_to_ear(self, canvas: Canvas, outer: np.ndarray, side: int) -> np.ndarray:
        """Return the middle of a temple from the front to behind the ear, (24, 3) cm."""
        start = self._place(canvas, outer[[_POINTS // 14]] * (side, 1))[0]
        jaw = canvas.anatomy[16 if side > 0 else 0].astype(np.float64)
        hinge = start - np.array([0, 0, 0.35])
        hinge[0] = side * max(abs(start[0]) + 0.2, 0.89 * abs(jaw[0]))
        ear = jaw + np.array([0.3 * side, 0.9, -1.0])
        knots = np.stack([start, hinge, ear, ear + np.array([0.2 * side, -0.4, -2.5])])
        at = np.r_[np.linspace(0, 1, 5)[:-1], np.linspace(1, 2, 16)[:-1], np.linspace(2, 3, 5)]
        return np.stack([np.interp(at, np.arange(4), axis) for axis in knots.T], 1)

    def _shade_skin(self, canvas: Canvas, patch: Patch, front: np.ndarray) -> None:
        """Let the front throw a soft shadow on the face behind it."""
        light = canvas.light
        towards = light.key_direction
        reach = 0.9 * canvas.density / max(towards[2], 0.6)  # pixels for a centimetre behind
        move = np.array([[1, 0, -towards[0] * reach], [0, 1, towards[1] * reach]])
        cast = cv2.warpAffine(front, move, front.shape[::-1])
        cast = cv2.GaussianBlur(cast, (0, 0), 0.14 * canvas.density + 0.3)
        share = light.key.mean() / (light.key.mean() + light.ambient.mean() + 1e-9)
        dim = 0.55 * share * max(towards[2], 0) * self.opacity * cast * (patch.depth < FAR)
        patch.image[:] = patch.image * (1 - dim[..., None])

    def _paint(
        self, canvas: Canvas, patch: Patch, cover: np.ndarray, facing: tuple[float, float, float],
        x: np.ndarray, y: np.ndarray,
    ) -> None:  # fmt: skip
        """Lay the frame's material over the picture, with rounded edges.

        ``facing`` is in head axes; ``x`` and ``y``, (h, w) cm on the front, place the pattern.
        """
        at = np.nonzero(cover > 0.004)
        blur = 0.07 * canvas.density + 0.4
        height = cv2.GaussianBlur(cover, (0, 0), blur)
        slope = np.stack(
            [
                cv2.Sobel(height, -1, 1, 0, ksize=1)[at],
                -cv2.Sobel(height, -1, 0, 1, ksize=1)[at],
                0 * height[at],
            ],
            1,
        )
        normal = canvas.pose.rotation() @ np.array(facing) - 0.8 * blur * slope
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        light = canvas.light
        half = light.key_direction + np.array([0, 0, 1.0])
        shine = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1)[:, None] ** 40
        arriving = np.clip(normal @ light.key_direction, 0, 1)[:, None] * light.key
        arriving = arriving + (0.62 + 0.38 * normal[:, 1:2]) * light.ambient
        arriving += (0.5 + 0.5 * normal @ light.fill_direction)[:, None] * light.fill
        rows, columns = self.mottle.shape
        row = np.clip((y[at] / 6 + 0.5) * rows, 0, rows - 1).astype(int)
        column = (x[at] * columns / 13).astype(int) % columns
        colour = self.frame * (1 - self.mottle[row, column])[:, None] * arriving
        colour += self.gloss * (0.3 * shine * light.key + 0.05 * light.ambient)
        share = cover[at][:, None]
        patch.image[at] = patch.image[at] * (1 - share) + share * colour

    def _glaze(
        self, canvas: Canvas, patch: Patch, glass: np.ndarray, x: np.ndarray, y: np.ndarray
    ) -> None:
        """Look through the lenses, and at the lamp and the window that they mirror."""
        at = np.nonzero(glass > 0.004)
        x, y = x[at], y[at]
        middle = self.gap / 2 - self.outline[:, 0].min()
        off = x - np.sign(x) * middle
        # Normals over their z; a light shows where they halve the way from it to the camera.
        across = 2 * _BOW * x + off / _LENS_RADIUS
        up = y / _LENS_RADIUS - np.sin(self.tilt)
        light, turn = canvas.light, canvas.pose.rotation()
        towards, wide, high, bright = self.window
        mirrored = 0.6 * light.ambient[None]
        for direction, size, colour in (
            (light.key_direction, (0.05, 0.05), 7 * light.key),
            (towards, (wide, high), bright * (light.ambient + 0.3 * light.key)),
        ):
            half = turn.T @ (direction + np.array([0, 0, 1.0]))
            if half[2] <= 0.1:
                continue
            offset = np.abs([across - half[0] / half[2], up - half[1] / half[2]])
            inside = np.clip((np.array(size)[:, None] - offset) / 0.03 + 0.5, 0, 1).prod(0)
            if direction is towards:  # a bar between its panes
                inside *= 1 - 0.6 * np.exp(-((offset[0] / 0.012) ** 2))
            mirrored = mirrored + inside[:, None] * colour
        share = glass[at][:, None]
        through = patch.image[at] * self.through + self.mirror * mirrored
        patch.image[at] = patch.image[at] * (1 - share) + share * through


def sample_glasses(rng: np.random.Generator) -> Glasses:
    """Draw somebody's glasses.

    Args:
        rng: Source of randomness.

    Returns:
        The glasses.
    """
    shares = np.array([shape[0] for shape in _SHAPES.values()])
    kind = list(_SHAPES)[rng.choice(len(_SHAPES), p=shares / shares.sum())]
    width, ratio, squareness, taper = (rng.uniform(*limits) for limits in _SHAPES[kind][1:])
    height = np.clip(width * ratio, 2.8, 4.6)
    turn = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    x, y = (np.sign(v) * np.abs(v) ** (2 / squareness) for v in (np.cos(turn), np.sin(turn)))
    x = x * (1 + taper * y) / (1 + taper)
    if kind == "aviator":  # hangs towards the cheek, spares the nose
        y = y - 0.22 * np.clip(x, 0, 1) * (y < 0) + 0.18 * np.clip(-x, 0, 1) * (y < 0)
    outline = np.stack([x * width / np.ptp(x), y * height / np.ptp(y)], 1)
    metal = kind == "aviator" or rng.random() < 0.45
    tortoise = clear = False
    if metal:
        frame, thick = _METAL[rng.integers(len(_METAL))], rng.uniform(0.07, 0.14)
        rim = np.full(_POINTS, thick)
        if kind != "aviator" and rng.random() < 0.35:  # a nylon thread below, or no rim at all
            rim = rim * (1 - (1.0 if rng.random() < 0.35 else np.clip(0.5 - 3 * y, 0, 1))) + 0.03
    else:
        colour = rng.choice(len(_PLASTIC), p=_PLASTIC_SHARES)
        tortoise, clear = colour == _TORTOISE, colour in _CRYSTAL
        frame, thick = _PLASTIC[colour], rng.uniform(0.2, 0.5)
        rim = thick * (0.85 + 0.3 * y)
    mottle: np.ndarray = np.zeros((64, 192), np.float32)
    if tortoise:
        mottle = 0.9 / (1 + np.exp(-2.5 * fractal_noise(rng, 192, (24, 48), 0.5)[:64]))
    through, mirror = _sample_lens(rng)
    bright = rng.uniform(2, 9) if rng.random() < 0.6 else 0.0
    towards = np.array([rng.normal(0, 0.7), rng.normal(0.35, 0.35), 1.0])
    return Glasses(
        outline=outline,
        rim=rim,
        gap=rng.uniform(1.6, 2.2),
        bridge=(height * rng.uniform(0.1, 0.25), max(0.9 * thick, 0.12)),
        temple=rng.uniform(0.12, 0.2) if metal else rng.uniform(0.3, 0.55),
        drop=rng.uniform(0.1, 0.5) + 0.7 * rng.beta(1, 3),
        vertex=rng.uniform(1.2, 1.6),
        tilt=np.deg2rad(rng.uniform(3, 12)),
        frame=np.clip(frame * rng.uniform(0.85, 1.1), 0.05, 0.92) ** 2.2,
        opacity=rng.uniform(0.35, 0.6) if clear else 1.0,
        gloss=rng.uniform(0.5, 1.0) if metal else rng.uniform(0.2, 0.8),
        mottle=mottle,
        through=through,
        mirror=mirror,
        window=(towards, rng.uniform(0.04, 0.13), rng.uniform(0.06, 0.16), bright),
    )


def _sample_lens(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw what a lens lets through and throws back, (3,) each.

    Plain glass throws back about 4 % at each surface, coatings against it half a per cent with
    some green or blue left.
    """
    kind = rng.random()
    if kind < 0.04:  # sunglasses
        tint = np.array([1.0, 0.9, 0.8]) ** rng.uniform(-0.3, 1.5)
        return tint * rng.uniform(0.04, 0.25), np.full(3, rng.uniform(0.04, 0.1))
    through = np.array([1.0, 1.0, 1.0]) - np.array([0, 0.02, 0.06]) * rng.uniform(0, 1)
    through = through * (rng.uniform(0.55, 0.85) if kind < 0.09 else rng.uniform(0.9, 0.97))
    if rng.random() < 0.5:
        coating = np.array([(0.4, 1.0, 0.6), (0.4, 0.5, 1.0)][rng.integers(2)])
        return through, coating * rng.uniform(0.008, 0.025)
    return through, np.full(3, rng.uniform(0.05, 0.085))


def _widen(outline: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Move an anticlockwise outline (N, 2) outwards by (N,)."""
    along = np.roll(outline, -1, 0) - np.roll(outline, 1, 0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    return outline + by[:, None] * np.stack([along[:, 1], -along[:, 0]], 1)
