"""Columns of tables: what they are called, how they are written, and the CSV made of them."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.action_units import au_keys
from runtime.errors import InputError
from runtime.formats.growing import GrowingText, TextWriter
from runtime.results import Result

Cell = float | int | str | None
"""A value of a table; None is an empty cell."""

TIME, SCORE, INTENSITY, PIXELS = 4, 4, 3, 2
"""Digits behind the point in the native table, from which ``--resume`` makes other files anew.
Those that have fewer round twice, by way of these, so that they always are the same."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the results of a run hold, which the columns follow from.

    Attributes:
        aus: The AUs, `Detector.aus`; of ``12`` it makes ``"AU12"``.
        intensity: Whether faces have intensities, `Detector.tells_intensity`.
        adjusted: Whether faces have adjusted probabilities (`runtime.signals`).
        named: Whether frames come from many files, whose names are a column ``input``.
        source: What the frames come from, as a user gave it.
    """

    aus: tuple[str, ...]
    intensity: bool = False
    adjusted: bool = False
    named: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        """Make keys of the AUs, see `runtime.action_units.au_keys`."""
        object.__setattr__(self, "aus", au_keys(self.aus))


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Its name.
        digits: Digits behind the point; None for whole numbers and text.
        text: Whether it holds text.
        native: Digits in the native table, where these are more; see `TIME`.
    """

    name: str
    digits: int | None = None
    text: bool = False
    native: int | None = None

    def write(self, cell: Cell) -> str:
        """Write a cell as text; an empty one as nothing."""
        if cell is None:
            return ""
        if self.native is not None:
            assert not isinstance(cell, str)  # those columns are of numbers
            cell = round(cell, self.native)
        return str(cell) if self.digits is None else f"{cell:.{self.digits}f}"


def require_aus(layout: Layout, result: Result) -> None:
    """Check that a result tells the action units that a table has columns for.

    Raises:
        InputError: It does not.
    """
    missing = [au for face in result.faces[:1] for au in layout.aus if au not in face.aus]
    if missing:
        raise InputError(
            f"frame {result.index} does not tell {', '.join(missing)}, for which there are "
            "columns: make the Layout of the AUs that results have"
        )


def require_intensities(aus: Iterable[str], result: Result) -> None:
    """Check that a result tells the intensities that a table has columns for.

    Args:
        aus: Keys of the AUs with such a column; those that the result does not tell at all are
            passed over.
        result: The result.

    Raises:
        InputError: It does not.
    """
    aus = tuple(aus)
    for face in result:
        missing = [au for au in aus if au in face.aus and au not in face.intensities]
        if missing:
            raise InputError(
                f"frame {result.index} does not tell the intensity of {', '.join(missing)}, for "
                "which there are columns: make the Layout with intensity=False"
            )


def numbered(names: Iterable[str], digits: int | None, native: int | None = None) -> list[Column]:
    """Make columns of numbers that are written alike."""
    return [Column(name, digits, native=native) for name in names]


class CsvWriter(TextWriter):
    """Writes rows as CSV, a frame at a time; subclasses say which.

    Args:
        path: The file to write.
        columns: Its columns.
        keep: As of `GrowingText`.
    """

    def __init__(self, path: Path, columns: Sequence[Column], keep: int = 0) -> None:
        self._columns = tuple(columns)
        self._file = GrowingText(path, keep)
        if not keep:
            self._file.append(csv_lines([self.header]), counts=False)

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self._columns]

    def rows(self, result: Result) -> list[list[Cell]]:
        """Turn a frame into rows, a cell a column."""
        raise NotImplementedError

    def write(self, result: Result) -> None:
        """Add one frame, see `runtime.formats.ResultWriter`."""
        self._file.append(table_lines(self._columns, self.rows(result)))


def table_lines(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> str:
    """Write rows of a table as CSV lines, without a header."""
    return csv_lines(
        [column.write(cell) for column, cell in zip(columns, row, strict=True)] for row in rows
    )


def csv_lines(rows: Iterable[Sequence[str]]) -> str:
    """Write rows as CSV lines with the ends of Unix."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def read_number(
    row: Mapping[str, str], column: str, least: float = -math.inf, most: float = math.inf
) -> float:
    """Read a number of a table back.

    Args:
        row: Column → cell.
        column: Which.
        least: The least that it can be.
        most: The most.

    Raises:
        ValueError: It is none, not finite, or out of range; the message names column and cell.
    """
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and least <= number <= most):
        raise ValueError(f"{column} is {row[column]!r}")
    return number
