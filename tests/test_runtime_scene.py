"""Cuts: nobody goes on from one scene of a video into the next."""

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import astronaut

from runtime import Detector
from runtime.cli import DEMO_CLIP
from runtime.tracking.scene import SAME_COLOURS, SAME_LAYOUT, Scene


def street(height: int = 360, width: int = 640) -> np.ndarray:
    """Draw a scene that has nothing to do with the astronaut's."""
    picture = np.full((height, width, 3), (200, 150, 60), np.uint8)
    picture[height // 2 :] = (40, 90, 40)
    cv2.circle(picture, (width // 4, height // 3), height // 5, (20, 220, 240), -1)
    return picture


def changes(*shots: np.ndarray) -> list[bool]:
    """Show frames to one scene."""
    scene = Scene()
    return [scene.changed(shot) for shot in shots]


def test_both_layout_and_colours_are_other_behind_a_cut():
    portrait = cv2.resize(astronaut(), (640, 360))
    assert changes(portrait, portrait, street(), street(), portrait) == [
        False,
        False,
        True,
        False,
        True,
    ]


def test_a_camera_that_moves_and_light_that_changes_are_no_cuts():
    portrait = cv2.resize(astronaut(), (640, 360))
    moved = np.roll(portrait, 200, axis=1)
    dark = (portrait * 0.4).astype(np.uint8)
    red = (portrait * [0.4, 0.7, 1.0]).astype(np.uint8)
    for other in (moved, portrait[:, ::-1], dark, red):
        assert changes(portrait, other) == [False, False]


def test_frames_of_one_colour_are_passed_over():
    portrait, black = cv2.resize(astronaut(), (640, 360)), np.zeros((360, 640, 3), np.uint8)
    flash = np.full_like(black, 255)
    assert changes(black, portrait, black, flash, portrait) == [False] * 5
    assert changes(portrait, black, black, street()) == [False, False, False, True]


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (63, 700), (2160, 3840)])
def test_frames_of_any_size(size):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert changes(noise, noise) == [False, False]


def test_what_is_compared_is_as_computed_by_plain_loops():
    """At the bounds: brightness by blocks, and colours by counting."""
    rng = np.random.default_rng(1)
    for _ in range(40):
        first = rng.integers(0, 256, (16, 16, 3), np.uint8)
        share = rng.uniform(0.3, 1.0)
        second = np.where(rng.random((16, 16, 1)) < share, first, first // 3 * 2 + 60)
        second = np.roll(second, rng.integers(0, 2), axis=0).astype(np.uint8)
        one, two = first.sum(2).ravel().astype(float), second.sum(2).ravel().astype(float)
        layout = np.corrcoef(one, two)[0, 1]
        counts = [{}, {}]
        for count, picture in zip(counts, (first, second), strict=True):
            for pixel in picture.reshape(-1, 3):
                bin_of = tuple(int(value) // 32 for value in pixel)
                count[bin_of] = count.get(bin_of, 0) + 1
        common = sum(min(number, counts[1].get(at, 0)) for at, number in counts[0].items()) / 256
        expected = layout < SAME_LAYOUT and common < SAME_COLOURS
        assert changes(first, second)[1] == expected, (layout, common)


def test_three_people_of_the_demo_clip_have_three_numbers():
    with Detector() as detector:
        results = list(detector.stream(str(DEMO_CLIP)))
    first_of = {}
    for result in results:
        for face in result:
            first_of.setdefault(face.id, result.index)
    assert first_of == {0: 0, 1: 72, 2: 144}
    assert [(result.index, result.ended) for result in results if result.ended] == [
        (72, (0,)),
        (144, (1,)),
    ]
