"""DISFA's label files: intensities of twelve AUs, a file each.

An AU is present from intensity 2 on, as the published numbers have it.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from lgrnet.corpora.problems import Problems
from lgrnet.corpora.rows import read_scores
from runtime.action_units import MAX_INTENSITY

AUS: tuple[int, ...] = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
"""The AUs that are labelled; the paper evaluates :data:`runtime.action_units.DISFA_AUS` of them."""

PRESENT_FROM = 2
"""Intensity from which an AU counts as present."""


def read_labels(
    folder: Path, subject: str, allow_missing: bool, problems: Problems
) -> tuple[np.ndarray, list[str]]:
    """Read the intensities of a subject.

    Args:
        folder: ``ActionUnit_Labels/SN001``.
        subject: Name.
        allow_missing: Whether a file may be missing.
        problems: Where to say what is wrong.

    Returns:
        (N, n) float64, 0 to 5, NaN where unknown; and what was missing, each a line.
    """
    columns: dict[int, np.ndarray] = {}
    left_out: list[str] = []
    for au in AUS:
        path = _label_path(folder, subject, au)
        if not path.exists() and allow_missing:
            left_out.append(f"{path} is missing: AU {au} of {subject} is unknown")
            continue
        faults = Problems()
        scores = read_scores(path, faults, frozenset(range(MAX_INTENSITY + 1)))
        for expected, (frame, (_, line)) in enumerate(scores.items(), 1):
            if not faults and frame != expected:
                faults.add(path, f"frame {frame} where frame {expected} should be", line)
        if not faults:
            columns[au] = np.array([score for score, _ in scores.values()], np.float64)
        problems.take(faults)
    if len(left_out) == len(AUS):
        problems.add(folder, "holds no label file")
    lengths = Counter(map(len, columns.values()))
    count = lengths.most_common(1)[0][0] if lengths else 0
    intensity = np.full((count, len(AUS)), np.nan)
    for au, column in columns.items():
        if len(column) == count:
            intensity[:, AUS.index(au)] = column
        else:
            path = _label_path(folder, subject, au)
            problems.add(path, f"has {len(column)} frames, most others of {subject} have {count}")
    return intensity, left_out


def _label_path(folder: Path, subject: str, au: int) -> Path:
    return folder / f"{subject}_au{au}.txt"
