"""The timeline of a finished run as a picture: a row an action unit, a block a face."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from runtime.action_units import au_name
from runtime.drawing.style import Style, text_width, write
from runtime.errors import InputError
from runtime.outputs.pictures import write_image

INK, FAINT, GRID = (60, 50, 44), (140, 132, 126), (232, 228, 226)
AREA, AREA_PRESENT = (214, 206, 200), (40, 130, 225)
PAPER = (255, 255, 255)

FACES = 4
"""Faces at most that get a block: those that are there longest."""

_TICKS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900),
    *(1800, 3600, 7200, 14400, 86400),
)
_FRAMES = tuple(digit * 10**zeros for zeros in range(9) for digit in (1, 2, 5))


@dataclass(slots=True)
class _Curves:
    """One face over time, in columns of the picture.

    Attributes:
        peak: Highest probability, (AUs, columns); NaN where the face was not there.
        present: Whether the AU was present, (AUs, columns).
        rows: Rows of the table.
    """

    peak: np.ndarray
    present: np.ndarray
    rows: int = field(default=0)


def plot(
    table: str | Path,
    output: str | Path | None = None,
    aus: Sequence[str] | None = None,
    width: int = 1600,
) -> np.ndarray:
    """Draw the timeline of a native table.

    The table is read a few times, row by row, so that its length is no matter. A column of pixels
    stands for many frames in a long run; it shows the highest probability among them.

    Args:
        table: CSV of a run, ``out/clip.csv``, or one that is being written,
            ``out/clip.partial.csv``.
        output: Image to write as well; its suffix says the format.
        aus: Keys of the AUs to draw; None for all.
        width: Width of the picture, pixels, 400 or more.

    Returns:
        (H, width, 3) uint8, BGR.

    Raises:
        FileNotFoundError: There is no such table.
        InputError: It is no native table, holds no face or lacks an AU, or the width is too small.
        OSError: The image cannot be written.
    """
    if width < 400:
        raise InputError(f"a timeline {width} pixels wide has no room for names: give 400 or more")
    path = Path(table)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: give the CSV of a run")
    shown, span, counts = _survey(path, aus)
    longest = sorted(counts, key=lambda face: -counts[face])[:FACES]
    faces = [face for face in counts if face in longest]  # as they came
    style = Style(max(1.0, width / 1600))
    label = max(text_width(_name(au), style.font) for au in shown) + 2 * style.pad
    columns = width - label - 3 * style.pad
    curves = _bin(path, shown, faces, span, columns)
    picture = _page(curves, shown, span[:3], label, width, style, len(counts))
    if output is not None:
        write_image(output, picture)
    return picture


def _survey(path: Path, aus: Sequence[str] | None):
    """Look through the table: AUs to show; begin, end, their unit and kind; rows of each face."""
    counts: dict[str, int] = {}
    start, end, frames, before = np.inf, -np.inf, 0, ""
    header, first = next(_rows(path), ([], {}))
    # Of many files each has times of its own; their frames are numbered through.
    timed = bool(first.get("timestamp")) and "input" not in first
    known = [name for name in header if name.startswith("AU") and f"{name}_c" in header]
    if not {"frame", "timestamp", "face_id", "success"}.issubset(header) or not known:
        raise InputError(
            f"{path} is no table of a run: give the native CSV, such as out/clip.csv (not "
            "clip.openface.csv or clip.pyfeat.csv)"
        )
    missing = [au for au in aus or () if au not in known]
    if missing:
        raise InputError(f"{path} has no {', '.join(missing)}: choose from {', '.join(known)}")
    mixed = "input" in first and any(row["timestamp"] for _, row in _rows(path))
    for _, row in _rows(path):
        time = _time(row, timed)
        start, end = min(start, time), max(end, time)
        frames, before = frames + (row["frame"] != before), row["frame"]
        if row["success"] == "1":
            counts[_face(row, mixed)] = counts.get(_face(row, mixed), 0) + 1
    if not counts:
        raise InputError(f"{path} holds no face")
    # The last frame is as long as they are on average.
    end += ((end - start) / (frames - 1) if timed and frames > 1 else 1) or 1
    return list(aus or known), (start, end, timed, mixed), counts


def _rows(path: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                if None not in row.values():  # the last one of a run that goes on may be cut
                    yield list(reader.fieldnames or ()), row
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path} is no CSV: {error}") from error


def _face(row: dict[str, str], mixed: bool) -> str:
    """Name a face; of each video among many files it is another.

    Args:
        row: Of the table.
        mixed: Whether there are videos and pictures in the table, whose faces then are as one.
    """
    name = f"face {row['face_id']}"
    if not row.get("input"):
        return name
    if row["timestamp"]:
        return f"{row['input']}, {name}"
    return "pictures" if mixed else name


def _time(row: dict[str, str], timed: bool) -> float:
    try:
        return float(row["timestamp"] if timed else row["frame"])
    except ValueError as error:
        raise InputError(f"frame {row['frame']} of the table: {error}") from error


def _bin(path, aus, faces, span, columns) -> dict[str, _Curves]:
    start, end, timed, mixed = span
    empty = (len(aus), columns)
    curves = {f: _Curves(np.full(empty, np.nan, np.float32), np.zeros(empty, bool)) for f in faces}
    scale = columns / (end - start)
    adjusted: list[bool] | None = None
    # Short runs have fewer frames than the picture columns: a frame lasts to the next one.
    shown: list[tuple[_Curves, np.ndarray, np.ndarray]] = []
    column, before = 0, ""

    def fill(until: int) -> None:
        place = slice(column, max(until, column + 1))
        for face, values, on in shown:
            face.peak[:, place] = np.fmax(face.peak[:, place], values)
            face.present[:, place] |= on

    for header, row in _rows(path):
        if row["frame"] != before:
            here = min(int((_time(row, timed) - start) * scale), columns - 1)
            fill(here)
            shown, column, before = [], here, row["frame"]
        face = curves.get(_face(row, mixed))
        if face is None or row["success"] != "1":
            continue
        adjusted = adjusted or [f"{au}_adj" in header for au in aus]
        values = [
            float(row[f"{au}_adj" if there else au])
            for au, there in zip(aus, adjusted, strict=True)
        ]
        on = [row[f"{au}_c"] == "1" for au in aus]
        shown.append((face, np.array(values)[:, None], np.array(on)[:, None]))
        face.rows += 1
    fill(columns)
    return curves


def _name(au: str) -> str:
    return f"{au} {au_name(au)}"


def _page(curves, aus, time, label, width, style, people) -> np.ndarray:
    start, end, timed = time
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
    for face, curve in curves.items():
        head = f"{face}   {curve.rows} frame{'s' * (curve.rows != 1)}"
        write(page, head, (left, y), style, INK)
        y += style.row + pad
        for x in at.values():
            cv2.line(page, (x, y), (x, y + len(aus) * lane), GRID, 1)
        for row, au in enumerate(aus):
            on = curve.present[row].any()
            write(page, _name(au), (pad, y + (lane - style.row) // 2), style, INK if on else FAINT)
            _area(page, curve.peak[row], curve.present[row], (left, y + lane - 3), lane - 6, style)
            y += lane
        y += 2 * pad
    for tick, x in at.items():
        text = _clock(tick, end) if timed else f"{tick:.0f}"
        place = min(x - text_width(text, style.font) // 2, right - text_width(text, style.font))
        write(page, text, (max(place, 0), y - pad), style, FAINT)
    many = f"; the {len(curves)} faces seen longest of {people}" if people > len(curves) else ""
    unit = "" if timed else "in frames; "
    notes = [
        f"{unit}height: probability, 0 to 1; orange: present{many}",
        f"{unit}orange: present{many}",
        f"{unit}orange: present",
    ]
    fits = (note for note in notes if text_width(note, style.font) <= width - left - pad)
    write(page, next(fits, notes[-1]), (left, y + style.row - pad // 2), style, FAINT)
    return page


def _area(page, peak, present, corner, tall, style) -> None:
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
