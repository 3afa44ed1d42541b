"""From pixels to what the network takes: colour order, range, size."""

import triton.language as tl


def prepare(faces, out, SIDE: tl.constexpr, SIZE: tl.constexpr, BLOCK: tl.constexpr):
    """Turn crops into the network's input, resized as `torch.nn.functional.interpolate` does it.

    Grid: blocks of pixels of the output, images.

    Args:
        faces: (B, SIDE, SIDE, 3) uint8, BGR.
        out: (B, SIZE, SIZE, 4) float16, RGB in [-1, 1] and a zero, which makes reads of four.
        SIDE: Of the crops.
        SIZE: At which the network works; bilinear, without aligned corners.
        BLOCK: Pixels of a program.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1)
    inside = place < SIZE * SIZE
    row, column = place // SIZE, place % SIZE
    y = tl.maximum((row + 0.5) * (SIDE / SIZE) - 0.5, 0.0)
    x = tl.maximum((column + 0.5) * (SIDE / SIZE) - 0.5, 0.0)
    top, left = y.to(tl.int32), x.to(tl.int32)
    bottom, right = tl.minimum(top + 1, SIDE - 1), tl.minimum(left + 1, SIDE - 1)
    down, across = y - top, x - left
    for channel in tl.static_range(4):
        value = tl.zeros((BLOCK,), tl.float32)
        if channel < 3:
            source = faces + image * SIDE * SIDE * 3 + 2 - channel
            a = tl.load(source + (top * SIDE + left) * 3, mask=inside, other=0).to(tl.float32)
            b = tl.load(source + (top * SIDE + right) * 3, mask=inside, other=0).to(tl.float32)
            c = tl.load(source + (bottom * SIDE + left) * 3, mask=inside, other=0).to(tl.float32)
            d = tl.load(source + (bottom * SIDE + right) * 3, mask=inside, other=0).to(tl.float32)
            upper = a + (b - a) * across
            lower = c + (d - c) * across
            value = (upper + (lower - upper) * down) * (2.0 / 255.0) - 1.0
        target = out + (image * SIZE * SIZE + place) * 4 + channel
        tl.store(target, value.to(tl.float16), mask=inside)
