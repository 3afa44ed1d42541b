"""Tables of numbers in text files: labels, landmarks, lists; every fault has a line."""

import re
from pathlib import Path
from typing import NamedTuple

from lgrnet.corpora.problems import Problems

_SEPARATOR = re.compile(r"[,;\s]+")


class Row(NamedTuple):
    """A line that is not blank.

    Attributes:
        line: Its number, from 1.
        cells: What stands in it.
    """

    line: int
    cells: list[str]


def read_rows(path: Path, problems: Problems, separator: str | None = None) -> list[Row]:
    """Read a text table.

    Args:
        path: The file.
        problems: Where to say that it cannot be read, or is empty.
        separator: What separates cells; None for commas, semicolons and blanks alike.

    Returns:
        The rows, or none if there is a problem. Blank lines are left out.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        problems.add(path, "is missing")
        return []
    except UnicodeDecodeError as error:
        problems.add(path, f"is no UTF-8 text, damaged or saved in another form ({error})")
        return []
    except OSError as error:
        problems.add(path, f"cannot be read ({error.strerror})")
        return []
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if stripped := line.strip():
            parts = stripped.split(separator) if separator else _SEPARATOR.split(stripped)
            rows.append(Row(number, [part.strip() for part in parts]))
    if not rows:
        problems.add(path, "is empty")
    elif separator and (other := _other_separator(rows, separator)):
        problems.add(path, f"has {other} between its cells, not {separator!r}", rows[0].line)
        return []
    return rows


def _other_separator(rows: list[Row], separator: str) -> str | None:
    """Name what parts the cells of a table in which the separator never stands, if anything."""
    if any(len(cells) > 1 for _, cells in rows):
        return None
    found = _SEPARATOR.search(rows[0].cells[0])
    return None if found is None else repr(found[0])


def integer(cell: str) -> int | None:
    """Read a whole number of up to nine digits; None for anything else."""
    return int(cell) if re.fullmatch(r"[+-]?\d{1,9}", cell) else None


def read_scores(
    path: Path, problems: Problems, allowed: frozenset[int]
) -> dict[int, tuple[int, int]]:
    """Read a file of rows ``frame,score``, as intensities are distributed.

    Args:
        path: The file.
        problems: Where to say what is wrong.
        allowed: The scores there may be.

    Returns:
        Frame → (score, line), in the file's order; rows with a problem are left out.
    """
    scores: dict[int, tuple[int, int]] = {}
    for line, cells in read_rows(path, problems, ","):
        values = [value for cell in cells if (value := integer(cell)) is not None]
        if not len(cells) == len(values) == 2:
            found = ",".join(cells)
            problems.add(path, f"is not two whole numbers frame,intensity but {found!r}", line)
            continue
        frame, score = values
        if score not in allowed:
            expected = ", ".join(map(str, sorted(allowed)))
            problems.add(path, f"intensity {score}, expected one of {expected}", line)
        elif frame in scores:
            first = scores[frame][1]
            problems.add(path, f"frame {frame} is there twice, first in line {first}", line)
        else:
            scores[frame] = (score, line)
    return scores
