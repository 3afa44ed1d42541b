"""The native table of a run as curves: a face's action units, in so many columns."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from runtime.action_units import choose_aus
from runtime.errors import InputError
from runtime.formats.columns import read_number


class Span(NamedTuple):
    """What a table is about, from its first row to its last.

    Attributes:
        start: Time of the first frame, seconds, or its number.
        end: End of the last frame, likewise.
        timed: Whether these are seconds and not numbers of frames.
        mixed: Whether the table is of many files with videos among them, whose frames are numbered
            through.
    """

    start: float
    end: float
    timed: bool
    mixed: bool


@dataclass(slots=True)
class Curves:
    """A face over time, or one of each part of a table, in columns.

    Attributes:
        peak: Highest probability, (AUs, columns) float32; NaN where the face was not there.
        present: Whether the AU was present, (AUs, columns).
    """

    peak: np.ndarray
    present: np.ndarray


class Part(NamedTuple):
    """What lies side by side in a table of many files: a video, or pictures in a row.

    Attributes:
        name: Of the file; "pictures" of these, and nothing where the table is of one file.
        start: Number of its first frame, or the time if there is one part only.
    """

    name: str
    start: float


Face = tuple[int, str]
"""The place of a part in the list of them, and the face's number there; none of all in pictures."""


def survey(
    path: Path, aus: Sequence[str | int] | None
) -> tuple[tuple[str, ...], Span, list[Part], dict[Face, int]]:
    """Look through a table.

    Args:
        path: The table.
        aus: The AUs that are asked for; None for all.

    Returns:
        The AUs to show, what the table is about, its parts in order, and how many rows each face
        has, in the order in which faces came.

    Raises:
        InputError: It is no native table, holds no face or lacks an AU.
    """
    counts: dict[Face, int] = {}
    parts: list[Part] = []
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
    chosen = () if aus is None else choose_aus(aus, known, f"{path} has")
    shown = chosen or tuple(known)
    mixed = "input" in first and any(row["timestamp"] for _, row in _rows(path))
    for row, part, face in _by_part(path, mixed):
        time = _time(row, timed)
        start, end = min(start, time), max(end, time)
        frames, before = frames + (row["frame"] != before), row["frame"]
        if face[0] == len(parts):
            parts.append(Part(part, time))
        if row["success"] == "1":
            counts[face] = counts.get(face, 0) + 1
    if not counts:
        raise InputError(f"{path} holds no face")
    # The last frame is as long as they are on average.
    end += ((end - start) / (frames - 1) if frames > 1 else 1) or 1
    return shown, Span(start, end, timed, mixed), parts, counts


def _rows(path: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                if None not in row.values():  # the last one of a run that goes on may be cut
                    yield list(reader.fieldnames or ()), row
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path} is no CSV: {error}") from error


def _by_part(path: Path, mixed: bool) -> Iterator[tuple[dict[str, str], str, Face]]:
    """Read rows with the name of their part, and their face.

    Args:
        path: The table.
        mixed: As of `Span`; pictures in such a table follow each other as one part, with one face.
    """
    place, before = 0, None
    for _, row in _rows(path):
        name = (row["input"] if row["timestamp"] else "pictures") if mixed else ""
        place += before not in (None, name)
        before = name
        yield row, name, (place, "" if mixed and not row["timestamp"] else row["face_id"])


def _time(row: dict[str, str], timed: bool) -> float:
    return _number(row, "timestamp" if timed else "frame")


def _number(row: dict[str, str], column: str) -> float:
    try:
        return read_number(row, column)
    except ValueError as error:
        raise InputError(f"frame {row['frame']} of the table: {error}") from error


def read_curves(
    path: Path, aus: Sequence[str], blocks: Mapping[Face, int], span: Span, columns: int
) -> list[Curves]:
    """Read the faces of a table into columns, each of which stands for one frame or many.

    Args:
        path: The table.
        aus: Keys of the AUs, the rows of the curves.
        blocks: In which curves a face is, from 0; those of several parts share some.
        span: From `survey`.
        columns: How many.

    Returns:
        The curves.

    Raises:
        InputError: The table is not one.
    """
    start, end, timed, mixed = span
    empty = (len(aus), columns)
    curves = [
        Curves(np.full(empty, np.nan, np.float32), np.zeros(empty, bool))
        for _ in range(max(blocks.values(), default=-1) + 1)
    ]
    scale = columns / (end - start)
    adjusted: list[bool] | None = None
    # Short runs have fewer frames than the picture columns: a frame lasts to the next one.
    shown: list[tuple[Curves, np.ndarray, np.ndarray]] = []
    column, before = 0, ""

    def fill(until: int) -> None:
        place = slice(column, max(until, column + 1))
        for block, values, on in shown:
            block.peak[:, place] = np.fmax(block.peak[:, place], values)
            block.present[:, place] |= on

    for row, _, face in _by_part(path, mixed):
        if row["frame"] != before:
            here = min(int((_time(row, timed) - start) * scale), columns - 1)
            fill(here)
            shown, column, before = [], here, row["frame"]
        if face not in blocks or row["success"] != "1":
            continue
        adjusted = adjusted or [f"{au}_adj" in row for au in aus]
        values = [
            _number(row, f"{au}_adj" if there else au)
            for au, there in zip(aus, adjusted, strict=True)
        ]
        on = [row[f"{au}_c"] == "1" for au in aus]
        shown.append((curves[blocks[face]], np.array(values)[:, None], np.array(on)[:, None]))
    fill(columns)
    return curves
