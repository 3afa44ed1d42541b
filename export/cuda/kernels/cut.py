"""From a frame to aligned faces, so that only the frame crosses the bus."""

import triton.language as tl


def cut(frame, how, out, SIDE: tl.constexpr, GREY: tl.constexpr, BLOCK: tl.constexpr):
    """Sample faces from a frame, number for number as `runtime.align.warp` does.

    OpenCV's `warpAffine` knows places to 1/32 of a pixel: it rounds what a column and what a row
    add to a coordinate to 1/1024, adds 1/64 and cuts off below 1/32; then all is whole numbers.
    Averages are rounded to whole numbers, halves up where the factor is 2 and to even elsewhere,
    as `cv2.resize(..., INTER_AREA)` does.

    Grid: blocks of pixels of the output, images.

    Args:
        frame: A part of a frame, uint8, three colours; rows lie `pitch` bytes apart.
        how: (B, 16) float64, see `runtime.cuda.frame.describe`.
        out: (B, SIDE, SIDE, 3) uint8, colours in the frame's order.
        SIDE: Of the crops.
        GREY: What lies outside the frame.
        BLOCK: Pixels of a program.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1)
    inside = place < SIDE * SIDE
    row, column = (place // SIDE).to(tl.float64), (place % SIDE).to(tl.float64)
    face = how + image * 16
    low_x, high_x = tl.load(face + 6).to(tl.int32), tl.load(face + 7).to(tl.int32)
    low_y, high_y = tl.load(face + 8).to(tl.int32), tl.load(face + 9).to(tl.int32)
    left, top = tl.load(face + 10).to(tl.int32), tl.load(face + 11).to(tl.int32)
    factor, share = tl.load(face + 12).to(tl.int32), tl.load(face + 13).to(tl.float32)
    pitch = tl.load(face + 14).to(tl.int32)

    # Adding and taking away 1.5 · 2**52 rounds a number to a whole one, halves to even.
    whole: tl.constexpr = 6755399441055744.0
    far: tl.constexpr = 268435456.0
    x = tl.load(face + 0) * column * 1024.0
    x0 = (tl.load(face + 1) * row + tl.load(face + 2)) * 1024.0
    y = tl.load(face + 3) * column * 1024.0
    y0 = (tl.load(face + 4) * row + tl.load(face + 5)) * 1024.0
    x = (tl.minimum(tl.maximum(x, -far), far) + whole) - whole
    x0 = (tl.minimum(tl.maximum(x0, -far), far) + whole) - whole
    y = (tl.minimum(tl.maximum(y, -far), far) + whole) - whole
    y0 = (tl.minimum(tl.maximum(y0, -far), far) + whole) - whole
    x = (x.to(tl.int32) + x0.to(tl.int32) + 16) >> 5
    y = (y.to(tl.int32) + y0.to(tl.int32) + 16) >> 5
    across, down = x & 31, y & 31
    x, y = x >> 5, y >> 5
    colour = tl.arange(0, 4)  # a power of two; the fourth is not there
    real = inside[:, None] & (colour < 3)[None, :]
    total = tl.zeros((BLOCK, 4), tl.int32)
    for corner in tl.static_range(4):
        at_x, at_y = x + corner % 2, y + corner // 2
        there = (at_x >= low_x) & (at_x < high_x) & (at_y >= low_y) & (at_y < high_y)
        source = (at_y * factor + top) * pitch + (at_x * factor + left) * 3
        source = source[:, None] + colour[None, :]
        seen = there[:, None] & real
        sum_ = tl.zeros((BLOCK, 4), tl.int32)
        for step in range(0, factor * factor):
            pixel = source + (step // factor) * pitch + (step % factor) * 3
            sum_ += tl.load(frame + pixel, mask=seen, other=0).to(tl.int32)
        mean = sum_.to(tl.float32) * share
        value = tl.floor(mean + 0.5)
        to_even = (value - mean == 0.5) & (value - 2.0 * tl.floor(value * 0.5) == 1.0)
        value -= tl.where(to_even & (factor > 2), 1.0, 0.0)
        value = tl.where(seen, value.to(tl.int32), GREY)
        share_x = across if corner % 2 else 32 - across
        share_y = down if corner // 2 else 32 - down
        total += value * (share_x * share_y)[:, None]
    target = out + (image * SIDE * SIDE + place)[:, None] * 3 + colour[None, :]
    tl.store(target, ((total + 512) >> 10).to(tl.uint8), mask=real)
