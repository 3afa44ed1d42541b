"""The panel at the side: one face's action units as bars, with names and numbers.

It is as large as the frame leaves room for beside the faces: with FACS names or without, at full
size or smaller. Where there is no room it is left out, and the face has a tag as the others do
(`runtime.drawing.faces`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from runtime.action_units import au_name
from runtime.boxes import Box
from runtime.drawing.places import is_free, is_inside, widest_gap
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

SMALLER = (1.0, 0.85, 0.7)
"""Sizes that are tried, of the one that the frame asks for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A panel that has its place.

    Attributes:
        style: Sizes.
        rows: Keys of the AUs.
        names: Whether their names are written.
        box: Left, top, width, height, pixels.
        rank: 0 for the largest kind of panel, more for smaller ones.
    """

    style: Style
    rows: tuple[str, ...]
    names: bool
    box: tuple[int, int, int, int]
    rank: int


def plan_panel(
    size: tuple[int, int],
    face: Face,
    others: Sequence[Face],
    note: str,
    style: Style,
    before: Plan | None = None,
) -> Plan | None:
    """Find the largest panel that hides no face.

    Args:
        size: Width and height of the frame, pixels.
        face: Whose action units.
        others: Whom it must not hide either.
        note: What stands in its head line, beside the face's number.
        style: Sizes; smaller ones are taken where not all AUs would fit.
        before: The panel of the frame before. It stays where it is while it hides nobody and there
            is no room for a larger one, so that it does not jump to and fro.

    Returns:
        Where it goes and how it looks; None where there is no room.
    """
    taken = [features(face), *(other.box for other in others)]
    # More room than it needs, so that it does not have to give way in the next frame.
    best = next(_plans(size, face, [_wider(box, style.pad) for box in taken], note, style), None)
    stays = before is not None and set(before.rows) <= set(face.aus)
    if before and stays and is_inside(before.box, size) and is_free(before.box, taken):
        return before if best is None or best.rank >= before.rank else best
    return best


def _wider(box: Box, pad: int) -> Box:
    x, y, w, h = box
    return x - pad, y - pad, w + 2 * pad, h + 2 * pad


def features(face: Face) -> Box:
    """Draw the box around what must be seen of the face whose panel it is: its landmarks."""
    low, high = face.landmarks.min(0), face.landmarks.max(0)
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


def _plans(
    size: tuple[int, int], face: Face, taken: Sequence[Box], note: str, style: Style
) -> Iterator[Plan]:
    """Yield the panels that have room, the largest first."""
    width, height = size
    for rank, (names, scale) in enumerate(product((True, False), SMALLER)):
        sized = _sized(Style(scale * style.unit), height, len(face.aus))
        rows = tuple(_rows_that_fit(face, _room(sized, height)))
        panel = _width(face, rows, names, note, sized)
        tall = (len(rows) + 1) * sized.row + 2 * sized.pad
        if (names and panel > 0.42 * width) or panel > width or tall > height:
            continue
        for x in _lefts(face, panel, width, tall, taken, sized.pad):
            box = (x, sized.pad, panel, tall)
            if is_inside(box, size) and is_free(box, taken):
                yield Plan(sized, rows, names, box, rank)


def _sized(style: Style, height: int, aus: int) -> Style:
    """Make a style smaller until all AUs fit, as far as they can still be read."""
    while style.font > MIN_FONT and _room(style, height) < aus:
        style = Style(0.95 * style.unit)
    return style


def _width(face: Face, rows: Sequence[str], names: bool, note: str, style: Style) -> int:
    """Measure a panel, pixels; it keeps its width while its numbers change."""
    number = text_width("D 0.00" if face.intensities else "0.00", style.font)
    wide = max((text_width(_label(key, names), style.font) for key in rows), default=0)
    head = max(text_width(f"#00  {text}", style.font) for text in (note, "000.0 ms"))
    return max(wide + number, head) + 5 * style.pad


def _label(key: str, names: bool) -> str:
    return f"{key} {au_name(key)}" if names else key


def _lefts(
    face: Face, panel: int, width: int, tall: int, taken: Sequence[Box], pad: int
) -> list[int]:
    """Name left ends to try: the side with more room, the other, and between the faces."""
    x, _, w, _ = face.box
    sides = [pad, width - pad - panel]
    if max(pad + panel - x, 0) > max(x + w - (width - pad - panel), 0):
        sides.reverse()
    left, right = widest_gap((pad, width - pad), taken, (pad, pad + tall), pad)
    return [*sides, (left + right - panel) // 2]


def draw_panel(canvas: np.ndarray, face: Face, note: str, plan: Plan) -> None:
    """Draw a panel onto a canvas, in place.

    Args:
        canvas: (H, W, 3) uint8, BGR.
        face: Whose action units.
        note: What stands in its head line, beside the face's number.
        plan: Of `plan_panel`.
    """
    style, (x, y, panel, _) = plan.style, plan.box
    shade(canvas, plan.box, PANEL)
    left, right = x + style.pad, x + panel - style.pad
    y += style.pad
    write(canvas, f"#{face.id}", (left, y), style, ACCENT)
    write(canvas, note, (right - text_width(note, style.font), y), style, FAINT)
    for key in plan.rows:
        y += style.row
        draw_row(canvas, face, key, _label(key, plan.names), (left, y, right - left), style)


def draw_row(
    canvas: np.ndarray,
    face: Face,
    key: str,
    label: str,
    place: tuple[int, int, int],
    style: Style,
) -> None:
    """Draw one action unit: its bar, its label and its number.

    Args:
        canvas: (H, W, 3) uint8, BGR.
        face: Whose.
        key: Of the action unit.
        label: What to call it.
        place: Left, top, width, pixels.
        style: Sizes.
    """
    left, top, wide = place
    present, value = key in face.present, face.adjusted.get(key, face.aus[key])
    gap = max(1, style.row // 9)
    bar = round(wide * min(max(value, 0.0), 1.0))
    box = (left, top + gap // 2, bar, style.row - gap)
    shade(canvas, box, BAR_PRESENT if present else BAR, opacity=0.9)
    ink = INK if present else FAINT
    write(canvas, label, (left + style.pad, top), style, ink)
    figure = f"{value:.2f}"
    if present and key in face.intensities:
        figure = f"{_letter(face.intensities[key])} {figure}"
    x = left + wide - style.pad - text_width(figure, style.font)
    write(canvas, figure, (x, top), style, ink)


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
