import pytest
import torch
from torch import nn

from lgrnet.network.region import RegionLayer, RegionUnit, Stem, from_tiles, to_tiles


def tile_convolution(layer, index):
    """Return the convolution of one tile as a module of its own."""
    groups = layer.tiles**2
    outputs = layer.conv.out_channels // groups
    conv = nn.Conv2d(layer.conv.in_channels // groups, outputs, 3, padding=1)
    rows = slice(index * outputs, (index + 1) * outputs)
    conv.weight.data.copy_(layer.conv.weight[rows])
    conv.bias.data.copy_(layer.conv.bias[rows])
    return conv


def tile_norm(layer, index):
    """Return the batch norm of one tile as a module of its own."""
    inputs = layer.conv.in_channels // layer.tiles**2
    norm = nn.BatchNorm2d(inputs)
    rows = slice(index * inputs, (index + 1) * inputs)
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(norm, name).data.copy_(getattr(layer.norm, name)[rows])
    return norm.train(layer.training)


def loop_over_tiles(layer, x):
    """Compute a region layer as JÂA-Net describes it: cut, BN-ReLU-conv of each tile, stitch."""
    g = layer.tiles
    rows = []
    for row, band in enumerate(x.chunk(g, dim=2)):
        tiles = []
        for column, tile in enumerate(band.chunk(g, dim=3)):
            index = row * g + column
            tiles.append(tile_convolution(layer, index)(tile_norm(layer, index)(tile).relu()))
        rows.append(torch.cat(tiles, dim=3))
    return torch.cat(rows, dim=2)


def randomise(module):
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if "var" in name else tensor.normal_()


@pytest.mark.parametrize("tiles", [2, 4, 8])
@pytest.mark.parametrize("training", [True, False])
def test_region_layer_equals_loop_over_tiles(tiles, training):
    torch.manual_seed(tiles)
    layer = RegionLayer(4, 3, tiles).train(training)
    randomise(layer)
    x = torch.randn(3, 4, 16, 24)
    with torch.no_grad():
        expected = loop_over_tiles(layer, x)
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_tiles_are_row_major_and_come_back():
    x = torch.arange(2 * 3 * 4 * 8.0).view(2, 3, 4, 8)
    tiles = to_tiles(x, 2)
    assert tiles.shape == (2, 12, 2, 4)
    torch.testing.assert_close(tiles[:, 3:6], x[:, :, :2, 4:])  # row 0, column 1
    torch.testing.assert_close(tiles[:, 6:9], x[:, :, 2:, :4])  # row 1, column 0
    torch.testing.assert_close(from_tiles(tiles, 2), x)


def test_no_information_crosses_a_tile_border():
    layer = RegionLayer(2, 2, tiles=2).eval()
    x = torch.randn(1, 2, 8, 8)
    changed = x.clone()
    changed[..., :4, :4] += 1
    difference = (layer(changed) - layer(x)).abs().sum((0, 1))
    assert difference[:4, :4].min() > 0
    assert difference[4:].max() == 0
    assert difference[:, 4:].max() == 0


def test_region_unit_adds_the_three_scales_to_the_first_convolution():
    torch.manual_seed(0)
    unit = RegionUnit(3, 8).eval()
    randomise(unit)
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        start = unit.conv(x)
        fine = loop_over_tiles(unit.fine, start)
        middle = loop_over_tiles(unit.middle, fine)
        coarse = loop_over_tiles(unit.coarse, middle)
        assert [y.shape[1] for y in (fine, middle, coarse)] == [4, 2, 2]
        expected = unit.norm(start + torch.cat([fine, middle, coarse], 1)).relu()
        torch.testing.assert_close(unit(x), expected, rtol=1e-3, atol=1e-3)
    assert [unit.fine.tiles, unit.middle.tiles, unit.coarse.tiles] == [8, 4, 2]


def test_stem_has_the_published_parameters():
    count = [sum(p.numel() for p in unit.parameters()) for unit in Stem((32, 64))]
    assert count == [322_464, 0, 1_292_928, 0]


def test_stem_quarters_the_side_and_a_stride_halves_it_again():
    x = torch.randn(1, 3, 64, 64)
    assert Stem((4, 8))(x).shape == (1, 8, 16, 16)
    assert Stem((4, 8), stride=2)(x).shape == (1, 8, 8, 8)
