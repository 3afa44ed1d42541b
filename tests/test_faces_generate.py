import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lgrnet.data.shards import MISSING, DatasetError, FaceShards
from lgrnet.faces import generate as generate_module
from lgrnet.faces.conditions import CONDITIONS
from lgrnet.faces.generate import Recipe, generate, main, render_person
from lgrnet.faces.lookalike import __main__ as lookalike
from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM
from lgrnet.faces.motion.cooccurrence import sample_intensities
from runtime.files.atomic import STALE

TINY = Recipe(
    seed=7, train=2, val=1, test=1, control=1, images=2, people_per_shard=1, decorrelated=0.5
)
SPLITS = ("train", "val", "test", "control")


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def dataset(toy_rig_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces") / "tiny"
    generate(folder, TINY, toy_rig_file, workers=2, progress=False)
    return folder


def test_the_number_of_workers_changes_nothing(dataset, toy_rig_file, tmp_path):
    generate(tmp_path / "alone", TINY, toy_rig_file, workers=1, progress=False)
    assert content(tmp_path / "alone") == content(dataset)


def test_labels_and_faces_are_those_of_the_recipe(dataset, toy_studio):
    shards = FaceShards(dataset, "train")
    assert shards.aus == FACE_AUS
    assert len(shards) == TINY.train * TINY.images
    intensity, known = shards.labels.intensity, shards.labels.presence != MISSING
    np.testing.assert_array_equal(known, ~np.isnan(intensity))
    np.testing.assert_array_equal(shards.labels.presence[known], intensity[known] >= PRESENT_FROM)
    person = TINY.people("train")[1]
    np.testing.assert_array_equal(np.flatnonzero(shards.labels.subject == person), [2, 3])
    drawn = render_person(toy_studio, person, TINY, "train")
    for index, sample in zip((2, 3), drawn, strict=True):
        np.testing.assert_array_equal(shards.face(index), sample.face)
        np.testing.assert_array_equal(np.isnan(intensity[index]), sample.unscorable)
        np.testing.assert_array_equal(
            intensity[index][~sample.unscorable], sample.intensity[~sample.unscorable]
        )
        np.testing.assert_array_equal(shards.labels.landmarks[index], sample.landmarks)
        assert set(shards.labels.conditions) == set(CONDITIONS)
        for name, value in sample.conditions.items():
            assert shards.labels.conditions[name][index] == np.float32(value)


def test_control_people_move_without_rule(monkeypatch, toy_studio):
    asked = {}

    def sample(rng, count, strength, subject):
        asked[split] = strength
        return sample_intensities(rng, count, strength, subject)

    monkeypatch.setattr("lgrnet.faces.generate.sample_intensities", sample)
    recipe = replace(TINY, decorrelated=1.0, images=1)
    for split in SPLITS:
        list(render_person(toy_studio, recipe.people(split)[0], recipe, split))
    assert asked == {"train": 0.25, "val": 1.0, "test": 1.0, "control": 0.0}


def test_landmarks_lie_near_the_aligned_box(dataset):
    def furthest(split):
        anchors = FaceShards(dataset, split).labels.landmarks[:, [13, 31, 37]]
        return np.abs(anchors - 99.5).max()

    assert all(furthest(split) < 60 for split in SPLITS if split != "train")
    # As a face finder would place some of these: up to exp(0.3) larger and 30 pixels off.
    assert furthest("train") < 60 * np.exp(0.3) + 30


def test_nobody_is_in_two_splits(dataset):
    people = [set(FaceShards(dataset, split).labels.subject.tolist()) for split in SPLITS]
    assert [len(split) for split in people] == [TINY.train, TINY.val, TINY.test, TINY.control]
    assert len(set.union(*people)) == sum(map(len, people))
    other = replace(TINY, seed=8)
    assert not set(other.people("train")) & set.union(*people)


def test_shards_cover_each_person_once():
    recipe = Recipe(train=10, people_per_shard=4)
    shards = recipe.shards("train")
    assert [len(shard) for shard in shards] == [4, 4, 2]
    assert [person for shard in shards for person in shard] == list(recipe.people("train"))


def test_every_second_shard_of_training_people_rests_further_from_the_mean():
    recipe = Recipe(seed=3, train=10, val=8, people_per_shard=2, resting=1.8)
    spreads = [recipe.spread("train", number) for number in recipe.people("train")]
    assert spreads == [1, 1, 1.8, 1.8, 1, 1, 1.8, 1.8, 1, 1]
    for split in ("val", "test", "control"):
        assert {recipe.spread(split, number) for number in recipe.people(split)} == {1.0}


def test_how_far_they_rest_changes_nobody_else(dataset, toy_rig_file, tmp_path):
    usual = replace(TINY, resting=1.0)
    generate(tmp_path, usual, toy_rig_file, workers=1, progress=False)
    before, now = content(dataset), content(tmp_path)
    changed = {name for name in before if before[name] != now[name]}
    assert changed == {"dataset.json", "train-00001.faces.npy", "train-00001.labels.npz"}


def test_what_was_made_before_there_was_a_choice_can_be_gone_on_with(dataset):
    assert TINY.young == 0
    recipe = FaceShards(dataset, "train").recipe
    assert "young" not in recipe, "data sets of older versions do not name it"
    assert recipe["quiet"] == TINY.quiet


def test_young_people_are_drawn_for_training_alone():
    recipe = Recipe(seed=3, train=400, val=50, test=50, control=50, young=0.3)
    oldest = [recipe.oldest("train", number) for number in recipe.people("train")]
    assert set(oldest) == {0.25, 1.0}
    assert 90 < oldest.count(0.25) < 150  # of 120 expected, within three deviations
    for split in ("val", "test", "control"):
        assert {recipe.oldest(split, number) for number in recipe.people(split)} == {1.0}
    nobody = replace(recipe, young=0.0)
    assert {nobody.oldest("train", number) for number in nobody.people("train")} == {1.0}


def test_restraint_is_for_training_people_alone(dataset, toy_rig_file, tmp_path):
    generate(
        tmp_path, replace(TINY, quiet=0.0, traces=0.0), toy_rig_file, workers=1, progress=False
    )
    before, now = content(tmp_path), content(dataset)
    changed = {name for name in before if before[name] != now[name]}
    assert {name.split("-")[0] for name in changed} == {"dataset.json", "train"}
    plain = FaceShards(tmp_path, "train").labels.intensity
    assert np.nanmax(np.where(plain < PRESENT_FROM, plain, 0)) < 0.12
    restrained = FaceShards(dataset, "train").labels.intensity
    assert ((restrained > 0.12) & (restrained < PRESENT_FROM)).sum() > 5


def test_a_lost_shard_is_made_again(dataset, toy_rig_file):
    before = content(dataset)
    kept = dataset / "train-00000.faces.npy"
    written = kept.stat().st_mtime_ns
    (dataset / "train-00001.faces.npy").unlink()
    (dataset / ".train-00001.faces.1.part.npy").write_bytes(b"left behind")
    generate(dataset, TINY, toy_rig_file, workers=1, progress=False)
    assert content(dataset) == before
    assert kept.stat().st_mtime_ns == written


def test_another_recipe_is_refused(dataset, toy_rig_file):
    before = content(dataset)
    with pytest.raises(DatasetError, match="another recipe"):
        generate(dataset, replace(TINY, seed=8), toy_rig_file, workers=1, progress=False)
    assert content(dataset) == before


def test_a_killed_run_goes_on(toy_rig_file, tmp_path):
    arguments = [
        *("--out", str(tmp_path), "--rig", str(toy_rig_file), "--seed", "7", "--no-progress"),
        *(
            "--train",
            "9",
            "--val",
            "1",
            "--test",
            "1",
            "--control",
            "1",
            "--images",
            "2",
            "--workers",
            "1",
        ),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "lgrnet.faces.generate", *arguments],
        cwd=Path(__file__).parents[1],
        start_new_session=True,  # so that its workers can be killed with it, and nothing else
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not any(tmp_path.glob("*.faces.npy")) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.faces.npy")}
    assert 1 <= len(done) < 6
    with pytest.raises(DatasetError, match="goes on where it stopped"):
        FaceShards(tmp_path, "control")  # the last to be made

    assert main(arguments) == 0
    assert [len(FaceShards(tmp_path, split)) for split in SPLITS] == [18, 2, 2, 2]
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())
    assert not list(tmp_path.glob(STALE))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": -1}, r"train must lie in \[0, "),
        ({"train": 0, "val": 0, "test": 0, "control": 0}, "at least one split needs a person"),
        ({"images": -1}, "images must be at least 1"),
        ({"decorrelated": 1.5}, "decorrelated must lie in"),
        ({"quiet": -0.1}, "quiet must lie in"),
        ({"traces": 1.1}, "traces must lie in"),
        ({"young": 2}, "young must lie in"),
    ],
)
def test_a_senseless_recipe_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)


def test_the_command_line_reports_errors(tmp_path, caplog):
    missing = str(tmp_path / "no_rig.npz")
    assert main(["--out", str(tmp_path / "out"), "--rig", missing]) == 2
    assert missing in caplog.text
    assert main(["--out", str(tmp_path / "out"), "--rig", missing, "--young", "2"]) == 2
    assert "young must lie in" in caplog.text
    assert not (tmp_path / "out").exists()


def test_a_worker_that_is_killed_is_told(toy_rig_file, tmp_path, caplog, monkeypatch):
    def killed(*_):
        raise BrokenProcessPool("a child died")

    monkeypatch.setattr(generate_module, "generate", killed)
    monkeypatch.setattr(lookalike, "write_lookalike", killed)
    assert lookalike.main(["bp4d", "--out", str(tmp_path)]) == 2
    assert "fewer --workers" in caplog.text
    caplog.clear()
    assert generate_module.main(["--out", str(tmp_path), "--rig", str(toy_rig_file)]) == 2
    assert "fewer --workers" in caplog.text
