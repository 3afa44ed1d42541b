"""Frames a second, engine by engine and end to end: ``python benchmarks/fps.py``.

Networks are timed on one face crop, engines interleaved in one run; the pipeline on the demo clip.
Speed is one thing and accuracy another: see ``python -m lgrnet.evaluate`` for the latter.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    # As a script, only this folder is on the path; the packages beside it are needed.
    sys.path.insert(0, str(ROOT))

import argparse
import json
import tempfile
from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.engines import Engine, export_both, open_engines, random_checkpoint
from benchmarks.machine import describe_machine
from benchmarks.timing import interleave, summarise
from export.faces import demo_faces
from runtime import Detector
from runtime.align import alignment_matrix, crop_matrix, warp
from runtime.cli import DEMO_CLIP
from runtime.latency import LatencyStats

EDGE_CHECKPOINT = ROOT / "weights" / "lgrnet_edge.pt"
LATE_MS = 1e3 / 30
"""A frame that takes longer comes late at 30 frames a second."""


def real_face() -> tuple[np.ndarray, str]:
    """Get a face crop, (1, 176, 176, 3) uint8 BGR, and what it is.

    It is scikit-image's photograph of an astronaut; without that package, a frame of the demo clip.
    """
    try:
        from skimage.data import astronaut
    except ImportError:
        return demo_faces()[
            :1
        ], "a rendered face from the demo clip (scikit-image is not installed)"
    photograph = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    with Detector(threads=1) as detector:
        result = detector(photograph)
    if not result:
        return demo_faces()[:1], "a rendered face (no face was found in the photograph)"
    matrix = crop_matrix(alignment_matrix(result.faces[0].landmarks))
    return warp(photograph, matrix)[None], "scikit-image's photograph of an astronaut"


def measure_network(engines: list[Engine], face: np.ndarray, args: argparse.Namespace) -> dict:
    """Time the engines of one network on one face, interleaved.

    Args:
        engines: Eager PyTorch first.
        face: (1, 176, 176, 3) uint8, BGR.
        args: ``seconds``, ``rounds`` and ``warmup``.

    Returns:
        Engine → summary, ratio to eager PyTorch, largest difference of a probability to it, nodes.
    """
    reference = engines[0].run(face)
    calls = {engine.name: lambda engine=engine: engine.run(face) for engine in engines}
    samples = interleave(calls, args.seconds, args.rounds, args.warmup)
    eager = float(np.median(samples[engines[0].name]))
    return {
        engine.name: {
            **summarise(samples[engine.name]),
            "ratio_to_eager": eager / float(np.median(samples[engine.name])),
            "max_au_difference": float(np.abs(engine.run(face) - reference).max()),
            "nodes": engine.nodes,
            "megabytes": engine.megabytes,
        }
        for engine in engines
    }


def measure_pipeline(threads: int, seconds: float) -> dict:
    """Time the detector end to end on the demo clip, from decoding to the result.

    Args:
        threads: CPU threads of the network and of OpenCV.
        seconds: Least time; the clip is played whole, again and again.

    Returns:
        Percentiles by phase, frames a second, share of late frames, what was active.
    """
    cv2.setNumThreads(threads)
    stats, late, seen, faces = LatencyStats(), 0, 0, 0
    with Detector(threads=threads) as detector:
        for _ in detector.stream(str(DEMO_CLIP)):
            pass  # warm-up
        while not len(stats) or stats.as_dict()["ms"]["total"]["mean"] * len(stats) < 1e3 * seconds:
            for result in detector.stream(str(DEMO_CLIP)):
                stats.add(result.timings)
                late += result.timings.total > LATE_MS
                faces += bool(result)
                seen += 1
        name = repr(detector)
    return {
        "clip": "demo clip, 640 × 360, one face",
        "detector": name,
        "threads": threads,
        "frames_with_a_face": faces / seen,
        "share_over_33_ms": late / seen,
        **stats.as_dict(),
    }


def format_table(record: dict) -> str:
    """Write a record as Markdown tables."""
    machine = record["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores ({', '.join(machine['cpu_flags'])}); "
        f"load before {machine['load_before']}; "
        + ", ".join(f"{key} {value}" for key, value in machine["versions"].items()),
    ]
    for network in record["networks"]:
        lines += [
            "",
            f"`{network['preset']}`, {network['aus']} AUs, one face, "
            f"{network['threads']} thread(s)",
            "",
            "| engine | p50 ms | p95 | p99 | FPS | × eager | max AU diff | nodes |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for name, row in network["engines"].items():
            nodes = "" if row["nodes"] is None else row["nodes"]
            lines.append(
                f"| {name} | {row['p50']:.1f} | {row['p95']:.1f} | {row['p99']:.1f} | "
                f"{row['fps']:.1f} | {row['ratio_to_eager']:.2f} | "
                f"{row['max_au_difference']:.1e} | {nodes} |"
            )
    for run in record["pipelines"]:
        lines += [
            "",
            f"end to end, {run['clip']}, {run['threads']} thread(s): **{run['fps']:.1f} FPS**, "
            f"{100 * run['share_over_33_ms']:.1f} % of frames over 33.3 ms; {run['detector']}",
            "",
            "| phase | p50 ms | p95 | p99 |",
            "|---|---:|---:|---:|",
        ]
        for phase, row in run["ms"].items():
            lines.append(f"| {phase} | {row['p50']:.2f} | {row['p95']:.2f} | {row['p99']:.2f} |")
    return "\n".join(lines)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/fps.py",
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--presets", nargs="+", default=["edge", "paper"], choices=["edge", "paper"]
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="one run for each")
    parser.add_argument("--seconds", type=float, default=20, help="least time of each run")
    parser.add_argument("--rounds", type=int, default=5, help="least turns of each engine")
    parser.add_argument("--warmup", type=float, default=3, help="seconds")
    parser.add_argument("--json", type=Path, default=Path("out/fps.json"))
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    machine = describe_machine()
    face, description = real_face()
    record: dict = {"machine": machine, "face": description, "networks": [], "pipelines": []}
    with tempfile.TemporaryDirectory() as folder:
        for preset in args.presets:
            checkpoint = EDGE_CHECKPOINT
            if preset != "edge":
                checkpoint = Path(folder) / f"{preset}_random.pt"
                random_checkpoint(preset, checkpoint)
            files = export_both(checkpoint, Path(folder))
            for threads in args.threads:
                engines = open_engines(checkpoint, files, threads)
                record["networks"].append(
                    {
                        "preset": preset,
                        "weights": checkpoint.name,
                        "aus": engines[0].run(face).shape[1],
                        "threads": threads,
                        "engines": measure_network(engines, face, args),
                    }
                )
    record["pipelines"] = [measure_pipeline(threads, args.seconds) for threads in args.threads]
    print(format_table(record))
    args.json.parent.mkdir(parents=True, exist_ok=True)
    partial = args.json.with_name(f".{args.json.name}.partial")
    partial.write_text(json.dumps(record, indent=2) + "\n")
    partial.replace(args.json)
    print(f"\nwritten to {args.json}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
