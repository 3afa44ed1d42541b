import numpy as np
import pytest
import torch

from lgrnet.finder.network import cell_middles, decode
from lgrnet.finder.targets import IGNORED, NONE, assign, finder_losses, overlap

FACES = np.array(
    [
        (20, 30, 62, 74),  # told by strides 8 and 16
        (27.5, 39.5, 40.5, 54.5),  # small, in the first one: takes a cell of it
        (80, 20, 200, 180),  # of stride 32 alone
        (150, 150, 230, 236),  # of strides 16 and 32
        (4, 200, 50, 246),  # does not count
        (40, 195, 66, 226),  # overlaps it
    ],
    np.float32,
)
COUNTS = np.array([1, 1, 1, 1, 0, 1], bool)
SIDE = 256


def cells():
    grids = [cell_middles(SIDE // s, SIDE // s, s) for s in (8, 16, 32)]
    stride = torch.cat(
        [torch.full((len(g),), float(s)) for g, s in zip(grids, (8, 16, 32), strict=True)]
    )
    return torch.cat(grids), stride


def assigned_by_hand(faces, counts, cell, stride):
    """Assign cells one by one, by the sentences of the module's docstring."""
    bounds = {8: (0, 44), 16: (26, 110), 32: (70, float("inf"))}
    targets = []
    for (x, y), step in zip(cell, stride, strict=True):
        best, best_size, near, in_other = NONE, float("inf"), False, False
        for number, (left, top, right, bottom) in enumerate(faces):
            size = ((right - left) * (bottom - top)) ** 0.5
            away = max(abs(x - (left + right) / 2), abs(y - (top + bottom) / 2))
            if not counts[number]:
                in_other |= left <= x <= right and top <= y <= bottom
                continue
            reach = max(0.8 * step, 0.16 * size)
            low, high = bounds[step]
            if away <= reach and low <= size < high:
                if size < best_size:
                    best, best_size = number, size
            elif away <= 1.6 * reach:
                near = True
        targets.append(best if best != NONE else IGNORED if near or in_other else NONE)
    return targets


def test_cells_are_assigned_as_by_a_plain_loop():
    cell, stride = cells()
    said = assign(torch.from_numpy(FACES), torch.from_numpy(COUNTS), cell, stride).numpy()
    expected = assigned_by_hand(FACES.tolist(), COUNTS, cell.tolist(), stride.tolist())
    np.testing.assert_array_equal(said, expected)
    assert set(said) == {NONE, IGNORED, 0, 1, 2, 3, 5}
    for face, strides in ((0, {8, 16}), (1, {8}), (2, {32}), (3, {16, 32})):
        assert set(stride.numpy()[said == face]) == strides


def test_without_faces_no_cell_tells_any():
    cell, stride = cells()
    assert (assign(torch.zeros(0, 4), torch.zeros(0, dtype=torch.bool), cell, stride) == NONE).all()


def test_boxes_are_compared_as_pixels_are_counted():
    # Boxes of whole pixels on a grid, counted one by one.
    boxes = [((2, 3, 12, 9), (5, 1, 15, 8)), ((0, 0, 4, 4), (10, 12, 14, 20)), ((3, 3, 9, 9),) * 2]
    for one, other in boxes:
        grid = np.zeros((2, 24, 24), bool)
        for layer, (left, top, right, bottom) in zip(grid, (one, other), strict=True):
            layer[top:bottom, left:right] = True
        common, union = (grid[0] & grid[1]).sum(), (grid[0] | grid[1]).sum()
        rows, columns = np.flatnonzero(grid.any((0, 2))), np.flatnonzero(grid.any((0, 1)))
        hull = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        left, top, right, bottom = one
        said = torch.tensor([((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)])
        iou, generalised = overlap(said, torch.tensor([other]).float())
        assert iou.item() == pytest.approx(common / union)
        assert generalised.item() == pytest.approx(common / union - (hull - union) / hull)


def test_losses_agree_with_numpy():
    rng = np.random.default_rng(1)
    outputs = [
        torch.from_numpy(rng.normal(0, 0.7, (3, 15, SIDE // s, SIDE // s))).float()
        for s in (8, 16, 32)
    ]
    points = rng.uniform(0, SIDE, (len(FACES), 5, 2)).astype(np.float32)
    pictures = [slice(0, 6), slice(2, 4), slice(0, 0)]
    boxes, marks, counts = (
        [torch.from_numpy(each[picture]) for picture in pictures]
        for each in (FACES, points, COUNTS)
    )
    said = decode(outputs)
    cell, stride = said.cell.tolist(), said.stride.tolist()
    score_sum = box_sum = points_sum = faces = 0.0
    for i, picture in enumerate(pictures):
        targets = assigned_by_hand(FACES[picture].tolist(), COUNTS[picture], cell, stride)
        for n, target in enumerate(targets):
            wanted = 0.0
            if target >= 0:
                share = 1 / targets.count(target) ** 0.5
                true = FACES[picture][target].astype(float)
                x, y, w, h = said.box[i, n].double().tolist()
                mine = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
                area = [(b[2] - b[0]) * (b[3] - b[1]) for b in (mine, true)]
                across = max(0, min(mine[2], true[2]) - max(mine[0], true[0]))
                common = across * max(0, min(mine[3], true[3]) - max(mine[1], true[1]))
                union = sum(area) - common
                hull = (max(mine[2], true[2]) - min(mine[0], true[0])) * (
                    max(mine[3], true[3]) - min(mine[1], true[1])
                )
                iou = common / union
                wanted = 0.3 + 0.7 * iou
                box_sum += share * (1 - iou + (hull - union) / hull)
                error = said.points[i, n].double().numpy() - points[picture][target]
                error = np.abs(error) / area[1] ** 0.5
                points_sum += share * np.where(
                    error < 0.02, error**2 / 0.04, error - 0.01
                ).sum()  # fmt: skip
                faces += share
            if target == IGNORED:
                continue
            p = 1 / (1 + np.exp(-float(said.score[i, n])))
            entropy = -(wanted * np.log(p) + (1 - wanted) * np.log(1 - p))
            score_sum += entropy * (wanted - p) ** 2
    losses = finder_losses(outputs, boxes, marks, counts)
    expected = np.array([score_sum, box_sum, points_sum]) / faces
    np.testing.assert_allclose([float(part) for part in losses], expected, rtol=1e-4)
    total = expected @ [1, 2, 0.6]
    assert losses.total.item() == pytest.approx(total, rel=1e-4)


def test_pictures_without_faces_still_teach():
    outputs = [torch.zeros(1, 15, SIDE // s, SIDE // s, requires_grad=True) for s in (8, 16, 32)]
    losses = finder_losses(
        outputs, [torch.zeros(0, 4)], [torch.zeros(0, 5, 2)], [torch.zeros(0, dtype=torch.bool)]
    )
    assert (float(losses.box), float(losses.points)) == (0, 0)
    losses.total.backward()
    assert all((output.grad[:, 0] > 0).all() for output in outputs)
    assert all((output.grad[:, 1:] == 0).all() for output in outputs)
