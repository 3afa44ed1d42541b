"""Adding convolutions to a network."""

import numpy as np

from export.cuda.builder import Builder
from export.cuda.tiles import blocks_of, convolution_rule, power_of_two

Norm = tuple[np.ndarray, np.ndarray]


def add_convolution(
    to: Builder, name: str, x: str, out: str, weight: np.ndarray, side: int,
    *, bias: np.ndarray | None = None, images: int = 1, groups: int = 1, tiles: int = 1,
    norm: Norm | None = None, step: int = 1, relu: bool = False, pool: bool = False,
    x_stride: int | None = None, x_offset: int = 0, out_stride: int | None = None,
    out_offset: int = 0, attention: str | None = None,
) -> None:  # fmt: skip
    """Add one launch.

    Args:
        to: The network.
        name: Of the layer, for its weights.
        x: Array that is read.
        out: Array that is written.
        weight: (groups · outputs, inputs, size, size), or with `tiles` one such for each tile.
        side: Of the map; with `tiles` of one tile.
        bias: (groups · outputs,), or with `tiles` for each tile; None for zeros.
        images: Of x and out.
        groups: Of channels.
        tiles: Along a side of the map, each with weights of its own.
        norm: With `tiles` a factor and a summand of each input, before a ReLU, before the layer.
        step: From one output to the next.
        relu: Whether a ReLU comes after.
        pool: Whether 2 × 2 outputs are pooled.
        x_stride: Channels of x; None for those that are read.
        x_offset: The first one that is read.
        out_stride: Channels of out; None for those that are written.
        out_offset: The first one that is written.
        attention: Array that is zero where x is, if that is known; then what sees nothing else is
            not computed.
    """
    parts, size = groups * tiles * tiles, weight.shape[-1]
    inputs, outputs = weight.shape[1], weight.shape[0] // parts
    rows = weight.reshape(parts, outputs, inputs, size, size).transpose(0, 3, 4, 2, 1)
    kernels = to.weight(f"{name}.kernels", rows.reshape(parts, -1, outputs), "float16")
    added = np.zeros(parts * outputs) if bias is None else bias
    biases = to.weight(f"{name}.bias", added.reshape(parts, outputs), "float32")
    scale = shift = biases  # not read
    if norm is not None:
        factor, summand = (each.reshape(parts, -1) for each in norm)
        scale = to.weight(f"{name}.scale", factor, "float32")
        shift = to.weight(f"{name}.shift", summand, "float32")
    kept = side // step // 2 if pool else side // step
    positions = images * kept * kept * (4 if pool else 1)
    flags = (("norm", norm is not None), ("pool", pool), ("skip", attention is not None))
    kind = "".join(f" {each}" for each, on in flags if on)
    sizes = parts, positions, outputs, size * size * inputs
    work = f"convolve {'x'.join(map(str, sizes))}{kind}"
    tile = to.choose(work, convolution_rule(*sizes))
    to.launch(
        "convolve",
        (blocks_of(positions, tile.m), blocks_of(outputs, tile.n), parts),
        {
            "IMAGES": images,
            "HEIGHT": side,
            "WIDTH": side,
            "X_STRIDE": x_stride or groups * inputs,
            "X_OFFSET": x_offset,
            "X_GROUPED": groups > 1,
            "OUT_STRIDE": out_stride or groups * outputs,
            "OUT_OFFSET": out_offset,
            "OUT_GROUPED": groups > 1,
            "INPUTS": inputs,
            "OUTPUTS": outputs,
            "SIZE": size,
            "STEP": step,
            "TILES": tiles,
            "ACTIVATE": norm is not None,
            "SKIP": attention is not None,
            "RELU": relu,
            "POOL": pool,
            "BLOCK_M": tile.m,
            "BLOCK_N": tile.n,
            "BLOCK_K": tile.k,
            "BLOCK_SEEN": power_of_two(tile.m + 2 * side + 2),
        },
        x=x, weight=kernels, bias=biases, scale=scale, shift=shift,
        attention=attention or x, out=out, warps=tile.warps, stages=tile.stages,
        work=work,
    )  # fmt: skip
