"""Feature fusion (eq. 10 to 12)."""

import triton.language as tl


def fuse(
    patches,
    states,
    gate_weight,
    gate_bias,
    value_weight,
    value_bias,
    whole,
    out,
    AUS: tl.constexpr,
    IMAGES: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    WHOLE: tl.constexpr,
    EPSILON: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Add both directions to the patches, and mix each AU's local feature with the global one.

    Grid: blocks of positions, images, AUs.

    Args:
        patches: F · A, (AUS, IMAGES, HEIGHT, WIDTH, CHANNELS) float16.
        states: (2, AUS, IMAGES, HEIGHT, WIDTH, CHANNELS) float16, by the steps of each direction.
        gate_weight: C'_l, (AUS, CHANNELS, CHANNELS) float16, inputs first.
        gate_bias: (AUS, CHANNELS) float32.
        value_weight: C_l, as gate_weight.
        value_bias: As gate_bias.
        whole: C'_g of G and C_g of G, (IMAGES, WHOLE, WHOLE, 2, AUS · CHANNELS) float16.
        out: (IMAGES, HEIGHT, WIDTH, AUS · CHANNELS) float16.
        AUS: n.
        IMAGES: B.
        HEIGHT: h.
        WIDTH: w.
        CHANNELS: C.
        WHOLE: Side of the global feature's map; it is resized bilinearly.
        EPSILON: Under the root of a length, see `lgrnet.network.fusion`.
        BLOCK_M: Positions of a program.
        BLOCK_N: A power of two, at least CHANNELS and 16.
    """
    cells: tl.constexpr = HEIGHT * WIDTH
    place = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    image, au = tl.program_id(1), tl.program_id(2)
    n = tl.arange(0, BLOCK_N)
    there = (n < CHANNELS)[None, :]
    valid = (place < cells)[:, None] & there

    where = (image * cells + place)[:, None] * CHANNELS + n[None, :]
    size: tl.constexpr = IMAGES * cells * CHANNELS
    patch = tl.load(patches + au * size + where, mask=valid, other=0.0).to(tl.float32)
    down = tl.load(states + au * size + where, mask=valid, other=0.0).to(tl.float32)
    up = tl.load(states + (2 * AUS - 1 - au) * size + where, mask=valid, other=0.0).to(tl.float32)
    local = (patch + (down + up) * 0.5).to(tl.float16)  # eq. 10

    square = (au * CHANNELS + n[:, None]) * CHANNELS + n[None, :]
    both = (n < CHANNELS)[:, None] & there
    gate = tl.dot(local, tl.load(gate_weight + square, mask=both, other=0.0))
    value = tl.dot(local, tl.load(value_weight + square, mask=both, other=0.0))
    own = au * CHANNELS + n[None, :]
    gate += tl.load(gate_bias + own, mask=there, other=0.0)
    value += tl.load(value_bias + own, mask=there, other=0.0)

    y = tl.maximum((place // WIDTH + 0.5) * (WHOLE / HEIGHT) - 0.5, 0.0)
    x = tl.maximum((place % WIDTH + 0.5) * (WHOLE / WIDTH) - 0.5, 0.0)
    top, left = y.to(tl.int32), x.to(tl.int32)
    down_by, right_by = (y - top)[:, None], (x - left)[:, None]
    around = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for part in tl.static_range(4):
        row = tl.minimum(top + part // 2, WHOLE - 1)
        column = tl.minimum(left + part % 2, WHOLE - 1)
        share = (down_by if part // 2 else 1.0 - down_by) * (
            right_by if part % 2 else 1.0 - right_by
        )
        corner = ((image * WHOLE + row) * WHOLE + column)[:, None] * (2 * AUS * CHANNELS) + own
        gate += share * tl.load(whole + corner, mask=valid, other=0.0).to(tl.float32)
        corner += AUS * CHANNELS
        around += share * tl.load(whole + corner, mask=valid, other=0.0).to(tl.float32)
    value = tl.where(valid, value, 0.0)
    around = tl.where(valid, around, 0.0)
    value = value * tl.rsqrt(tl.sum(value * value, axis=1) + EPSILON)[:, None]
    around = around * tl.rsqrt(tl.sum(around * around, axis=1) + EPSILON)[:, None]
    mixed = value + (around - value) / (1.0 + tl.exp(-gate))  # eq. 11 and 12
    target = out + (image * cells + place)[:, None] * (AUS * CHANNELS) + own
    tl.store(target, mixed.to(tl.float16), mask=valid)
