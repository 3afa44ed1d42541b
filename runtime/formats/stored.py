"""Reading the native table back: the frames of a run that was cut off."""

import csv
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from runtime.action_units import MAX_INTENSITY
from runtime.errors import InputError
from runtime.formats import native
from runtime.formats.columns import Layout, csv_lines, read_number
from runtime.landmarks import COUNT
from runtime.results import Face, Result, Timings

_DIGITS = 18  # of the number of a frame


class StoredFrames:
    """The whole frames of a native table, in order; see `runtime.formats.native`.

    The last frame may be cut, and nobody can tell whether it had more faces, so it does not count.

    Args:
        path: The table.
        layout: What the run that is to go on would write.

    Attributes:
        keep: Bytes up to the end of the last frame that counts.
        last: Number of that frame, -1 where there is none.

    Raises:
        InputError: The table is not of such a run, or damaged before its end.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path, self._layout = path, layout
        self._columns = [column.name for column in native.columns(layout)]
        self.keep, self.last = self._scan()

    def _scan(self) -> tuple[int, int]:
        header = csv_lines([self._columns]).encode()
        with open(self._path, "rb") as file:
            there = file.readline()
            if not there.endswith(b"\n"):
                return 0, -1  # cut within the header
            if there != header:
                raise InputError(
                    f"{self._path} has other columns than this run: give the model and options of "
                    "the run that it is of, or begin anew with --overwrite"
                )
            begin, frame, before, offset = len(header), -1, -1, len(header)
            for line in file:
                number, comma, _ = line.partition(b",")
                whole = number.isdigit() and len(number) <= _DIGITS
                if not line.endswith(b"\n") or not comma or not whole:
                    break
                if int(number) != frame:
                    begin, before, frame = offset, frame, int(number)
                offset += len(line)
        return begin, before

    def __iter__(self) -> Iterator[Result]:
        with open(self._path, "rb") as file:
            text = (line.decode() for line in _first(file, self.keep))
            rows = csv.DictReader(text)
            for frame, group in groupby(rows, key=lambda row: row["frame"]):
                try:
                    yield self._result(int(frame), list(group))
                except (TypeError, ValueError, KeyError) as error:
                    raise InputError(
                        f"{self._path}, frame {frame}: {error}; begin anew with --overwrite"
                    ) from error

    def _result(self, frame: int, rows: list[dict[str, str]]) -> Result:
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("too few or too many cells")
        if any(row["success"] not in ("0", "1") for row in rows):
            raise ValueError("success is neither 0 nor 1")
        time = rows[0]["timestamp"]
        return Result(
            tuple(self._face(row) for row in rows if row["success"] == "1"),
            Timings(),
            size=(0, 0),
            index=frame,
            timestamp=read_number(rows[0], "timestamp") if time else None,
            name=rows[0].get("input") or "",
        )

    def _face(self, row: dict[str, str]) -> Face:
        aus, layout = self._layout.aus, self._layout

        def some(end: str, wanted: bool = True, most: float = 1.0) -> dict[str, float]:
            return {au: read_number(row, au + end, 0, most) for au in aus} if wanted else {}

        points = [read_number(row, f"{axis}_{i}") for axis in "xy" for i in range(COUNT)]
        landmarks = np.array(points, np.float32).reshape(2, COUNT).T
        landmarks.setflags(write=False)
        x, y = (read_number(row, f"box_{side}") for side in "xy")
        w, h = (read_number(row, f"box_{side}", 0) for side in "wh")
        return Face(
            int(row["face_id"]),
            (x, y, w, h),
            read_number(row, "score"),
            landmarks,
            some(""),
            tuple(au for au in aus if row[f"{au}_c"] == "1"),
            some("_r", layout.intensity, MAX_INTENSITY),
            some("_adj", layout.adjusted),
        )


def _first(file: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Yield the lines of the first ``count`` bytes."""
    for line in file:
        count -= len(line)
        if count < 0:
            return
        yield line
