"""A stage to paint scenery on in true sizes, and the colours that rooms and streets have.

Colours are linear reflectances under a light of 1, from the sRGB of paint charts; what shines
itself (windows, lamps, the sky) goes beyond 1.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike

from lgrnet.faces.noise import fractal_noise

_SUBPIXEL = 4  # fractional bits of drawn coordinates


def _linear(*tones: tuple[int, int, int]) -> np.ndarray:
    """Turn sRGB in 0–255 into linear RGB in [0, 1], (N, 3) float32."""
    return ((np.array(tones) / 255) ** 2.2).astype(np.float32)


PAINTS = _linear(
    *((243, 240, 233), (236, 230, 218), (226, 224, 220), (205, 204, 202), (170, 170, 170)),
    *((222, 208, 186), (238, 226, 196), (196, 180, 160), (150, 140, 130), (92, 92, 96)),
    *((198, 208, 214), (166, 182, 196), (184, 192, 174), (214, 190, 130), (206, 178, 168)),
    *((96, 112, 130), (120, 92, 78), (60, 62, 66)),
)
"""Wall paints, (18, 3): rooms are white, grey and beige."""

PAINT_SHARES = np.array([9, 9, 9, 7, 6, 7, 5, 5, 4, 4, 3, 3, 3, 2, 2, 2, 2, 3])
"""How common each wall paint is."""

SCREENS = _linear(
    (38, 110, 235), (60, 170, 75), (24, 24, 25), (245, 245, 245), (118, 118, 120), (180, 178, 174)
)
"""Studio backdrops: blue, green, black, white and greys, (6, 3)."""

SCREEN_SHARES = np.array([30, 6, 18, 20, 14, 12])
"""How common each backdrop is."""

WOODS = _linear(
    (58, 42, 36), (96, 66, 44), (140, 98, 62), (176, 132, 88), (204, 170, 128), (128, 122, 114)
)
"""Woods, from dark to light, and weathered grey, (6, 3)."""

_DYES = _linear((70, 30, 34), (40, 48, 70), (88, 92, 70), (52, 70, 64), (124, 70, 56), (34, 34, 36))

CLOTHS = np.concatenate([PAINTS, _DYES])
"""Cloth, books and furniture, (24, 3)."""

BRICKS = _linear((118, 72, 60), (104, 66, 58), (140, 98, 80), (222, 218, 210), (128, 124, 120))
"""Bricks, the last two painted white and grey, (5, 3)."""

LEAVES = _linear((62, 84, 36), (88, 108, 48), (46, 64, 38), (112, 112, 60), (130, 98, 50))
"""Leaves from spring to autumn, (5, 3)."""

LAMPS = _linear((255, 190, 110), (255, 214, 160), (255, 240, 220), (210, 226, 255))
"""Lamps, the first three incandescent, (4, 3)."""


@dataclass
class Stage:
    """A picture to paint scenery on; x points right and y down from its centre, cm.

    Attributes:
        rng: Source of randomness.
        image: (H, W, 3) float32, linear RGB.
        scale: Pixels per cm.
        right: Half the width, cm.
        bottom: Half the height, cm.
    """

    rng: np.random.Generator
    image: np.ndarray
    scale: float
    right: float = field(init=False)
    bottom: float = field(init=False)

    def __post_init__(self) -> None:
        """Derive the extent."""
        rows, columns = self.image.shape[:2]
        self.right, self.bottom = columns / self.scale / 2, rows / self.scale / 2

    def pick(
        self, tones: np.ndarray, shares: np.ndarray | None = None, spread: float = 0.1
    ) -> np.ndarray:
        """Draw a colour near one of the tones, (3,) float32 linear RGB."""
        if shares is None:
            tone = tones[self.rng.integers(0, len(tones))]
        else:
            tone = tones[self.rng.choice(len(tones), p=shares / shares.sum())]
        red, green, blue, shade = self.rng.standard_normal(4) * spread
        tint = np.array([red, green, blue], np.float32) / 5 + (1 + float(shade))
        return np.minimum(np.maximum(tone * tint, 0.003), 0.95)

    def fill(self, colour: np.ndarray) -> None:
        """Paint everything."""
        self.image[:] = colour

    def shape(self, corners: ArrayLike, colour: np.ndarray) -> None:
        """Paint a polygon; corners (N, 2), cm."""
        centre = (self.right, self.bottom)
        pixels = (np.asarray(corners, np.float64) + centre) * self.scale - 0.5
        points = np.round(pixels * (1 << _SUBPIXEL)).astype(np.int32)
        cv2.fillPoly(self.image, [points], list(map(float, colour)), cv2.LINE_8, _SUBPIXEL)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: np.ndarray) -> None:
        """Paint a rectangle, at least a pixel wide and high."""
        left, right = ((x + self.right) * self.scale - 0.5 for x in (x0, x1))
        top, bottom = ((y + self.bottom) * self.scale - 0.5 for y in (y0, y1))
        corner, opposite = (round(left), round(top)), (round(right), round(bottom))
        cv2.rectangle(self.image, corner, opposite, colour.tolist(), -1)

    def panel(
        self, x0: float, y0: float, x1: float, y1: float, bevel: float, colour: np.ndarray
    ) -> None:
        """Paint a rectangle with a moulded edge, lit from above."""
        self.box(x0, y0, x1, y1, colour * 0.62)
        self.box(x0 + bevel / 3, y0 + bevel, x1, y1, np.minimum(colour * 1.15, 1))
        self.box(x0 + bevel, y0 + bevel, x1 - bevel, y1 - bevel / 2, colour)

    def glow(self, x: float, y: float, width: float, height: float, colour: ArrayLike) -> None:
        """Add light that falls off around a point; width and height are standard deviations."""
        across, down = self.axes()
        column, row = np.exp(-(((down - y) / height) ** 2) / 2), ((across - x) / width) ** 2
        fall = column.astype(np.float32) * np.exp(-row / 2).astype(np.float32)
        self.image += fall[..., None] * np.asarray(colour, np.float32)

    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels' x (1, W) and y (H, 1), cm, float32."""
        rows, columns = self.image.shape[:2]
        x = (np.arange(columns, dtype=np.float32) + 0.5) / self.scale - self.right
        y = (np.arange(rows, dtype=np.float32) + 0.5) / self.scale - self.bottom
        return x[None], y[:, None]

    def cloud(self, size: float, octaves: int = 3, stretch: float = 1.0) -> np.ndarray:
        """Return noise with lumps of a size, cm, ``stretch`` times as wide; (H, W), deviation 1."""
        rows, columns = self.image.shape[:2]
        first = max(1, round(2 * self.bottom / size))
        finest = first * 2 ** (octaves - 1)
        side = int(np.clip(2 * finest, 24, rows))  # lumps need no more pixels
        noise = fractal_noise(self.rng, side, [first * 2**n for n in range(octaves)])
        span = max(1, round(side * columns / rows / stretch))
        part = np.hstack([noise, noise[:, ::-1]] * (span // (2 * side) + 1))[:, :span]
        return cv2.resize(part, (columns, rows), interpolation=cv2.INTER_LINEAR)

    def weather(self, amount: float, size: float, stretch: float = 1.0) -> None:
        """Make what is painted uneven."""
        self.image *= np.maximum(1 + amount * self.cloud(size, 3, stretch), 0.2)[..., None]

    def upright(self) -> None:
        """Turn what is painted by a right angle and fit it in again."""
        turned = cv2.transpose(self.image)
        self.image[:] = cv2.resize(turned, self.image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
