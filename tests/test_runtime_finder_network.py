"""The packaged network as face finder: how its grids are read, and what it finds."""

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import astronaut

from runtime.align import invert, transform
from runtime.finders import NetworkFinder
from runtime.finders.network import SAME, STRIDES, UNIT, read_grid


def plainly_read(grid, stride, threshold):
    """The same with loops, as `lgrnet.finder.network` describes the channels."""
    found = []
    for row in range(grid.shape[1]):
        for column in range(grid.shape[2]):
            cell = [float(each) for each in grid[:, row, column]]
            score = 1 / (1 + np.exp(-cell[0]))
            if score < threshold:
                continue
            x, y = (column + 0.5) * stride - 0.5, (row + 0.5) * stride - 0.5
            width, height = (np.exp(cell[k]) * 4 * stride for k in (3, 4))
            left = x + cell[1] * stride - width / 2
            top = y + cell[2] * stride - height / 2
            points = [
                (x + cell[5 + 2 * k] * 4 * stride, y + cell[6 + 2 * k] * 4 * stride)
                for k in range(5)
            ]
            found.append((score, (left, top, width, height), points))
    return found


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.99])
def test_a_grid_is_read_as_by_a_loop(stride, threshold):
    grid = np.random.default_rng(stride).normal(0, 1, (15, 5, 9)).clip(-3, 3).astype(np.float32)
    wanted = plainly_read(grid, stride, threshold)
    scores, boxes, points = read_grid(grid, stride, threshold)
    assert len(wanted) == len(scores)
    for have, k in ((scores, 0), (boxes, 1), (points, 2)):
        right = np.array([each[k] for each in wanted]).reshape(have.shape)
        np.testing.assert_allclose(have, right, rtol=1e-6)


def test_no_score_reaches_a_threshold_of_one():
    grid = np.full((15, 2, 2), 50, np.float32)
    assert len(read_grid(grid, 8, 1.0)[0]) == 0
    assert len(read_grid(grid, 8, 0.9)[0]) == 4


def test_sizes_stay_finite():
    grid = np.full((15, 1, 1), 1e4, np.float32)
    _, ((_, _, width, height),), _ = read_grid(grid, 8, 0.5)
    assert width == height == pytest.approx(np.exp(3) * UNIT * 8)


class FakeGrids:
    """Says the same whatever it is shown, and notes what that was."""

    def __init__(self, *faces):
        self.faces, self.shown = faces, []

    def __call__(self, picture):
        self.shown.append(picture)
        grids = []
        for stride in STRIDES:
            rows, columns = (side // stride for side in picture.shape[:2])
            grid = np.zeros((15, rows, columns), np.float32)
            grid[0] = -9
            grids.append(grid)
        for level, row, column, logit, points in self.faces:
            grids[level][:, row, column] = [logit, 0, 0, 0, 0, *np.ravel(points)]
        return grids


EYES_APART = [[-1, 0], [1, 0], [0, 1], [-1, 2], [1, 2]]


def finder_with(*faces, **settings):
    finder = NetworkFinder(**settings)
    finder._grids = FakeGrids(*faces)
    return finder


def test_the_surer_one_of_two_boxes_of_a_face_is_kept():
    faces = [(0, 4, 4, 1.0, EYES_APART), (0, 4, 5, 3.0, EYES_APART), (0, 4, 20, 2.0, EYES_APART)]
    found = finder_with(*faces).find(np.zeros((224, 400, 3), np.uint8))
    assert [round(face.score, 3) for face in found] == [0.953, 0.881]
    # Boxes of 32 pixels, 8 apart, share 24 of 40; the third lies far away.
    assert 24 / 40 > SAME
    assert [face.box[0] for face in found] == pytest.approx([43.5 - 16, 163.5 - 16])


def test_boxes_and_points_are_in_pixels_of_the_frame():
    finder = finder_with((1, 2, 3, 2.0, np.array(EYES_APART) / 8))
    (face,) = finder.find(np.zeros((800, 1600, 3), np.uint8))
    middle = (np.array([3, 2]) + 0.5) * 16 - 0.5
    np.testing.assert_allclose(face.box, [*(middle - 32) * 4, 256, 256], rtol=1e-6)
    # Points a pixel of eighth-units of 64 apart: from −8 to 8, and down to 16.
    anchors = (middle + np.array(EYES_APART) * 8) * 4
    low, high = (f(transform(anchors, face.alignment), 0) for f in (np.min, np.max))
    np.testing.assert_allclose((low + high) / 2, [99.5, 99.5], atol=1e-6)
    assert max(high - low) == pytest.approx(199 / 2.9)


def test_both_eyes_at_one_place_make_no_face():
    at_one = [[0, 0], [0, 0], [0, 1], [-1, 2], [1, 2]]
    assert finder_with((0, 4, 4, 3.0, at_one)).find(np.zeros((96, 96, 3), np.uint8)) == []


@pytest.mark.parametrize(
    ("shape", "padded"),
    [((1, 1), (64, 64)), ((20, 500), (64, 416)), ((225, 400), (256, 416)), ((96, 160), (96, 160))],
)
def test_pictures_are_continued_to_what_the_network_takes(shape, padded):
    finder = finder_with()
    finder.find(np.full((*shape, 3), 7, np.uint8))
    (picture,) = finder._grids.shown
    assert picture.shape == (*padded, 3)
    assert picture.dtype == np.uint8
    tall, wide = (min(side, 400 * side // max(*shape, 400)) for side in shape)  # 400 at most
    assert (picture[:tall, :wide] == 7).all()
    if shape != padded:
        assert (picture[-1, -1] == 128).all()  # what is added is grey


@pytest.mark.parametrize("turn", [-30, -15, 0, 15, 30])
def test_a_tilted_face_is_aligned_upright(turn):
    frame = astronaut()
    matrix = cv2.getRotationMatrix2D((225, 124), turn, 1)
    tilted = cv2.warpAffine(frame, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (upright,), (face,) = (NetworkFinder().find(picture) for picture in (frame, tilted))
    places = transform(np.array([[225.0, 124], [255, 124]]), matrix)  # in the frame and turned
    along = np.diff(transform(places, face.alignment), axis=0)[0]
    level = np.diff(transform(np.array([[225.0, 124], [255, 124]]), upright.alignment), axis=0)[0]
    angle = np.rad2deg(np.arctan2(along[1], along[0]) - np.arctan2(level[1], level[0]))
    assert abs(angle) < 0.6 * abs(turn) + 3  # it follows at least two fifths of the turn
    middle = transform(np.array([99.5, 99.5]), invert(face.alignment))
    assert np.linalg.norm(middle - transform(np.array([225.0, 124]), matrix)) < 20


def test_settings_go_to_the_clone():
    finder = NetworkFinder(threshold=0.6, search_side=640)
    other = finder.clone()
    assert (other._threshold, other._search_side) == (0.6, 640)
    assert other._grids is not finder._grids


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan")])
def test_wrong_threshold(threshold):
    with pytest.raises(ValueError, match="threshold must be above 0 and up to 1"):
        NetworkFinder(threshold=threshold)
