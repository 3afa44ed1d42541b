"""One step of the skip-BiLSTM (eq. 6 to 9), both directions in each launch.

Steps are counted along each direction: at step s the downward one has AU s, the upward one AU
n - 1 - s. What a state does later is known as soon as it is made, so a step is three launches:
:func:`gather` sums the earlier states that reach it, :func:`advance` convolves the sum, moves the
LSTM on and pools what the new state has in common with later patches, :func:`weigh` makes gates of
that.
"""

import triton.language as tl


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
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image, direction = tl.program_id(1), tl.program_id(2)
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
    cells: tl.constexpr = HEIGHT * WIDTH
    image, block = tl.program_id(0) // BLOCKS, tl.program_id(0) % BLOCKS
    direction = tl.program_id(2)
    place = block * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
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
