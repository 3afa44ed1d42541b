"""What grouping gains in training: ``python -m benchmarks.training``.

Times every piece of the network forward and backward, as `lgrnet` computes it and the
straightforward way, in turns, after comparing their outputs and gradients; then whole training
steps. Writes a JSON record and prints tables.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.grouping.pieces import Piece, pieces
from benchmarks.shared.machine import describe_machine, machine_line
from benchmarks.shared.noise import interval, load_warnings, resampled_medians, turn_variation
from benchmarks.shared.options import add_presets, add_record
from benchmarks.shared.record import write_record
from benchmarks.shared.timing import Limits, interleave, summarise
from benchmarks.table import Column, markdown, number
from lgrnet.data.batches import to_input
from lgrnet.experiment import OptimConfig
from lgrnet.network.channels_last import channels_last
from lgrnet.network.config import PRESETS, ModelConfig
from lgrnet.network.model import LGRNet
from lgrnet.training.losses import joint_loss
from lgrnet.training.optimiser import make_optimiser
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import at_least, not_negative, positive, whole
from runtime.console.stoppable import stoppable

FORMAT = "lgrnet-training-1"
DEFAULT_JSON = Path("out/training.json")
BURST = 2
"""Calls of a turn that count: a call takes up to seconds."""


def measure_piece(piece: Piece, limits: Limits) -> dict:
    """Compare the two forms of a piece, then time them in turns.

    Args:
        piece: The piece.
        limits: When to stop.

    Returns:
        Its name, what each form took (``grouped``, ``loops``), ``ratio``, the time of the loops
        over that of the grouped form, with its ``ratio_interval``, and the ``verdict``.

    Raises:
        AssertionError: The forms compute different things.
    """
    difference = piece.check()
    calls = {
        "grouped": lambda: piece.run(piece.grouped),
        "loops": lambda: piece.run(piece.loops),
    }
    samples = interleave(calls, limits, BURST)
    medians = resampled_medians(samples)
    low, high = interval(medians["loops"] / medians["grouped"])
    return {
        "name": piece.name,
        "difference": difference,
        "rounds": len(samples["grouped"]),
        "grouped": summarise(samples["grouped"]),
        "loops": summarise(samples["loops"]),
        "ratio": float(np.median(samples["loops"]) / np.median(samples["grouped"])),
        "ratio_interval": (low, high),
        "turn_variation": {name: turn_variation(values) for name, values in samples.items()},
        "verdict": "faster" if low > 1 else "SLOWER" if high < 1 else "cannot be told",
    }


def training_step(config: ModelConfig, batch: int) -> Callable[[], None]:
    """Prepare a training step as `lgrnet.train` takes it, on random faces and labels.

    Args:
        config: The network.
        batch: Faces of a step.

    Returns:
        A function that takes one step.
    """
    torch.manual_seed(0)
    model = channels_last(LGRNet(config)).train()
    optim = OptimConfig(batch=batch)
    optimiser = make_optimiser(model, optim)
    n, size = len(config.aus), config.crop_size
    faces = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8)
    presence = torch.randint(0, 2, (batch, n))
    landmarks = model.align.mean_face + torch.randn(batch, 49, 2)
    weights = torch.ones(n)

    def step() -> None:
        prediction = model(to_input(faces))
        losses = joint_loss(
            *(prediction.au_logits, prediction.landmarks, presence, landmarks, weights),
            align_weight=optim.align_weight,
            dice_over=optim.dice_over,
        )
        optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()

    return step


def measure_network(name: str, config: ModelConfig, args: argparse.Namespace, threads: int) -> dict:
    """Measure the pieces and the training step of one network.

    Args:
        name: What the table calls it.
        config: The network.
        args: ``batch`` and ``limits``.
        threads: CPU threads.

    Returns:
        The record of the run.
    """
    torch.set_num_threads(threads)
    limits: Limits = args.limits
    rows = []
    for piece in pieces(config, args.batch):
        print(f"{name}, {threads} thread(s): {piece.name} …", file=sys.stderr, flush=True)
        rows.append(measure_piece(piece, limits))
    samples = interleave({"step": training_step(config, args.batch)}, limits, BURST)["step"]
    return {
        "preset": name,
        "threads": threads,
        "batch": args.batch,
        "pieces": rows,
        # The rate that `fps` of a summary means: images a second at the median.
        "step": summarise(samples, args.batch),
    }


def tables(record: dict) -> str:
    """Write a record as Markdown."""
    parts = [f"{machine_line(record['machine'])}; revision {record['machine']['revision']}"]
    columns: tuple[Column, ...] = (
        ("piece, forward and backward", "---", lambda row: row["name"]),
        ("grouped p50 ms", "---:", lambda row: f"{row['grouped']['p50']:.1f}"),
        ("loops p50 ms", "---:", lambda row: f"{row['loops']['p50']:.1f}"),
        ("loops / grouped", "---:", _ratio),
        ("grouped is", "---", lambda row: row["verdict"]),
        ("rounds", "---:", number("rounds", 0)),
    )
    for run in record["networks"]:
        step = run["step"]
        parts += [
            f"`{run['preset']}`, batch of {run['batch']}, {run['threads']} thread(s): a training "
            f"step takes {step['p50']:.0f} ms (p50), {step['fps']:.1f} images/s",
            markdown(columns, run["pieces"]),
        ]
    parts += [f"Warning: {each}." for each in record["warnings"]]
    return "\n\n".join(parts)


def _ratio(row: dict) -> str:
    low, high = row["ratio_interval"]
    return f"{row['ratio']:.2f} ({low:.2f}–{high:.2f})"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; ``limits`` of the result is made of its limits."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add_presets(parser)
    add("--threads", type=positive, nargs="+", default=[2], help="one run for each")
    add("--batch", type=_batch, default=8, help="faces of a step")
    add("--seconds", type=not_negative, default=6, help="time of each piece")
    add("--max-calls", type=positive, default=100, help="timed calls of each form")
    add("--rounds", type=positive, default=8, help="least turns of each form")
    add("--warmup", type=not_negative, default=0.2, help="seconds for each form")
    add_record(parser, DEFAULT_JSON)
    args = parser.parse_args(argv)
    args.limits = Limits(args.seconds, args.max_calls, args.rounds, args.warmup)
    return args


def _batch(text: str) -> int:
    """Read how many faces a step has: batch norms need two."""
    return int(at_least(2, whole(text)))


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    machine = describe_machine()
    record: dict = {
        "format": FORMAT,
        "machine": machine,
        "settings": {**asdict(args.limits), "burst": BURST, "batch": args.batch},
        "networks": [],
        "warnings": load_warnings(machine["load_before"], machine["cores"]),
    }
    for preset in args.presets:
        for threads in args.threads:
            record["networks"].append(measure_network(preset, PRESETS[preset], args, threads))
            write_record(record, args.json)
    print(tables(record))
    print(f"\nwritten to {args.json}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
