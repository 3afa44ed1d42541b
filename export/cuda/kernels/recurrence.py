"""The skip-BiLSTM (eq. 6 to 9) step by step, both directions in each launch.

Steps are counted along each direction: at step s the downward one has AU s, the upward one AU
n - 1 - s. What a state does later is known as soon as it is made, so a step is two launches:
:func:`gather` makes the gates of the newest state and adds it to the earlier states that reach the
step, :func:`advance` convolves the sum, moves the LSTM on and pools what the new state has in
common with later patches. Meanwhile other programs of `advance` sum the states that are there
already for the step after it, so that a step does not take longer the more states there are.
"""

import triton.language as tl

from export.cuda.kernels.step import advance_block, gather_block, sum_earlier, weigh_state


def gather(
    states,
    earlier,
    partial,
    weight,
    bias,
    factors,
    out,
    step,
    STEPS: tl.constexpr,
    IMAGES: tl.constexpr,
    CELLS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Sum the earlier states through their gates: out = Σ_j h_j · f_j, of eq. 6.

    The gates f = σ(W · mean(A · h · F) + b), eq. 7 and 8, of the newest state are made here: for
    this step by every program that needs them, for later steps by programs of their own.

    Grid: blocks of positions of an image and then the steps after this one, images, directions.

    Args:
        states: (2, STEPS, IMAGES, CELLS, CHANNELS) float16.
        earlier: (2, IMAGES, CELLS, CHANNELS) float32, from :func:`advance` one step before: the sum
            without the newest state.
        partial: From :func:`advance`.
        weight: (2, STEPS - 1, CHANNELS, CHANNELS) float16, W_j.
        bias: (2, STEPS - 1, CHANNELS) float32.
        factors: (2, STEPS, STEPS, IMAGES, CHANNELS) float32: gate of a source step for a later one;
            those of the newest state for later steps are written.
        out: (2, IMAGES, CELLS, CHANNELS) float16.
        step: Which, at least 1; the newest state is that of step - 1.
        STEPS: n.
        IMAGES: B.
        CELLS: h · w.
        CHANNELS: C.
        BLOCKS: Blocks of positions of an image in :func:`advance`.
        BLOCK_M: Positions of a program.
        BLOCK_B: A power of two, at least BLOCKS.
        BLOCK_C: A power of two, at least CHANNELS.
    """
    block, image, direction = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    blocks: tl.constexpr = (CELLS + BLOCK_M - 1) // BLOCK_M
    if block < blocks:
        gather_block(
            states, earlier, partial, weight, bias, out, step, block, image, direction,
            STEPS, IMAGES, CELLS, CHANNELS, BLOCKS, BLOCK_M, BLOCK_B, BLOCK_C,
        )  # fmt: skip
    else:
        weigh_state(
            partial, weight, bias, factors, step, step + 1 + block - blocks, image, direction,
            STEPS, IMAGES, CELLS, CHANNELS, BLOCKS, BLOCK_B, BLOCK_C,
        )  # fmt: skip


def advance(
    reaching,
    drives,
    weight,
    bias,
    feature,
    attention,
    cell,
    states,
    partial,
    factors,
    earlier,
    step,
    STEPS: tl.constexpr,
    IMAGES: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_S: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Convolve what reaches a step, and let the LSTM take the step.

    The gates of a channel, in columns that follow each other: enter, forget, leave, candidate.

    Grid: blocks of positions of one image (BLOCKS of each), and then as many as there are blocks of
    ROWS positions, if there is a step after this one, shared out over the second axis; blocks of
    channels; directions.

    Args:
        reaching: From :func:`gather`; not read at step 0, which nothing reaches.
        drives: (STEPS, IMAGES, HEIGHT, WIDTH, 2, CHANNELS, 4) float16: what the patches of each AU,
            in muscle order, add to the gates, downward and upward.
        weight: (2, 9 · CHANNELS, CHANNELS, 4) float16, of the hidden convolutions.
        bias: (2, CHANNELS, 4) float32.
        feature: F, (IMAGES, HEIGHT, WIDTH, CHANNELS) float16.
        attention: A, (STEPS, IMAGES, HEIGHT, WIDTH) float16, in muscle order.
        cell: (2, IMAGES, HEIGHT, WIDTH, CHANNELS) float32; read from step 1 on, and replaced.
        states: As of :func:`gather`; the step's is written.
        partial: (2, BLOCKS, STEPS, IMAGES, CHANNELS) float32: for each later step the sum of
            A · h · F over a block of positions.
        factors: As of :func:`gather`.
        earlier: As of :func:`gather`, for the step after this one; written.
        step: Which.
        STEPS: n.
        IMAGES: B.
        HEIGHT: h.
        WIDTH: w.
        CHANNELS: C.
        BLOCKS: Blocks of positions of an image.
        BLOCK_M: Positions of a program.
        BLOCK_N: Channels of a program.
        BLOCK_K: Products that are summed at a time; where it divides CHANNELS, these share a tap.
        BLOCK_S: A power of two, at least STEPS and 16.
        ROWS: Positions of a program that sums earlier states.
        BLOCK_C: A power of two, at least CHANNELS.
    """
    cells: tl.constexpr = HEIGHT * WIDTH
    pieces: tl.constexpr = (cells + ROWS - 1) // ROWS
    direction = tl.program_id(2)
    if tl.program_id(0) >= IMAGES * BLOCKS:
        item = tl.program_id(0) - IMAGES * BLOCKS
        item = item * tl.num_programs(1) + tl.program_id(1)
        if item < IMAGES * pieces:
            sum_earlier(
                states, factors, earlier, step, item % pieces, item // pieces, direction,
                STEPS, IMAGES, cells, CHANNELS, ROWS, BLOCK_C,
            )  # fmt: skip
    else:
        advance_block(
            reaching, drives, weight, bias, feature, attention, cell, states, partial, step,
            tl.program_id(0), tl.program_id(1), direction,
            STEPS, IMAGES, HEIGHT, WIDTH, CHANNELS, BLOCKS, BLOCK_M, BLOCK_N, BLOCK_K, BLOCK_S,
        )  # fmt: skip
