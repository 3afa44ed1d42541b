"""The end of a region unit."""

import triton.language as tl


def merge(
    x,
    regions,
    scale,
    shift,
    out,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Add, normalise and pool: out = max over 2 × 2 of relu(scale · (x + regions) + shift).

    Grid: blocks of numbers of one output image, images.

    Args:
        x: (B, HEIGHT, WIDTH, CHANNELS) float16.
        regions: The same: the three region layers side by side.
        scale: (CHANNELS,) float32.
        shift: (CHANNELS,) float32.
        out: (B, HEIGHT / 2, WIDTH / 2, CHANNELS) float16.
        HEIGHT: Even.
        WIDTH: Even.
        CHANNELS: Of the unit.
        BLOCK: Numbers of a program.
    """
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1)
    size: tl.constexpr = (HEIGHT // 2) * (WIDTH // 2) * CHANNELS
    inside = number < size
    channel, cell = number % CHANNELS, number // CHANNELS
    row, column = cell // (WIDTH // 2), cell % (WIDTH // 2)
    factor = tl.load(scale + channel, mask=inside, other=0.0)
    offset = tl.load(shift + channel, mask=inside, other=0.0)
    largest = tl.zeros((BLOCK,), tl.float32)  # nothing is below zero after the ReLU
    for part in tl.static_range(4):
        place = (image * HEIGHT + 2 * row + part // 2) * WIDTH + 2 * column + part % 2
        place = place * CHANNELS + channel
        a = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(regions + place, mask=inside, other=0.0).to(tl.float32)
        largest = tl.maximum(largest, (a + b) * factor + offset)
    tl.store(out + image * size + number, largest.to(tl.float16), mask=inside)
