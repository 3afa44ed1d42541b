"""Frames a second, engine by engine and end to end: ``python benchmarks/fps.py``.

Networks are timed on face crops, all engines interleaved in one run; detectors on the demo clip.
Writes a JSON record and a chart beside it, and prints tables.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    # As a script, only this folder is on the path; the packages beside it are needed.
    sys.path.insert(0, str(ROOT))

    from benchmarks import EXTRAS
    from runtime.console.not_installed import end_in_a_line

    end_in_a_line(EXTRAS)

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import numpy as np

from benchmarks.chart import write_chart
from benchmarks.inference.crops import benchmark_faces, benchmark_frame
from benchmarks.inference.end_to_end import measure_end_to_end
from benchmarks.inference.engines import require_gpu
from benchmarks.inference.exports import Exports, random_checkpoint
from benchmarks.inference.networks import Task, measure_network
from benchmarks.inference.probe import ProbeError
from benchmarks.inference.rows import GPU_ROWS, PIPELINES, ROWS, choose_rows
from benchmarks.shared.machine import describe_machine
from benchmarks.shared.noise import load_warnings
from benchmarks.shared.options import add_presets, add_record
from benchmarks.shared.record import FORMAT, write_record
from benchmarks.shared.timing import BURST, Limits
from benchmarks.table import full_tables
from export.faces import LabelledFaces, held_out_faces
from lgrnet.checkpoint import CheckpointError, load_checkpoint
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import not_negative, positive
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, InputError
from runtime.packaged import DEMO_CLIP

EDGE_CHECKPOINT = ROOT / "weights" / "lgrnet_edge.pt"
DEFAULT_JSON = Path("out/fps.json")
LABELLED = 200
"""Faces of the demo clip on which engines on a GPU are scored."""
COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"


def measure(args: argparse.Namespace) -> Iterator[dict]:
    """Measure what the command line asks for.

    Args:
        args: From :func:`parse_args`.

    Yields:
        The record, growing, after each run: a run takes minutes, and a later one may fail.
    """
    limits: Limits = args.limits
    machine = describe_machine()
    faces, what = benchmark_faces()
    frame = None
    if args.device == "cuda":
        picture, matrix, frame_is = benchmark_frame()
        frame = picture, matrix
        what += f"; {frame_is}"
    record: dict = {
        "format": FORMAT,
        "machine": machine,
        "settings": {
            **asdict(limits),
            **{"burst": BURST, "batch": args.batch, "draw": args.draw, "device": args.device},
        },
        "faces": what,
        "networks": [],
        "pipelines": [],
        "warnings": load_warnings(machine["load_before"], machine["cores"]),
    }
    with tempfile.TemporaryDirectory() as name, _cold_compiler_cache(Path(name) / "inductor"):
        folder = Path(name)
        exports = Exports(args.exports)
        rows = choose_rows(args.engines, args.device)
        for preset, checkpoint, trained in _checkpoints(args, folder):
            _say(f"{preset}: exporting for {len(rows)} engines")
            files = exports.files(rows, checkpoint, args.batch, trained)
            for threads in args.threads:
                _say(f"{preset}: {len(rows)} engines on {threads} thread(s)")
                task = Task(
                    preset=preset,
                    checkpoint=checkpoint,
                    faces=faces,
                    batch=args.batch,
                    threads=threads,
                    limits=limits,
                    folder=folder,
                    frame=frame,
                    labelled=_labelled(checkpoint) if frame and trained else None,
                )
                record["networks"].append(measure_network(task, rows, files))
                yield record
        if args.end_to_end and args.device == "cpu":
            models = [row.model for row in PIPELINES if row.model is not None]
            files = exports.files(models, EDGE_CHECKPOINT, batch=1)
            for threads in args.threads:
                _say(f"end to end on {threads} thread(s)")
                record["pipelines"].append(
                    measure_end_to_end(PIPELINES, files, DEMO_CLIP, threads, limits, args.draw)
                )
                yield record


def _checkpoints(args: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Path, bool]]:
    """Give the networks to measure: name, checkpoint, and whether it has been trained."""
    if args.checkpoint is not None:
        yield args.checkpoint.stem, args.checkpoint, True
        return
    for preset in args.presets:
        if preset == "edge":
            yield preset, EDGE_CHECKPOINT, True
        else:
            path = folder / f"{preset}_random.pt"
            random_checkpoint(preset, path)
            yield preset, path, False


def _labelled(checkpoint: Path) -> tuple[LabelledFaces, np.ndarray] | None:
    """Give the faces of the demo clip and a network's thresholds; None if it knows other AUs."""
    model, meta = load_checkpoint(checkpoint)
    aus = model.config.aus
    try:
        faces = held_out_faces(None, aus, LABELLED)
    except InputError:
        return None
    return faces, np.array(meta.get("thresholds") or [0.5] * len(aus))


@contextmanager
def _cold_compiler_cache(folder: Path) -> Iterator[None]:
    """Let PyTorch keep compiled code in an empty folder.

    So the process that measures compile time compiles indeed, and this one then finds the code.
    """
    before = os.environ.get(COMPILER_CACHE)
    os.environ[COMPILER_CACHE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[COMPILER_CACHE]
        else:
            os.environ[COMPILER_CACHE] = before


def _say(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; ``limits`` of the result is made of its limits."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/fps.py",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    keys = [row.key for row in (*ROWS, *GPU_ROWS)]
    add_presets(parser)
    add("--checkpoint", type=Path, help="another network, instead of the presets")
    add(
        "--engines",
        nargs="+",
        choices=keys,
        metavar="ENGINE",
        help=f"of {', '.join(keys)}; all of the device if not given",
    )
    add("--device", choices=["cpu", "cuda"], default="cpu", help="which engines to measure")
    add("--threads", type=positive, nargs="+", default=[1, 2], help="one run for each")
    add("--batch", type=positive, default=1, help="faces of one call of a network")
    default = Limits()
    add("--seconds", type=not_negative, default=default.seconds, help="time of each run")
    add("--max-calls", type=positive, default=default.max_calls, help="timed calls of each engine")
    add("--rounds", type=positive, default=default.rounds, help="least turns of each engine")
    add("--warmup", type=not_negative, default=default.warmup, help="seconds for each engine")
    flag = argparse.BooleanOptionalAction
    add("--end-to-end", action=flag, default=True, help="measure detectors on the demo clip")
    add("--draw", action=flag, default=False, help="count drawing as part of a frame")
    add(
        "--exports",
        type=Path,
        default=Path("out", "exports"),
        metavar="DIR",
        help="exported models, kept for the next run",
    )
    add_record(parser, DEFAULT_JSON)
    args = parser.parse_args(argv)
    if args.json.suffix != ".json":
        parser.error(f"argument --json: give a name that ends in .json, not {args.json}")
    if args.checkpoint is not None and not args.checkpoint.is_file():
        parser.error(f"argument --checkpoint: {args.checkpoint} is not there")
    try:
        choose_rows(args.engines, args.device)
        args.limits = Limits(args.seconds, args.max_calls, args.rounds, args.warmup)
    except ValueError as error:
        parser.error(str(error))
    return args


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    record: dict = {}
    try:
        if args.device == "cuda":
            require_gpu()
        for record in measure(args):
            write_record(record, args.json)
    except (CheckpointError, DeviceError, InputError, ProbeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(full_tables(record))
    print(f"\nwritten to {args.json}")
    if not record["networks"]:
        return 0
    picture = args.json.with_suffix(".png")
    try:
        write_chart(record, picture)
    except ImportError as error:
        print(f"no chart: {error}; then python -m benchmarks.chart {args.json}", file=sys.stderr)
    else:
        print(f"chart in {picture}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
