"""What somebody looks like, roughly."""

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import astronaut

from runtime.align import ALIGNED_SIZE, invert
from runtime.tracking.portrait import LIKE, SIDE, difference, portrait

MATRIX = np.array([[0.9, 0.1, -150.0], [-0.1, 0.9, 20.0]])


def test_it_is_the_aligned_face_in_small():
    frame = cv2.GaussianBlur(astronaut(), (0, 0), 6)
    aligned = cv2.warpAffine(
        frame, MATRIX, (ALIGNED_SIZE, ALIGNED_SIZE), borderMode=cv2.BORDER_REPLICATE
    )
    wanted = cv2.resize(aligned, (SIDE, SIDE), interpolation=cv2.INTER_AREA) / 255
    made = portrait(frame, MATRIX)
    assert made.shape == (SIDE, SIDE, 3)
    assert made.dtype == np.float32
    assert abs(made - wanted).mean() < 0.01
    np.testing.assert_allclose(made, wanted, atol=0.06)


def test_a_face_that_moves_looks_alike_and_another_does_not():
    frame = astronaut()
    turned = cv2.warpAffine(frame, np.array([[1.0, 0.05, 8], [-0.05, 1.0, -5]]), frame.shape[1::-1])
    here = portrait(frame, MATRIX)
    assert difference(here, here) == 0
    for other in (turned, (frame * 0.8).astype(np.uint8)):
        assert difference(here, portrait(other, MATRIX)) < LIKE
    for other in (frame[::-1], 255 - frame, frame[:, ::-1]):
        assert difference(here, portrait(other, MATRIX)) > LIKE


def test_places_outside_the_frame_are_those_at_its_edge():
    frame = astronaut()
    far = portrait(frame, MATRIX + np.array([0, 0, 5000]))
    np.testing.assert_allclose(far, np.broadcast_to(frame[0, 0] / 255, far.shape), atol=0.5)
    assert np.ptp(far, (0, 1)).max() == 0
    assert portrait(frame[:1, :1], MATRIX) == pytest.approx(np.tile(frame[0, 0] / 255, (8, 8, 1)))


@pytest.mark.parametrize(("height", "width"), [(240, 640), (640, 240)])
def test_rows_and_columns_are_not_exchanged(height, width):
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 2, :, 1], frame[:, : width // 2, 2] = 200, 100
    onto = np.array([[200 / width, 0, 0], [0, 200 / height, 0]])
    made = portrait(frame, onto) * 255
    np.testing.assert_allclose(invert(onto)[[0, 1], [0, 1]], [width / 200, height / 200])
    assert (made[:4, :, 1] == 200).all()
    assert not made[4:, :, 1].any()
    assert (made[:, :4, 2] == 100).all()
    assert not made[:, 4:, 2].any()
