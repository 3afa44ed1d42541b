"""BP4D as distributed, drawn by tests/drawn_corpora.py, through `python -m lgrnet.prepare bp4d`."""

import errno
import json

import aligned_by_hand
import drawn_corpora
import numpy as np
import pyarrow.parquet
import pytest

from lgrnet.corpora import writing
from lgrnet.data.shards import FaceShards
from lgrnet.prepare import main

INF = float("inf")
SUBJECTS = ("F001", "M002")


def prepare(root, out, *more):
    return main(
        [
            *("bp4d", "--root", str(root), "--out", str(out), "--subjects", *SUBJECTS),
            *("--workers", "0", "--no-progress", *more),
        ]
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return the corpus as drawn, its folder and what was made of it; a few frames are spoilt."""
    folder = tmp_path_factory.mktemp("bp4d")
    lost = [("F001", "T2", 0), ("F001", "T2", 1), ("M002", "T8", 4)]
    drawn = drawn_corpora.write_bp4d(folder / "bp4d", lost=lost)
    frames, presence = drawn["M002", "T1"].frames, drawn["M002", "T1"].presence
    presence[3] = 9
    drawn_corpora.write_occurrence(folder / "bp4d", "M002", "T1", frames, presence)
    (folder / "bp4d" / "Sequences" / "F001" / "T1" / "14.jpg").write_bytes(b"no picture")
    cut = folder / "bp4d" / "Sequences" / "F001" / "T3" / "215.jpg"
    cut.write_bytes(cut.read_bytes()[:-900])  # OpenCV would fill the rest with grey
    assert prepare(folder / "bp4d", folder / "out") == 0
    return drawn, folder / "bp4d", folder / "out"


DROPPED = {
    **{("F001", "T2", 113): "no landmarks", ("F001", "T2", 114): "no landmarks"},
    **{("M002", "T8", 717): "no landmarks", ("M002", "T1", 16): "no label"},
    **{("F001", "T1", 14): "unreadable frame", ("F001", "T3", 215): "unreadable frame"},
}


def expected_rows(drawn):
    for (subject, task), sequence in sorted(drawn.items()):
        for index, frame in enumerate(sequence.frames):
            if (subject, task, int(frame)) not in DROPPED:
                yield subject, task, int(frame), sequence, index


def test_every_face_has_its_own_labels_landmarks_and_picture(prepared):
    drawn, _, out = prepared
    shards = FaceShards(out, SUBJECTS)
    rows = list(expected_rows(drawn))
    assert len(shards) == len(rows) == 2 * 8 * 5 - 6
    assert shards.aus == drawn_corpora.BP4D_AUS
    labels = shards.labels
    for place, (subject, _, _, sequence, index) in enumerate(rows):
        assert labels.subject[place] == {"F001": 1, "M002": 102}[subject]
        assert labels.presence[place].tolist() == sequence.presence[index].tolist()
        np.testing.assert_allclose(labels.intensity[place], sequence.intensity[index] / 5, 1e-6)
        by_hand = aligned_by_hand.align(sequence.landmarks[index])
        np.testing.assert_allclose(labels.landmarks[place], by_hand, atol=1e-3)
        face = shards.face(place)
        seen = drawn_corpora.seen_code(face, labels.landmarks[place])
        assert abs(seen - sequence.codes[index]) < 4


def test_aligned_faces_keep_the_published_invariant(prepared):
    shards = FaceShards(prepared[2], SUBJECTS)
    for points in shards.labels.landmarks:
        x0, x1, y0, y1 = aligned_by_hand.anchor_box(points)
        low, high = (x0, x1) if x1 - x0 > y1 - y0 else (y0, y1)
        assert low == pytest.approx(65.18966, abs=1e-3)
        assert high == pytest.approx(133.81034, abs=1e-3)
        left, right = points[19:25].mean(0), points[25:31].mean(0)
        assert left[1] == pytest.approx(right[1], abs=1e-3)


def test_index_names_every_face(prepared):
    drawn, _, out = prepared
    table = pyarrow.parquet.read_table(out / "index.parquet").to_pylist()
    rows = list(expected_rows(drawn))
    assert [(row["subject"], row["task"], row["frame"]) for row in table] == [r[:3] for r in rows]
    shards = FaceShards(out, SUBJECTS)
    for place, (row, (_, _, _, sequence, index)) in enumerate(zip(table, rows, strict=True)):
        face = np.load(out / f"{row['shard']}.faces.npy")[row["row"]]
        np.testing.assert_array_equal(face, shards.face(place))
        for column, au in enumerate(drawn_corpora.BP4D_AUS):
            label, level = sequence.presence[index, column], sequence.intensity[index, column]
            assert row[f"AU{au:02d}_c"] == (None if label == 9 else label)
            found = row[f"AU{au:02d}_r"]
            assert found is None if np.isnan(level) else found == pytest.approx(level)


def test_report_tells_what_was_dropped(prepared):
    drawn, _, out = prepared
    report = json.loads((out / "report.json").read_text())
    assert report["labelled"] == 80
    assert report["written"] == 74
    assert report["dropped"] == {
        **{"no landmarks": 3, "no label": 1, "unreadable frame": 2},
        **{"landmarks outside the picture": 0, "no picture": 0},
    }
    told = {(d["subject"], d["task"], d["frames"]): d["reason"] for d in report["dropped_frames"]}
    assert told == {
        ("F001", "T1", "14"): "unreadable frame",
        ("F001", "T2", "113-114"): "no landmarks",
        ("F001", "T3", "215"): "unreadable frame",
        ("M002", "T1", "16"): "no label",
        ("M002", "T8", "717"): "no landmarks",
    }
    assert report["unlabelled_pictures"] == 2 * 8 * 4
    assert report["by_subject"]["F001"] == {"written": 36, "jaanet_lists": 3934}
    kept = np.array([s.presence[i] for *_, s, i in expected_rows(drawn)])
    assert report["aus"]["AU12"] == {
        "present": int((kept[:, 6] == 1).sum()),
        "absent": int((kept[:, 6] == 0).sum()),
        "unknown": int((kept[:, 6] == 9).sum()),
    }
    text = (out / "report.txt").read_text()
    assert "F001 T2: no landmarks, 2 frames (113-114)" in text


@pytest.mark.parametrize("offset", [-1, 1])
def test_offset_pairs_pictures_and_labels(tmp_path, offset):
    drawn = drawn_corpora.write_bp4d(tmp_path / "bp4d", offset=offset)
    assert prepare(tmp_path / "bp4d", tmp_path / "out", "--offset", str(offset)) == 0
    shards = FaceShards(tmp_path / "out", "F001")
    sequence = drawn["F001", "T1"]
    for index in range(5):
        points = shards.labels.landmarks[index]
        np.testing.assert_allclose(
            points, aligned_by_hand.align(sequence.landmarks[index]), atol=1e-3
        )
        seen = drawn_corpora.seen_code(shards.face(index), points)
        assert abs(seen - sequence.codes[index]) < 4


def test_what_may_be_missing_is_left_out_and_reported(tmp_path):
    root = tmp_path / "bp4d"
    drawn_corpora.write_bp4d(root)
    (root / "2DFeatures" / "F001_T1.mat").unlink()
    (root / "AUCoding" / "AU_OCC" / "M002_T8.csv").unlink()
    (root / "AUCoding" / "AU_INT" / "AU06" / "M002_T1_AU06.csv").unlink()
    assert prepare(root, tmp_path / "out", "--allow-missing") == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["sequences"] == 14
    assert len(report["left_out"]) == 3
    assert "F001 T1 is left out" in report["left_out"][0]
    labels = FaceShards(tmp_path / "out", "M002").labels
    assert np.isnan(labels.intensity[:5, 3]).all()
    assert not np.isnan(labels.intensity[5:, 3]).all()


def test_a_few_frames_may_lack_a_picture(tmp_path, caplog):
    root, more = tmp_path / "bp4d", ("--allow-missing", "--subjects", "F001")
    drawn_corpora.write_bp4d(root, subjects=("F001",), frames=25)
    for number in (20, 220, 221):
        (root / "Sequences" / "F001" / f"T{1 + number // 100}" / f"{number}.jpg").unlink()
    for task, sets in (("T1", 28), ("T3", 27)):  # a set a picture
        points = [drawn_corpora.FACE * 0.5] * sets
        drawn_corpora.write_fit_hdf5(root / "2DFeatures" / f"F001_{task}.mat", points)
    assert prepare(root, tmp_path / "out", *more) == 2
    assert "F001_T3.csv: 25 frames (213 to 237), 2 of them without a picture" in caplog.text
    assert "F001_T1.csv" not in caplog.text
    drawn_corpora.cv2.imwrite(
        str(root / "Sequences" / "F001" / "T3" / "221.jpg"), np.zeros((130, 150, 3), np.uint8)
    )
    drawn_corpora.write_fit_hdf5(root / "2DFeatures" / "F001_T3.mat", [points[0]] * 28)
    assert prepare(root, tmp_path / "out", *more) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["dropped"]["no picture"] == 2
    assert "F001_T1.csv: 25 frames (13 to 37), 1 of them" in report["left_out"][0]
    assert report["written"] == 8 * 25 - 2


def test_other_pixel_origin_and_landmark_folder(tmp_path):
    root = tmp_path / "bp4d"
    drawn = drawn_corpora.write_bp4d(root)
    for path in (root / "2DFeatures").iterdir():
        path.unlink()
    (tmp_path / "points").mkdir()
    for (subject, task), sequence in drawn.items():
        padded = np.concatenate([sequence.landmarks[:1]] * 2 + [sequence.landmarks]
                                + [sequence.landmarks[:1]] * 2)  # fmt: skip
        np.save(tmp_path / "points" / f"{subject}_{task}.npy", padded)
    more = ("--landmarks", str(tmp_path / "points"), "--origin", "0")
    assert prepare(root, tmp_path / "out", *more) == 0
    found = FaceShards(tmp_path / "out", "F001").labels.landmarks[2]
    by_hand = aligned_by_hand.align(drawn["F001", "T1"].landmarks[2])
    np.testing.assert_allclose(found, by_hand, atol=1e-3)


@pytest.mark.parametrize("origin", [0, 1])
def test_pictures_and_landmarks_agree_to_a_fraction_of_a_pixel(tmp_path, origin):
    root = tmp_path / "bp4d"
    drawn_corpora.write_bp4d(root, subjects=("F001",))
    points = drawn_corpora.FACE * 0.6 + (20, 12)
    for axis in (0, 1):
        path = root / "Sequences" / "F001" / "T1" / f"{13 + axis}.jpg"
        assert drawn_corpora.cv2.imwrite(str(path), drawn_corpora.ramp(axis))
    drawn_corpora.write_fit_hdf5(root / "2DFeatures" / "F001_T1.mat", [points + origin] * 9)
    more = ("--subjects", "F001", "--origin", str(origin))
    assert prepare(root, tmp_path / "out", *more) == 0
    shards = FaceShards(tmp_path / "out", "F001")
    for axis in (0, 1):
        aligned = shards.labels.landmarks[axis]
        assert abs(drawn_corpora.ramp_error(shards.face(axis), aligned, points, axis)) < 0.3


def test_landmarks_of_another_picture_are_dropped(tmp_path):
    root = tmp_path / "bp4d"
    drawn_corpora.write_bp4d(root)
    sets = [drawn_corpora.FACE * 0.5 + (500 if place == 3 else 1) for place in range(9)]
    drawn_corpora.write_fit_hdf5(root / "2DFeatures" / "F001_T1.mat", sets)
    assert prepare(root, tmp_path / "out") == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["dropped"]["landmarks outside the picture"] == 1
    assert report["written"] == 79


def test_pictures_end_at_their_own_width_and_height(tmp_path):
    root = tmp_path / "bp4d"
    drawn_corpora.write_bp4d(root, subjects=("F001",), frames=6, padded=())
    middles = [(75, 65)] * 10
    # The pictures' labels begin with the third; these are 150 wide and 130 high.
    middles[3:8] = [(149, 65), (151, 65), (75, 129), (75, 131), (-1, 65)]
    sets = [drawn_corpora.FACE * 0.5 - (drawn_corpora.FACE * 0.5).mean(0) + each + 1
            for each in middles]  # fmt: skip
    drawn_corpora.write_fit_hdf5(root / "2DFeatures" / "F001_T1.mat", sets)
    assert prepare(root, tmp_path / "out", "--subjects", "F001") == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (dropped,) = report["dropped_frames"]
    assert (dropped["reason"], dropped["count"]) == ("landmarks outside the picture", 3)
    assert dropped["frames"] == "15, 17-18"


def test_a_picture_that_is_mended_is_taken_in(tmp_path):
    root, out = tmp_path / "bp4d", tmp_path / "out"
    drawn = drawn_corpora.write_bp4d(root)
    pictures = sorted((root / "Sequences" / "F001" / "T1").glob("*.jpg"))
    frames = drawn["F001", "T1"].frames
    picture = next(each for each in pictures if int(each.stem) == frames[2])
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-900])
    assert prepare(root, out) == 0
    written = len(FaceShards(out, "F001"))
    other = out / "F001-00001.faces.npy"
    before = other.stat().st_mtime_ns
    assert prepare(root, out) == 0
    assert len(FaceShards(out, "F001")) == written
    picture.write_bytes(whole)
    assert prepare(root, out) == 0
    assert len(FaceShards(out, "F001")) == written + 1
    assert "unreadable" not in (out / "report.txt").read_text()
    assert other.stat().st_mtime_ns == before, "the others stay as they are"


def test_a_full_disc_ends_the_work_and_is_told_once(prepared, tmp_path, monkeypatch, caplog):
    tried = []

    def full(out, corpus, sequence, shards):
        tried.append(sequence.name)
        raise OSError(errno.ENOSPC, "No space left on device", str(out / shards[0]))

    monkeypatch.setattr(writing, "write_sequence", full)
    assert prepare(prepared[1], tmp_path / "out") == 2
    assert tried == ["F001 T1"]
    assert caplog.text.count("No space left on device") == 1
    assert str(tmp_path / "out" / "F001-00000") in caplog.text
    assert "run the same command again to go on" in caplog.text
