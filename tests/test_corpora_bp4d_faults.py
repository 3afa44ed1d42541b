"""What is wrong with a copy of BP4D is told before anything is written, each with file and line."""

import drawn_corpora
import numpy as np
import pytest
from test_corpora_bp4d import prepare

from lgrnet.corpora.bp4d_labels import read_intensities, read_occurrence
from lgrnet.corpora.problems import Problems


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
    spoil(occ / "F001_T6.csv", "is no UTF-8 text")
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
    spoil(strength / "AU06" / "M002_T7_AU06.csv", "is not two whole numbers frame,intensity", 1)
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


def test_no_offset_is_named_where_a_picture_is_missing(tmp_path, caplog):
    # The offset 1 would give every frame a picture, of the frame after it.
    drawn_corpora.write_bp4d(tmp_path / "bp4d")
    pictures = tmp_path / "bp4d" / "Sequences" / "F001" / "T1"
    (pictures / "13.jpg").unlink()
    assert prepare(tmp_path / "bp4d", tmp_path / "out") == 2
    assert (
        "F001_T1.csv: 5 frames (13 to 17), 1 of them without a picture at offset 0: "
        f"{pictures} holds 8 pictures (11 to 19); frame 13 is the first"
    ) in caplog.text
    assert "with --offset" not in caplog.text


HEADER = "0,1,2,4,6,7,10,12,14,15,17,23,24"
ZEROS = 12 * ",0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEADER}\n1{ZEROS}\n".replace(",", ";"), "line 1: has ';' between its cells, not ','"),
        (f"{HEADER}\n1{ZEROS}\n".replace(",", "\t"), r"line 1: has '\t' between its cells, not"),
        (f"{HEADER}\n{10**25}{ZEROS}\n", "line 2: '10000000000000000000000000' is no frame num"),
        (f"{HEADER}\n{'9' * 5000}{ZEROS}\n", "line 2: '9999"),
        (f"{HEADER}\n1{11 * ',0'},{'1' * 5000}\n", "line 2: AU 24 is '1111"),
        (f"{HEADER}\n4{ZEROS}\n4{ZEROS}\n", "line 3: frame 4 comes after frame 4"),
    ],
)
def test_tables_in_another_form_are_told(tmp_path, text, message):
    path = tmp_path / "F001_T1.csv"
    path.write_text(text)
    problems = Problems()
    read_occurrence(path, problems)
    (line,) = problems.lines()
    assert line.startswith(str(path))
    assert message in line


@pytest.mark.parametrize("form", ["bom", "crlf", "no end"])
def test_tables_that_spreadsheets_wrote_are_read(tmp_path, form):
    text = f"{HEADER}\n4{ZEROS}\n5{11 * ',0'},1\n"
    data = {"bom": "\ufeff" + text, "crlf": text.replace("\n", "\r\n"), "no end": text[:-1]}[form]
    (tmp_path / "t.csv").write_bytes(data.encode())
    problems = Problems()
    frames, presence = read_occurrence(tmp_path / "t.csv", problems)
    assert not problems
    assert frames.tolist() == [4, 5]
    assert presence.sum(1).tolist() == [0, 1]


def test_a_lost_line_of_a_table_is_reported(tmp_path, capsys):
    drawn_corpora.write_bp4d(tmp_path / "bp4d", subjects=("F001",))
    path = tmp_path / "bp4d" / "AUCoding" / "AU_OCC" / "F001_T1.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2] + lines[4:]))
    arguments = ("--subjects", "F001", "--no-intensity")
    assert prepare(tmp_path / "bp4d", tmp_path / "out", *arguments) == 0
    assert f"F001 T1: {path}: after frame 13 comes frame 16" in capsys.readouterr().out


def test_pictures_none_of_which_can_be_read(tmp_path, caplog):
    root = tmp_path / "bp4d"
    drawn_corpora.write_bp4d(root)
    for path in (root / "Sequences" / "F001" / "T3").iterdir():
        path.write_bytes(b"")
    assert prepare(root, tmp_path / "out") == 2
    assert "213.jpg: none of the 5 frames from here on can be used" in caplog.text
    assert "go on" in caplog.text
    assert not (tmp_path / "out" / "index.parquet").exists()


def test_labels_are_those_of_the_columns_heads_in_any_order(tmp_path):
    heads = [24, 4, 1, 17, 2, 23, 6, 15, 7, 14, 10, 12]
    rng = np.random.default_rng(2)
    labels = {au: rng.choice([0, 1, 9], 4).tolist() for au in heads}
    lines = [",".join(map(str, [0, *heads]))]
    lines += [",".join(map(str, [row + 3, *(labels[au][row] for au in heads)])) for row in range(4)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    problems = Problems()
    frames, presence = read_occurrence(tmp_path / "t.csv", problems)
    assert not problems
    assert frames.tolist() == [3, 4, 5, 6]
    assert presence.T.tolist() == [labels[au] for au in drawn_corpora.BP4D_AUS]


def test_more_intensities_than_frames_are_told(tmp_path):
    for au in drawn_corpora.BP4D_INTENSITY_AUS:
        drawn_corpora.write_bp4d_intensity(tmp_path, "F001", "T1", au, range(13, 18), [0] * 5)
    folder = tmp_path / "AUCoding" / "AU_INT"
    problems = Problems()
    frames = np.arange(13, 17)
    intensity, _ = read_intensities(folder, "F001_T1", frames, False, problems)
    assert len(problems.lines()) == len(drawn_corpora.BP4D_INTENSITY_AUS)
    for line in problems.lines():
        assert "5 frames, the occurrence table has 4 and 4 are in both" in line
    assert np.isnan(intensity).all()
