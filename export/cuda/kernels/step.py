"""What a program does in a step of the skip-BiLSTM, by whatever launch it was started.

The arguments are those of the kernels in :mod:`export.cuda.kernels.recurrence`, which say what they
are; `block` and the like say which part of the work it is.
"""

import triton
import triton.language as tl


@triton.jit
def gather_block(
    states, factors, out, step, block, image, direction,
    STEPS: tl.constexpr, IMAGES: tl.constexpr, CELLS: tl.constexpr, CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Sum the earlier states that reach a block of numbers of an image."""
    number = block * BLOCK + tl.arange(0, BLOCK)
    inside = number < CELLS * CHANNELS
    total = tl.zeros((BLOCK,), tl.float32)
    for source in range(0, step):
        place = direction * STEPS + source
        state = tl.load(
            states + (place * IMAGES + image) * CELLS * CHANNELS + number, mask=inside, other=0.0
        )
        gate = tl.load(
            factors + ((place * STEPS + step) * IMAGES + image) * CHANNELS + number % CHANNELS,
            mask=inside,
            other=0.0,
        )
        total += state.to(tl.float32) * gate
    target = out + (direction * IMAGES + image) * CELLS * CHANNELS + number
    tl.store(target, total.to(tl.float16), mask=inside)


@triton.jit
def advance_block(
    reaching, drives, weight, bias, feature, attention, cell, states, partial, step,
    place_block, channel_block, direction,
    STEPS: tl.constexpr, IMAGES: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr, BLOCKS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Let the LSTM take a step at a block of positions of an image, in a block of channels."""
    cells: tl.constexpr = HEIGHT * WIDTH
    image, block = place_block // BLOCKS, place_block % BLOCKS
    place = block * BLOCK_M + tl.arange(0, BLOCK_M)
    n = channel_block * BLOCK_N + tl.arange(0, BLOCK_N)
    row, column = place // WIDTH, place % WIDTH
    au = step + direction * (STEPS - 1 - 2 * step)
    valid = (place < cells)[:, None] & (n < CHANNELS)[None, :]

    drive = drives + ((au * IMAGES + image) * cells + place)[:, None] * (8 * CHANNELS)
    drive += direction * 4 * CHANNELS + n[None, :]
    shift = bias + direction * 4 * CHANNELS + n[None, :]
    there = (n < CHANNELS)[None, :]
    enter = tl.load(drive, mask=valid, other=0.0).to(tl.float32)
    enter += tl.load(shift, mask=there, other=0.0)
    forget = tl.load(drive + CHANNELS, mask=valid, other=0.0).to(tl.float32)
    forget += tl.load(shift + CHANNELS, mask=there, other=0.0)
    leave = tl.load(drive + 2 * CHANNELS, mask=valid, other=0.0).to(tl.float32)
    leave += tl.load(shift + 2 * CHANNELS, mask=there, other=0.0)
    candidate = tl.load(drive + 3 * CHANNELS, mask=valid, other=0.0).to(tl.float32)
    candidate += tl.load(shift + 3 * CHANNELS, mask=there, other=0.0)
    own = (direction * IMAGES + image) * cells * CHANNELS
    memory = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    if step > 0:
        memory = tl.load(cell + own + place[:, None] * CHANNELS + n[None, :], mask=valid, other=0.0)
        for start in range(0, 9 * CHANNELS, BLOCK_K):
            k = start + tl.arange(0, BLOCK_K)
            tap, channel = k // CHANNELS, k % CHANNELS
            known = k < 9 * CHANNELS
            y = row[:, None] + (tap // 3)[None, :] - 1
            z = column[:, None] + (tap % 3)[None, :] - 1
            seen = (y >= 0) & (y < HEIGHT) & (z >= 0) & (z < WIDTH) & known[None, :]
            value = tl.load(
                reaching + own + (y * WIDTH + z) * CHANNELS + channel[None, :], mask=seen, other=0.0
            )
            kernel = weight + (direction * 9 * CHANNELS + k)[:, None] * (4 * CHANNELS) + n[None, :]
            both = known[:, None] & there
            enter = tl.dot(value, tl.load(kernel, mask=both, other=0.0), enter)
            forget = tl.dot(value, tl.load(kernel + CHANNELS, mask=both, other=0.0), forget)
            leave = tl.dot(value, tl.load(kernel + 2 * CHANNELS, mask=both, other=0.0), leave)
            candidate = tl.dot(
                value, tl.load(kernel + 3 * CHANNELS, mask=both, other=0.0), candidate
            )
    # tanh(x) = 2 σ(2x) - 1
    candidate = 2.0 / (1.0 + tl.exp(-2.0 * candidate)) - 1.0
    memory = memory / (1.0 + tl.exp(-forget)) + candidate / (1.0 + tl.exp(-enter))
    state = (2.0 / (1.0 + tl.exp(-2.0 * memory)) - 1.0) / (1.0 + tl.exp(-leave))
    tl.store(cell + own + place[:, None] * CHANNELS + n[None, :], memory, mask=valid)
    state = state.to(tl.float16)
    target = states + ((direction * STEPS + step) * IMAGES + image) * cells * CHANNELS
    tl.store(target + place[:, None] * CHANNELS + n[None, :], state, mask=valid)

    common = tl.load(
        feature + (image * cells + place)[:, None] * CHANNELS + n[None, :], mask=valid, other=0.0
    ).to(tl.float32)
    common = tl.where(valid, common * state.to(tl.float32), 0.0)
    for later in range(step + 1, STEPS):
        seen_by = later + direction * (STEPS - 1 - 2 * later)
        looks = tl.load(
            attention + (seen_by * IMAGES + image) * cells + place, mask=place < cells, other=0.0
        )
        pooled = tl.sum(common * looks.to(tl.float32)[:, None], axis=0)
        slot = ((direction * BLOCKS + block) * STEPS + later) * IMAGES + image
        tl.store(partial + slot * CHANNELS + n, pooled, mask=n < CHANNELS)


@triton.jit
def weigh_state(
    partial, weight, bias, factors, step, later, image, direction,
    STEPS: tl.constexpr, IMAGES: tl.constexpr, CELLS: tl.constexpr, CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Make the gate of the step's state for a later step."""
    if later > step:
        n = tl.arange(0, BLOCK)
        pooled = tl.zeros((BLOCK,), tl.float32)
        for block in range(0, BLOCKS):
            slot = ((direction * BLOCKS + block) * STEPS + later) * IMAGES + image
            pooled += tl.load(partial + slot * CHANNELS + n, mask=n < CHANNELS, other=0.0)
        pooled = pooled / CELLS
        own = direction * (STEPS - 1) + step
        matrix = tl.load(
            weight + (own * CHANNELS + n[:, None]) * CHANNELS + n[None, :],
            mask=(n < CHANNELS)[:, None] & (n < CHANNELS)[None, :],
            other=0.0,
        )
        score = tl.sum(matrix.to(tl.float32) * pooled[None, :], axis=1)
        score += tl.load(bias + own * CHANNELS + n, mask=n < CHANNELS, other=0.0)
        gate = 1.0 / (1.0 + tl.exp(-score))
        slot = ((direction * STEPS + step) * STEPS + later) * IMAGES + image
        tl.store(factors + slot * CHANNELS + n, gate, mask=n < CHANNELS)
