"""The panel at the side: one face's action units as bars, with names and numbers."""

import numpy as np

from runtime.action_units import AU_NAMES
from runtime.drawing.style import (
    ACCENT,
    BAR,
    BAR_PRESENT,
    FAINT,
    INK,
    MIN_FONT,
    PANEL,
    Style,
    shade,
    text_width,
    write,
)
from runtime.results import Face


def draw_panel(
    canvas: np.ndarray, face: Face, note: str, style: Style
) -> tuple[int, int, int, int] | None:
    """Draw the panel onto a canvas, in place, on the side that hides less of the face.

    Args:
        canvas: (H, W, 3) uint8, BGR.
        face: Whose action units.
        note: What stands in its head line, beside the face's number.
        style: Sizes; smaller ones are taken where not all AUs would fit.

    Returns:
        Left, top, width, height, pixels; None where the canvas is too small for it.
    """
    height, width = canvas.shape[:2]
    while style.font > MIN_FONT and _room(style, height) < len(face.aus):
        style = Style(0.95 * style.unit)
    rows = _rows_that_fit(face, _room(style, height))
    named = [f"{key} {AU_NAMES[int(key[2:])]}" for key in rows]
    number = text_width("D 0.00" if face.intensities else "0.00", style.font)
    wide = max((text_width(text, style.font) for text in named), default=0)
    if wide + number + 6 * style.pad > 0.42 * width:
        named = list(rows)
        wide = max((text_width(text, style.font) for text in named), default=0)
    panel = max(wide + number, text_width(f"#00  {note}", style.font)) + 5 * style.pad
    tall = (len(rows) + 1) * style.row + 2 * style.pad
    if panel > width or tall > height:
        return None
    x, y = _panel_left(face, panel, width, style.pad), style.pad
    shade(canvas, (x, y, panel, tall), PANEL)
    left, right = x + style.pad, x + panel - style.pad
    y += style.pad
    write(canvas, f"#{face.id}", (left, y), style, ACCENT)
    write(canvas, note, (right - text_width(note, style.font), y), style, FAINT)
    for key, text in zip(rows, named, strict=True):
        y += style.row
        present, value = key in face.present, face.adjusted.get(key, face.aus[key])
        gap = max(1, style.row // 9)
        bar = round((right - left) * min(max(value, 0.0), 1.0))
        box = (left, y + gap // 2, bar, style.row - gap)
        shade(canvas, box, BAR_PRESENT if present else BAR, opacity=0.9)
        ink = INK if present else FAINT
        write(canvas, text, (left + style.pad, y), style, ink)
        figure = f"{value:.2f}"
        if present and key in face.intensities:
            figure = f"{_letter(face.intensities[key])} {figure}"
        place = right - style.pad - text_width(figure, style.font)
        write(canvas, figure, (place, y), style, ink)
    return x, style.pad, panel, tall


def _room(style: Style, height: int) -> int:
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
