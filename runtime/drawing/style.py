"""Colours, sizes and text of everything that is drawn onto frames."""

from dataclasses import dataclass

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX
INK = (245, 245, 245)
FAINT = (188, 182, 178)
ACCENT = (64, 176, 255)
BAR = (104, 92, 84)
BAR_PRESENT = (32, 118, 206)
PANEL = (34, 28, 24)
LINE = (210, 224, 120)
PANEL_OPACITY = 0.8
REFERENCE = (640, 360)
"""The frame size at which one unit is one pixel; lines and text grow with larger frames."""
MIN_FONT = 0.33
"""Below this scale the font's strokes run together."""

Colour = tuple[int, int, int]
"""Blue, green, red."""


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes for a frame.

    Attributes:
        unit: Pixels a unit.
    """

    unit: float

    @classmethod
    def of(cls, width: int, height: int) -> "Style":
        """Choose the sizes for a frame, pixels."""
        return cls(min(width / REFERENCE[0], height / REFERENCE[1]))

    @property
    def font(self) -> float:
        """Scale of the font."""
        return max(MIN_FONT, 0.4 * self.unit)

    @property
    def row(self) -> int:
        """Height of a line of text, pixels."""
        return round(self.font * 45)

    @property
    def pad(self) -> int:
        """Space around text, pixels."""
        return max(3, round(self.font * 15))

    @property
    def line(self) -> int:
        """Width of a line, pixels."""
        return max(1, round(self.unit))


def text_width(text: str, scale: float) -> int:
    """Measure a line of text, pixels."""
    return cv2.getTextSize(text, FONT, scale, _weight(scale))[0][0]


def write(
    canvas: np.ndarray, text: str, corner: tuple[int, int], style: Style, ink: Colour
) -> None:
    """Write one line of text, its capitals centred in a row whose upper left corner is given."""
    base = (corner[0], corner[1] + (style.row + _capital(style.font)) // 2)
    cv2.putText(canvas, text, base, FONT, style.font, ink, _weight(style.font), cv2.LINE_AA)


def shade(
    canvas: np.ndarray,
    box: tuple[int, int, int, int],
    colour: Colour,
    opacity: float = PANEL_OPACITY,
) -> None:
    """Lay a translucent box onto a canvas, in place; what lies outside is cut off."""
    x, y, w, h = box
    part = canvas[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
    if part.size:
        flat = np.empty_like(part)
        flat[:] = colour
        cv2.addWeighted(part, 1 - opacity, flat, opacity, 0, dst=part)


def tag(canvas: np.ndarray, text: str, corner: tuple[int, int], style: Style) -> None:
    """Write a line of text on a box of its own, moved into the canvas if need be."""
    width = text_width(text, style.font) + 2 * style.pad
    x = max(0, min(corner[0], canvas.shape[1] - width))
    y = max(0, min(corner[1], canvas.shape[0] - style.row))
    shade(canvas, (x, y, width, style.row), PANEL)
    write(canvas, text, (x + style.pad, y), style, INK)


def _capital(scale: float) -> int:
    """Tell how high capitals are, pixels.

    It is what OpenCV 4 says of any text; OpenCV 5 says how high a line is, a quarter more.
    """
    return round(21 * scale + (_weight(scale) + 1) // 2)


def _weight(scale: float) -> int:
    return max(1, round(scale * 1.6))
