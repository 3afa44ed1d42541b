"""Measures how well faces keep their numbers: ``python -m benchmarks.tracking --rig RIG``.

On rendered clips of several people (`lgrnet.faces.crowd`), with the metrics of CLEAR MOT
(Bernardin and Stiefelhagen 2008) and IDF1 (Ristani et al. 2016) as `motmetrics` computes them. A
face counts from half of its box visible; what is found on a less visible one is neither right nor
wrong.

With the packaged face finder and with OpenCV's cascade, and with ``--finder`` also with YuNet.
Clips and tracks are kept, and those that are there already are taken as they are, tracks only where
the same code has found them. Whatever else lies among the tracks is judged as well, such as those
of another revision (`benchmarks.tracks`).
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import RecordError, complete, read_record, write_record
from benchmarks.tracks import keep_tracks
from lgrnet.faces.crowd import TrueHead, read_crowd, render_crowd
from lgrnet.faces.crowd_scenes import SCENES
from lgrnet.faces.head.rig import RigError
from runtime import Detector
from runtime.boxes import Box, face_box, overlap
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import count, output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.finders import CascadeFinder
from runtime.installed import how_to_install
from runtime.settings import SEARCH_EVERY

if TYPE_CHECKING:
    from motmetrics import MOTAccumulator

logger = logging.getLogger(__name__)

FORMAT = "lgrnet-tracking-1"

VISIBLE = 0.5
"""Share of a face's box that must show the head, from which it must be found. No head fills its
box; whole ones reach 0.8 to 0.87."""

SAME = 0.5
"""Overlap of a found box with a true one from which they are one face."""

IGNORED = 0.3
"""Overlap with a hardly visible face from which a found one is left out of account."""

SEARCHES: tuple[int | None, ...] = (None, 10, SEARCH_EVERY)
"""Values of `search_every` that are compared."""

METRICS = (
    *("num_frames", "mota", "idf1", "num_switches", "num_fragmentations"),
    *("num_misses", "num_false_positives", "num_objects", "num_unique_objects", "mostly_tracked"),
)

Tracks = dict[int, list[tuple[int, Box]]]
"""Frame → number and box of each face."""


def accumulate(truth: dict[int, list[TrueHead]], found: Tracks, frames: int) -> "MOTAccumulator":
    """Compare the tracks of a clip with the truth.

    Args:
        truth: Frame → its heads.
        found: Frame → what was found.
        frames: Length of the clip.

    Returns:
        What `motmetrics` computes its metrics from.
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


def judge(name: str, tracks: Path, clips: Sequence[tuple[Path, Path]]) -> dict:
    """Judge one tracker.

    Args:
        name: What to call it.
        tracks: Folder of what it found, by `benchmarks.tracks`.
        clips: Video and truth of each clip.

    Returns:
        Its record.
    """
    events, spent, cpu, detectors = {}, [], [], set()
    for video, truth in clips:
        path = tracks / f"{video.stem}.json"
        record = read_record(path, None)
        with complete(f"record {path}"):
            found = {
                frame: [(number, tuple(box)) for number, box in faces]
                for frame, faces in record["tracks"]
            }
            spent += record["ms"]
            cpu += [record["cpu_ms"]] * len(record["ms"])
            detectors.add(record["detector"])
        events[video.stem] = accumulate(read_crowd(truth), found, _length(video))
    return {
        "name": name,
        "detector": " / ".join(sorted(detectors)),
        "cpu_ms_a_frame": float(np.mean(cpu)),
        "ms_p50": float(np.percentile(spent, 50)),
        "ms_p99": float(np.percentile(spent, 99)),
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
        "| tracker | MOTA | IDF1 | switches | misses | false | mostly tracked | CPU ms a frame |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in record["trackers"]:
        total = row["clips"]["all"]
        lines.append(
            f"| {row['name']} | {total['mota']:.3f} | {total['idf1']:.3f} | "
            f"{total['num_switches']} | {total['num_misses']} | {total['num_false_positives']} | "
            f"{total['mostly_tracked']} of {total['num_unique_objects']} | "
            f"{row['cpu_ms_a_frame']:.1f} |"
        )
    return "\n".join(lines)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tracking",
        description="Measure how well faces keep their numbers.",
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("--clips", type=Path, default=Path("data/crowd"), help="folder of the rendered clips")
    add("--tracks", type=Path, help="folder of what was found; else `tracks` among the clips")
    add(
        "--rig",
        type=Path,
        help="face rig to render clips that are not there; else $LGRNET_FACE_RIG",
    )
    add("--seed", type=count, default=1, help="people, light and background of clips to render")
    names = [scene.name for scene in SCENES]
    add("--scenes", nargs="+", choices=names, default=names, metavar="SCENE", help="some of them")
    add("--model", help="packaged name or file; the packaged model if not given")
    add("--finder", help="YuNet .onnx file, to be judged as well")
    add("--threads", type=positive, default=1, help="CPU threads")
    add("--only-judge", action="store_true", help="take the tracks that are there, find none")
    add(
        "--json",
        type=output_file,
        default=Path("benchmarks/results/tracking.json"),
        help="where the record goes",
    )
    return parser.parse_args(argv)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        record = _run(args)
    except (RigError, InputError, RecordError, OSError, ImportError) as error:
        logger.error("%s", error)
        return 2
    print(table(record))
    write_record(record, args.json)
    return 0


def _run(args: argparse.Namespace) -> dict:
    try:
        import motmetrics  # noqa: F401  before minutes of rendering
    except ImportError as error:
        raise ImportError(f"{error}: {how_to_install('bench')}") from error
    clips = render_crowd(args.clips, args.rig, args.seed, scenes=args.scenes)
    tracks = args.tracks or args.clips / "tracks"
    if not args.only_judge:
        _find(args, clips, tracks)
    folders = sorted(folder for folder in tracks.iterdir() if folder.is_dir())
    return {
        "format": FORMAT,
        "machine": describe_machine(),
        "seed": args.seed,
        "scenes": args.scenes,
        "visible_from": VISIBLE,
        "overlap_from": SAME,
        "trackers": [judge(folder.name, folder, clips) for folder in folders],
    }


def _find(args: argparse.Namespace, clips: Sequence[tuple[Path, Path]], tracks: Path) -> None:
    cv2.setNumThreads(args.threads)
    kinds: list[tuple[str, int | None, str | None]]
    kinds = [(f"search every {n}" if n else "no search", n, None) for n in SEARCHES]
    kinds.append((f"search every {SEARCH_EVERY}, cascade", SEARCH_EVERY, CascadeFinder.name))
    if args.finder:
        kinds.append((f"search every {SEARCH_EVERY}, YuNet", SEARCH_EVERY, args.finder))
    for name, every, finder in kinds:
        settings = {"threads": args.threads, "search_every": every, "finder": finder}
        with Detector(args.model, **settings) as detector:
            for video, _ in clips:
                keep_tracks(detector, video, tracks / name / f"{video.stem}.json")
                logger.info("%s: %s done", name, video.stem)


if __name__ == "__main__":
    raise SystemExit(main())
