"""BP4D as distributed, drawn by tests/drawn_corpora.py, through `python -m lgrnet.prepare bp4d`."""

import json
import re

import aligned_by_hand
import drawn_corpora
import numpy as np
import pyarrow.parquet
import pytest

from lgrnet.corpora import bp4d
from lgrnet.corpora.landmark_files import read_point_sets
from lgrnet.corpora.problems import Problems
from lgrnet.prepare import main
from lgrnet.shards import FaceShards

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


def test_an_offset_is_named_when_it_fits(tmp_path, caplog):
    # Two more pictures lie before and behind the labelled ones: -3 leaves room for -1 alone.
    drawn_corpora.write_bp4d(tmp_path / "bp4d", offset=-3)
    assert prepare(tmp_path / "bp4d", tmp_path / "out") == 2
    occ = tmp_path / "bp4d" / "AUCoding" / "AU_OCC"
    pictures = tmp_path / "bp4d" / "Sequences" / "M002" / "T2"
    assert (
        f"{occ / 'M002_T2.csv'}: 5 frames (113 to 117), 1 of them without a picture at offset 0: "
        f"{pictures} holds 9 pictures (108 to 116); with --offset -1 all would have one"
    ) in caplog.text
    assert caplog.text.count("without a picture") == 16
    assert not (tmp_path / "out").exists()


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


def write_text(path, sets, numbers=None):
    """Write a frame a line; a lost one is all 0."""
    lines = []
    for index, points in enumerate(sets):
        values = np.zeros(98) if points is None else points.ravel()
        cells = [] if numbers is None else [str(numbers[index])]
        lines.append(",".join([*cells, *(f"{value:.6f}" for value in values)]))
    path.write_text("\n".join(lines) + "\n")


def full(sets):
    return np.array([np.zeros((49, 2)) if points is None else points for points in sets])


def one_file_each(folder, sets, numbers):
    folder.mkdir()
    for number, points in zip(numbers, sets, strict=True):
        if points is not None:
            rows = "\n".join(f"{x:.6f} {y:.6f}" for x, y in points)
            (folder / f"{number:05d}.txt").write_text(rows + "\n")


LANDMARK_FORMS = {
    "MATLAB 7.3": lambda p, s, n: drawn_corpora.write_fit_hdf5(p.with_suffix(".mat"), s),
    "MATLAB 5": lambda p, s, n: drawn_corpora.write_fit_matlab5(p.with_suffix(".mat"), s),
    "MATLAB array": lambda p, s, n: drawn_corpora.scipy.io.savemat(
        p.with_suffix(".mat"), {"points": full(s).transpose(1, 2, 0)}
    ),
    "NumPy": lambda p, s, n: np.save(p.with_suffix(".npy"), full(s)),
    "NumPy archive": lambda p, s, n: np.savez(p.with_suffix(".npz"), points=full(s)),
    "CSV": lambda p, s, n: write_text(p.with_suffix(".csv"), s),
    "CSV with numbers": lambda p, s, n: write_text(p.with_suffix(".csv"), s[::-1], n[::-1]),
    "text, one a picture": lambda p, s, n: one_file_each(p, s, n),
}


@pytest.mark.parametrize("form", LANDMARK_FORMS)
def test_landmarks_in_every_form(tmp_path, form):
    rng = np.random.default_rng(3)
    sets = [rng.uniform(1, 100, (49, 2)) for _ in range(6)]
    sets[2] = None
    numbers = list(range(40, 46))
    LANDMARK_FORMS[form](tmp_path / "F001_T1", sets, numbers)
    place = bp4d._find_landmarks(tmp_path, "F001", "T1")
    problems = Problems()
    found = bp4d.read_landmarks(place, numbers, np.array([41, 42, 45]), problems)
    assert not problems, problems.lines()
    np.testing.assert_allclose(found[0], sets[1], atol=1e-6)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], sets[5], atol=1e-6)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: p.with_suffix(".csv").write_text("1,2,3\n"), "line 1: has 3 numbers"),
        (lambda p: p.with_suffix(".txt").write_text("1 2\n" * 48), "line 1: has 2 numbers"),
        (lambda p: p.with_suffix(".txt").write_text("x y\n" * 49), "line 1: holds what is no num"),
        (lambda p: p.with_suffix(".npy").write_bytes(b"\x93NUMPY"), "cannot be read"),
        (lambda p: np.save(p, np.zeros((3, 66, 2))), r"shape \(3, 66, 2\)"),
        (lambda p: np.save(p, np.array([{"a": 1}], object), True), "cannot be read"),
        (lambda p: np.savez(p, a=np.zeros(3), b=np.zeros(3)), "holds 2 arrays, not one"),
        (lambda p: p.with_suffix(".mat").write_bytes(b"MATLAB 5.0"), "cannot be read"),
        (
            lambda p: drawn_corpora.write_fit_hdf5(p.with_suffix(".mat"), [np.ones((66, 2))]),
            r"set 1 is \(66, 2\), not 49 points",
        ),
        (
            lambda p: np.save(p, np.where(np.arange(98).reshape(1, 49, 2) == 5, np.nan, 1.0)),
            r"landmarks are NaN or infinite \(set 1\)",
        ),
        (
            lambda p: write_text(p.with_suffix(".csv"), [np.ones((49, 2)), np.full((49, 2), INF)]),
            r"landmarks are NaN or infinite \(line 2\)",
        ),
    ],
)  # fmt: skip
def test_broken_landmark_files_are_named(tmp_path, write, message):
    write(tmp_path / "F001_T1")
    problems = Problems()
    (path,) = tmp_path.iterdir()
    assert read_point_sets(path, 49, problems) is None
    (line,) = problems.lines()
    assert line.startswith(str(path))
    assert re.search(message, line), line


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_all_problems_are_found_in_one_pass(tmp_path, caplog):
    root = tmp_path / "bp4d"
    drawn_corpora.write_bp4d(root)
    occ, pictures = root / "AUCoding" / "AU_OCC", root / "Sequences"
    points, strength = root / "2DFeatures", root / "AUCoding" / "AU_INT"
    expected = []

    def spoil(path, what, line=None):
        expected.append(f"{path}{f', line {line}' if line else ''}: {what}")

    edit(occ / "F001_T1.csv", ",12,", ",twelve,")
    spoil(occ / "F001_T1.csv", "the column 'twelve' is headed by no AU number", 1)
    spoil(occ / "F001_T1.csv", "AU 12 heads 0 columns, not one", 1)
    edit(occ / "F001_T2.csv", ",13,", ",14,")
    spoil(occ / "F001_T2.csv", "AU 14 heads 2 columns, not one", 1)
    edit(occ / "F001_T3.csv", "0,1,", "Frame,1,")
    spoil(occ / "F001_T3.csv", "the first cell is 'Frame', not 0, which heads the frames", 1)
    lines = (occ / "F001_T4.csv").read_text().splitlines()
    lines[2] = lines[2] + ",9"
    cells = lines[3].split(",")
    cells[1] = "2"
    lines[3] = ",".join(cells)
    lines[4], lines[5] = lines[5], lines[4]
    (occ / "F001_T4.csv").write_text("\n".join(lines))
    spoil(occ / "F001_T4.csv", "has 24 cells, the header 23", 3)
    spoil(occ / "F001_T4.csv", "AU 1 is '2', expected 0, 1 or 9", 4)
    spoil(occ / "F001_T4.csv", "frame 316 comes after frame 317", 6)
    (occ / "F001_T5.csv").write_text("")
    spoil(occ / "F001_T5.csv", "is empty")
    (occ / "F001_T6.csv").write_bytes(b"\xff\xfe\x00\x01")
    spoil(occ / "F001_T6.csv", "cannot be read as text")
    (occ / "F001_T7.csv").unlink()
    spoil(occ / "F001_T7.csv", "is missing")
    (pictures / "F001" / "T8" / "0713.jpg").write_bytes(
        (pictures / "F001" / "T8" / "713.jpg").read_bytes()
    )
    spoil(pictures / "F001" / "T8" / "713.jpg", "has the number of 0713.jpg beside it")
    (pictures / "M002" / "T1").rename(root / "elsewhere")
    spoil(pictures / "M002" / "T1", "is missing")
    (pictures / "M002" / "T2" / "0113.jpg").unlink()
    spoil(occ / "M002_T2.csv", "5 frames (113 to 117), 1 of them without a picture at offset 0")
    (points / "M002_T3.mat").unlink()
    (points / "M002_T3.mat").mkdir()  # a folder of that name is no landmark file
    spoil(points / "M002_T3.mat", "is missing")
    drawn_corpora.write_fit_hdf5(points / "M002_T4.mat", [drawn_corpora.FACE] * 8)
    spoil(points / "M002_T4.mat", "holds 8 sets of landmarks for 9 pictures")
    drawn_corpora.write_fit_hdf5(
        points / "M002_T5.mat", [drawn_corpora.FACE] * 4 + [drawn_corpora.FACE * np.nan] * 5
    )
    spoil(points / "M002_T5.mat", "landmarks are NaN or infinite (set 5)")
    data = (points / "M002_T6.mat").read_bytes()
    (points / "M002_T6.mat").write_bytes(data[: len(data) // 2])
    spoil(points / "M002_T6.mat", "cannot be read")
    (strength / "AU10" / "M002_T7_AU10.csv").unlink()
    spoil(strength / "AU10" / "M002_T7_AU10.csv", "is missing")
    edit(strength / "AU06" / "M002_T7_AU06.csv", "613,", "613;")
    spoil(strength / "AU06" / "M002_T7_AU06.csv", "is not 'frame,intensity'", 1)
    (strength / "AU12" / "M002_T8_AU12.csv").write_text("713,3\n714,6\n713,1\n")
    spoil(strength / "AU12" / "M002_T8_AU12.csv", "intensity 6, expected one of 0, 1", 2)
    spoil(strength / "AU12" / "M002_T8_AU12.csv", "frame 713 is there twice, first in line 1", 3)
    spoil(strength / "AU12" / "M002_T8_AU12.csv", "1 frames, the occurrence table has 5")

    assert prepare(root, tmp_path / "out") == 2
    told = caplog.text
    for line in expected:
        assert line in told, line
    assert not (tmp_path / "out").exists()


def test_folders_that_are_missing_are_named_together(tmp_path, caplog):
    assert prepare(tmp_path / "nowhere", tmp_path / "out") == 2
    for name in ("AU_OCC", "2DFeatures", "--pictures"):
        assert name in caplog.text
    assert not (tmp_path / "out").exists()


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


def test_pictures_none_of_which_can_be_read(tmp_path, caplog):
    root = tmp_path / "bp4d"
    drawn_corpora.write_bp4d(root)
    for path in (root / "Sequences" / "F001" / "T3").iterdir():
        path.write_bytes(b"")
    assert prepare(root, tmp_path / "out") == 2
    assert "213.jpg: none of the 5 frames from here on can be used" in caplog.text
    assert "go on" in caplog.text
    assert not (tmp_path / "out" / "index.parquet").exists()


def test_pictures_are_in_the_order_of_their_numbers(tmp_path):
    folder, rng = tmp_path / "T1", np.random.default_rng(0)
    folder.mkdir()
    for name in ("8.jpg", "9.jpg", "10.jpg", "0011.jpg", "100.PNG", "notes.txt", "8.obj"):
        (folder / name).touch()
    problems = Problems()
    pictures = bp4d.list_pictures(folder, problems)
    assert not problems
    assert sorted(pictures) == [8, 9, 10, 11, 100]
    sets = [rng.uniform(1, 100, (49, 2)) for _ in range(5)]
    drawn_corpora.write_fit_hdf5(tmp_path / "F001_T1.mat", sets)
    wanted = np.array([10, 100])
    found = bp4d.read_landmarks(tmp_path / "F001_T1.mat", sorted(pictures), wanted, problems)
    np.testing.assert_allclose(found, [sets[2], sets[4]])
