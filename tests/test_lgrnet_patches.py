import numpy as np
import pytest
import torch

from lgrnet.network.alignment import MEAN_FACE
from lgrnet.network.au_geometry import AU_CENTRES, MUSCLE_ORDER, muscle_order
from lgrnet.network.patches import Patches, PredefinedAttention, RefinedAttention, window_radius
from runtime.action_units import AU_NAMES

# jaanet.md 1.4, from JÂA-Net's own code: AU → two peaks (row, column), sum, cells above zero.
GOLDEN = {
    1: ((4, 22), (4, 30), 101.9231, 153),
    2: ((4, 11), (4, 41), 106.6154, 162),
    4: ((12, 15), (12, 37), 106.6154, 162),
    6: ((29, 15), (29, 37), 106.6154, 162),
    7: ((14, 18), (14, 34), 106.6154, 162),
    9: ((24, 23), (24, 29), 91.8462, 135),
    10: ((35, 23), (35, 29), 91.8462, 135),
    **dict.fromkeys((12, 14, 15), ((35, 17), (35, 35), 106.6154, 162)),
    **dict.fromkeys((17, 26), ((45, 23), (45, 29), 91.8462, 135)),
    **dict.fromkeys((23, 24, 25), ((34, 26), (39, 26), 86.4615, 126)),
}
GOLDEN_FACE = """28 34;38 28;50 27;62 29;73 33;103 33;114 29;126 27;138 28;148 34;88 50;88 64;88 78;
88 92;71 100;79 102;88 103;97 102;105 100;42 54;50 49;60 49;68 55;60 58;50 58;108 55;116 49;126 49;
134 54;126 58;116 58;58 120;70 115;80 113;88 114;96 113;106 115;118 120;109 127;98 131;88 132;
78 131;67 127;78 119;88 119;98 119;98 124;88 124;78 124"""
FACE = torch.tensor([[float(v) for v in p.split()] for p in GOLDEN_FACE.split(";")])
OURS = {5: 7, 43: 7, 20: 12, 28: 24}


def loop_over_cells(points, au, cells, crop=176):
    """Draw one map as JÂA-Net describes it, cell by cell."""
    left, right, drop = AU_CENTRES[au]
    ruler = abs(points[22][0] - points[25][0])
    radius = max(1, round((cells - 1) / 2 * 0.14))
    grid = np.zeros((cells, cells))
    for point in (points[left], points[right]):
        x = round(float(point[0]) * cells / crop)
        y = round((float(point[1]) + drop * float(ruler)) * cells / crop)
        low_x, high_x = (min(max(x + d, 0), cells - 1) for d in (-radius, radius))
        low_y, high_y = (min(max(y + d, 0), cells - 1) for d in (-radius, radius))
        for row in range(low_y, high_y + 1):
            for column in range(low_x, high_x + 1):
                value = 1 - (abs(row - y) + abs(column - x)) * 0.56 / (cells * 0.14)
                grid[row, column] = max(grid[row, column], value)
    return grid


def test_mean_face_is_the_golden_face():
    torch.testing.assert_close(torch.tensor(MEAN_FACE).float(), FACE)


@pytest.mark.parametrize("au", GOLDEN)
def test_golden_table_on_52_cells(au):
    first, second, total, nonzero = GOLDEN[au]
    grid = Patches((au,), crop_size=176, cells=52)(FACE[None])[0, 0]
    peaks = {tuple(cell) for cell in (grid == 1).nonzero().tolist()}
    assert peaks == {first, second}
    assert grid.sum().item() == pytest.approx(total, abs=1e-3)
    assert int((grid > 0).sum()) == nonzero


def test_window_on_52_cells_falls_to_five_thirteenths_at_its_corners():
    grid = Patches((7,), crop_size=176, cells=52)(FACE[None])[0, 0]
    row, column = GOLDEN[7][0]
    assert grid[row + 4, column + 4].item() == pytest.approx(5 / 13)
    assert grid[row, column + 4].item() == pytest.approx(9 / 13)
    assert grid[row, column + 5].item() == 0


@pytest.mark.parametrize(("au", "like"), OURS.items())
def test_aus_that_the_paper_does_not_use(au, like):
    assert AU_CENTRES[au] == AU_CENTRES[like]


@pytest.mark.parametrize(("cells", "radius"), [(52, 4), (44, 3), (24, 2), (16, 1), (14, 1), (8, 1)])
def test_radius(cells, radius):
    assert window_radius(cells) == radius


@pytest.mark.parametrize("cells", [52, 44, 16])
def test_maps_equal_a_loop_over_cells_also_off_the_grid(cells):
    generator = torch.Generator().manual_seed(cells)
    faces = FACE + 4 * torch.randn(6, 49, 2, generator=generator)
    faces[1] += torch.tensor([-60.0, 0.0])
    faces[2] += torch.tensor([0.0, 75.0])
    faces[3] = faces[3] * 1.6 - 50
    faces[4] += 400
    aus = muscle_order(tuple(AU_CENTRES))
    maps = Patches(aus, crop_size=176, cells=cells)(faces).numpy()
    for face, drawn in zip(faces, maps, strict=True):
        for au, grid in zip(aus, drawn, strict=True):
            expected = loop_over_cells(face.numpy(), au, cells)
            np.testing.assert_allclose(grid, expected, atol=1e-5, err_msg=f"AU {au}")


def test_halves_are_rounded_to_even():
    face = FACE.clone()
    face[21], face[26] = torch.tensor([10.0, 10.0]), torch.tensor([14.0, 14.0])  # 2.5 and 3.5 cells
    grid = Patches((7,), crop_size=176, cells=44)(face[None])[0, 0]
    assert grid[2, 2] == 1
    assert grid[4, 4] == 1


def test_landmarks_get_no_gradient():
    face = FACE[None].clone().requires_grad_()
    assert not Patches((1, 2), crop_size=176, cells=44)(face).requires_grad


def test_nan_landmarks_give_an_empty_map():
    maps = Patches((1, 12), crop_size=176, cells=44)(torch.full((1, 49, 2), torch.nan))
    assert maps.abs().sum() == 0


def test_predefined_attention_crops_four_cells_of_52():
    maps = torch.rand(2, 3, 52, 52)
    torch.testing.assert_close(PredefinedAttention(52, 44)(maps), maps[..., 4:48, 4:48])
    torch.testing.assert_close(PredefinedAttention(44, 44)(maps), maps)


@pytest.mark.parametrize("cells", [24, 16])
def test_refined_attention_is_a_network_of_each_au(cells):
    torch.manual_seed(0)
    net = RefinedAttention(aus=3, channels=4, cells=cells, grid=16).eval()
    maps = torch.rand(2, 3, cells, cells)
    refined = net(maps)
    assert refined.shape == (2, 3, 16, 16)
    assert 0 < refined.min() <= refined.max() < 1
    maps[:, 1] = 0
    changed = (net(maps) - refined).abs().amax((0, 2, 3))
    assert changed[1] > 0
    assert changed[0] == changed[2] == 0


def test_refined_attention_has_the_published_parameters():
    net = RefinedAttention(aus=1, channels=64, cells=52, grid=44)
    assert sum(p.numel() for p in net.parameters()) == 75_457


def test_muscle_order_runs_down_the_face():
    assert muscle_order((1, 2, 4, 6, 7, 10, 12, 17, 25)) == (1, 2, 4, 7, 6, 10, 12, 25, 17)


def test_every_au_has_a_name_a_place_in_the_order_and_centres():
    """Without a name no network could be exported, without centres none be trained."""
    assert sorted(MUSCLE_ORDER) == sorted(AU_CENTRES) == sorted(AU_NAMES)
