"""Landmarks that a corpus lacks, found by the packaged detector on frames of the demo clip."""

import hashlib
import json
from pathlib import Path

import aligned_by_hand
import cv2
import drawn_corpora
import numpy as np
import pyarrow.parquet
import pytest
import scipy.io
from test_corpora_bp4d import prepare as prepare_bp4d
from test_corpora_disfa import prepare as prepare_disfa

import runtime
from lgrnet.corpora.finding import finder
from lgrnet.data.shards import FaceShards
from runtime.packaged import DEMO_CLIP


@pytest.fixture(scope="module")
def clip():
    """Return five frames of the demo clip and the landmarks of the face in each."""
    video = cv2.VideoCapture(str(DEMO_CLIP))
    pictures = [cv2.resize(video.read()[1], None, fx=0.5, fy=0.5) for _ in range(5)]
    video.release()
    with runtime.Detector(threads=1, max_faces=1) as detector:
        points = [np.float64(detector(picture).faces[0].landmarks) for picture in pictures]
    return pictures, points


def test_a_recipe_names_the_model_and_the_face_finder_that_are_used():
    """Or a data set begun with one would go on with another."""
    digest = hashlib.sha256(Path(runtime.packaged.model_path(None)).read_bytes()).hexdigest()
    with runtime.Detector(threads=1) as detector:
        used = detector.finder_sha256
    assert used is not None
    assert finder() == f"edge {digest[:12]}, face finder {used[:12]}"


def write_points(folder, frame, points):
    jaw = np.zeros((17, 2))
    scipy.io.savemat(folder / f"l{frame:05d}_lm.mat", {"pts": np.vstack([jaw, points]) + 1})


def test_disfa_gets_landmarks_that_are_missing_or_nan(tmp_path, caplog, clip):
    pictures, points = clip
    root, more = tmp_path / "disfa", ("--subjects", "SN031")
    drawn_corpora.write_disfa(root, subjects=("SN031",), frames=6)
    black = np.zeros_like(pictures[0])
    for index, picture in enumerate([*pictures, black]):
        path = tmp_path / "pictures" / "SN031" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
    more += ("--pictures", str(tmp_path / "pictures"))
    folder = root / "Landmark_Points" / "SN031" / "tmp_frame_lm"
    for frame, own in enumerate(points, 1):
        write_points(folder, frame, own)
    for frame in (2, 6):  # in 6 there is no face
        (folder / f"l{frame:05d}_lm.mat").unlink()
    nan = points[3].copy()
    nan[7] = np.nan
    write_points(folder, 4, nan)
    far = points[0].copy()
    far[7] = 1e30
    write_points(folder, 1, far)
    # Not unless it is asked for.
    assert prepare_disfa(root, tmp_path / "out", *more) == 2
    assert f"{folder / 'l00004_lm.mat'}: landmarks are NaN or infinite" in caplog.text
    assert (
        f"{folder / 'l00001_lm.mat'}: landmarks are no face's: point 8 is at (1e+30" in caplog.text
    )
    assert f"{folder}: lacks the files of 2 of 6 frames, the first is frame 2" in caplog.text
    write_points(folder, 1, points[0])
    assert prepare_disfa(root, tmp_path / "out", *more, "--find-landmarks") == 0
    labels = FaceShards(tmp_path / "out", "SN031").labels
    assert len(labels.landmarks) == 5
    for found, own in zip(labels.landmarks, points, strict=True):
        np.testing.assert_allclose(found, aligned_by_hand.align(own), atol=0.01)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["landmarks_found"] == 2
    assert report["landmarks_found_frames"] == [
        {"subject": "SN031", "task": "", "count": 2, "frames": "2, 4"}
    ]
    assert report["dropped"]["no landmarks"] == 1
    text = (tmp_path / "out" / "report.txt").read_text()
    assert "of those written, 2 had no landmarks; theirs were found by the detector" in text
    assert "SN031: 2 frames (2, 4)" in text
    table = pyarrow.parquet.read_table(tmp_path / "out" / "index.parquet").to_pylist()
    assert [row["landmarks_found"] for row in table] == [False, True, False, True, False]
    # A data set with found landmarks is another one.
    write_points(folder, 4, points[3])
    assert prepare_disfa(root, tmp_path / "out", *more, "--allow-missing") == 2
    assert "another recipe" in caplog.text


def test_bp4d_gets_landmarks_where_its_tracker_failed(tmp_path, clip):
    pictures, points = clip
    root, more = tmp_path / "bp4d", ("--subjects", "F001")
    drawn_corpora.write_bp4d(root, subjects=("F001",), frames=5)
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(root / "Sequences" / "F001" / "T1" / f"{13 + index}.jpg"), picture)
    sets = [None, None, *(own + 1 for own in points), None, None]
    sets[3] = None
    drawn_corpora.write_fit_hdf5(root / "2DFeatures" / "F001_T1.mat", sets)
    assert prepare_bp4d(root, tmp_path / "out", *more, "--find-landmarks") == 0
    labels = FaceShards(tmp_path / "out", "F001").labels
    np.testing.assert_allclose(labels.landmarks[1], aligned_by_hand.align(points[1]), atol=1)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["landmarks_found_frames"] == [
        {"subject": "F001", "task": "T1", "count": 1, "frames": "14"}
    ]
    assert sum(report["dropped"].values()) == 0
