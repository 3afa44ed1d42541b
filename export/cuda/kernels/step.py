"""What a program does in a step of the skip-BiLSTM, by whatever launch it was started.

The arguments are those of the kernels in :mod:`export.cuda.kernels.recurrence`, which say what they
are; `block` and the like say which part of the work it is.
"""

import triton
import triton.language as tl

AT_ONCE: tl.constexpr = tl.constexpr(8)
"""Earlier states that are read together."""


@triton.jit
def gate_of(
    partial, weight, bias, source, later, image, direction,
    STEPS: tl.constexpr, IMAGES: tl.constexpr, CELLS: tl.constexpr, CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr, BLOCK_B: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Make the gate of a source's state for a later step, (BLOCK_C,), eq. 7 and 8."""
    n, block = tl.arange(0, BLOCK_C), tl.arange(0, BLOCK_B)
    there = n < CHANNELS
    slot = ((direction * BLOCKS + block) * STEPS + later) * IMAGES + image
    pooled = tl.load(
        partial + slot[:, None] * CHANNELS + n[None, :],
        mask=(block < BLOCKS)[:, None] & there[None, :],
        other=0.0,
    )
    mean = tl.sum(pooled, axis=0) / CELLS
    own = direction * (STEPS - 1) + source
    matrix = tl.load(
        weight + (own * CHANNELS + n[:, None]) * CHANNELS + n[None, :],
        mask=there[:, None] & there[None, :],
        other=0.0,
    )
    score = tl.sum(matrix.to(tl.float32) * mean[None, :], axis=1)
    score += tl.load(bias + own * CHANNELS + n, mask=there, other=0.0)
    return 1.0 / (1.0 + tl.exp(-score))


@triton.jit
def sum_earlier(
    states, factors, earlier, step, block, image, direction,
    STEPS: tl.constexpr, IMAGES: tl.constexpr, CELLS: tl.constexpr, CHANNELS: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Sum what reaches the step after this one from states before this one."""
    place, n = block * BLOCK_M + tl.arange(0, BLOCK_M), tl.arange(0, BLOCK_C)
    there = n < CHANNELS
    inside = (place < CELLS)[:, None] & there[None, :]
    number = place[:, None] * CHANNELS + n[None, :]
    total = tl.zeros((BLOCK_M, BLOCK_C), tl.float32)
    for start in range(0, step, AT_ONCE):
        # Reads that do not depend on each other, so that they are under way together.
        for each in tl.static_range(AT_ONCE):
            source = start + each
            old = there & (n * 0 + source < step)
            row = direction * STEPS + source
            state = tl.load(
                states + (row * IMAGES + image) * CELLS * CHANNELS + number,
                mask=inside & old[None, :],
                other=0.0,
            )
            slot = (row * STEPS + step + 1) * IMAGES + image
            gate = tl.load(factors + slot * CHANNELS + n, mask=old, other=0.0)
            total += state.to(tl.float32) * gate[None, :]
    target = earlier + (direction * IMAGES + image) * CELLS * CHANNELS + number
    tl.store(target, total, mask=inside)


@triton.jit
def gather_block(
    states, earlier, partial, weight, bias, out, step, block, image, direction,
    STEPS: tl.constexpr, IMAGES: tl.constexpr, CELLS: tl.constexpr, CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_B: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Add the newest state to what else reaches a block of positions of an image."""
    place, n = block * BLOCK_M + tl.arange(0, BLOCK_M), tl.arange(0, BLOCK_C)
    inside = (place < CELLS)[:, None] & (n < CHANNELS)[None, :]
    number = place[:, None] * CHANNELS + n[None, :]
    own = (direction * IMAGES + image) * CELLS * CHANNELS
    total = tl.load(earlier + own + number, mask=inside, other=0.0)
    row = direction * STEPS + step - 1
    state = tl.load(
        states + (row * IMAGES + image) * CELLS * CHANNELS + number, mask=inside, other=0.0
    )
    gate = gate_of(
        partial, weight, bias, step - 1, step, image, direction,
        STEPS, IMAGES, CELLS, CHANNELS, BLOCKS, BLOCK_B, BLOCK_C,
    )  # fmt: skip
    total += state.to(tl.float32) * gate[None, :]
    tl.store(out + own + number, total.to(tl.float16), mask=inside)


@triton.jit
def weigh_state(
    partial, weight, bias, factors, step, later, image, direction,
    STEPS: tl.constexpr, IMAGES: tl.constexpr, CELLS: tl.constexpr, CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr, BLOCK_B: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Keep the gate of the newest state, of step - 1, for a step later than this one."""
    gate = gate_of(
        partial, weight, bias, step - 1, later, image, direction,
        STEPS, IMAGES, CELLS, CHANNELS, BLOCKS, BLOCK_B, BLOCK_C,
    )  # fmt: skip
    n = tl.arange(0, BLOCK_C)
    slot = ((direction * STEPS + step - 1) * STEPS + later) * IMAGES + image
    tl.store(factors + slot * CHANNELS + n, gate, mask=n < CHANNELS)


@triton.jit
def advance_block(
    reaching, drives, weight, bias, feature, attention, cell, states, partial, step,
    place_block, channel_block, direction,
    STEPS: tl.constexpr, IMAGES: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr, BLOCKS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr, BLOCK_S: tl.constexpr,
):  # fmt: skip
    """Let the LSTM take a step at a block of positions of an image, in a block of channels."""
    cells: tl.constexpr = HEIGHT * WIDTH
    products: tl.constexpr = 9 * CHANNELS
    columns: tl.constexpr = 4 * CHANNELS
    image, block = place_block // BLOCKS, place_block % BLOCKS
    place = block * BLOCK_M + tl.arange(0, BLOCK_M)
    row, column = place // WIDTH, place % WIDTH
    au = step + direction * (STEPS - 1 - 2 * step)

    # Four columns a channel, one for each gate, so that one product makes them all.
    of_gates = channel_block * (4 * BLOCK_N) + tl.arange(0, 4 * BLOCK_N)
    there = of_gates < columns
    drive = drives + ((au * IMAGES + image) * cells + place)[:, None] * (2 * columns)
    drive += direction * columns + of_gates[None, :]
    total = tl.load(drive, mask=(place < cells)[:, None] & there[None, :], other=0.0)
    total = total.to(tl.float32)
    total += tl.load(bias + direction * columns + of_gates, mask=there, other=0.0)[None, :]
    n = channel_block * BLOCK_N + tl.arange(0, BLOCK_N)
    valid = (place < cells)[:, None] & (n < CHANNELS)[None, :]
    own = (direction * IMAGES + image) * cells * CHANNELS
    number = place[:, None] * CHANNELS + n[None, :]
    memory = tl.load(cell + own + number, mask=valid, other=0.0)
    memory = tl.where(step > 0, memory, 0.0)  # before the first step anything may lie there
    common = tl.load(feature + image * cells * CHANNELS + number, mask=valid, other=0.0)
    later = tl.arange(0, BLOCK_S)
    seen_by = later + direction * (STEPS - 1 - 2 * later)
    looks = tl.load(
        attention + ((seen_by * IMAGES + image) * cells)[:, None] + place[None, :],
        mask=(later < STEPS)[:, None] & (place < cells)[None, :],
        other=0.0,
    )

    end = tl.where(step > 0, products, 0)  # nothing reaches the first step
    for start in range(0, end, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        known = k < products
        if CHANNELS % BLOCK_K == 0:
            part = start // BLOCK_K
            tap = part // (CHANNELS // BLOCK_K)
            channel = part % (CHANNELS // BLOCK_K) * BLOCK_K + tl.arange(0, BLOCK_K)
            y, z = (row + (tap // 3 - 1))[:, None], (column + (tap % 3 - 1))[:, None]
        else:
            tap, channel = k // CHANNELS, k % CHANNELS
            y = row[:, None] + (tap // 3)[None, :] - 1
            z = column[:, None] + (tap % 3)[None, :] - 1
        seen = (y >= 0) & (y < HEIGHT) & (z >= 0) & (z < WIDTH) & known[None, :]
        value = tl.load(
            reaching + own + (y * WIDTH + z) * CHANNELS + channel[None, :], mask=seen, other=0.0
        )
        kernel = tl.load(
            weight + (direction * products + k)[:, None] * columns + of_gates[None, :],
            mask=known[:, None] & there[None, :],
            other=0.0,
        )
        total = tl.dot(value, kernel, total)
    even, odd = tl.split(tl.reshape(total, (BLOCK_M, BLOCK_N, 2, 2)))
    enter, leave = tl.split(even)
    forget, candidate = tl.split(odd)
    # tanh(x) = 2 σ(2x) - 1
    candidate = 2.0 / (1.0 + tl.exp(-2.0 * candidate)) - 1.0
    memory = memory / (1.0 + tl.exp(-forget)) + candidate / (1.0 + tl.exp(-enter))
    state = (2.0 / (1.0 + tl.exp(-2.0 * memory)) - 1.0) / (1.0 + tl.exp(-leave))
    tl.store(cell + own + number, memory, mask=valid)
    state = state.to(tl.float16)
    target = states + ((direction * STEPS + step) * IMAGES + image) * cells * CHANNELS
    tl.store(target + number, state, mask=valid)

    pooled = tl.dot(looks, common * tl.where(valid, state, 0.0))
    slot = ((direction * BLOCKS + block) * STEPS + later) * IMAGES + image
    tl.store(
        partial + slot[:, None] * CHANNELS + n[None, :],
        pooled,
        mask=((later > step) & (later < STEPS))[:, None] & (n < CHANNELS)[None, :],
    )
