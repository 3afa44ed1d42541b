"""Which sizes of programs are fastest on the GPU that is here: ``python -m benchmarks.tiles``.

Every convolution, step of the recurrence and fusion of a network is compiled with each of its
candidates and timed alone; the best go to ``export/cuda/tiles.json``, which the exporter reads.
"""

import argparse
import json
import multiprocessing
import os
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np

from benchmarks.inference.crops import batch_of, benchmark_faces
from benchmarks.shared.machine import describe_machine
from export.cuda.tiles import MEASURED, Tile, blocks_of, power_of_two, read_tiles, tile_of
from export.errors import ExportError
from lgrnet.checkpoint import CheckpointError
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import positive
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError
from runtime.files.atomic import PendingFile

FORMAT = "lgrnet-tiles-1"
SHARED = 99 * 1024
"""Bytes of shared memory that a block has on all GPUs that there is code for."""

ROUNDS = 48
"""Candidates of a piece of work."""


def candidates(work: str) -> list[Tile]:
    """List what is tried for a piece of work.

    Args:
        work: See `export.cuda.tiles.tile_of`.

    Returns:
        At most :data:`ROUNDS` tiles, always the same.
    """
    kind, _, sizes = work.partition(" ")
    numbers = [int(each) for each in re.findall(r"\d+", sizes)]
    found = list({"convolve": _convolutions, "advance": _steps}.get(kind, _rows)(numbers))
    if len(found) > ROUNDS:
        rng = np.random.default_rng(len(work))
        found = [found[each] for each in sorted(rng.choice(len(found), ROUNDS, replace=False))]
    return found


def _convolutions(numbers: list[int]) -> Iterator[Tile]:
    parts, positions, outputs, products = numbers[:4]
    many = parts * blocks_of(positions, 64) * blocks_of(outputs, 64) >= 528
    areas = [(64, 16), (128, 16), (64, 32), (128, 32), (64, 64), (128, 64), (64, 128), (128, 128)]
    depths = [(32, 3), (32, 5), (64, 3), (64, 5), (128, 2), (128, 3)]
    if not many:
        # Little work waits for memory: all of its reads at once may be the fastest.
        areas = [(m, n) for m in (16, 32, 64) for n in (16, 32)] + [(64, 64), (16, 64)]
        depths = [(32, 5), (32, 9), (64, 3), (64, 5), (64, 9), (128, 3), (128, 5), (256, 3)]
    for m, n in areas:
        if n > max(16, power_of_two(outputs)) or m > max(16, power_of_two(positions)):
            continue
        if many and 2 * n < min(64, outputs):
            continue
        for k, stages in depths:
            if k <= power_of_two(products) and 2 * stages * (m + n) * k <= SHARED:
                for warps in (4, 8) if m * n >= 4096 else (4,):
                    yield Tile(m, n, k, warps, stages)


def _steps(numbers: list[int]) -> Iterator[Tile]:
    cells, channels = numbers[1:]
    for m in (16, 32, 64, 128):
        for n in (8, 16, 32):
            if m > power_of_two(cells) or n > channels:
                continue
            for k, stages in ((32, 3), (32, 5), (32, 9), (64, 3), (64, 5), (128, 3)):
                if 2 * stages * (m + 4 * n) * k <= SHARED:
                    for warps in (4, 8) if m * n >= 1024 else (4,):
                        yield Tile(m, n, k, warps, stages)


def _rows(numbers: list[int]) -> Iterator[Tile]:
    for m in (4, 8, 16, 32, 64, 128):
        for warps in (1, 2, 4, 8):
            if 4 <= m // warps <= 32 or m == 4:
                yield Tile(m, warps=warps)


def tried_of(work: str, rule: Tile, only: str) -> Sequence[Tile]:
    """List what a work is tried with: its candidates, or what it has where these are not asked for.

    Args:
        work: What a launch computes.
        rule: What it has without a measurement; also where all candidates are too large for it.
        only: Regular expression of the works that are measured.
    """
    tried = candidates(work) if re.search(only, work) else [tile_of(work, rule)]
    return tried or [rule]


def _make(task: tuple[str, int, int, str, str, str]) -> tuple[str, dict[str, tuple]]:
    """Compile a network with the candidates of one round; a process of its own each."""
    checkpoint, batch, number, target, folder, only = task
    from export.cuda.compile import compile_kernels
    from export.cuda.convert import read_source
    from export.cuda.memory import place
    from export.cuda.network import build_network
    from runtime.cuda.launch_plan import write_launch_plan

    model, spec = read_source(Path(checkpoint))
    chosen: dict[str, Tile] = {}
    failed: set[str] = set()

    def choose(work: str, rule: Tile) -> Tile:
        tried = tried_of(work, rule, only)
        chosen[work] = rule if work in failed else tried[number % len(tried)]
        return chosen[work]

    while True:
        builder = build_network(model, batch, "steps", choose)
        codes, block, before = {}, b"", len(failed)
        for key, kernel in builder.kernels.items():
            try:
                made, binary = compile_kernels({key: kernel}, [target])
                code = replace(made[target][key], offset=len(block))
                fits = code.shared <= SHARED
            except Exception:  # whatever Triton raises of a tile that it cannot make
                if builder.works.get(key, "") in ("", *failed):
                    raise  # no candidate's fault
                fits = False
            if not fits:
                failed.add(builder.works[key])
                continue
            codes[key] = code
            block += binary
        if len(failed) == before:
            break
    plan, weights = place(builder, replace(spec, batch=batch))
    path = Path(folder) / f"{number}.fused"
    write_launch_plan(path, replace(plan, codes={target: codes}), weights, block)
    works = {key: (work, astuple(chosen[work])) for key, work in builder.works.items()}
    return str(path), works


def measure(
    checkpoint: Path, batch: int, processes: int, only: str = ""
) -> dict[str, dict[Tile, float]]:
    """Time all candidates of a network.

    Args:
        checkpoint: The network.
        batch: Faces at once.
        processes: That compile at the same time.
        only: Regular expression of the works that are tried; the others keep their tiles.

    Returns:
        Piece of work → tile → seconds of all its launches together.
    """
    from benchmarks.shared.memory import ask_gpu
    from runtime.backends import open_backend

    faces = batch_of(benchmark_faces()[0], batch)
    times: dict[str, dict[Tile, float]] = defaultdict(dict)
    shared_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as name:
        tasks = [
            (str(checkpoint), batch, number, ask_gpu("compute_cap"), name, only)
            for number in range(ROUNDS)
        ]
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            for path, works in pool.imap_unordered(_make, tasks):
                backend = open_backend(path, "cuda", 1, backend="fused")
                try:
                    backend(faces)
                    seconds = backend.launch_seconds(10 if batch == 1 else 2)
                    launches = backend.launches
                finally:
                    backend.close()
                    Path(path).unlink()
                sums: dict[tuple, float] = defaultdict(float)
                for launch, each in zip(launches, seconds, strict=True):
                    if launch.code in works:
                        sums[works[launch.code]] += each
                for (work, tile), total in sums.items():
                    if not re.search(only, work):
                        continue  # it has the tile of its rule, which is no measurement
                    known = times[work].get(Tile(*tile), total)
                    times[work][Tile(*tile)] = min(known, total)
    return dict(times)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tiles",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("checkpoints", type=Path, nargs="+", help="networks; speed does not depend on the weights")
    add("--batch", type=positive, nargs="+", default=[1], help="faces at once, all of each network")
    add("--processes", type=positive, default=os.cpu_count(), help="that compile at the same time")
    add(
        "--only", default="", metavar="REGEX", help="works to try, such as gather; all if not given"
    )
    add("--json", type=Path, default=MEASURED, help="where the tiles go, beside those there")
    args = parser.parse_args(argv)
    known = read_tiles(args.json)
    for checkpoint in args.checkpoints:
        for batch in args.batch:
            try:
                times = measure(checkpoint, batch, args.processes, args.only)
            except (CheckpointError, DeviceError, ExportError, ImportError, OSError) as error:
                print(f"error: {checkpoint} cannot be measured here: {error}", file=sys.stderr)
                return 2
            for work, tried in sorted(times.items()):
                best = min(tried, key=tried.__getitem__)
                worst = max(tried.values())
                print(f"{work:48}{best}  {1e6 * tried[best]:9.1f} us, worst {1e6 * worst:9.1f} us")
                known[work] = best
            write_tiles(known, args.json)
    return 0


def write_tiles(tiles: dict[str, Tile], path: Path) -> None:
    """Write tiles, one a line, so that a change of one can be read."""
    machine = describe_machine()
    lines = [f"  {json.dumps(work)}: {list(astuple(tile))}" for work, tile in sorted(tiles.items())]
    head = {"format": FORMAT, "gpu": machine.get("gpu")}
    text = (
        json.dumps(head, ensure_ascii=False)[:-1] + ', "tiles": {\n' + ",\n".join(lines) + "\n}}\n"
    )
    with PendingFile(path) as pending:
        pending.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
