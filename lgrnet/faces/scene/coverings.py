"""Cloth and hair over a face: a mask, a scarf, a strand across the forehead."""

from dataclasses import dataclass
from math import hypot

import cv2
import numpy as np

from lgrnet.faces.drawing.camera import PIVOT
from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.drawing.raster import FAR
from lgrnet.faces.noise import fractal_noise
from lgrnet.faces.scene.relief import Frame, Relief, lay, open_frame

_CLOTH_WRAP = np.full(3, 0.15)
_TEXTURE = 128  # side of a weave, texels
_SUBPIXEL = 4  # bits of the fixed point that OpenCV draws with


def _frame_of(canvas: Canvas, outline: np.ndarray, reach: float) -> Frame | None:
    """Open the frame of an outline, (N, 3), cm, head axes."""
    origin = outline.mean(0)
    return open_frame(canvas, origin, (outline - origin) @ canvas.pose.rotation().T, reach)


def _fold(frame: Frame, height: np.ndarray) -> np.ndarray:
    """Return the normals of a height field, (h, w, 3) float32, view axes."""
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) / 8 * frame.density
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) / 8 * frame.density
    forward = frame.forward / frame.density
    right = slope_x * forward[0, 0] + slope_y * forward[1, 0]
    up = slope_x * forward[0, 1] + slope_y * forward[1, 1]
    return np.stack([-right, -up, np.ones_like(right)], 2).astype(np.float32)


def _sample_texture(texture: np.ndarray, x: np.ndarray, y: np.ndarray, span: float) -> np.ndarray:
    """Look a texture that is ``span`` cm wide up at places in cm; it repeats mirrored."""
    size = np.float32(len(texture) / span)
    return cv2.remap(texture, x * size, y * size, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


@dataclass(frozen=True, eq=False)
class Mask:
    """A face mask from the bridge of the nose to under the chin.

    Attributes:
        top: Place of the upper edge between landmarks 28 (0) and 30 (1); beyond 1.4 it hangs
            below the nose.
        colour: (3,) linear RGB reflectance.
        pleats: Depth of the three pleats, cm; 0 for a moulded mask.
        texture: (S, S) float32, noise of unit deviation.
    """

    top: float
    colour: np.ndarray
    pleats: float
    texture: np.ndarray

    def draw(self, canvas: Canvas) -> None:
        """Draw the mask with its loops."""
        points = canvas.anatomy.astype(np.float64)
        bridge = points[28] + (points[30] - points[28]) * self.top + (0, 0, 0.3)
        drop = (0, bridge[1] - points[29, 1] - 0.6, 0.3)
        upper = [points[31 + 4 * k] * 0.5 + points[1 + 14 * k] * 0.5 + drop for k in (0, 1)]
        right, left = points[[2, 14]] * (1.01, 1, 1)
        chin = points[4:13] + np.array([0, -0.5, 0.5])
        outline = np.stack([right, upper[0], bridge, upper[1], left, *chin[::-1]])
        frame = _frame_of(canvas, outline, 1.0)
        if frame is None:
            return
        cover = _smooth_cover(canvas, frame, outline)
        fit = np.maximum(frame.face, np.float32(frame.point[2] - 4))
        # Cloth spans the hollows of the face.
        height = cv2.GaussianBlur(fit, (0, 0), 0.9 * frame.density) + np.float32(0.5)
        x, y = frame.grid()
        up = canvas.pose.rotation()[:2, 1]
        v = np.float32(up[0]) * x + np.float32(up[1]) * y
        phase = (v / np.float32(1.7)) % 1
        height += np.float32(self.pleats) * phase
        height += np.float32(0.03) * _sample_texture(self.texture, x + 12, y + 12, 9)
        for ear, corner in ((0, 2), (16, 14)):
            loop = np.linspace(points[ear] * (1, 1, 0.6), points[corner], 5)
            canvas.stroke(loop, 0.25, self.colour * (canvas.light.ambient + 0.4 * canvas.light.key))
        weave = 1 + 0.05 * _sample_texture(self.texture, x * 3 + 40, y * 3 + 40, 9)
        shade = weave * (1 - 0.25 * (phase > 0.9) * (self.pleats > 0))
        relief = Relief(np.where(cover > 0, height, -FAR), _fold(frame, height), cover)
        colour = (shade[..., None] * self.colour).astype(np.float32)
        gloss = np.full(cover.shape, 0.1, np.float32)
        lay(canvas, frame, relief, colour, gloss, _CLOTH_WRAP)


@dataclass(frozen=True, eq=False)
class Scarf:
    """A scarf or high collar around the lower face.

    Attributes:
        top: Height of its edge in front over the chin, cm.
        slant: Slope of the edge.
        colours: (2, 3) linear RGB reflectance of stripes.
        stripe: Width of a stripe, cm.
        folds: (S, S) float32, heights of its folds, cm.
        knit: Depth of the knit, cm.
    """

    top: float
    slant: float
    colours: np.ndarray
    stripe: float
    folds: np.ndarray
    knit: float

    def draw(self, canvas: Canvas) -> None:
        """Draw the scarf."""
        chin = canvas.anatomy[8].astype(np.float64)
        side = np.linspace(-1, 1, 17)
        edge = np.stack([9.5 * side, self.top + self.slant * side - 2.2 * side**2, -9 * side**2], 1)
        edge += chin + np.array([0, 0, 1.2])
        outline = np.concatenate([edge, [(11, chin[1] - 16, 2), (-11, chin[1] - 16, 2)]])
        frame = _frame_of(canvas, outline, 0.8)
        if frame is None:
            return
        cover = _smooth_cover(canvas, frame, outline)
        x, y = frame.grid()
        nearest = (edge[8] - PIVOT) @ canvas.pose.rotation().T
        aside = x + np.float32(frame.point[0] - nearest[0])
        height = np.float32(nearest[2]) - np.float32(0.06) * aside**2
        height += _sample_texture(self.folds, x + 16, y * 2 + 16, 32)
        # The edge is rolled.
        roll = np.clip(cv2.GaussianBlur(cover, (0, 0), 0.5 * frame.density), 0.5, 1) * 2 - 1
        height += np.float32(0.9) * np.sqrt(roll)
        ribs = np.sin(x * 9 + 0.35 * y) * np.abs(np.sin(y * 7))
        height += np.float32(self.knit) * ribs
        bend = y + np.float32(0.05) * aside**2 + _sample_texture(self.folds, x + 16, y + 16, 32)
        second = (bend / np.float32(self.stripe)) % 2 < 1
        colour = np.where(second[..., None], *self.colours) * (1 + 0.12 * ribs)[..., None]
        relief = Relief(np.where(cover > 0, height, -FAR), _fold(frame, height), cover)
        gloss = np.full(cover.shape, 0.05, np.float32)
        lay(canvas, frame, relief, colour.astype(np.float32), gloss, _CLOTH_WRAP)


@dataclass(frozen=True, eq=False)
class Strand:
    """Hair that has fallen over the forehead, and perhaps an eye.

    Attributes:
        hairs: (N, P, 3), cm, head axes.
        tones: (N,) factor on the colour.
        width: Thickness of a drawn hair, cm.
        colour: (3,) linear RGB reflectance.
    """

    hairs: np.ndarray
    tones: np.ndarray
    width: float
    colour: np.ndarray

    def draw(self, canvas: Canvas) -> None:
        """Draw the hairs and their shadow."""
        frame = _frame_of(canvas, self.hairs.reshape(-1, 3), 0.6)
        if frame is None:
            return
        corner = np.array([frame.box[1].start, frame.box[0].start])
        seen = canvas.see(self.hairs.reshape(-1, 3))[:, :2] - corner
        lines = np.round(seen * (1 << _SUBPIXEL)).astype(np.int32)
        lines = lines.reshape(*self.hairs.shape[:2], 1, 2)
        # OpenCV smooths lines in bytes only.
        cover = np.zeros(frame.face.shape, np.uint8)
        tone = np.full(frame.face.shape, 60, np.uint8)
        thick = max(1, round(self.width * canvas.density))
        for line, level in zip(lines, self.tones, strict=True):
            cv2.polylines(cover, [line], False, 255, thick, cv2.LINE_AA, _SUBPIXEL)
            cv2.polylines(
                tone, [line], False, int(120 * level), thick, cv2.LINE_AA, _SUBPIXEL
            )  # fmt: skip
        light, image = canvas.light, canvas.image[frame.box]
        shadow = cv2.GaussianBlur(cover, (0, 0), max(0.2 * frame.density, 0.3))
        image *= 1 - shadow[..., None] * np.float32(0.4 / 255) * (frame.face > -FAR)[..., None]
        along = self.hairs[:, -1].mean(0) - self.hairs[:, 0].mean(0)
        along = along @ canvas.pose.rotation().T / np.linalg.norm(along)
        half = light.key_direction + np.array([0, 0, 1])
        half = half / np.linalg.norm(half)
        across = hypot(*np.cross(along, half))
        lit = light.ambient + 0.7 * light.key * hypot(*np.cross(along, light.key_direction))
        shine = 0.04 * across**30 * light.key
        share = (cover * np.float32(0.92 / 255))[..., None]
        level = (tone * np.float32(1 / 120))[..., None]
        image += (level * (self.colour * lit + shine) - image) * share


def _smooth_cover(canvas: Canvas, frame: Frame, outline: np.ndarray) -> np.ndarray:
    """Fill an outline with rounded corners and smooth edges, (h, w) float32 in [0, 1]."""
    corner = np.array([frame.box[1].start, frame.box[0].start])
    points = np.round((canvas.see(outline)[:, :2] - corner) * (1 << _SUBPIXEL)).astype(np.int32)
    cover = np.zeros(frame.face.shape, np.uint8)
    cv2.fillPoly(cover, [points], 255, cv2.LINE_AA, _SUBPIXEL)
    radius = 0.3 * frame.density
    rounded = cv2.GaussianBlur(cover.astype(np.float32) / 255, (0, 0), max(radius, 0.5))
    return np.clip((rounded - 0.5) * 2.5 * max(radius, 0.5) + 0.5, 0, 1)


def sample_mask(rng: np.random.Generator) -> Mask:
    """Draw a surgical or cloth mask: mostly light blue, white or black."""
    colours = np.array([(0.30, 0.55, 0.68), (0.72, 0.73, 0.74), (0.02, 0.02, 0.022)])
    colour = colours[rng.choice(3)] * rng.uniform(0.85, 1.1)
    if rng.random() < 0.25:
        colour = rng.uniform(0.03, 0.6, 3)
    pleats = rng.choice([0.0, rng.uniform(0.1, 0.25)], p=[0.35, 0.65])
    top = rng.uniform(0, 0.7) if rng.random() < 0.85 else rng.uniform(1.4, 1.7)
    return Mask(top, colour, pleats, fractal_noise(rng, _TEXTURE, (4, 8, 16, 32), 0.7))


def sample_scarf(rng: np.random.Generator) -> Scarf:
    """Draw a scarf or collar whose edge is between the throat and the upper lip."""
    colours = np.clip(rng.uniform(0.02, 0.6, (2, 1)) * np.exp(rng.normal(0, 0.4, (2, 3))), 0, 0.8)
    if rng.random() < 0.5:
        colours[1] = colours[0]
    return Scarf(
        rng.uniform(1.0, 5.0), rng.normal(0, 0.8), colours, rng.uniform(0.8, 3),
        0.45 * fractal_noise(rng, _TEXTURE, (3, 6, 12), 0.6), rng.choice([0, 0.05]),
    )  # fmt: skip


def sample_strand(rng: np.random.Generator, hair_colour: np.ndarray) -> Strand:
    """Draw a strand from the hairline over brow or eye to the cheek."""
    side = rng.choice([-1.0, 1.0])
    count, spread = int(rng.uniform(40, 160)), rng.uniform(0.3, 1.0)
    start = np.array([side * rng.uniform(-2.0, 2.5), 10.0, 9.4])
    low = rng.uniform(-2.0, 4.5)
    end = np.array([side * rng.uniform(2.5, 6.0), low, 10.0])
    control = np.array([start[0] + side * rng.uniform(-0.5, 2.5), rng.uniform(6, 8.5), 12.0])
    t = np.linspace(0, 1, 12)[:, None]
    offsets = rng.normal(0, spread, (count, 1, 1)) * (1, 0.2, 0.1)
    ends = end + offsets * 0.4 + rng.normal(0, 0.3, (count, 1, 3)) * (1, 3, 0.3)
    controls = control + offsets * 0.9 + rng.normal(0, 0.12, (count, 1, 3))
    starts = start + offsets
    hairs = starts * (1 - t) ** 2 + controls * 2 * t * (1 - t) + ends * t**2
    return Strand(hairs, rng.uniform(0.45, 1.5, count), 0.06, np.asarray(hair_colour) * 0.9)
