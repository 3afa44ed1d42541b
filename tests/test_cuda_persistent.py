"""The skip-BiLSTM in one launch, in Triton's interpreter, against the same step by step.

The interpreter runs one program after the other, so programs that wait for each other would wait
for ever. So they run alone, or part by part, in either order (work that a part's programs do for
each other would be noticed in one of them), or at the same time in a process each, with memory and
the counter in common. That proves how work is dealt out and that the waiting ends and is enough on
a CPU; that a GPU's memory is ordered by it is read off the code (a release, an acquire and barriers
of all threads), not proven.
"""

import multiprocessing

import pytest
import torch

pytest.importorskip("triton")

from triton.runtime import interpreter

from export.cuda.interpret import run_cooperative, run_kernel
from export.cuda.tiles import blocks_of, power_of_two

AUS, IMAGES, CHANNELS, GRID = 3, 2, 12, 5
CELLS, BLOCKS = GRID * GRID, 2
ROWS = 8
SIZES = {"STEPS": AUS, "IMAGES": IMAGES, "CHANNELS": CHANNELS, "BLOCKS": BLOCKS}
MAP = {"HEIGHT": GRID, "WIDTH": GRID}
TILE = {"BLOCK_M": 16, "BLOCK_N": 8, "BLOCK_K": 16, "BLOCK_S": 4}
LEAST = {"BLOCK_B": 2, "BLOCK_C": power_of_two(CHANNELS)}
END = 2 * AUS


def arrays():
    generator = torch.Generator().manual_seed(0)

    def half(*shape, scale=1.0):
        return (scale * torch.randn(*shape, generator=generator)).half()

    def blank(*shape, dtype=torch.float32):
        return torch.full(shape, float("nan"), dtype=dtype)

    channels = (2, AUS - 1, CHANNELS)
    return {
        "drives": half(AUS, IMAGES, CELLS, 8 * CHANNELS),
        "weight": half(2, 9 * CHANNELS, 4 * CHANNELS, scale=0.3),
        "bias": half(2, 4 * CHANNELS).float(),
        "gate_weight": half(*channels, CHANNELS, scale=8),
        "gate_bias": half(*channels).float(),
        "feature": half(IMAGES, CELLS, CHANNELS),
        "attention": torch.rand(AUS, IMAGES, CELLS, generator=generator).half(),
        "reaching": blank(2, IMAGES, CELLS, CHANNELS, dtype=torch.float16),
        "cell": blank(2, IMAGES, CELLS, CHANNELS),
        "states": blank(2, AUS, IMAGES, CELLS, CHANNELS, dtype=torch.float16),
        "partial": blank(2, BLOCKS, AUS, IMAGES, CHANNELS),
        "factors": blank(2, AUS, AUS, IMAGES, CHANNELS),
        "earlier": blank(2, IMAGES, CELLS, CHANNELS),
        "arrived": torch.zeros(1, dtype=torch.int32),
    }


@pytest.fixture(scope="module")
def wanted():
    a = arrays()
    for step in range(AUS):
        if step:
            names = (
                "states",
                "earlier",
                "partial",
                "gate_weight",
                "gate_bias",
                "factors",
                "reaching",
            )
            grid = (blocks_of(CELLS, ROWS) + AUS - 1 - step, IMAGES, 2)
            constants = {**SIZES, **LEAST, "CELLS": CELLS, "BLOCK_M": ROWS}
            run_kernel("gather", grid, [*(a[name] for name in names), step], constants)
        names = ("reaching", "drives", "weight", "bias", "feature", "attention")
        values = [a[name] for name in (*names, "cell", "states", "partial", "factors", "earlier")]
        more = blocks_of(IMAGES * blocks_of(CELLS, ROWS), 2) if step + 1 < AUS else 0
        grid = (IMAGES * BLOCKS + more, blocks_of(CHANNELS, 8), 2)
        constants = {**SIZES, **MAP, **TILE, "ROWS": ROWS, "BLOCK_C": LEAST["BLOCK_C"]}
        run_kernel("advance", grid, [*values, step], constants)
    assert a["states"].isfinite().all()
    assert a["states"].float().std() > 0.1
    return a["states"]


CONSTANTS = {**SIZES, **MAP, **TILE, **LEAST, "ROWS": ROWS}


def test_one_program_does_all(wanted):
    a = arrays()
    run_kernel("recur", (1, 1, 1), [*a.values(), 1, END], CONSTANTS)
    assert torch.equal(a["states"], wanted)
    assert a["arrived"].item() == END - 2, "one arrival between each two parts"


@pytest.mark.parametrize(("programs", "backwards"), [(2, False), (3, True), (50, False)])
def test_several_programs_share_each_part(monkeypatch, wanted, programs, backwards):
    if backwards:
        builder = interpreter.interpreter_builder
        place = builder.set_grid_idx
        monkeypatch.setattr(builder, "set_grid_idx", lambda x, y, z: place(programs - 1 - x, y, z))
    a = arrays()
    run_cooperative("recur", programs, [*a.values(), 1, END], CONSTANTS)
    assert torch.equal(a["states"], wanted)


def _program(number, programs, values):
    """Run one program of several, the others of which run elsewhere."""
    builder = interpreter.interpreter_builder
    dimensions, place = builder.set_grid_dim, builder.set_grid_idx
    builder.set_grid_dim = lambda x, y, z: dimensions(programs, 1, 1)
    builder.set_grid_idx = lambda x, y, z: place(number, 0, 0)
    # All is in common memory: copying back would undo what others write meanwhile.
    interpreter.GridExecutor._restore_args_dev = lambda *_: None
    run_kernel("recur", (1, 1, 1), values, CONSTANTS)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="the system cannot fork"
)
def test_programs_that_run_at_the_same_time_wait_for_each_other(wanted):
    a = {name: value.share_memory_() for name, value in arrays().items()}
    context = multiprocessing.get_context("fork")
    values = [*a.values(), 1, END]
    children = [context.Process(target=_program, args=(n, 3, values)) for n in range(3)]
    for child in children:
        child.start()
    try:
        for child in children:
            child.join(180)
        assert [child.exitcode for child in children] == [0, 0, 0], "they wait for ever, or failed"
    finally:
        for child in children:
            child.kill()
            child.join()
    assert torch.equal(a["states"], wanted)
    assert a["arrived"].item() == 3 * (END - 2)
