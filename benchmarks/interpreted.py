"""A real-size network in Triton's interpreter: ``python -m benchmarks.interpreted CHECKPOINT``.

The tests interpret a tiny network, as this takes minutes to hours. What it shows is that the plan
and the kernels compute the network; nothing of speed, and nothing of what a GPU's compiler does.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable

FORMAT = "lgrnet-interpreted-1"


def measure(checkpoint: Path, faces: np.ndarray, recurrence: str = "steps") -> dict:
    """Interpret a checkpoint's kernels on faces.

    Args:
        checkpoint: The network.
        faces: Crops, (N, 176, 176, 3) uint8, BGR; each is interpreted by itself.
        recurrence: One of `export.cuda.recurrence.RECURRENCES`.

    Returns:
        The record.
    """
    import torch

    from export.cuda.convert import read_source
    from export.cuda.interpret import interpret
    from export.cuda.memory import place
    from export.cuda.network import build_network
    from export.plain import PlainGraph

    model, spec = read_source(checkpoint)
    builder = build_network(model, 1, recurrence)
    plan, weights = place(builder, spec)
    graph = PlainGraph(model)
    record: dict = {
        "preset": spec.preset,
        "aus": len(spec.aus),
        "recurrence": recurrence,
        "launches": len(plan.launches),
        "kernels": len(builder.kernels),
        "programs": int(sum(np.prod(launch.grid) for launch in plan.launches)),
        "faces": [],
    }
    for face in faces:
        started = time.perf_counter()
        results = interpret(plan, builder.kernels, weights, face[None])
        with torch.inference_mode():
            said = [each.numpy() for each in graph(torch.from_numpy(face[None]))]
        differences = {
            name: float(np.abs(results[name] - wanted).max())
            for name, wanted in zip(plan.outputs, said, strict=True)
        }
        both = results[plan.outputs[0]][0], said[0][0]
        ours, theirs = (each >= np.array(spec.thresholds) for each in both)
        record["faces"].append(
            {
                "max_difference": differences,
                "probabilities": said[0][0].round(4).tolist(),
                "aus_called_otherwise": int((ours != theirs).sum()),
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    return record


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
    from benchmarks.inference.crops import batch_of, benchmark_faces
    from benchmarks.shared.machine import describe_machine
    from benchmarks.shared.record import write_record
    from export.errors import ExportError
    from lgrnet.checkpoint import CheckpointError

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.interpreted",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    parser.add_argument("checkpoint", type=Path, help="written by python -m lgrnet.train")
    parser.add_argument(
        "--recurrence",
        choices=("steps", "persistent"),
        default="steps",
        help="which form of its kernels",
    )
    parser.add_argument("--faces", type=positive, default=1, help="of the demo clip")
    parser.add_argument(
        "--json",
        type=output_file,
        default=Path("out/interpreted.json"),
        help="where the record goes",
    )
    args = parser.parse_args(argv)
    import torch

    torch.set_num_threads(1)
    crops, what = benchmark_faces()
    try:
        record = measure(args.checkpoint, batch_of(crops, args.faces), args.recurrence)
    except (CheckpointError, ExportError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    machine = describe_machine()
    write_record(
        {
            "format": FORMAT,
            "machine": machine,
            "crops": what,
            "checkpoint": args.checkpoint.name,
            **record,
        },
        args.json,
    )
    for number, face in enumerate(record["faces"]):
        print(f"face {number}: {face['max_difference']}, {face['seconds']} s")
    print(f"written to {args.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
