"""Rendered look-alikes: they lie on disc as the corpora do, and `lgrnet.prepare` reads them."""

import json
import shutil

import aligned_by_hand
import cv2
import numpy as np
import pytest
import scipy.io

from lgrnet import prepare
from lgrnet.corpora import folds
from lgrnet.data.shards import FaceShards
from lgrnet.faces.lookalike.__main__ import main
from lgrnet.faces.lookalike.write import write_lookalike


def render(corpus, out, rig, *more):
    return main([corpus, "--out", str(out), "--rig", str(rig), "--no-progress", *more])


def run(corpus, root, out, *subjects):
    return prepare.main(
        [
            *(corpus, "--root", str(root), "--out", str(out), "--subjects", *subjects),
            *("--workers", "0", "--no-progress"),
        ]
    )


@pytest.fixture(scope="module")
def bp4d(toy_rig_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bp4d")
    more = ("--subjects", "F001", "--frames", "3", "--workers", "1")
    assert render("bp4d", folder / "corpus", toy_rig_file, *more) == 0
    return folder


@pytest.fixture(scope="module")
def disfa(toy_rig_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("disfa")
    more = ("--subjects", "SN031", "--frames", "6", "--workers", "1")
    assert render("disfa", folder / "corpus", toy_rig_file, *more) == 0
    return folder


def test_bp4d_lies_as_bp4d_does(bp4d):
    root = bp4d / "corpus"
    tables = sorted(path.name for path in (root / "AUCoding" / "AU_OCC").iterdir())
    assert tables == [f"F001_T{n}.csv" for n in range(1, 9)]
    header, *rows = (root / "AUCoding" / "AU_OCC" / "F001_T1.csv").read_text().splitlines()
    assert header.startswith("0,1,2,4,")
    assert len(rows) == 3
    pictures = list((root / "Sequences" / "F001" / "T1").iterdir())
    assert len(pictures) == 7
    numbers = {int(path.stem) for path in pictures}
    assert {int(row.split(",")[0]) for row in rows} < numbers
    with pytest.raises(NotImplementedError):  # MATLAB 7.3
        scipy.io.loadmat(root / "2DFeatures" / "F001_T1.mat")
    assert len(list((root / "AUCoding" / "AU_INT").glob("AU??/F001_T?_AU??.csv"))) == 40


def test_bp4d_is_prepared(bp4d):
    assert run("bp4d", bp4d / "corpus", bp4d / "out", "F001") == 0
    shards = FaceShards(bp4d / "out", "F001")
    report = json.loads((bp4d / "out" / "report.json").read_text())
    assert report["labelled"] == 24
    assert len(shards) == report["written"] >= 20
    known = shards.labels.presence != 9
    assert 0.9 < known.mean() <= 1
    level = shards.labels.intensity[:, 6]  # AU 12: there exactly where it is present
    both = known[:, 6] & ~np.isnan(level)
    np.testing.assert_array_equal(level[both] > 0, shards.labels.presence[both, 6] == 1)


def test_disfa_lies_as_disfa_does(disfa):
    root = disfa / "corpus"
    video = cv2.VideoCapture(str(root / "Videos_LeftCamera" / "LeftVideoSN031_comp.avi"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 6
    assert video.get(cv2.CAP_PROP_FPS) == 20
    labels = (root / "ActionUnit_Labels" / "SN031" / "SN031_au12.txt").read_text().splitlines()
    assert [line.split(",")[0] for line in labels] == list("123456")
    names = sorted(p.name for p in (root / "Landmark_Points/SN031/tmp_frame_lm").iterdir())
    assert names == [f"l0000{n}_lm.mat" for n in range(1, 7)]


def test_disfa_is_prepared_with_landmarks_on_the_face(disfa):
    assert run("disfa", disfa / "corpus", disfa / "out", "SN031") == 0
    shards = FaceShards(disfa / "out", "SN031")
    assert len(shards) == 6
    file = disfa / "corpus" / "Landmark_Points" / "SN031" / "tmp_frame_lm" / "l00004_lm.mat"
    raw = scipy.io.loadmat(file)["pts"]
    assert raw.shape == (66, 2)
    by_hand = aligned_by_hand.align(raw[17:] - 1)
    np.testing.assert_allclose(shards.labels.landmarks[3], by_hand, atol=1e-3)


def test_what_is_there_is_kept_and_what_is_missing_rendered(bp4d, toy_rig_file):
    root = bp4d / "corpus"
    kept = root / "AUCoding" / "AU_OCC" / "F001_T1.csv"
    written, content = kept.stat().st_mtime_ns, kept.read_text()
    again = root / "AUCoding" / "AU_OCC" / "F001_T2.csv"
    before = again.read_text()
    again.unlink()
    more = ("--subjects", "F001", "--frames", "3", "--workers", "1")
    assert render("bp4d", root, toy_rig_file, *more) == 0
    assert (kept.stat().st_mtime_ns, kept.read_text()) == (written, content)
    assert again.read_text() == before


@pytest.mark.parametrize("change", [("--frames", "4"), ("--frames", "3", "--seed", "1")])
def test_a_folder_keeps_what_it_was_made_from(bp4d, toy_rig_file, tmp_path, caplog, change):
    """Or a part of the people would have other frames, or be others."""
    root = tmp_path / "corpus"
    shutil.copytree(bp4d / "corpus", root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    more = ("--subjects", "F001", "F002", "--workers", "1", *change)
    assert render("bp4d", root, toy_rig_file, *more) == 2
    assert f"{root} holds a look-alike made from another recipe" in caplog.text
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    # Folders from before do not say what they are made from.
    (root / "lookalike.json").unlink()
    assert render("bp4d", root, toy_rig_file, "--subjects", "F001", "--workers", "1", *change) == 0
    assert render("bp4d", root, toy_rig_file, *("--subjects", "F001", "--frames", "3")) == 2


def test_all_subjects_have_their_names():
    from lgrnet.faces.lookalike.bp4d import TASKS

    assert len(folds.subjects("bp4d")) * len(TASKS) == 328
    assert len(folds.subjects("disfa")) == 27


def test_senseless_arguments_are_refused(tmp_path, toy_rig_file, caplog):
    assert render("bp4d", tmp_path / "out", toy_rig_file, "--subjects", "SN001") == 2
    assert "'SN001' is no subject of bp4d" in caplog.text
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        write_lookalike("bp4d", tmp_path / "out", 0, None, toy_rig_file)
    assert not (tmp_path / "out").exists()
