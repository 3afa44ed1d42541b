"""Videos whose pixels are not square."""

import cv2
import numpy as np
import pytest
from some_videos import turned, with_pixels_of_16_to_11, write_frames

from runtime.sources import open_source
from runtime.sources.square import SquarePixels


@pytest.mark.parametrize("turn", [False, True])
def test_frames_are_as_wide_as_they_are_shown(tmp_path, turn):
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:, 16:] = 200
    path = with_pixels_of_16_to_11(write_frames(tmp_path / "a.mp4", [frame] * 3, "mp4v"))
    if turn:  # clockwise: what is at the left is at the top then, and what was wide is high
        turned(path)
    shots = list(open_source(path))
    # 64 pixels that are 16 : 11 are as wide as 93.1 square ones, the first 16 as wide as 23.3.
    assert [shot.frame.shape for shot in shots] == [(93, 48, 3) if turn else (48, 93, 3)] * 3
    along = shots[0].frame[..., 0].mean(1 if turn else 0)
    assert along[:20].max() < 20
    assert along[27:].min() > 180
    assert np.interp(100, along[20:28], np.arange(20, 28) + 0.5) == pytest.approx(23.3, abs=0.5)


class Says:
    def __init__(self, wide, high, turn=0.0):
        self._said = {cv2.CAP_PROP_SAR_NUM: wide, cv2.CAP_PROP_SAR_DEN: high}
        self._said[cv2.CAP_PROP_ORIENTATION_META] = turn

    def get(self, what):
        return self._said[what]


@pytest.mark.parametrize(
    ("said", "shape"),
    [
        ((8, 9), (480, 640)),  # NTSC DV
        ((64, 45), (480, 1024)),  # wide PAL DV, of other height
        ((4, 3, 180), (480, 960)),
        ((4, 3, 90), (640, 720)),
        ((4, 3, 270), (640, 720)),
        ((1, 1), (480, 720)),
        ((0, 1), (480, 720)),  # unknown
        ((0, 0), (480, 720)),
        ((1, 0), (480, 720)),
        ((-4, 3), (480, 720)),
        ((4, 1), (480, 2880)),
        ((5, 1), (480, 720)),  # absurd
        ((1, 4), (480, 180)),
        ((1, 5), (480, 720)),
        ((1, 65535), (480, 720)),
    ],
)
def test_ratios_of_pixels(said, shape):
    frame = np.random.default_rng(0).integers(0, 256, (480, 720, 3), dtype=np.uint8)
    got = SquarePixels(Says(*said))(frame)
    assert got.shape == (*shape, 3)
    if shape == (480, 720):
        assert got is frame
    np.testing.assert_allclose(got.mean((0, 1)), frame.mean((0, 1)), atol=1.5)


@pytest.mark.parametrize("turn", [0, 90])
def test_narrow_frames_are_averaged_and_no_side_vanishes(turn):
    frame = np.zeros((3, 8, 3), np.uint8)
    frame[:, [1, 2, 5, 6]] = 240  # two of four, and those in the middle
    turned = frame.transpose(1, 0, 2) if turn else frame
    got = SquarePixels(Says(1, 4, turn))(np.ascontiguousarray(turned))
    assert got.shape == ((2, 3, 3) if turn else (3, 2, 3))
    assert (got == 120).all()
    line = np.full((1, 9, 3) if turn else (9, 1, 3), 50, np.uint8)
    got = SquarePixels(Says(1, 4, turn))(line)
    assert got.shape == line.shape
