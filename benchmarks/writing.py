"""Sees whether writers grow with what they write: ``python -m benchmarks.writing``.

Each format, and the annotated video, gets that many made-up rows in a process of its own, whose
memory is sampled; a straight line is laid through the second half, as in `benchmarks.soak`.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.shared.machine import describe_machine
from benchmarks.shared.memory import in_words, resident_megabytes
from benchmarks.shared.record import write_record
from benchmarks.soak import growth
from runtime.action_units import AU_NAMES, au_key
from runtime.boxes import face_box
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable
from runtime.formats import FORMATS, Layout, open_writer
from runtime.outputs.pictures import VideoWriter
from runtime.pose.face_model import FACE_MM
from runtime.results import Face, Result, Timings

logger = logging.getLogger(__name__)

FORMAT = "lgrnet-writing-1"

VIDEO = "annotated video"

KINDS = (*FORMATS, VIDEO)

FACES = 2
"""Faces a frame."""

FPS = 25.0

SAMPLES = 50
"""Looks at the memory."""


def frames(count: int) -> Iterator[Result]:
    """Make up results of two faces whose action units come and go.

    Args:
        count: How many frames.

    Yields:
        Their results.
    """
    rng = np.random.default_rng(0)
    keys = [au_key(au) for au in AU_NAMES]
    stock = []
    for _ in range(100):
        faces = []
        for number in range(FACES):
            points = FACE_MM[:, :2] + (100 + 200 * number, 150) + rng.normal(0, 1, (49, 2))
            aus = dict(zip(keys, rng.uniform(size=len(keys)).tolist(), strict=True))
            present = tuple(key for key in keys if aus[key] > 0.9)
            strong = {key: 5 * value for key, value in aus.items()}
            landmarks = points.astype(np.float32)
            faces.append(
                Face(
                    *(number, face_box(landmarks), 0.9, landmarks, aus, present, strong),
                    frame_size=(640, 360),
                )
            )
        stock.append(Result(tuple(faces), Timings(network=3.0), (640, 360)))
    for index in range(count):
        yield replace(stock[int(rng.integers(100))], index=index, timestamp=index / FPS)


@contextmanager
def _opened(kind: str, base: Path) -> Iterator[Callable[[Result], None]]:
    """Open a file of one kind; gives what writes a result into it."""
    if kind != VIDEO:
        layout = Layout(tuple(au_key(au) for au in AU_NAMES), intensity=True)
        with open_writer(kind, base, layout) as writer:
            yield writer.write
        return
    picture = np.zeros((72, 128, 3), np.uint8)
    with VideoWriter(base.with_suffix(".mp4"), FPS) as video:

        def write(result: Result) -> None:
            picture[:] = result.index % 251
            video.write(picture, result.timestamp)

        yield write


def measure(kind: str, rows: int, folder: Path) -> dict:
    """Write one kind of file in this process.

    Args:
        kind: One of `KINDS`.
        rows: Faces, two a frame.
        folder: Where to.

    Returns:
        Its record.
    """
    count = rows // FACES
    samples = []
    began = time.monotonic()
    with _opened(kind, folder / "made_up") as write:
        for result in frames(count):
            write(result)
            if (result.index + 1) % max(1, count // SAMPLES) == 0:
                samples.append(
                    {
                        "rows": FACES * (result.index + 1),
                        "s": round(time.monotonic() - began, 2),
                        "rss_mb": resident_megabytes(),
                    }
                )
    (path,) = folder.iterdir()
    by_rows = [{"s": sample["rows"], "rss_mb": sample["rss_mb"]} for sample in samples]
    slope = growth(by_rows)
    return {
        "kind": kind,
        "rows": FACES * count,
        "seconds": time.monotonic() - began,
        "file_mb": path.stat().st_size / 1e6,
        "growth_bytes_a_row": None if slope is None else slope / 3600 * 1e6,
        "samples": samples,
    }


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.writing",
        description="See whether writers grow.",
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("--rows", type=positive, default=200_000, help="faces, two a frame")
    add(
        "--kinds",
        nargs="+",
        choices=KINDS,
        default=list(KINDS),
        metavar="KIND",
        help="some of them",
    )
    add(
        "--json",
        type=output_file,
        default=Path("benchmarks/results/writing.json"),
        help="where the record goes",
    )
    add("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.rows < FACES:
        parser.error(f"argument --rows: a frame has {FACES}, give as many at least")
    return args


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory(prefix="lgrnet-writing-") as scratch:
        if args.one:  # in the process of its own
            write_record(measure(args.kinds[0], args.rows, Path(scratch)), args.json)
            return 0
        records: list[dict] = []
        for kind in args.kinds:
            part = Path(scratch) / f"{len(records)}.json"
            command = [sys.executable, "-m", "benchmarks.writing", "--one", "--kinds", kind]
            command += ["--rows", str(args.rows), "--json", str(part)]
            if subprocess.run(command, check=False).returncode:
                logger.error("%s failed", kind)
                return 1
            records.append(json.loads(part.read_text("utf-8")))
            said = records[-1]
            first, last = (said["samples"][i]["rss_mb"] for i in (0, -1))
            logger.info(
                "%-15s %d rows, %.0f s, %.1f MB; memory %s at first, %s at last, "
                "%s bytes a row in the second half",
                *(kind, said["rows"], said["seconds"], said["file_mb"]),
                *(in_words(first), in_words(last)),
                "?" if said["growth_bytes_a_row"] is None else f"{said['growth_bytes_a_row']:.1f}",
            )
    record = {"format": FORMAT, "machine": describe_machine(), "kinds": records}
    write_record(record, args.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
