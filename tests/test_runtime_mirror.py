"""Videos that are stored turned and mirrored, against where each corner is to be shown."""

import itertools

import numpy as np
import pytest
from some_videos import placed, with_pixels_of_16_to_11, write_frames

from runtime.sources import open_source
from runtime.sources.mirror import mirror_of

WAYS = [(a, 0, 0, d) for a, d in itertools.product((1, -1), repeat=2)]
WAYS += [(0, b, c, 0) for b, c in itertools.product((1, -1), repeat=2)]
COLOURS = {(0, 0): (230, 20, 20), (1, 0): (20, 230, 20), (0, 1): (20, 20, 230), (1, 1): (230,) * 3}
"""Of the corners, by whether they are at the right, and at the bottom."""


def corners():
    frame = np.full((48, 64, 3), 128, np.uint8)
    for (right, bottom), colour in COLOURS.items():
        frame[bottom * 32 :, right * 48 :][:16, :16] = colour
    return frame


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wide", [False, True])
def test_every_corner_is_where_the_matrix_says(tmp_path, way, wide):
    path = write_frames(tmp_path / "a.mp4", [corners()] * 3, "mp4v")
    if wide:
        with_pixels_of_16_to_11(path)
    placed(path, *way)
    a, b, c, d = way
    frame = next(iter(open_source(path))).frame
    width = round(64 * 16 / 11) if wide else 64
    assert frame.shape == ((width, 48, 3) if b else (48, width, 3))
    assert (mirror_of(path) is None) == (a * d - b * c == 1)
    for (right, bottom), colour in COLOURS.items():
        x, y = 2 * right - 1, 2 * bottom - 1  # from the middle
        x, y = a * x + c * y, b * x + d * y
        column = frame.shape[1] - 8 if x > 0 else 7
        row = frame.shape[0] - 8 if y > 0 else 7
        np.testing.assert_allclose(frame[row, column], colour, atol=30)


def test_other_angles_and_other_files_are_left_as_they_are(tmp_path):
    path = placed(write_frames(tmp_path / "a.mp4", [corners()] * 3, "mp4v"), 0.87, -0.5, 0.5, 0.87)
    assert mirror_of(path) is None
    assert mirror_of(write_frames(tmp_path / "a.avi", [corners()] * 3)) is None
    (tmp_path / "b.mp4").write_bytes(path.read_bytes()[:100])
    assert mirror_of(tmp_path / "b.mp4") is None
