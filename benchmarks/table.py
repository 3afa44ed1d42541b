"""Markdown tables of a measurement: ``python -m benchmarks.table out/fps.json``.

They are made of the JSON alone, so that what the README says is what the committed file holds.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.shared.machine import machine_line
from benchmarks.shared.record import RecordError, complete, read_record
from runtime.console.help import purpose
from runtime.console.stoppable import stoppable

Column = tuple[str, str, Callable[[dict], str]]
"""Heading, alignment (``"---"`` left, ``"---:"`` right), and cell of a row."""


def markdown(columns: Sequence[Column], rows: Iterable[dict]) -> str:
    """Write a table.

    Args:
        columns: What it shows.
        rows: Of what.

    Returns:
        The table, without a newline at its end.
    """
    lines = [
        "| " + " | ".join(heading for heading, _, _ in columns) + " |",
        "|" + "|".join(alignment for _, alignment, _ in columns) + "|",
    ]
    lines += ["| " + " | ".join(cell(row) for _, _, cell in columns) + " |" for row in rows]
    return "\n".join(lines)


def number(key: str, digits: int, scale: float = 1.0) -> Callable[[dict], str]:
    """Make a cell of a number; empty where it is not known."""

    def cell(row: dict) -> str:
        known = row[key] is not None and math.isfinite(row[key])
        return f"{scale * row[key]:.{digits}f}" if known else ""

    return cell


def difference(digits: int, key: str = "difference") -> Callable[[dict], str]:
    """Make a cell of a difference to the first row and of the interval that holds 95 % of it.

    It is empty where there is no difference, as where no face shows an AU.
    """

    def cell(row: dict) -> str:
        low, high = row[f"{key}_95"]
        if not all(each is not None and math.isfinite(each) for each in (row[key], low, high)):
            return ""
        return f"{row[key]:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"

    return cell


def inside(key: str, cell: Callable[[dict], str]) -> Callable[[dict], str]:
    """Make a cell of a part of a row, which is a dict itself."""
    return lambda row: cell(row[key])


def milliseconds(key: str, digits: int) -> Callable[[dict], str]:
    """Make a cell of a time; below a millisecond, as on GPUs, with two digits more."""

    def cell(row: dict) -> str:
        return f"{row[key]:.{digits if row[key] >= 1 else digits + 2}f}"

    return cell


def _ratio(row: dict) -> str:
    low, high = row["ratio_interval"]
    return f"{row['ratio_to_eager']:.2f} ({low:.2f}–{high:.2f})"


def _difference(row: dict) -> str:
    return "0" if row["max_au_difference"] == 0 else f"{row['max_au_difference']:.0e}"


def _fps(row: dict) -> str:
    low, high = row["fps_interval"]
    return f"{row['fps']:.1f} ({low:.1f}–{high:.1f})"


_SHORT: tuple[Column, ...] = (
    ("engine", "---", lambda row: row["name"]),
    ("p50 ms", "---:", milliseconds("p50", 1)),
    ("p95", "---:", milliseconds("p95", 1)),
    ("p99", "---:", milliseconds("p99", 1)),
    ("× eager", "---:", lambda row: f"{row['ratio_to_eager']:.2f}"),
    ("max AU diff", "---:", _difference),
    ("peak MB", "---:", number("peak_megabytes", 0)),
    ("load s", "---:", number("load_s", 2)),
)

_FULL: tuple[Column, ...] = (
    ("engine", "---", lambda row: row["name"]),
    ("computes in", "---", lambda row: row["active"]),
    ("graph", "---", lambda row: row["graph"] or ""),
    ("p50 ms", "---:", milliseconds("p50", 2)),
    ("p90", "---:", milliseconds("p90", 2)),
    ("p95", "---:", milliseconds("p95", 2)),
    ("p99", "---:", milliseconds("p99", 2)),
    ("CV %", "---:", number("cv", 1, 100)),
    ("FPS", "---:", number("fps", 1)),
    ("late %", "---:", number("share_late", 1, 100)),
    ("× eager", "---:", _ratio),
    ("max AU diff", "---:", _difference),
    ("peak MB", "---:", number("peak_megabytes", 0)),
    ("load s", "---:", number("load_s", 2)),
    ("first result s", "---:", number("first_result_s", 2)),
    ("calls", "---:", number("calls", 0)),
)

_GPU: tuple[Column, ...] = (
    ("engine", "---", lambda row: row["name"]),
    ("p50 ms", "---:", number("p50", 3)),
    ("p99", "---:", number("p99", 3)),
    ("GPU p50 ms", "---:", number("gpu_p50", 3)),
    ("kernels", "---:", number("kernels", 0)),
    ("from a frame, p50 ms", "---:", number("frame_p50", 3)),
    ("faces a second", "---:", number("fps", 0)),
    ("× eager", "---:", _ratio),
    ("max AU diff", "---:", _difference),
    ("GPU MB", "---:", number("gpu_megabytes", 0)),
)


def full_tables(record: dict) -> str:
    """Write everything that was measured, a table for each run, with the warnings.

    Args:
        record: From `benchmarks.fps`.
    """
    parts = [f"{machine_line(record['machine'])}; revision {record['machine']['revision']}"]
    for run in record["networks"]:
        parts += [_network_title(run), markdown(_FULL, run["engines"]), *_notes(run)]
        on_gpu = [each for each in run["engines"] if "gpu_p50" in each]
        if on_gpu:
            parts.append(markdown(_GPU, on_gpu))
    for run in record["pipelines"]:
        parts += [_pipeline_title(run), _pipeline_table([run]), *_notes(run)]
    parts += [f"Warning: {each}." for each in record["warnings"]]
    return "\n\n".join(part for part in parts if part)


def readme_tables(record: dict) -> str:
    """Write the tables of the README: the networks in one, the detectors in another.

    Args:
        record: From `benchmarks.fps`.
    """
    parts = [f"{machine_line(record['machine'])}; revision {record['machine']['revision']}."]
    where: tuple[Column, ...] = (
        ("network", "---", lambda row: f"`{row['preset']}`, {row['aus']} AUs"),
        ("threads", "---:", number("threads", 0)),
    )
    rows = [
        {**engine, "preset": run["preset"], "aus": run["aus"], "threads": run["threads"]}
        for run in record["networks"]
        for engine in run["engines"]
    ]
    if rows:
        parts.append(markdown((*where, *_SHORT), rows))
    parts += [
        f"Not measured at {run['threads']} thread(s), `{run['preset']}`: {_reasons(run)}."
        for run in record["networks"]
        if run["unavailable"]
    ]
    if any(run["rows"] for run in record["pipelines"]):
        parts += [_pipeline_title(record["pipelines"][0]), _pipeline_table(record["pipelines"])]
    return "\n\n".join(parts)


def _network_title(run: dict) -> str:
    faces = "one face" if run["batch"] == 1 else f"batches of {run['batch']} faces"
    return (
        f"`{run['preset']}`, {run['aus']} AUs, {faces}, {run['threads']} thread(s), "
        f"{run['rounds']} rounds"
    )


def _pipeline_title(run: dict) -> str:
    drawing = "counts" if run["drawing_counts"] else "beside it"
    return f"End to end on the demo clip ({run['clip']}), from file to result; drawing {drawing}"


def _pipeline_table(runs: Iterable[dict]) -> str:
    rows = [{"threads": run["threads"], **row} for run in runs for row in run["rows"]]
    phases = list(dict.fromkeys(phase for row in rows for phase in row["ms"] if phase != "frame"))

    def phase_cell(phase: str) -> Callable[[dict], str]:
        return lambda row: f"{row['ms'][phase]['p50']:.1f}" if phase in row["ms"] else ""

    columns: list[Column] = [
        ("detector", "---", lambda row: row["name"]),
        ("threads", "---:", number("threads", 0)),
        ("FPS", "---:", _fps),
        ("p50 ms", "---:", milliseconds("p50", 1)),
        ("p95", "---:", milliseconds("p95", 1)),
        ("p99", "---:", milliseconds("p99", 1)),
        ("late %", "---:", number("share_late", 1, 100)),
        *((phase, "---:", phase_cell(phase)) for phase in phases),
        ("peak MB", "---:", number("peak_megabytes", 0)),
        ("first result s", "---:", number("first_result_s", 2)),
    ]
    return markdown(columns, rows) if rows else ""


def _notes(run: dict) -> list[str]:
    notes = [f"Warning: {each}." for each in run["warnings"]]
    return [f"Not measured: {_reasons(run)}.", *notes] if run["unavailable"] else notes


def _reasons(run: dict) -> str:
    return "; ".join(f"{each['name']} ({each['reason']})" for each in run["unavailable"])


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.table", description=purpose(__doc__)
    )
    parser.add_argument("record", type=Path, help="JSON written by benchmarks/fps.py")
    parser.add_argument("--full", action="store_true", help="every column, with the warnings")
    args = parser.parse_args(argv)
    try:
        record = read_record(args.record)
        with complete(f"record {args.record}"):
            tables = full_tables(record) if args.full else readme_tables(record)
    except RecordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
