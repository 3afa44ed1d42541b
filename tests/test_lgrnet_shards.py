"""Several data sets are read as one, each face with the labels that it has in its own."""

import errno
import pickle
import subprocess
import sys

import numpy as np
import pytest
from tiny_shards import write_tiny_shards

from lgrnet.data.shards import (
    DatasetError,
    FaceShards,
    Labels,
    OtherDatasetError,
    write_index,
    write_shard,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return two data sets, the second of which labels one more AU between those of the first."""
    folder = tmp_path_factory.mktemp("sets")
    write_tiny_shards(folder / "first", count=3)
    rng = np.random.default_rng(5)
    write_index(folder / "second", (1, 4, 12), {"train": 1, "val": 0}, {"made for": "other tests"})
    labels = Labels(
        presence=rng.integers(0, 2, (4, 3)).astype(np.uint8),
        intensity=rng.random((4, 3)).astype(np.float32),
        landmarks=rng.random((4, 49, 2)).astype(np.float32),
        subject=np.full(4, 77),
        conditions={"yaw": rng.random(4).astype(np.float32)},
    )
    faces = rng.integers(0, 255, (4, 200, 200, 3), dtype=np.uint8)
    write_shard(folder / "second", "train-00000", faces, labels)
    return folder / "first", folder / "second"


def test_each_face_keeps_its_labels(folders):
    both = FaceShards(folders[0], "train", also=[folders[1]])
    alone = [FaceShards(folders[0], "train"), FaceShards(folders[1], "train", (1, 12))]
    assert [len(both), both.aus] == [3 + 3 + 4, (1, 12)]
    wanted = [(part, index) for part in alone for index in range(len(part))]
    for index, (part, own) in enumerate(wanted):
        np.testing.assert_array_equal(both.face(index), part.face(own))
        for name in ("presence", "intensity", "landmarks", "subject"):
            np.testing.assert_array_equal(
                getattr(both.labels, name)[index], getattr(part.labels, name)[own]
            )
    assert both.labels.conditions == {}, "only the second tells the yaw"
    assert list(FaceShards(folders[1], "train").labels.conditions) == ["yaw"]


def test_labels_come_in_the_order_asked_for(folders):
    one, other = (FaceShards(folders[0], "train", aus) for aus in ((1, 12), (12, 1)))
    for name in ("presence", "intensity"):
        kept, turned = (getattr(part.labels, name) for part in (one, other))
        np.testing.assert_array_equal(turned, kept[:, ::-1])
        assert (turned != kept).any()


def test_the_recipe_names_all(folders):
    assert FaceShards(folders[0], "train").recipe == {"made for": "tests"}
    both = FaceShards(folders[0], "train", also=[folders[1]])
    assert both.recipe == {"made for": "tests", "also": [{"made for": "other tests"}]}


def test_a_folder_with_other_aus_is_refused(folders, tmp_path):
    recipe, splits = {"made for": "tests"}, {"train": 1, "val": 0}
    write_index(tmp_path, (1, 12), splits, recipe)
    write_index(tmp_path, (1, 12), splits, recipe)
    before = (tmp_path / "dataset.json").read_bytes()
    for aus, parts in (((1, 4), splits), ((1, 12), {"train": 2, "val": 0})):
        with pytest.raises(OtherDatasetError, match="holds a data set made from another recipe"):
            write_index(tmp_path, aus, parts, recipe)
    assert (tmp_path / "dataset.json").read_bytes() == before


def test_faces_that_were_read_do_not_go_along_to_a_worker(folders):
    shards = FaceShards(folders[0], "train")
    unread = len(pickle.dumps(shards))
    faces = [shards.face(index) for index in range(len(shards))]
    packed = pickle.dumps(shards)
    assert len(packed) == unread < faces[0].size
    there = pickle.loads(packed)
    for index, face in enumerate(faces):
        np.testing.assert_array_equal(there.face(index), face)


@pytest.mark.parametrize(("most", "faces"), [(1, 3), (2, 6), (3, 10), (4, 10)])
def test_most_shards_counts_over_all(folders, most, faces):
    assert len(FaceShards(folders[0], "train", most_shards=most, also=[folders[1]])) == faces


def test_what_a_further_set_lacks_is_named(folders, tmp_path):
    first, second = folders
    with pytest.raises(DatasetError, match=f"{tmp_path} holds no dataset.json"):
        FaceShards(second, "train", also=[tmp_path])
    with pytest.raises(DatasetError, match=rf"{first} labels the AUs \[1, 12\], not \[4\]"):
        FaceShards(second, "train", also=[first])
    with pytest.raises(DatasetError, match=f"{second} has the splits .* not 'test'"):
        FaceShards(first, "test", also=[second])


@pytest.mark.parametrize(
    ("corpus", "people"), [("bp4d", True), ("a new one", True), ("own", False)]
)
def test_splits_of_a_corpus_are_told_to_be_people(tmp_path, corpus, people):
    write_index(tmp_path, (1, 12), {"F001": 1}, {"corpus": corpus})
    with pytest.raises(DatasetError, match="not 'test'") as caught:
        FaceShards(tmp_path, "test")
    assert ("each is a person" in str(caught.value)) == people


def test_faces_lie_as_numpy_saves_them(tmp_path):
    rng = np.random.default_rng(2)
    faces = rng.integers(0, 255, (3, 200, 200, 3), dtype=np.uint8)[:, :, ::-1]
    labels = Labels(
        presence=np.ones((3, 1), np.uint8),
        intensity=np.ones((3, 1), np.float32),
        landmarks=np.zeros((3, 49, 2), np.float32),
        subject=np.zeros(3, np.int64),
    )
    write_shard(tmp_path, "train-00000", faces, labels)
    np.save(tmp_path / "by_numpy.npy", np.ascontiguousarray(faces))
    written = (tmp_path / "train-00000.faces.npy").read_bytes()
    assert written == (tmp_path / "by_numpy.npy").read_bytes()


CRAMPED = """
import resource, sys
from pathlib import Path
import numpy as np
from lgrnet.data.shards import Labels, write_shard

resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
labels = Labels(np.ones((3, 1), np.uint8), np.ones((3, 1), np.float32),
                np.zeros((3, 49, 2), np.float32), np.zeros(3, np.int64))
try:
    write_shard(Path(sys.argv[1]), "train-00000", np.zeros((3, 200, 200, 3), np.uint8), labels)
except OSError as error:
    print(error.errno, error.filename)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size there")
def test_faces_that_have_no_room_are_told_with_reason_and_name(tmp_path):
    command = [sys.executable, "-c", CRAMPED.replace("sys.argv[1]", "Path(sys.argv[1])")]
    command[2] = "from pathlib import Path\n" + command[2]
    told = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str(errno.EFBIG), str(tmp_path / "train-00000.faces.npy")]
    assert [path.name for path in tmp_path.iterdir()] == ["train-00000.labels.npz"]
