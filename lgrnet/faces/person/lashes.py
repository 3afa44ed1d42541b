"""Eyelashes: a soft dark fringe that grows from the lid edges and follows the lids."""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.drawing.shade import Lighting

_EYES = ((36, 37, 38, 39, 40, 41), (45, 44, 43, 42, 47, 46))
"""Landmarks of each eye from its outer corner over the upper lid and back under the lower."""

_BALL = np.array([0, 0.25, -0.85])
"""From the middle of the eye's corners to the middle of the eyeball, cm."""

_BENDS = np.array([0.0, 0.35, 0.7, 1.0])  # of a lash's length, where its polyline has points
_FADE = np.array([1.0, 0.85, 0.5])  # how dark each piece is: lashes thin out to the tip
_SEAM, _SEAM_INK = 0.07, 0.85  # width of the line of roots, cm, and its share of their darkness
_FINENESS = 45.0  # pixels per cm that lashes are drawn at, before they are shrunk onto the canvas
_CLEARANCE = 0.3  # how far behind the head's surface a lash is still seen, cm
_SUBPIXEL = 4


@dataclass(frozen=True, eq=False)
class LashRow:
    """The lashes of one lid.

    Attributes:
        along: Where each grows, (N,) from 0 at the outer corner to 1 at the inner.
        length: (N,), cm.
        forward: Share of the length that points away from the eyeball at the tip, (N,).
        lift: Share of the length that points along the face, away from the opening, (N,).
        outward: Share of the length that points away from the nose, (N,).
        ink: Darkness of each, (N,) in [0, 1].
    """

    along: np.ndarray
    length: np.ndarray
    forward: np.ndarray
    lift: np.ndarray
    outward: np.ndarray
    ink: np.ndarray


@dataclass(frozen=True, eq=False)
class Lashes:
    """A person's eyelashes.

    Attributes:
        upper: The rows of the image's left and right upper lid.
        lower: The rows of the lower lids.
        thickness: Diameter of an upper lash at its root, cm.
        reflectance: (3,) linear RGB.
    """

    upper: tuple[LashRow, LashRow]
    lower: tuple[LashRow, LashRow]
    thickness: float
    reflectance: np.ndarray

    def draw(self, canvas: Canvas) -> None:
        """Draw the lashes of both eyes, hidden where the head is nearer."""
        cover = np.zeros(canvas.depth.shape, np.float32)
        face = canvas.anatomy.astype(np.float64)
        for eye, upper, lower in zip(_EYES, self.upper, self.lower, strict=True):
            rim = face[list(eye)]
            middle = (rim[0] + rim[3]) / 2 + _BALL
            away = np.sign(rim[0, 0] - rim[3, 0])
            for row, lid, upwards in ((lower, [0, 5, 4, 3], -1.0), (upper, [0, 1, 2, 3], 1.0)):
                self._ink(canvas, cover, _grow(row, rim[lid], middle, away, upwards), row.ink)
        canvas.blend(cover, self.reflectance * _light_on(canvas.light))

    def _ink(self, canvas: Canvas, cover: np.ndarray, lines: np.ndarray, ink: np.ndarray) -> None:
        """Draw one row's polylines (N, P, 3), cm, into the cover of the whole canvas."""
        count, points = lines.shape[:2]
        seen = canvas.see(lines.reshape(-1, 3)).reshape(count, points, 3)
        rows, columns = cover.shape
        low = np.maximum(np.floor(seen[..., :2].min((0, 1))).astype(int) - 2, 0)
        high = np.minimum(np.ceil(seen[..., :2].max((0, 1))).astype(int) + 3, (columns, rows))
        if (high <= low).any():
            return
        finer = int(np.clip(round(_FINENESS / canvas.density), 1, 8))
        middle = (seen[:, :-1] + seen[:, 1:]) / 2
        x = np.clip(np.rint(middle[..., 0]).astype(int), 0, columns - 1)
        y = np.clip(np.rint(middle[..., 1]).astype(int), 0, rows - 1)
        shown = canvas.depth[y, x] >= middle[..., 2] - _CLEARANCE
        # Pixel centres lie at whole numbers on both grids.
        placed = (seen[..., :2] - low + 0.5) * finer - 0.5
        fixed = np.rint(placed * (1 << _SUBPIXEL)).astype(np.int32)
        pieces = np.stack([fixed[:, :-1], fixed[:, 1:]], 2)  # (N, P - 1, 2, 2)
        # A lash is thinner than a pixel even here: so much of the pixel it covers.
        pixels = self.thickness * canvas.density * finer
        width = max(1, round(pixels))
        share = min(1.0, pixels / width)
        # OpenCV smooths lines in 8-bit images alone; it mixes, so the darkest must come last.
        fine = np.zeros(((high - low)[::-1] * finer), np.uint8)
        # The roots stand so close that they read as a line.
        roots = fixed[:, 0]
        seam = np.stack([roots[:-1], roots[1:]], 1)[shown[1:, 0]]
        line = max(1, round(_SEAM * canvas.density * finer))
        value = 255 * _SEAM_INK * ink.mean()
        cv2.polylines(fine, list(seam), False, value, line, cv2.LINE_AA, _SUBPIXEL)
        level = np.rint(6 * ink[:, None] * _FADE).astype(int)  # few shades, so few calls
        for step in range(1, level.max() + 1):
            chosen = list(pieces[shown & (level == step)])
            if chosen:
                value = 255 * share * step / 6
                cv2.polylines(fine, chosen, False, value, width, cv2.LINE_AA, _SUBPIXEL)
        size = tuple(int(v) for v in high - low)
        fringe = cv2.resize(fine, size, interpolation=cv2.INTER_AREA) / np.float32(255)
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        cover[box] = np.maximum(cover[box], fringe)


def sample_lashes(rng: np.random.Generator, masculine: bool, hair_colour: np.ndarray) -> Lashes:
    """Draw a person's lashes.

    People have some 90 to 160 upper lashes of up to 1.2 cm and half as many, shorter lower ones, in
    several rows; half as many make the same fringe at the sizes we render.

    Args:
        rng: Source of randomness.
        masculine: Whether the person never wears mascara.
        hair_colour: (3,) sRGB in [0, 1], of the hair on the head.

    Returns:
        The lashes.
    """
    mascara = not masculine and rng.random() < 0.5
    long = rng.uniform(0.9, 1.1) if mascara else rng.uniform(0.65, 0.95)
    dense = rng.uniform(0.8, 1.2) * (1.15 if mascara else 1.0)
    curl = rng.uniform(0.75, 1.1) if mascara else rng.uniform(0.5, 0.95)
    dark = rng.uniform(0.9, 1.0) if mascara else rng.uniform(0.65, 1.0)
    above = round(75 * dense), long, curl, dark
    upper = _sample_row(rng, *above), _sample_row(rng, *above)
    below = round(38 * dense), 0.55 * long, 0.35 + 0.4 * curl, dark * rng.uniform(0.3, 0.6)
    lower = _sample_row(rng, *below), _sample_row(rng, *below)
    # Lashes are darker than the hair on the head, mascara makes them nearly black.
    tone = np.full(3, 0.06) if mascara else np.asarray(hair_colour) * rng.uniform(0.3, 0.55)
    return Lashes(
        upper=upper,
        lower=lower,
        thickness=rng.uniform(0.04, 0.06) if mascara else rng.uniform(0.026, 0.04),
        reflectance=np.clip(tone, 0.01, 1) ** 2.2,
    )


def _sample_row(
    rng: np.random.Generator, count: int, length: float, lift: float, dark: float
) -> LashRow:
    """Draw one lid's lashes; the tips of neighbours come together in tufts."""
    along = np.sort((np.arange(count) + rng.uniform(0, 1, count)) / count * 0.88 + 0.01)
    # The longest grow a third of the way in; the inner corner has hardly any.
    profile = np.interp(along, [0, 0.12, 0.35, 0.6, 0.9], [0.75, 0.95, 1, 0.85, 0.4])
    tufts = count / rng.uniform(2.5, 5)
    in_tuft = along * tufts % 1 - 0.5
    fan = np.interp(along, [0, 0.25, 0.6, 0.9], [0.75, 0.45, 0.1, -0.2])
    return LashRow(
        along=along,
        length=length * profile * rng.uniform(0.55, 1, count) ** 0.7,
        forward=rng.normal(0.75, 0.07, count),
        lift=lift * rng.normal(1, 0.14, count),
        outward=fan + 0.2 * in_tuft + rng.normal(0, 0.07, count),
        ink=np.clip(dark * rng.uniform(0.65, 1.05, count), 0, 1),
    )


def _grow(
    row: LashRow, lid: np.ndarray, middle: np.ndarray, away: float, upwards: float
) -> np.ndarray:
    """Let a row of lashes grow from a lid.

    Args:
        row: The lashes.
        lid: (4, 3), cm, landmarks from the outer corner to the inner.
        middle: (3,), cm, middle of the eyeball.
        away: Sign of x away from the nose.
        upwards: 1 for an upper lid, -1 for a lower.

    Returns:
        (N, P, 3), cm: each lash as a polyline that bends from away from the eyeball to its lift.
    """
    chord = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(lid, axis=0), axis=1))])
    chord /= max(chord[-1], 1e-6)
    curve = np.linalg.solve(np.vander(chord, 4), lid)
    root = np.vander(row.along, 4) @ curve
    forward = _unit(root - middle)
    # Along the eyeball, so that the fringe turns down with a closing lid.
    up = _unit(np.array([0, upwards, 0]) - upwards * forward[:, 1:2] * forward)
    side = np.array([away, 0, 0]) - away * forward[:, :1] * forward
    tip = forward * row.forward[:, None] + up * row.lift[:, None] + side * row.outward[:, None]
    start = 0.9 * forward + 0.3 * side * row.outward[:, None] + 0.15 * up
    t = _BENDS[None, :, None]
    bent = t * (1 - t) * start[:, None] + t**2 * tip[:, None]
    return root[:, None] + row.length[:, None, None] * bent


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _light_on(light: Lighting) -> np.ndarray:
    """Return the light on hairs that stand out of the face, (3,) linear RGB."""
    facing = max(0.0, float(light.key_direction[2]))
    return 0.8 * light.ambient + 0.7 * facing * light.key + 0.5 * light.fill
