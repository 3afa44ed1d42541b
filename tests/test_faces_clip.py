import csv

import cv2
import numpy as np
import pytest

from lgrnet.faces import clip
from lgrnet.faces.head.rig import RigError
from runtime.landmarks import inter_ocular
from runtime.truth import read_truth


@pytest.fixture
def short(monkeypatch):
    """Make the clip one scene of two short expressions."""
    monkeypatch.setattr(clip, "FRAMES_PER_EXPRESSION", 4)
    monkeypatch.setattr(clip, "SCENES", (clip.Scene(90_000_001, 1, ({}, {12: 1.0})),))


def test_clip_and_truth_agree(short, toy_rig_file, tmp_path):
    clip.render_clip(tmp_path, toy_rig_file, progress=False)
    truth = read_truth(tmp_path / "clip_truth.csv")
    video = cv2.VideoCapture(str(tmp_path / "clip.mp4"))
    frames = []
    while (frame := video.read())[0]:
        frames.append(frame[1])
    assert len(frames) == len(truth) == 8
    assert frames[0].shape == (clip.HEIGHT, clip.WIDTH, 3)
    for row in truth.values():
        inside = (row.landmarks >= 0) & (row.landmarks < (clip.WIDTH, clip.HEIGHT))
        assert inside.all()
        assert 40 < inter_ocular(row.landmarks) < 160
    with (tmp_path / "clip_truth.csv").open() as file:
        smile = [int(row["AU12_c"]) for row in csv.DictReader(file)]
    assert smile[:4] == [0] * 4
    assert smile[-1] == 1


def test_expressions_blend_into_each_other():
    scene = clip.Scene(1, 1, ({6: 1.0}, {12: 0.5}))
    frames = clip.intensities(scene)
    half = clip.FRAMES_PER_EXPRESSION
    assert frames[half - 1] == {6: 1.0}
    assert frames[-1] == {12: 0.5}
    smile = [frame.get(12, 0.0) for frame in frames[half:]]
    assert (np.diff(smile) >= 0).all()


def test_without_a_rig_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("LGRNET_FACE_RIG", raising=False)
    with pytest.raises(RigError, match="ICT-FaceKit"):
        clip.render_clip(tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


def test_committed_clip_has_people_of_no_data_set():
    from lgrnet.faces.generate import Recipe

    recipe = Recipe()
    people = {scene.person for scene in clip.SCENES}
    for split in ("train", "val", "test"):
        assert people.isdisjoint(recipe.people(split))


def test_a_clip_that_cannot_be_finished_leaves_the_old_one(
    short, toy_rig_file, tmp_path, monkeypatch, caplog
):
    (tmp_path / "clip.mp4").write_bytes(b"old")
    monkeypatch.setattr(clip, "frames_in", lambda path: 3)  # as on a full disc
    assert clip.main(["--rig", str(toy_rig_file), "--out", str(tmp_path)]) == 2
    assert "could not be finished: the disc may be full" in caplog.text
    assert (tmp_path / "clip.mp4").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
