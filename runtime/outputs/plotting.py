"""The timeline of a finished run as a picture: a row an action unit, a block a face.

Of many files the parts of a block lie side by side, one a video; further faces of a video are in
further blocks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from runtime.action_units import au_name
from runtime.drawing.style import Style, text_width, write
from runtime.errors import InputError
from runtime.formats import FORMATS
from runtime.formats.growing import partial_path
from runtime.image import Picture
from runtime.outputs.curves import Curves, Face, Part, Span, read_curves, survey
from runtime.outputs.pictures import write_image

INK, FAINT, GRID = (60, 50, 44), (140, 132, 126), (232, 228, 226)
AREA, AREA_PRESENT = (214, 206, 200), (40, 130, 225)
PAPER = (255, 255, 255)

NARROWEST, WIDEST = 400, 30_000
"""Width of a picture, pixels: names need room, and PNG files end soon above."""

FACES = 4
"""Faces at most that get a block, of each file: those that are there longest."""

NAMED = 10
"""Most tables of a folder that are named, where one is to be chosen."""

_TICKS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900),
    *(1800, 3600, 7200, 14400, 86400),
)
_FRAMES = tuple(digit * 10**zeros for zeros in range(9) for digit in (1, 2, 5))


def plot(
    table: str | Path,
    output: str | Path | None = None,
    aus: Sequence[str | int] | None = None,
    width: int = 1600,
) -> Picture:
    """Draw the timeline of a native table.

    The table is read a few times, row by row, so that its length is no matter. A column of pixels
    stands for many frames in a long run; it shows the highest probability among them.

    Args:
        table: CSV of a run, ``out/clip.csv``, or one that is being written,
            ``out/clip.partial.csv``.
        output: Image to write as well; its suffix says the format.
        aus: The AUs to draw, ``"AU12"`` or ``12``; None for all.
        width: Width of the picture, pixels, from :data:`NARROWEST` to :data:`WIDEST`.

    Returns:
        (H, width, 3) uint8, BGR.

    Raises:
        FileNotFoundError: There is no such table.
        InputError: It is a folder or no native table, holds no face or lacks an AU, a number in
            it is none, or the width is out of range.
        OSError: The image cannot be written.
    """
    if not NARROWEST <= width <= WIDEST:
        raise InputError(f"a timeline can be {NARROWEST} to {WIDEST} pixels wide, not {width}")
    path = Path(table)
    if path.is_dir():
        raise InputError(f"{path} is a folder{_tables_in(path)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: give the CSV of a run")
    shown, span, parts, counts = survey(path, aus)
    blocks = _blocks(counts)
    style = Style(max(1.0, width / 1600))
    label = max(text_width(_name(au), style.font) for au in shown) + 2 * style.pad
    columns = width - label - 3 * style.pad
    curves = read_curves(path, shown, blocks, span, columns)
    heads: list[dict[int, list[str]]] = [{} for _ in curves]
    for (part, face), block in blocks.items():
        heads[block][part] = _heads(parts[part].name, face, counts[part, face], block)
    many = f"; the {len(blocks)} faces seen longest of {len(counts)}"
    note = many if len(counts) > len(blocks) else ""
    picture = _page(curves, heads, parts, shown, span, label, width, style, note)
    if output is not None:
        write_image(output, picture)
    return picture


def _tables_in(folder: Path) -> str:
    """Name the native tables of a folder, for a message."""
    ends = [end for name, (end, _) in FORMATS.items() if name != "native"]
    others = (*ends, *(partial_path(end).name for end in ends))
    found = sorted(
        str(each)
        for each in folder.glob("*.csv")
        if each.is_file() and not each.name.endswith(others)
    )
    if not found:
        return " that holds no table: give the CSV of a run"
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f": give one of its tables, {', '.join(found[:NAMED])}{more}"


def _blocks(counts: Mapping[Face, int]) -> dict[Face, int]:
    """Say in which block a face is drawn: in each part the longest ones, as they came."""
    blocks: dict[Face, int] = {}
    of_part: dict[int, list[Face]] = {}
    for face in counts:
        of_part.setdefault(face[0], []).append(face)
    for here in of_part.values():
        longest = sorted(here, key=lambda face: -counts[face])[:FACES]
        blocks |= {face: i for i, face in enumerate(f for f in here if f in longest)}
    return blocks


def _heads(part: str, face: str, rows: int, block: int) -> list[str]:
    """Say what a face's curves are of: in full, and shorter for parts that are narrow."""
    number = f"face {face}" if face else ""
    name = ", ".join(filter(None, (part, number)))
    # The first block tells the file, which is above the others.
    return [f"{name}   {rows} frame{'s' * (rows != 1)}", name, number if block else part or number]


def _fitting(forms: Sequence[str], width: int, style: Style) -> str:
    """Choose the longest form that fits; of a name that is too long the end, which differs."""
    for text in forms:
        if text_width(text, style.font) <= width:
            return text
    text = forms[-1]
    while text and text_width(f"...{text}", style.font) > width:
        text = text[1:]
    return f"...{text}" if text else ""


def _name(au: str) -> str:
    return f"{au} {au_name(au)}"


def _page(
    curves: Sequence[Curves],
    heads: Sequence[Mapping[int, list[str]]],
    parts: Sequence[Part],
    aus: Sequence[str],
    span: Span,
    label: int,
    width: int,
    style: Style,
    many: str,
) -> np.ndarray:
    start, end, timed, _ = span
    lane, pad = round(1.7 * style.row), style.pad
    block = style.row + pad + len(aus) * lane + 2 * pad
    height = len(curves) * block + 2 * style.row + 2 * pad
    page = np.full((height, width, 3), PAPER, np.uint8)
    left, right = label + pad, width - 2 * pad
    steps = _TICKS if timed else _FRAMES
    ticks = _ticks(start, end, (right - left) / (9 * style.row), steps)
    ticks = [tick for tick in ticks if tick < end]
    scale = (right - left) / (end - start)
    at = {tick: left + round((tick - start) * scale) for tick in ticks}
    y = pad
    edges = [*(left + round((part.start - start) * scale) for part in parts[1:]), right]
    edges.insert(0, left)
    for head, curve in zip(heads, curves, strict=True):
        places = {part: edges[part] + pad * (part > 0) for part in head}
        for part, place in places.items():
            text = _fitting(head[part], edges[part + 1] - place - pad, style)
            write(page, text, (place, y), style, INK)
        y += style.row + pad
        for x in at.values():
            cv2.line(page, (x, y), (x, y + len(aus) * lane), GRID, 1)
        for row, au in enumerate(aus):
            on = curve.present[row].any()
            write(page, _name(au), (pad, y + (lane - style.row) // 2), style, INK if on else FAINT)
            _area(page, curve.peak[row], curve.present[row], (left, y + lane - 3), lane - 6, style)
            y += lane
        for x in edges[1:-1] if (right - left) / len(parts) > 2 * pad else ():
            cv2.line(page, (x, y - len(aus) * lane - style.row), (x, y), FAINT, style.line)
        y += 2 * pad
    for tick, x in at.items():
        text = _clock(tick, end) if timed else f"{tick:.0f}"
        place = min(x - text_width(text, style.font) // 2, right - text_width(text, style.font))
        write(page, text, (max(place, 0), y - pad), style, FAINT)
    unit = "" if timed else "in frames; "
    notes = [
        f"{unit}height: probability, 0 to 1; orange: present{many}",
        f"{unit}orange: present{many}",
        f"{unit}orange: present",
    ]
    fits = (note for note in notes if text_width(note, style.font) <= width - left - pad)
    write(page, next(fits, notes[-1]), (left, y + style.row - pad // 2), style, FAINT)
    return page


def _area(
    page: np.ndarray,
    peak: np.ndarray,
    present: np.ndarray,
    corner: tuple[int, int],
    tall: int,
    style: Style,
) -> None:
    """Draw one curve: a column of pixels each, and a line at the bottom."""
    left, base = corner
    for column in np.flatnonzero(np.isfinite(peak)).tolist():
        top = base - round(tall * float(np.clip(peak[column], 0, 1)))
        colour = AREA_PRESENT if present[column] else AREA
        page[top:base, left + column] = colour
    cv2.line(page, (left, base), (left + len(peak) - 1, base), GRID, style.line)


def _ticks(start: float, end: float, most: float, steps: Sequence[float] = _TICKS) -> list[float]:
    """Choose round times, or numbers of frames, at most so many."""
    step = next((s for s in steps if (end - start) / s <= max(most, 2)), steps[-1])
    return [step * i for i in range(int(np.ceil(start / step)), int(end // step) + 1)]


def _clock(seconds: float, longest: float) -> str:
    if longest < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if longest >= 3600 else f"{minutes}:{rest:02d}"
