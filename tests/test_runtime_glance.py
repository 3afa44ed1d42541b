"""What is seen in a face's place from one frame to the next."""

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import astronaut

from runtime.tracking.glance import SIDE, alike, glance

MATRIX = np.array([[0.9, 0.1, -150.0], [-0.1, 0.9, 20.0]])


def test_it_is_the_aligned_face_in_small():
    frame = cv2.GaussianBlur(astronaut(), (0, 0), 6)
    seen = glance(frame, MATRIX).reshape(SIDE, SIDE)
    scaled = MATRIX * (SIDE / 200)
    scaled[:, 2] += SIDE / 200 / 2 - 0.5  # middles of pixels
    small = cv2.warpAffine(frame, scaled, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    grey = small.sum(2).astype(float).ravel()
    assert np.corrcoef(grey, seen.ravel())[0, 1] > 0.97
    assert np.linalg.norm(seen) == pytest.approx(1, abs=1e-5)
    assert abs(seen.mean()) < 1e-6


def test_a_face_that_moves_is_alike_and_what_comes_behind_a_cut_is_not():
    frame = astronaut()
    turned = cv2.warpAffine(frame, np.array([[1.0, 0.05, 8], [-0.05, 1.0, -5]]), frame.shape[1::-1])
    dim = (frame * 0.5).astype(np.uint8)
    for other in (turned, dim):
        assert alike(glance(frame, MATRIX), glance(other, MATRIX))
    for other in (frame[::-1], np.zeros_like(frame), np.full_like(frame, 200)):
        assert not alike(glance(frame, MATRIX), glance(other, MATRIX))


def test_places_outside_the_frame_are_those_at_its_edge():
    frame = astronaut()
    far = MATRIX + np.array([0, 0, 5000])
    assert not glance(frame, far).any(), "one corner, all over"
    assert glance(frame[:40, :40], MATRIX).shape == (SIDE * SIDE,)


@pytest.mark.parametrize(("height", "width"), [(240, 640), (640, 240)])
def test_all_of_a_wide_and_of_a_high_frame_is_looked_at(height, width):
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    x, y = width - 210, height - 210
    there = glance(frame, np.array([[1.0, 0, -x], [0, 1.0, -y]]))
    np.testing.assert_array_equal(there, glance(frame[y:, x:], np.eye(2, 3)))
    assert there.any()


def test_noise_on_one_colour_tells_nothing():
    frame = np.full((240, 240, 3), 120, np.uint8)
    frame[::2, ::2, 0] += 1
    frame[100, 100] = 121
    assert not glance(frame, np.eye(2, 3)).any()
