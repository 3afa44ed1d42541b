"""The skip-BiLSTM (eq. 6 to 9) step by step, both directions in each launch.

Steps are counted along each direction: at step s the downward one has AU s, the upward one AU
n - 1 - s. What a state does later is known as soon as it is made, so a step is three launches:
:func:`gather` sums the earlier states that reach it, :func:`advance` convolves the sum, moves the
LSTM on and pools what the new state has in common with later patches, :func:`weigh` makes gates of
that.
"""

import triton.language as tl

from export.cuda.kernels.step import advance_block, gather_block, weigh_state


def gather(
    states,
    factors,
    out,
    step,
    STEPS: tl.constexpr,
    IMAGES: tl.constexpr,
    CELLS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Sum the earlier states through their gates: out = Σ_j h_j · f_j, of eq. 6.

    Grid: blocks of numbers of an image, images, directions.

    Args:
        states: (2, STEPS, IMAGES, CELLS, CHANNELS) float16.
        factors: (2, STEPS, STEPS, IMAGES, CHANNELS) float32: gate of a source step for a later one.
        out: (2, IMAGES, CELLS, CHANNELS) float16.
        step: The later one, at least 1.
        STEPS: n.
        IMAGES: B.
        CELLS: h · w.
        CHANNELS: C.
        BLOCK: Numbers of a program.
    """
    block, image, direction = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    gather_block(
        states, factors, out, step, block, image, direction, STEPS, IMAGES, CELLS, CHANNELS, BLOCK
    )


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
):
    """Convolve what reaches a step, and let the LSTM take the step.

    Grid: blocks of positions of one image (BLOCKS of each), blocks of channels, directions.

    Args:
        reaching: From :func:`gather`; not read at step 0, which nothing reaches.
        drives: (STEPS, IMAGES, HEIGHT, WIDTH, 8 · CHANNELS) float16: what the patches of each AU,
            in muscle order, add to the gates, downward and upward.
        weight: (2, 9 · CHANNELS, 4 · CHANNELS) float16, of the hidden convolutions.
        bias: (2, 4 · CHANNELS) float32.
        feature: F, (IMAGES, HEIGHT, WIDTH, CHANNELS) float16.
        attention: A, (STEPS, IMAGES, HEIGHT, WIDTH) float16, in muscle order.
        cell: (2, IMAGES, HEIGHT, WIDTH, CHANNELS) float32; read from step 1 on, and replaced.
        states: As of :func:`gather`; the step's is written.
        partial: (2, BLOCKS, STEPS, IMAGES, CHANNELS) float32: for each later step the sum of
            A · h · F over a block of positions.
        step: Which.
        STEPS: n.
        IMAGES: B.
        HEIGHT: h.
        WIDTH: w.
        CHANNELS: C.
        BLOCKS: Blocks of positions of an image.
        BLOCK_M: Positions of a program.
        BLOCK_N: Channels of a program, for each of the four gates.
        BLOCK_K: Products that are summed at a time.
    """
    advance_block(
        reaching, drives, weight, bias, feature, attention, cell, states, partial, step,
        tl.program_id(0), tl.program_id(1), tl.program_id(2),
        STEPS, IMAGES, HEIGHT, WIDTH, CHANNELS, BLOCKS, BLOCK_M, BLOCK_N, BLOCK_K,
    )  # fmt: skip


def weigh(
    partial,
    weight,
    bias,
    factors,
    step,
    STEPS: tl.constexpr,
    IMAGES: tl.constexpr,
    CELLS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Make the gates of a state for later steps: f = σ(W · mean(A · h · F) + b), eq. 7 and 8.

    Grid: later steps (all are started, those up to `step` do nothing), images, directions.

    Args:
        partial: From :func:`advance`.
        weight: (2, STEPS - 1, CHANNELS, CHANNELS) float16, W_j.
        bias: (2, STEPS - 1, CHANNELS) float32.
        factors: As of :func:`gather`; those of the step are written.
        step: The source j.
        STEPS: n.
        IMAGES: B.
        CELLS: h · w.
        CHANNELS: C.
        BLOCKS: Blocks of positions of an image.
        BLOCK: A power of two, at least CHANNELS.
    """
    later, image, direction = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    weigh_state(
        partial, weight, bias, factors, step, later, image, direction,
        STEPS, IMAGES, CELLS, CHANNELS, BLOCKS, BLOCK,
    )  # fmt: skip
