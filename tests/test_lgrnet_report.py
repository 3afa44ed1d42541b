"""Reliability, resampling of people, groups, and the report that holds them."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lgrnet.data.shards import Labels
from lgrnet.evaluation.bootstrap import (
    f1_counts,
    interval,
    resampled_mean_auc,
    resampled_mean_f1,
)
from lgrnet.evaluation.calibration import reliability
from lgrnet.evaluation.groups import groups
from lgrnet.evaluation.metrics import area_under_curve, f1_frame, mean_f1, precision_recall
from lgrnet.evaluation.page import draw_page, write_page
from lgrnet.evaluation.report import format_report, report
from lgrnet.evaluation.scoring import Evaluation
from lgrnet.evaluation.strength import by_strength

AUS = (1, 12)


def drawn(frames=400, people=20, seed=0):
    """Probabilities that know something of the labels, and labels of some people."""
    rng = np.random.default_rng(seed)
    presence = (rng.random((frames, 2)) < (0.3, 0.6)).astype(np.uint8)
    presence[rng.random((frames, 2)) < 0.05] = 9
    probability = (0.4 * (presence == 1) + 0.6 * rng.random((frames, 2))).astype(np.float32)
    labels = Labels(
        presence=presence,
        intensity=np.where(presence == 1, 0.8, 0).astype(np.float32),
        landmarks=np.zeros((frames, 49, 2), np.float32),
        subject=np.sort(rng.integers(0, people, frames)),
        conditions={
            "yaw": rng.uniform(-45, 45, frames).astype(np.float32),
            "skin_tone": rng.uniform(-60, 70, frames).astype(np.float32),
            "made up": np.zeros(frames, np.float32),
        },
    )
    return Evaluation(probability, presence, rng.random(frames) * 0.2), labels


def test_strength_is_what_a_loop_counts():
    rng = np.random.default_rng(4)
    presence = rng.choice([0, 1, 9], (300, 2), p=[0.5, 0.4, 0.1]).astype(np.uint8)
    intensity = rng.uniform(0, 5, (300, 2)).astype(np.float32)
    intensity[:20, 1] = np.nan
    intensity[20, 0] = 2.5  # C begins here
    present = rng.random((300, 2)) < 0.5
    found = by_strength(present, presence, intensity)
    for au in range(2):
        frames, called = [0] * 6, [0] * 6
        hits = wrong = 0
        for row in range(300):
            strong, label = intensity[row, au], presence[row, au]
            if label == 9 or strong != strong:
                continue
            level = int(strong + 0.5)
            frames[level] += 1
            called[level] += present[row, au]
            if label == 1 and strong < 2.5:
                continue
            hits += label == 1 and present[row, au]
            wrong += (label == 1) != present[row, au]
        assert found.frames[:, au].tolist() == frames
        assert found.called[:, au] == pytest.approx(np.divide(called, frames))
        assert found.plain_f1[au] == pytest.approx(2 * hits / (2 * hits + wrong))


def test_a_split_without_intensities_tells_nothing_of_strength():
    result, labels = drawn()
    unknown = replace(labels, intensity=np.full((400, 2), np.nan, np.float32))
    scores = report(AUS, result, (0.5, 0.5), unknown)
    assert "strength" not in scores["aus"]["AU01"]
    assert "weaker than C" not in format_report(scores)
    half = labels.intensity.copy()
    half[:, 0] = np.nan
    scores = report(AUS, result, (0.5, 0.5), replace(labels, intensity=half))
    assert "strength" not in scores["aus"]["AU01"]
    one = scores["aus"]["AU12"]["plain_f1_at_threshold"]
    assert scores["mean"]["all"]["plain_f1_at_threshold"] == pytest.approx(one)
    json.dumps(scores, allow_nan=False)
    known = report(AUS, result, (0.5, 0.5), labels)
    assert known["aus"]["AU01"]["strength"]["frames"][0] == (labels.presence[:, 0] == 0).sum()
    assert known["aus"]["AU01"]["strength"]["called"][1] is None
    assert "weaker than C" in format_report(known)


@pytest.mark.parametrize("absent", [0, 200])
def test_what_is_undefined_of_an_au_is_left_out_of_means(absent):
    """Who shows AU 1 shows a B of it, so that no frame is left that shows it plainly."""
    result, labels = drawn()
    result.presence[:, 0], labels.intensity[:, 0] = 1, 0.3
    result.presence[:absent, 0], labels.intensity[:absent, 0] = 0, 0
    scores = report(AUS, result, (0.5, 0.5), replace(labels, presence=result.presence))
    one, other = scores["aus"]["AU01"], scores["aus"]["AU12"]
    assert (result.probability[:absent, 0] >= 0.5).any() == (absent > 0), "some are called"
    assert np.isnan(one["plain_f1_at_threshold"])
    assert one["strength"]["frames"] == [absent, 0, 400 - absent, 0, 0, 0]
    assert np.isnan(one["auc"]) == (absent == 0)
    means = scores["mean"]["all"]
    for key in ("plain_f1_at_threshold", "auc") if absent == 0 else ("plain_f1_at_threshold",):
        assert means[key] == pytest.approx(other[key])
    assert means["f1"] == pytest.approx((one["f1"] + other["f1"]) / 2)


def test_reliability_is_what_a_loop_counts():
    result, _ = drawn()
    probability, presence = result.probability[:, 0], result.presence[:, 0]
    probability[:3], presence[:3] = (1.0, 0.0, 0.5), (1, 0, 1)
    curve = reliability(probability, presence, bins=4)
    error = 0.0
    for number in range(4):
        low, high = number / 4, (number + 1) / 4
        inside = [
            (p, y)
            for p, y in zip(probability.tolist(), presence.tolist(), strict=True)
            if y != 9 and (low <= p < high or (number == 3 and p == 1))
        ]
        assert curve.frames[number] == len(inside)
        said, seen = np.mean(inside, axis=0)
        assert curve.said[number] == pytest.approx(said)
        assert curve.seen[number] == pytest.approx(seen)
        error += len(inside) / (presence != 9).sum() * abs(said - seen)
    assert curve.expected_error == pytest.approx(error)


def test_who_always_tells_the_share_is_calibrated():
    presence = np.repeat([0, 1], [70, 30])
    assert reliability(np.full(100, 0.3), presence).expected_error == pytest.approx(0)
    assert reliability(np.full(100, 0.9), presence).expected_error == pytest.approx(0.6)
    assert np.isnan(reliability(np.zeros(2), np.full(2, 9)).expected_error)


def test_precision_and_recall_by_hand():
    present = np.array([[1, 0], [1, 0], [0, 0], [1, 0]], bool)
    labels = np.array([[1, 0], [0, 0], [1, 0], [9, 0]])
    precision, recall = precision_recall(present, labels)
    assert (precision[0], recall[0]) == (0.5, 0.5)
    assert np.isnan([precision[1], recall[1]]).all()


def drawn_frames(subject):
    """Draw people as resampling with seed 3 does, 50 times, and list all of their frames."""
    people = np.unique(subject)
    rng = np.random.default_rng(3)
    return [
        np.concatenate(
            [np.flatnonzero(subject == p) for p, t in zip(people, times, strict=True)
             for _ in range(t)]
        )
        for times in rng.multinomial(len(people), np.full(len(people), 1 / len(people)), 50)
    ]  # fmt: skip


def test_people_are_drawn_and_not_frames():
    result, labels = drawn()
    present = result.probability >= 0.5
    counts = f1_counts(present, result.presence, labels.subject)
    expected = [
        mean_f1(f1_frame(present[frames], result.presence[frames]))
        for frames in drawn_frames(labels.subject)
    ]
    np.testing.assert_allclose(resampled_mean_f1(counts, seed=3, resamples=50), expected)


def test_the_area_of_drawn_people_is_that_of_their_frames():
    result, labels = drawn()
    scores, presence = result.probability.round(1), result.presence.copy()  # many are equal
    presence[labels.subject > labels.subject.min(), 1] = 9  # not in every draw
    areas = [area_under_curve(scores[at], presence[at]) for at in drawn_frames(labels.subject)]
    assert np.isnan(areas).any()
    found = resampled_mean_auc(scores, presence, labels.subject, seed=3, resamples=50)
    np.testing.assert_allclose(found, np.nanmean(areas, axis=1))
    never = np.zeros_like(presence)
    assert np.isnan(resampled_mean_auc(scores, never, labels.subject, resamples=5)).all()


def test_alike_detectors_do_not_differ_in_any_draw():
    result, labels = drawn()
    counts = f1_counts(result.probability >= 0.5, result.presence, labels.subject)
    assert np.ptp(resampled_mean_f1(counts) - resampled_mean_f1(counts.copy())) == 0
    low, high = interval(resampled_mean_f1(counts))
    assert low < mean_f1(f1_frame(result.probability >= 0.5, result.presence)) < high


def test_an_interval_leaves_out_a_fortieth_on_each_side():
    values = np.random.default_rng(1).permutation(2001)
    assert interval(values) == (50, 1950)


def test_draws_in_which_no_au_occurs_do_not_count():
    counts = np.zeros((3, 2, 3), int)
    counts[0, 0] = 4, 1, 1  # one of three people shows, and is told to show, anything
    counts[1, 1] = 0, 5, 0  # and one is told to show what nobody does
    draws = resampled_mean_f1(counts, resamples=200)
    assert 0 < np.isnan(draws).sum() < 200
    assert interval(draws) == pytest.approx((8 / 10, 8 / 10))
    assert np.isnan(interval(np.full(3, np.nan))).all()


def three_aus(called):
    """AU 1 is half found, AU 4 shown and never called, AU 12 shown by nobody and called so often.

    Four people, of whom each shows AU 1 in half of the frames and AU 4 in a quarter.
    """
    frame = np.arange(80)
    presence = np.stack([frame % 2 == 0, frame % 4 == 1, frame < 0], 1).astype(np.uint8)
    present = np.stack([frame % 4 == 0, frame < 0, frame < called], 1)
    strength = np.where(presence == 1, 0.8, 0.0).astype(np.float32)
    labels = Labels(
        presence=presence, intensity=strength, landmarks=np.zeros((80, 49, 2), np.float32),
        subject=frame // 20, conditions={"yaw": np.where(frame < 40, 0.0, 40.0)},
    )  # fmt: skip
    said = np.where(presence == 1, 3.0, 1.0), 5 * strength
    return Evaluation(0.2 + 0.6 * present, presence, np.full(80, 0.05), said), labels


@pytest.mark.parametrize("called", [0, 1, 80])
def test_what_nobody_shows_changes_no_mean(called):
    """By hand: AU 1 has 20 hits of 40, no false alarm; AU 4 is missed in all of 20 frames."""
    result, labels = three_aus(called)
    scores = report((1, 4, 12), result, (0.5, 0.5, 0.5), labels)
    means = scores["mean"]["all"]
    assert means["averaged_aus"] == 2
    assert means["f1"] == means["f1_at_threshold"] == pytest.approx((2 * 20 / 60 + 0) / 2)
    assert means["always_on_f1"] == pytest.approx((2 * 40 / 120 + 2 * 20 / 100) / 2)
    assert means["precision"] == pytest.approx((1 + 0) / 2)
    assert means["recall"] == pytest.approx((0.5 + 0) / 2)
    assert means["auc"] == pytest.approx((0.75 + 0.5) / 2)
    assert means["intensity_mae"] == pytest.approx(1)
    assert means["plain_f1_at_threshold"] == pytest.approx(means["f1"])
    assert result.mean_f1 == pytest.approx(means["f1"])
    # All people are alike, so that they are whoever is drawn.
    assert scores["f1_at_threshold_95"]["all"] == pytest.approx([means["f1"]] * 2)
    filled = [row for row in scores["groups"] if row["frames"]]
    assert [row["averaged_aus"] for row in filled] == [2, 2]
    assert [row["f1_at_threshold"] for row in filled] == pytest.approx([means["f1"]] * 2)
    told = format_report(scores)
    assert "means are over the AUs that any face shows: all 2" in told
    assert "none 0 %, A -, B -, C -, D 25 %, E -" in told  # half of AU 1, none of AU 4


def test_means_are_those_of_the_aus_of_each_corpus():
    rng = np.random.default_rng(2)
    aus = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 23, 24, 25, 26)
    presence = rng.integers(0, 2, (300, len(aus))).astype(np.uint8)
    probability = (0.3 * presence + 0.7 * rng.random(presence.shape)).astype(np.float32)
    labels = Labels(
        presence=presence, intensity=np.full(presence.shape, np.nan, np.float32),
        landmarks=np.zeros((300, 49, 2), np.float32), subject=np.repeat(np.arange(10), 30),
    )  # fmt: skip
    result = Evaluation(probability, presence, np.full(300, 0.05))
    scores = report(aus, result, [0.6] * len(aus), labels)
    corpora = {
        "BP4D-12": (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
        "DISFA-8": (1, 2, 4, 6, 9, 12, 25, 26),
        "all": aus,
    }
    assert scores["mean"].keys() == scores["f1_at_threshold_95"].keys() == corpora.keys()
    for name, subset in corpora.items():
        for key, threshold in (("f1", 0.5), ("f1_at_threshold", 0.6)):
            each = []
            for au in subset:
                said = probability[:, aus.index(au)] >= threshold
                true = presence[:, aus.index(au)] == 1
                each.append(2 * (said & true).sum() / (said.sum() + true.sum()))
            assert scores["mean"][name][key] == pytest.approx(sum(each) / len(each))
        low, high = scores["f1_at_threshold_95"][name]
        assert low < scores["mean"][name]["f1_at_threshold"] < high
        columns = [aus.index(au) for au in subset]
        counts = f1_counts(probability[:, columns] >= 0.6, presence[:, columns], labels.subject)
        assert (low, high) == interval(resampled_mean_f1(counts))


def test_every_frame_is_in_one_group_of_each_condition():
    values = np.array([-45.0, -10, -9.9, 0, 9.9, 10, 20, 29.9, 30, 44])
    found = list(groups({"yaw": values, "unknown": values}))
    assert {group.condition for group in found} == {"head turned by"}
    frames = [np.abs(values)[group.chosen].tolist() for group in found]
    assert frames == [[9.9, 0, 9.9], [10, 10], [20, 29.9], [45, 30, 44]]
    (occluded, *_) = groups({"occlusion": np.array([0.0, 0.05, 0.5])})
    assert occluded.chosen.tolist() == [True, False, False]
    tones = [group.name for group in groups({"skin_tone": np.array([0.0])}) if group.chosen.any()]
    assert tones == ["brown"]


def test_a_frame_of_which_a_condition_is_unknown_is_in_no_group():
    for key in ("skin_tone", "yaw", "occlusion"):
        found = list(groups({key: np.array([np.nan, 0.0, 60.0])}))
        assert np.sum([group.chosen for group in found], axis=0).tolist() == [0, 1, 1], key


def test_among_one_person_nothing_can_be_drawn():
    result, labels = drawn(people=1)
    scores = report(AUS, result, (0.5, 0.5), labels)
    assert (scores["people"], scores["f1_at_threshold_95"]) == (1, {"all": None})
    assert "95 %" not in format_report(scores)


def test_up_and_down_a_head_is_nodded_alike():
    values = np.array([-25.0, -10, -9.9, 9.9, 19.9, 20])
    found = [values[group.chosen].tolist() for group in groups({"pitch": values})]
    assert found == [[-9.9, 9.9], [-10, 19.9], [-25, 20]]


def test_a_row_of_an_au_is_what_loops_count():
    result, labels = drawn()
    rng = np.random.default_rng(4)
    strength = np.where(labels.presence == 1, rng.uniform(1, 5, (400, 2)), 0).astype(np.float32)
    labels = replace(labels, intensity=strength / 5)
    result = replace(result, intensity=(rng.uniform(0, 5, (400, 2)), strength))
    limits = (0.4, 0.7)
    scores = report(AUS, result, limits, labels)
    for column, (key, limit) in enumerate(zip(("AU01", "AU12"), limits, strict=True)):
        row = scores["aus"][key]
        judged = [f for f in range(400) if labels.presence[f, column] != 9]
        shown = [f for f in judged if labels.presence[f, column] == 1]
        said = [f for f in judged if result.probability[f, column] >= np.float32(limit)]
        hits = len(set(shown) & set(said))
        assert row["threshold"] == limit
        assert row["base_rate"] == pytest.approx(len(shown) / len(judged))
        assert row["precision"] == pytest.approx(hits / len(said))
        assert row["recall"] == pytest.approx(hits / len(shown))
        assert row["always_on_f1"] == pytest.approx(2 * len(shown) / (len(shown) + len(judged)))
        assert sum(row["reliability"]["frames"]) == len(judged)
        missed = np.abs(result.intensity[0] - strength)[:, column].mean()
        assert row["intensity_mae"] == pytest.approx(missed, rel=1e-5)
        strong = [f for f in shown if strength[f, column] >= 4.5]
        called = sum(f in said for f in strong) / len(strong)
        assert row["strength"]["called"][-1] == pytest.approx(called, abs=1e-4)
        assert row["strength"]["frames"][-1] == len(strong)


def test_groups_count_their_own_people_and_failures():
    result, labels = drawn()
    labels = replace(labels, conditions={"yaw": np.where(labels.subject < 7, 0.0, 40.0)})
    rows = {row["name"]: row for row in report(AUS, result, (0.5, 0.5), labels)["groups"]}
    wanted = {"under 10°": labels.subject < 7, "30° or more": labels.subject >= 7}
    for name, chosen in wanted.items():
        assert rows[name]["people"] == len(set(labels.subject[chosen].tolist()))
        errors = result.errors[chosen]
        assert rows[name]["failure_rate"] == sum(each > 0.1 for each in errors) / len(errors)
        assert rows[name]["landmark_error"] == pytest.approx(sum(errors) / len(errors))


def test_report_holds_groups_and_is_json(tmp_path):
    result, labels = drawn()
    scores = report(AUS, result, (0.4, 0.6), labels)
    assert json.loads(json.dumps(scores, allow_nan=False))["people"] == 20
    present = result.probability >= (0.4, 0.6)
    turned = np.abs(labels.conditions["yaw"]) >= 30
    (row,) = [row for row in scores["groups"] if row["name"] == "30° or more"]
    truth = result.presence[turned]
    assert row["frames"] == turned.sum()
    assert row["f1_at_threshold"] == pytest.approx(mean_f1(f1_frame(present[turned], truth)))
    area = area_under_curve(result.probability[turned], truth)
    assert row["auc"] == pytest.approx(area.mean())
    assert row["landmark_error"] == pytest.approx(result.errors[turned].mean())
    table = format_report(scores)
    assert "head turned by" in table
    assert "skin tone (ITA)" in table
    low, high = scores["f1_at_threshold_95"]["all"]
    assert f"{low:.3f} to {high:.3f}" in table
    write_page({"checkpoint": "drawn.pt", **scores}, tmp_path / "page.png")
    assert cv2.imread(str(tmp_path / "page.png")).std() > 10
    for flip_test in (True, False):
        figure = draw_page({"checkpoint": "drawn.pt", "flip_test": flip_test, **scores})
        title = figure.get_suptitle()
        assert title.startswith("drawn.pt: ")
        assert ("flip test" in title) == flip_test
