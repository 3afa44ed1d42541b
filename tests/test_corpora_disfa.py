"""DISFA as distributed, drawn by tests/drawn_corpora.py, through `lgrnet.prepare disfa`."""

import json

import aligned_by_hand
import cv2
import drawn_corpora
import numpy as np
import pyarrow.parquet
import pytest
import scipy.io
from some_videos import READS_INTERLACED, moving_pictures

from lgrnet.corpora import disfa
from lgrnet.corpora.problems import Problems
from lgrnet.data.shards import FaceShards
from lgrnet.prepare import main
from runtime.action_units import DISFA_AUS
from runtime.commands.interlaced import write_interlaced

SUBJECTS = ("SN001", "SN031")


def prepare(root, out, *more):
    return main(
        [
            *("disfa", "--root", str(root), "--out", str(out), "--subjects", *SUBJECTS),
            *("--workers", "0", "--no-progress", *more),
        ]
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return the corpus as drawn and what was made of it; one landmark file is missing."""
    folder = tmp_path_factory.mktemp("disfa")
    drawn = drawn_corpora.write_disfa(folder / "disfa", frames=8, skip=[("SN001", 3)])
    assert prepare(folder / "disfa", folder / "out") == 2
    assert not (folder / "out").exists()
    assert prepare(folder / "disfa", folder / "out", "--allow-missing") == 0
    return drawn, folder / "out"


def test_every_face_has_its_own_labels_landmarks_and_picture(prepared):
    drawn, out = prepared
    place = 0
    shards = FaceShards(out, SUBJECTS)
    assert shards.aus == drawn_corpora.DISFA_AUS
    for subject, number in (("SN001", 1), ("SN031", 31)):
        sequence = drawn[subject]
        for index, frame in enumerate(sequence.frames):
            if (subject, frame) == ("SN001", 3):
                continue
            labels = shards.labels
            assert labels.subject[place] == number
            assert labels.presence[place].tolist() == sequence.presence[index].tolist()
            np.testing.assert_allclose(labels.intensity[place], sequence.intensity[index] / 5)
            by_hand = aligned_by_hand.align(sequence.landmarks[index])
            np.testing.assert_allclose(labels.landmarks[place], by_hand, atol=1e-3)
            seen = drawn_corpora.seen_code(shards.face(place), labels.landmarks[place])
            assert abs(seen - sequence.codes[index]) < 4
            place += 1
    assert place == len(shards) == 15


def test_presence_is_intensity_of_two_or_more(prepared):
    labels = FaceShards(prepared[1], SUBJECTS, DISFA_AUS).labels
    assert labels.presence.shape == (15, 8)
    levels = np.round(labels.intensity * 5)
    assert set(levels.ravel()) == {0, 1, 2, 3, 4, 5}
    np.testing.assert_array_equal(labels.presence == 1, levels >= 2)


def test_index_and_report(prepared):
    drawn, out = prepared
    table = pyarrow.parquet.read_table(out / "index.parquet").to_pylist()
    expected = [("SN001", n) for n in (1, 2, 4, 5, 6, 7, 8)] + [("SN031", n) for n in range(1, 9)]
    assert [(row["subject"], row["frame"]) for row in table] == expected
    assert table[2]["AU25_r"] == drawn["SN001"].intensity[3, 10]
    assert {row["task"] for row in table} == {""}
    report = json.loads((out / "report.json").read_text())
    assert report["dropped"]["no landmarks"] == 1
    assert report["dropped_frames"][0]["frames"] == "3"
    assert report["by_subject"]["SN031"] == {"written": 8, "jaanet_lists": 4845}
    (line,) = report["left_out"]
    assert "tmp_frame_lm: lacks the files of 1 of 8 frames, the first is frame 3" in line


def test_long_videos_are_cut_into_shards_that_resume(tmp_path, monkeypatch):
    drawn = drawn_corpora.write_disfa(tmp_path / "disfa", frames=11)
    monkeypatch.setattr("lgrnet.corpora.sequence.SHARD_FRAMES", 4)
    assert prepare(tmp_path / "disfa", tmp_path / "out") == 0
    names = sorted(path.name for path in (tmp_path / "out").glob("SN001*.faces.npy"))
    assert names == [f"SN001-0000{n}.faces.npy" for n in range(3)]
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / "SN001-00001.faces.npy").unlink()
    (tmp_path / "out" / "index.parquet").unlink()
    kept = (tmp_path / "out" / "SN001-00002.faces.npy").stat().st_mtime_ns
    assert prepare(tmp_path / "disfa", tmp_path / "out") == 0
    again = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert again == whole
    assert (tmp_path / "out" / "SN001-00002.faces.npy").stat().st_mtime_ns == kept
    shards = FaceShards(tmp_path / "out", "SN001")
    codes = [drawn_corpora.seen_code(shards.face(n), shards.labels.landmarks[n]) for n in range(11)]
    np.testing.assert_allclose(codes, drawn["SN001"].codes, atol=4)


def test_the_one_known_gap_takes_its_neighbours_landmarks(tmp_path):
    folder = tmp_path / "tmp_frame_lm"
    folder.mkdir()
    rng = np.random.default_rng(0)
    points = {frame: rng.uniform(1, 99, (66, 2)) for frame in (3629, 3630, 3632)}
    for frame, values in points.items():
        scipy.io.savemat(folder / f"l0{frame}_lm.mat", {"pts": values})
    problems, options = Problems(), disfa.Options(tmp_path, allow_missing=True)
    found, notes, lacking = disfa.read_landmarks(folder, "SN031", 4845, options, problems)
    assert not problems
    assert len(lacking) == 1
    assert "lacks the files of 4841 of 4845 frames, the first is frame 1" in lacking[0]
    np.testing.assert_allclose(found[3630], points[3630][17:] - 1)
    np.testing.assert_allclose(found[3629], points[3630][17:] - 1)
    assert np.isfinite(found).all((1, 2)).sum() == 4
    assert notes == ("frame 3631 has no landmarks, those of frame 3630 are used",)
    found, notes, _ = disfa.read_landmarks(folder, "SN030", 4845, options, problems)
    assert np.isnan(found[3630]).all()
    assert not notes


def test_pictures_and_landmarks_agree_to_a_fraction_of_a_pixel(tmp_path):
    root = tmp_path / "disfa"
    drawn = drawn_corpora.write_disfa(root, subjects=("SN001",))
    video = root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    drawn_corpora.write_video(video, [drawn_corpora.ramp(number % 2) for number in range(6)])
    assert prepare(root, tmp_path / "out", "--subjects", "SN001") == 0
    shards = FaceShards(tmp_path / "out", "SN001")
    for index in (4, 5):
        raw, aligned = drawn["SN001"].landmarks[index], shards.labels.landmarks[index]
        assert abs(drawn_corpora.ramp_error(shards.face(index), aligned, raw, index % 2)) < 0.3


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_all_problems_are_found_in_one_pass(tmp_path, caplog):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root)
    labels, points = root / "ActionUnit_Labels", root / "Landmark_Points"
    first = labels / "SN001"
    (first / "SN001_au1.txt").unlink()
    edit(first / "SN001_au2.txt", "3,", "4,")
    edit(first / "SN001_au4.txt", "2,", "2;")
    (first / "SN001_au5.txt").write_text("1,0\n2,9\n3,-1\n4,1.5\n")
    (first / "SN001_au6.txt").write_bytes(b"\xff\xff\xff")
    (first / "SN001_au9.txt").write_text("\n\n")
    edit(first / "SN001_au12.txt", "6,", "7,")
    with (first / "SN001_au15.txt").open("a") as file:
        file.write("7,0\n")
    own = points / "SN001" / "tmp_frame_lm" / "SN001_0005_lm.mat"
    own.write_text("hello")
    shape = points / "SN031" / "tmp_frame_lm"
    scipy.io.savemat(shape / "l00001_lm.mat", {"pts": np.full((66, 2), np.nan)})
    scipy.io.savemat(shape / "l00002_lm.mat", {"pts": np.ones((49, 2))})
    scipy.io.savemat(shape / "l00003_lm.mat", {"a": np.ones(2), "b": np.ones(2)})
    data = (shape / "l00004_lm.mat").read_bytes()
    (shape / "l00004_lm.mat").write_bytes(data[: len(data) // 2])
    (shape / "l00005_lm.mat").write_text("hello")
    assert prepare(root, tmp_path / "out") == 2
    expected = [
        f"{first / 'SN001_au1.txt'}: is missing",
        f"{first / 'SN001_au2.txt'}, line 4: frame 4 is there twice, first in line 3",
        f"{first / 'SN001_au4.txt'}, line 2: is not two whole numbers frame,intensity but '2;",
        f"{first / 'SN001_au5.txt'}, line 2: intensity 9, expected one of 0, 1, 2, 3, 4, 5",
        f"{first / 'SN001_au5.txt'}, line 3: intensity -1",
        f"{first / 'SN001_au5.txt'}, line 4: is not two whole numbers frame,intensity but '4,1.5'",
        f"{first / 'SN001_au6.txt'}: is no UTF-8 text",
        f"{first / 'SN001_au9.txt'}: is empty",
        f"{first / 'SN001_au12.txt'}, line 6: frame 7 where frame 6 should be",
        f"{first / 'SN001_au15.txt'}: has 7 frames, most others of SN001 have 6",
        f"{own}: cannot be read",
        f"{shape / 'l00001_lm.mat'}: landmarks are NaN or infinite",
        f"{shape / 'l00002_lm.mat'}: is an array of shape (49, 2), which is no set of 66 points",
        f"{shape / 'l00003_lm.mat'}: cannot be read",
        f"{shape / 'l00004_lm.mat'}: cannot be read",
        f"{shape / 'l00005_lm.mat'}: cannot be read",
    ]
    for line in expected:
        assert line in caplog.text, line
    assert f"{len(expected)} problems" in caplog.text
    assert not (tmp_path / "out").exists()


def test_points_that_coincide_are_refused(tmp_path, caplog):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root)
    folder = root / "Landmark_Points" / "SN031" / "tmp_frame_lm"
    scipy.io.savemat(folder / "l00006_lm.mat", {"pts": np.full((66, 2), 7.0)})
    assert prepare(root, tmp_path / "out") == 2
    assert f"{folder}: frame 6: alignment needs two eyes apart" in caplog.text


def test_counts_that_do_not_match_are_told(tmp_path, caplog):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root, frames=6)
    rng = np.random.default_rng(0)
    video = root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    drawn_corpora.write_video(video, drawn_corpora.draw(rng, 5)[0])
    points = root / "Landmark_Points" / "SN031" / "tmp_frame_lm"
    scipy.io.savemat(points / "l00007_lm.mat", {"pts": np.ones((66, 2))})
    scipy.io.savemat(points / "SN031_0002_lm.mat", {"pts": np.ones((66, 2))})
    scipy.io.savemat(points / "SN007_0002_lm.mat", {"pts": np.ones((66, 2))})
    assert prepare(root, tmp_path / "out") == 2
    labels = root / "ActionUnit_Labels" / "SN001"
    assert f"{video}: has 5 frames, the labels in {labels} have 6" in caplog.text
    assert (
        f"{points / 'l00007_lm.mat'}: is of frame 7, the labels have frames 1 to 6" in caplog.text
    )
    assert "is of frame 3, as SN031_0002_lm.mat is" in caplog.text
    assert f"{points / 'SN007_0002_lm.mat'}: is named neither" in caplog.text


def test_videos_that_cannot_be_read_are_told(tmp_path, caplog):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root, frames=6)
    first, other = (root / "Videos_LeftCamera" / f"LeftVideo{name}_comp.avi" for name in SUBJECTS)
    data = first.read_bytes()
    first.write_bytes(data[: len(data) // 2])
    other.write_bytes(b"no video")
    assert prepare(root, tmp_path / "out") == 2
    caplog_before = caplog.text
    other.unlink()
    other.mkdir()
    assert prepare(root, tmp_path / "out") == 2
    assert f"{other}: cannot be read" in caplog.text.removeprefix(caplog_before)
    assert (
        f"{first}: is cut off: {len(data) // 2} bytes, its header says {len(data)}" in caplog.text
    )
    assert f"{other}: is no video that OpenCV can read" in caplog.text
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(READS_INTERLACED, reason="this OpenCV reads interlaced frames")
def test_videos_whose_frames_cannot_be_converted_are_told(tmp_path, caplog):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root, frames=6)
    first, other = (root / "Videos_LeftCamera" / f"LeftVideo{name}_comp.avi" for name in SUBJECTS)
    write_interlaced(tmp_path / "tape.mpg", moving_pictures(6)).replace(other)
    assert prepare(root, tmp_path / "out") == 2
    assert f"{other}: OpenCV {cv2.__version__} cannot convert its frames" in caplog.text
    assert str(first) not in caplog.text
    assert not (tmp_path / "out").exists()


def test_a_video_with_fewer_frames_than_it_says_stops_the_subject_alone(tmp_path, caplog):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root, frames=6)
    video = root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    data = bytearray(video.read_bytes())
    # The chunks of frames 4 to 6 are blanked; header and index still tell of six frames.
    start = data.index(b"movi") + 4
    for _ in range(3):
        start += 8 + int.from_bytes(data[start + 4 : start + 8], "little") + 1 & ~1
    data[start : data.index(b"idx1")] = bytes(data.index(b"idx1") - start)
    video.write_bytes(data)
    assert prepare(root, tmp_path / "out") == 2
    assert f"{video}: only 3 of 6 frames can be decoded" in caplog.text
    assert "the shards that are whole are kept" in caplog.text
    out = tmp_path / "out"
    assert sorted(path.name for path in out.glob("*.faces.npy")) == ["SN031-00000.faces.npy"]
    assert not (out / "index.parquet").exists()
    assert not list(out.glob(".*"))


def test_a_frame_that_decoders_leap_over_shifts_no_picture(tmp_path, caplog, monkeypatch):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root, subjects=("SN001",), frames=9)
    monkeypatch.setattr("lgrnet.corpora.sequence.SHARD_FRAMES", 2)
    video = root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    whole = video.read_bytes()
    data = bytearray(whole)
    start = data.index(b"movi") + 4
    for _ in range(3):
        start += 8 + int.from_bytes(data[start + 4 : start + 8], "little") + 1 & ~1
    size = int.from_bytes(data[start + 4 : start + 8], "little")
    data[start + 8 : start + 8 + size] = bytes(size)  # frame 4's picture, its chunk's head stays
    video.write_bytes(data)
    subject = ("--subjects", "SN001")
    assert prepare(root, tmp_path / "out", *subject) == 2
    assert f"{video}: only 8 of 9 frames can be decoded" in caplog.text
    # The first shards were written before that was plain; later ones hold pictures one too late.
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dataset.json"]
    video.write_bytes(whole)
    assert prepare(root, tmp_path / "out", *subject) == 0
    assert len(FaceShards(tmp_path / "out", "SN001")) == 9


def test_what_may_be_missing_is_left_out_and_reported(tmp_path, caplog):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root)
    (root / "ActionUnit_Labels" / "SN031" / "SN031_au20.txt").unlink()
    (root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi").unlink()
    assert prepare(root, tmp_path / "out") == 2
    assert "LeftVideoSN001_comp.avi: is missing" in caplog.text
    assert "SN031_au20.txt: is missing" in caplog.text
    assert prepare(root, tmp_path / "out", "--allow-missing") == 0
    labels = FaceShards(tmp_path / "out", "SN031").labels
    assert (labels.presence[:, 9] == 9).all()
    assert np.isnan(labels.intensity[:, 9]).all()
    assert (labels.presence[:, :9] != 9).all()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["left_out"][0].endswith("_comp.avi: is missing: SN001 is left out")
    assert report["subjects"] == 1


@pytest.mark.parametrize(("shown", "written"), [(19, 19), (21, 20)])
def test_a_video_may_be_a_little_short_or_long(tmp_path, caplog, shown, written):
    root, more = tmp_path / "disfa", ("--subjects", "SN001")
    drawn_corpora.write_disfa(root, subjects=("SN001",), frames=20)
    video = root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    pictures, _, codes = drawn_corpora.draw(np.random.default_rng([0, 0]), shown)
    drawn_corpora.write_video(video, pictures)
    assert prepare(root, tmp_path / "out", *more) == 2
    assert f"{video}: has {shown} frames" in caplog.text
    assert prepare(root, tmp_path / "out", *more, "--allow-missing") == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["dropped"]["no picture"] == 20 - written
    assert f"has {shown} frames" in report["left_out"][0]
    assert len(FaceShards(tmp_path / "out", "SN001")) == written == min(len(codes), 20)


@pytest.mark.parametrize("shown", [18, 22])
def test_a_video_that_is_far_too_short_or_long_is_of_other_labels(tmp_path, caplog, shown):
    root, more = tmp_path / "disfa", ("--subjects", "SN001", "--allow-missing")
    drawn_corpora.write_disfa(root, subjects=("SN001",), frames=20)
    video = root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    drawn_corpora.write_video(video, drawn_corpora.draw(np.random.default_rng(0), shown)[0])
    assert prepare(root, tmp_path / "out", *more) == 2  # one of twenty frames may differ
    labels = root / "ActionUnit_Labels" / "SN001"
    assert f"{video}: has {shown} frames, the labels in {labels} have 20" in caplog.text
    assert not (tmp_path / "out").exists()


def test_points_of_the_jaw_need_be_no_faces(tmp_path):
    folder = tmp_path / "tmp_frame_lm"
    folder.mkdir()
    jaw = np.full((17, 2), 1e6)  # of a tracker that has lost it
    scipy.io.savemat(folder / "l00001_lm.mat", {"pts": np.vstack([jaw, drawn_corpora.FACE + 1])})
    problems, options = Problems(), disfa.Options(tmp_path)
    found, _, _ = disfa.read_landmarks(folder, "SN001", 1, options, problems)
    assert problems.lines() == []
    np.testing.assert_allclose(found[0], drawn_corpora.FACE)


def test_intensities_end_with_five(tmp_path, caplog):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root)
    path = root / "ActionUnit_Labels" / "SN031" / "SN031_au4.txt"
    path.write_text("".join(f"{frame},{frame}\n" for frame in range(1, 7)))
    assert prepare(root, tmp_path / "out") == 2
    assert f"{path}, line 6: intensity 6, expected one of 0, 1, 2, 3, 4, 5" in caplog.text
    assert "intensity 5" not in caplog.text


def test_a_folder_without_any_label_is_a_problem_whatever_may_be_missing(tmp_path, caplog):
    root = tmp_path / "disfa"
    drawn_corpora.write_disfa(root)
    folder = root / "ActionUnit_Labels" / "SN031"
    for path in folder.iterdir():
        path.unlink()
    assert prepare(root, tmp_path / "out", "--allow-missing") == 2
    assert f"{folder}: holds no label file" in caplog.text
    assert not (tmp_path / "out").exists()


def test_folders_that_are_missing_are_named_together(tmp_path, caplog):
    assert prepare(tmp_path / "nowhere", tmp_path / "out") == 2
    for name in ("ActionUnit_Labels", "Videos_LeftCamera", "Landmark_Points"):
        assert f"{tmp_path / 'nowhere' / name}: is missing" in caplog.text
