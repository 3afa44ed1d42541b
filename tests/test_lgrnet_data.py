import numpy as np
import pytest
import torch
from tiny_shards import write_tiny_shards

from lgrnet.data.augment import AugmentConfig
from lgrnet.data.batches import (
    EpochSampler,
    EvaluationFaces,
    TrainingFaces,
    evaluation_batches,
    to_input,
    training_batches,
)
from lgrnet.data.shards import FaceShards


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny_shards(tmp_path_factory.mktemp("shards"))


def test_input_is_rgb_in_minus_one_to_one():
    face = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    given = to_input(torch.from_numpy(face)).numpy()
    expected = ((face[..., ::-1] / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_evaluation_takes_the_middle_of_faces_as_inference_does(root):
    shards = FaceShards(root, "test")
    crop, _, landmarks, _ = EvaluationFaces(shards)[1]
    np.testing.assert_array_equal(crop, shards.face(1)[12:188, 12:188])
    np.testing.assert_array_equal(landmarks, shards.labels.landmarks[1] - 12)


def test_an_epoch_meets_every_face_once_in_an_order_of_its_own():
    def order(epoch):
        return [index for batch in EpochSampler(20, 4, 0, epoch) for _, index in batch]

    assert sorted(order(0)) == list(range(20))
    assert order(0) == order(0) != order(1)
    assert all(e == 3 for batch in EpochSampler(20, 4, 0, 3) for e, _ in batch)


def test_skipping_continues_the_same_order():
    whole = list(EpochSampler(22, 4, 0, 1))
    assert list(EpochSampler(22, 4, 0, 1, skip=2)) == whole[2:]
    assert len(EpochSampler(22, 4, 0, 1, skip=2)) == len(whole) - 2 == 3


@pytest.mark.parametrize("workers", [0, 1])
def test_training_batches_do_not_depend_on_workers(root, workers):
    faces = TrainingFaces(FaceShards(root, "train"), AugmentConfig(rotation=5), seed=7)
    expected = [faces[key] for batch in EpochSampler(len(faces), 4, 7, 2) for key in batch]
    batches = list(training_batches(faces, 4, epoch=2, workers=workers))
    crops = torch.cat([batch.faces for batch in batches]).numpy()
    np.testing.assert_array_equal(crops, np.stack([item[0] for item in expected]))
    assert batches[0].faces.dtype == torch.uint8
    assert batches[0].landmarks.shape == (4, 49, 2)
    # Intensities are on FACS's scale: the tiny faces are at rest or at their strongest.
    for batch in batches:
        torch.testing.assert_close(batch.intensity, 5.0 * batch.presence)


def test_a_limit_takes_faces_from_the_whole_split(root):
    shards = FaceShards(root, "train")
    few = TrainingFaces(shards, AugmentConfig(), seed=0, limit=3)
    everyone = TrainingFaces(shards, AugmentConfig(), seed=0, limit=10 * len(shards))
    assert (len(few), len(everyone)) == (3, len(shards))
    places = [0, len(shards) // 3, 2 * len(shards) // 3]
    for number, place in enumerate(places):
        np.testing.assert_array_equal(few[0, number][1], shards.labels.presence[place])


def test_evaluation_keeps_order_and_all_faces(root):
    shards = FaceShards(root, "test")
    batches = list(evaluation_batches(shards, batch=5))
    assert [len(batch.faces) for batch in batches] == [5, 5, 2]
    presence = torch.cat([batch.presence for batch in batches]).numpy()
    np.testing.assert_array_equal(presence, shards.labels.presence)
    np.testing.assert_array_equal(batches[0].faces[1].numpy(), shards.face(1)[12:188, 12:188])
