import pytest
import torch
from tiny_network import tiny_network

from export.winograd.blocks import BlockGrid
from export.winograd.drives import GATES, SparseDrives
from export.winograd.windows import BlockPatches, Windows
from lgrnet.network.alignment import MEAN_FACE
from lgrnet.network.au_geometry import MUSCLE_ORDER
from lgrnet.network.patches import Patches, PredefinedAttention
from lgrnet.network.relation import Recurrence

SETTINGS = [(44, 44), (44, 52), (16, 16), (16, 24), (8, 8)]
"""Cells of F and of the grid on which the maps are made, along a side."""


def landmark_sets():
    """Return faces as they should be, off the image on every side, and shrunk to a point."""
    face = torch.tensor(MEAN_FACE).float()
    generator = torch.Generator().manual_seed(0)
    moved = [face + torch.tensor([x, y]) for x in (-120.0, 0.0, 130.0) for y in (-150.0, 90.0)]
    shrunk = [88 + (face - 88) * scale for scale in (0.0, 0.2, 0.5)]
    wild = [face + 60 * torch.randn(49, 2, generator=generator) for _ in range(20)]
    halves = [(face / 4).round() * 4 + 2.0, (face / 4).round() * 4 - 2.0]  # between two cells of 44
    return torch.stack([face, *moved, *shrunk, *wild, *halves])


def shared_patches(side, cells, batch=1):
    patches = Patches(MUSCLE_ORDER, 176, cells)
    return BlockPatches(patches, MUSCLE_ORDER, BlockGrid(batch, side)), patches


def maps_of(patches, side, cells, landmarks):
    return PredefinedAttention(cells, side)(patches(landmarks))  # (B, n, h, w)


@pytest.mark.parametrize(("side", "cells"), SETTINGS)
def test_maps_are_exactly_those_of_the_network(side, cells):
    landmarks = landmark_sets()
    shared, patches = shared_patches(side, cells, len(landmarks))
    maps, _ = shared(landmarks)
    expected = maps_of(patches, side, cells, landmarks)
    assert shared.count < len(MUSCLE_ORDER)
    for au, patch in enumerate(shared.of_au):
        blocks = shared.grid.split(expected[:, au : au + 1])  # (16, 1, B, T², 1)
        assert torch.equal(maps[:, :, patch], blocks[:, 0, :, :, 0])


@pytest.mark.parametrize(("side", "cells"), SETTINGS)
def test_windows_are_different_blocks_that_hold_all_a_convolution_reaches(side, cells):
    landmarks = landmark_sets()
    shared, patches = shared_patches(side, cells, len(landmarks))
    chosen = Windows(shared).choose(shared.centres(landmarks))  # (B, U, k)
    maps = maps_of(patches, side, cells, landmarks)
    reached = torch.nn.functional.max_pool2d(maps, 3, 1, 1) > 0  # (B, n, h, w)
    blocks = torch.nn.functional.max_pool2d(reached.float(), 4).flatten(2)  # (B, n, T²)
    for au, patch in enumerate(shared.of_au):
        for face in range(len(landmarks)):
            listed = chosen[face, patch].tolist()
            assert len(set(listed)) == len(listed)
            assert set(blocks[face, au].nonzero().flatten().tolist()) <= set(listed)


def test_windows_are_few():
    shared, _ = shared_patches(44, 44)
    assert Windows(shared).blocks == 2 * 3 * 3  # of 121


@pytest.mark.parametrize(("side", "cells"), SETTINGS)
@pytest.mark.parametrize("groups", [[[0, 1]], [[0], [1]]], ids=["side by side", "one by one"])
def test_sparse_drives_equal_the_convolution_of_the_whole_patches(side, cells, groups):
    landmarks = landmark_sets()[::3]
    batch = len(landmarks)
    aus = (1, 4, 12, 14, 25)
    patches, grid = Patches(aus, 176, cells), BlockGrid(batch, side)
    shared = BlockPatches(patches, aus, grid)
    torch.manual_seed(0)
    relation = Recurrence(len(aus), 6, skip=True)
    feature = torch.randn(batch, 6, side, side)
    orders = [shared.of_au, shared.of_au[::-1]]

    with torch.inference_mode():
        drives = SparseDrives(relation, shared)(
            grid.split(feature),
            shared.centres(landmarks),
            [[orders[way] for way in group] for group in groups],
        )
        maps = maps_of(patches, side, cells, landmarks)
        for group, steps in zip(groups, drives, strict=True):
            for step, drive in enumerate(steps):
                rows = 16 * len(group) * batch * grid.blocks
                found = drive.add([torch.zeros(rows, 6)] * GATES)
                for place, way in enumerate(group):
                    direction = (relation.downward, relation.upward)[way]
                    au = step if way == 0 else len(aus) - 1 - step
                    whole = direction.cell.from_input(feature * maps[:, au : au + 1])
                    for gate, part in zip(found, whole.chunk(GATES, 1), strict=True):
                        gate = gate.view(16, len(group), batch, grid.blocks, 6)[:, place]
                        torch.testing.assert_close(gate, grid.split(part)[:, 0], rtol=0, atol=1e-5)


def test_patches_of_a_network_are_taken_over():
    model = tiny_network()
    shared = BlockPatches(model.patches, (1, 6, 12, 14, 25), BlockGrid(1, 16))
    assert shared.of_au == [0, 1, 2, 2, 3]
