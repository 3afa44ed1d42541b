import pytest
import torch
from torch.nn import functional

from export.winograd.blocks import WORKING_SET, BlockGrid
from export.winograd.transform import BlockConv, BlockConvPool, BlockInput


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def branches_of(grid, xs):
    """Put maps of several branches, D × (B, C, h, w), into block layout."""
    return torch.cat([grid.split(x) for x in xs], dim=1)


def test_block_layout_has_cells_faces_and_blocks_where_it_says():
    grid = BlockGrid(2, 8)
    x = torch.arange(2 * 3 * 8 * 8).view(2, 3, 8, 8)
    blocks = grid.split(x)
    assert blocks.shape == (16, 1, 2, 4, 3)
    # Row 5 and column 2 are row 1, column 2 of the block in the second row, first column.
    assert torch.equal(blocks[1 * 4 + 2, 0, :, 1 * 2 + 0], x[:, :, 5, 2])


def test_a_grid_that_cannot_be_cut_is_refused():
    with pytest.raises(ValueError, match="22 cells"):
        BlockGrid(1, 22)


@pytest.mark.parametrize(("batch", "side", "count"), [(1, 44, 1), (3, 16, 2), (2, 8, 3)])
def test_convolution_equals_the_direct_one(batch, side, count):
    grid = BlockGrid(batch, side)
    xs = [torch.randn(batch, 6, side, side) for _ in range(count)]
    weights = [torch.randn(5, 6, 3, 3) / 54**0.5 for _ in range(count)]
    biases = [torch.randn(5) for _ in range(count)]

    prepared = BlockInput(grid, 6, count)(branches_of(grid, xs))
    y = BlockConv(weights, biases, batch * grid.blocks)(prepared)

    expected = [
        functional.conv2d(x, w, b, padding=1) for x, w, b in zip(xs, weights, biases, strict=True)
    ]
    torch.testing.assert_close(
        y.view(16, count, batch, grid.blocks, 5), branches_of(grid, expected), rtol=0, atol=2e-5
    )


@pytest.mark.parametrize(("batch", "side"), [(1, 44), (3, 16)])
def test_convolution_with_pooling_equals_the_direct_one(batch, side):
    grid = BlockGrid(batch, side)
    xs = [torch.randn(batch, 6, side, side) for _ in range(2)]
    weights = [torch.randn(5, 6, 3, 3) / 54**0.5 for _ in range(2)]
    biases = [torch.randn(5) for _ in range(2)]

    y = BlockConvPool(weights, biases, grid)(BlockInput(grid, 6, 2)(branches_of(grid, xs)))

    expected = [
        functional.max_pool2d(functional.conv2d(x, w, b, padding=1).relu(), 2)
        for x, w, b in zip(xs, weights, biases, strict=True)
    ]
    torch.testing.assert_close(y, torch.cat(expected, 1), rtol=0, atol=2e-5)


def test_branches_run_side_by_side_as_far_as_they_fit():
    grid = BlockGrid(1, 44)
    size = 36 * grid.blocks * 4  # of one channel
    assert grid.at_once(12, 1) == 12
    assert grid.at_once(12, WORKING_SET // size // 5) == 4  # 3 groups of 4, not 5 + 5 + 2
    assert grid.at_once(12, WORKING_SET // size + 1) == 1
