"""What may be wrong with a table of one's own faces, and what only looks so."""

import sys
import unicodedata

import pytest
from own_faces import prepare, write_faces, write_table

from lgrnet.corpora.own import person_number, read_own
from lgrnet.corpora.problems import CorpusError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a video and pictures."""
    return write_faces(tmp_path_factory.mktemp("own"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (["gone.png", "Ann", "", "", 1, 0, 0], "there is no file"),
        (["a" * 5000, "Ann", "", "", 1, 0, 0], "there is no file"),
        (["bob.png", "", "", "", 1, 0, 0], "names no person"),
        (["talk.mp4", "Ann", "-1", "", 1, 0, 0], "frame '-1' is no frame's number"),
        (["talk.mp4", "Ann", "x", "", 1, 0, 0], "frame 'x' is no frame's number"),
        (["talk.mp4", "Ann", "", "", 1, 0, 0], "talk.mp4 is a video: say which frame"),
        (["talk.mp4", "Ann", "216", "", 1, 0, 0], "talk.mp4, whose 216 frames are counted from 0"),
        (["bob.png", "Ann", "0", "", 1, 0, 0], "bob.png is a picture, which has no frame 0"),
        (["bob.png", "Ann", "", "val", "", 9, ""], "no row of split 'val' labels an AU"),
        (["x/../Ann, 1.png", "Ann", "", "", 1, 0, 0], "is of the same picture as line 2"),
        (["bob.png", "Ann", "", "a/b", 1, 0, 0], "split 'a/b'"),
        (["bob.png", "Ann", "", "a" * 65, 1, 0, 0], "letters, digits and _ only"),
        (["bob.png", "Ann", "", "", 2, 0, 0], "AU 12 is '2', expected 0, 1"),
        (["bob.png", "Ann", "", "", 1, 0], "more or fewer cells"),
        (["bob.png", "Ann", "", "", 1, 0, 0, 0], "more or fewer cells"),
        (["Ann, 1.png", "Ann", "", "", 1, 0, 0], "is of the same picture as line 2"),
        (["bob.png", "Cleo", "", "val", 1, 0, 0], "'Cleo' is in split 'val', and in 'test'"),
    ],
)
def test_faults_of_a_row_are_told_with_its_line(folder, tmp_path, caplog, row, said):
    (folder / "x").mkdir(exist_ok=True)
    first = ["Ann, 1.png", "Cleo", "", "", 1, 0, 0]
    table = write_table(folder / "faces.csv", [first, row])
    assert prepare(table, tmp_path / "out") == 2
    assert f"{table}, line 3: " in caplog.text or "no row of split" in said
    assert said in caplog.text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["person", "AU12"], "has no column 'file'"),
        (["file", "AU12"], "has no column 'person'"),
        (["file", "person"], "labels no AU"),
        (["file", "person", "AU12", "AU12_c"], "'AU12_c' is there twice"),
        (["file", "person", "AU12", "smile"], "'smile' is none of file, person"),
        (["file", "person", "AU12", "AU99"], "'AU99' is none of file, person"),
    ],
)
def test_faults_of_the_first_row_are_told(folder, caplog, header, said, tmp_path):
    table = write_table(folder / "faces.csv", [["bob.png"] * len(header)], header)
    assert prepare(table, tmp_path / "out") == 2
    assert said in caplog.text


def test_a_table_that_is_none_is_named(folder, tmp_path):
    for content, said in ((None, "is missing"), (b"\xff\xfe\x00", "UTF-8"), (b"", "has no row")):
        table = tmp_path / "faces.csv"
        if content is not None:
            table.write_bytes(content)
        with pytest.raises(CorpusError, match=said):
            read_own(table)
    with pytest.raises(CorpusError, match="has no row"):
        read_own(write_table(table, []))
    table.write_text("file;person;AU12\na.png;Ann;1\n")
    with pytest.raises(CorpusError, match="has ';' between its cells: save it with commas"):
        read_own(table)


@pytest.mark.parametrize("quoted", ["header", "rows", "both"])
def test_semicolons_are_told_also_between_quoted_cells(tmp_path, quoted):
    """Spreadsheet programs quote what holds a comma, or all texts."""
    header = "file;person;AU12" if quoted == "rows" else '"file";"person";"AU12"'
    row = "a.png;Ann;1" if quoted == "header" else '"Ann, 1.png";"Ann";1'
    (tmp_path / "faces.csv").write_text(f"{header}\n{row}\n")
    with pytest.raises(CorpusError, match=r"line 1: has .;. between its cells: save it"):
        read_own(tmp_path / "faces.csv")


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (["file,person,AU12", "bob.png,Bob,1", '"bob.png,Ann,1', "bob.png,Cleo,1"], 3),
        (["file,person,AU12", '"bob.png" ,Ann,1', "bob.png,Cleo,1"], 2),
        (['file,"person,AU12', "bob.png,Ann,1"], 1),
    ],
)
def test_a_quotation_mark_too_many_is_told_with_the_line_of_its_row(tmp_path, lines, line):
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    with pytest.raises(CorpusError, match="quotation marks is not closed") as caught:
        read_own(tmp_path / "faces.csv")
    (told,) = caught.value.problems
    assert told.startswith(f"{tmp_path / 'faces.csv'}, line {line}: ")
    assert "UTF-8" not in told


@pytest.mark.skipif(sys.platform == "darwin", reason="takes both names for one")
@pytest.mark.parametrize(("there", "told"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_are_the_same_however_their_letters_are_composed(folder, tmp_path, there, told):
    names = [unicodedata.normalize(form, "Müller/Zoë.png") for form in (there, told)]
    picture = tmp_path / names[0]
    picture.parent.mkdir()
    picture.write_bytes((folder / "bob.png").read_bytes())
    people = [unicodedata.normalize(form, "Zoë") for form in (there, told)]
    other = [str(folder / "bob.png"), people[1], "", "val", 1, 0, 0]
    rows = [[names[1], people[0], "", "", 1, 0, 0], other]
    table = write_table(tmp_path / "faces.csv", rows)
    with pytest.raises(CorpusError, match="is in split 'val', and in 'test' in line 2") as caught:
        read_own(table)
    assert len(caught.value.problems) == 1
    other[3] = ""
    _, (sequence,) = read_own(write_table(table, rows))
    assert sequence.pictures == (picture, folder / "bob.png")
    assert sequence.people.tolist() == [person_number("Zoë")] * 2
