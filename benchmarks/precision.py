"""What each precision costs in accuracy, on faces of people that nobody trained on.

::

    python -m benchmarks.precision weights/lgrnet_edge.pt --data data/faces --json out/cost.json

Exports the checkpoint for every engine and precision, calibrated on training people, and compares
each with the float32 file on test people. Speed is for ``benchmarks/fps.py``.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bfloat16 import emulate
from benchmarks.inference.exports import export_row, is_traced, reason_of
from benchmarks.inference.rows import ROWS, Row
from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import write_record
from export.accuracy import measure_cost
from export.bounds import Bounds
from export.faces import LabelledFaces, held_out_faces
from export.onnx import export_onnx
from lgrnet.checkpoint import CheckpointError, load_checkpoint
from lgrnet.data.shards import DatasetError
from runtime.backends import open_backend
from runtime.backends.base import Outputs
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, InputError
from runtime.spec import ModelSpec

HALF = Row("ort-fp16", "ONNX Runtime, fp16", "onnxruntime", None, "fp16")
"""Half precision is for GPUs: here its accuracy counts, not its speed."""

EMULATED = Row("bf16-emulated", "bf16 products, emulated", "onnxruntime", "plain")
"""bfloat16 for CPUs that lack it, see `benchmarks.bfloat16`."""

BOUNDS = Bounds()


@dataclass(frozen=True, eq=False)
class Setting:
    """What is the same for every row.

    Attributes:
        args: From the command line.
        spec: What the files say of themselves.
        expected: What the float32 file says of the faces.
        faces: From :func:`export.faces.held_out_faces`.
        folder: Where to export to.
        traced: Float32 files so far, whose graphs need no tracing again.
    """

    args: argparse.Namespace
    spec: ModelSpec
    expected: Outputs
    faces: LabelledFaces
    folder: Path
    traced: list[Path]


def judge(row: Row, setting: Setting) -> dict:
    """Export one row and compare it.

    Args:
        row: Engine and precision.
        setting: What it is compared with.

    Returns:
        The cost as plain values, and whether it is within the exporter's default bounds; or why
        the row cannot be had.
    """
    named = {"key": row.key, "name": row.name}
    try:
        path = _export(row, setting)
        if row is EMULATED:
            emulate(path, path := setting.folder / "emulated.onnx")
        backend = open_backend(path, "cpu", setting.args.threads, row.library, row.active)
    except (ImportError, DeviceError) as error:
        return {**named, "unavailable": reason_of(error)}
    try:
        found = backend(setting.faces.faces)
    finally:
        backend.close()
    cost = measure_cost(setting.expected, found, setting.faces, setting.spec)
    precision = "bf16, emulated" if row is EMULATED else backend.precision
    record = {**named, "provider": backend.provider, "precision": precision}
    return {**record, "within_bounds": not cost.failures(BOUNDS), **cost.as_dict()}


def _export(row: Row, setting: Setting) -> Path:
    args = setting.args
    options: dict = {"calibration": args.data} if row.precision == "int8" else {}
    if row.library != "native":
        options["traced"] = setting.traced
    path = export_row(row, args.checkpoint, setting.folder / f"{row.key}.onnx", **options)
    if is_traced(row):
        setting.traced.append(path)
    return path


def _is_plain_float(row: Row) -> bool:
    return row.precision == "fp32" and row.active is None and row is not EMULATED


def table(rows: Sequence[dict]) -> str:
    """Write the costs as a Markdown table; what is no number, None in a record, is a dash."""
    lines = [
        "| precision | mean F1 fp32 | mean F1 | change | worst AU | mean \\|ΔP\\| | max \\|ΔP\\| |",
        "|---|---:|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        if "unavailable" in row:
            lines.append(f"| {row['name']} | {row['unavailable']} | | | | | |")
            continue
        losses = {
            au: each["f1"] - each["f1_fp32"]
            for au, each in row["aus"].items()
            if None not in (each["f1"], each["f1_fp32"])  # no face shows it
        }
        worst = min(losses, key=losses.__getitem__, default=None)
        before, after = row["mean_f1_fp32"], row["mean_f1"]
        judged = None not in (before, after)
        cells = [
            _shown(before, ".4f"),
            _shown(after, ".4f"),
            f"{after - before:+.4f}" if judged else _UNKNOWN,
            _UNKNOWN if worst is None else f"{worst} {losses[worst]:+.3f}",
            _shown(row["mean_change"], ".4f"),
            _shown(row["max_change"], ".3f"),
        ]
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    return "\n".join(lines)


_UNKNOWN = "–"


def _shown(value: float | None, form: str) -> str:
    return _UNKNOWN if value is None else format(value, form)


def unjudged(rows: Sequence[dict]) -> list[str]:
    """Name the rows that nothing is known of: no face shows an AU, or answers are no numbers."""
    keys = ("mean_f1_fp32", "mean_f1", "mean_change", "max_change")
    return [row["name"] for row in rows if "aus" in row and None in (row[key] for key in keys)]


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.precision",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    candidates = [row for row in (*ROWS, EMULATED, HALF) if row.library != "pytorch"]
    keys = [row.key for row in candidates]
    parser.add_argument("checkpoint", type=Path, help="written by python -m lgrnet.train")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data/faces"),
        help="data set's folder; its test people judge",
    )
    parser.add_argument("--faces", type=positive, default=3000, help="how many of them at most")
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=keys,
        metavar="ENGINE",
        help=f"of {', '.join(keys)}; those not in fp32 if not given",
    )
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads")
    parser.add_argument(
        "--json", type=output_file, default=Path("out/cost.json"), help="where the record goes"
    )
    args = parser.parse_args(argv)
    if args.engines:
        rows = [row for row in candidates if row.key in args.engines]
    else:
        rows = [row for row in candidates if not _is_plain_float(row)]
    try:
        model, meta = load_checkpoint(args.checkpoint)
        faces = held_out_faces(args.data, model.config.aus, args.faces)
    except (CheckpointError, DatasetError, InputError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    record = {
        "machine": describe_machine(),
        "checkpoint": args.checkpoint.name,
        "preset": model.config.preset,
        "training_data": meta.get("training_data"),
        "rows": [],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exact = export_onnx(args.checkpoint, folder / "fp32.onnx")
        with closing(open_backend(exact, "cpu", args.threads)) as reference:
            spec, expected = reference.spec, reference(faces.faces)
        setting = Setting(args, spec, expected, faces, folder, [exact])
        for row in rows:
            print(f"{row.name} …", file=sys.stderr, flush=True)
            record["rows"].append(judge(row, setting))
            write_record(record, args.json)
    print(table(record["rows"]))
    print(f"\nwritten to {args.json}")
    if names := unjudged(record["rows"]):
        print(
            f"{', '.join(names)}: not judged, as no face of {args.data} shows an AU or the answers "
            "are no numbers",
            file=sys.stderr,
        )
    return int(bool(names))


if __name__ == "__main__":
    raise SystemExit(main())
