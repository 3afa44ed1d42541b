"""One person's skin, lips, brows, beard and hair, painted into the face's texture."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lgrnet.faces.head.rig import Part, Rig
from lgrnet.faces.noise import fractal_noise, smoothstep
from lgrnet.faces.person.chart import FaceChart
from lgrnet.faces.person.hair import Hair

# sRGB, from light to dark, as skin-tone charts have them.
_SKIN_TONES = np.array(
    [
        *((247, 217, 196), (240, 200, 172), (229, 184, 150), (214, 163, 127), (190, 136, 98)),
        *((159, 107, 74), (122, 80, 55), (88, 57, 40), (62, 41, 31)),
    ]
) / 255  # fmt: skip
_HAIR_TONES = np.array(
    [
        *((20, 16, 14), (38, 27, 20), (62, 42, 28), (96, 66, 40), (150, 112, 70)),
        *((120, 60, 32), (150, 75, 35), (200, 170, 120), (225, 200, 160)),
        *((150, 148, 145), (205, 203, 200)),
    ]
) / 255  # fmt: skip
_HAIR_SHARES = np.array([0.15, 0.16, 0.16, 0.12, 0.08, 0.05, 0.04, 0.05, 0.04, 0.08, 0.07])
_DARK_HAIR = 3  # tones, of people with dark skin
_IRIS_TONES = np.array(
    [
        *((60, 38, 22), (84, 54, 28), (110, 84, 48), (92, 104, 70), (88, 118, 140)),
        (112, 128, 140),
    ]
) / 255  # fmt: skip


@dataclass(frozen=True)
class Complexion:
    """What a person is coloured like; colours are sRGB in [0, 1].

    Attributes:
        skin: (3,).
        hair: (3,).
        iris: (3,).
        masculine: Whether beard and heavier brows are drawn.
        bald: Whether there is no hair.
        hairline: Height of the hairline, cm.
        sideburn: How far the hair comes down beside the ears, cm.
        hair_depth: How far the hair stands off the head, cm.
    """

    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    masculine: bool
    bald: bool
    hairline: float
    sideburn: float
    hair_depth: float

    @property
    def dark(self) -> bool:
        """Whether the skin is darker than middle grey."""
        return bool(self.skin.mean() < 0.45)


@dataclass(frozen=True, eq=False)
class Skin:
    """Painted materials of one person.

    Attributes:
        albedo: (S, S, 3) float32, linear reflectance of the face.
        gloss: (S, S) float32, specular strength.
        roughness: (S, S) float32 in (0, 1), how far the highlight spreads.
        pores: (S, S) float32, bump height at rest.
        colour: (V, 3) float32, linear reflectance of every vertex off the face.
        hair_shell: (V,) float32, how far hair lifts every vertex along its normal, cm.
    """

    albedo: np.ndarray
    gloss: np.ndarray
    roughness: np.ndarray
    pores: np.ndarray
    colour: np.ndarray
    hair_shell: np.ndarray


def sample_complexion(rng: np.random.Generator) -> Complexion:
    """Draw a person's colours."""
    place = rng.uniform(0, len(_SKIN_TONES) - 1)
    low = int(place)
    high = min(low + 1, len(_SKIN_TONES) - 1)
    skin = _SKIN_TONES[low] * (1 - (place - low)) + _SKIN_TONES[high] * (place - low)
    brightness = skin.mean()
    tones = _DARK_HAIR if brightness < 0.5 else len(_HAIR_TONES)
    share = _HAIR_SHARES[:tones] / _HAIR_SHARES[:tones].sum()
    hair = _HAIR_TONES[rng.choice(tones, p=share)]
    iris = _IRIS_TONES[0 if brightness < 0.45 else rng.integers(0, len(_IRIS_TONES))]
    masculine = bool(rng.random() < 0.5)
    return Complexion(
        skin=skin,
        hair=hair * rng.uniform(0.8, 1.2),
        iris=iris * rng.uniform(0.8, 1.2),
        masculine=masculine,
        bald=bool(masculine and rng.random() < 0.12),
        hairline=float(np.clip(rng.normal(10.3, 0.7), 8.8, 12)),
        sideburn=rng.uniform(-1.0, 1.0),
        hair_depth=rng.uniform(0.02, 0.12),
    )


def paint_skin(
    rng: np.random.Generator, rig: Rig, chart: FaceChart, person: Complexion, hair: Hair, age: float
) -> Skin:
    """Paint a person.

    Args:
        rng: Source of randomness.
        rig: Gives the head's geometry.
        chart: The face's texture chart.
        person: Colours.
        hair: What grows on the scalp.
        age: From 0 (smooth) to 1 (rough skin).

    Returns:
        The materials.
    """
    painter = _Painter(rng, rig, chart, person)
    painter.blush()
    painter.eyelids()
    painter.vessels()
    painter.spots()
    painter.lash_lines()
    painter.lips()
    if person.masculine:
        painter.beard()
    painter.brows()
    hair_mask = painter.scalp(hair)
    size = chart.size
    pores = 0.05 * fractal_noise(rng, size, (96, 160, 256), 0.9)
    pores += 0.03 * fractal_noise(rng, size, (40, 80))
    colour, shell = _paint_vertices(rng, rig, chart, person, hair, hair_mask)
    return Skin(
        albedo=(np.clip(painter.albedo, 0.005, 1) ** 2.2).astype(np.float32),
        gloss=painter.gloss(hair_mask),
        roughness=painter.roughness(),
        pores=(pores * (0.15 + 1.15 * age)).astype(np.float32),
        colour=colour,
        hair_shell=shell,
    )


class _Painter:
    """Paints one face's albedo, layer over layer, in sRGB."""

    def __init__(
        self, rng: np.random.Generator, rig: Rig, chart: FaceChart, person: Complexion
    ) -> None:
        self.rng, self.chart, self.person = rng, chart, person
        self.x, self.y, self.z = np.moveaxis(chart.position, -1, 0)
        self.anatomy = rig.vertices[rig.landmarks68]  # (68, 3), cm
        tone = 0.035 * fractal_noise(rng, chart.size, (3, 6, 12))
        tone += 0.025 * fractal_noise(rng, chart.size, (48, 96, 160))
        self.albedo = person.skin * (1 + tone[..., None])

    def blob(
        self, centre: Sequence[float] | np.ndarray, width: float, height: float | None = None
    ) -> np.ndarray:
        """Return a soft spot around a head position, cm."""
        across = ((self.x - centre[0]) / width) ** 2
        return np.exp(-across - ((self.y - centre[1]) / (height or width)) ** 2)

    def cover(self, mask: np.ndarray, colour: np.ndarray) -> None:
        """Lay a colour over the skin where the mask says."""
        share = np.asarray(mask)[..., None]
        self.albedo = self.albedo * (1 - share) + colour * share

    def blush(self) -> None:
        """Redden cheeks, nose and chin."""
        rng, face = self.rng, self.anatomy
        left, right = (
            self.blob(face[31 if side < 0 else 35] + np.array([side * 2.6, 0.8, 0]), 2.0, 1.6)
            for side in (-1, 1)
        )
        red = (left + right) * rng.uniform(0.2, 1)
        red += self.blob(face[30], 1.3) * rng.uniform(0.2, 0.9)
        red += 0.4 * self.blob(face[8], 1.6)
        red *= 1 + 0.3 * fractal_noise(rng, self.chart.size, (8, 16, 32))
        tint = np.array([0.03, -0.11, -0.10]) * rng.uniform(0.4, 1.3)
        self.albedo *= 1 + np.clip(red, -0.2, 1.5)[..., None] * tint

    def eyelids(self) -> None:
        """Darken under the eyes, on the lids (make-up for some) and in the nostrils."""
        rng, face = self.rng, self.anatomy
        left, right = (
            self.blob((face[a] + face[b]) / 2 + np.array([0, -0.75, 0]), 1.5, 0.7)
            for a, b in ((36, 39), (42, 45))
        )
        below = (left + right)[..., None]
        self.albedo *= 1 - below * np.array([0.14, 0.18, 0.14]) * rng.uniform(0.2, 1.2)
        left, right = (
            self.blob((face[a] + face[b]) / 2 + np.array([0, 0.45, 0]), 1.7, 0.5)
            for a, b in ((37, 38), (43, 44))
        )
        painted = rng.random() < 0.3 and not self.person.masculine
        shadow = (
            np.array([0.35, 0.42, 0.38]) * rng.uniform(0.3, 1)
            if painted
            else np.array([0.08, 0.12, 0.10])
        )
        self.albedo *= 1 - (left + right)[..., None] * shadow
        nostrils = self.blob((face[31] + face[35]) / 2, 0.9, 0.25) * (self.z > 0)
        self.albedo *= 1 - 0.3 * nostrils[..., None]

    def spots(self) -> None:
        """Scatter freckles on some and a few moles."""
        rng, size = self.rng, self.chart.size
        if rng.random() < 0.3:
            freckles = np.zeros((size, size), np.float32)
            for _ in range(rng.integers(50, 300)):
                at = self.chart.landmarks[30] + rng.normal(0, 1, 2) * np.array([95, 55])
                centre = tuple(int(v) for v in at)
                cv2.circle(freckles, centre, 1, rng.uniform(0.3, 1), -1, cv2.LINE_AA)
            tint = np.array([0.22, 0.32, 0.36]) * rng.uniform(0.3, 0.9)
            self.albedo *= 1 - cv2.GaussianBlur(freckles, (0, 0), 0.8)[..., None] * tint
        for _ in range(rng.integers(0, 5)):
            mole = np.zeros((size, size), np.float32)
            centre = tuple(int(v) for v in rng.uniform(90, size - 90, 2))
            cv2.circle(mole, centre, int(rng.integers(1, 4)), 1.0, -1, cv2.LINE_AA)
            dark = np.array([0.5, 0.6, 0.6])
            self.albedo *= 1 - cv2.GaussianBlur(mole, (0, 0), 0.8)[..., None] * dark

    def vessels(self) -> None:
        """Thread fine red vessels through cheeks and nose, and dot the skin with pores."""
        rng, face, size = self.rng, self.anatomy, self.chart.size
        where = self.blob(face[30], 1.8) + 0.7 * sum(
            self.blob(face[31 if side < 0 else 35] + np.array([side * 2.4, 0.6, 0]), 2.2, 1.6)
            for side in (-1, 1)
        )
        # Where noise crosses zero it draws thin winding lines.
        threads = np.exp(-((fractal_noise(rng, size, (20, 40, 80)) / 0.08) ** 2))
        red = np.clip(where * threads, 0, 1)[..., None] * rng.uniform(0, 0.5)
        self.albedo *= 1 - red * np.array([0.05, 0.22, 0.20])
        dots = np.clip(fractal_noise(rng, size, (170, 250), 0.8) - 0.9, 0, 2)
        pores = dots * (0.25 + np.clip(where, 0, 1))
        self.albedo *= 1 - np.clip(pores, 0, 1)[..., None] * rng.uniform(0.05, 0.3)

    def lash_lines(self) -> None:
        """Darken the lid edges."""
        low, high = (0.35, 0.9) if self.person.masculine else (0.6, 1.0)
        for mask in self.chart.lashes:
            self.cover(mask * self.rng.uniform(low, high), np.array([0.05, 0.04, 0.035]))

    def lips(self) -> None:
        """Colour the lips, with lipstick for some."""
        rng, person = self.rng, self.person
        tint = np.array([0.82, 0.66, 0.66] if person.dark else [0.93, 0.63, 0.64])
        colour = person.skin * tint * rng.uniform(0.88, 1.06)
        if not person.masculine and rng.random() < 0.35:
            lipstick = np.array([0.62, 0.16, 0.2]) * rng.uniform(0.7, 1.3)
            colour = 0.6 * lipstick + 0.4 * colour
        grain = 1 + 0.06 * fractal_noise(rng, self.chart.size, (64, 128))[..., None]
        self.cover(self.chart.lips * rng.uniform(0.6, 0.95), colour * grain)

    def beard(self) -> None:
        """Draw stubble or a beard on chin, jaw and upper lip."""
        rng, person, size = self.rng, self.person, self.chart.size
        growth = rng.choice([0, 0.25, 0.5, 0.9], p=[0.35, 0.3, 0.2, 0.15]) * rng.uniform(0.7, 1)
        # From the sideburns down to the mouth, with an edge that no razor drew.
        edge = rng.uniform(-2.2, -0.9) + 0.05 * self.x**2 + 0.3 * fractal_noise(rng, size, (16, 48))
        jaw = smoothstep(edge - self.y, 0, 1.8) * smoothstep(self.z, -1, 5)
        lip_top = (self.anatomy[33, 1] + self.anatomy[51, 1]) / 2
        moustache = np.exp(-(((self.y + 0.3 - lip_top) / 0.55) ** 2) - (self.x / 2.6) ** 2)
        area = np.clip(jaw + moustache, 0, 1) * (1 - self.chart.lips)
        grain = cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), 0.9)
        hairs = np.clip(0.55 + 0.8 * grain, 0, 1)
        if growth > 0.6:
            self.cover(area * growth * hairs, person.hair * 0.9)
        elif growth > 0:
            colour = person.hair * 0.6 + person.skin * 0.25
            self.cover(area * growth * (0.35 + 0.5 * hairs), colour)

    def brows(self) -> None:
        """Draw the brows hair by hair."""
        rng, chart, span = self.rng, self.chart, self.chart.brow_span
        strokes = np.zeros((chart.size, chart.size), np.float32)
        thickness = rng.uniform(0.022, 0.06) * (1.2 if self.person.masculine else 0.85)
        count, drop = int(rng.uniform(140, 520)), rng.uniform(0.015, 0.05)
        knots = np.linspace(0, 1, 5)
        for indices, side in ((range(21, 16, -1), -1), (range(22, 27), 1)):
            arc = chart.landmarks[list(indices)] + (0, drop * span)
            along = rng.beta(1.1, 1.2, count)  # 0 inner end, 1 outer end
            width = (
                thickness * span * (1 - 0.65 * along**1.5) * (0.6 + 0.4 * (along * 6).clip(0, 1))
            )
            x = np.interp(along, knots, arc[:, 0])
            y = np.interp(along, knots, arc[:, 1]) + rng.uniform(-0.5, 0.5, count) * width
            slant = np.interp(along, [0, 0.3, 1], [75, 30, -12]) + rng.normal(0, 10, count)
            length = rng.uniform(0.5, 1, count) * (5 + 6 * thickness / 0.035)
            tip_x = x + side * np.cos(np.deg2rad(slant)) * length
            tip_y = y - np.sin(np.deg2rad(slant)) * length
            ends = (np.stack([x, y, tip_x, tip_y], 1) * 16).astype(np.int32)
            for (x0, y0, x1, y1), ink in zip(
                ends.tolist(), rng.uniform(0.5, 1, count), strict=True
            ):
                cv2.line(strokes, (x0, y0), (x1, y1), float(ink), 1, cv2.LINE_AA, 4)
        hairs = cv2.GaussianBlur(strokes, (0, 0), 0.7) * rng.uniform(0.6, 1.25)
        ground = cv2.GaussianBlur(strokes, (0, 0), 3.0) * rng.uniform(
            0.0, 0.8
        )  # dense brows, make-up
        mask = np.clip(np.maximum(hairs, ground), 0, 0.96)
        self.cover(mask, self.person.hair * rng.uniform(0.55, 0.95))

    def scalp(self, hair: Hair) -> np.ndarray:
        """Paint the scalp under the hair that grows on the face's chart; returns its mask."""
        rng, size = self.rng, self.chart.size
        ragged = fractal_noise(rng, size, (16, 32, 64))
        mask: np.ndarray = hair.cover(self.x, self.y, self.z, ragged) * hair.ground
        ears = (np.abs(self.x) > 7.3) & (self.y < 4.8) & (self.z < 3.6)
        mask = cv2.GaussianBlur(np.where(ears, 0, mask).astype(np.float32), (0, 0), 1.5)
        rows = rng.standard_normal((20, size)).astype(np.float32)
        strands = cv2.GaussianBlur(cv2.resize(rows, (size, size)), (0, 0), 0.8)
        self.cover(mask, self.person.hair * np.clip(0.75 + 0.35 * strands, 0.3, 1.5)[..., None])
        return mask * ~ears

    def gloss(self, hair_mask: np.ndarray) -> np.ndarray:
        """Return the specular map: forehead, nose and lips shine more."""
        shine = 0.45 + 0.30 * (self.blob(self.anatomy[30], 1.5, 3) + self.blob((0, 8, 0), 5, 2.5))
        shine += 0.25 * self.chart.lips - 0.4 * hair_mask
        shine += 0.08 * fractal_noise(self.rng, self.chart.size, (16, 64))
        return (np.clip(shine, 0, 1.2) * self.rng.uniform(0.25, 1.3)).astype(np.float32)

    def roughness(self) -> np.ndarray:
        """Return how rough the skin is: smoother and oilier on forehead, nose and lips."""
        rng, size = self.rng, self.chart.size
        oily = self.blob(self.anatomy[30], 1.5, 3) + self.blob((0, 8, 0), 5, 2.5)
        rough = rng.uniform(0.52, 0.68) - rng.uniform(0, 0.12) * oily - 0.12 * self.chart.lips
        rough += 0.03 * fractal_noise(rng, size, (16, 32)) + 0.05 * fractal_noise(
            rng, size, (128, 256)
        )
        return np.clip(rough, 0.32, 0.9).astype(np.float32)


def _dress(rng: np.random.Generator, colour: np.ndarray, rig: Rig) -> np.ndarray:
    """Put most people into a shirt, with a round or open collar; colours (V, 3) sRGB."""
    if rng.random() < 0.15:
        return colour
    x, y, z = rig.vertices.T
    grey = rng.uniform(0.03, 0.95)
    cloth = np.clip(grey + rng.normal(0, 0.13, 3), 0.02, 1)
    cut = rng.uniform(-0.05, 0.5)  # how deep the collar is open in front
    collar = rng.uniform(-12.0, -9.5) - cut * np.clip(3 - np.abs(x), 0, 3) * (z > 2)
    share = smoothstep(collar - y, 0, 0.5) * (rig.vertex_part == Part.HEAD)
    folds = 1 + 0.15 * np.sin(0.9 * x + 0.6 * y + rng.uniform(0, 6))
    return colour * (1 - share[:, None]) + cloth * (share * folds)[:, None]


def _paint_vertices(
    rng: np.random.Generator,
    rig: Rig,
    chart: FaceChart,
    person: Complexion,
    hair: Hair,
    hair_mask: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Colour the head, mouth and teeth by vertex, and lift the hair off the head."""
    count = len(rig.vertices)
    x, y, z = rig.vertices.T
    part = rig.vertex_part
    # Vertices that face and head share count as the face's: without them a bright seam would show.
    haired = np.where((part <= Part.HEAD) & (y > -3.5), hair.cover(x, y, z) * hair.ground, 0)
    colour = np.tile(person.skin, (count, 1)) * (1 - haired[:, None])
    colour += person.hair * haired[:, None] * rng.uniform(0.6, 1.1, (count, 1))
    colour = _dress(rng, colour, rig)
    colour[part == Part.MOUTH_SOCKET] = (0.42, 0.16, 0.15)
    colour[part == Part.GUMS] = (0.62, 0.27, 0.27)
    colour[part == Part.EYE_SOCKET] = person.skin * np.array([0.95, 0.72, 0.70])
    colour[part == Part.TEETH] = np.array([0.93, 0.89, 0.80]) * rng.uniform(0.82, 1.0)

    lift = np.where(part == Part.HEAD, haired, 0).astype(np.float32)
    face = (part == Part.FACE) & (y > 5.5)
    texel = np.clip(np.stack([1 - rig.uv[:, 1], rig.uv[:, 0]], 1) * chart.size, 0, chart.size - 1)
    row, column = texel.astype(int).T
    lift[face] = hair_mask[row, column][face]
    phase = rng.uniform(0, 6, 2)
    waves = 0.8 + 0.25 * np.sin(x * 1.7 + phase[0]) * np.sin(z * 1.3 + phase[1])
    shell = lift * person.hair_depth * (waves + 0.12 * rng.standard_normal(count))
    linear = np.clip(colour, 0.005, 1) ** 2.2
    return linear.astype(np.float32), shell.astype(np.float32)
