import numpy as np
import pytest

from lgrnet.evaluation.defined import defined
from lgrnet.evaluation.metrics import (
    always_on_f1,
    f1_frame,
    failure_rate,
    intensity_agreement,
    landmark_errors,
    mean_f1,
    mean_of_occurring,
    occurring,
    or_null,
    recognised,
)


def test_f1_by_hand():
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1]])
    present = np.array([[1, 0], [0, 1], [1, 1], [0, 1], [1, 0]], dtype=bool)
    # AU a: TP 2, FP 1, FN 1; AU b: TP 2, FP 1, FN 1 of other frames.
    np.testing.assert_allclose(f1_frame(present, labels), [4 / 6, 4 / 6])


def test_f1_counts_false_alarms_and_misses_alike():
    labels = np.array([[1], [1], [1], [0]])
    np.testing.assert_allclose(f1_frame(np.array([[1], [0], [0], [0]]), labels), [2 / 4])
    np.testing.assert_allclose(f1_frame(np.array([[1], [1], [1], [1]]), labels), [6 / 7])


def test_f1_leaves_out_missing_labels():
    labels = np.array([[1], [9], [0], [9]])
    present = np.array([[1], [1], [0], [0]])
    np.testing.assert_allclose(f1_frame(present, labels), [1.0])


def test_f1_is_undefined_without_positives():
    labels = np.array([[0, 9, 0], [0, 9, 0]])
    present = np.array([[0, 1, 1], [0, 1, 0]])
    f1 = f1_frame(present, labels)
    assert np.isnan(f1[:2]).all()
    assert f1[2] == 0
    assert mean_f1(f1) == 0
    assert np.isnan(mean_f1(f1[:2]))
    assert mean_f1(np.array([0.5, np.nan, 1.0])) == 0.75


def test_means_are_over_the_aus_that_occur():
    labels = np.array([[1, 0, 9, 0], [0, 0, 9, 1]])
    assert occurring(labels).tolist() == [True, False, False, True]
    assert mean_of_occurring(np.array([0.5, 0.0, np.nan, 1.0]), labels) == 0.75
    assert mean_of_occurring(np.array([0.5, 0.0, np.nan, np.nan]), labels) == 0.5
    assert np.isnan(mean_of_occurring(np.ones(4), np.zeros((2, 4))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_null(value):
    assert or_null(value) is or_null(np.float32(value)) is None
    assert or_null(np.float32(0.25)) == 0.25


def test_f1_refuses_other_shapes():
    with pytest.raises(ValueError, match="present is"):
        f1_frame(np.ones((3, 1)), np.ones((3, 2)))


def test_threshold_itself_counts_as_present():
    probability = np.array([[0.5, 0.49], [0.3, 0.7]])
    np.testing.assert_array_equal(recognised(probability), [[True, False], [False, True]])
    np.testing.assert_array_equal(
        recognised(probability, np.array([0.3, 0.8])), [[True, False], [True, False]]
    )


def test_always_on():
    labels = np.array([[1, 0], [0, 0], [0, 9], [0, 1]])
    np.testing.assert_allclose(always_on_f1(labels), [2 / 5, 2 / 4])


def test_landmark_errors_in_inter_ocular_distances():
    target = np.zeros((2, 49, 2))
    target[:, 19:25], target[:, 25:31] = (40, 50), (100, 50)
    target[1] *= 0.5
    predicted = target.copy()
    predicted[:, 19:26] += (3, 4)  # 7 of 49 points, 5 px; the true eyes are the measure
    errors = landmark_errors(predicted, target)
    np.testing.assert_allclose(errors, [5 / 7 / 60, 5 / 7 / 30])
    assert failure_rate(errors) == 0
    predicted += (20, 0)
    assert failure_rate(landmark_errors(predicted, target)) == 1


def test_failure_is_above_a_tenth():
    assert failure_rate(np.array([0.1, 0.1001, 0.02, 0.5])) == 0.5


def anova_icc(ours, theirs):
    """ICC(3,1) from the two-way table of Shrout and Fleiss, written out."""
    table = np.stack([ours, theirs], 1)
    frames, raters = table.shape
    grand = table.mean()
    between = raters * ((table.mean(1) - grand) ** 2).sum() / (frames - 1)
    residual = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + grand
    error = (residual**2).sum() / ((frames - 1) * (raters - 1))
    return (between - error) / (between + (raters - 1) * error)


def test_intensities_agree_as_the_analysis_of_variance_says():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 6, (40, 3)).astype(float)
    ours = 0.6 * target + rng.normal(0, 0.8, target.shape) + np.array([0, 1, 2])
    unknown = target.copy()
    unknown[5:9, 1] = np.nan
    correlation, error = intensity_agreement(ours, unknown)
    known = ~np.isnan(unknown[:, 1])
    assert correlation[0] == pytest.approx(anova_icc(ours[:, 0], target[:, 0]))
    assert correlation[1] == pytest.approx(anova_icc(ours[known, 1], target[known, 1]))
    by_hand = sum(abs(ours[frame, 2] - target[frame, 2]) for frame in range(40)) / 40
    assert error[2] == pytest.approx(by_hand)


def test_intensities_that_never_vary_or_are_unknown():
    target = np.array([[2.0, np.nan], [2.0, np.nan]])
    correlation, error = intensity_agreement(np.array([[1.0, 1.0], [1.0, 3.0]]), target)
    assert np.isnan(correlation).all()
    assert error[0] == 1
    assert np.isnan(error[1])
    # The variance of 0.1, as float32 has it, or of 0.7 many times over is not 0 but rounding.
    for said, true in ((0.1, 0.7), (0.7, 4.9), (1.3, 0.1)):
        constant = np.full((1001, 1), said, np.float32), np.full((1001, 1), true)
        assert np.isnan(intensity_agreement(*constant)[0]).all(), (said, true)
    varied = np.array([[1.0, 2.0], [3.0, 2.0]])
    correlation, _ = intensity_agreement(varied, varied[:, ::-1])
    assert correlation.tolist() == [0, 0], "one of the two varies, and the other does not"


def test_what_is_no_number_is_none_however_deep_it_lies():
    nan = float("nan")
    told = {"a": [nan, {"b": (nan, 0.5, [nan])}], "c": nan, "d": "nan", "e": None, "f": [1, True]}
    said = {"a": [None, {"b": [None, 0.5, [None]]}], "c": None, "d": "nan", "e": None}
    assert defined(told) == said | {"f": [1, True]}
    assert defined([np.float64(nan)]) == [None]
