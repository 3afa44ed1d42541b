"""How far a mean F1 depends on who was tested: resampling of whole people.

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
    rng = np.random.default_rng(seed)
    people = len(counts)
    times = rng.multinomial(people, np.full(people, 1 / people), resamples)
    hits, alarms, misses = np.moveaxis(np.tensordot(times, counts, 1), -1, 0)  # (resamples, n)
    occurs = hits + misses > 0
    total = 2 * hits + alarms + misses
    f1 = np.divide(2 * hits, total, out=np.zeros(total.shape), where=occurs)
    number = occurs.sum(1)
    return np.divide(f1.sum(1), number, out=np.full(resamples, np.nan), where=number > 0)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the middle 95 % of resampled values; NaN among them do not count."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
