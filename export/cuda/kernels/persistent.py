"""The skip-BiLSTM in one launch, whose programs wait for each other between the parts of a step."""

import triton
import triton.language as tl

from export.cuda.kernels.step import advance_block, gather_block, sum_earlier, weigh_state


def clear(out):
    """Set the counter of :func:`recur` to zero.

    Grid: one program.

    Args:
        out: (1,) int32.
    """
    tl.store(out, 0)


@triton.jit
def wait_for_all(arrived, wanted):
    """Wait until the programs have arrived `wanted` times, this one included.

    What this program's threads have written comes before its arrival, and what the others have
    before all that follows.
    """
    tl.debug_barrier()
    tl.atomic_add(arrived, 1, sem="release", scope="gpu")
    seen = tl.atomic_add(arrived, 0, sem="acquire", scope="gpu")
    while seen < wanted:
        seen = tl.atomic_add(arrived, 0, sem="acquire", scope="gpu")
    tl.debug_barrier()


def recur(
    drives,
    weight,
    bias,
    gate_weight,
    gate_bias,
    feature,
    attention,
    reaching,
    cell,
    states,
    partial,
    factors,
    earlier,
    arrived,
    first,
    end,
    STEPS: tl.constexpr,
    IMAGES: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_S: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Take all steps.

    Step s is the parts 2s (gather) and 2s + 1 (advance), which are what the kernels of
    :mod:`export.cuda.kernels.recurrence` do. The work of a part is dealt out to the programs,
    however many there are; then each adds one to a counter and waits until all have. Who waits
    occupies the GPU, so no more programs may be started than it holds at a time: the launch is a
    cooperative one, which the driver refuses otherwise.

    Grid: any number of programs.

    Args:
        drives: See `advance`, as for all that have the same name there.
        weight: See drives.
        bias: See drives.
        gate_weight: `weight` of `gather`.
        gate_bias: `bias` of `gather`.
        feature: See drives.
        attention: See drives.
        reaching: See drives.
        cell: See drives.
        states: See drives.
        partial: See drives.
        factors: See `gather`.
        earlier: See `gather`.
        arrived: (1,) int32, zero at the start: how often a program has arrived.
        first: The first part: 1, as nothing is gathered at step 0.
        end: The last part and one more: 2 · STEPS.
        STEPS: n.
        IMAGES: B.
        HEIGHT: h.
        WIDTH: w.
        CHANNELS: C.
        BLOCKS: Blocks of positions of an image.
        ROWS: BLOCK_M of `gather`, and ROWS of `advance`.
        BLOCK_M: Of `advance`, as BLOCK_N, BLOCK_K and BLOCK_S.
        BLOCK_N: See BLOCK_M.
        BLOCK_K: See BLOCK_M.
        BLOCK_S: See BLOCK_M.
        BLOCK_B: Of `gather`, as BLOCK_C.
        BLOCK_C: See BLOCK_B.
    """
    cells: tl.constexpr = HEIGHT * WIDTH
    pieces: tl.constexpr = (cells + ROWS - 1) // ROWS
    columns: tl.constexpr = (CHANNELS + BLOCK_N - 1) // BLOCK_N
    program, programs = tl.program_id(0), tl.num_programs(0)
    for part in range(first, end):
        step = part // 2
        if part % 2 == 0:
            for item in range(program, pieces * IMAGES * 2, programs):
                rest = item // pieces
                gather_block(
                    states, earlier, partial, gate_weight, gate_bias, reaching, step,
                    item % pieces, rest % IMAGES, rest // IMAGES,
                    STEPS, IMAGES, cells, CHANNELS, BLOCKS, ROWS, BLOCK_B, BLOCK_C,
                )  # fmt: skip
            # Dealt out from the last program on, as the first ones have more of the rest.
            for item in range(programs - 1 - program, (STEPS - 1 - step) * IMAGES * 2, programs):
                rest = item // (STEPS - 1 - step)
                weigh_state(
                    partial, gate_weight, gate_bias, factors, step,
                    step + 1 + item % (STEPS - 1 - step), rest % IMAGES, rest // IMAGES,
                    STEPS, IMAGES, cells, CHANNELS, BLOCKS, BLOCK_B, BLOCK_C,
                )  # fmt: skip
        else:
            for item in range(program, IMAGES * BLOCKS * columns * 2, programs):
                rest = item // (IMAGES * BLOCKS)
                advance_block(
                    reaching, drives, weight, bias, feature, attention, cell, states, partial, step,
                    item % (IMAGES * BLOCKS), rest % columns, rest // columns,
                    STEPS, IMAGES, HEIGHT, WIDTH, CHANNELS, BLOCKS,
                    BLOCK_M, BLOCK_N, BLOCK_K, BLOCK_S,
                )  # fmt: skip
            # From the last program on, and not before the last step, as above.
            for item in range(programs - 1 - program, pieces * IMAGES * 2, programs):
                rest = item // pieces
                if step + 1 < STEPS:
                    sum_earlier(
                        states, factors, earlier, step,
                        item % pieces, rest % IMAGES, rest // IMAGES,
                        STEPS, IMAGES, cells, CHANNELS, ROWS, BLOCK_C,
                    )  # fmt: skip
        if part + 1 < end:
            wait_for_all(arrived, (part + 1 - first) * programs)
