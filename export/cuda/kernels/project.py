"""Long scalar products: what ends the landmark network and each AU's head."""

import triton.language as tl


def project(
    x,
    weight,
    bias,
    order,
    out,
    second,
    CELLS: tl.constexpr,
    CHANNELS: tl.constexpr,
    X_STRIDE: tl.constexpr,
    X_STEP: tl.constexpr,
    OUTPUTS: tl.constexpr,
    SQUASH: tl.constexpr,
    TIMES: tl.constexpr,
    TIMES_SECOND: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Weigh maps: out = TIMES · sigmoid(weight · x + bias), or without the sigmoid.

    Grid: outputs, images, and 1 or 2 kinds of output, the second with weights of its own.

    Args:
        x: (B, CELLS, X_STRIDE) float16.
        weight: (kinds, OUTPUTS, CELLS, CHANNELS) float16.
        bias: (kinds, OUTPUTS) float32.
        order: (OUTPUTS,) int32: where each output goes.
        out: (B, OUTPUTS) float32.
        second: The same of the second kind.
        CELLS: Of a map.
        CHANNELS: That an output reads.
        X_STRIDE: Channels of x.
        X_STEP: From the channels of one output to those of the next; 0 if all read the same.
        OUTPUTS: Numbers of an image.
        SQUASH: Whether there is a sigmoid.
        TIMES: Factor of the result.
        TIMES_SECOND: That of the second kind.
        BLOCK: Products that are summed at a time.
    """
    output, image, kind = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    row = kind * OUTPUTS + output
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, CELLS * CHANNELS, BLOCK):
        k = start + tl.arange(0, BLOCK)
        known = k < CELLS * CHANNELS
        place = (k // CHANNELS) * X_STRIDE + output * X_STEP + k % CHANNELS
        value = tl.load(x + image * CELLS * X_STRIDE + place, mask=known, other=0.0)
        factor = tl.load(weight + row * CELLS * CHANNELS + k, mask=known, other=0.0)
        total += value.to(tl.float32) * factor.to(tl.float32)
    result = tl.sum(total, axis=0) + tl.load(bias + row)
    if SQUASH:
        result = 1.0 / (1.0 + tl.exp(-result))
    target = image * OUTPUTS + tl.load(order + output)
    if kind == 0:
        tl.store(out + target, TIMES * result)
    else:
        tl.store(second + target, TIMES_SECOND * result)
