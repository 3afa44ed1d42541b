"""Thresholds by many faces and a few: compared with loops over faces."""

import numpy as np
import pytest

from lgrnet.evaluation import threshold_choice
from lgrnet.evaluation.threshold_choice import (
    FEWEST,
    best_thresholds,
    calls,
    held_out_calls,
    suited_thresholds,
)


@pytest.fixture(scope="module")
def faces():
    """Return many faces, and a few of which the network says less: three AUs, 8 people."""
    rng = np.random.default_rng(3)
    presence = rng.integers(0, 2, (600, 3))
    probability = np.where(presence, 0.85, 0.1)
    unsure = rng.random((600, 3)) < 0.15
    unsure &= presence == [1, 0, 0]  # low thresholds find more of the first, cost more of the rest
    probability[unsure] = 0.2 + 0.6 * rng.random(unsure.sum())
    few_presence = rng.choice([0, 1, 9], (120, 3), p=[0.4, 0.4, 0.2])
    few_presence[few_presence[:, 2] == 1, 2] = 9
    few_presence[: FEWEST - 1, 2] = 1  # one too few
    few = [0.3, 0.5, 0.4] + 0.2 * (few_presence == 1) + 0.15 * rng.normal(size=(120, 3))
    few = few.clip(0, 1)
    return probability, presence, few, few_presence, rng.integers(0, 8, 120)


def f1_by_hand(probability, presence, threshold):
    hits = wrong = 0
    for p, there in zip(probability, presence, strict=True):
        hits += bool(p >= threshold and there)
        wrong += bool((p >= threshold) != bool(there))
    return 2 * hits / (2 * hits + wrong)


def share(probability, presence, label, threshold):
    found = [p >= t for p, y, t in zip(probability, presence, threshold, strict=True) if y == label]
    return sum(found) / len(found)


def suited_by_hand(probability, presence, few, few_presence):
    allowed = {}
    for step in range(4, 17):
        alarms = [p >= step / 20 for p, y in zip(probability, presence, strict=True) if not y]
        if sum(alarms) <= 0.2 * len(alarms):
            allowed[step] = f1_by_hand(probability, presence, step / 20)
    allowed = {s for s, f1 in allowed.items() if f1 >= max(allowed.values()) - 0.02}
    gain = {}
    for step in allowed:
        at = [step / 20] * len(few)
        gain[step] = share(few, few_presence, 1, at) - share(few, few_presence, 0, at)
    return max(s for s in gain if gain[s] >= max(gain.values()) - 1e-9) / 20


def test_the_few_choose_among_thresholds_that_cost_little(faces):
    probability, presence, few, few_presence, _ = faces
    chosen = suited_thresholds(probability, presence, few, few_presence)
    best = best_thresholds(probability, presence)
    for column in range(2):
        pair = (array[:, column] for array in (probability, presence, few, few_presence))
        assert chosen[column] == pytest.approx(suited_by_hand(*pair))
    assert chosen[0] > best[0], "the few of the first AU want higher thresholds"
    assert chosen[1] < best[1], "those of the second want lower ones"
    assert chosen[2] == best[2], "19 faces that show an AU are too few"


def test_who_is_not_labelled_gives_no_false_alarm():
    """Half of the frames may show the AU or not, and the network is sure that they do."""
    presence = np.repeat([[1], [0], [9]], [10, 10, 20], axis=0)
    probability = np.repeat([[0.52], [0.1], [0.9]], [10, 10, 20], axis=0)
    assert best_thresholds(probability, presence) == [0.5]


def test_with_one_face_more_they_have_a_say(faces):
    probability, presence, few, few_presence, _ = faces
    more = few_presence.copy()
    more[FEWEST - 1, 2] = 1
    few = np.where(more == 1, 0.77, 0.1)  # any threshold up to 0.75 fits, the highest is taken
    assert suited_thresholds(probability, presence, few, few_presence)[2] == 0.8
    assert suited_thresholds(probability, presence, few, more)[2] == 0.75


def test_nobody_has_a_say_in_what_it_is_judged_at(faces):
    probability, presence, _, few_presence, people = faces
    people = np.where(people < 5, 0, people)  # one who is on more than half of the pictures
    shown, lacking = np.where(people == 0, 0.67, 0.77), np.where(people == 0, 0.1, 0.68)
    few = np.where(few_presence == 1, shown[:, None], lacking[:, None])
    pair = probability[:, 1], presence[:, 1]
    own = {}
    for person in set(people.tolist()):
        rest = people != person
        own[person] = suited_by_hand(*pair, few[rest, 1], few_presence[rest, 1])
    assert own == {0: 0.75, 5: 0.65, 6: 0.65, 7: 0.65}, "others decide, and differ"
    found = held_out_calls(probability, presence, few, few_presence, people)
    thresholds = [own[person] for person in people.tolist()]
    for label, shares in ((1, found.shown), (0, found.lacking)):
        expected = share(few[:, 1], few_presence[:, 1], label, thresholds)
        assert shares[1] == pytest.approx(expected)


def test_an_au_that_no_face_shows_has_no_share():
    found = calls(np.array([[0.4], [0.7]]), np.array([[0], [9]]), 0.3)
    assert np.isnan(found.shown).all()
    assert found.lacking == [1]


def test_an_au_that_never_occurs_keeps_the_middle(faces, monkeypatch):
    probability, presence, few, few_presence, _ = faces
    never = np.zeros_like(presence)
    assert suited_thresholds(probability, never, few, few_presence).tolist() == [0.5] * 3
    monkeypatch.setattr(threshold_choice, "FEWEST", 1)
    assert suited_thresholds(probability, never, few, few_presence).tolist() == [0.5] * 3


def test_where_all_thresholds_give_false_alarms_the_few_cannot_lower_them():
    probability, presence = np.full((40, 1), 0.95), np.repeat([[0], [1]], 20, axis=0)
    few = np.repeat([[0.1], [0.3]], 20, axis=0)
    assert best_thresholds(probability, presence) == [0.8]
    assert suited_thresholds(probability, presence, few, presence) == [0.8]
