"""AU curves of several models on a video: what a precision changes on faces that one cares for.

::

    python -m benchmarks.agreement clip.mp4 --models fp32.onnx int8.onnx@openvino --json out/a.json

The first model is the reference. Each model tracks the clip by itself, as in use; the curves are
drawn over each other.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.machine import describe_machine
from runtime import Detector
from runtime.atomic import PendingFile
from runtime.errors import InputError
from runtime.spec import ENGINES

SHOWN = 6
"""AUs whose curves are drawn: those that move most."""


class Curves(NamedTuple):
    """What a model says of a clip.

    Attributes:
        detector: What was active.
        aus: Keys of the AUs.
        probability: Of the largest face, (frames, n), NaN where no face was found.
        thresholds: From which an AU counts as present, one for each AU.
    """

    detector: str
    aus: tuple[str, ...]
    probability: np.ndarray
    thresholds: tuple[float, ...]


def curves(model: str, clip: Path, threads: int) -> Curves:
    """Track a clip.

    Args:
        model: ``FILE``, ``FILE@openvino`` or ``FILE@openvino@bf16``.
        clip: The video.
        threads: CPU threads.

    Returns:
        The curves.

    Raises:
        InputError: The engine is unknown, or the clip cannot be read.
    """
    file, *how = model.split("@")
    engine, precision = [*how, None, None][:2]
    if engine not in (None, *ENGINES) or len(how) > 2:
        raise InputError(f"model {model}: write FILE@ENGINE, with one of {', '.join(ENGINES)}")
    with Detector(file, backend=engine, precision=precision, threads=threads) as detector:
        rows = []
        for result in detector.stream(clip):
            faces = sorted(result, key=lambda face: -face.box[2] * face.box[3])
            missing = np.full(len(detector.aus), np.nan)
            rows.append(np.array(list(faces[0].aus.values())) if faces else missing)
        return Curves(repr(detector), detector.aus, np.array(rows), detector.spec.thresholds)


def compare(reference: np.ndarray, other: np.ndarray, aus: Sequence[str]) -> dict:
    """Compare two sets of curves.

    Args:
        reference: (frames, n), NaN where no face was found.
        other: The same of another model.
        aus: Keys of the AUs.

    Returns:
        Frames with a face in both and in one only; for each AU the mean and largest difference and
        the correlation (None where a curve is flat).
    """
    seen, also = ~np.isnan(reference[:, 0]), ~np.isnan(other[:, 0])
    both = seen & also
    rows = {}
    for column, au in enumerate(aus):
        a, b = reference[both, column], other[both, column]
        flat = len(a) < 2 or min(a.std(), b.std()) < 1e-3
        rows[au] = {
            "mean_difference": float(np.abs(a - b).mean()) if len(a) else None,
            "max_difference": float(np.abs(a - b).max()) if len(a) else None,
            "correlation": None if flat else float(np.corrcoef(a, b)[0, 1]),
        }
    return {"frames": int(both.sum()), "in_one_only": int((seen ^ also).sum()), "aus": rows}


def draw(path: Path, found: list[tuple[str, np.ndarray]], aus: Sequence[str]) -> None:
    """Draw the curves of the AUs that move most in the reference.

    Args:
        path: PNG to write.
        found: What each model is, and its curves; the reference first.
        aus: Keys of the AUs.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    moving = np.argsort(-np.nan_to_num(np.nanstd(found[0][1], axis=0)))[:SHOWN]
    figure, axes = pyplot.subplots(len(moving), 1, figsize=(9, 1.5 * len(moving)), sharex=True)
    for axis, column in zip(axes, sorted(moving), strict=True):
        for number, (name, values) in enumerate(found):
            style = {"color": "black", "linewidth": 1.8} if number == 0 else {"linewidth": 1.1}
            axis.plot(values[:, column], label=name, **style)
        axis.set_ylim(-0.03, 1.03)
        axis.set_ylabel(aus[column])
    axes[-1].set_xlabel("frame")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1.02), fontsize=7, frameon=False)
    with PendingFile(path) as part:
        figure.savefig(part, dpi=110, bbox_inches="tight")
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.agreement", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--models", nargs="+", required=True, metavar="FILE[@ENGINE[@bf16]]")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("out/agreement.json"))
    args = parser.parse_args(argv)
    found, record = [], {"machine": describe_machine(), "clip": args.clip.name, "models": []}
    for model in args.models:
        name, aus, values, _ = curves(model, args.clip, args.threads)
        found.append((name, values))
        record["models"].append({"detector": name, **compare(found[0][1], values, aus)})
    with PendingFile(args.json) as part:
        part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    draw(args.json.with_suffix(".png"), found, aus)
    for row in record["models"]:
        worst = max(
            (au for au in row["aus"]), key=lambda au, row=row: row["aus"][au]["max_difference"] or 0
        )
        mean = np.mean([each["mean_difference"] or 0 for each in row["aus"].values()])
        print(
            f"{row['detector']}: {row['frames']} frames, mean difference {mean:.4f}, largest "
            f"{row['aus'][worst]['max_difference'] or 0:.3f} ({worst}), a face in one only: "
            f"{row['in_one_only']}"
        )
    print(f"written to {args.json} and {args.json.with_suffix('.png')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
