"""Faces of one's own: frames of the demo clip and pictures, labelled in a table."""

import json
import zlib
from pathlib import Path

import aligned_by_hand
import cv2
import numpy as np
import pytest
from heif_files import ftyp, with_properties
from own_faces import prepare, write_faces, write_table
from some_videos import (
    READS_INTERLACED,
    moving_pictures,
    with_pixels_of_16_to_11,
    write_frames,
)

import runtime
from lgrnet.corpora import own
from lgrnet.corpora.own import person_number, read_own
from lgrnet.corpora.problems import CorpusError
from lgrnet.data.shards import FaceShards
from lgrnet.evaluate import main as evaluate
from runtime.commands.interlaced import write_interlaced
from runtime.packaged import DEMO_CLIP


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a video, two pictures of faces, and one without."""
    return write_faces(tmp_path_factory.mktemp("own"))


def test_pictures_and_frames_become_shards(folder, tmp_path, capsys):
    rows = [
        ["Ann, 1.png", "Ann", "", "", 1, 0, 9],
        ["talk.mp4", "Cleo", 40, "val", "", 1, 0],
        ["wall.png", "Bob", "", "test", 1, 1, 1],
        ["talk.mp4", "Cleo", 7, "val", 0, 0, 1],
        ["bob.png", "Bob", "", "test", 0, "", ""],
        ["copy.png", "Bob", "", "test", "", "9", ""],  # labels nothing
    ]
    table = write_table(folder / "faces.csv", rows)
    assert prepare(table, tmp_path / "out") == 0
    test, val = (FaceShards(tmp_path / "out", split) for split in ("test", "val"))
    assert test.aus == (1, 6, 12)
    assert test.labels.presence.tolist() == [[0, 9, 1], [9, 9, 0]]
    assert val.labels.presence.tolist() == [[0, 1, 0], [1, 0, 9]], "in the order of the video"
    assert test.labels.subject.tolist() == [person_number("Ann"), person_number("Bob")]
    assert val.labels.subject.tolist() == [person_number("Cleo")] * 2
    assert np.isnan(test.labels.intensity).all()
    with runtime.Detector(threads=1, max_faces=1) as detector:
        picture = cv2.imread(str(folder / "bob.png"))
        (face,) = detector(picture).faces
    expected = aligned_by_hand.align(face.landmarks)
    np.testing.assert_allclose(test.labels.landmarks[1], expected, atol=0.01)
    left, right = (np.int64(test.labels.landmarks[1][eye].mean(0)) for eye in ([19, 22], [25, 28]))
    aligned = test.face(1)
    assert abs(left[1] - right[1]) <= 1, "eyes are level"
    at = np.int64(face.landmarks[13])
    there = np.int64(test.labels.landmarks[1][13])
    np.testing.assert_allclose(aligned[there[1], there[0]], picture[at[1], at[0]], atol=40)
    # A frame of the video is the same as its picture.
    np.testing.assert_allclose(val.labels.landmarks[0], test.labels.landmarks[1], atol=0.5)
    text = capsys.readouterr().out
    assert "own: 3 subjects, 2 sequences, 6 labelled frames" in text
    assert "test: no landmarks, 1 frames (4)" in text, "the table's line"
    assert "no label, 1 frames" in text
    assert "JÂA-Net" not in text
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {name: counts["written"] for name, counts in report["by_subject"].items()} == {
        "test": 2,
        "val": 2,
    }


def test_the_shipped_model_is_judged_on_them(folder, tmp_path, caplog, capsys):
    rows = [["talk.mp4", "Cleo", frame, "", 0, 0, 0] for frame in (0, 60, 110)]
    out = tmp_path / "out"
    assert prepare(write_table(folder / "faces.csv", rows), out) == 0
    model = Path(runtime.__file__).parent / "models" / "lgrnet_edge.onnx"
    found = tmp_path / "scores.json"
    caplog.set_level("INFO")
    assert evaluate([str(model), "--data", str(out), "--json", str(found)]) == 0
    assert f"{out} does not label AU 2, 4, 5, 7, 9, 10, 14" in caplog.text
    assert "from those that were found by edge" in capsys.readouterr().out
    scores = json.loads(found.read_text())
    assert list(scores["aus"]) == ["AU01", "AU06", "AU12"]
    assert scores["frames"] == 3
    assert scores["data"]["recipe"]["corpus"] == "own"


def test_a_run_goes_on_and_another_table_is_refused(folder, tmp_path, caplog):
    rows = [["talk.mp4", "Cleo", 7, "val", 0, 0, 1], ["bob.png", "Bob", "", "test", 0, 0, 1]]
    table, out = write_table(folder / "faces.csv", rows), tmp_path / "out"
    assert prepare(table, out) == 0
    kept, again = out / "test-00000.faces.npy", out / "val-00000.faces.npy"
    written, whole = kept.stat().st_mtime_ns, again.read_bytes()
    again.unlink()
    assert prepare(table, out) == 0
    assert kept.stat().st_mtime_ns == written
    assert again.read_bytes() == whole
    rows[1][1] = "Cleo"
    rows[1][3] = "val"
    assert prepare(write_table(table, rows), out) == 2
    assert f"{out} was made from another table than {table}" in caplog.text


def test_a_file_that_was_replaced_is_noticed(folder, tmp_path, caplog, monkeypatch):
    (tmp_path / "a").mkdir()
    picture = tmp_path / "a" / "face.png"
    picture.write_bytes((folder / "wall.png").read_bytes())
    table = write_table(tmp_path / "faces.csv", [["a/face.png", "Ann", "", "", 1, 0, 0]])
    assert prepare(table, tmp_path / "out") == 2
    assert "no face of split 'test' could be used" in caplog.text
    assert "report.txt says why" in caplog.text
    picture.write_bytes((folder / "bob.png").read_bytes())
    assert prepare(table, tmp_path / "out") == 2
    assert "from other files than it names now" in caplog.text
    assert prepare(table, tmp_path / "other") == 0
    monkeypatch.chdir(tmp_path)  # the same table by another name
    assert prepare(Path("faces.csv"), tmp_path / "other") == 0


def test_pictures_of_phones_and_damaged_ones(folder, tmp_path, capsys):
    jpeg = cv2.imencode(".jpg", cv2.imread(str(folder / "bob.png")))[1].tobytes()
    (tmp_path / "motion.jpg").write_bytes(jpeg + bytes(5000))  # a video lies behind the picture
    (tmp_path / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    huge = bytearray(cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes())
    huge[16:24] = (10**5).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    (tmp_path / "huge.png").write_bytes(huge)
    rows = [[name, "Ann", "", "", 1, 0, 0] for name in ("motion.jpg", "cut.jpg", "huge.png")]
    assert prepare(write_table(tmp_path / "faces.csv", rows), tmp_path / "out") == 0
    assert len(FaceShards(tmp_path / "out", "test")) == 1
    assert "test: unreadable frame, 2 frames (3-4)" in capsys.readouterr().out


@pytest.mark.parametrize("frame", ["", 0])
def test_heic_is_told_before_anything_is_done(folder, tmp_path, caplog, frame):
    for name in ("IMG_1.HEIC", "IMG_2.jpg"):
        (tmp_path / name).write_bytes(ftyp(b"heic", b"mif1") + bytes(2000))
    rows = [["IMG_1.HEIC", "Ann", frame, "", 1, 0, 0], ["IMG_2.jpg", "Bob", "", "", 1, 0, 0]]
    table = write_table(tmp_path / "faces.csv", rows)
    assert prepare(table, tmp_path / "out") == 2
    for line, name in ((2, "IMG_1.HEIC"), (3, "IMG_2.jpg")):
        assert f"{table}, line {line}: {tmp_path / name} is a HEIC picture" in caplog.text
    assert "heif-convert" in caplog.text
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not cv2.haveImageWriter("a.avif"), reason="this OpenCV writes no AVIF")
def test_pictures_that_say_how_they_are_turned_are_upright(folder, tmp_path):
    """The file holds the face lying on its side, and says that a quarter turn sets it up."""
    face = cv2.imread(str(folder / "bob.png"))
    lying = cv2.imencode(".avif", np.rot90(face, -1), [cv2.IMWRITE_AVIF_QUALITY, 98])[1].tobytes()
    (tmp_path / "turned.avif").write_bytes(with_properties(lying, b"irot\1"))
    names = "turned.avif", str(folder / "bob.png")
    rows = [[name, "Ann", "", "", 1, 0, 0] for name in names]
    assert prepare(write_table(tmp_path / "faces.csv", rows), tmp_path / "out") == 0
    faces = FaceShards(tmp_path / "out", "test")
    assert len(faces) == 2
    np.testing.assert_allclose(*faces.labels.landmarks, atol=1.5)
    assert np.abs(faces.face(0).astype(float) - faces.face(1)).mean() < 3


def test_what_a_container_says_of_its_length_is_not_believed(folder, tmp_path, monkeypatch, caplog):
    class Longer:
        """A capture of a container that takes its sound for its length."""

        def __init__(self, path):
            self._capture = capture(path)

        def get(self, what):
            return self._capture.get(what) + (200 if what == cv2.CAP_PROP_FRAME_COUNT else 0)

        def __getattr__(self, name):
            return getattr(self._capture, name)

    capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", Longer)
    rows = [["talk.mp4", "Cleo", 7, "val", 0, 0, 1], ["talk.mp4", "Cleo", 300, "val", 0, 0, 1]]
    table = write_table(folder / "faces.csv", rows[:1])
    assert prepare(table, tmp_path / "out") == 0
    assert prepare(write_table(table, rows), tmp_path / "other") == 2
    assert f"{folder / 'talk.mp4'}: has no frame 300, only 216 can be decoded" in caplog.text


def test_faces_of_videos_are_aligned_as_they_are_shown(folder, tmp_path):
    frames, capture = [], cv2.VideoCapture(str(DEMO_CLIP))
    for _ in range(3):
        frame = capture.read()[1]
        height, width = frame.shape[:2]
        frames.append(frame)
    capture.release()
    write_frames(folder / "plain.mp4", frames, "mp4v")
    narrow = [cv2.resize(frame, (round(width * 11 / 16), height)) for frame in frames]
    with_pixels_of_16_to_11(write_frames(folder / "narrow.mp4", narrow, "mp4v"))
    rows = [[f"{name}.mp4", name, 1, "val", 0, 0, 1] for name in ("narrow", "plain")]
    assert prepare(write_table(folder / "faces.csv", rows), tmp_path / "out") == 0
    faces = FaceShards(tmp_path / "out", "val")
    a, b = faces.labels.landmarks
    np.testing.assert_allclose(a, b, atol=3)


@pytest.mark.skipif(READS_INTERLACED, reason="this OpenCV reads interlaced frames")
def test_a_video_whose_frames_cannot_be_converted_is_told(folder, tmp_path, caplog):
    tape = write_interlaced(folder / "tape.mpg", moving_pictures(12))
    rows = [["bob.png", "Bob", "", "val", 0, 0, 1], ["tape.mpg", "Cleo", 7, "val", 0, 0, 1]]
    table = write_table(folder / "faces.csv", rows)
    assert prepare(table, tmp_path / "out") == 2
    assert f"{table}, line 3: {tape}: OpenCV {cv2.__version__} cannot convert" in caplog.text


def test_a_video_without_a_face_costs_no_other(folder, tmp_path, caplog):
    path = folder / "wall.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    for _ in range(3):
        video.write(np.full((240, 320, 3), 90, np.uint8))
    video.release()
    wall = ["wall.avi", "Bob", 1, "val", 0, 0, 1]
    rows = [wall, ["talk.mp4", "Cleo", 7, "val", 0, 0, 1], ["talk.mp4", "Cleo", 9, "val", 0, 0, 1]]
    table = write_table(folder / "faces.csv", rows)
    assert prepare(table, tmp_path / "out") == 0
    faces = FaceShards(tmp_path / "out", "val")
    assert len(faces) == 2
    assert {faces.face(index).shape for index in range(2)} == {(200, 200, 3)}
    # Where a whole split has no face, that is said.
    rows[0][3] = "test"
    other = tmp_path / "other"
    assert prepare(write_table(table, rows), other) == 2
    assert f"{table}: no face of split 'test' could be used" in caplog.text
    assert "the other splits can be" in caplog.text
    assert "val            2" in (other / "report.txt").read_text()
    model = Path(runtime.__file__).parent / "models" / "lgrnet_edge.onnx"
    assert evaluate([str(model), "--data", str(other)]) == 2
    assert "there is no face to ask about" in caplog.text


def test_people_are_told_apart_across_tables():
    numbers = [person_number(name) for name in ("Ann", "Bob", "ann", "Zoë", "1", "2")]
    assert len(set(numbers)) == 6
    assert person_number("Ann") == numbers[0]
    assert all(2**56 <= number < 2**57 for number in numbers), "no number of a corpus or a render"


def test_a_table_as_pandas_writes_it(folder, tmp_path):
    """Of a column with empty cells it makes fractions."""
    rows = [
        ["bob.png", "Bob", "", "", 1, 0, 9],
        ["talk.mp4", "Cleo", 7, "", 0, "", 1],
    ]
    written = [
        ["bob.png", "Bob", "", "", "1", "0.0", "9.0"],
        ["talk.mp4", "Cleo", "7.0", "", "0", "", "1.0"],
    ]
    first, second = (
        read_own(write_table(folder / f"{name}.csv", each))
        for name, each in (("plain", rows), ("pandas", written))
    )
    assert first[0] == second[0]
    for one, other in zip(first[1], second[1], strict=True):
        assert (one.name, one.video) == (other.name, other.video)
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.presence, other.presence)
    wrong = [["bob.png", "Bob", "", "", 0.5, 0, 9]]
    with pytest.raises(CorpusError, match=r"AU 12 is '0\.5'"):
        read_own(write_table(folder / "wrong.csv", wrong))


def test_a_face_without_labels_takes_nobody_elses_place(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.png").touch()
    table = tmp_path / "faces.csv"
    table.write_text("file,person,AU12\na.png,Ann,\nb.png,Bob,1\nc.png,Cem,9\nd.png,Dee,0\n")
    aus, (sequence,) = read_own(table)
    assert aus == (12,)
    assert [path.name for path in sequence.pictures] == ["b.png", "d.png"]
    assert sequence.people.tolist() == [person_number("Bob"), person_number("Dee")]
    assert sequence.frames.tolist() == [3, 5], "lines of the table"
    assert sequence.presence.tolist() == [[1], [0]]
    assert [frame for frame, _ in sequence.dropped] == [2, 4]
    table.write_text("\ufeff" + table.read_text(), "utf-8")  # as Excel writes it
    assert read_own(table)[1][0].frames.tolist() == [3, 5]


def test_pictures_are_read_in_parts_and_a_video_at_once(tmp_path):
    faces = [
        own._Face(i, tmp_path / str("v" if video else i), i if video else None, "A", "test", (1,))
        for video in (False, True)
        for i in range(120)
    ]
    assert sorted(map(len, own._grouped(faces))) == [20, 50, 50, 120]


def test_files_are_told_apart_by_their_sizes_and_both_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "_SAMPLE", 4)
    path, table = tmp_path / "a.png", tmp_path / "faces.csv"
    table.write_text("file,person,AU12\na.png,Ann,1\n")
    path.touch()
    _, sequences = read_own(table)
    seen = set()
    for content in (b"head....tail", b"HEAD....tail", b"head....TAIL", b"head.....tail"):
        path.write_bytes(content)
        seen.add(own.digest(sequences))
        assert own.digest(sequences) in seen
    assert len(seen) == 4
