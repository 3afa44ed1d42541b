"""From which probability on an AU counts as present: chosen on faces whose labels are known.

:func:`best_thresholds` needs many faces of the kind that the network was trained on;
:func:`suited_thresholds` also a few of the kind that it will see. A network that was trained on
rendered faces ranks real ones well and yet says lower or higher probabilities of some AUs than it
says of rendered ones. F1 is flat around its best, so there is room to choose in.
"""

from typing import NamedTuple

import numpy as np

from lgrnet.evaluation.metrics import f1_frame, recognised

FALSE_ALARMS = 0.2
"""Share of the frames without an AU in which a threshold may see it."""

NEAR_BEST = 0.01
"""How far below the best F1 a threshold may lie that calls an AU less often."""

NEAR_ENOUGH = 0.02
"""How far below the best F1 a threshold may lie that suits a few other faces."""

FEWEST = 10
"""People among the other faces who must show an AU, and as many who must lack it, for them to have
a say: a hundred frames of one person tell about that person."""

FEWEST_FACES = 20
"""Faces that must show an AU, and as many that must not, to choose its threshold by F1."""

GRID = np.arange(4, 17) / 20
"""The thresholds that are tried."""


class Few(NamedTuple):
    """What a network says of a few faces, and what is true of them.

    Attributes:
        probability: (faces, n).
        presence: (faces, n): 0, 1 or 9.
        people: Who they are, (faces,).
    """

    probability: np.ndarray
    presence: np.ndarray
    people: np.ndarray


class Calls(NamedTuple):
    """How often an AU is called in a few faces, NaN where none shows or lacks it.

    Shares are of each person's faces, averaged over people, so that nobody counts twice.

    Attributes:
        shown: Share of the faces that show it, (n,).
        lacking: Share of those that do not, (n,).
    """

    shown: np.ndarray
    lacking: np.ndarray


def best_thresholds(probability: np.ndarray, presence: np.ndarray) -> np.ndarray:
    """Find, for each AU, the highest threshold with about the best F1 and few false alarms.

    F1 alone wants low thresholds for AUs that are common and hard to see, which would then be on in
    many faces at rest. So no more than :data:`FALSE_ALARMS` of the frames without the AU may be
    called frames with it. And around its best F1 is flat: the highest threshold within
    :data:`NEAR_BEST` of it calls far fewer AUs in faces at rest, which are more common in life than
    among the faces that thresholds are chosen on.

    Args:
        probability: (frames, n).
        presence: (frames, n): 0, 1 or 9.

    Returns:
        (n,) multiples of 0.05 in [0.2, 0.8]; 0.5 for an AU that never occurs, the highest where
        all have too many false alarms.
    """
    return _highest(_allowed(probability, presence, NEAR_BEST), presence)


def enough_faces(presence: np.ndarray) -> np.ndarray:
    """Tell of which AUs there are enough faces to choose a threshold by F1, (n,) bool."""
    return np.minimum((presence == 1).sum(0), (presence == 0).sum(0)) >= FEWEST_FACES


def suited_thresholds(
    probability: np.ndarray,
    presence: np.ndarray,
    few: Few,
    say: np.ndarray | None = None,
) -> np.ndarray:
    """Find, for each AU, the threshold that suits a few other faces and costs little F1.

    Of the thresholds within :data:`NEAR_ENOUGH` of the best F1, with no more false alarms than
    :func:`best_thresholds` allows, it is the one with the largest difference between the share of
    the few that show the AU and are called, and the share of those that lack it and are called
    (Youden's index); of equal ones the highest. What makes a difference of less than one person to
    that of :func:`best_thresholds` makes none: of ten people, chance alone moves more.

    Args:
        probability: (frames, n) of many faces.
        presence: Their labels, (frames, n): 0, 1 or 9.
        few: The few.
        say: Of which AUs they have a say, (n,) bool; None to ask :func:`have_a_say`.

    Returns:
        (n,) as :func:`best_thresholds`, and the same as that where they have no say or make no
        difference.
    """
    best = best_thresholds(probability, presence)
    gain = np.stack([_youden(calls(few, value)) for value in GRID])
    allowed = _allowed(probability, presence, NEAR_ENOUGH)
    gain = np.where(allowed, gain, -np.inf)
    suited = _highest(gain >= gain.max(0) - 1e-9, presence)
    counted = np.minimum(people_with(few, 1), people_with(few, 0))
    one_person = 1 / np.maximum(counted, 1)
    differs = gain.max(0) - _youden(calls(few, best)) >= one_person - 1e-9
    say = have_a_say(few) if say is None else say
    return np.where(say & differs, suited, best)


def _youden(called: Calls) -> np.ndarray:
    return called.shown - called.lacking


def have_a_say(few: Few) -> np.ndarray:
    """Tell of which AUs a few faces are of enough people to choose a threshold by, (n,) bool."""
    shown, lacking = people_with(few, 1), people_with(few, 0)
    return np.minimum(shown, lacking) >= FEWEST


def people_with(few: Few, label: int) -> np.ndarray:
    """Count the people who have a face with a label, (n,)."""
    each = [(few.presence[few.people == who] == label).any(0) for who in np.unique(few.people)]
    return np.sum(each, 0) if each else np.zeros(few.presence.shape[1], int)


def calls(few: Few, threshold: float | np.ndarray) -> Calls:
    """Count how often AUs are called in faces that show them, and in those that do not.

    Args:
        few: The faces.
        threshold: One, (n,), or (faces, n).

    Returns:
        The shares.
    """
    called = recognised(few.probability, threshold)
    shares = np.full((2, len(np.unique(few.people)), called.shape[1]), np.nan)
    for row, who in enumerate(np.unique(few.people)):
        theirs = few.people == who
        for column, label in enumerate((1, 0)):
            known = few.presence[theirs] == label
            with np.errstate(invalid="ignore"):
                shares[column, row] = (called[theirs] & known).sum(0) / known.sum(0)
    counted = (~np.isnan(shares)).sum(1)
    with np.errstate(invalid="ignore"):
        return Calls(*(np.nansum(shares, 1) / counted))


def held_out_calls(probability: np.ndarray, presence: np.ndarray, few: Few) -> Calls:
    """Count calls in each of a few faces at thresholds that its own person had no say in.

    Of which AUs they have a say stays as it is with everybody, or leaving one person out of ten
    would fall back on the threshold without them.

    Args:
        probability: (frames, n) of many faces.
        presence: Their labels, (frames, n).
        few: The few.

    Returns:
        The shares, over all of the few.
    """
    say = have_a_say(few)
    thresholds = np.empty_like(few.probability, dtype=np.float64)
    for person in np.unique(few.people):
        others = few.people != person
        thresholds[~others] = suited_thresholds(
            probability, presence, Few(*(each[others] for each in few)), say
        )
    return calls(few, thresholds)


def _allowed(probability: np.ndarray, presence: np.ndarray, near: float) -> np.ndarray:
    """Tell which thresholds of the grid are near the best F1, (steps, n) bool."""
    absent = presence == 0
    scores = []
    for value in GRID:
        present = recognised(probability, value)
        alarms = (present & absent).sum(0) / np.maximum(absent.sum(0), 1)
        f1 = np.nan_to_num(f1_frame(present, presence), nan=0.0)
        scores.append(np.where(alarms <= FALSE_ALARMS, f1, -1.0))
    f1 = np.stack(scores)
    return (f1 >= f1.max(0) - near) & (f1 >= 0)


def _highest(chosen: np.ndarray, presence: np.ndarray) -> np.ndarray:
    """Take the highest of the chosen thresholds; 0.5 for an AU that never occurs."""
    highest = len(GRID) - 1 - chosen[::-1].argmax(0)
    return np.where((presence == 1).any(0), GRID[highest], 0.5)
