"""BP4D's label tables: occurrence of AUs, and intensity of five of them."""

from pathlib import Path

import numpy as np

from lgrnet.corpora.problems import Problems
from lgrnet.corpora.rows import integer, read_rows, read_scores
from lgrnet.data.shards import MISSING
from runtime.action_units import BP4D_AUS, MAX_INTENSITY, au_key

AUS = BP4D_AUS
"""The AUs that are read."""

INTENSITY_AUS: tuple[int, ...] = (6, 10, 12, 14, 17)
"""The AUs whose intensity was coded."""


def read_occurrence(path: Path, problems: Problems) -> tuple[np.ndarray, np.ndarray]:
    """Read a table of AU_OCC.

    Args:
        path: The file.
        problems: Where to say what is wrong.

    Returns:
        Frames, (N,) int64 ascending, and labels of :data:`AUS`, (N, n) uint8 of 0, 1 and 9.
    """
    nothing = np.zeros(0, np.int64), np.zeros((0, len(AUS)), np.uint8)
    rows = read_rows(path, problems, ",")
    if not rows:
        return nothing
    header = [integer(cell) for cell in rows[0].cells]
    line = rows[0].line
    if header[0] != 0:
        problems.add(
            path, f"the first cell is {rows[0].cells[0]!r}, not 0, which heads the frames", line
        )
    for cell, number in zip(rows[0].cells, header, strict=True):
        if number is None:
            problems.add(path, f"the column {cell!r} is headed by no AU number", line)
    for au in AUS:
        if header.count(au) != 1:
            problems.add(path, f"AU {au} heads {header.count(au)} columns, not one", line)
    if len(rows) == 1:
        problems.add(path, "holds no frames")
    if problems:
        return nothing
    columns = [header.index(au) for au in AUS]
    frames, presence = list[int](), list[list[int]]()
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            problems.add(path, f"has {len(cells)} cells, the header {len(header)}", line)
            continue
        frame, labels = integer(cells[0]), [integer(cells[column]) for column in columns]
        if frame is None:
            problems.add(path, f"{cells[0]!r} is no frame number", line)
            continue
        if frames and frame <= frames[-1]:
            problems.add(path, f"frame {frame} comes after frame {frames[-1]}", line)
        for au, label, column in zip(AUS, labels, columns, strict=True):
            if label not in (0, 1, MISSING):
                problems.add(path, f"AU {au} is {cells[column]!r}, expected 0, 1 or 9", line)
        frames.append(frame)
        presence.append([MISSING if label is None else label for label in labels])
    if problems:
        return nothing
    return np.array(frames, np.int64), np.array(presence, np.uint8)


def read_intensities(
    folder: Path, sequence: str, frames: np.ndarray, allow_missing: bool, problems: Problems
) -> tuple[np.ndarray, list[str]]:
    """Read the intensities of a sequence.

    Args:
        folder: ``AU_INT``.
        sequence: ``F001_T1``, for example.
        frames: (N,) the frames that the occurrence table has; none if it could not be read.
        allow_missing: Whether a file may be missing; its intensities are unknown then.
        problems: Where to say what is wrong.

    Returns:
        (N, n) float32 in [0, 1], NaN where unknown; and what was missing, each a line.
    """
    intensity = np.full((len(frames), len(AUS)), np.nan, np.float32)
    left_out: list[str] = []
    for au in INTENSITY_AUS:
        path = folder / au_key(au) / f"{sequence}_{au_key(au)}.csv"
        if not path.exists() and allow_missing:
            left_out.append(f"{path} is missing: these intensities are unknown")
            continue
        scores = read_scores(path, problems, frozenset((*range(MAX_INTENSITY + 1), MISSING)))
        if not scores or not len(frames):
            continue
        common = sum(int(frame) in scores for frame in frames)
        if not common == len(frames) == len(scores):
            problems.add(
                path,
                f"{len(scores)} frames, the occurrence table has {len(frames)} and {common} are "
                "in both (--no-intensity leaves intensities out)",
            )
            continue
        for row, frame in enumerate(frames):
            score, _ = scores[int(frame)]
            if score != MISSING:
                intensity[row, AUS.index(au)] = score / MAX_INTENSITY
    return intensity, left_out
