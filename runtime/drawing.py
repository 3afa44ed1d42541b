"""Results drawn onto frames, for videos and live windows; needs no display."""

from dataclasses import dataclass

import cv2
import numpy as np

from runtime.action_units import AU_NAMES
from runtime.image import check_frame
from runtime.landmarks import CONTOURS, inter_ocular
from runtime.results import Face, Result

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK = (245, 245, 245)
_FAINT = (188, 182, 178)
_ACCENT = (64, 176, 255)
_BAR = (104, 92, 84)
_BAR_PRESENT = (32, 118, 206)
_PANEL = (34, 28, 24)
_LINE = (210, 224, 120)
_PANEL_OPACITY = 0.8
_REFERENCE = (640, 360)
"""The frame size at which one unit is one pixel; lines and text grow with larger frames."""
_MIN_FONT = 0.33
"""Below this scale the font's strokes run together."""


@dataclass(frozen=True, slots=True)
class _Style:
    unit: float

    @property
    def font(self) -> float:
        return max(_MIN_FONT, 0.4 * self.unit)

    @property
    def row(self) -> int:
        return round(self.font * 45)

    @property
    def pad(self) -> int:
        return max(3, round(self.font * 15))

    @property
    def line(self) -> int:
        return max(1, round(self.unit))


def draw(frame: np.ndarray, result: Result) -> np.ndarray:
    """Draw faces, action units and the latency onto a copy of a frame.

    The panel shows the first face, on the side that hides less of it; other faces carry the AUs
    that are present at their boxes. A model that tells intensities adds FACS's letter, A (trace) to
    E (maximum), to the AUs that are present.

    Args:
        frame: The frame of the result, (H, W, 3) uint8, BGR; grey, BGRA and uint16 are converted.
        result: What the detector said of it.

    Returns:
        (H, W, 3) uint8, BGR, a new array.

    Raises:
        InputError: The frame is not an image.
    """
    canvas = check_frame(frame)
    canvas = canvas.copy() if canvas is frame or np.shares_memory(canvas, frame) else canvas
    height, width = canvas.shape[:2]
    style = _Style(min(width / _REFERENCE[0], height / _REFERENCE[1]))
    for face in result:
        _draw_face(canvas, face, style, label=len(result) > 1)
    latency = f"{result.timings.total:.1f} ms"
    if not result.faces:
        _draw_note(canvas, f"no face   {latency}", style)
        return canvas
    _draw_panel(canvas, result.faces[0], latency, style)
    return canvas


def _draw_face(canvas: np.ndarray, face: Face, style: _Style, label: bool) -> None:
    # Four more binary digits of a pixel keep thin contours from trembling from frame to frame.
    points = np.round(face.landmarks * 16).astype(np.int32)
    for indices, closed in CONTOURS:
        cv2.polylines(canvas, [points[list(indices)]], closed, _LINE, style.line, cv2.LINE_AA, 4)
    radius = max(9, round(0.3 * float(inter_ocular(face.landmarks))))
    for x, y in points.tolist():
        cv2.circle(canvas, (x, y), radius, _INK, cv2.FILLED, cv2.LINE_AA, 4)
    x, y, w, h = face.box
    low, high = (round(x), round(y)), (round(x + w), round(y + h))
    cv2.rectangle(canvas, low, high, _ACCENT, style.line, cv2.LINE_AA)
    if label:
        text = " ".join([f"#{face.id}", *face.present])
        _draw_tag(canvas, text, (low[0], low[1] - style.row), style)


def _draw_tag(canvas: np.ndarray, text: str, corner: tuple[int, int], style: _Style) -> None:
    width = _text_width(text, style.font) + 2 * style.pad
    x = max(0, min(corner[0], canvas.shape[1] - width))
    y = max(0, min(corner[1], canvas.shape[0] - style.row))
    _shade(canvas, (x, y, width, style.row), _PANEL)
    _write(canvas, text, (x + style.pad, y), style, _INK)


def _draw_note(canvas: np.ndarray, text: str, style: _Style) -> None:
    _draw_tag(canvas, text, (style.pad, style.pad), style)


def _draw_panel(canvas: np.ndarray, face: Face, latency: str, style: _Style) -> None:
    height, width = canvas.shape[:2]
    while style.font > _MIN_FONT and _room(style, height) < len(face.aus):
        style = _Style(0.95 * style.unit)
    rows = _rows_that_fit(face, _room(style, height))
    named = [f"{key} {AU_NAMES[int(key[2:])]}" for key in rows]
    number = _text_width("D 0.00" if face.intensities else "0.00", style.font)
    wide = max((_text_width(text, style.font) for text in named), default=0)
    if wide + number + 6 * style.pad > 0.42 * width:
        named = list(rows)
        wide = max((_text_width(text, style.font) for text in named), default=0)
    panel = max(wide + number, _text_width(f"#00  {latency}", style.font)) + 5 * style.pad
    tall = (len(rows) + 1) * style.row + 2 * style.pad
    if panel > width or tall > height:
        return
    x, y = _panel_left(face, panel, width, style.pad), style.pad
    _shade(canvas, (x, y, panel, tall), _PANEL)
    left, right = x + style.pad, x + panel - style.pad
    y += style.pad
    _write(canvas, f"#{face.id}", (left, y), style, _ACCENT)
    _write(canvas, latency, (right - _text_width(latency, style.font), y), style, _FAINT)
    for key, text in zip(rows, named, strict=True):
        y += style.row
        present, value = key in face.present, face.aus[key]
        gap = max(1, style.row // 9)
        bar = round((right - left) * min(max(value, 0.0), 1.0))
        box = (left, y + gap // 2, bar, style.row - gap)
        _shade(canvas, box, _BAR_PRESENT if present else _BAR, opacity=0.9)
        ink = _INK if present else _FAINT
        _write(canvas, text, (left + style.pad, y), style, ink)
        figure = f"{value:.2f}"
        if present and key in face.intensities:
            figure = f"{_letter(face.intensities[key])} {figure}"
        place = right - style.pad - _text_width(figure, style.font)
        _write(canvas, figure, (place, y), style, ink)


def _room(style: _Style, height: int) -> int:
    """Count the AUs that fit into a panel below its head line."""
    return (height - 4 * style.pad) // style.row - 1


def _letter(intensity: float) -> str:
    """Grade an AU that is present as FACS does: 1 is A, 5 is E."""
    return "ABCDE"[min(max(round(intensity), 1), 5) - 1]


def _rows_that_fit(face: Face, most: int) -> list[str]:
    """Choose the AUs to show: all, or the most probable where the frame is too low for all."""
    if len(face.aus) <= most:
        return list(face.aus)
    best = sorted(face.aus, key=face.aus.__getitem__, reverse=True)[: max(most, 0)]
    return [key for key in face.aus if key in best]


def _panel_left(face: Face, panel: int, width: int, pad: int) -> int:
    """Choose the side on which the panel hides less of the face; left where it is the same."""
    x, _, w, _ = face.box
    hidden_left = pad + panel - x
    hidden_right = x + w - (width - pad - panel)
    return pad if max(hidden_left, 0) <= max(hidden_right, 0) else width - pad - panel


def _text_width(text: str, scale: float) -> int:
    return cv2.getTextSize(text, _FONT, scale, _weight(scale))[0][0]


def _weight(scale: float) -> int:
    return max(1, round(scale * 1.6))


def _write(
    canvas: np.ndarray, text: str, corner: tuple[int, int], style: _Style, ink: tuple[int, int, int]
) -> None:
    """Write one line of text, its capitals centred in a row whose upper left corner is given."""
    capital = cv2.getTextSize("A", _FONT, style.font, _weight(style.font))[0][1]
    base = (corner[0], corner[1] + (style.row + capital) // 2)
    cv2.putText(canvas, text, base, _FONT, style.font, ink, _weight(style.font), cv2.LINE_AA)


def _shade(
    canvas: np.ndarray,
    box: tuple[int, int, int, int],
    colour: tuple[int, int, int],
    opacity: float = _PANEL_OPACITY,
) -> None:
    """Lay a translucent box onto a canvas, in place; what lies outside is cut off."""
    x, y, w, h = box
    part = canvas[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
    if part.size:
        flat = np.empty_like(part)
        flat[:] = colour
        cv2.addWeighted(part, 1 - opacity, flat, opacity, 0, dst=part)
