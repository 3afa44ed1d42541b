import cv2
import numpy as np
import pytest
from test_runtime_fixtures import MEAN_FACE

from runtime.align import (
    alignment_matrix,
    anchor_matrix,
    crop_matrix,
    invert,
    sampling,
    transform,
    warp,
)
from runtime.landmarks import CONTOURS, MIRROR, eye_centres, flip, inter_ocular

LOW, HIGH = 65.18966, 133.81034


def turned(degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * MEAN_FACE @ rotation.T + shift


def anchors_of(points: np.ndarray) -> np.ndarray:
    return np.stack(
        [points[19:25].mean(0), points[25:31].mean(0), points[13], points[31], points[37]]
    )


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (25, 0.3), (-40, 3.7), (180, 1.1)])
def test_longer_side_of_anchors_lands_on_the_square(degrees, scale):
    points = turned(degrees, scale, (31.5, -7))
    points[31:43, 1] += 3 * scale
    aligned = anchors_of(transform(points, alignment_matrix(points)))
    low, high = aligned.min(0), aligned.max(0)
    axis = np.argmax(high - low)
    np.testing.assert_allclose([low[axis], high[axis]], [LOW, HIGH], atol=1e-5)
    np.testing.assert_allclose((low + high) / 2, [99.5, 99.5], atol=1e-5)


@pytest.mark.parametrize("degrees", [0, 17, -63])
def test_eyes_end_up_level_and_the_matrix_is_a_similarity(degrees):
    points = turned(degrees, 2.2, (5, 9))
    matrix = alignment_matrix(points)
    left, right = eye_centres(transform(points, matrix))
    assert left[1] == pytest.approx(right[1])
    assert left[0] < right[0]
    linear = matrix[:, :2]
    np.testing.assert_allclose(linear @ linear.T, np.linalg.det(linear) * np.eye(2), atol=1e-12)
    assert np.linalg.det(linear) > 0


def test_anchors_alone_give_the_same_matrix():
    points = turned(12, 1.7, (50, 60))
    np.testing.assert_allclose(anchor_matrix(anchors_of(points)), alignment_matrix(points))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((68, 2)), r"\(49, 2\), got \(68, 2\)"),
        (np.full((49, 2), np.nan), "finite"),
        (np.ones((49, 2)), "both at one place"),
    ],
)
def test_impossible_landmarks_are_refused(points, message):
    with pytest.raises(ValueError, match=message):
        alignment_matrix(points)


def test_inverse_undoes():
    matrix = alignment_matrix(turned(33, 0.8, (1, 2)))
    np.testing.assert_allclose(transform(transform(MEAN_FACE, matrix), invert(matrix)), MEAN_FACE)


def test_crop_is_the_middle_of_the_aligned_image():
    rng = np.random.default_rng(0)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (300, 300, 3), np.uint8), (0, 0), 3)
    matrix = alignment_matrix(turned(10, 1.1, (40, 30)))
    crop = warp(frame, crop_matrix(matrix), 176).astype(int)
    np.testing.assert_allclose(crop, warp(frame, matrix, 200)[12:188, 12:188], atol=1)


def test_warp_samples_where_the_matrix_says():
    y, x = np.mgrid[0:240, 0:240]
    frame = np.stack([x, y, np.full_like(x, 7)], -1).astype(np.uint8)
    matrix = alignment_matrix(turned(20, 0.9, (60, 30)))
    face = warp(frame, matrix, 200).astype(float)
    for column, row in [(100, 100), (60, 80), (140, 120)]:
        expected = transform(np.array([column, row], float), invert(matrix))
        np.testing.assert_allclose(face[row, column], [*expected, 7], atol=1)


@pytest.mark.parametrize("scale", [0.5, 0.31, 0.07])
def test_shrinking_averages_and_stays_in_place(scale):
    side = 2000
    ramp = np.linspace(0, 255, side)
    frame = np.stack([np.broadcast_to(ramp, (side, side))] * 3, -1).round().astype(np.uint8)
    frame[..., 1] = frame[..., 0].T
    frame[..., 2] = (np.indices((side, side)).sum(0) % 2) * 255
    middle = np.array([900.0, 1100.0])
    matrix = np.hstack([scale * np.eye(2), (60 - scale * middle)[:, None]])
    small = warp(frame, matrix, 120).astype(float)
    for column, row in [(60, 60), (50, 71), (66, 55)]:
        x, y = transform(np.array([column, row], float), invert(matrix)) * 255 / (side - 1)
        np.testing.assert_allclose(small[row, column, :2], [x, y], atol=1)
    # A one-pixel checkerboard is grey from afar; sampled without averaging it is not.
    assert abs(small[50:70, 50:70, 2] - 127.5).max() <= 30


def test_what_is_averaged_is_not_moved_by_half_a_pixel():
    ramp = 4 * np.arange(60, dtype=np.uint8)
    frame = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (60, 60, 3)))
    small = warp(frame, np.array([[0.2, 0, 0], [0, 0.2, 0]]), 12).astype(int)
    np.testing.assert_allclose(small[6, 2:10, 0], 20 * np.arange(2, 10), atol=1)


def test_the_edge_of_what_is_averaged_is_of_the_frame():
    frame = np.full((400, 400, 3), 255, np.uint8)
    assert (warp(frame, np.array([[0.2, 0, -20], [0, 0.2, -20]]), 40) == 255).all()


@pytest.mark.parametrize(("scale", "factor"), [(0.6, 1), (0.5, 2), (0.35, 2), (0.33, 3)])
def test_no_square_is_larger_than_a_pixel_of_the_output(scale, factor):
    how = sampling((900, 700), np.array([[scale, 0, 0], [0, scale, 0]]), 176)
    assert how.factor == factor


@pytest.mark.parametrize("degrees", [45, 90, 135, 180])
def test_all_of_a_turned_face_is_averaged(degrees):
    angle = np.radians(degrees)
    linear = 0.25 * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.hstack([linear, (20 - linear @ [300, 300])[:, None]])
    assert (warp(np.full((600, 600, 3), 255, np.uint8), matrix, 40) == 255).all()


def test_outside_the_frame_is_grey():
    frame = np.zeros((4, 4, 3), np.uint8)
    assert (warp(frame, np.array([[1.0, 0, 500], [0, 1.0, 500]]), 20) == 128).all()
    assert (warp(frame, np.array([[0.01, 0, 500], [0, 0.01, 500]]), 20) == 128).all()


def test_mirror_is_an_involution_that_keeps_the_shape():
    np.testing.assert_array_equal(MIRROR[MIRROR], np.arange(49))
    np.testing.assert_allclose(flip(flip(MEAN_FACE, 176), 176), MEAN_FACE)
    np.testing.assert_allclose(flip(MEAN_FACE, 176), MEAN_FACE, atol=0.11)


def test_contours_use_every_point_once():
    used = [index for indices, _ in CONTOURS for index in indices]
    assert sorted(used) == list(range(49))


def test_inter_ocular_is_the_distance_of_the_eye_centres():
    points = np.zeros((2, 49, 2))
    points[1, 25:31] = [3, 4]
    np.testing.assert_allclose(inter_ocular(points), [0, 5])
