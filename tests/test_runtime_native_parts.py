"""Parts of the native engine, for each instruction set, against NumPy.

Instruction sets that this processor lacks are emulated, where it has AVX2.
"""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from runtime.native import library
from runtime.native.compile import CompileError, LackingError, compiler, probe
from runtime.native.model import WIDEST

SOURCE = Path(__file__).with_name("native_parts.cpp")
EMULATED = Path(__file__).with_name("native_emulated.hpp")
NEON = Path(__file__).with_name("native_neon")

# Optimising takes longer than all that is computed here.
FLAGS = ["-O0" if flag == "-O3" else flag for flag in library.FLAGS]

SIZES = [(1, 3, 5), (6, 32, 64), (7, 27, 24), (13, 40, 100), (24, 64, 8), (37, 12, 33)]
"""Rows, inputs and outputs: blocks of every height, one to four vectors wide, filled and not."""

MAPS = [(1, 1, 3, 5), (5, 7, 8, 40), (6, 4, 20, 12), (11, 11, 3, 68)]
"""Height, width, inputs and outputs, which fill tiles and vectors or do not."""

BASES = {
    2: (
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]],
    ),
    4: (
        [
            *([4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]),
            *([0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]),
        ],
        [
            *([1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6]),
            *([1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]),
        ],
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    ),
}
"""Side of a tile's outputs → Winograd's Bᵀ, G and Aᵀ (Lavin and Gray 2016, section 4)."""


def build(target, folder):
    """Compile the parts, with the emulation where the instruction set is not here."""
    flags, emulations = library.TARGETS[target], {"avx512": "AVX512", "avxvnni": "AVXVNNI"}
    if target == "dotprod" and target not in library.targets():
        flags = [f"-I{NEON}", "-D__ARM_FEATURE_DOTPROD"]
    try:
        probe([*compiler(), *FLAGS, *flags])
    except LackingError as error:
        if target not in emulations:
            pytest.skip(str(error))
        probe([*compiler(), *FLAGS, *library.TARGETS["avx2"]])
        emulation = ["-include", str(EMULATED), f"-DEMULATE_{emulations[target]}"]
        flags = [*library.TARGETS["avx2"], *emulation]
    path = folder / f"{target}.so"
    command = [*compiler(), *FLAGS, *flags, f"-I{library.ENGINE}", str(SOURCE), "-o", str(path)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture(scope="module", params=list(library.TARGETS))
def parts(request, tmp_path_factory):
    """Compile them; skip what neither runs here nor can be emulated."""
    if request.param not in (*library.targets(), "dotprod"):
        pytest.skip(f"{request.param} is not for this kind of processor")
    try:
        compiler()
    except CompileError as error:
        pytest.skip(str(error))
    try:
        opened = build(request.param, tmp_path_factory.mktemp("parts"))
    except LackingError as error:
        pytest.skip(str(error))
    floats, whole, maybe = np.ctypeslib.ndpointer(np.float32), ctypes.c_int, ctypes.c_void_p
    opened.run_linear.argtypes = [*[whole] * 3, *[floats] * 3, maybe, floats]
    opened.run_convolution.argtypes = [*[whole] * 5, *[floats] * 3, maybe, floats]
    opened.run_separable.argtypes = [*[whole] * 5, *[floats] * 6]
    opened.run_functions.argtypes = [whole, floats, floats]
    opened.run_sum.argtypes = [floats, floats]
    opened.run_sum.restype = ctypes.c_float
    return opened


def address(array):
    return None if array is None else array.ctypes.data


def run_linear(parts, numbers, weight, bias, limit=None):
    (rows, inputs), outputs = numbers.shape, len(weight)
    out = np.full((rows, outputs), np.nan, np.float32)
    limit = None if limit is None else np.array([limit], np.float32)
    parts.run_linear(rows, inputs, outputs, numbers, weight, bias, address(limit), out)
    return out


def whole_numbers(size):
    """Inputs, weights and biases whose products 8 bits and float32 hold without rounding."""
    rows, inputs, outputs = size
    rng = np.random.default_rng(rows)
    numbers = rng.integers(-127, 128, (rows, inputs)).astype(np.float32)
    weight = rng.integers(-127, 128, (outputs, inputs)).astype(np.float32)
    weight[:, 0] = 127  # so that the largest weight, by which they are scaled, is that
    return numbers, weight, rng.integers(-99, 100, outputs).astype(np.float32)


@pytest.mark.parametrize("limit", [None, 127], ids=["fp32", "int8"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_linear_layers(parts, size, limit):
    numbers, weight, bias = whole_numbers(size)
    wanted = numbers.astype(int) @ weight.T.astype(int) + bias.astype(int)
    np.testing.assert_array_equal(run_linear(parts, numbers, weight, bias, limit), wanted)


def test_largest_products_do_not_overflow(parts):
    # Pairs of them are beyond 16 bits.
    numbers, weight = np.full((8, 256), 127, np.float32), np.full((16, 256), 127, np.float32)
    numbers[1::2] *= -1
    out = run_linear(parts, numbers, weight, np.zeros(16, np.float32), 127)
    np.testing.assert_array_equal(out, np.repeat(numbers[:, :1] * 127 * 256, 16, 1))


def test_inputs_are_rounded_and_cut_off(parts):
    numbers = [-1e9, -1e4, -128.6, -3.4, -2.5, 0.6, 126.7, 127.6, 1e4, 1e9]
    numbers = np.array(numbers, np.float32)[:, None]
    weight, bias = np.full((1, 1), 127, np.float32), np.zeros(1, np.float32)
    out = run_linear(parts, numbers, weight, bias, 127)[:, 0] / 127
    np.testing.assert_array_equal(out, [-128, -128, -128, -3, -2, 1, 127, 127, 127, 127])


def run_convolution(parts, side, numbers, weight, bias, ranges=None):
    height, width, inputs = numbers.shape
    out = np.full((height, width, len(weight)), np.nan, np.float32)
    parts.run_convolution(
        *(side, height, width, inputs, len(weight), numbers, weight, bias, address(ranges), out)
    )
    return out


def drawn(size):
    """Whole numbers, so that tiles of them are transformed without rounding, and kernels."""
    height, width, inputs, outputs = size
    rng = np.random.default_rng(inputs)
    numbers = rng.integers(-30, 31, (height, width, inputs)).astype(np.float32)
    weight = rng.normal(0, 1, (outputs, inputs, 3, 3)).astype(np.float32)
    return numbers, weight, rng.normal(0, 50, outputs).astype(np.float32)


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize("size", MAPS, ids=str)
def test_convolutions_in_floating_point(parts, side, size):
    numbers, weight, bias = drawn(size)
    maps = torch.from_numpy(numbers).permute(2, 0, 1)[None].double()
    filters, biases = torch.from_numpy(weight).double(), torch.from_numpy(bias).double()
    wanted = torch.conv2d(maps, filters, biases, padding=1)[0].permute(1, 2, 0).numpy()
    found = run_convolution(parts, side, numbers, weight, bias)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("stride", "size"),
    [(1, (1, 1, 3, 5)), (1, (5, 7, 8, 40)), (1, (4, 2, 20, 20)), (1, (9, 6, 3, 3)),
     (2, (2, 2, 5, 12)), (2, (8, 6, 20, 33)), (2, (4, 14, 16, 16))],
    ids=str,
)  # fmt: skip
def test_separable_convolutions(parts, stride, size):
    height, width, inputs, outputs = size
    rng = np.random.default_rng(inputs)
    numbers, depth, depth_bias, point, point_bias = (
        rng.normal(0, 1, shape).astype(np.float32)
        for shape in (size[:3], (9, inputs), inputs, (outputs, inputs), outputs)
    )
    maps = torch.from_numpy(numbers).permute(2, 0, 1)[None]
    kernels = torch.from_numpy(depth.T.reshape(inputs, 1, 3, 3).copy())
    middle = torch.conv2d(maps, kernels, torch.from_numpy(depth_bias), stride, 1, groups=inputs)
    wanted = torch.from_numpy(point)[:, :, None, None]
    wanted = torch.conv2d(middle, wanted, torch.from_numpy(point_bias)).relu()
    if stride == 1 and inputs == outputs:
        wanted = wanted + maps
    out = np.full((height // stride, width // stride, outputs), np.nan, np.float32)
    parts.run_separable(
        *(stride, height, width, inputs, outputs, numbers),
        *(depth, depth_bias, point, point_bias, out),
    )
    np.testing.assert_allclose(out, wanted[0].permute(1, 2, 0).numpy(), atol=1e-4)


@pytest.mark.parametrize("side", [2, 4])
def test_the_widest_map_has_zeros_around_it(parts, side):
    numbers = np.zeros((1, 1, WIDEST), np.float32)
    numbers[..., -1] = 1  # only there, as rounding adds up
    weight = np.ones((5, WIDEST, 3, 3), np.float32)
    weight[:, :, 1, 1] = 0
    bias = np.arange(5, dtype=np.float32)
    found = run_convolution(parts, side, numbers, weight, bias)
    np.testing.assert_allclose(found, bias[None, None], atol=1e-3)


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize("size", MAPS, ids=str)
def test_convolutions_in_8_bits(parts, side, size):
    # By definition: tiles and kernels are transformed, rounded, multiplied, and transformed back.
    numbers, weight, bias = drawn(size)
    (height, width, _), reach = numbers.shape, side + 2
    inner, kernel, outer = (np.array(basis, np.float64) for basis in BASES[side])
    across, down = -(-width // side), -(-height // side)
    below, right = side * down + 1 - height, side * across + 1 - width
    padded = np.pad(numbers, ((1, below), (1, right), (0, 0)))
    # Which cut off a few, and of which no multiple lies in the middle between two whole numbers.
    ranges = np.linspace(50.17, 200.31, reach**2).astype(np.float32)
    steps = np.float64(np.float32(127) / ranges).reshape(reach, reach)
    filters = np.einsum("pi,ocij,qj->pqoc", kernel, weight.astype(np.float64), kernel)
    largest = np.abs(filters).max(-1, keepdims=True)
    filters = np.rint(filters * 127 / largest) * largest / 127
    wanted = np.empty((side * down, side * across, len(weight)))
    for y in range(0, side * down, side):
        for x in range(0, side * across, side):
            tile = padded[y : y + reach, x : x + reach].astype(np.float64)
            tile = np.einsum("pi,ijc,qj->pqc", inner, tile, inner) * steps[..., None]
            tile = np.clip(np.rint(tile), -128, 127) / steps[..., None]
            product = np.einsum("pqc,pqoc->pqo", tile, filters)
            wanted[y : y + side, x : x + side] = np.einsum("yp,pqo,xq->yxo", outer, product, outer)
    wanted = wanted[:height, :width] + bias
    found = run_convolution(parts, side, numbers, weight, bias, ranges)
    # A kernel's number that lies there is rounded by its last bit, and tells in one channel.
    off = np.abs(found - wanted) / np.abs(wanted).max()
    assert (off.max((0, 1)) > 1e-5).sum() <= 1
    assert off.max() < 0.01


def test_functions(parts):
    numbers = np.array([-1e30, -200, -126, *np.linspace(-30, 40, 141), 41, 1e30], np.float32)
    numbers = np.append(numbers, np.zeros(-len(numbers) % 16, np.float32))
    out = np.full((5, len(numbers)), np.nan, np.float32)
    parts.run_functions(len(numbers), numbers, out)
    power, sigmoid, reciprocal, larger, smaller = out.astype(np.float64)
    exact = numbers.astype(np.float64)
    # Beyond 40 it is held, so that three of them can be multiplied; below -126 it is next to zero.
    np.testing.assert_allclose(power, 2.0 ** np.clip(exact, -1e3, 40), rtol=3e-7, atol=2e-38)
    wanted = 1 / (1 + np.exp(-np.clip(exact, -40 * np.log(2), 700)))
    np.testing.assert_allclose(sigmoid, wanted, rtol=3e-6)
    regular = (exact != 0) & (np.abs(exact) < 1e20)
    np.testing.assert_allclose(reciprocal[regular], 1 / exact[regular], rtol=3e-7)
    np.testing.assert_array_equal(larger, np.maximum(exact, 1))
    np.testing.assert_array_equal(smaller, np.minimum(exact, 1))


def test_what_is_no_number_gives_way(parts):
    numbers = np.full(16, np.nan, np.float32)
    out = np.zeros((5, len(numbers)), np.float32)
    parts.run_functions(len(numbers), numbers, out)
    np.testing.assert_array_equal(out[3:], 1)


def test_sums_and_fixed_point(parts):
    numbers = np.random.default_rng(0).uniform(-1, 1, parts.lanes()).astype(np.float32)
    numbers[:2] = -1, 1
    fixed = np.full_like(numbers, np.nan)
    total = parts.run_sum(numbers, fixed)
    assert total == pytest.approx(numbers.astype(float).sum(), abs=1e-5)
    np.testing.assert_allclose(fixed, numbers, atol=2e-5)
    np.testing.assert_array_equal(fixed[:2], [-1, 1])
