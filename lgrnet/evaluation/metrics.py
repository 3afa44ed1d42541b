"""How a network is judged: F1-frame per AU, landmark error (section IV-A), ranking, intensities.

All functions take the whole test set at once, as NumPy arrays. Labels are 0 or 1, 9 is masked.
"""

import numpy as np

from lgrnet.data.shards import MISSING
from runtime.landmarks import inter_ocular

FAILURE = 0.1
"""Mean error, in inter-ocular distances, above which a face counts as not aligned."""


def f1_frame(present: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute the F1 of each AU over all frames that have its label.

    Args:
        present: What was recognised, (frames, n), bool; see :func:`recognised`.
        labels: (frames, n) of 0, 1 or 9.

    Returns:
        2 TP / (2 TP + FP + FN), (n,) float64; NaN for an AU that is neither present nor recognised
        in any frame, or has no label.
    """
    present = np.asarray(present, dtype=bool)
    if present.shape != labels.shape:
        raise ValueError(f"present is {present.shape} but labels are {labels.shape}")
    known, true = labels != MISSING, labels == 1
    hits = (present & true & known).sum(0)
    errors = ((present != true) & known).sum(0)
    total = (2 * hits + errors).astype(np.float64)
    return np.divide(2 * hits, total, out=np.full(len(total), np.nan), where=total > 0)


def precision_recall(present: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute how much of what is recognised is there, and how much of what is there is recognised.

    Args:
        present: What was recognised, (frames, n) bool.
        labels: (frames, n) of 0, 1 or 9.

    Returns:
        Precision and recall, (n,) float64 each; NaN where nothing is recognised, or there.
    """
    known, true = labels != MISSING, labels == 1
    hits = (present & true & known).sum(0).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return hits / (present & known).sum(0), hits / (true & known).sum(0)


def recognised(probability: np.ndarray, threshold: float | np.ndarray = 0.5) -> np.ndarray:
    """Decide which AUs are present.

    Args:
        probability: (frames, n) in [0, 1].
        threshold: Probability from which an AU counts as present, one or (n,).

    Returns:
        (frames, n) bool.
    """
    return np.asarray(probability) >= threshold


def always_on_f1(labels: np.ndarray) -> np.ndarray:
    """Compute the F1 of a detector that sees every AU in every frame: the floor to beat.

    Args:
        labels: (frames, n) of 0, 1 or 9.

    Returns:
        (n,) float64, NaN for an AU without labels.
    """
    return f1_frame(np.ones(labels.shape, dtype=bool), labels)


def mean_f1(f1: np.ndarray) -> float:
    """Average over the AUs that have an F1.

    Args:
        f1: (n,), NaN where undefined.

    Returns:
        The mean, NaN if no AU has one.
    """
    defined = f1[~np.isnan(f1)]
    return float(defined.mean()) if len(defined) else float("nan")


def occurring(labels: np.ndarray) -> np.ndarray:
    """Tell which AUs any frame shows.

    Args:
        labels: (frames, n) of 0, 1 or 9.

    Returns:
        (n,) bool.
    """
    return (labels == 1).any(0)


def mean_of_occurring(values: np.ndarray, labels: np.ndarray) -> float:
    """Average over the AUs that occur, whatever a detector says.

    An AU that nobody shows has no F1 to reach: one false alarm would make it 0, and none would
    leave it out, so that detectors of the same faces were averaged over different AUs.

    Args:
        values: One for each AU, (n,), NaN where undefined.
        labels: Of all frames, (frames, n) of 0, 1 or 9.

    Returns:
        The mean of those that are defined, NaN if none is.
    """
    return mean_f1(values[occurring(labels)])


def landmark_errors(landmarks: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Measure each face's mean landmark error.

    Args:
        landmarks: (frames, 49, 2), pixels.
        target: True landmarks, (frames, 49, 2), same pixels.

    Returns:
        Mean distance over the points, in true inter-ocular distances (× 100 gives the paper's %),
        (frames,).
    """
    distance = np.linalg.norm(landmarks - target, axis=-1).mean(-1)
    return distance / inter_ocular(target)


def failure_rate(errors: np.ndarray) -> float:
    """Compute the share of faces whose mean error is above :data:`FAILURE`.

    Args:
        errors: From :func:`landmark_errors`, (frames,).

    Returns:
        In [0, 1].
    """
    return float((errors > FAILURE).mean())


def intensity_agreement(intensity: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare intensities as DISFA's literature does: consistency ICC(3,1) and mean error.

    ICC(3,1) is that of Shrout and Fleiss (1979) with the network and the coder as two raters.

    Args:
        intensity: What was estimated, (frames, n), 0 to 5.
        target: What is true, the same, NaN where unknown.

    Returns:
        ICC in [-1, 1] and mean absolute error, (n,) each; NaN where nothing is known, the ICC also
        where neither rater varies.
    """
    correlation, error = np.full((2, target.shape[1]), np.nan)
    for column in range(target.shape[1]):
        known = ~np.isnan(target[:, column])
        if not known.any():
            continue
        ours, theirs = intensity[known, column].astype(float), target[known, column].astype(float)
        error[column] = np.abs(ours - theirs).mean()
        # With two raters the mean squares between and within frames leave only this.
        if np.ptp(ours) > 0 or np.ptp(theirs) > 0:  # a variance of equal numbers can be rounding
            spread = ours.var() + theirs.var()
            shared = ((ours - ours.mean()) * (theirs - theirs.mean())).mean()
            correlation[column] = 2 * shared / spread
    return correlation, error


def area_under_curve(probability: np.ndarray, presence: np.ndarray) -> np.ndarray:
    """Compute the area under each AU's ROC curve (the Mann-Whitney statistic).

    Args:
        probability: (frames, n).
        presence: (frames, n): 0, 1 or 9.

    Returns:
        (n,) in [0, 1], NaN for an AU that is always or never present.
    """
    areas = np.full(presence.shape[1], np.nan)
    for column in range(presence.shape[1]):
        known = presence[:, column] != MISSING
        scores, truth = probability[known, column], presence[known, column] == 1
        positives, negatives = int(truth.sum()), int((~truth).sum())
        if not positives or not negatives:
            continue
        _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # equal scores share a rank
        wins = ranks[truth].sum() - positives * (positives + 1) / 2
        areas[column] = wins / (positives * negatives)
    return areas


def or_null(value: float) -> float | None:
    """Turn NaN and infinity into None, as JSON has null and neither of them."""
    return float(value) if np.isfinite(value) else None
