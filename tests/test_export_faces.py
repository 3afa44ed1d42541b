import cv2
import numpy as np
import pytest
from tiny_network import draw_faces
from tiny_shards import write_tiny_shards

from export import faces
from export.faces import MOST, calibration_faces, demo_faces, folder_faces, held_out_faces
from lgrnet.data.shards import FaceShards
from runtime.align import CROP_OFFSET
from runtime.errors import InputError
from runtime.packaged import DEMO_TRUTH
from runtime.truth import read_truth


def write_faces(folder, faces):
    folder.mkdir(exist_ok=True)
    for number, face in enumerate(faces):
        cv2.imwrite(str(folder / f"{number:03}.png"), face)
    return folder


def test_crops_are_taken_as_they_are_and_aligned_faces_by_their_middle(tmp_path):
    crops = draw_faces(8)
    margin = ((0, 0), (CROP_OFFSET,) * 2, (CROP_OFFSET,) * 2, (0, 0))
    for folder, images in (("crops", crops), ("aligned", np.pad(crops, margin))):
        assert np.array_equal(folder_faces(write_faces(tmp_path / folder, images)), crops)


def test_of_many_faces_some_are_taken_evenly(tmp_path):
    crops = draw_faces(2 * MOST - 1)
    faces = folder_faces(write_faces(tmp_path / "many", crops))
    assert np.array_equal(faces, crops[::2])


@pytest.mark.parametrize(
    ("faces", "message"),
    [
        (draw_faces(8)[:, :170], r"000\.png is 176 × 170: give aligned faces of 176 × 176 or"),
        (draw_faces(7), "gives 7 faces that differ from each other, at least 8"),
        (np.repeat(draw_faces(2), 5, 0), "gives 2 faces that differ"),
    ],
    ids=["size", "few", "repeated"],
)
def test_unusable_folders_are_refused(tmp_path, faces, message):
    with pytest.raises(InputError, match=message):
        folder_faces(write_faces(tmp_path / "faces", faces))


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        folder_faces(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no image"):
        folder_faces(tmp_path)


def test_without_the_demo_clip_the_error_says_what_to_give(tmp_path):
    with pytest.raises(InputError, match=r"clip\.mp4 and .*clip_truth\.csv missing; give --faces"):
        demo_faces(tmp_path)


def test_faces_of_the_demo_clip_are_aligned():
    faces = demo_faces()
    assert faces.shape == (MOST, 176, 176, 3)
    assert faces.dtype == np.uint8
    # A face fills the crop: its middle is skin, of which no pixel is grey as outside the frame.
    middle = faces[:, 60:120, 60:120].reshape(MOST, -1, 3)
    assert (np.ptp(middle.astype(int), axis=2).mean(1) > 5).all()


def test_training_people_calibrate_and_test_people_judge(tmp_path):
    write_tiny_shards(tmp_path)
    train, judges = (FaceShards(tmp_path, name, (1, 12)) for name in ("train", "test"))
    found, told = calibration_faces(tmp_path)
    assert "training people" in told
    assert len(found) == len(train) == 24
    for face, index in ((found[0], 0), (found[-1], 23)):
        np.testing.assert_array_equal(face, train.face(index)[12:188, 12:188])
    held_out = held_out_faces(tmp_path, (1, 12), 5)
    chosen = [0, 3, 6, 8, 11]  # evenly of 12
    for face, index in zip(held_out.faces, chosen, strict=True):
        np.testing.assert_array_equal(face, judges.face(index)[12:188, 12:188])
    np.testing.assert_array_equal(held_out.presence, judges.labels.presence[chosen])


def test_faces_of_the_clip_have_their_own_labels():
    truth = read_truth(DEMO_TRUTH)
    found = held_out_faces(None, (1, 6, 12, 25), 9)
    frames = sorted(truth)
    chosen = [frames[round(place)] for place in np.linspace(0, len(frames) - 1, 9)]
    wanted = [[truth[i].aus[key] for key in ("AU01", "AU06", "AU12", "AU25")] for i in chosen]
    assert found.presence.tolist() == wanted
    assert np.ptp(found.presence, axis=0).any()


def test_calibration_takes_some_of_many_faces_evenly(tmp_path, monkeypatch):
    assert faces.CALIBRATION == 96
    monkeypatch.setattr(faces, "CALIBRATION", 9)
    clip, told = calibration_faces(None)
    assert told == "the demo clip"
    np.testing.assert_array_equal(clip, demo_faces(most=9))
    assert len(clip) == 9
    crops = draw_faces(17)
    found, _ = calibration_faces(write_faces(tmp_path / "images", crops))
    np.testing.assert_array_equal(found, crops[::2])
    found, _ = calibration_faces(write_tiny_shards(tmp_path / "shards"))
    train = FaceShards(tmp_path / "shards", "train")
    chosen = [0, 3, 6, 9, 12, 14, 17, 20, 23]  # 23 steps in eight
    for face, index in zip(found, chosen, strict=True):
        np.testing.assert_array_equal(face, train.face(index)[12:188, 12:188])
