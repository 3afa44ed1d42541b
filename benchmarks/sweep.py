"""How wide and how fine: small networks, trained alike, accuracy against latency.

::

    python -m benchmarks.sweep train --data data/faces      # resumable; hours on a CPU
    python -m benchmarks.sweep measure --json benchmarks/results/sweep.json
    python -m benchmarks.sweep draw --json benchmarks/results/sweep.json --png docs/sweep.png

Every candidate sees the same faces the same number of times, far fewer than weights that ship do:
the comparison says which network learns more from as much, not how good it gets in the end.
"""

import argparse
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import complete, read_record, write_record
from benchmarks.shared.series import run_command, train_network
from benchmarks.shared.timing import Limits, interleave, summarise
from export.onnx import export_onnx
from lgrnet.checkpoint import load_checkpoint
from lgrnet.plots import require_matplotlib
from runtime.backends import open_backend
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import not_negative, output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.files.atomic import PendingFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONFIG = Path("configs/sweep.toml")

CANDIDATES: dict[str, dict[str, object]] = {
    "grid 12, C 32": {"input_size": 96},
    "grid 12, C 48": {
        "input_size": 96, "stem_widths": [32, 48],
        "feature_widths": [48, 64, 96], "refine_widths": [48, 64, 96],
    },
    "grid 16, C 16": {
        "stem_widths": [16, 16], "feature_widths": [24, 32, 48], "refine_widths": [16, 24, 32],
    },
    "grid 16, C 24": {
        "stem_widths": [24, 24], "feature_widths": [36, 48, 72], "refine_widths": [24, 36, 48],
    },
    "grid 16, C 32": {},
    "grid 16, C 48": {
        "stem_widths": [32, 48], "feature_widths": [48, 64, 96], "refine_widths": [48, 64, 96],
    },
    "grid 20, C 24": {
        "input_size": 160, "stem_widths": [24, 24],
        "feature_widths": [36, 48, 72], "refine_widths": [24, 36, 48],
    },
    "grid 20, C 32": {"input_size": 160},
}  # fmt: skip
"""Name → changes of the ``edge`` preset's model; without any it is the preset."""

CHOSEN = "grid 16, C 32"
"""The candidate that is the ``edge`` preset."""

ENGINES = {
    "ONNX Runtime fp32": ("onnxruntime", "fp32"),
    "OpenVINO int8": ("openvino", "int8"),
}
"""What latency is measured on: name → engine and precision of :func:`export.onnx.export_onnx`."""


def folder_of(runs: Path, name: str) -> Path:
    """Name the folder of a candidate's run."""
    return runs / name.replace(", ", "_").replace(" ", "")


def train(args: argparse.Namespace) -> None:
    """Train all candidates, one after the other, and judge them on the test people."""
    for name in args.only or CANDIDATES:
        changes, folder = CANDIDATES[name], folder_of(args.runs, name)
        if (folder / "test.json").exists():
            continue
        settings = {
            "out": str(folder), "data.root": str(args.data), "data.limit": args.images,
            "optim.epochs": args.epochs, "optim.precision": "fp32",
            **{f"model.{key}": value for key, value in changes.items()},
        }  # fmt: skip
        train_network(CONFIG, settings, args.threads)
        command = [sys.executable, "-m", "lgrnet.evaluate", str(folder / "last.pt")]
        options = ["--data", str(args.data), "--json", str(folder / "test.json")]
        subprocess.run([*command, *options], check=True)


def measure(args: argparse.Namespace) -> None:
    """Time all candidates that are trained in one run, and write what is known of them."""
    trained = [name for name in CANDIDATES if (folder_of(args.runs, name) / "test.json").exists()]
    if not trained:
        raise InputError(f"{args.runs} holds no trained candidate: run the command `train` first")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        calls: dict[str, Callable[[], object]] = {}
        face = np.random.default_rng(0).integers(0, 256, (1, 176, 176, 3), np.uint8)
        for name in trained:
            checkpoint = folder_of(args.runs, name) / "last.pt"
            for name_of_engine, (engine, precision) in ENGINES.items():
                path = Path(scratch) / f"{checkpoint.parent.name}_{engine}.onnx"
                export_onnx(
                    *(checkpoint, path),
                    judge=False,
                    mean_change=math.inf,
                    engine=engine,
                    precision=precision,
                )
                backend = open_backend(path, threads=args.threads, backend=engine)
                calls[f"{name}, {name_of_engine}"] = partial(backend, face)
        samples = interleave(calls, Limits(args.seconds, rounds=5))
        for name in trained:
            folder = folder_of(args.runs, name)
            model, meta = load_checkpoint(folder / "last.pt")
            scores = read_record(folder / "test.json", None)
            rows.append(
                {
                    "name": name,
                    "model": model.config.to_dict(),
                    "parameters": sum(p.numel() for p in model.parameters()),
                    "training_images": meta["training_images"],
                    "epochs": meta["epoch"],
                    "mean_f1": scores["mean"],
                    "landmark_error": scores["landmark_error"],
                    "frames": scores["frames"],
                    "ms": {each: summarise(samples[f"{name}, {each}"]) for each in ENGINES},
                }
            )
    record = {"machine": describe_machine(), "threads": args.threads, "candidates": rows}
    record["not_trained"] = [name for name in CANDIDATES if name not in trained]
    write_record(record, args.json)


def draw(args: argparse.Namespace) -> None:
    """Draw accuracy against latency from the JSON."""
    require_matplotlib()
    import matplotlib

    matplotlib.use("Agg")
    record = read_record(args.json, None)
    with complete(f"record {args.json}"):
        figure = _figure(record)
    with PendingFile(args.png) as part:
        figure.savefig(part, dpi=120, bbox_inches="tight")


def _figure(record: dict) -> "Figure":
    from matplotlib import pyplot

    rows, machine = record["candidates"], record["machine"]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axis, engine in zip(axes, ENGINES, strict=True):
        axis.set_xlabel(f"ms a face, {engine}, {record['threads']} thread(s)")
        axis.grid(alpha=0.3)
        axis.margins(x=0.3, y=0.15)
        points = [(row["ms"][engine]["p50"], row["mean_f1"]["all"]["auc"]) for row in rows]
        for row, point in zip(rows, points, strict=True):
            axis.scatter(*point, color="tab:red" if row["name"] == CHOSEN else "tab:blue", zorder=2)
        _label(axis, points, [row["name"] for row in rows])
    axes[0].set_ylabel("mean AUC, 15 AUs, test people")
    seen = f"{rows[0]['training_images']:,} rendered faces seen {rows[0]['epochs']} time(s)"
    figure.suptitle(
        f"Each candidate after {seen}; {machine['cpu']}, {machine['date'][:10]}", size=9
    )
    return figure


PLACES = (
    *((0, 6, "center"), (0, -14, "center"), (7, -3, "left"), (-7, -3, "right")),
    *((-5, 6, "right"), (5, -12, "left"), (-5, -12, "right"), (5, 6, "left")),
)
"""Where a label may be: points right of and above its dot, and how it is aligned there."""


def _label(axis: "Axes", points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Name the points, each beside its own, where no other label is yet."""
    from matplotlib.transforms import Bbox

    dots = [axis.transData.transform(point) for point in points]
    taken = [Bbox.from_extents(x - 4, y - 4, x + 4, y + 4) for x, y in dots]
    for point, name in zip(points, names, strict=True):
        for x, y, side in PLACES:
            label = axis.annotate(
                name + (" (edge)" if name == CHOSEN else ""), point, xytext=(x, y),
                textcoords="offset points", fontsize=8, ha=side,
            )  # fmt: skip
            box = label.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
            label.remove()
        else:
            axis.add_artist(label)
        taken.append(box)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/sweep"), help="folder of the runs")
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser(
        "train", help="train the candidates", formatter_class=DefaultsHelp
    )
    training.add_argument("--data", type=Path, default=Path("data/faces"), help="data set's folder")
    training.add_argument(
        "--only",
        nargs="+",
        choices=CANDIDATES,
        metavar="NAME",
        help=f"some of them, in order: {'; '.join(CANDIDATES)}",
    )
    training.add_argument("--images", type=positive, default=16000, help="faces that each one sees")
    training.add_argument("--epochs", type=positive, default=1, help="how often")
    training.set_defaults(run=train)
    measuring = commands.add_parser(
        "measure", help="time them, write all figures", formatter_class=DefaultsHelp
    )
    measuring.add_argument(
        "--seconds", type=not_negative, default=60, help="least time in all, seconds"
    )
    measuring.add_argument(
        "--json", type=output_file, default=Path("out/sweep.json"), help="where the record goes"
    )
    measuring.set_defaults(run=measure)
    drawing = commands.add_parser(
        "draw", help="make the picture of it", formatter_class=DefaultsHelp
    )
    drawing.add_argument(
        "--json", type=Path, default=Path("out/sweep.json"), help="what `measure` wrote"
    )
    drawing.add_argument(
        "--png", type=Path, default=Path("out/sweep.png"), help="where the picture goes"
    )
    drawing.set_defaults(run=draw)
    return parser.parse_args(argv)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run_command(parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
