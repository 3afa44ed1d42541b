"""Measures how well faces keep their numbers: ``python -m benchmarks.tracking --rig RIG``.

On rendered clips of several people (`lgrnet.faces.crowd`), with the metrics of CLEAR MOT
(Bernardin and Stiefelhagen 2008) and IDF1 (Ristani et al. 2016) as `motmetrics` computes them. A
face counts from half of it visible; what is found on a less visible one is neither right nor wrong.

Another revision is measured on the same clips through its command line: run there
``python -m runtime CLIPS/*.mp4 --out FOLDER --no-video`` and give ``--compare NAME=FOLDER`` here.
"""

import argparse
import csv
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.record import write_record
from lgrnet.faces.crowd import TrueHead, read_crowd, render_crowd
from lgrnet.faces.head.rig import RigError
from runtime import Detector
from runtime.boxes import Box, face_box, overlap
from runtime.errors import InputError

logger = logging.getLogger(__name__)

FORMAT = "lgrnet-tracking-1"

VISIBLE = 0.5
"""Share of a face from which it must be found."""

SAME = 0.5
"""Overlap of a found box with a true one from which they are one face."""

IGNORED = 0.3
"""Overlap with a hardly visible face from which a found one is left out of account."""

SEARCHES: tuple[int | None, ...] = (None, 10, 15, 30, 60)
"""Values of `search_every` that are compared."""

METRICS = (
    *("num_frames", "mota", "idf1", "num_switches", "num_fragmentations"),
    *("num_misses", "num_false_positives", "num_objects", "num_unique_objects", "mostly_tracked"),
)

Tracks = dict[int, list[tuple[int, Box]]]
"""Frame → number and box of each face."""


def track(detector: Detector, clip: Path) -> tuple[Tracks, list[float]]:
    """Run a detector on a clip.

    Args:
        detector: The detector.
        clip: The video.

    Returns:
        What it found, and the milliseconds of each frame, without decoding.
    """
    found: Tracks = {}
    spent = []
    for result in detector.stream(clip):
        found[result.index] = [(face.id, face.box) for face in result]
        spent.append(result.timings.total - result.timings.decode)
    return found, spent


def read_tracks(path: Path) -> Tracks:
    """Read the tracks of a native CSV.

    Args:
        path: Written by ``python -m runtime``.

    Returns:
        What was found.
    """
    found: Tracks = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            faces = found.setdefault(int(row["frame"]), [])
            if int(row["success"]):
                x, y, w, h = (float(row[f"box_{side}"]) for side in "xywh")
                faces.append((int(row["face_id"]), (x, y, w, h)))
    return found


def accumulate(truth: dict[int, list[TrueHead]], found: Tracks, frames: int):
    """Compare the tracks of a clip with the truth.

    Args:
        truth: Frame → its heads.
        found: Frame → what was found.
        frames: Length of the clip.

    Returns:
        A `motmetrics.MOTAccumulator`.
    """
    import motmetrics

    events = motmetrics.MOTAccumulator()
    for frame in range(frames):
        heads = truth.get(frame, [])
        wanted = [(h.identity, face_box(h.landmarks)) for h in heads if h.visible >= VISIBLE]
        hidden = [face_box(h.landmarks) for h in heads if h.visible < VISIBLE]
        faces = [face for face in found.get(frame, []) if _counts(face[1], wanted, hidden)]
        common = np.array([[overlap(box, face[1]) for face in faces] for _, box in wanted])
        common = common.reshape(len(wanted), len(faces))
        events.update(
            [identity for identity, _ in wanted],
            [number for number, _ in faces],
            np.where(common >= SAME, 1 - common, np.nan),
            frameid=frame,
        )
    return events


def _counts(box: Box, wanted: list[tuple[int, Box]], hidden: list[Box]) -> bool:
    best = max((overlap(box, true) for _, true in wanted), default=0.0)
    return best >= SAME or not any(overlap(box, true) >= max(best, IGNORED) for true in hidden)


def summarise(events: dict[str, object]) -> dict[str, dict]:
    """Compute the metrics.

    Args:
        events: Name of a clip → its accumulator.

    Returns:
        Name of a clip, or ``"all"`` → metric → value.
    """
    import motmetrics

    table = motmetrics.metrics.create().compute_many(
        list(events.values()), metrics=list(METRICS), names=list(events), generate_overall=True
    )
    rows = table.rename(index={"OVERALL": "all"}).to_dict("index")
    return {
        str(name): {
            metric: float(value) if metric in ("mota", "idf1") else int(value)
            for metric, value in row.items()
        }
        for name, row in rows.items()
    }


def measure(clips: Sequence[tuple[Path, Path]], find, name: str, detector: str = "") -> dict:
    """Measure one tracker on all clips.

    Args:
        clips: Video and truth of each.
        find: From a video to its tracks and the milliseconds of its frames.
        name: What to call the tracker.
        detector: What it says of itself.

    Returns:
        Its record.
    """
    events, spent = {}, []
    for video, truth in clips:
        found, took = find(video)
        spent += took
        events[video.stem] = accumulate(read_crowd(truth), found, _length(video))
    return {
        "name": name,
        "detector": detector,
        "ms_a_frame": float(np.mean(spent)) if spent else None,
        "ms_p99": float(np.percentile(spent, 99)) if spent else None,
        "clips": summarise(events),
    }


def _length(video: Path) -> int:
    capture = cv2.VideoCapture(str(video))
    try:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        capture.release()


def table(record: dict) -> str:
    """Write a record's totals as a Markdown table."""
    lines = [
        "| tracker | MOTA | IDF1 | switches | misses | false | mostly tracked | ms a frame | p99 |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in record["trackers"]:
        total = row["clips"]["all"]
        cost = ("-", "-") if row["ms_a_frame"] is None else (row["ms_a_frame"], row["ms_p99"])
        shown = [value if isinstance(value, str) else f"{value:.1f}" for value in cost]
        lines.append(
            f"| {row['name']} | {total['mota']:.3f} | {total['idf1']:.3f} | "
            f"{total['num_switches']} | {total['num_misses']} | {total['num_false_positives']} | "
            f"{total['mostly_tracked']} of {total['num_unique_objects']} | {' | '.join(shown)} |"
        )
    return "\n".join(lines)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tracking",
        description="Measure how well faces keep their numbers.",
    )
    add = parser.add_argument
    add("--clips", type=Path, default=Path("data/crowd"), help="folder of the rendered clips")
    add("--rig", type=Path, help="face rig to render clips that are not there; $LGRNET_FACE_RIG")
    add("--seed", type=int, default=2, help="people, light and background of clips not there yet")
    add("--model", help="exported file, or a packaged model")
    add("--finder", type=Path, help="YuNet .onnx file instead of the cascade")
    add("--threads", type=int, default=1)
    add("--compare", action="append", default=[], metavar="NAME=FOLDER", help="see above")
    add("--json", type=Path, default=Path("benchmarks/results/tracking.json"))
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        record = _run(args)
    except (RigError, InputError, OSError, ImportError) as error:
        logger.error("%s", error)
        return 2
    print(table(record))
    write_record(record, args.json)
    return 0


def _run(args: argparse.Namespace) -> dict:
    try:
        import motmetrics  # noqa: F401  before minutes of rendering
    except ImportError as error:
        raise ImportError(f'{error}: pip install "lgrnet[bench]"') from error
    clips = render_crowd(args.clips, args.rig, args.seed)
    cv2.setNumThreads(args.threads)
    trackers = []
    for pair in args.compare:
        name, _, folder = pair.partition("=")
        trackers.append(
            measure(clips, lambda v, f=folder: (read_tracks(Path(f) / f"{v.stem}.csv"), []), name)
        )
    for every in SEARCHES:
        with Detector(
            args.model, finder=args.finder, threads=args.threads, search_every=every
        ) as detector:
            row = measure(
                clips,
                lambda video, d=detector: track(d, video),
                f"search every {every} frames" if every else "no search for newcomers",
                repr(detector),
            )
        print(row["name"], row["clips"]["all"], file=sys.stderr)
        trackers.append(row)
    return {
        "format": FORMAT,
        "machine": describe_machine(),
        "seed": args.seed,
        "visible_from": VISIBLE,
        "overlap_from": SAME,
        "trackers": trackers,
    }


if __name__ == "__main__":
    raise SystemExit(main())
