"""How far answers move where a face does not: ``python -m benchmarks.noise_floor CLIP ...``.

The same clip mirrored, smaller, larger, compressed anew and at half its rate is cut out a little
otherwise, frame by frame. What that changes is what a difference of single frames means nothing
below; means over a clip move less.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.agreement import Curves, compare, curves_of
from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import write_record
from benchmarks.table import Column, markdown, number
from runtime import Detector, Result, open_source
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, InputError, ModelError

FORMAT = "lgrnet-noise-floor-2"

QUALITY = 30
"""Of JPEG, 0 to 100."""


def _resized(by: float) -> Callable[[np.ndarray], np.ndarray]:
    way = cv2.INTER_AREA if by < 1 else cv2.INTER_CUBIC
    return lambda frame: cv2.resize(frame, None, fx=by, fy=by, interpolation=way)


def _compressed(frame: np.ndarray) -> np.ndarray:
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    read = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert read is not None  # it was encoded just now
    return read


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirrored": lambda frame: cv2.flip(frame, 1),
    "half the size": _resized(0.5),
    "twice the size": _resized(2),
    f"each frame a JPEG of quality {QUALITY}": _compressed,
}
"""What is done to every frame, (H, W, 3) uint8 BGR."""

EVERY_SECOND = "every second frame"


def _changed(
    detector: Detector, clip: Path, change: Callable[[np.ndarray], np.ndarray]
) -> Iterator[Result]:
    detector.reset()
    with open_source(clip) as shots:
        for shot in shots:
            yield detector.track(change(shot.frame), shot.timestamp)


def measure(detector: Detector, clip: Path) -> list[dict]:
    """Track a clip as it is and changed.

    Args:
        detector: Of any model.
        clip: The video.

    Returns:
        A row for each of :data:`CHANGES` and for :data:`EVERY_SECOND`, as of
        :func:`benchmarks.agreement.compare`, with ``mean_of_clip``: how far the mean of an AU's
        probability over the frames moves, of each AU and on average over them; None where no frame
        has a face in both.

    Raises:
        InputError: The clip cannot be read.
    """
    reference = curves_of(detector, detector.stream(clip))
    found = {
        name: (reference, curves_of(detector, _changed(detector, clip, change)))
        for name, change in CHANGES.items()
    }
    half = reference._replace(probability=reference.probability[::2])
    found[EVERY_SECOND] = half, curves_of(detector, detector.stream(clip, every=2))
    return [{"change": name, **_compared(*pair)} for name, pair in found.items()]


def _compared(one: Curves, other: Curves) -> dict:
    row = compare(one, other)
    both = ~np.isnan(one.probability[:, 0]) & ~np.isnan(other.probability[:, 0])
    if not both.any():
        return row | {"mean_of_clip": None}
    moved = np.abs(one.probability[both].mean(0) - other.probability[both].mean(0))
    for au, each in zip(row["aus"].values(), moved.tolist(), strict=True):
        au["mean_of_clip"] = each
    return row | {"mean_of_clip": float(moved.mean())}


def _most(key: str, digits: int, scale: float = 1.0) -> Callable[[dict], str]:
    """Make a cell of the AU in which something is largest."""

    def cell(row: dict) -> str:
        if row[key] is None:
            return ""
        name, largest = max(row["aus"].items(), key=lambda each: each[1][key])
        return f"{name} {scale * largest[key]:.{digits}f}"

    return cell


COLUMNS: tuple[Column, ...] = (
    ("clip", "---", lambda row: row["clip"]),
    ("change", "---", lambda row: row["change"]),
    ("frames", "---:", number("frames", 0)),
    ("a face in one only", "---:", number("in_one_only", 0)),
    ("mean change of a probability", "---:", number("mean_difference", 3)),
    ("largest", "---:", number("max_difference", 2)),
    ("calls that change %", "---:", number("calls_changed", 1, 100)),
    ("most of", "---:", _most("calls_changed", 0, 100)),
    ("change of a clip's mean", "---:", number("mean_of_clip", 3)),
    ("most of", "---:", _most("mean_of_clip", 2)),
)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.noise_floor",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("clips", type=Path, nargs="+", metavar="CLIP", help="videos")
    add("--model", default="edge", help="packaged name or file")
    add("--threads", type=positive, default=1, help="CPU threads")
    add("--flip-test", action="store_true", help="as of Detector(flip_test=True)")
    add(
        "--json",
        type=output_file,
        default=Path("out/noise_floor.json"),
        help="where the record goes",
    )
    args = parser.parse_args(argv)
    record: dict = {"format": FORMAT, "machine": describe_machine(), "rows": []}
    try:
        with Detector(args.model, threads=args.threads, flip_test=args.flip_test) as detector:
            record["detector"] = repr(detector)
            for clip in args.clips:
                rows = measure(detector, clip)
                record["rows"] += [{"clip": clip.name, **row} for row in rows]
                write_record(record, args.json)
    except (OSError, ImportError, InputError, ModelError, DeviceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(markdown(COLUMNS, record["rows"]))
    print(f"\nwritten to {args.json}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
