"""What a measurement is worth: intervals, and warnings where a machine was too noisy to tell.

Calls of one turn share what the machine was doing, so the rounds are drawn anew (a bootstrap over
rounds, Efron 1979), all engines' turns of a round together: what slowed a whole round then cancels
in ratios.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

LEVEL = 0.95
"""How sure intervals are."""

RESAMPLES, PARTS = 2000, 20

STEADY_CV = 0.1
"""Above this coefficient of variation between its turns, the reference did not run steadily."""

IDLE_LOAD = 0.3
"""Load a core before the run above which something else was running."""

LEAST_ROUNDS = 8
"""With fewer rounds, drawing them anew understates how far a median may be off."""

Interval = tuple[float, float]


def resampled_medians(samples: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the medians that the engines might have had, had other rounds been drawn.

    Args:
        samples: Engine → milliseconds, (rounds, calls); the same number of rounds for all.

    Returns:
        Engine → :data:`RESAMPLES` medians, ms. One draw of rounds serves all engines, so that the
        entries at one place belong together.

    Raises:
        ValueError: There are no samples, or the numbers of rounds differ.
    """
    rounds = {len(values) for values in samples.values()}
    if len(rounds) != 1 or 0 in rounds:
        raise ValueError(
            f"samples: all engines need the same number of rounds, above 0; got {rounds}"
        )
    (count,) = rounds
    chosen = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    return {
        # In parts: all at once would be gigabytes for long runs.
        name: np.concatenate(
            [np.median(values[part], axis=(1, 2)) for part in np.array_split(chosen, PARTS)]
        )
        for name, values in samples.items()
    }


def interval(values: np.ndarray) -> Interval:
    """Return the bounds between which the middle :data:`LEVEL` of the values lies."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def rate_interval(samples: np.ndarray) -> Interval:
    """Bound calls a second over all the time that they took, had other rounds been drawn.

    Args:
        samples: Milliseconds, (rounds, calls).

    Returns:
        The bounds.
    """
    rounds = samples.sum(1)
    chosen = np.random.default_rng(0).integers(0, len(rounds), (RESAMPLES, len(rounds)))
    return interval(1e3 * samples.size / rounds[chosen].sum(1))


def turn_variation(samples: np.ndarray) -> float:
    """Compute how much an engine's turns differ from each other.

    Args:
        samples: Milliseconds, (rounds, calls).

    Returns:
        Coefficient of variation of the turns' medians.
    """
    medians = np.median(samples, axis=1)
    return float(medians.std() / medians.mean())


def ties(medians: Mapping[str, np.ndarray]) -> list[tuple[str, str, Interval]]:
    """Find rows that follow each other in speed and cannot be told apart.

    Args:
        medians: From :func:`resampled_medians`.

    Returns:
        Faster row, slower row, and the interval of slower over faster, which holds 1.
    """
    order = sorted(medians, key=lambda name: float(np.median(medians[name])))
    found = []
    for fast, slow in pairwise(order):
        low, high = interval(medians[slow] / medians[fast])
        if low <= 1 <= high:
            found.append((fast, slow, (low, high)))
    return found


def run_warnings(
    samples: Mapping[str, np.ndarray], medians: Mapping[str, np.ndarray], reference: str
) -> list[str]:
    """Say what one interleaved run cannot tell.

    Args:
        samples: Engine → milliseconds, (rounds, calls).
        medians: From :func:`resampled_medians`.
        reference: The engine by whose steadiness the machine is judged.

    Returns:
        Sentences; none where all is well.
    """
    found = []
    rounds = len(samples[reference])
    if rounds < LEAST_ROUNDS:
        found.append(
            f"only {rounds} rounds: the intervals are too narrow; give more --seconds, or "
            f"--rounds {LEAST_ROUNDS}"
        )
    variation = turn_variation(samples[reference])
    if variation > STEADY_CV:
        found.append(
            f"the turns of {reference} differ by {100 * variation:.0f} % (coefficient of "
            "variation): the machine is not steady, stop other programs and measure again"
        )
    for fast, slow, (low, high) in ties(medians):
        found.append(
            f"{fast} and {slow} cannot be told apart: their ratio lies between {low:.2f} and "
            f"{high:.2f} ({100 * LEVEL:.0f} %)"
        )
    return found


def load_warnings(load: float | None, cores: int) -> list[str]:
    """Say whether something else was running before the measurement.

    Args:
        load: Load average over a minute; None where the system knows none.
        cores: Cores of the machine.

    Returns:
        Sentences; none where the machine was idle.
    """
    if load is None:
        return ["this system tells no load average: see yourself that nothing else is running"]
    if load <= IDLE_LOAD * cores:
        return []
    return [
        f"the load average was {load:.2f} on {cores} cores before the run: other programs were "
        "running, so that numbers are too high and ratios uncertain"
    ]
