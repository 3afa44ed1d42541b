"""Faces cut out of a frame on the GPU, in Triton's interpreter, against OpenCV on the CPU."""

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

from as_warp import assert_as_warp

from export.cuda.interpret import run_kernel
from export.cuda.tiles import blocks_of
from runtime.align import BORDER, sampling, warp
from runtime.cuda.frame import describe, read_bounds

SIDE = 24


def similarity(scale, degrees, source, target=(SIDE / 2, SIDE / 2)):
    """Turn and scale about a point of the frame, which lands on one of the output."""
    cos, sin = (f(np.radians(degrees)) * scale for f in (np.cos, np.sin))
    linear = np.array([[cos, sin], [-sin, cos]])
    return np.hstack([linear, (np.array(target) - linear @ source)[:, None]])


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def cut(frame, matrices, margin=(0, 0, 0, 0)):
    """Run the kernel on a frame whose edges are cut off by (left, top, right, bottom)."""
    height, width = frame.shape[:2]
    left, top, right, bottom = margin
    part = (left, top, width - right, height - bottom)
    inner = np.ascontiguousarray(frame[part[1] : part[3], part[0] : part[2]])
    table = []
    for matrix in matrices:
        how = sampling((width, height), matrix, SIDE)
        table.append(describe(how, part, read_bounds(how, matrix, SIDE)))
    table = torch.from_numpy(np.stack([*table, np.zeros(16)]))  # and a face that is not there
    out = torch.full((len(table), SIDE, SIDE, 3), 77, dtype=torch.uint8)
    grid = (blocks_of(SIDE**2, 512), len(table), 1)
    constants = {"SIDE": SIDE, "GREY": BORDER[0], "BLOCK": 512}
    run_kernel("cut", grid, [torch.from_numpy(inner.ravel()), table, out], constants)
    assert (out[-1] == BORDER[0]).all()
    return out[:-1].numpy()


@pytest.mark.parametrize(
    ("scale", "degrees"),
    [(2.7, 31), (1.0, 0), (0.83, -140), (0.51, 7), (0.5, 0), (0.31, 31), (0.21, 80)],
)
def test_every_number_is_opencvs(scale, degrees):
    frame = noise(300, 410)
    matrices = [
        similarity(scale, degrees, (200.3, 148.9)),
        similarity(scale, -degrees - 90, (408, 296)),  # over two edges of the frame
    ]
    got = cut(frame, matrices)
    for face, matrix in zip(got, matrices, strict=True):
        assert_as_warp(face, frame, matrix, SIDE)
    assert (got[1] == BORDER[0]).all(-1).any(), "no edge was met"
    assert got[0].std() > 5


@pytest.mark.parametrize("scale", [1.3, 0.31])
def test_mirrored_faces_are_cut_out_as_well(scale):
    """A flip test asks for these, see `runtime.backends.flip_test`."""
    frame = noise(200, 260)
    matrix = similarity(scale, 25, (120.4, 97.2))
    mirrored = np.array([[-1.0, 0, SIDE - 1], [0, 1, 0]]) @ np.vstack([matrix, [0, 0, 1]])
    (face,) = cut(frame, [mirrored])
    assert_as_warp(face, frame, mirrored, SIDE)
    if scale > 0.5:  # OpenCV rounds places to 1/32 of a pixel, which is another one in the mirror
        assert np.abs(face[:, ::-1].astype(int) - warp(frame, matrix, SIDE)).max() <= 16


@pytest.mark.parametrize("shift", [0, 1 / 64, 0.5, 127 / 4096])
def test_coordinates_that_lie_between_two_steps(shift):
    """Halves of a step of 1/1024, and places that OpenCV's 1/32 of a pixel cannot tell."""
    frame = noise(40, 40)
    matrix = np.array([[1.0, 0, -4 - shift], [0, 1.0, -7 + shift]])
    assert_as_warp(cut(frame, [matrix])[0], frame, matrix, SIDE)
    zoomed = np.array([[0.5 / (0.5 + 1 / 2048), 0, shift], [0, 0.5 / (0.5 + 1 / 2048), 0]])
    assert_as_warp(cut(frame, [zoomed])[0], frame, zoomed, SIDE)


@pytest.mark.parametrize("factor", [2, 4])
def test_averages_that_lie_between_two_numbers(factor):
    """Of 2 × 2 pixels halves go up, of 4 × 4 to the even neighbour."""
    sums = np.arange(SIDE**2).reshape(SIDE, SIDE) % 200 * factor**2 + factor**2 // 2
    frame = np.zeros((SIDE * factor, SIDE * factor, 3), np.uint8)
    for i in range(factor):
        for j in range(factor):
            frame[i::factor, j::factor] = ((sums + i * factor + j) // factor**2)[..., None]
    squares = frame[..., 0].reshape(SIDE, factor, SIDE, factor)
    np.testing.assert_array_equal(squares.sum((1, 3)), sums)
    matrix = np.array([[1 / factor, 0, 0], [0, 1 / factor, 0]])
    assert_as_warp(cut(frame, [matrix])[0], frame, matrix, SIDE)


@pytest.mark.parametrize("matrix", [[[1.0, 0, 5e8], [0, 1.0, 0]], [[0.01, 0, 500], [0, 0.01, 500]]])
def test_a_face_beyond_the_frame_is_grey(matrix):
    assert (cut(noise(30, 30), [np.array(matrix)]) == BORDER[0]).all()


def test_only_the_part_that_the_face_lies_in_is_read():
    frame = noise(200, 200)
    for scale in (1.3, 0.4):
        matrix = similarity(scale, 20, (100, 100))
        how = sampling((200, 200), matrix, SIDE)
        x0, x1, y0, y1 = (each * how.factor for each in read_bounds(how, matrix, SIDE))
        left, top = how.left + x0, how.top + y0
        margin = (left, top, 200 - how.left - x1, 200 - how.top - y1)
        assert min(margin) > 20
        assert_as_warp(cut(frame, [matrix], margin)[0], frame, matrix, SIDE)
