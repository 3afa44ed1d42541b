"""Convolutions as matrix products, without writing the matrix (implicit GEMM)."""

import triton.language as tl


def convolve(
    x,
    weight,
    bias,
    scale,
    shift,
    attention,
    out,
    IMAGES: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    X_STRIDE: tl.constexpr,
    X_OFFSET: tl.constexpr,
    X_GROUPED: tl.constexpr,
    OUT_STRIDE: tl.constexpr,
    OUT_OFFSET: tl.constexpr,
    OUT_GROUPED: tl.constexpr,
    INPUTS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    SIZE: tl.constexpr,
    STEP: tl.constexpr,
    TILES: tl.constexpr,
    ACTIVATE: tl.constexpr,
    SKIP: tl.constexpr,
    RELU: tl.constexpr,
    POOL: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_SEEN: tl.constexpr,
):
    """Convolve: out = relu(conv(relu(scale · x + shift)) + bias), max-pooled.

    Grid: blocks of positions, blocks of output channels, groups. A group is a group of channels, or
    a tile of the map with weights of its own and zeros around it (the paper's region layers).

    Args:
        x: (IMAGES, TILES · rows, TILES · columns, X_STRIDE) float16; with zeros around each tile.
        weight: (groups, SIZE² · INPUTS, OUTPUTS) float16, taps row by row, then channels.
        bias: (groups, OUTPUTS) float32.
        scale: (groups, INPUTS) float32, and shift alike; read with ACTIVATE only.
        shift: See scale.
        attention: (IMAGES, HEIGHT, WIDTH) float16, zero where x is; read with SKIP only.
        out: (IMAGES, rows, columns, OUT_STRIDE) float16; half as many of both with POOL.
        IMAGES: Of x and out.
        HEIGHT: Rows of a tile of x; the whole map where TILES is 1.
        WIDTH: Columns of it.
        X_STRIDE: Channels of x, X_OFFSET the first one that is read.
        X_OFFSET: See X_STRIDE.
        X_GROUPED: Whether each group of channels reads INPUTS of its own.
        OUT_STRIDE: Channels of out, OUT_OFFSET the first one that is written.
        OUT_OFFSET: See OUT_STRIDE.
        OUT_GROUPED: Whether each group of channels writes OUTPUTS of its own.
        INPUTS: Channels that a group reads.
        OUTPUTS: Channels that a group writes.
        SIZE: 1 or 3, of the kernel; padded with zeros by half of it.
        STEP: 1 or 2, from one output to the next.
        TILES: Tiles along a side of the map.
        ACTIVATE: Whether a batch norm and ReLU come before; the padding stays zero.
        SKIP: Whether blocks that see nothing but zeros are not computed: patches of AUs are zero
            outside two windows. For 3 × 3 kernels with neither STEP nor TILES nor POOL.
        RELU: Whether a ReLU comes after.
        POOL: Whether the largest of 2 × 2 outputs is written; odd last rows are dropped.
        BLOCK_M: Positions of a program, a multiple of 4.
        BLOCK_N: Output channels of a program.
        BLOCK_K: Products that are summed at a time; where it divides INPUTS, these share a tap.
        BLOCK_SEEN: With SKIP a power of two, at least BLOCK_M + 2 · WIDTH + 2.
    """
    group = tl.program_id(2)
    rows: tl.constexpr = HEIGHT // STEP
    columns: tl.constexpr = WIDTH // STEP
    kept_rows: tl.constexpr = rows // 2 if POOL else rows
    kept_columns: tl.constexpr = columns // 2 if POOL else columns
    window: tl.constexpr = 4 if POOL else 1
    kept: tl.constexpr = kept_rows * kept_columns

    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    # Four neighbours that are pooled follow each other, so that they meet in one program.
    place = m // window
    image = place // kept
    row, column = (place % kept) // kept_columns, place % kept_columns
    if POOL:
        row, column = 2 * row + (m % 4) // 2, 2 * column + m % 2
    real = image < IMAGES
    tile_row, tile_column = (group // TILES) % TILES, group % TILES
    full_width: tl.constexpr = TILES * WIDTH

    source = x + image * (TILES * HEIGHT) * full_width * X_STRIDE + X_OFFSET
    if X_GROUPED:
        source += group * INPUTS
    products: tl.constexpr = SIZE * SIZE * INPUTS
    end = products
    if SKIP:
        # Cells that a block reads follow each other, from a row and a cell before it on.
        first = tl.program_id(0) * BLOCK_M - WIDTH - 1
        near = first + tl.arange(0, BLOCK_SEEN)
        read = (near >= 0) & (near < IMAGES * kept) & (near <= first + BLOCK_M + 2 * WIDTH + 1)
        highest = tl.max(tl.load(attention + near, mask=read, other=0.0).to(tl.float32), axis=0)
        end = tl.where(highest > 0.0, products, 0)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, end, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        known = k < products
        if INPUTS % BLOCK_K == 0:
            number = start // BLOCK_K
            tap = number // (INPUTS // BLOCK_K)
            channel = number % (INPUTS // BLOCK_K) * BLOCK_K + tl.arange(0, BLOCK_K)
            y, z = row + (tap // SIZE - SIZE // 2), column + (tap % SIZE - SIZE // 2)
            if STEP > 1:
                y, z = y + row * (STEP - 1), z + column * (STEP - 1)
            y, z = y[:, None], z[:, None]
        else:
            tap, channel = k // INPUTS, k % INPUTS
            y = row[:, None] * STEP + (tap // SIZE)[None, :] - SIZE // 2
            z = column[:, None] * STEP + (tap % SIZE)[None, :] - SIZE // 2
        seen = (y >= 0) & (y < HEIGHT) & (z >= 0) & (z < WIDTH) & real[:, None] & known[None, :]
        cell = (y + tile_row * HEIGHT) * full_width + z + tile_column * WIDTH
        value = tl.load(source[:, None] + cell * X_STRIDE + channel[None, :], mask=seen, other=0.0)
        if ACTIVATE:
            factor = tl.load(scale + group * INPUTS + channel, mask=known, other=0.0)
            offset = tl.load(shift + group * INPUTS + channel, mask=known, other=0.0)
            active = tl.maximum(value.to(tl.float32) * factor[None, :] + offset[None, :], 0.0)
            value = tl.where(seen, active, 0.0).to(tl.float16)
        kernel = tl.load(
            weight + group * products * OUTPUTS + k[:, None] * OUTPUTS + n[None, :],
            mask=known[:, None] & (n < OUTPUTS)[None, :],
            other=0.0,
        )
        total = tl.dot(value, kernel, total)
    total += tl.load(bias + group * OUTPUTS + n, mask=n < OUTPUTS, other=0.0)[None, :]
    if RELU:
        total = tl.maximum(total, 0.0)
    if POOL:
        total = tl.max(tl.reshape(total, (BLOCK_M // 4, 4, BLOCK_N)), axis=1)
        place = tl.program_id(0) * (BLOCK_M // 4) + tl.arange(0, BLOCK_M // 4)
        image = place // kept
        row, column = (place % kept) // kept_columns, place % kept_columns
        real = image < IMAGES
    row, column = row + tile_row * kept_rows, column + tile_column * kept_columns
    target = (image * TILES * kept_rows + row) * (TILES * kept_columns) + column
    target = target * OUT_STRIDE + OUT_OFFSET
    if OUT_GROUPED:
        target += group * OUTPUTS
    tl.store(
        out + target[:, None] + n[None, :],
        total.to(tl.float16),
        mask=real[:, None] & (n < OUTPUTS)[None, :],
    )
