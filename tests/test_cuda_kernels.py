"""Every GPU kernel against PyTorch, in Triton's interpreter (tests/conftest.py asks for it)."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

pytest.importorskip("triton")

from export.cuda.interpret import run_kernel
from export.cuda.tiles import blocks_of, power_of_two
from lgrnet.data.batches import to_input
from lgrnet.network.fusion import EPSILON, Fusion
from lgrnet.network.patches import EXTENT, FALL, Patches, window_radius
from lgrnet.network.region import RegionLayer, resize_input
from lgrnet.network.relation import Direction, Recurrence, neighbourhoods
from runtime.landmarks import COUNT, LEFT_EYE_INNER, RIGHT_EYE_INNER


def half(*shape, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return (scale * torch.randn(*shape, generator=generator)).half()


def blank(*shape, dtype=torch.float16):
    """What a kernel has to write all of: anything it leaves out stays NaN."""
    return torch.full(shape, float("nan"), dtype=dtype)


def rows_last(x):
    """(B, C, H, W) → (B, H, W, C)."""
    return x.permute(0, 2, 3, 1).contiguous()


def close(got, wanted, atol=4e-3):
    torch.testing.assert_close(got.float(), wanted.float(), atol=atol, rtol=4e-3)


@pytest.mark.parametrize(("side", "size"), [(20, 20), (22, 16), (11, 16)])
def test_prepare(side, size):
    faces = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8)
    out = blank(2, size, size, 4)
    grid = (blocks_of(size * size, 128), 2, 1)
    run_kernel("prepare", grid, [faces, out], {"SIDE": side, "SIZE": size, "BLOCK": 128})
    close(out[..., :3], rows_last(resize_input(to_input(faces), size)), atol=1e-3)
    assert (out[..., 3] == 0).all()


CONVOLUTION = {
    **{"X_OFFSET": 0, "X_GROUPED": False, "OUT_OFFSET": 0, "OUT_GROUPED": False, "STEP": 1},
    **{"TILES": 1, "ACTIVATE": False, "SKIP": False, "RELU": False, "POOL": False},
    **{"BLOCK_M": 16, "BLOCK_N": 16, "BLOCK_K": 16, "BLOCK_SEEN": 64},
}


def convolve(x, weight, bias, out, parts, scale=None, shift=None, attention=None, **constants):
    """Run the kernel; weight is PyTorch's, (parts · O, I, k, k)."""
    outputs, inputs, size = len(weight) // parts, weight.shape[1], weight.shape[2]
    kernels = weight.reshape(parts, outputs, inputs, size, size).permute(0, 3, 4, 2, 1)
    kernels = kernels.reshape(parts, size * size * inputs, outputs).contiguous().half()
    sizes = {
        **CONVOLUTION,
        **{"IMAGES": len(out), "HEIGHT": x.shape[1], "WIDTH": x.shape[2]},
        **{"X_STRIDE": x.shape[3], "OUT_STRIDE": out.shape[3], "INPUTS": inputs},
        **{"OUTPUTS": outputs, "SIZE": size, **constants},
    }
    kept = (sizes["HEIGHT"] // sizes["STEP"]) * (sizes["WIDTH"] // sizes["STEP"])
    if sizes["POOL"]:
        kept = 4 * (sizes["HEIGHT"] // 2) * (sizes["WIDTH"] // 2)
    grid = (
        blocks_of(sizes["IMAGES"] * kept, sizes["BLOCK_M"]),
        *(blocks_of(outputs, sizes["BLOCK_N"]), parts),
    )
    nothing = bias.float()
    scale, shift = (nothing if each is None else each.float() for each in (scale, shift))
    values = [x, kernels, bias.float(), scale, shift, x if attention is None else attention, out]
    run_kernel("convolve", grid, values, sizes)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize(
    ("inputs", "outputs", "side"), [(4, 8, 6), (5, 19, 7), (24, 33, 4), (32, 8, 5)]
)
def test_convolve(size, inputs, outputs, side):
    x, weight = half(2, inputs, side, side), half(outputs, inputs, size, size, scale=0.2)
    bias = half(outputs)
    out = blank(2, side, side, outputs)
    convolve(rows_last(x), weight, bias, out, 1)
    close(out, rows_last(functional.conv2d(x.float(), weight.float(), bias.float(), 1, size // 2)))


@pytest.mark.parametrize("inputs", [4, 16])
def test_convolve_with_a_stride(inputs):
    x, weight, bias = half(2, inputs, 8, 8), half(8, inputs, 3, 3, scale=0.3), half(8)
    out = blank(2, 4, 4, 8)
    convolve(rows_last(x), weight, bias, out, 1, STEP=2)
    close(out, rows_last(functional.conv2d(x.float(), weight.float(), bias.float(), 2, 1)))


@pytest.mark.parametrize("side", [6, 7])
def test_convolve_groups_of_channels_with_relu_and_pool(side):
    x, weight, bias = half(2, 3 * 5, side, side), half(3 * 8, 5, 3, 3, scale=0.3), half(3 * 8)
    out = blank(2, side // 2, side // 2, 3 * 8)
    flags = {"X_GROUPED": True, "OUT_GROUPED": True, "RELU": True, "POOL": True}
    convolve(rows_last(x), weight, bias, out, 3, **flags)
    wanted = functional.conv2d(x.float(), weight.float(), bias.float(), 1, 1, groups=3).relu()
    close(out, rows_last(functional.max_pool2d(wanted, 2)))


@pytest.mark.parametrize("tiles", [2, 4])
def test_convolve_region_layers_side_by_side(tiles):
    torch.manual_seed(tiles)
    layer = RegionLayer(6, 4, tiles).eval()
    with torch.no_grad():
        layer.norm.running_mean.normal_()
        layer.norm.running_var.uniform_(0.5, 2)
        layer.norm.weight.normal_()
        layer.norm.bias.normal_()
    x = half(2, 10, 8, 8)
    scale = layer.norm.weight / (layer.norm.running_var + layer.norm.eps).sqrt()
    shift = layer.norm.bias - layer.norm.running_mean * scale
    out = blank(2, 8, 8, 12)
    tile = {"TILES": tiles, "HEIGHT": 8 // tiles, "WIDTH": 8 // tiles, "ACTIVATE": True}
    place = {"X_OFFSET": 3, "OUT_OFFSET": 5}
    weights = layer.conv.weight.detach(), layer.conv.bias.detach()
    convolve(rows_last(x), *weights, out, tiles**2, scale.detach(), shift.detach(), **tile, **place)
    with torch.no_grad():
        close(out[..., 5:9], rows_last(layer(x[:, 3:9].float())), atol=8e-3)
    assert out[..., :5].isnan().all()
    assert out[..., 9:].isnan().all()


@pytest.mark.parametrize("lit", [(0, 0, 0), (1, 6, 2), (2, 3, 6)])
def test_convolve_leaves_out_what_sees_only_zeros(lit):
    """One cell has attention: its neighbours, in other blocks too, must not be left out."""
    attention = torch.zeros(3, 7, 7).half()
    attention[lit] = 0.5
    x = half(3, 7, 7, 16) * attention[..., None]
    weight, bias = half(20, 16, 3, 3, scale=0.3), half(20)
    out = blank(3, 7, 7, 20)
    constants = {"SKIP": True, "BLOCK_SEEN": 32}
    convolve(x, weight, bias, out, 1, attention=attention, **constants)
    patches = x.float().permute(0, 3, 1, 2)
    close(out, rows_last(functional.conv2d(patches, weight.float(), bias.float(), padding=1)))


def test_convolve_reads_nothing_where_there_is_no_attention():
    """What is left out is really left out: the product with infinity would not be zero."""
    x, attention = torch.full((1, 7, 7, 16), float("inf")).half(), torch.zeros(1, 7, 7).half()
    out = blank(1, 7, 7, 8)
    constants = {"SKIP": True, "BLOCK_SEEN": 32}
    convolve(x, half(8, 16, 3, 3), torch.ones(8), out, 1, attention=attention, **constants)
    assert (out == 1).all()


def test_merge():
    x, regions, scale, shift = half(2, 6, 8, 5), half(2, 6, 8, 5, seed=1), half(5), half(5, seed=1)
    out = blank(2, 3, 4, 5)
    constants = {"HEIGHT": 6, "WIDTH": 8, "CHANNELS": 5, "BLOCK": 32}
    values = [x, regions, scale.float(), shift.float(), out]
    run_kernel("merge", (2, 2, 1), values, constants)
    wanted = ((x.float() + regions.float()) * scale + shift).relu()
    close(out, rows_last(functional.max_pool2d(wanted.permute(0, 3, 1, 2), 2)))


@pytest.mark.parametrize(("squash", "kinds"), [(False, 1), (True, 1), (True, 2)])
def test_project(squash, kinds):
    x, weight = half(2, 9, 3 * 5), half(kinds, 3, 9, 5, scale=0.2)
    bias = half(kinds, 3).float()
    order = torch.tensor([2, 0, 1], dtype=torch.int32)
    outs = [blank(2, 3, dtype=torch.float32) for _ in range(kinds)]
    constants = {
        **{"CELLS": 9, "CHANNELS": 5, "X_STRIDE": 15, "X_STEP": 5, "OUTPUTS": 3},
        **{"SQUASH": squash, "TIMES": 1.0, "TIMES_SECOND": 5.0, "BLOCK": 16},
    }
    run_kernel("project", (3, 2, kinds), [x, weight, bias, order, outs[0], outs[-1]], constants)
    for kind, times in zip(range(kinds), (1, 5), strict=False):
        for output in range(3):
            part = x[:, :, 5 * output : 5 * output + 5].float()
            score = (part * weight[kind, output].float()).sum((1, 2)) + bias[kind, output]
            wanted = times * (score.sigmoid() if squash else score)
            close(outs[kind][:, order[output]], wanted, atol=1e-4)


@pytest.mark.parametrize(("grid", "margin"), [(16, 0), (20, 0), (12, 4)])
def test_draw_patches(grid, margin):
    aus, cells = (1, 6, 12, 17), grid + 2 * margin
    patches = Patches(aus, 176, cells)
    generator = torch.Generator().manual_seed(grid)
    # Whole cells and a half, which rounding has to treat alike, and landmarks outside the crop.
    landmarks = torch.rand(6, COUNT, 2, generator=generator) * 230 - 25
    landmarks[1] = (landmarks[1] / 176 * cells).floor().add(0.5) / cells * 176
    landmarks[2, :] = landmarks[2, :1]
    feature = half(6, grid, grid, 5)
    attention, cut = blank(4, 6, grid, grid), blank(4, 6, grid, grid, 5)
    constants = {
        **{"IMAGES": 6, "LANDMARKS": COUNT, "LEFT": LEFT_EYE_INNER, "RIGHT": RIGHT_EYE_INNER},
        **{"CELLS": cells, "MARGIN": margin, "GRID": grid, "RADIUS": window_radius(cells)},
        **{"SCALE": cells / 176, "SLOPE": FALL / (cells * EXTENT), "BLOCK": 128},
        **{"CHANNELS": 5, "BLOCK_C": 8},
    }
    points = patches.points.view(-1, 2).int()
    drops = patches.drops[:, 0, 1:].repeat(1, 2).contiguous()  # one number for both sides
    values = [landmarks, points, drops, feature, attention, cut]
    run_kernel("draw_patches", (blocks_of(grid**2, 128), 6, 4), values, constants)
    wanted = patches(landmarks)[..., margin : margin + grid, margin : margin + grid]
    close(attention, wanted.transpose(0, 1), atol=1e-3)
    close(cut, wanted.transpose(0, 1)[..., None] * feature, atol=4e-3)


def by_channel(x):
    """(4 · C, ...), gate by gate → (C, 4, ...) flat, as the kernels have them."""
    return x.unflatten(0, (4, -1)).transpose(0, 1).flatten(0, 1)


@pytest.mark.parametrize(("channels", "block_k"), [(12, 16), (16, 8)])
def test_the_recurrence_step_by_step(channels, block_k):
    aus, images = 4, 2
    torch.manual_seed(aus)
    relation = Recurrence(aus, channels, skip=True)
    sides = (relation.downward, relation.upward)
    with torch.no_grad():
        for side in sides:
            for parameter in side.gates.parameters():
                parameter.mul_(20)
    grid, cells = 5, 25
    feature, attention = half(images, channels, grid, grid), torch.rand(images, aus, grid, grid)
    attention = attention.half()

    flipped = attention.flip(1)
    with torch.no_grad():
        around = neighbourhoods(feature.float())
        drives = [
            side.cell.drives(around, neighbourhoods(attention.float())) for side in sides
        ]  # in muscle order
        down = relation.downward(drives[0], feature.float(), attention.float())
        up = relation.upward(drives[1][::-1], feature.float(), flipped.float())

    drives = [[by_channel(each.transpose(0, 1)) for each in side] for side in drives]
    driven = torch.stack([torch.cat(each) for each in zip(*drives, strict=True)])
    driven = driven.permute(0, 2, 3, 4, 1).contiguous().half()
    weight = [by_channel(side.cell.from_hidden.weight).permute(2, 3, 1, 0) for side in sides]
    weight = torch.stack(weight).reshape(2, 9 * channels, 4 * channels).half().contiguous()
    bias = torch.stack([by_channel(side.cell.from_hidden.bias) for side in sides])
    gates = [torch.stack([each.weight for each in side.gates.maps]) for side in sides]
    offsets = [torch.stack([each.bias for each in side.gates.maps]) for side in sides]
    gates, offsets = torch.stack(gates).half(), torch.stack(offsets).detach()
    blocks = blocks_of(cells, 16)
    states = blank(2, aus, images, cells, channels)
    factors = blank(2, aus, aus, images, channels, dtype=torch.float32)
    reaching, cell = blank(2, images, cells, channels), blank(2, images, cells, channels).float()
    partial = blank(2, blocks, aus, images, channels, dtype=torch.float32)
    earlier = blank(2, images, cells, channels, dtype=torch.float32)
    sizes = {"STEPS": aus, "IMAGES": images, "CHANNELS": channels, "BLOCKS": blocks}
    of_channels = blocks_of(channels, 8)
    more = blocks_of(images * blocks_of(cells, 8), of_channels)
    for step in range(aus):
        if step:
            run_kernel(
                "gather",
                (blocks_of(cells, 8) + aus - 1 - step, images, 2),
                [states, earlier, partial, gates.detach(), offsets, factors, reaching, step],
                {
                    **{**sizes, "CELLS": cells, "BLOCK_M": 8, "BLOCK_B": power_of_two(blocks)},
                    "BLOCK_C": power_of_two(channels),
                },
            )
        run_kernel(
            "advance",
            (images * blocks + (more if step + 1 < aus else 0), of_channels, 2),
            [
                *(reaching, driven, weight.detach(), bias.detach(), rows_last(feature)),
                *(attention.transpose(0, 1).contiguous(), cell, states, partial, factors),
                *(earlier, step),
            ],
            {
                **{**sizes, "HEIGHT": grid, "WIDTH": grid, "BLOCK_S": 4},
                **{"BLOCK_M": 16, "BLOCK_N": 8, "BLOCK_K": block_k, "ROWS": 8},
                "BLOCK_C": power_of_two(channels),
            },
        )
    for direction, wanted in enumerate((down, up)):
        for step, state in enumerate(wanted):
            got = states[direction, step].reshape(images, grid, grid, channels)
            close(got, rows_last(state), atol=3e-3)


def test_gates_matter():
    """The test above would not notice gates that are ignored if they were all alike."""
    torch.manual_seed(0)
    side = Direction(3, 16, skip=True, concat=False)
    with torch.no_grad():
        for parameter in side.gates.parameters():
            parameter.mul_(20)
        feature, attention = torch.randn(1, 16, 5, 5), torch.rand(1, 3, 5, 5)
        gate = side.gates(0, torch.randn(1, 16, 5, 5), feature, attention[:, 1:])
    assert gate.std() > 0.15


@pytest.mark.parametrize(("aus", "images", "channels", "whole"), [(2, 2, 12, 2), (3, 1, 16, 3)])
def test_fuse(aus, images, channels, whole):
    torch.manual_seed(aus)
    side, width = 6, 7
    fusion = Fusion(aus, channels, width)
    patches = half(aus, images, side, side, channels)
    states = half(2, aus, images, side, side, channels)
    seen = half(images, width, whole, whole)
    with torch.no_grad():
        maps = [rows_last(c(seen.float())) for c in (fusion.global_gate, fusion.global_value)]
        local = []
        for au in range(aus):
            both = states[0, au].float() + states[1, aus - 1 - au].float()
            patch = patches[au].float().permute(0, 3, 1, 2)
            local.append(patch + both.permute(0, 3, 1, 2) / 2)
        wanted = fusion(torch.cat(local, dim=1), seen.float())
    convs = (fusion.local_gate, fusion.local_value)
    squares = [c.weight.view(aus, channels, channels).transpose(1, 2).half() for c in convs]
    squares = [each.contiguous().detach() for each in squares]
    biases = [c.bias.view(aus, channels).detach() for c in convs]
    out = blank(images, side, side, aus * channels)
    run_kernel(
        "fuse",
        (blocks_of(side * side, 16), images, aus),
        [
            *(patches, states.flatten(3, 4).contiguous(), squares[0], biases[0], squares[1]),
            *(biases[1], torch.cat(maps, dim=3).half(), out),
        ],
        {
            **{"AUS": aus, "IMAGES": images, "HEIGHT": side, "WIDTH": side, "CHANNELS": channels},
            **{"WHOLE": whole, "EPSILON": EPSILON, "BLOCK_M": 16, "BLOCK_N": 16},
        },
    )
    close(out, rows_last(wanted), atol=4e-3)


def test_a_kernel_of_torch_modules_is_compared(monkeypatch):
    """A comparison that cannot fail is none: a wrong weight is noticed."""
    x, weight, bias = half(1, 4, 4, 4), half(8, 4, 3, 3), torch.zeros(8)
    out = blank(1, 4, 4, 8)
    convolve(rows_last(x), weight.flip(0), bias, out, 1)
    with pytest.raises(AssertionError):
        close(out, rows_last(nn.functional.conv2d(x.float(), weight.float(), padding=1)))
    assert np.isfinite(out.numpy()).all()
