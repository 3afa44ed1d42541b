"""All that is to be measured on a GPU, in one call: ``python -m benchmarks.gpu``.

For a machine that is lent for minutes: it checks what the engines need and names what is missing,
compiles our kernels, measures one face and batches of 64, holds the result against the targets,
and goes on where a part fails. Everything is written to one folder, whatever happens:
``report.json`` says what ran and how it ended.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.gpu_targets import COMPILED, FUSED, as_record
from benchmarks.inference.rows import GPU_ROWS
from benchmarks.shared.machine import describe_machine
from benchmarks.shared.paths import ROOT
from benchmarks.shared.record import RecordError, read_record, write_record
from runtime.console.help import purpose
from runtime.console.option_types import positive_real
from runtime.console.stoppable import stoppable

FORMAT = "lgrnet-gpu-1"
NEEDED = {
    "torch": "what all are compared with",
    "triton": "compiles our kernels",
    "pycuda": "starts our kernels and TensorRT's engines",
    "onnxruntime": "ONNX Runtime; its CUDA rows need onnxruntime-gpu",
    "tensorrt": "TensorRT",
    "tensorrt_rtx": "TensorRT for RTX",
}
"""Module → what it is for."""


@dataclass(frozen=True, slots=True)
class Part:
    """One command.

    Attributes:
        name: Also of its log.
        command: After the interpreter's name.
        writes: The record that it leaves.
    """

    name: str
    command: tuple[str, ...]
    writes: Path


def parts(folder: Path, seconds: float, engines: Sequence[str] | None) -> list[Part]:
    """List what is to be run, the most important first: the time may end before the last.

    Args:
        folder: Where records go.
        seconds: Time of each run of `benchmarks.fps`.
        engines: Rows to measure; None for all: ours first, then those of others beside ours, and
            what PyTorch takes minutes to compile at the end.
    """
    # `paper` first, of which most targets are: a part that runs out of time keeps what it has.
    common = [
        *("benchmarks/fps.py", "--device", "cuda", "--threads", "1", "--no-end-to-end"),
        *("--presets", "paper", "edge"),
    ]

    def measure(name: str, rows: Sequence[str], *more: str) -> Part:
        record = folder / f"{name}.json"
        limits = ("--seconds", f"{seconds:g}", "--json", str(record))
        return Part(name, (*common, "--engines", *rows, *more, *limits), record)

    if engines is not None:
        return [
            measure("one_face", engines),
            measure("batch_64", engines, "--batch", "64", "--presets", "paper"),
        ]
    # Blocks of the persistent kernel wait for each other: on a GPU that has not run them yet, what
    # could wait for ever comes after what cannot.
    first = [
        measure("one_face", FUSED[:1]),
        measure("batch_64", FUSED[:1], "--batch", "64", "--presets", "paper"),
        measure("persistent", FUSED),
        measure("persistent_64", FUSED, "--batch", "64", "--presets", "paper"),
    ]
    others = [row.key for row in GPU_ROWS if row.library not in ("pytorch", "fused")]
    return [*first, measure("others", [*others, *FUSED]), measure("compiled", [*COMPILED, *FUSED])]


def run_part(part: Part, folder: Path, limit: float) -> dict:
    """Run one command, and keep what it says.

    Args:
        part: Which.
        folder: Where its log goes.
        limit: Seconds after which it is stopped.

    Returns:
        ``name``, ``command``, ``code`` (None where it was stopped), ``seconds``, ``said``: the last
        line of its log.
    """
    log = folder / f"{part.name}.log"
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    started = time.perf_counter()
    code: int | None
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            [sys.executable, *part.command],
            cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True,
        ) as process,
    ):  # fmt: skip
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            # With all that it has started: a probe that hangs would keep the GPU.
            os.killpg(process.pid, signal.SIGKILL)
            code = None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    lines = log.read_text(errors="replace").strip().splitlines()
    return {
        "name": part.name,
        "command": list(part.command),
        "code": code,
        "seconds": round(time.perf_counter() - started, 1),
        "said": lines[-1] if lines else "",
    }


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        0 if every part ran and every target was reached, else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=purpose(__doc__))
    add = parser.add_argument
    add("-o", "--out", type=Path, default=Path("out/gpu"), help="folder (default: out/gpu)")
    add("--seconds", type=positive_real, default=20.0, help="time of each run (default: 20)")
    add("--limit", type=positive_real, default=1500.0, help="seconds for all of it (default: 1500)")
    add("--engines", nargs="+", metavar="ENGINE", help="keys of benchmarks/fps.py --device cuda")
    args = parser.parse_args(argv)
    folder = args.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # What an earlier run has left must not pass for this one's.
    for part in parts(folder, args.seconds, args.engines):
        part.writes.unlink(missing_ok=True)
    until = time.monotonic() + args.limit
    missing = {name: what for name, what in NEEDED.items() if find_spec(name) is None}
    for name, what in missing.items():
        print(f"{name} is not installed ({what}): its rows will say so", flush=True)
    report: dict = {
        "format": FORMAT,
        "machine": describe_machine(),
        "missing": missing,
        "parts": [],
    }
    records = []
    for part in parts(folder, args.seconds, args.engines):
        print(f"{part.name} …", flush=True)
        report["parts"].append(run_part(part, folder, max(1.0, until - time.monotonic())))
        try:
            # What was measured before a run broke off counts.
            records.append(read_record(part.writes))
        except RecordError:
            said = report["parts"][-1]["said"] or "it said nothing"
            print(f"{part.name} measured nothing: {said}", file=sys.stderr, flush=True)
        report |= as_record(records) if records else {"gpu": [], "targets": []}
        write_record(report, folder / "report.json")
    if report["targets"]:
        print(json.dumps(report["targets"], indent=1))
    else:
        print("no target could be judged")
    print(f"written to {folder}")
    well = all(each["code"] == 0 for each in report["parts"]) and report["targets"]
    return 0 if well and all(each["outcome"] == "pass" for each in report["targets"]) else 1


if __name__ == "__main__":
    sys.exit(main())
