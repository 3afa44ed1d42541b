"""Things held before a face: turned bodies (microphone, cup, pen) and flat ones (phone, card)."""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.drawing.raster import FAR
from lgrnet.faces.noise import fractal_noise
from lgrnet.faces.scene.relief import Frame, Relief, lay, open_frame

_MATT = np.zeros(3)  # light does not wrap around what it does not enter
_TEXTURE = 96  # side of a flat body's noise, texels
_MARGIN = 1.2  # cm around a body that is drawn for its shadow


@dataclass(frozen=True, eq=False)
class Place:
    """Where a body is held; its own axes are u across and v along, in the plane of the picture.

    Attributes:
        landmark: Index among the 68 that the body's origin is near.
        offset: (3,) cm, head axes, from there.
        angle: Of v from upwards to the image's left, radians.
    """

    landmark: int
    offset: np.ndarray
    angle: float

    def open(self, canvas: Canvas, outline: np.ndarray) -> Frame | None:
        """Open the frame of a body; ``outline`` is (N, 2), u and v, cm."""
        sine, cosine = np.sin(self.angle), np.cos(self.angle)
        turned = outline @ np.array([[cosine, sine], [-sine, cosine]])
        return open_frame(canvas, canvas.anatomy[self.landmark] + self.offset, turned, _MARGIN)

    def axes(self, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Return u and v of every pixel of a frame, (h, w) float32, cm."""
        x, y = frame.grid()
        sine, cosine = np.float32(np.sin(self.angle)), np.float32(np.cos(self.angle))
        return x * cosine + y * sine, y * cosine - x * sine

    def to_view(self, across: np.ndarray, along: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Turn a normal's parts, (h, w) each, into (h, w, 3) float32, view axes."""
        sine, cosine = np.sin(self.angle), np.cos(self.angle)
        parts = (across * cosine - along * sine, across * sine + along * cosine, ahead)
        return np.stack(np.broadcast_arrays(*parts), 2).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Turned:
    """A body of revolution.

    Attributes:
        place: Where; v is the body's axis.
        profile: (M, 2): v and radius, cm, v growing.
        tilt: How far the axis leans out of the picture, as a sine; positive shows the end at the
            least v, negative the one at the greatest.
        bands: (M', 4): v, and linear RGB reflectance from there on to the next.
        mesh: v from which the surface is a wire mesh.
        gloss: Specular strength.
        opacity: In [0, 1]; less than 1 for glass.
    """

    place: Place
    profile: np.ndarray
    tilt: float
    bands: np.ndarray
    mesh: float
    gloss: float
    opacity: float

    def draw(self, canvas: Canvas) -> None:
        """Draw the body and its shadow."""
        low, high = self.profile[0, 0], self.profile[-1, 0]
        widest = float(self.profile[:, 1].max())
        lean = abs(self.tilt) * widest
        corners = [(s * widest, v) for s in (-1, 1) for v in (low - lean, high + lean)]
        frame = self.place.open(canvas, np.array(corners))
        if frame is None:
            return
        u, v = self.place.axes(frame)
        # The wall nearest the camera is seen shifted along the axis, which bends the ends to arcs.
        flat = np.interp(v, *self.profile.T).astype(np.float32)
        bulge = np.sqrt(np.maximum(flat * flat - u * u, 0))
        at = v + self.tilt * bulge
        radius = np.interp(at, *self.profile.T).astype(np.float32)
        radius = np.where((at < low) | (at > high), flat, radius)
        bulge = np.sqrt(np.maximum(radius * radius - u * u, 0))
        inside = np.minimum(radius - np.abs(u), np.minimum(at - low, high - at))
        body = np.clip(inside * frame.density + 0.5, 0, 1)
        end = low if self.tilt > 0 else high
        brim = np.float32(np.interp(end, *self.profile.T))
        deep = max(brim * abs(self.tilt), 0.05)
        disc = (1 - np.sqrt((u / brim) ** 2 + ((v - end) / deep) ** 2)) * deep
        lid = np.clip(disc * frame.density + 0.5, 0, 1) * (1 - body)
        lid = lid if brim > 0.3 else lid * 0

        step = 0.05
        rise = np.interp(at + step, *self.profile.T) - np.interp(at - step, *self.profile.T)
        thick = np.maximum(radius, 0.05)
        across = np.where(lid > body, 0, np.clip(u / thick, -1, 1))
        along = np.where(lid > body, -np.sign(self.tilt), -rise / (2 * step))
        ahead = np.where(lid > body, 0.6, bulge / thick)
        band = np.searchsorted(self.bands[:, 0], at, side="right").clip(1, len(self.bands)) - 1
        reflectance = self.bands[band, 1:].astype(np.float32)
        # An open cup is dark inside; a base is like its wall.
        reflectance *= np.where(lid > body, 0.8 if self.tilt > 0 else 0.25, 1)[..., None]
        wires = np.sin((u + v) * 14) * np.sin((u - v) * 14)
        reflectance *= np.where(at > self.mesh, 1 + 0.45 * wires, 1)[..., None]
        cover = np.maximum(body, lid)
        height = np.where(cover > 0, frame.point[2] + bulge, -FAR).astype(np.float32)
        # Through glass the face stays visible, less so at its thick edges.
        edge = np.clip(np.abs(u) / thick, 0, 1) ** 5
        brink = np.exp(-((inside / 0.12) ** 2)) + 0.5 * np.exp(-(((u / thick + 0.6) / 0.07) ** 2))
        cover = cover * (self.opacity + (1 - self.opacity) * np.maximum(0.6 * edge, 0.5 * brink))
        relief = Relief(height, self.place.to_view(across, along, ahead), cover.astype(np.float32))
        gloss = np.full(cover.shape, self.gloss, np.float32)
        lay(canvas, frame, relief, np.ascontiguousarray(reflectance, np.float32), gloss, _MATT, 40)


@dataclass(frozen=True, eq=False)
class Slab:
    """A flat body with rounded corners.

    Attributes:
        place: Where.
        half: Half its width and length, cm.
        corner: Radius of the corners, cm.
        soft: Width of the blurred edge, cm.
        lean: Slope of its face to the image's right and upwards.
        colour: (3,) linear RGB reflectance.
        lenses: (N, 3): u, v and radius of round dark spots, cm.
        texture: (S, S) float32, factor on the colour.
        gloss: Specular strength.
    """

    place: Place
    half: tuple[float, float]
    corner: float
    soft: float
    lean: tuple[float, float]
    colour: np.ndarray
    lenses: np.ndarray
    texture: np.ndarray
    gloss: float

    def draw(self, canvas: Canvas) -> None:
        """Draw the body and its shadow."""
        half = np.array(self.half, np.float32)
        frame = self.place.open(canvas, np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half)
        if frame is None:
            return
        u, v = self.place.axes(frame)
        past_u, past_v = np.abs(u) - half[0] + self.corner, np.abs(v) - half[1] + self.corner
        outside = np.hypot(np.maximum(past_u, 0), np.maximum(past_v, 0)) - self.corner
        inside = -(outside + np.minimum(np.maximum(past_u, past_v), 0))
        cover = np.clip(inside * frame.density / max(self.soft * frame.density, 1) + 0.5, 0, 1)
        bevel = np.clip(1 - inside / 0.25, 0, 1) * (self.soft == 0)
        steeper = past_u > past_v
        across = self.lean[0] + 0.8 * bevel * np.sign(u) * steeper
        along = self.lean[1] + 0.8 * bevel * np.sign(v) * ~steeper
        size = np.float32((_TEXTURE - 1) / (2 * half.max()))
        grain = cv2.remap(
            self.texture, (u + half[0]) * size, (v + half[1]) * size,
            cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT,
        )  # fmt: skip
        reflectance = grain[..., None] * self.colour.astype(np.float32)
        gloss = np.full(cover.shape, self.gloss, np.float32)
        for lens_u, lens_v, radius in self.lenses:
            apart = np.hypot(u - lens_u, v - lens_v)
            spot = np.clip((radius - apart) * frame.density + 0.5, 0, 1)
            ring = np.exp(-(((apart - radius) / 0.08) ** 2))
            reflectance = reflectance * (1 - spot[..., None]) + 0.012 * spot[..., None]
            reflectance = reflectance + 0.15 * ring[..., None]
        height = np.where(cover > 0, frame.point[2] + 0.4, -FAR).astype(np.float32)
        normal = self.place.to_view(across, along, np.ones_like(across))
        relief = Relief(height, normal, cover.astype(np.float32))
        lay(canvas, frame, relief, reflectance.astype(np.float32), gloss, _MATT, 30)


def _colour(rng: np.random.Generator, low: float = 0.02, high: float = 0.7) -> np.ndarray:
    """Draw a reflectance; things are mostly grey, some are bright."""
    grey = rng.uniform(low, high)
    return np.clip(grey * np.exp(rng.normal(0, rng.choice([0.08, 0.6]), 3)), 0.01, 0.85)


def _near(
    rng: np.random.Generator, landmark: int, mean: tuple[float, float, float],
    spread: float, angle: float,
) -> Place:  # fmt: skip
    side = rng.choice([-1.0, 1.0])
    offset = np.array(mean) * (side, 1, 1) + rng.normal(0, spread, 3) * (1, 1, 0.2)
    return Place(landmark, offset, np.deg2rad(angle) * side)


def sample_microphone(rng: np.random.Generator) -> Turned:
    """Draw a hand microphone; a Shure SM58 is 16.2 cm long with a head of 5.1 cm."""
    head = np.linspace(-0.9, 1, 14)
    ball = 2.5 * rng.uniform(0.85, 1.1)
    profile = [(-16.0, 1.1), (-4.2, 1.5), (-2.2, 1.55)]
    profile += [(ball * h, ball * np.sqrt(max(1 - h * h, 0.01))) for h in head if ball * h > -1.9]
    metal, shaft = np.full(3, rng.uniform(0.03, 0.4)), np.full(3, rng.uniform(0.01, 0.06))
    bands = [(-20, *shaft), (-2.2, *(shaft * 2 + 0.03)), (-1.7, *metal), (-0.2, *(metal * 0.7))]
    bands.append((0.2, *metal))
    place = _near(rng, 57, (0.8, -1.5, 2.5), 0.8, rng.uniform(-15, 55))
    return Turned(place, np.array(profile), 0.25, np.array(bands), -1.7, 0.7, 1.0)


def sample_cup(rng: np.random.Generator) -> Turned:
    """Draw a mug, a paper cup or a glass whose rim is at the lips; mugs are 8 cm wide, 9.5 high."""
    kind = rng.choice(["mug", "paper", "glass"], p=[0.5, 0.25, 0.25])
    radius, tall = rng.uniform(3.4, 4.2), rng.uniform(8.5, 10.5)
    foot = radius * {"mug": 0.95, "paper": 0.72, "glass": 0.8}[kind]
    profile = [(-tall, foot * 0.93), (-tall + 0.35, foot), (-0.2, radius), (0.0, radius * 0.97)]
    colour, band = _colour(rng, 0.1), _colour(rng)
    if kind == "glass":
        colour = np.full(3, rng.uniform(0.4, 0.75))
        band = colour * rng.uniform(0.5, 1, 3)
    if kind == "paper":
        colour = np.array([0.75, 0.73, 0.7])
    stripe = rng.uniform(0.3, 0.6) * tall if rng.random() < 0.6 or kind == "paper" else 0.0
    bands = [(-20, *colour), (-tall / 2 - stripe / 2, *band), (-tall / 2 + stripe / 2, *colour)]
    place = _near(rng, 66, (0.3, 0.2, 1.5), 0.4, rng.normal(0, 10))
    glass = kind == "glass"
    return Turned(
        place, np.array(profile), rng.uniform(0.15, 0.6), np.array(bands), FAR,
        2.0 if glass else rng.uniform(0.2, 1.2), rng.uniform(0.12, 0.3) if glass else 1.0,
    )  # fmt: skip


def sample_pen(rng: np.random.Generator) -> Turned:
    """Draw a pen with its end at the lips; pens are 14 cm long and 0.9 cm thick."""
    profile = [(-14, 0.08), (-12.5, 0.35), (-12, 0.45), (-0.3, 0.45), (0, 0.35)]
    barrel, cap = _colour(rng), _colour(rng)
    bands = [(-20, *cap), (-12, *barrel), (-4.2, *(cap * 0.5)), (-3.8, *cap)]
    place = _near(rng, 66, (0.5, 0, 0.8), 0.8, rng.uniform(-80, 80))
    return Turned(place, np.array(profile), 0.2, np.array(bands), FAR, 1.2, 1.0)


def sample_phone(rng: np.random.Generator) -> Slab:
    """Draw the back of a phone before mouth, cheek or eye; phones are 7.2 × 15 cm."""
    half = np.array([3.6, 7.4]) * rng.uniform(0.95, 1.08)
    u = (half[0] - 1.3) * rng.choice([-1.0, 1.0])
    lenses = [(u, half[1] - 1.4 - 1.6 * k, 0.55) for k in range(rng.integers(1, 4))]
    place = _near(rng, int(rng.choice([57, 45, 8])), (3.5, -4, 4), 2.0, rng.uniform(-25, 50))
    grain = 1 + 0.02 * fractal_noise(rng, _TEXTURE, (4, 32))
    lean = tuple(rng.normal(0, 0.2, 2))
    colour = _colour(rng, 0.015, 0.5)
    return Slab(place, tuple(half), 0.9, 0, lean, colour, np.array(lenses), grain, 0.9)


def sample_patch(rng: np.random.Generator) -> Slab:
    """Draw something that nobody can name: a soft rectangle or blob with noise for texture."""
    half = rng.uniform(1.0, 4.5, 2)
    place = _near(rng, int(rng.choice(68)), (0, 0, 2), 2.0, rng.uniform(0, 90))
    grain = np.clip(1 + rng.uniform(0, 0.5) * fractal_noise(rng, _TEXTURE), 0.05, 2)
    corner, soft = half.min() * rng.uniform(0, 1), rng.choice([0, rng.uniform(0.05, 1.2)])
    return Slab(
        place, tuple(half), corner, soft, tuple(rng.normal(0, 0.3, 2)), _colour(rng),
        np.zeros((0, 3)), grain.astype(np.float32), rng.uniform(0, 0.5),
    )  # fmt: skip
