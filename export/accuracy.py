"""What a precision costs: the same faces through the float32 file and the other one."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.bounds import Bounds
from export.faces import LabelledFaces
from lgrnet.evaluation.metrics import f1_frame, mean_f1, or_null, recognised
from runtime.action_units import au_key
from runtime.backends.base import Outputs
from runtime.files.atomic import write_json
from runtime.spec import ModelSpec

FEW = 50
"""Faces that show an AU below which its F1 moves by more than a bound when one face changes."""

REPORT = ".accuracy.json"
"""What a report's name ends with, instead of the suffix of its model."""


@dataclass(frozen=True, eq=False)
class Cost:
    """How two files differ on labelled faces; arrays are (n,), AUs in ascending number.

    Attributes:
        aus: FACS numbers.
        source: Where the faces are from.
        frames: Number of faces.
        positives: Faces that show each AU.
        f1_fp32: F1-frame of the float32 file at its thresholds; NaN where no face shows the AU.
        f1: The same of the other file.
        max_change: Largest change of a probability.
        mean_change: Mean change of a probability.
        flipped: Share of faces on which the AU is recognised by one file only.
        landmarks: Mean and largest distance of the two files' landmarks, pixels of the crop.
        intensity: Mean and largest change of an intensity, 0 to 5; None if they tell none, NaN if
            one of them alone does.
    """

    aus: tuple[int, ...]
    source: str
    frames: int
    positives: np.ndarray
    f1_fp32: np.ndarray
    f1: np.ndarray
    max_change: np.ndarray
    mean_change: np.ndarray
    flipped: np.ndarray
    landmarks: tuple[float, float]
    intensity: tuple[float, float] | None = None

    @property
    def mean_f1s(self) -> tuple[float, float]:
        """Mean F1 of the float32 file and of the other one, over AUs that any face shows."""
        return mean_f1(self.f1_fp32), mean_f1(self.f1)

    def failures(self, bounds: Bounds) -> list[str]:
        """Say which bounds are broken.

        Args:
            bounds: What is allowed.

        Returns:
            What is broken, in words, with the AU's name; nothing if all is well.
        """
        before, after = self.mean_f1s
        if np.isnan(before):
            return ["no held-out face shows an AU, so that nothing is judged: give more of them"]
        found = []
        # All are written so that NaN breaks them, but for an AU that no face shows.
        for i, au in enumerate(self.aus):
            loss = self.f1_fp32[i] - self.f1[i]
            if not (np.isnan(self.f1_fp32[i]) or loss <= bounds.f1):
                few = self.positives[i] < FEW
                unsure = f"; only {self.positives[i]} faces show it, judge on more" if few else ""
                found.append(
                    f"{au_key(au)} loses {loss:.3f} of F1 ({self.f1_fp32[i]:.3f} → "
                    f"{self.f1[i]:.3f}), the bound is {bounds.f1:g}{unsure}"
                )
            if not self.max_change[i] <= bounds.change:
                found.append(
                    f"{au_key(au)} changes by up to {self.max_change[i]:.3f}, the bound is "
                    f"{bounds.change:g}"
                )
        if not before - after <= bounds.mean_f1:
            found.append(
                f"mean F1 falls by {before - after:.4f} ({before:.4f} → {after:.4f}), the bound "
                f"is {bounds.mean_f1:g}"
            )
        if not self.landmarks[0] <= bounds.landmarks:
            found.append(
                f"landmarks move by {self.landmarks[0]:.2f} pixels on average, the bound is "
                f"{bounds.landmarks:g}"
            )
        if self.intensity is not None and not self.intensity[0] <= bounds.intensity:
            found.append(
                f"intensities change by {self.intensity[0]:.3f} on average, the bound is "
                f"{bounds.intensity:g}"
            )
        return found

    def as_dict(self) -> dict:
        """Collect all as plain values; None for what is no number, which JSON does not have."""
        before, after = self.mean_f1s
        rows = {
            au_key(au): {
                "positives": int(self.positives[i]),
                "f1_fp32": or_null(self.f1_fp32[i]),
                "f1": or_null(self.f1[i]),
                "max_change": or_null(self.max_change[i]),
                "mean_change": or_null(self.mean_change[i]),
                "flipped": float(self.flipped[i]),
            }
            for i, au in enumerate(self.aus)
        }
        return {
            "faces": self.source,
            "frames": self.frames,
            "mean_f1_fp32": or_null(before),
            "mean_f1": or_null(after),
            "max_change": or_null(self.max_change.max()),
            "mean_change": or_null(self.mean_change.mean()),
            "landmarks_px": _mean_and_max(self.landmarks),
            **({} if self.intensity is None else {"intensity": _mean_and_max(self.intensity)}),
            "aus": rows,
        }

    def table(self) -> str:
        """Write it for people; what no held-out face shows has no F1, which is a dash."""
        head = f"{'AU':<6}{'faces':>7}{'F1 fp32':>9}{'F1':>8}{'change':>9}{'max dP':>8}{'flips':>8}"
        lines = [head, "-" * len(head)]
        for i, au in enumerate(self.aus):
            lines.append(
                f"{au_key(au):<6}{self.positives[i]:>7}{_shown(self.f1_fp32[i], 9, '.3f')}"
                f"{_shown(self.f1[i], 8, '.3f')}{_shown(self.f1[i] - self.f1_fp32[i], 9, '+.3f')}"
                f"{self.max_change[i]:>8.3f}{100 * self.flipped[i]:>7.1f}%"
            )
        before, after = self.mean_f1s
        lines += [
            "-" * len(head),
            f"{'mean':<6}{self.frames:>7}{_shown(before, 9, '.3f')}{_shown(after, 8, '.3f')}"
            f"{_shown(after - before, 9, '+.4f')}{self.max_change.max():>8.3f}"
            f"{100 * self.flipped.mean():>7.1f}%",
            f"probabilities change by {self.mean_change.mean():.4f} on average, landmarks by "
            f"{self.landmarks[0]:.2f} px (at most {self.landmarks[1]:.2f}); faces: {self.source}",
        ]
        absent = [au_key(self.aus[i]) for i in np.flatnonzero(np.isnan(self.f1_fp32))]
        if absent:
            lines.append(f"–: no F1, as no held-out face shows {', '.join(absent)}")
        if self.intensity is not None:
            lines.append(
                f"intensities, 0 to 5, change by {self.intensity[0]:.3f} on average (at most "
                f"{self.intensity[1]:.3f})"
            )
        return "\n".join(lines)


def _shown(number: float, width: int, form: str) -> str:
    """Write a number in its column; a dash for NaN."""
    return f"{'–' if np.isnan(number) else format(number, form):>{width}}"


def _mean_and_max(changes: tuple[float, float]) -> dict[str, float | None]:
    return {"mean": or_null(changes[0]), "max": or_null(changes[1])}


def measure_cost(
    expected: Outputs, found: Outputs, held_out: LabelledFaces, spec: ModelSpec
) -> Cost:
    """Compare what two files say of the same faces.

    Args:
        expected: By the float32 file.
        found: By the other one.
        held_out: The faces.
        spec: What the files say of themselves: AUs and thresholds.

    Returns:
        How they differ.
    """
    limits, presence = np.asarray(spec.thresholds), held_out.presence
    before = recognised(expected.probability, limits)
    after = recognised(found.probability, limits)
    positives = (presence == 1).sum(0)
    shown = positives > 0
    change = np.abs(found.probability - expected.probability)
    apart = np.linalg.norm(found.landmarks - expected.landmarks, axis=2)
    intensity = None
    if found.intensity is not None and expected.intensity is not None:
        stronger = np.abs(found.intensity - expected.intensity)
        intensity = (float(stronger.mean()), float(stronger.max()))
    elif found.intensity is not None or expected.intensity is not None:
        intensity = (float("nan"), float("nan"))
    return Cost(
        aus=spec.aus,
        source=held_out.source,
        frames=len(held_out.faces),
        positives=positives,
        f1_fp32=np.where(shown, f1_frame(before, presence), np.nan),
        f1=np.where(shown, f1_frame(after, presence), np.nan),
        max_change=change.max(0),
        mean_change=change.mean(0),
        flipped=(before != after).mean(0),
        landmarks=(float(apart.mean()), float(apart.max())),
        intensity=intensity,
    )


def require_own_report(output: Path) -> None:
    """Check that a file's report would not take the place of another file's.

    Raises:
        ValueError: It would, as the two differ in their suffix only.
    """
    path = output.with_suffix(REPORT)
    try:
        other = json.loads(path.read_text(encoding="utf-8"))["model"]
        beside = output.with_name(str(other))
    except (OSError, ValueError, KeyError, TypeError):
        return
    if other != output.name and beside.exists():
        raise ValueError(
            f"output {output}: {path} is the report of {other} beside it, and would be that of "
            f"{output.name}: give a name that differs before the suffix"
        )


def drop_report(path: Path, model: str) -> None:
    """Remove the report of a file that has been replaced; that of another model stays."""
    try:
        own = json.loads(path.read_text(encoding="utf-8")).get("model") == model
    except (OSError, ValueError, AttributeError):
        return
    if own:
        path.unlink()


def replace_report(output: Path, report: dict | None) -> None:
    """Put a report beside a file that has just been written; without one none stays there.

    Args:
        output: The file, ``m.onnx``; its report is ``m.accuracy.json``.
        report: What the file costs; None where it was not judged.
    """
    beside = output.with_suffix(REPORT)
    if report is None:
        drop_report(beside, output.name)  # of the file that was here before
    else:
        write_json(beside, {"model": output.name, **report})
