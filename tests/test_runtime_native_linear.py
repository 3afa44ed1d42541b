"""The native engine's matrix products, for each instruction set, against NumPy's."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

from runtime.native import library
from runtime.native.compile import FLAGS, CompileError, compiler

SOURCE = Path(__file__).with_name("native_linear.cpp")

SIZES = [(1, 3, 5), (6, 32, 64), (7, 27, 24), (13, 40, 100), (24, 64, 8), (37, 12, 33)]
"""Rows, inputs and outputs: blocks of every height, one to four vectors wide, filled and not."""


@pytest.fixture(scope="module", params=list(library.TARGETS))
def run_linear(request, tmp_path_factory):
    """Compile the layer; skip what does not run here, after it has compiled."""
    if request.param not in library.targets():
        pytest.skip(f"{request.param} is not for this kind of processor")
    try:
        command = compiler()
    except CompileError as error:
        pytest.skip(str(error))
    path = tmp_path_factory.mktemp("linear") / "linear.so"
    options = [*FLAGS, *library.TARGETS[request.param], f"-I{library.ENGINE}"]
    subprocess.run([*command, *options, str(SOURCE), "-o", str(path)], check=True)
    opened = ctypes.CDLL(str(path))
    if not opened.lgrnet_runs_here():
        pytest.skip(f"{request.param} compiles, and this processor lacks it")
    arrays = [np.ctypeslib.ndpointer(np.float32)] * 3
    opened.run_linear.argtypes = [*[ctypes.c_int] * 3, *arrays, ctypes.c_void_p, arrays[0]]

    def run(numbers, weight, bias, limit=None):
        (rows, inputs), outputs = numbers.shape, len(weight)
        out = np.full((rows, outputs), np.nan, np.float32)
        limit = None if limit is None else ctypes.byref(ctypes.c_float(limit))
        opened.run_linear(rows, inputs, outputs, numbers, weight, bias, limit, out)
        return out

    return run


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
def test_equals_numpy(run_linear, size, limit):
    numbers, weight, bias = whole_numbers(size)
    wanted = numbers.astype(int) @ weight.T.astype(int) + bias.astype(int)
    np.testing.assert_array_equal(run_linear(numbers, weight, bias, limit), wanted)


def test_largest_products_do_not_overflow(run_linear):
    # Pairs of them are beyond 16 bits.
    numbers, weight = np.full((8, 256), 127, np.float32), np.full((16, 256), 127, np.float32)
    numbers[1::2] *= -1
    out = run_linear(numbers, weight, np.zeros(16, np.float32), 127)
    np.testing.assert_array_equal(out, np.repeat(numbers[:, :1] * 127 * 256, 16, 1))


def test_inputs_are_rounded_and_cut_off(run_linear):
    numbers = np.array([[-1e4], [-128.6], [-3.4], [0.6], [126.7], [127.6], [1e4]], np.float32)
    out = run_linear(numbers, np.full((1, 1), 127, np.float32), np.zeros(1, np.float32), 127)
    np.testing.assert_array_equal(out[:, 0] / 127, [-128, -128, -3, 1, 127, 127, 127])
