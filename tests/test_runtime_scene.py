"""Cuts: nobody goes on from one scene of a video into the next."""

import cv2
import numpy as np
import pytest
from native_engine import require_native
from test_runtime_fixtures import astronaut

from runtime import Detector
from runtime.packaged import DEMO_CLIP
from runtime.tracking.scene import SAME_COLOURS, SAME_LAYOUT, View

SIZE = (640, 360)


def street() -> np.ndarray:
    """Draw a scene that has nothing to do with the astronaut's."""
    picture = np.full((360, 640, 3), (200, 150, 60), np.uint8)
    picture[180:] = (40, 90, 40)
    cv2.circle(picture, (160, 120), 72, (20, 220, 240), -1)
    return picture


def portrait() -> np.ndarray:
    return cv2.resize(astronaut(), SIZE)


def changed(before: np.ndarray, now: np.ndarray) -> bool:
    return View(now).is_another_scene(View(before))


def clip() -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(DEMO_CLIP))
    frames = []
    while (step := capture.read())[0]:
        frames.append(step[1])
    return frames


def people(frames, **settings) -> list[tuple[int, ...]]:
    """Numbers of the faces of each frame."""
    require_native()
    with Detector("edge-native", threads=1, **settings) as detector:
        return [tuple(face.id for face in detector.track(frame)) for frame in frames]


def test_both_layout_and_colours_are_other_behind_a_cut():
    assert changed(portrait(), street())
    assert changed(street(), portrait())
    assert not View(street()).is_same_scene(View(portrait()))
    assert View(portrait()).is_same_scene(View(portrait()))


def test_a_camera_that_moves_and_light_that_changes_are_no_cuts():
    moved = np.roll(portrait(), 200, axis=1)
    red = (portrait() * [0.4, 0.7, 1.0]).astype(np.uint8)
    for other in (moved, portrait()[:, ::-1], portrait() // 3, red):
        assert not changed(portrait(), other)
        assert not changed(other, portrait())


@pytest.mark.parametrize("levels", [(160, 156), (162, 157), (160, 150), (96, 95), (33, 31)])
def test_a_wall_may_change_a_little_while_somebody_leans(levels):
    """At the edge of a bin of the colours, too."""
    head = cv2.resize(astronaut()[20:220, 120:320], (200, 200))
    pictures = []
    for level, x in zip(levels, (40, 330), strict=True):
        picture = np.full((360, 640, 3), level, np.uint8)
        picture[120:320, x : x + 200] = head
        pictures.append(picture)
    assert not changed(*pictures)


def test_black_bars_are_left_out():
    for inner in (np.s_[:, 220:423], np.s_[45:315]):
        boxed = [np.zeros((360, 640, 3), np.uint8) for _ in range(2)]
        for canvas, picture in zip(boxed, (portrait(), street()), strict=True):
            canvas[inner] = picture[inner]
        assert changed(*boxed)


@pytest.mark.parametrize(("colour", "is_cut"), [((250, 0, 0), False), ((0, 0, 0), True)])
def test_edges_of_a_plain_colour_are_no_black_bars(colour, is_cut):
    """They are most of both pictures, and the same."""
    framed = [np.full((360, 640, 3), colour, np.uint8) for _ in range(2)]
    for canvas, picture in zip(framed, (portrait(), street()), strict=True):
        canvas[90:270, 160:480] = cv2.resize(picture, (320, 180))
    assert changed(*framed) == is_cut


@pytest.mark.parametrize(("more", "is_cut"), [(0, True), (-3, False)])
def test_a_change_counts_by_the_mean_of_the_darker_picture(more, is_cut):
    dark, bright = (np.full((64, 64, 3), 100, np.uint8) for _ in range(2))
    bright[..., 0] += 21 + more
    bright[..., 2] -= 10
    dark[:, :32, ::2] += 2
    bright[:32, :, ::2] += 2
    change = np.abs(dark.astype(int) - bright).mean()
    assert (change >= 0.1 * dark.mean()) == is_cut
    assert change < 0.1 * bright.mean()
    assert changed(dark, bright) == changed(bright, dark) == is_cut


def test_dark_frames_and_those_of_one_colour_tell_nothing():
    black, white = np.zeros((360, 640, 3), np.uint8), np.full((360, 640, 3), 255, np.uint8)
    for nothing in (black, white, street() // 12):
        assert not View(nothing).tells
        assert not changed(nothing, portrait())
        assert not changed(portrait(), nothing)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (63, 700), (2160, 3840)])
def test_frames_of_any_size(size):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    view = View(noise)
    assert not view.is_another_scene(View(noise))
    assert not view.is_same_at((-5, -5, 3, 3), View(noise)), "no pixel of it is in the frame"


def test_what_is_compared_is_as_computed_by_plain_loops():
    rng = np.random.default_rng(1)
    said = []
    for _ in range(60):
        first = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
        share = rng.uniform(0, 1)
        second = np.where(rng.random((16, 16, 1)) < share, first, first // 4 + 150)
        second = np.roll(second, int(rng.integers(0, 3)), axis=0).astype(np.uint8)
        layout = np.corrcoef(first.sum(2).ravel(), second.sum(2).ravel())[0, 1]
        common = np.minimum(smooth_shares(first), smooth_shares(second)).sum()
        said.append(layout < SAME_LAYOUT and common < SAME_COLOURS)
        assert changed(first, second) == said[-1], (layout, common)
    assert 5 < sum(said) < 55


def smooth_shares(pixels: np.ndarray) -> np.ndarray:
    """16 × 16 × 16 bins at a mean of 96, each shared twice with its neighbours on every axis."""
    gain = 96 / pixels.mean()
    shares = np.zeros((16, 16, 16))
    for pixel in pixels.reshape(-1, 3):
        lit = [min(255, round(gain * int(value))) for value in pixel]
        shares[tuple(value // 16 for value in lit)] += 1 / 256
    for axis in (0, 1, 2, 0, 1, 2):
        spread = np.zeros_like(shares)
        for at in range(16):
            for step, weight in ((-1, 0.25), (0, 0.5), (1, 0.25)):
                to = min(max(at + step, 0), 15)
                spread.swapaxes(0, axis)[to] += weight * shares.swapaxes(0, axis)[at]
        shares = spread
    return shares


def test_three_people_of_the_demo_clip_have_three_numbers():
    assert people(clip()) == [(0,)] * 72 + [(1,)] * 72 + [(2,)] * 72


def test_a_cut_through_black_is_one():
    frames = clip()
    black = [np.zeros_like(frames[0])] * 5
    shown = people(frames[50:70] + black + frames[74:90])
    assert shown[19] == (0,)
    assert shown[-1] == (1,)
    fade = [frames[60 + i] * (1 - i / 12) for i in range(12)]
    fade += [frames[74 + i] * (i / 12) for i in range(12)]
    shown = people([*frames[50:60], *(frame.astype(np.uint8) for frame in fade), *frames[86:96]])
    assert shown[9] == (0,)
    assert shown[-1] == (1,)


def test_who_comes_back_into_view_keeps_the_number():
    """Behind a flash, a damaged frame, and where a film cuts back."""
    frames = clip()
    flash, damaged = frames[60].copy(), frames[60].copy()
    flash[:180] = np.clip(flash[:180].astype(int) + 230, 0, 255)
    damaged[-250:] = (0, 135, 0)
    for between in ([flash], [damaged], frames[80:92]):
        shown = people([*frames[40:60], *between, *frames[60:68]])
        assert shown[19] == shown[-1] == (0,)
        assert (0,) not in shown[20 : 20 + len(between)]


def test_a_face_in_an_inset_of_a_screen_that_changes_stays():
    shown = []
    for i, frame in enumerate(clip()[20:50]):
        screen = cv2.resize(portrait() if i < 15 else street(), (1280, 720))
        screen[20:380, 900:1260] = cv2.resize(frame, (360, 360))
        shown.append(screen)
    assert changed(shown[14], shown[15])
    numbers = people(shown)
    assert {faces[0] for faces in numbers} == {0}, numbers


def test_who_is_beside_a_face_that_stays_is_found_at_once():
    still, screens = clip()[30], []
    for i in range(20):
        screen = cv2.resize(street() if i < 10 else portrait(), (1280, 720))
        if i >= 10:
            screen[:] = (40, 60, 200)
            screen[:300] = (20, 30, 90)
            screen[60:660, 40:640] = cv2.resize(astronaut(), (600, 600))
        screen[20:380, 900:1260] = cv2.resize(still, (360, 360))
        screens.append(screen)
    assert changed(screens[9], screens[10])
    numbers = people(screens)
    assert numbers[9] == (0,)
    assert numbers[10] == (0, 1)
    for settings in ({"search_every": None}, {"max_faces": 1}):
        assert set(people(screens, **settings)) == {(0,)}


def test_who_was_seen_in_a_scene_some_time_ago_is_known_there():
    """Though the last frames with the face looked unlike it, all else behind something."""
    frames = clip()[20:60]
    shown = []
    for i, frame in enumerate(frames):
        shown.append(frame.copy())
        if 24 <= i < 30:
            around = np.full_like(frame, (200, 60, 35))
            around[60:320, 180:400] = frame[60:320, 180:400]
            shown[-1] = around
        elif 30 <= i < 34:
            shown[-1] = street()
    assert not View(shown[29]).is_same_scene(View(shown[39]))
    numbers = people(shown)
    assert numbers[29] == numbers[-1] == (0,)
    assert numbers[32] == ()


def test_who_is_left_behind_has_ended_in_the_end():
    require_native()
    frames = clip()
    with Detector("edge-native", threads=1) as detector:
        results = [detector.track(frame) for frame in [*frames[60:84], *[frames[84]] * 110]]
    assert [(result.index, result.ended) for result in results if result.ended] == [(112, (0,))]
