"""Benchmarks on people rendered for them: poses, and signals on resting faces."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import ablation, pose, signals, soak, writing
from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM
from runtime.action_units import au_key
from runtime.errors import InputError
from runtime.pose import HeadPose
from runtime.results import Face, Result, Timings

OFF = np.array([1.0, -2.0, 3.0])


class Answers:
    """A detector that is told the truth of each picture, and is off by ``OFF`` degrees."""

    def __init__(self, monkeypatch, blind=False, no_poses=0):
        self.blind, self.no_poses = blind, no_poses
        render = pose.render

        def watch(studio, person, expression, head, *rest, **options):
            self.angles = np.rad2deg([head.yaw, head.pitch, head.roll])
            self.distance = head.distance
            return render(studio, person, expression, head, *rest, **options)

        monkeypatch.setattr(pose, "render", watch)

    def __repr__(self):
        return "Answers()"

    def __call__(self, picture):
        assert picture.shape == (pose.HEIGHT, pose.WIDTH, 3)
        if self.blind:
            return Result((), Timings(), (pose.WIDTH, pose.HEIGHT))
        if self.no_poses:
            self.no_poses -= 1
            return _WithPose(None)
        yaw, pitch, roll = self.angles + OFF
        seen = HeadPose(yaw, pitch, roll, (0.0, 0.0, 12 * self.distance), (0.0, 0.0, 0.0))
        return _WithPose(seen)


class AlwaysAu26:
    """A detector that sees AU 26 in every face, as sure at rest as in any other frame."""

    aus = tuple(au_key(au) for au in FACE_AUS)

    class spec:
        thresholds = (0.5,) * len(FACE_AUS)

    def reset(self):
        pass

    def track(self, picture):
        sure = {key: 0.9 if key == "AU26" else 0.0 for key in self.aus}
        box, points = (0.0, 0.0, 9.0, 9.0), np.zeros((49, 2), np.float32)
        return Result((Face(0, box, 1.0, points, sure, ("AU26",)),), Timings(), (480, 360))


class _WithPose:
    def __init__(self, seen):
        self.faces = [type("Seen", (), {"pose": seen})()]


def test_errors_of_a_pose_are_absolute_and_in_degrees(toy_studio, monkeypatch):
    record = pose.measure(Answers(monkeypatch), toy_studio, 2)
    assert (record["faces"], record["found"]) == (2, 2)
    for name, off in zip(("yaw", "pitch", "roll"), np.abs(OFF), strict=True):
        assert record["from_network"][name] == dict.fromkeys(("mean", "median", "p95"), off)
    assert record["distance_over_true"]["mean"] == pytest.approx(1.2)
    assert record["distance_over_true"]["std"] == pytest.approx(0)


def test_a_face_whose_landmarks_give_no_pose_is_not_found(toy_studio, monkeypatch):
    record = pose.measure(Answers(monkeypatch, no_poses=1), toy_studio, 2)
    assert (record["faces"], record["found"]) == (2, 1)


def test_a_detector_that_finds_nobody_is_named(toy_studio, monkeypatch):
    with pytest.raises(InputError, match=r"Answers\(\) finds none of 2"):
        pose.measure(Answers(monkeypatch, blind=True), toy_studio, 2)


@pytest.mark.parametrize("program", [pose, signals])
def test_without_a_rig_they_say_how_to_get_one(program, tmp_path, capsys):
    assert program.main(["--rig", str(tmp_path / "none.npz")]) == 2
    assert "none.npz" in capsys.readouterr().err


@pytest.mark.parametrize("program", [pose, signals])
def test_without_a_model_they_name_it(program, toy_rig_file, tmp_path, capsys):
    model = tmp_path / "no_model.npz"
    assert program.main(["--rig", str(toy_rig_file), "--model", str(model)]) == 2
    assert "no_model.npz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parse", "options"),
    [
        (soak.parse_args, ["--minutes", "0"]),
        (soak.parse_args, ["--copies", "0"]),
        (writing.parse_args, ["--rows", "1"]),
        (ablation.parse_args, ["--seeds", "0", "judge"]),
    ],
)
def test_measurements_of_nothing_are_refused(parse, options, capsys):
    with pytest.raises(SystemExit):
        parse(options)
    assert options[0] in capsys.readouterr().err


def test_an_onset_is_what_was_not_there_before():
    assert signals.onsets([{"AU01"}, {"AU01", "AU12"}, set(), {"AU12"}, {"AU12"}]) == 3


def test_hits_and_errors_are_those_of_the_frames_with_aus(toy_studio, monkeypatch):
    people, told = 2, []
    draw = signals._true

    def watch(active, landmarks):
        true = draw(active, landmarks)
        told.append((true, bool(active)))
        return true

    monkeypatch.setattr(signals, "_true", watch)
    record = signals.resting(AlwaysAu26(), toy_studio, people)
    acting = [true for true, acts in told if acts]
    assert len(acting) == people * signals.ACTING
    assert len(told) == people * (signals.RESTING + signals.ACTING)
    assert not any("AU26" in true for true, acts in told if not acts)
    raw = record["raw"]
    assert raw["false_at_rest"] == people * (signals.RESTING - signals.LEARNING)
    assert raw["hits"] == sum("AU26" in true for true in acting) > 0
    assert raw["false"] == sum("AU26" not in true for true in acting)
    assert raw["missed"] == sum(len(true - {"AU26"}) for true in acting)
    total = 2 * raw["hits"] + raw["false"] + raw["missed"]
    assert raw["micro_f1"] == pytest.approx(2 * raw["hits"] / total, abs=1e-4)
    # What is always there is what a baseline takes for rest.
    learned = record[f"baseline {signals.LEARNING}"]
    assert learned["false_at_rest"] == learned["hits"] == 0


def test_every_person_is_new(toy_studio):
    """The first always shows AU 26, the second does not at rest: nothing is left of the first."""

    class Fresh(AlwaysAu26):
        person = frame = -1

        def reset(self):
            self.person, self.frame = self.person + 1, -1

        def track(self, picture):
            self.frame += 1
            result = super().track(picture)
            if self.person == 1 and self.frame < signals.RESTING:
                result.faces[0].aus["AU26"] = 0.0
                return Result((replace(result.faces[0], present=()),), Timings(), (480, 360))
            return result

    record = signals.resting(Fresh(), toy_studio, 2)
    raw, learned = record["raw"], record[f"baseline {signals.LEARNING}"]
    assert raw["hits"] + raw["false"] == 2 * signals.ACTING
    assert raw["false_at_rest"] == signals.RESTING - signals.LEARNING
    assert learned["hits"] + learned["false"] == signals.ACTING
    assert learned["false_at_rest"] == 0


def test_nobody_found_is_no_score():
    assert signals._row([0, 0, 0, 0])["micro_f1"] is None


def test_truth_is_what_is_driven_far_enough():
    landmarks = np.zeros((49, 2), np.float32)
    landmarks[19:31, 0] = np.arange(12) * 10  # eyes, so that lips can be measured; lips closed
    found = signals._true({12: PRESENT_FROM + 0.01, 4: PRESENT_FROM - 0.01}, landmarks)
    assert found == {"AU12"}
