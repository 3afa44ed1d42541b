"""AU curves of several models on videos: what a precision changes on faces that one cares for.

::

    python -m benchmarks.agreement *.mp4 --models fp32.onnx int8.onnx@openvino --json out/a.json

The first model is the reference. Each model tracks each clip by itself, as in use; the curves of a
clip are drawn over each other, in a picture beside the JSON.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import write_record
from benchmarks.table import Column, markdown, number
from lgrnet.plots import require_matplotlib
from runtime import Detector, Result
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, InputError
from runtime.files.atomic import PendingFile
from runtime.spec import ENGINES

FORMAT = "lgrnet-agreement-1"

SHOWN = 6
"""AUs whose curves are drawn: those that move most."""


class Curves(NamedTuple):
    """What a model says of a clip.

    Attributes:
        detector: What was active.
        aus: Keys of the AUs.
        probability: Of the largest face, (frames, n), NaN where no face was found.
        thresholds: From which an AU counts as present, one for each AU.
        model: What was asked for; two files of one network may be the same detector.
    """

    detector: str
    aus: tuple[str, ...]
    probability: np.ndarray
    thresholds: tuple[float, ...]
    model: str = ""

    @property
    def name(self) -> str:
        """What tells it from the others, for people."""
        return f"{self.model}: {self.detector}" if self.model else self.detector


def curves(model: str, clip: Path, threads: int, flip_test: bool = False) -> Curves:
    """Track a clip.

    Args:
        model: ``FILE``, ``FILE@openvino`` or ``FILE@openvino@bf16``.
        clip: The video.
        threads: CPU threads.
        flip_test: As of `runtime.Detector`.

    Returns:
        The curves.

    Raises:
        InputError: The engine is unknown, or the clip cannot be read.
    """
    file, *how = model.split("@")
    engine, precision = [*how, None, None][:2]
    if engine not in (None, *ENGINES) or len(how) > 2:
        raise InputError(f"model {model}: write FILE@ENGINE, with one of {', '.join(ENGINES)}")
    with Detector(
        file, backend=engine, precision=precision, threads=threads, flip_test=flip_test
    ) as detector:
        return curves_of(detector, detector.stream(clip))._replace(model=model)


def curves_of(detector: Detector, results: Iterable[Result]) -> Curves:
    """Collect what a detector says of the largest face of each frame."""
    rows = []
    for result in results:
        faces = sorted(result, key=lambda face: -face.box[2] * face.box[3])
        missing = np.full(len(detector.aus), np.nan)
        rows.append(np.array(list(faces[0].aus.values())) if faces else missing)
    return Curves(repr(detector), detector.aus, np.array(rows), detector.spec.thresholds)


def compare(reference: Curves, other: Curves) -> dict:
    """Compare two models on one clip.

    Args:
        reference: What the first says.
        other: What another says of the same frames.

    Returns:
        Frames with a face in both and in one only; the mean and largest difference of a
        probability and the share of the calls (present or not, each model by its own thresholds)
        that change, of all AUs together and of each, there with the correlation (None where a
        curve is flat, and all of it where no frame has a face in both).

    Raises:
        InputError: They do not know the same AUs.
    """
    if reference.aus != other.aus:
        apart = sorted(set(reference.aus) ^ set(other.aus))
        raise InputError(
            f"{other.name} and {reference.name} cannot be compared: only one of them "
            f"knows {', '.join(apart)}"
        )
    seen = ~np.isnan(reference.probability[:, 0])
    also = ~np.isnan(other.probability[:, 0])
    both = seen & also
    a, b = reference.probability[both], other.probability[both]
    difference = np.abs(a - b)
    changed = (a >= reference.thresholds) != (b >= other.thresholds)
    rows = {}
    for column, au in enumerate(reference.aus):
        flat = len(a) < 2 or min(a[:, column].std(), b[:, column].std()) < 1e-3
        rows[au] = {
            **_summary(difference[:, column], changed[:, column]),
            "correlation": None if flat else float(np.corrcoef(a[:, column], b[:, column])[0, 1]),
        }
    frames = {"frames": int(both.sum()), "in_one_only": int((seen ^ also).sum())}
    return {**frames, **_summary(difference, changed), "aus": rows}


def _summary(difference: np.ndarray, changed: np.ndarray) -> dict[str, float | None]:
    if not len(difference):
        return {"mean_difference": None, "max_difference": None, "calls_changed": None}
    return {
        "mean_difference": float(difference.mean()),
        "max_difference": float(difference.max()),
        "calls_changed": float(changed.mean()),
    }


def draw(path: Path, found: Sequence[Curves]) -> None:
    """Draw the curves of the AUs that move most in the reference.

    Args:
        path: PNG to write.
        found: What each model says; the reference first.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    seen = found[0].probability[~np.isnan(found[0].probability[:, 0])]
    moving = np.argsort(-seen.std(0) if len(seen) else np.arange(len(found[0].aus)))[:SHOWN]
    figure, axes = pyplot.subplots(
        len(moving), 1, figsize=(9, 1.5 * len(moving)), sharex=True, squeeze=False
    )
    axes = axes[:, 0]
    for axis, column in zip(axes, sorted(moving), strict=True):
        for rank, each in enumerate(found):
            style = {"color": "black", "linewidth": 1.8} if rank == 0 else {"linewidth": 1.1}
            axis.plot(each.probability[:, column], label=each.name, **style)
        axis.set_ylim(-0.03, 1.03)
        axis.set_ylabel(found[0].aus[column])
    axes[-1].set_xlabel("frame")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1.02), fontsize=7, frameon=False)
    with PendingFile(path) as part:
        figure.savefig(part, dpi=110, bbox_inches="tight")
    pyplot.close(figure)


_COLUMNS: tuple[Column, ...] = (
    ("clip", "---", lambda row: row["clip"]),
    ("model", "---", lambda row: row["model"]),
    ("run as", "---", lambda row: row["detector"]),
    ("frames", "---:", number("frames", 0)),
    ("a face in one only", "---:", number("in_one_only", 0)),
    ("mean difference", "---:", number("mean_difference", 4)),
    ("largest", "---:", number("max_difference", 3)),
    ("calls that change %", "---:", number("calls_changed", 2, 100)),
)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.agreement",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("clips", type=Path, nargs="+", metavar="CLIP", help="videos")
    add(
        "--models",
        nargs="+",
        required=True,
        metavar="MODEL[@ENGINE[@bf16]]",
        help="packaged names or files; the first is what the others are compared with",
    )
    add("--threads", type=positive, default=1, help="CPU threads")
    add(
        "--json", type=output_file, default=Path("out/agreement.json"), help="where the record goes"
    )
    add(
        "--pictures",
        type=Path,
        help="folder of the curves, one .png a clip; beside the JSON if not given",
    )
    args = parser.parse_args(argv)
    if len(args.models) < 2:
        parser.error("--models: give two or more, the first is what the others are compared with")
    if len({clip.stem for clip in args.clips}) < len(args.clips):
        parser.error("two clips have the same name, and so would their rows: rename one")
    folder = args.pictures or args.json.parent
    record: dict = {"format": FORMAT, "machine": describe_machine(), "rows": []}
    pictures = []
    for clip in args.clips:
        try:
            require_matplotlib()  # before minutes of measuring
            found = [curves(model, clip, args.threads) for model in args.models]
            compared = [compare(found[0], each) for each in found[1:]]
        except (OSError, ImportError, DeviceError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        for each, row in zip(found[1:], compared, strict=True):
            told = {"clip": clip.name, "model": each.model, "detector": each.detector}
            record["rows"].append({**told, **row})
        record["reference"], record["reference_model"] = found[0].detector, found[0].model
        write_record(record, args.json)
        pictures.append(folder / f"{args.json.stem}_{clip.stem}.png")
        draw(pictures[-1], found)
    print(markdown(_COLUMNS, record["rows"]))
    print(f"\nwritten to {', '.join(map(str, (args.json, *pictures)))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
