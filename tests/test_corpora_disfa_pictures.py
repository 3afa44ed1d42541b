"""DISFA whose videos were taken apart into pictures, and labels that its user corrects."""

import json

import cv2
import drawn_corpora
import numpy as np
import pytest
from test_corpora_disfa import SUBJECTS, prepare

from lgrnet.corpora import corrections
from lgrnet.corpora.corrections import read_corrections
from lgrnet.corpora.disfa_labels import AUS
from lgrnet.corpora.problems import CorpusError, Problems
from lgrnet.data.shards import FaceShards

NAMES = {
    "SN001/0.png": lambda subject, index: f"{subject}/{index}.png",
    "SN001/frame-1.png": lambda subject, index: f"{subject}/frame-{index + 1}.png",
    "as the video": lambda subject, index: f"LeftVideo{subject}_comp/{subject}_{index:05d}.png",
}


def take_apart(root, folder, name, frames=8):
    """Turn the videos of a drawn corpus into pictures."""
    for subject in SUBJECTS:
        path = root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"
        video = cv2.VideoCapture(str(path))
        for index in range(frames):
            place = folder / name(subject, index)
            place.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(place), video.read()[1])
        video.release()
        path.unlink()
    (root / "Videos_LeftCamera").rmdir()


@pytest.mark.parametrize("name", NAMES)
def test_pictures_give_the_faces_that_the_videos_give(tmp_path, name):
    root, pictures = tmp_path / "disfa", tmp_path / "pictures"
    drawn = drawn_corpora.write_disfa(root, frames=8)
    assert prepare(root, tmp_path / "videos") == 0
    take_apart(root, pictures, NAMES[name])
    assert prepare(root, tmp_path / "out", "--pictures", str(pictures)) == 0
    wanted, found = (FaceShards(tmp_path / made, SUBJECTS) for made in ("videos", "out"))
    assert len(found) == len(wanted) == 16
    for place in range(16):
        np.testing.assert_array_equal(found.face(place), wanted.face(place))
    np.testing.assert_array_equal(found.labels.presence, wanted.labels.presence)
    seen = drawn_corpora.seen_code(found.face(3), found.labels.landmarks[3])
    assert abs(seen - drawn["SN001"].codes[3]) < 4


def test_hidden_files_are_none_of_the_corpus(tmp_path):
    """A Mac writes ._NAME beside each file that it copies to a disc of another system."""
    root, pictures = tmp_path / "disfa", tmp_path / "pictures"
    drawn_corpora.write_disfa(root, frames=8)
    take_apart(root, pictures, NAMES["SN001/frame-1.png"])
    assert prepare(root, tmp_path / "clean", "--pictures", str(pictures)) == 0
    for folder in (pictures, root):
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            path.with_name(f"._{path.name}").write_bytes(bytes((0, 5, 22, 7)) + bytes(159))
    assert prepare(root, tmp_path / "out", "--pictures", str(pictures)) == 0
    wanted, found = (FaceShards(tmp_path / made, SUBJECTS) for made in ("clean", "out"))
    assert len(found) == len(wanted) == 16
    for place in range(16):
        np.testing.assert_array_equal(found.face(place), wanted.face(place))


def test_the_first_number_is_asked_for_where_pictures_do_not_tell_it(tmp_path, caplog):
    root, pictures = tmp_path / "disfa", tmp_path / "pictures"
    drawn = drawn_corpora.write_disfa(root, frames=25)
    take_apart(root, pictures, NAMES["SN001/0.png"], 25)
    more = ["--pictures", str(pictures)]
    folder = pictures / "SN001"
    (folder / "0.png").unlink()  # 1 to 24 are left: of frames 2 to 25, or of 1 to 24
    assert prepare(root, tmp_path / "out", *more) == 2
    assert (
        f"{folder}: holds 24 pictures numbered 1 to 24 for 25 labelled frames, so that it is not "
        "plain which one frame 1 is: give its number with --first-picture 0 or 1"
    ) in caplog.text
    more += ["--first-picture", "0"]
    assert prepare(root, tmp_path / "out", *more) == 2
    assert (
        f"{folder}: holds 24 pictures for 25 labelled frames, frame 1 being picture 0: 1 frames "
        "have none, the first is frame 1"
    ) in caplog.text
    assert not (tmp_path / "out").exists()
    assert prepare(root, tmp_path / "out", *more, "--allow-missing") == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["dropped"]["no picture"] == 1
    assert report["left_out"][0].startswith(f"{folder}: holds 24 pictures")
    shards = FaceShards(tmp_path / "out", "SN001")
    seen = drawn_corpora.seen_code(shards.face(0), shards.labels.landmarks[0])
    assert abs(seen - drawn["SN001"].codes[1]) < 4


def test_what_is_wrong_with_pictures_is_told_with_the_rest(tmp_path, caplog):
    root, pictures = tmp_path / "disfa", tmp_path / "pictures"
    drawn_corpora.write_disfa(root, frames=8)
    take_apart(root, pictures, NAMES["SN001/0.png"])
    more = ["--pictures", str(pictures)]
    first, second = (pictures / subject for subject in SUBJECTS)
    (first / "frame-3.png").write_bytes((first / "3.png").read_bytes())
    for path in second.iterdir():
        path.unlink()
    (root / "ActionUnit_Labels" / "SN031" / "SN031_au1.txt").write_text("1,7\n")
    assert prepare(root, tmp_path / "out", *more) == 2
    assert f"{first / 'frame-3.png'}: has the number of 3.png beside it" in caplog.text
    assert f"{second}: holds no pictures whose names end in a number" in caplog.text
    assert "SN031_au1.txt, line 1: intensity 7" in caplog.text
    second.rmdir()
    assert prepare(root, tmp_path / "out", *more) == 2
    assert f"{second}: is missing" in caplog.text
    assert prepare(root, tmp_path / "out") == 2
    assert "name a folder of pictures with --pictures" in caplog.text
    assert prepare(root, tmp_path / "out", "--pictures", str(tmp_path / "no")) == 2
    assert f"{tmp_path / 'no'}: is no folder" in caplog.text
    assert prepare(root, tmp_path / "out", "--first-picture", "0") == 2
    assert "--first-picture: name the folder" in caplog.text
    assert not (tmp_path / "out").exists()


def test_a_damaged_picture_is_dropped_and_told(tmp_path):
    root, pictures = tmp_path / "disfa", tmp_path / "pictures"
    drawn_corpora.write_disfa(root, frames=8)
    take_apart(root, pictures, NAMES["SN001/0.png"])
    (pictures / "SN001" / "4.png").write_bytes(b"no picture")
    assert prepare(root, tmp_path / "out", "--pictures", str(pictures)) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["dropped_frames"] == [
        {"subject": "SN001", "task": "", "reason": "unreadable frame", "count": 1, "frames": "5"}
    ]


def test_a_picture_that_is_cut_off_is_dropped(tmp_path, monkeypatch):
    """Some builds of OpenCV fill the lower part of its face with grey."""
    root, pictures = tmp_path / "disfa", tmp_path / "pictures"
    drawn_corpora.write_disfa(root, frames=8)
    take_apart(root, pictures, lambda subject, index: f"{subject}/{index}.jpg")
    path = pictures / "SN001" / "4.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: np.full((130, 150, 3), 128, np.uint8))
    assert prepare(root, tmp_path / "out", "--pictures", str(pictures)) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (dropped,) = report["dropped_frames"]
    assert (dropped["reason"], dropped["frames"]) == ("unreadable frame", "5")


@pytest.mark.parametrize(("first", "over", "taken"), [(0, 1, True), (0, 2, False), (1, 1, True)])
def test_pictures_of_no_labelled_frame_are_few(tmp_path, caplog, first, over, taken):
    """Of 20 frames; those over lie behind the last, or before the first."""
    root, pictures = tmp_path / "disfa", tmp_path / "pictures"
    drawn = drawn_corpora.write_disfa(root, frames=20)["SN001"]
    take_apart(root, pictures, NAMES["SN001/0.png"], 20)
    folder = pictures / "SN001"
    paths = [folder / f"{number}.png" for number in range(20)]
    for number, path in reversed(list(enumerate(paths))):
        path.rename(folder / f"{number + first}.png")
    for number in range(first) if first else range(20, 20 + over):
        (folder / f"{number}.png").write_bytes((folder / f"{first}.png").read_bytes())
    more = ["--subjects", "SN001", "--pictures", str(pictures), "--first-picture", str(first)]
    said = f"{folder}: holds {20 + over} pictures for 20 labelled frames, frame 1 being picture "
    said += f"{first}: {over} pictures are of no labelled frame"
    assert prepare(root, tmp_path / "out", *more) == 2
    assert said in caplog.text
    assert prepare(root, tmp_path / "out", *more, "--allow-missing") == (0 if taken else 2)
    assert (tmp_path / "out").exists() == taken
    if taken:
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        assert report["left_out"] == [said]
        assert report["unlabelled_pictures"] == over
        shards = FaceShards(tmp_path / "out", "SN001")
        for place in (0, 19):
            seen = drawn_corpora.seen_code(shards.face(place), shards.labels.landmarks[place])
            assert abs(seen - drawn.codes[place]) < 4


def correct(path, *rows, head="subject,au,first,last,intensity"):
    path.write_text("\n".join([head, *rows]) + "\n")
    return "--corrections", str(path)


def test_corrections_change_labels_and_are_reported(tmp_path):
    root, table = tmp_path / "disfa", tmp_path / "mended.csv"
    drawn = drawn_corpora.write_disfa(root, frames=8)
    wanted = drawn["SN031"].intensity.copy()
    changed = int((wanted[2:5, 6] != 1).sum()), int((wanted[7:, 10] != 4).sum()), 2
    wanted[2:5, 6], wanted[7:, 10], wanted[:2, 10] = 1, 4, np.nan
    more = correct(table, "SN031,12,3,5,1", "SN031,25,8,8,4", "SN031,25,1,2,9")
    assert prepare(root, tmp_path / "out", *more) == 0
    labels = FaceShards(tmp_path / "out", "SN031").labels
    np.testing.assert_allclose(labels.intensity * 5, wanted)
    presence = np.where(np.isnan(wanted), 9, wanted >= 2)
    np.testing.assert_array_equal(labels.presence, presence)
    other = FaceShards(tmp_path / "out", "SN001").labels
    np.testing.assert_allclose(other.intensity * 5, drawn["SN001"].intensity)
    notes = json.loads((tmp_path / "out" / "report.json").read_text())["notes"]
    assert notes == [
        f"SN031: {table}, line 2: AU 12 of frames 3 to 5 is 1, which changes {changed[0]} labels",
        f"SN031: {table}, line 3: AU 25 of frames 8 to 8 is 4, which changes {changed[1]} labels",
        f"SN031: {table}, line 4: AU 25 of frames 1 to 2 is unknown, which changes 2 labels",
    ]
    # Other labels make another data set.
    correct(table, "SN031,12,3,5,0")
    assert prepare(root, tmp_path / "out", *more) == 2


def test_every_fault_of_corrections_has_its_line(tmp_path, caplog):
    root, table = tmp_path / "disfa", tmp_path / "mended.csv"
    drawn_corpora.write_disfa(root, frames=8)
    more = correct(
        table, "SN031,12,3,5", "SN014,12,3,5,1", "SN031,3,3,5,1", "SN031,12,5,3,1",
        "SN031,12,3,5,6",
    )  # fmt: skip
    assert prepare(root, tmp_path / "out", *more) == 2
    for line, what in (
        (2, "is not 'subject,au,first,last,intensity' but 'SN031,12,3,5'"),
        (3, "'SN014' is no subject of DISFA"),
        (4, "AU 3 is not labelled, only 1, 2, 4, 5, 6, 9, 12"),
        (5, "frames 5 to 3 are no range from 1 on"),
        (6, "intensity 6, expected 0 to 5, or 9 for unknown"),
    ):
        assert f"{table}, line {line}: {what}" in caplog.text
    assert "5 problems" in caplog.text
    more = correct(table, "SN031,12,1,4,2", "", "SN031,12,4,6,2", "SN031,12,x,6,2")
    assert prepare(root, tmp_path / "out", *more) == 2
    assert f"{table}, line 4: corrects frames that line 2 corrects too" in caplog.text
    assert f"{table}, line 5: is not 'subject,au,first,last,intensity'" in caplog.text
    assert prepare(root, tmp_path / "out", *correct(table, "SN031,12,3,9,1")) == 2
    assert f"{table}, line 2: frame 9, the labels of SN031 end with frame 8" in caplog.text
    assert prepare(root, tmp_path / "out", *correct(table, head="subject,frame")) == 2
    assert f"{table}, line 1: the first row must be subject,au,first,last,intensity" in caplog.text
    assert prepare(root, tmp_path / "out", "--corrections", str(tmp_path / "no.csv")) == 2
    assert f"{tmp_path / 'no.csv'}: is missing" in caplog.text
    assert not (tmp_path / "out").exists()


def test_labels_that_are_so_already_are_not_changed(tmp_path):
    table = tmp_path / "mended.csv"
    correct(table, "SN031,12,2,4,9", "SN031,25,3,5,2")  # the same frames of another AU
    rows = read_corrections(table, "disfa", AUS)
    intensity = np.full((6, 12), 2.0)
    intensity[2, AUS.index(12)] = np.nan
    problems = Problems()
    notes = corrections.correct(rows, "SN031", AUS, intensity, problems)
    assert not problems
    assert [note.rpartition("which changes ")[2] for note in notes] == ["2 labels", "0 labels"]
    assert np.isnan(intensity[1:4, AUS.index(12)]).all()
    correct(table, "SN031,12,0,4,1")
    with pytest.raises(CorpusError, match="frames 0 to 4 are no range from 1 on"):
        read_corrections(table, "disfa", AUS)
