"""What the GPU engines were to reach, and whether they did: ``python -m benchmarks.gpu_targets``.

It reads records of ``benchmarks/fps.py --device cuda``, at batch 1 and at batch 64, and says of
each target whether it was reached, missed, or not measured.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.shared.record import RecordError, complete, read_record
from runtime.console.help import purpose
from runtime.console.stoppable import stoppable

FUSED = ("cuda-fused", "cuda-fused-persistent")
"""Our own engine; the faster of them counts."""

ONNX_RUNTIME = ("cuda-ort", "cuda-ort-fp16")
"""Rows of ONNX Runtime's CUDA provider; the faster one is what ours is compared with."""

COMPILED = ("cuda-compile",)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target and what was measured.

    Attributes:
        target: In words.
        bound: The number to reach.
        measured: What was reached; None if it was not measured.
        at_most: Whether the bound is the largest allowed number, or the smallest.
    """

    target: str
    bound: float
    measured: float | None
    at_most: bool

    @property
    def outcome(self) -> str:
        """``"pass"``, ``"fail"`` or ``"missing"``."""
        if self.measured is None:
            return "missing"
        reached = self.measured <= self.bound if self.at_most else self.measured >= self.bound
        return "pass" if reached else "fail"


def verdicts(records: Sequence[dict]) -> list[Verdict]:
    """Hold records against the targets.

    Args:
        records: From `benchmarks.fps`, of one GPU; the first one that holds an engine counts.

    Returns:
        A verdict for each target, all of them whatever was measured.
    """
    paper, edge = (_engines(records, preset, 1) for preset in ("paper", "edge"))
    batch = _engines(records, "paper", 64)
    ours = _least(paper, FUSED, "p50")
    times = {
        "eager PyTorch": (40, _times(records, ("cuda-eager",))),
        "ONNX Runtime CUDA": (3, _times(records, ONNX_RUNTIME)),
        "torch.compile": (3, _times(records, COMPILED)),
    }
    differences = [_of_fastest(each, FUSED, "max_au_difference") for each in (paper, edge)]
    change = _of_fastest(edge, FUSED, "f1_change")
    change = None if change is None else abs(change)
    return [
        Verdict("paper, one face, p50 ms", 0.5, ours, True),
        *(
            Verdict(f"paper, one face, times as fast as {name}", bound, measured, False)
            for name, (bound, measured) in times.items()
        ),
        Verdict("edge, one face, p50 ms", 0.2, _least(edge, FUSED, "p50"), True),
        Verdict("paper, batch 64, faces a second", 5000, _most(batch, FUSED, "fps"), False),
        Verdict("paper, from a frame to AUs, p50 ms", 1.0, _least(paper, FUSED, "frame_p50"), True),
        *(
            Verdict(f"{name}, largest change of a probability", 0.01, difference, True)
            for name, difference in zip(("paper", "edge"), differences, strict=True)
        ),
        Verdict("edge, change of F1 on the demo clip, points", 0.1, change, True),
    ]


def _engines(records: Sequence[dict], preset: str, batch: int) -> dict[str, dict]:
    """Collect what was measured of one network; of an engine in several records, the first."""
    found: dict[str, dict] = {}
    for record in records:
        for run in record["networks"]:
            if (run["preset"], run["batch"]) != (preset, batch):
                continue
            # Random weights answer all faces alike: how close engines come then says nothing.
            says_nothing = run.get("weights", "").endswith("_random.pt")
            for engine in run["engines"]:
                known = {**engine, "max_au_difference": None} if says_nothing else engine
                found.setdefault(engine["key"], known)
    return found


def _numbers(engines: dict[str, dict], keys: Sequence[str], what: str) -> Iterator[float]:
    for key in keys:
        value = engines.get(key, {}).get(what)
        if value is not None:
            yield value


def _least(engines: dict[str, dict], keys: Sequence[str], what: str) -> float | None:
    return min(_numbers(engines, keys, what), default=None)


def _of_fastest(engines: dict[str, dict], keys: Sequence[str], what: str) -> float | None:
    timed = [engines[key] for key in keys if engines.get(key, {}).get("p50") is not None]
    return min(timed, key=lambda engine: engine["p50"]).get(what) if timed else None


def _most(engines: dict[str, dict], keys: Sequence[str], what: str) -> float | None:
    return max(_numbers(engines, keys, what), default=None)


def _times(records: Sequence[dict], keys: Sequence[str]) -> float | None:
    """Tell how many times as fast ours is, where both took turns in one run; the last such run."""
    found = None
    for record in records:
        engines = _engines([record], "paper", 1)
        other, ours = _least(engines, keys, "p50"), _least(engines, FUSED, "p50")
        if other is not None and ours is not None:
            found = other / ours
    return found


def as_record(records: Sequence[dict]) -> dict:
    """Write the verdicts as plain values, with the GPU's name.

    Args:
        records: See :func:`verdicts`.
    """
    gpus = {(record["machine"].get("gpu") or {}).get("name", "none") for record in records}
    return {
        "gpu": sorted(gpus),
        "targets": [{**asdict(each), "outcome": each.outcome} for each in verdicts(records)],
    }


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        0 if every target was reached, 1 if one was missed or not measured, 2 for bad input.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_targets", description=purpose(__doc__)
    )
    parser.add_argument(
        "records", type=Path, nargs="+", metavar="JSON", help="written by benchmarks/fps.py"
    )
    args = parser.parse_args(argv)
    try:
        records = [read_record(path) for path in args.records]
        with complete(f"one of {', '.join(map(str, args.records))}"):
            found = verdicts(records)
    except RecordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for each in found:
        sign = "≤" if each.at_most else "≥"
        measured = "not measured" if each.measured is None else f"{each.measured:.4g}"
        print(f"{each.outcome:8}{each.target}: {measured} ({sign} {each.bound:g})")
    return 0 if all(each.outcome == "pass" for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
