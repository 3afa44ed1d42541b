"""What each precision costs in accuracy, on faces of people that nobody trained on.

::

    python -m benchmarks.precision weights/lgrnet_edge.pt --data data/faces --json out/cost.json

Exports the checkpoint for every engine and precision, calibrated on training people, and compares
each with the float32 file on test people. Speed is for ``benchmarks/fps.py``.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.exports import export_row, one_line
from benchmarks.machine import describe_machine
from benchmarks.rows import ROWS, Row
from export.accuracy import Bounds, measure_cost, write_report
from export.faces import held_out_faces
from export.onnx import export_onnx
from lgrnet.checkpoint import load_checkpoint
from runtime.backends import open_backend
from runtime.errors import DeviceError

HALF = Row("ort-fp16", "ONNX Runtime, fp16", "onnxruntime", None, "fp16")
"""Half precision is for GPUs: here its accuracy counts, not its speed."""

BOUNDS = Bounds()


def judge(row: Row, args: argparse.Namespace, reference, faces, thresholds, folder: Path) -> dict:
    """Export one row and compare it.

    Args:
        row: Engine and precision.
        args: From the command line.
        reference: The opened float32 file.
        faces: From :func:`export.faces.held_out_faces`.
        thresholds: Of each AU.
        folder: Where to export to.

    Returns:
        The cost as plain values, and whether it is within the exporter's default bounds; or why
        the row cannot be had.
    """
    named = {"key": row.key, "name": row.name}
    try:
        path = export_row(row, args.checkpoint, folder / f"{row.key}.onnx", calibration=args.data)
        backend = open_backend(path, "cpu", args.threads, row.library, row.active)
    except (ImportError, DeviceError) as error:
        return {**named, "unavailable": one_line(error)}
    try:
        cost = measure_cost(reference, backend, faces, thresholds)
    finally:
        backend.close()
    record = {**named, "provider": backend.provider, "precision": backend.precision}
    return {**record, "within_bounds": not cost.failures(BOUNDS), **cost.as_dict()}


def table(rows: Sequence[dict]) -> str:
    """Write the costs as a Markdown table."""
    lines = [
        "| precision | mean F1 fp32 | mean F1 | change | worst AU | mean \\|ΔP\\| | max \\|ΔP\\| |",
        "|---|---:|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        if "unavailable" in row:
            lines.append(f"| {row['name']} | {row['unavailable']} | | | | | |")
            continue
        losses = {au: (each["f1"] or 0) - (each["f1_fp32"] or 0) for au, each in row["aus"].items()}
        worst = min(losses, key=losses.__getitem__)
        change = row["mean_f1"] - row["mean_f1_fp32"]
        lines.append(
            f"| {row['name']} | {row['mean_f1_fp32']:.4f} | {row['mean_f1']:.4f} | {change:+.4f} | "
            f"{worst} {losses[worst]:+.3f} | {row['mean_change']:.4f} | {row['max_change']:.3f} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.precision", description=(__doc__ or "").splitlines()[0]
    )
    keys = [row.key for row in (*ROWS, HALF) if row.library != "pytorch"]
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data/faces"), help="data set")
    parser.add_argument("--faces", type=int, default=3000, help="most test faces")
    parser.add_argument("--engines", nargs="+", choices=keys, help="default: those not in fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("out/cost.json"))
    args = parser.parse_args(argv)
    rows = [row for row in (*ROWS, HALF) if row.library != "pytorch"]
    if args.engines:
        rows = [row for row in rows if row.key in args.engines]
    else:
        rows = [row for row in rows if row.precision != "fp32" or row.active is not None]
    model, meta = load_checkpoint(args.checkpoint)
    aus = model.config.aus
    faces = held_out_faces(args.data, aus, args.faces)
    record = {
        "machine": describe_machine(),
        "checkpoint": args.checkpoint.name,
        "preset": model.config.preset,
        "training_data": meta.get("training_data"),
        "rows": [],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference = open_backend(
            export_onnx(args.checkpoint, folder / "fp32.onnx"), "cpu", args.threads
        )
        thresholds = reference.spec.thresholds
        for row in rows:
            print(f"{row.name} …", file=sys.stderr, flush=True)
            record["rows"].append(judge(row, args, reference, faces, thresholds, folder))
            write_report(args.json, record)
        reference.close()
    print(table(record["rows"]))
    print(f"\nwritten to {args.json}")
    losses = [row["mean_f1_fp32"] - row["mean_f1"] for row in record["rows"] if "aus" in row]
    return int(any(math.isnan(loss) for loss in losses))


if __name__ == "__main__":
    raise SystemExit(main())
