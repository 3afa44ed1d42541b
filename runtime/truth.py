"""How results agree with a ground truth, for clips that have one."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import InputError
from runtime.landmarks import COUNT, inter_ocular
from runtime.results import Face, Result

MATCH = 0.5
"""Mean landmark distance, in inter-ocular distances, below which a face is the true one."""


@dataclass(frozen=True, slots=True, eq=False)
class TrueFace:
    """What is known of one frame.

    Attributes:
        aus: Key → whether the AU is active.
        landmarks: (49, 2) float64, pixels of the frame.
    """

    aus: Mapping[str, bool]
    landmarks: np.ndarray


def read_truth(path: str | Path) -> dict[int, TrueFace]:
    """Read a ground truth, one face a frame.

    Args:
        path: CSV with the columns ``frame`` (0-based), ``AU01_c`` … (0 or 1), ``x_0`` … ``x_48``
            and ``y_0`` … ``y_48`` (pixels); others, such as ``identity``, are left alone.

    Returns:
        Frame → what is true of it.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no text, columns are missing, a cell is no number, the landmarks are no
            face's, or a frame comes twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"ground truth {path} does not exist")
    points = [f"{axis}_{i}" for axis in "xy" for i in range(COUNT)]
    truth: dict[int, TrueFace] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"ground truth {path} is no text in UTF-8 ({error.reason})") from error
    with io.StringIO(text, newline="") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        aus = [name[:-2] for name in columns if name.startswith("AU") and name.endswith("_c")]
        missing = [name for name in ("frame", *points) if name not in columns]
        if missing or not aus:
            raise InputError(
                f"ground truth {path} lacks {', '.join(missing[:3]) or 'AU.._c'}"
                f"{' and more' if len(missing) > 3 else ''}: the columns are frame, x_0 to x_48, "
                "y_0 to y_48 and AU01_c and so on, 0 or 1"
            )
        for row in reader:
            try:
                frame = int(row["frame"])
                landmarks = np.array([float(row[name]) for name in points]).reshape(2, COUNT).T
                active = {au: bool(int(row[f"{au}_c"])) for au in aus}
            except (TypeError, ValueError) as error:
                raise InputError(f"ground truth {path}, line {reader.line_num}: {error}") from error
            if not inter_ocular(landmarks) > 0 or not np.isfinite(landmarks).all():
                raise InputError(
                    f"ground truth {path}, line {reader.line_num}: the landmarks are no face's"
                )
            if frame in truth:
                raise InputError(f"ground truth {path} holds frame {frame} twice")
            truth[frame] = TrueFace(active, landmarks)
    return truth


class Agreement:
    """Counts agreement frame by frame.

    A frame in which the true face was not found counts as one in which no AU was seen. Only AUs
    that both the truth and the model know are compared.

    Args:
        truth: From `read_truth`.
        aus: Keys of the model's AUs.
    """

    def __init__(self, truth: Mapping[int, TrueFace], aus: tuple[str, ...]) -> None:
        known = next(iter(truth.values())).aus if truth else {}
        self._truth = truth
        self._counts = {au: np.zeros(3, int) for au in aus if au in known}  # hits, false, missed
        self._frames = 0
        self._errors: list[float] = []

    def add(self, result: Result) -> None:
        """Count one frame; those without a truth are left out.

        Args:
            result: The frame's result.
        """
        true = self._truth.get(result.index)
        if true is None:
            return
        self._frames += 1
        face, error = _nearest(result, true.landmarks)
        if face is not None:
            self._errors.append(error)
        for au, counts in self._counts.items():
            active, seen = true.aus[au], face is not None and au in face.present
            counts += (active and seen, seen and not active, active and not seen)

    def as_dict(self) -> dict[str, Any]:
        """Sum up.

        Returns:
            ``frames`` with a truth, ``found`` of them, ``aus``: key → ``f1``, ``always_on_f1``
            (what calling it present in every frame scores) and ``support`` (frames in which it is
            active); ``mean_f1`` and ``mean_always_on_f1`` over AUs with support;
            ``landmark_error``, mean distance over inter-ocular distance. None where undefined.
        """
        aus = {au: self._row(counts) for au, counts in self._counts.items()}
        return {
            "frames": self._frames,
            "found": len(self._errors),
            "aus": aus,
            "mean_f1": _mean(row["f1"] for row in aus.values()),
            "mean_always_on_f1": _mean(row["always_on_f1"] for row in aus.values()),
            "landmark_error": _mean(self._errors),
        }

    def table(self) -> str:
        """Write the summary for people, in fixed columns."""
        summary = self.as_dict()
        lines = [f"{'AU':<6}{'F1':>7}{'always on':>12}{'active frames':>16}"]
        for au, row in summary["aus"].items():
            f1, always = _figure(row["f1"]), _figure(row["always_on_f1"])
            active = f"{row['support']} of {summary['frames']}"
            lines.append(f"{au:<6}{f1:>7}{always:>12}{active:>16}")
        f1, always = _figure(summary["mean_f1"]), _figure(summary["mean_always_on_f1"])
        lines.append(f"{'mean':<6}{f1:>7}{always:>12}")
        lines.append(f"face found in {summary['found']} of {summary['frames']} frames")
        if summary["landmark_error"] is not None:
            error = 100 * summary["landmark_error"]
            lines.append(f"landmark error {error:.1f} % of the inter-ocular distance")
        return "\n".join(lines)

    def _row(self, counts: np.ndarray) -> dict[str, float | int | None]:
        hits, false, missed = map(int, counts)
        support = hits + missed
        if not support:
            return {"f1": None, "always_on_f1": None, "support": 0}
        f1 = 2 * hits / (2 * hits + false + missed)
        return {
            "f1": f1,
            "always_on_f1": 2 * support / (support + self._frames),
            "support": support,
        }


def _nearest(result: Result, points: np.ndarray) -> tuple[Face | None, float]:
    unit = float(inter_ocular(points))
    best: tuple[Face | None, float] = (None, MATCH)
    for face in result:
        error = float(np.linalg.norm(face.landmarks - points, axis=1).mean()) / unit
        if error < best[1]:
            best = (face, error)
    return best


def _mean(values: Iterable[float | None]) -> float | None:
    """Average what is defined."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
