import cv2
import numpy as np
import pytest

from lgrnet.faces.drawing.photo import _blur, _video, develop, meter, spoil, to_bgr8


def test_developing_is_monotone_and_bounded():
    light = np.linspace(0, 50, 400, dtype=np.float32).reshape(20, 20, 1).repeat(3, 2)
    for gain in (0.4, 1.0, 4.0):
        picture = develop(light, gain)
        assert picture.min() == 0
        assert picture.max() <= 1
        assert (np.diff(picture[..., 0].ravel()) >= 0).all()
    assert (develop(light, 2.0) >= develop(light, 1.0)).all()


@pytest.mark.parametrize("target", [0.28, 0.5, 0.68])
@pytest.mark.parametrize("brightness", [0.08, 0.2, 0.3])
def test_metering_reaches_its_target(brightness, target):
    linear = np.full((8, 8, 3), brightness, np.float32)
    linear[:4] = 30.0  # not metered on
    covered = np.zeros((8, 8), bool)
    covered[4:] = True
    gain = meter(linear, covered, target)
    if 0.4 < gain < 4:
        assert develop(linear, gain)[covered].mean() == pytest.approx(target, abs=1e-3)
    else:
        assert (brightness, target) in {(0.08, 0.68), (0.2, 0.28), (0.3, 0.28)}


def test_the_exposure_is_limited():
    covered = np.ones((4, 4), bool)
    assert meter(np.zeros((4, 4, 3), np.float32), covered, 0.5) == 4.0
    assert meter(np.full((4, 4, 3), 90, np.float32), covered, 0.5) == 0.4
    assert meter(np.zeros((4, 4, 3), np.float32), ~covered, 0.5) == 1.0


def test_bytes_are_bgr_and_rounded():
    picture = np.array([[[1.0, 0.5, 0.0], [2.0, -1.0, 0.25]]])
    np.testing.assert_array_equal(to_bgr8(picture), [[[0, 128, 255], [64, 0, 255]]])
    assert to_bgr8(picture).dtype == np.uint8


def test_flaws_depend_on_the_seed_alone():
    clean = np.random.default_rng(0).uniform(0, 1, (40, 60, 3)).astype(np.float32)
    first, again, other = (spoil(np.random.default_rng(seed), clean) for seed in (1, 1, 2))
    assert first.shape == clean.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_flaws_keep_the_picture():
    ramp = np.linspace(0.1, 0.9, 64, dtype=np.float32)
    clean = np.broadcast_to(ramp[None, :, None], (64, 64, 3))
    for seed in range(10):
        photo = spoil(np.random.default_rng(seed), clean).astype(float)
        assert np.corrcoef(photo.mean((0, 2)), ramp)[0, 1] > 0.9


def test_most_pictures_are_good_and_few_are_bad():
    rng = np.random.default_rng(0)
    clean = cv2.GaussianBlur(rng.uniform(0, 1, (128, 128)).astype(np.float32), (0, 0), 5)
    clean = ((clean - clean.min()) / np.ptp(clean))[..., None].repeat(3, 2)
    grey = clean.mean(2).ravel()
    kept = [
        np.corrcoef(spoil(np.random.default_rng(seed), clean).mean(2).ravel(), grey)[0, 1]
        for seed in range(200)
    ]
    assert np.median(kept) > 0.97
    assert np.mean(np.array(kept) < 0.85) < 0.1
    assert min(kept) > 0.4


def test_blur_spreads_and_keeps_the_light():
    point = np.zeros((41, 41, 3), np.float32)
    point[20, 20] = 1
    widths = []
    for seed in range(40):
        blurred = _blur(np.random.default_rng(seed), point)
        assert blurred.sum() == pytest.approx(3, rel=0.02)
        widths.append((blurred[..., 0] > 0.01).sum())
    assert min(widths) == 1
    assert max(widths) > 15


def test_video_blocks_need_not_lie_on_the_pictures_grid():
    ramp = np.tile(np.linspace(60, 190, 128), (128, 1)).astype(np.uint8)[..., None].repeat(3, 2)
    places = set()
    for seed in range(30):
        steps = np.abs(np.diff(_video(np.random.default_rng(seed), ramp).astype(int)[64, :, 1]))
        places |= set(np.flatnonzero(steps >= 3) % 8)
    assert len(places) > 3
