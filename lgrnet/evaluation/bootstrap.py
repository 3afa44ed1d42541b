"""How far a mean F1 or AUC depends on who was tested: resampling of whole people.

Frames of one person resemble each other, so people are drawn, not frames (a cluster bootstrap).
"""

import numpy as np

from lgrnet.data.shards import MISSING

RESAMPLES = 1000


def f1_counts(present: np.ndarray, labels: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Count what F1 is made of, for each person.

    Args:
        present: What was recognised, (frames, n) bool.
        labels: (frames, n) of 0, 1 or 9.
        subject: Who is in each frame, (frames,).

    Returns:
        Hits, false alarms and misses, (people, n, 3).
    """
    known, true = labels != MISSING, labels == 1
    each = np.stack([present & true, present & ~true & known, ~present & true], axis=-1)
    people, whose = np.unique(subject, return_inverse=True)
    counts = np.zeros((len(people), *each.shape[1:]), int)
    np.add.at(counts, whose, each)
    return counts


def resampled_mean_f1(counts: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """Compute the mean F1 over the AUs that occur of as many people, drawn with replacement.

    With one seed the same people are drawn, so that the differences of two detectors' results are
    a paired bootstrap.

    Args:
        counts: From :func:`f1_counts`.
        seed: Of the draws.
        resamples: How often to draw.

    Returns:
        (resamples,); AUs that nobody shows in a draw are left out of it, also where they are
        called, so that it is the same AUs for all detectors. NaN where none occurs, which may be
        with few people.
    """
    times = _draws(len(counts), seed, resamples)
    hits, alarms, misses = np.moveaxis(np.tensordot(times, counts, 1), -1, 0)  # (resamples, n)
    occurs = hits + misses > 0
    total = 2 * hits + alarms + misses
    return _mean_where(2 * hits, total, occurs)


def resampled_mean_auc(
    probability: np.ndarray,
    labels: np.ndarray,
    subject: np.ndarray,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> np.ndarray:
    """Compute the mean area under the ROC curve of as many people, drawn with replacement.

    The area is the share of pairs, of a frame that shows an AU and one that does not, that are
    ranked rightly. These are counted once for each two people, which a draw then weighs.

    Args:
        probability: (frames, n).
        labels: (frames, n) of 0, 1 or 9.
        subject: Who is in each frame, (frames,).
        seed: Of the draws; the people of :func:`resampled_mean_f1` with the same one.
        resamples: How often to draw.

    Returns:
        (resamples,); AUs that all or none show in a draw are left out of it. NaN where that leaves
        none.
    """
    people, whose = np.unique(subject, return_inverse=True)
    times = _draws(len(people), seed, resamples).astype(float)
    right, pairs = np.zeros((2, resamples, labels.shape[1]))
    for column in range(labels.shape[1]):
        scores = probability[:, column]
        there, lacking = labels[:, column] == 1, labels[:, column] == 0
        wins = np.zeros((len(people), len(people)))
        for other in range(len(people)):
            theirs = np.sort(scores[lacking & (whose == other)])
            # Of their frames, those that a frame which shows the AU is above; equal ones by half.
            above = [np.searchsorted(theirs, scores[there], side) for side in ("left", "right")]
            wins[:, other] = np.bincount(whose[there], np.mean(above, axis=0), len(people))
        shown, lacked = (
            np.bincount(whose[which], minlength=len(people)) for which in (there, lacking)
        )
        right[:, column] = (times @ wins * times).sum(1)
        pairs[:, column] = (times @ shown) * (times @ lacked)
    return _mean_where(right, pairs, pairs > 0)


def _draws(people: int, seed: int, resamples: int) -> np.ndarray:
    """Draw people with replacement; gives how often each comes, (resamples, people)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(people, np.full(people, 1 / people), resamples)


def _mean_where(parts: np.ndarray, wholes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Average parts / wholes over the columns that are known; NaN in rows where none is."""
    values = np.divide(parts, wholes, out=np.zeros(wholes.shape), where=known)
    number = known.sum(1)
    return np.divide(values.sum(1), number, out=np.full(len(values), np.nan), where=number > 0)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the middle 95 % of resampled values; NaN among them do not count."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
