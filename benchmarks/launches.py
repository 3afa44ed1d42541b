"""Where the time of our own GPU engine goes: ``python -m benchmarks.launches MODEL.fused``.

Every launch is timed alone, repeated in one CUDA graph. What the launches take one by one is more
or less than the whole: alone, what a launch reads is in the cache.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import write_record
from runtime.backends import open_backend
from runtime.backends.fused import FusedBackend
from runtime.console.help import purpose
from runtime.console.option_types import output_file
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, ModelError, SpecError

FORMAT = "lgrnet-launch-times-1"
WHOLE = 200
"""Replays of the whole graph."""


def measure(backend: FusedBackend) -> dict:
    """Time the launches of an engine.

    Args:
        backend: Opened.

    Returns:
        ``launches``, a list of ``kernel``, ``result`` (the array that it writes first), ``grid``
        and ``microseconds``; ``sum`` of these and ``whole``, the median of the graph with its
        copies, in microseconds as well.
    """
    seconds = backend.launch_seconds()
    launches = [
        {
            "kernel": launch.code.partition("-")[0],
            "result": launch.writes[0],
            "grid": list(launch.grid),
            "microseconds": 1e6 * each,
        }
        for launch, each in zip(backend.launches, seconds, strict=True)
    ]
    whole = float(np.median([backend.gpu_seconds() for _ in range(WHOLE)]))
    return {"launches": launches, "sum": 1e6 * sum(seconds), "whole": 1e6 * whole}


def table(measured: dict) -> str:
    """Write what was measured, kernel by kernel and then launch by launch, as text."""
    kernels: dict[str, list[float]] = defaultdict(list)
    for each in measured["launches"]:
        kernels[each["kernel"]].append(each["microseconds"])
    lines = [
        f"{name:14}{len(times):4} launches {sum(times):9.1f} us"
        for name, times in sorted(kernels.items(), key=lambda item: -sum(item[1]))
    ]
    lines += [
        f"{each['kernel']:14}{each['result']:24}{each['grid']!s:18}{each['microseconds']:8.1f} us"
        for each in measured["launches"]
    ]
    return "\n".join([*lines, f"sum {measured['sum']:.1f} us, whole {measured['whole']:.1f} us"])


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.launches", description=purpose(__doc__)
    )
    parser.add_argument("model", type=Path, help="a .fused file")
    parser.add_argument("--json", type=output_file, metavar="PATH", help="also write a record")
    args = parser.parse_args(argv)
    try:
        with closing(open_backend(args.model, "cuda", 1, backend="fused")) as backend:
            measured = measure(backend)
    except (DeviceError, ImportError, ModelError, OSError, SpecError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(measured))
    if args.json is not None:
        record = {"format": FORMAT, "machine": describe_machine(), "model": args.model.name}
        write_record(record | measured, args.json)
        print(f"written to {args.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
