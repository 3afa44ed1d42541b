"""A face where it is: box, landmarks, and a tag with its number and what is present."""

from collections.abc import Sequence

import cv2
import numpy as np

from runtime.boxes import Box
from runtime.drawing.panel import draw_row
from runtime.drawing.places import is_free, is_inside
from runtime.drawing.style import ACCENT, INK, LINE, PANEL, Style, shade, tag, text_width, write
from runtime.image import size_of
from runtime.landmarks import CONTOURS, inter_ocular
from runtime.results import Face

MOST_ROWS = (6, 3)
"""Action units in a tag at most, and where there is little room."""

SMALL = 0.85
"""Size of tags, of what the frame asks for."""


def draw_face(canvas: np.ndarray, face: Face, style: Style) -> None:
    """Draw one face onto a canvas, in place.

    Args:
        canvas: (H, W, 3) uint8, BGR.
        face: The face.
        style: Sizes.
    """
    # Four more binary digits of a pixel keep thin contours from trembling from frame to frame.
    points = np.round(face.landmarks * 16).astype(np.int32)
    for indices, closed in CONTOURS:
        cv2.polylines(canvas, [points[list(indices)]], closed, LINE, style.line, cv2.LINE_AA, 4)
    radius = max(9, round(0.3 * float(inter_ocular(face.landmarks))))
    for x, y in points.tolist():
        cv2.circle(canvas, (x, y), radius, INK, cv2.FILLED, cv2.LINE_AA, 4)
    x, y, w, h = face.box
    low, high = (round(x), round(y)), (round(x + w), round(y + h))
    cv2.rectangle(canvas, low, high, ACCENT, style.line, cv2.LINE_AA)


def draw_tag(
    canvas: np.ndarray, face: Face, style: Style, taken: Sequence[Box], corners: bool = False
) -> Box:
    """Write a face's number and the AUs that are present beside its box, in place.

    As bars at its side where they hide nobody, else as a line above or below it, at last as its
    number alone.

    Args:
        canvas: (H, W, 3) uint8, BGR.
        face: The face.
        style: Sizes of the frame.
        taken: Boxes that it should not hide: the other faces, panels and tags.
        corners: Whether the bars may also be in an upper corner of the frame.

    Returns:
        Left, top, width, height of what was drawn or kept free for it, pixels.
    """
    style = Style(SMALL * style.unit)
    size = size_of(canvas)
    present = sorted(face.present, key=face.aus.__getitem__, reverse=True)
    wide = text_width("AU00 D 0.00" if face.intensities else "AU00 0.00", style.font)
    wide += 5 * style.pad
    x, y, w, _ = face.box
    for most in MOST_ROWS:
        # Room for all rows is kept, so that the tag stays at its side while AUs come and go.
        tall = (most + 1) * style.row + style.pad
        top = max(0, min(round(y), size[1] - tall))
        places = [(round(x + w) + style.line, top), (round(x) - style.line - wide, top)]
        if corners:
            places += [(style.pad, style.pad), (size[0] - style.pad - wide, style.pad)]
        for left, top in places:
            place = (left, top, wide, tall)
            if is_inside(place, size) and is_free(place, [face.box, *taken]):
                _draw_bars(canvas, face, present[:most], place, style)
                return place
    texts = []
    for count in range(len(present), -1, -1):
        more = f" +{len(present) - count}" if count < len(present) else ""
        texts.append(f"#{face.id}{' ' * bool(count)}{' '.join(sorted(present[:count]))}{more}")
    return _draw_line(canvas, face, texts, style, taken)


def draw_number(canvas: np.ndarray, face: Face, style: Style, taken: Sequence[Box]) -> Box:
    """Write a face's number above or below its box, in place; all else is in the panel.

    Args:
        canvas: (H, W, 3) uint8, BGR.
        face: The face.
        style: Sizes of the frame.
        taken: Boxes that it should not hide: the other faces, panels and tags.

    Returns:
        Left, top, width, height of what was drawn, pixels.
    """
    return _draw_line(canvas, face, [f"#{face.id}"], Style(SMALL * style.unit), taken)


def _draw_line(
    canvas: np.ndarray, face: Face, texts: Sequence[str], style: Style, taken: Sequence[Box]
) -> Box:
    """Write the first text that hides nobody above or below a face; else its number in its corner.

    Of a face that is hardly larger than its number nothing would be left: it then has none.
    """
    size = size_of(canvas)
    x, y, w, h = face.box
    for text in texts:
        breadth = text_width(text, style.font) + 2 * style.pad
        left = max(0, min(round(x), size[0] - breadth))
        for top in (round(y) - style.row, round(y + h)):
            place = (left, top, breadth, style.row)
            if is_inside(place, size) and is_free(place, taken):
                tag(canvas, text, (left, top), style)
                return place
    corner = (max(0, round(x)), max(0, round(y)))
    breadth = text_width(f"#{face.id}", style.font) + 2 * style.pad
    if breadth > w / 2 or style.row > h / 2:
        return (0, 0, 0, 0)
    tag(canvas, f"#{face.id}", corner, style)
    return (*corner, breadth, style.row)


def _draw_bars(
    canvas: np.ndarray,
    face: Face,
    keys: Sequence[str],
    place: tuple[int, int, int, int],
    style: Style,
) -> None:
    left, top, wide, _ = place
    if not keys:
        wide = text_width(f"#{face.id}", style.font) + 2 * style.pad
    shade(canvas, (left, top, wide, (len(keys) + 1) * style.row + style.pad), PANEL)
    write(canvas, f"#{face.id}", (left + style.pad, top), style, ACCENT)
    for number, key in enumerate(sorted(keys), 1):
        row = (left + style.pad, top + number * style.row, wide - 2 * style.pad)
        draw_row(canvas, face, key, key, row, style)
