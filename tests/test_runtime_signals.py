import math
from dataclasses import replace

import numpy as np
import pytest
from some_results import some_face, some_result
from test_runtime_fixtures import SpotFinder, spot, write_model

from runtime.detector import Detector
from runtime.errors import InputError
from runtime.results import Result
from runtime.signals import SignalBank, Signals
from runtime.signals.baseline import Baseline
from runtime.signals.hysteresis import Hysteresis
from runtime.signals.smoothing import EMA_SECONDS, Ema, OneEuro

AUS = ("AU06", "AU12", "AU24")


def noise(n: int = 200, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (n, 3))


def test_ema_is_that_of_pandas():
    pandas = pytest.importorskip("pandas")
    samples = noise()
    smooth = Ema(time_constant=0.2)
    done = np.array([smooth(row, 0.04) for row in samples])
    alpha = 1 - math.exp(-0.04 / 0.2)
    expected = pandas.DataFrame(samples).ewm(alpha=alpha, adjust=False).mean().to_numpy()
    np.testing.assert_allclose(done, expected, atol=1e-12)


def test_ema_does_not_depend_on_the_rate():
    """Half-way samples of a signal that stands still after a step change nothing."""
    coarse, fine = Ema(0.1), Ema(0.1)
    for smooth in (coarse, fine):
        smooth(np.zeros(1), 0.0)
    a = coarse(np.ones(1), 0.1)
    fine(np.ones(1), 0.05)
    b = fine(np.ones(1), 0.05)
    np.testing.assert_allclose(a, b)
    assert a == pytest.approx(1 - 1 / math.e)


def one_euro(samples: list[float], dt: list[float], mincutoff: float, beta: float, dcutoff: float):
    """Algorithm 1 of the paper for one signal, sample by sample."""

    def alpha(cutoff, te):
        return 1.0 / (1.0 + (1.0 / (2 * math.pi * cutoff)) / te)

    xhat, dxhat, out = None, 0.0, []
    for x, te in zip(samples, dt, strict=True):
        if xhat is None:
            xhat = x
        else:
            dx = (x - xhat) / te
            dxhat = alpha(dcutoff, te) * dx + (1 - alpha(dcutoff, te)) * dxhat
            cutoff = mincutoff + beta * abs(dxhat)
            xhat = alpha(cutoff, te) * x + (1 - alpha(cutoff, te)) * xhat
        out.append(xhat)
    return out


def test_one_euro_is_that_of_the_paper():
    samples = noise()
    steps = np.random.default_rng(1).uniform(0.02, 0.06, len(samples))
    smooth = OneEuro(0.8, 3.0, 1.2)
    done = np.array([smooth(row, dt) for row, dt in zip(samples, steps, strict=True)])
    for i in range(3):
        expected = one_euro(samples[:, i].tolist(), steps.tolist(), 0.8, 3.0, 1.2)
        np.testing.assert_allclose(done[:, i], expected, atol=1e-12)


def test_one_euro_at_one_time():
    smooth = OneEuro()
    smooth(np.zeros(1), 0.1)
    assert smooth(np.ones(1), 0.0) == 0
    assert smooth(np.ones(1), 0.1) > 0


def test_hysteresis():
    judge = Hysteresis(np.array([0.5, 0.2]), 0.4)  # off below 0.3 and 0.12
    seen = [judge(np.array(pair)).tolist() for pair in (
        (0.4, 0.1), (0.5, 0.2), (0.31, 0.13), (0.29, 0.11), (0.4, 0.19), (0.9, 0.9),
    )]  # fmt: skip
    assert seen == [
        *([False, False], [True, True], [True, True]),
        *([False, False], [False, False], [True, True]),
    ]


def test_no_hysteresis_is_a_threshold():
    judge, thresholds = Hysteresis(np.full(3, 0.5), 0.0), 0.5
    for row in noise():
        np.testing.assert_array_equal(judge(row), row >= thresholds)


@pytest.mark.parametrize("frames", [2.5, float("nan"), "3"])
def test_a_baseline_of_no_whole_number_is_refused(frames):
    with pytest.raises(TypeError):
        Signals(baseline=frames)


def test_thresholds_are_of_action_units():
    assert Signals(thresholds={12: 0.5, "au6": 0.4}).thresholds == {"AU12": 0.5, "AU06": 0.4}
    with pytest.raises(InputError, match="'nose' is no action unit: write AU12 or 12"):
        Signals(thresholds={"nose": 0.5})
    with pytest.raises(InputError, match="thresholds name an action unit twice"):
        Signals(thresholds={12: 0.5, "AU12": 0.6})
    with pytest.raises(TypeError, match=r'thresholds must be a dict, {"AU12": 0.6}, got 0.5'):
        Signals(thresholds=0.5)


def test_baseline_takes_off_what_rests_too_high():
    rest = np.array([0.02, 0.8, 0.6])
    baseline = Baseline(5, 0.5)
    for i in range(5):
        shown = baseline(np.clip(rest + 0.01 * (i - 2), 0, 1))
        if i < 4:
            assert not baseline.learned
            np.testing.assert_array_equal(shown, np.clip(rest + 0.01 * (i - 2), 0, 1))
    np.testing.assert_allclose(baseline(rest), [0.02, 0.1, 0.1], atol=1e-9)

    def odds(p):
        return p / (1 - p)

    strong = baseline(np.array([0.9, 0.99, 0.99]))
    # Log-odds are lowered, so odds are divided by how far the rest is above 1 to 9.
    expected = odds(0.99) / (odds(rest[1:]) / odds(0.1))
    np.testing.assert_allclose(odds(strong[1:]), expected, rtol=1e-6)
    assert strong[0] == 0.9
    assert np.isfinite(baseline(np.array([0.0, 1.0, 1.0]))).all()


def test_baseline_of_a_busy_face():
    """A low quantile finds the rest of a face that rests in few of the frames."""
    frames = [np.array([0.9])] * 7 + [np.array([0.3])] * 3
    median, low = Baseline(10, 0.5), Baseline(10, 0.1)
    for frame in frames:
        median(frame), low(frame)
    assert median(np.array([0.9]))[0] == pytest.approx(0.1)
    assert low(np.array([0.3]))[0] == pytest.approx(0.1)
    assert low(np.array([0.9]))[0] > 0.6


def test_what_is_near_one_is_lowered_by_as_much():
    baseline = Baseline(1, 0.5)
    baseline(np.array([0.4]))
    for probability in (0.999, 0.9995):
        odds = probability / (1 - probability) / (0.4 / 0.6) * (0.1 / 0.9)
        assert baseline(np.array([probability]))[0] == pytest.approx(odds / (1 + odds))


def bank(**options) -> SignalBank:
    return SignalBank(Signals(**options), AUS, (0.5, 0.5, 0.5))


def frame(index: int, *values: float, ended=()) -> Result:
    """A face for each value: number i has it as all of its probabilities."""
    faces = [some_face(i, (), **dict.fromkeys(AUS, v)) for i, v in enumerate(values)]
    return replace(some_result(index, *faces), ended=ended)


def test_faces_have_states_of_their_own():
    signals = bank(smooth="ema", thresholds=dict.fromkeys(AUS, 0.8))
    signals.apply(frame(0, 0.0, 1.0))
    (a, b) = signals.apply(frame(1, 1.0, 1.0))
    share = 1 - math.exp(-0.04 / EMA_SECONDS)
    assert a.adjusted["AU12"] == pytest.approx(share)
    assert a.aus["AU12"] == 1.0  # as the network said
    assert b.adjusted["AU12"] == 1.0
    assert (a.present, b.present) == ((), AUS)


def test_state_goes_with_the_face():
    signals = bank(hysteresis=0.9, baseline=1)
    signals.apply(frame(0, 0.7, 0.2))
    assert signals.followed == 2
    signals.apply(frame(1, 0.7, ended=(1,)))
    assert signals.followed == 1
    # Number 1 is somebody else now, whose rest is learned anew.
    (_, other) = signals.apply(frame(2, 0.7, 0.7))
    assert other.adjusted["AU12"] == pytest.approx(0.1)
    signals.reset()
    assert signals.followed == 0


def test_face_that_was_away_keeps_its_rest_and_nothing_else():
    signals = bank(hysteresis=0.9, baseline=1)
    signals.apply(frame(0, 0.7))
    assert signals.apply(frame(1, 0.99)).faces[0].present == AUS
    assert signals.apply(frame(2, 0.9)).faces[0].present == AUS  # held
    signals.apply(frame(3))
    (face,) = signals.apply(frame(4, 0.9))
    assert face.adjusted["AU12"] == pytest.approx(1 / (1 + 7 / 3 * 9 / 9), abs=0.001)
    assert face.present == ()


def test_smoothing_begins_anew_behind_a_gap():
    signals = bank(smooth="ema")
    signals.apply(frame(0, 0.0))
    signals.apply(frame(1))
    assert signals.apply(frame(2, 1.0)).faces[0].adjusted["AU12"] == 1.0


@pytest.mark.parametrize("smooth", ["ema", "one-euro"])
def test_frames_without_a_time_are_as_far_apart_as_their_numbers(smooth):
    probabilities, numbers = noise(20)[:, 0].tolist(), np.cumsum([0, *[5, 1, 2] * 7])[:20].tolist()
    timed, timeless = bank(smooth=smooth), bank(smooth=smooth)
    for number, p in zip(numbers, probabilities, strict=True):
        plain = replace(frame(number, p), timestamp=None)
        (face,) = timeless.apply(plain)
        (other,) = timed.apply(replace(plain, timestamp=number / 30))
        assert face.adjusted["AU12"] == pytest.approx(other.adjusted["AU12"], abs=1e-9)


def test_a_recalled_picture_is_no_face_that_rests():
    picture, video = bank(baseline=2), bank(baseline=2)
    picture.recall(replace(frame(0, 0.2), timestamp=None, name="a.png"))
    video.recall(replace(frame(0, 0.2), name="a.mp4"))
    assert (picture.faces, video.faces) == (0, 1)


def test_a_clock_that_goes_back_smooths_all_the_same():
    signals = bank(smooth="ema")
    signals.apply(replace(frame(0, 0.2), timestamp=10.0))
    (face,) = signals.apply(replace(frame(1, 0.8), timestamp=0.0))
    assert 0.2 <= face.adjusted["AU12"] <= 0.8


def test_a_probability_at_the_threshold_is_present():
    signals = bank(hysteresis=0.1)
    for judged in (signals.judge(frame(0, 0.5)), signals.apply(frame(0, 0.5))):
        assert judged.faces[0].present == AUS
    assert signals.judge(frame(0, np.nextafter(0.5, 0))).faces[0].present == ()


def test_faces_that_nobody_ends_are_forgotten():
    signals = bank(smooth="ema")
    for i in range(2000):
        face = some_face(i // 3, (), **dict.fromkeys(AUS, 0.5))
        signals.apply(some_result(i, face))
    assert signals.followed < 300


def test_other_thresholds():
    signals = bank(thresholds={"AU12": 0.9})
    assert signals.apply(frame(0, 0.7)).faces[0].present == ("AU06", "AU24")
    assert signals.judge(frame(0, 0.7)).faces[0].present == ("AU06", "AU24")
    assert signals.apply(frame(1, 0.7)).faces[0].adjusted == {}
    with pytest.raises(InputError, match="thresholds: this model knows no AU99: choose from AU06"):
        bank(thresholds={"AU99": 0.5})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smooth": "kalman"}, "smooth='kalman' is unknown: give ema or one-euro"),
        ({"hysteresis": 1.0}, "hysteresis must be from 0 to below 1"),
        ({"baseline": -1}, "baseline must be a number of frames"),
        ({"baseline_quantile": 2.0}, "baseline_quantile must be 0 to 1"),
        ({"thresholds": {"AU12": 0.0}}, "the threshold of AU12 must be above 0"),
    ],
)
def test_nonsense(options, message):
    with pytest.raises(ValueError, match=message):
        Signals(**options)


def test_detector(tmp_path):
    model = write_model(tmp_path / "tiny.onnx")
    plain = Detector(model, finder=SpotFinder(), threads=1)
    smooth = Detector(model, finder=SpotFinder(), threads=1, signals=Signals(smooth="ema"))
    frames = [spot(160 + i % 3, 120) for i in range(4)]
    frames[2] = frames[2] // 2  # darker, which the tiny model's AUs are about
    raw, adjusted = [list(d.stream(iter(frames))) for d in (plain, smooth)]
    assert [r.faces[0].aus for r in raw] == [r.faces[0].aus for r in adjusted]
    assert all(r.faces[0].adjusted == {} for r in raw)
    expected, share = None, 1 - math.exp(-1 / 30 / EMA_SECONDS)
    for result in adjusted:
        value = result.faces[0].aus["AU06"]
        expected = value if expected is None else expected + share * (value - expected)
        assert result.faces[0].adjusted["AU06"] == pytest.approx(expected)
    assert smooth(frames[0]).faces[0].adjusted == {}
