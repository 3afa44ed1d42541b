"""Corrections of a corpus's labels, from a table that its user writes.

Labels are taken as they are distributed. Whoever knows better, or follows a toolkit that mends some
of them, says so in a CSV file, whose first row names the columns::

    subject,au,first,last,intensity
    SN010,12,1,87,0
    SN010,25,88,90,9

which is: intensity of that AU from frame `first` to frame `last`, both counted; 0 to 5, or 9 for
unknown. The report tells how many labels a row has changed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgrnet.corpora import folds
from lgrnet.corpora.problems import CorpusError, Problems
from lgrnet.corpora.rows import integer, read_rows
from lgrnet.data.shards import MISSING
from runtime.action_units import MAX_INTENSITY

COLUMNS = ("subject", "au", "first", "last", "intensity")


@dataclass(frozen=True)
class Correction:
    """A row.

    Attributes:
        path: The file.
        line: Where it stands in it.
        subject: Name.
        au: FACS number.
        first: Frame, from 1.
        last: Frame.
        intensity: 0 to 5, or 9 for unknown.
    """

    path: Path
    line: int
    subject: str
    au: int
    first: int
    last: int
    intensity: int


def read_corrections(path: Path, corpus: str, aus: tuple[int, ...]) -> tuple[Correction, ...]:
    """Read a table of corrections.

    Args:
        path: The file.
        corpus: ``"disfa"``.
        aus: The AUs that are labelled.

    Returns:
        Its rows.

    Raises:
        CorpusError: Something is wrong with it; every fault has its line.
    """
    problems = Problems()
    rows = read_rows(path, problems, ",")
    if rows and tuple(rows[0].cells) != COLUMNS:
        problems.add(path, f"the first row must be {','.join(COLUMNS)}", rows[0].line)
        raise CorpusError(problems.lines())
    found: list[Correction] = []
    for line, cells in rows[1:]:
        row = _read_row(path, line, cells, corpus, aus, problems)
        if row is None:
            continue
        for other in found:
            same = (other.subject, other.au) == (row.subject, row.au)
            if same and other.first <= row.last and row.first <= other.last:
                problems.add(path, f"corrects frames that line {other.line} corrects too", line)
        found.append(row)
    if problems:
        raise CorpusError(problems.lines())
    return tuple(found)


def _read_row(
    path: Path, line: int, cells: list[str], corpus: str, aus: tuple[int, ...], problems: Problems
) -> Correction | None:
    numbers = [integer(cell) for cell in cells[1:]]
    if len(cells) != len(COLUMNS) or None in numbers:
        problems.add(path, f"is not '{','.join(COLUMNS)}' but {','.join(cells)!r}", line)
        return None
    au, first, last, intensity = (int(number) for number in numbers if number is not None)
    faults = []
    if cells[0] not in folds.subjects(corpus):
        faults.append(f"{cells[0]!r} is no subject of {corpus.upper()}")
    if au not in aus:
        faults.append(f"AU {au} is not labelled, only {', '.join(map(str, aus))}")
    if not 1 <= first <= last:
        faults.append(f"frames {first} to {last} are no range from 1 on")
    if intensity not in (*range(MAX_INTENSITY + 1), MISSING):
        faults.append(f"intensity {intensity}, expected 0 to 5, or 9 for unknown")
    for fault in faults:
        problems.add(path, fault, line)
    return None if faults else Correction(path, line, cells[0], au, first, last, intensity)


def correct(
    corrections: tuple[Correction, ...],
    subject: str,
    aus: tuple[int, ...],
    intensity: np.ndarray,
    problems: Problems,
) -> list[str]:
    """Correct the labels of a subject.

    Args:
        corrections: Of all subjects.
        subject: Name.
        aus: FACS numbers of the columns.
        intensity: (N, n), 0 to 5, NaN where unknown; frame 1 first. Changed in place.
        problems: Where to say that there is no such frame.

    Returns:
        What was changed, each a line for the report.
    """
    notes = []
    for row in corrections:
        if row.subject != subject:
            continue
        if row.last > len(intensity):
            what = f"frame {row.last}, the labels of {subject} end with frame {len(intensity)}"
            problems.add(row.path, what, row.line)
            continue
        labels = intensity[row.first - 1 : row.last, aus.index(row.au)]
        wanted = np.nan if row.intensity == MISSING else float(row.intensity)
        changed = int((~((labels == wanted) | (np.isnan(labels) & np.isnan(wanted)))).sum())
        labels[:] = wanted
        shown = "unknown" if row.intensity == MISSING else row.intensity
        notes.append(
            f"{row.path}, line {row.line}: AU {row.au} of frames {row.first} to {row.last} is "
            f"{shown}, which changes {changed} labels"
        )
    return notes
