"""Thresholds by many faces and a few: compared with loops over faces."""

import numpy as np
import pytest

from lgrnet.evaluation import threshold_choice
from lgrnet.evaluation.threshold_choice import (
    FEWEST,
    Few,
    best_thresholds,
    calls,
    enough_faces,
    held_out_calls,
    suited_thresholds,
)


@pytest.fixture(scope="module")
def faces():
    """Return many faces, and a few of which the network says less: three AUs, 30 people.

    Of the third AU, nine people have one face each that shows it, and one of them ten more.
    """
    rng = np.random.default_rng(3)
    presence = rng.integers(0, 2, (600, 3))
    probability = np.where(presence, 0.85, 0.1)
    unsure = rng.random((600, 3)) < 0.15
    unsure &= presence == [1, 0, 0]  # low thresholds find more of the first, cost more of the rest
    probability[unsure] = 0.2 + 0.6 * rng.random(unsure.sum())
    few_presence = rng.choice([0, 1, 9], (120, 3), p=[0.4, 0.4, 0.2])
    few_presence[few_presence[:, 2] == 1, 2] = 9
    people = np.sort(np.r_[:30, [0] * 10, rng.integers(0, 30, 80)])
    first = np.searchsorted(people, np.arange(FEWEST - 1))
    few_presence[first, 2] = 1
    few_presence[people == 0, 2] = 1
    few = [0.3, 0.5, 0.4] + 0.2 * (few_presence == 1) + 0.15 * rng.normal(size=(120, 3))
    return probability, presence, Few(few.clip(0, 1), few_presence, people)


def f1_by_hand(probability, presence, threshold):
    hits = wrong = 0
    for p, there in zip(probability, presence, strict=True):
        hits += bool(p >= threshold and there)
        wrong += bool((p >= threshold) != bool(there))
    return 2 * hits / (2 * hits + wrong)


def share(few, column, label, thresholds):
    """Average over people the share of their faces with a label that are called."""
    of = {}
    for p, y, who, t in zip(*few, thresholds, strict=True):
        if y[column] == label:
            of.setdefault(who, []).append(p[column] >= t)
    return sum(sum(each) / len(each) for each in of.values()) / len(of)


def suited_by_hand(probability, presence, few, column):
    allowed = {}
    for step in range(4, 17):
        alarms = [p >= step / 20 for p, y in zip(probability, presence, strict=True) if not y]
        if sum(alarms) <= 0.2 * len(alarms):
            allowed[step] = f1_by_hand(probability, presence, step / 20)
    allowed = {s: f1 for s, f1 in allowed.items() if f1 >= max(allowed.values()) - 0.02}
    gain = {}
    for step in allowed:
        at = [step / 20] * len(few.people)
        gain[step] = share(few, column, 1, at) - share(few, column, 0, at)
    near = [s for s, f1 in allowed.items() if f1 >= max(allowed.values()) - 0.01]
    counts = [len(set(few.people[few.presence[:, column] == label].tolist())) for label in (0, 1)]
    if max(gain.values()) - gain[max(near)] < 1 / min(counts) - 1e-9:
        return max(near) / 20
    return max(s for s in gain if gain[s] >= max(gain.values()) - 1e-9) / 20


def test_the_few_choose_among_thresholds_that_cost_little(faces):
    probability, presence, few = faces
    chosen = suited_thresholds(probability, presence, few)
    best = best_thresholds(probability, presence)
    for column in range(2):
        pair = probability[:, column], presence[:, column]
        assert chosen[column] == pytest.approx(suited_by_hand(*pair, few, column))
    assert chosen[0] > best[0], "the few of the first AU want higher thresholds"
    assert chosen[1] < best[1], "those of the second want lower ones"
    assert (few.presence[:, 2] == 1).sum() > FEWEST
    assert chosen[2] == best[2], "nine people who show an AU are too few"


def test_who_is_not_labelled_gives_no_false_alarm():
    """Half of the frames may show the AU or not, and the network is sure that they do."""
    presence = np.repeat([[1], [0], [9]], [10, 10, 20], axis=0)
    probability = np.repeat([[0.52], [0.1], [0.9]], [10, 10, 20], axis=0)
    assert best_thresholds(probability, presence) == [0.5]


def test_with_one_person_more_they_have_a_say(faces):
    probability, presence, few = faces
    more = few.presence.copy()
    more[np.flatnonzero(few.people == FEWEST)[0], 2] = 1
    said = np.where(more == 1, 0.77, 0.1)  # any threshold up to 0.75 fits, the highest is taken
    fewer = few._replace(probability=said)
    assert suited_thresholds(probability, presence, fewer)[2] == 0.8
    assert suited_thresholds(probability, presence, fewer._replace(presence=more))[2] == 0.75


def test_one_person_of_many_faces_counts_once(faces):
    """Forty faces of one person are called from 0.45 on, one of each of eleven others from 0.7."""
    probability, presence, _ = faces
    people = np.r_[np.zeros(40, int), 1:12, 1:12]
    shows = np.r_[np.ones(51, int), np.zeros(11, int)]
    said = np.r_[np.full(40, 0.47), np.full(11, 0.72), np.full(11, 0.6)]
    few = Few(np.tile(said[:, None], 3), np.tile(shows[:, None], 3), people)
    assert suited_thresholds(probability, presence, few)[1] == 0.7
    assert calls(few, 0.7).shown == pytest.approx([11 / 12] * 3)


def test_less_than_one_person_makes_no_difference(faces):
    """Of twenty who show an AU, one has two faces; a lower threshold finds one more of these."""
    probability, presence, _ = faces
    people = np.r_[:20, 0, :21]
    shows = np.repeat([1, 0], 21)
    said = np.r_[0.67, np.full(20, 0.95), np.full(21, 0.1)]
    few = Few(np.tile(said[:, None], 3), np.tile(shows[:, None], 3), people)
    best = best_thresholds(probability, presence)[1]
    assert 0.67 < best
    assert suited_thresholds(probability, presence, few)[1] == best
    whole = few._replace(people=np.r_[:21, :21])  # now that face is all of somebody's
    assert suited_thresholds(probability, presence, whole)[1] == 0.65


def test_one_person_is_one_of_the_fewer(faces):
    """A lower threshold finds one more of those who show an AU; ten people lack it."""
    probability, presence, _ = faces
    best = best_thresholds(probability, presence)[1]
    assert 0.67 < best
    for showing, expected in ((10, 0.65), (40, best)):  # a tenth of them, and a fortieth
        said = np.r_[0.67, np.full(showing - 1, 0.95), np.full(10, 0.1)]
        shows = np.repeat([1, 0], [showing, 10])
        people = np.r_[:showing, :10]
        few = Few(np.tile(said[:, None], 3), np.tile(shows[:, None], 3), people)
        assert suited_thresholds(probability, presence, few)[1] == expected


def test_a_fifth_of_false_alarms_is_allowed_and_no_more():
    presence = np.repeat([[1], [1], [0], [0]], [5, 5, 2, 8], axis=0)
    probability = np.repeat([[0.8], [0.52], [0.52], [0.1]], [5, 5, 2, 8], axis=0)
    assert best_thresholds(probability, presence) == [0.5]
    probability[12] = 0.52
    assert best_thresholds(probability, presence) == [0.8]


def test_faces_without_a_label_are_not_counted():
    columns = [(20, 20), (20, 19), (19, 20), (40, 0), (20, 25)]
    presence = np.full((70, len(columns)), 9)
    for column, (shown, lacking) in enumerate(columns):
        presence[:shown, column] = 1
        presence[shown : shown + lacking, column] = 0
    assert enough_faces(presence).tolist() == [True, False, False, False, True]


def test_nobody_has_a_say_in_what_it_is_judged_at(faces):
    """With ten people who show an AU, each of them is one too few when left out; yet they judge."""
    probability, presence, _ = faces
    people = np.r_[:FEWEST, :FEWEST]
    shows = np.repeat([1, 0], FEWEST)
    said = np.where(shows, 0.67, 0.62) + 0.12 * (people < 5)
    few = Few(np.tile(said[:, None], 3), np.tile(shows[:, None], 3), people)
    pair = probability[:, 1], presence[:, 1]
    own = [
        suited_by_hand(*pair, Few(*(each[people != who] for each in few)), 1)
        for who in range(FEWEST)
    ]
    assert own == [0.65] * 5 + [0.75] * 5, "the others decide, and differ"
    found = held_out_calls(probability, presence, few)
    for label, shares in ((1, found.shown), (0, found.lacking)):
        expected = share(few, 1, label, [own[who] for who in people])
        assert shares[1] == pytest.approx(expected)
    assert (found.shown[1], found.lacking[1]) == (0.5, 0.5)


def test_an_au_that_no_face_shows_has_no_share():
    found = calls(Few(np.array([[0.4], [0.7]]), np.array([[0], [9]]), np.array([0, 1])), 0.3)
    assert np.isnan(found.shown).all()
    assert found.lacking == [1]


def test_an_au_that_never_occurs_keeps_the_middle(faces, monkeypatch):
    probability, presence, few = faces
    never = np.zeros_like(presence)
    assert suited_thresholds(probability, never, few).tolist() == [0.5] * 3
    monkeypatch.setattr(threshold_choice, "FEWEST", 1)
    assert suited_thresholds(probability, never, few).tolist() == [0.5] * 3


def test_where_all_thresholds_give_false_alarms_the_few_cannot_lower_them():
    probability, presence = np.full((40, 1), 0.95), np.repeat([[0], [1]], 20, axis=0)
    few = Few(np.repeat([[0.1], [0.3]], 20, axis=0), presence, np.arange(40))
    assert best_thresholds(probability, presence) == [0.8]
    assert suited_thresholds(probability, presence, few) == [0.8]
