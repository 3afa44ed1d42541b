import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from lgrnet.data.shards import (
    DatasetError,
    FaceShards,
    Labels,
    shard_is_complete,
    shard_name,
    write_index,
    write_shard,
)
from runtime.files.atomic import STALE

AUS = (1, 2, 12)
RECIPE = {"seed": 0, "people": 3}


def make_shard(seed, count):
    rng = np.random.default_rng(seed)
    faces = rng.integers(0, 256, (count, 200, 200, 3), dtype=np.uint8)
    intensity = rng.random((count, len(AUS)), dtype=np.float32)
    return faces, Labels(
        presence=(intensity > 0.5).astype(np.uint8),
        intensity=intensity,
        landmarks=rng.uniform(0, 200, (count, 49, 2)).astype(np.float32),
        subject=np.full(count, seed),
    )


@pytest.fixture
def dataset(tmp_path):
    """Return a folder with two training shards of 3 and 2 faces, and what is in them."""
    write_index(tmp_path, AUS, {"train": 2}, RECIPE)
    content = [make_shard(0, 3), make_shard(1, 2)]
    for number, (faces, labels) in enumerate(content):
        write_shard(tmp_path, shard_name("train", number), faces, labels)
    return tmp_path, content


def test_what_is_written_is_read(dataset):
    root, content = dataset
    shards = FaceShards(root, "train")
    assert len(shards) == 5
    assert shards.aus == AUS
    assert shards.recipe == RECIPE
    for name in ("presence", "intensity", "landmarks", "subject"):
        expected = np.concatenate([getattr(labels, name) for _, labels in content])
        found = getattr(shards.labels, name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    expected = np.concatenate([faces for faces, _ in content])
    for index in (4, 0, 2, 3, 1):
        np.testing.assert_array_equal(shards.face(index), expected[index])


def test_conditions_are_read_where_all_shards_have_them(tmp_path):
    write_index(tmp_path, AUS, {"train": 2}, RECIPE)
    for number, names in enumerate((("yaw", "pitch"), ("yaw",))):
        faces, labels = make_shard(number, 2)
        conditions = {name: np.full(2, number + len(name), np.float32) for name in names}
        labels = replace(labels, conditions=conditions)
        write_shard(tmp_path, shard_name("train", number), faces, labels)
    found = FaceShards(tmp_path, "train").labels.conditions
    assert {name: values.tolist() for name, values in found.items()} == {"yaw": [3, 3, 4, 4]}
    wrong = replace(labels, conditions={"yaw": np.zeros(3)})
    with pytest.raises(ValueError, match="labels of another number"):
        write_shard(tmp_path, shard_name("train", 0), faces, wrong)


def test_some_shards_of_a_split(dataset):
    root, content = dataset
    assert len(FaceShards(root, "train", most_shards=1)) == 3
    few = FaceShards(root, "train", most_shards=1)
    np.testing.assert_array_equal(few.labels.presence, content[0][1].presence)
    assert len(FaceShards(root, "train", most_shards=9)) == 5
    with pytest.raises(ValueError, match="most_shards: must be at least 1"):
        FaceShards(root, "train", most_shards=0)


def test_a_face_is_a_copy(dataset):
    shards = FaceShards(dataset[0], "train")
    shards.face(0)[:] = 0
    np.testing.assert_array_equal(shards.face(0), dataset[1][0][0][0])


def test_faces_are_read_when_they_are_asked_for(dataset):
    root, content = dataset
    (root / "train-00001.faces.npy").write_bytes(b"no array")
    shards = FaceShards(root, "train")
    np.testing.assert_array_equal(shards.face(2), content[0][0][2])
    with pytest.raises(DatasetError, match=r"train-00001.faces.npy is damaged"):
        shards.face(3)
    (root / "train-00001.faces.npy").write_bytes((root / "train-00000.faces.npy").read_bytes())
    with pytest.raises(DatasetError, match="not 2 faces of 200 × 200"):  # they are another's
        FaceShards(root, "train").face(3)


def test_a_shard_is_not_read_whole(dataset):
    root, content = dataset
    shards = FaceShards(root, "train")
    shards.face(0)
    path = root / "train-00000.faces.npy"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size - 1)  # the last value of face 2
        file.write(bytes([255 - content[0][0][2, -1, -1, -1]]))
    assert shards.face(2)[-1, -1, -1] == 255 - content[0][0][2, -1, -1, -1]


def test_a_reader_travels_to_a_worker_without_the_faces(dataset):
    shards = FaceShards(dataset[0], "train")
    for index in range(5):
        shards.face(index)
    sent = pickle.dumps(shards)
    assert len(sent) < 200 * 200
    np.testing.assert_array_equal(pickle.loads(sent).face(4), shards.face(4))


def test_some_aus_can_be_picked_in_any_order(dataset):
    root, content = dataset
    shards = FaceShards(root, "train", aus=(12, 1))
    assert shards.aus == (12, 1)
    intensity = np.concatenate([labels.intensity for _, labels in content])
    np.testing.assert_array_equal(shards.labels.intensity, intensity[:, [2, 0]])
    assert shards.labels.presence.shape == (5, 2)


def test_an_au_without_labels_is_refused(dataset):
    with pytest.raises(DatasetError, match=r"labels the AUs \[1, 2, 12\], not \[4, 6\]"):
        FaceShards(dataset[0], "train", aus=(1, 4, 6))


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    with pytest.raises(DatasetError, match=r"python -m lgrnet\.faces\.generate"):
        FaceShards(tmp_path, "train")


def test_a_split_that_is_not_there_is_refused(dataset):
    with pytest.raises(DatasetError, match=r"has the splits \['train'\], not 'test'"):
        FaceShards(dataset[0], "test")


@pytest.mark.parametrize("suffix", ["faces.npy", "labels.npz"])
def test_an_incomplete_data_set_is_refused(dataset, suffix):
    root, _ = dataset
    (root / f"train-00001.{suffix}").unlink()
    with pytest.raises(DatasetError, match=r"lacks 1 of 2 shards of train \(first: train-00001\)"):
        FaceShards(root, "train")


def test_another_format_is_refused(dataset):
    path = dataset[0] / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": "shards-9"}))
    with pytest.raises(DatasetError, match="format 'shards-9'"):
        FaceShards(dataset[0], "train")


def test_a_folder_keeps_its_recipe(dataset):
    root, _ = dataset
    before = (root / "dataset.json").read_bytes()
    write_index(root, AUS, {"train": 2}, dict(RECIPE))  # the same: nothing to do
    with pytest.raises(DatasetError, match="another recipe"):
        write_index(root, AUS, {"train": 2}, {**RECIPE, "seed": 1})
    assert (root / "dataset.json").read_bytes() == before


def test_a_writer_that_dies_leaves_no_shard(tmp_path, monkeypatch):
    def die(path, *_, **__):
        path.write_bytes(b"half a sha")
        raise OSError("no space left on device")

    faces, labels = make_shard(0, 2)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", die)
        with pytest.raises(OSError, match="no space"):
            write_shard(tmp_path, "train-00000", faces, labels)
    assert not shard_is_complete(tmp_path, "train-00000")
    assert not (tmp_path / "train-00000.faces.npy").exists()
    assert not list(tmp_path.glob(STALE))
    write_shard(tmp_path, "train-00000", faces, labels)
    assert shard_is_complete(tmp_path, "train-00000")


def test_shapes_that_do_not_fit_are_refused(tmp_path):
    faces, labels = make_shard(0, 2)
    with pytest.raises(ValueError, match="another number"):
        write_shard(tmp_path, "train-00000", faces[:1], labels)
    with pytest.raises(ValueError, match="not uint8 200"):
        write_shard(tmp_path, "train-00000", faces.astype(np.float32), labels)
    with pytest.raises(ValueError, match="not uint8 200"):
        write_shard(tmp_path, "train-00000", faces[:, :100], labels)
    assert list(tmp_path.iterdir()) == []


def test_several_splits_are_read_one_after_the_other(tmp_path):
    write_index(tmp_path, AUS, {"F001": 1, "F002": 2, "M001": 1}, RECIPE)
    names = [("F001", 0), ("F002", 0), ("F002", 1), ("M001", 0)]
    content = {}
    for seed, name in enumerate(names):
        content[name] = make_shard(seed, seed + 1)
        write_shard(tmp_path, shard_name(*name), *content[name])
    shards = FaceShards(tmp_path, ["M001", "F002"])
    order = [("M001", 0), ("F002", 0), ("F002", 1)]
    subjects = np.concatenate([content[name][1].subject for name in order])
    np.testing.assert_array_equal(shards.labels.subject, subjects)
    faces = np.concatenate([content[name][0] for name in order])
    for index in range(len(shards)):
        np.testing.assert_array_equal(shards.face(index), faces[index])
    with pytest.raises(DatasetError, match="not 'F003'"):
        FaceShards(tmp_path, ["F001", "F003"])
    with pytest.raises(ValueError, match="name at least one"):
        FaceShards(tmp_path, [])
    with pytest.raises(ValueError, match="train, train names one twice"):
        FaceShards(tmp_path, ("train", "train"))
