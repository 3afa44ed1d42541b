from dataclasses import replace

import cv2
import numpy as np
import pytest

from lgrnet.faces.drawing.codec import compress_video, step_size
from lgrnet.faces.drawing.flaws import HARSH, Compression, Flaws, sample_flaws
from lgrnet.faces.drawing.photo import apply_flaws, develop, meter, planckian, spoil, to_bgr8

FLAWLESS = Flaws(
    stops=0, mired=0, green=0, defocus=0, motion=0, heading=0, scale=1, early=False,
    enlargement=cv2.INTER_LINEAR, vignette=0, vignette_centre=(0, 0), read=0, shot=0, chroma=0,
    grain=0, smoothing=0, contrast=0, gamma=1, black=0, white=1, saturation=1, sharpening=0,
    sharpening_radius=1, comb=0, stripes=0, compressions=(),
)  # fmt: skip


def shot(picture, seed=0, **flaws):
    """Take a photo with some flaws; RGB in [0, 1]."""
    taken = apply_flaws(np.random.default_rng(seed), picture, replace(FLAWLESS, **flaws))
    return taken[..., ::-1] / 255


def plain(colour, side=96):
    return np.full((side, side, 3), colour, np.float32)


def texture(side=96, blur=2.0, seed=0):
    noise = np.random.default_rng(seed).standard_normal((side, side)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), blur)
    smooth = (smooth - smooth.min()) / np.ptp(smooth) * 0.8 + 0.1
    return smooth[..., None].repeat(3, 2)


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


def test_a_camera_without_flaws_changes_nothing():
    picture = np.random.default_rng(0).uniform(0.3, 0.6, (40, 60, 3)).astype(np.float32)
    np.testing.assert_allclose(shot(picture), picture, atol=0.6 / 255)


@pytest.mark.parametrize("stops", [-1.0, 0.5])
def test_a_stop_doubles_the_light(stops):
    ratio = (shot(plain(0.5), stops=stops).mean() / 0.5) ** 2.2
    assert ratio == pytest.approx(2**stops, rel=0.08)  # the toe


@pytest.mark.parametrize(
    "flaws", [{"stops": -3.0}, {"stops": 3.0}, {"stops": -1.5, "black": -0.05}]
)
@pytest.mark.parametrize("brightness", [0.08, 0.4, 0.9])
def test_a_face_is_never_lost_in_black_or_white(brightness, flaws):
    assert 0.1 < shot(plain(brightness), **flaws).mean() < 0.9


def test_the_planckian_locus_goes_through_known_colours():
    # Planck's law through the CIE 1931 observer: 3000 K at xy (0.4369, 0.4041), 6500 K (0.3135,
    # 0.3237), 10000 K (0.2807, 0.2884).
    known = {3000: (0.4369, 0.4041), 6500: (0.3135, 0.3237), 10000: (0.2807, 0.2884)}
    to_xyz = np.linalg.inv(
        [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    )
    for kelvin, xy in known.items():
        xyz = to_xyz @ planckian(1e6 / kelvin)
        np.testing.assert_allclose(xyz[:2] / xyz.sum(), xy, atol=2e-3)


def test_a_wrong_white_balance_is_warm_or_cold_and_keeps_the_brightness():
    grey = np.array([0.299, 0.587, 0.114])
    for mired, sign in ((80, 1), (-40, -1)):
        light = shot(plain(0.4), mired=mired).mean((0, 1)) ** 2.2
        assert sign * (light[0] - light[2]) > 0.03
        assert light @ grey == pytest.approx(0.4**2.2, rel=0.05)
    assert np.ptp(shot(plain(0.4), green=0.2).mean((0, 1))[[0, 2]]) < 0.01


def test_a_moving_camera_draws_points_out_along_its_heading():
    point = plain(0.2, 61)
    point[30, 30] = 0.9
    for heading in (0.0, np.pi / 2, 0.7):
        trail = shot(point, motion=6.0, heading=heading)[..., 1] - shot(plain(0.2, 61))[..., 1]
        y, x = np.indices(trail.shape) - 30
        along = (trail * (np.cos(heading) * x + np.sin(heading) * y) ** 2).sum() / trail.sum()
        across = (trail * (np.cos(heading) * y - np.sin(heading) * x) ** 2).sum() / trail.sum()
        assert along > 2.0
        assert across < 0.8
        assert np.unravel_index(trail.argmax(), trail.shape)[0] in range(27, 34)


def test_defocus_and_lost_resolution_take_detail_away_and_sharpening_adds_it():
    def detail(**flaws):
        return np.abs(cv2.Laplacian(shot(texture(), **flaws), cv2.CV_64F)).mean()

    clear = detail()
    assert detail(defocus=2.0) < 0.75 * clear
    assert detail(scale=0.35) < 0.85 * clear
    assert detail(sharpening=1.5) > 1.4 * clear


def test_noise_grows_with_light_by_its_square_root():
    def deviation(brightness):
        light = shot(plain(brightness, 200), seed=1, shot=0.03)[..., 1] ** 2.2
        return light.std()

    ratio = deviation(0.75) / deviation(0.4)
    assert ratio == pytest.approx((0.75 / 0.4) ** 1.1, rel=0.12)


def test_grain_makes_neighbours_alike():
    def likeness(grain):
        noise = shot(plain(0.5, 200), read=0.01, grain=grain)[..., 1]
        return np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]

    assert abs(likeness(0.0)) < 0.1
    assert likeness(1.0) > 0.5


def test_smoothing_takes_grain_but_leaves_edges():
    edge = plain(0.3, 100)
    edge[:, 50:] = 0.7
    rough, smooth = (shot(edge, read=0.004, smoothing=s) for s in (0.0, 0.12))
    assert smooth[:, 5:40].std() < 0.7 * rough[:, 5:40].std()
    assert smooth[:, 52].mean() - smooth[:, 47].mean() > 0.35


def test_tone_curves_bend_lift_and_fade():
    ramp = np.broadcast_to(np.linspace(0, 1, 96, dtype=np.float32)[None, :, None], (96, 96, 3))
    steep = shot(ramp, contrast=0.6)[48, :, 1]
    assert (np.diff(steep) >= 0).all()
    assert steep[24] < ramp[0, 24, 0] - 0.05
    assert steep[72] > ramp[0, 72, 0] + 0.05
    lifted = shot(ramp, black=0.1, white=0.9)
    assert lifted.min() == pytest.approx(0.1, abs=0.01)
    assert lifted.max() == pytest.approx(0.9, abs=0.01)
    assert np.ptp(shot(plain((0.7, 0.4, 0.3)), saturation=0.0), axis=2).max() < 0.01


def test_the_lens_is_darkest_far_from_its_centre():
    seen = shot(plain(0.5), vignette=0.4, vignette_centre=(-0.5, 0.0)).mean(2)
    assert seen[48, 24] > seen[48, 90] + 0.02
    assert seen[2, 24] == pytest.approx(seen[-3, 24], abs=0.01)


def test_every_other_row_is_shifted_in_interlaced_video():
    picture = texture()
    seen = shot(picture, comb=2)
    np.testing.assert_allclose(seen[::2], picture[::2], atol=0.01)
    np.testing.assert_allclose(seen[1::2, 2:], picture[1::2, :-2], atol=0.01)


def test_a_quantiser_step_doubles_every_six():
    assert step_size(28) == pytest.approx(16, rel=0.01)  # ITU-T H.264, table of Qstep
    assert step_size(34) == pytest.approx(32, rel=0.01)


@pytest.mark.parametrize("offset", [(0, 0), (5, 11)])
def test_video_blocks_lie_at_their_offset(offset):
    picture = texture(blur=1.0)
    coded = compress_video(picture, 46, offset, deblock=False)
    assert coded.shape == picture.shape
    steps = np.abs(np.diff(coded[..., 1], axis=1)).mean(0)
    edges = (np.arange(95) + 1 + offset[1]) % 8 == 0
    assert steps[edges].mean() > 1.5 * steps[~edges].mean()
    smooth = np.abs(np.diff(compress_video(picture, 46, offset, deblock=True)[..., 1], axis=1))
    assert smooth.mean(0)[edges].mean() < 0.8 * steps[edges].mean()


def test_compression_costs_more_the_coarser_it_is():
    picture = texture(blur=1.5)
    errors = [
        np.abs(compress_video(picture, qp, (3, 9), True) - picture).mean() for qp in (8, 26, 40)
    ]
    assert errors[0] < 0.004 < errors[1] < errors[2] < 0.12


def test_fine_colour_is_lost_and_fine_brightness_kept():
    checks = (np.indices((96, 96)).sum(0) % 2).astype(np.float32)[..., None]
    colour = checks * (0.6, 0.4, 0.5) + (1 - checks) * (0.4, 0.502, 0.5)  # of the same luma
    bright = checks * 0.2 + 0.4 + np.zeros(3)
    kept = [
        compress_video(picture.astype(np.float32), 10, (0, 0), False)[20:-20, 20:-20]
        .std((0, 1))
        .max()
        for picture in (colour, bright)
    ]
    assert kept[0] < 0.02
    assert kept[1] > 0.08


@pytest.mark.parametrize("early", [False, True])
def test_enlarging_before_compression_leaves_blocks_of_the_final_grid(early):
    code = Compression(jpeg=None, qp=44, offset=(0, 0), deblock=False)
    seen = shot(texture(128, 1.0), scale=0.5, early=early, compressions=(code,))
    steps = np.abs(np.diff(seen[..., 1], 2, axis=1)).mean(0)[8:-8]
    period = np.abs(np.fft.rfft(steps - steps.mean(), 110))
    assert (
        period[110 // 8 - 1 : 110 // 8 + 2].max() > period[110 // 16 - 1 : 110 // 16 + 2].max()
    ) == early


def test_flaws_depend_on_the_seed_alone():
    clean = np.random.default_rng(0).uniform(0, 1, (40, 60, 3)).astype(np.float32)
    first, again, other = (spoil(np.random.default_rng(seed), clean) for seed in (1, 1, 2))
    assert first.shape == clean.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_few_pictures_have_a_harsh_flaw():
    drawn = [sample_flaws(np.random.default_rng(seed)) for seed in range(1500)]
    harsh = [
        f.stops < -0.5 or f.stops > 0.5 or abs(f.mired) > 20 or f.defocus > 1 or f.motion > 2.7
        or f.scale < 0.52 or f.shot > 0.03 or f.smoothing > 0.055 or f.sharpening > 0.7
        or any((c.qp > 33 if c.jpeg is None else c.jpeg < 40) for c in f.compressions)
        for f in drawn
    ]  # fmt: skip
    assert np.mean(harsh) == pytest.approx(HARSH, abs=0.03)
    assert np.mean([f.saturation == 0 for f in drawn]) == pytest.approx(0.05, abs=0.02)


def test_no_flaws_make_a_picture_unreadable():
    clean = texture(128, 5.0)
    grey = clean.mean(2).ravel()
    kept = [
        np.corrcoef(spoil(np.random.default_rng(seed), clean).mean(2).ravel(), grey)[0, 1]
        for seed in range(200)
    ]
    assert np.median(kept) > 0.97
    assert min(kept) > 0.75
