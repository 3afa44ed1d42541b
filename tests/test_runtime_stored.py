from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from some_results import SIZE, some_face, some_result
from test_runtime_formats import AUS, LAYOUT, STRONG, write

from runtime.errors import InputError
from runtime.formats import FORMATS, Layout
from runtime.formats.stored import StoredFrames
from runtime.results import Result


def stored(folder: Path, text: str, layout: Layout = LAYOUT) -> StoredFrames:
    (folder / "left.csv").write_text(text)
    return StoredFrames(folder / "left.csv", layout)


def test_stored_frames_are_what_was_written(tmp_path):
    layout = Layout(AUS, intensity=True, adjusted=True, named=True)
    face = replace(
        some_face(4), intensities=STRONG, adjusted={"AU06": 0.5, "AU12": 0.75, "AU24": 0}
    )
    results = [some_result(i, face, some_face(5), name=f"{i}.png") for i in (0, 2, 3)]
    results[0] = some_result(0, name="a\u00fc, b.png", timestamp=1.5)
    results[1:] = [
        replace(r, faces=tuple(replace(f, intensities=STRONG, adjusted=face.adjusted) for f in r))
        for r in results[1:]
    ]
    path = write(tmp_path, "native", *results, layout=layout)
    left = StoredFrames(path, layout)
    assert left.last == 2  # the last frame may lack faces
    read = list(left)
    assert [(r.index, r.timestamp, r.name, len(r)) for r in read] == [
        *((0, 1.5, "a\u00fc, b.png", 0), (2, None, "2.png", 2)),
    ]
    a, b = results[1].faces[0].to_dict(), read[1].faces[0].to_dict()
    assert {**a, "pose": None} == {**b, "pose": None}
    text = path.read_bytes()
    assert text[left.keep :].startswith(b"3,")


def drawn_result(rng: np.random.Generator, index: int) -> Result:
    """A face with numbers of many digits, at 24000/1001 frames a second."""
    face = some_face(0, [au for au in AUS if rng.random() < 0.5])
    numbers = ({au: top * rng.random() for au in AUS} for top in (1.0, 5.0, 1.0))
    aus, intensities, adjusted = numbers
    face = replace(
        face, box=tuple(300 * rng.random(4)), score=rng.random(), aus=aus,
        landmarks=(face.landmarks + rng.random((49, 2))).astype(np.float32),
        intensities=intensities, adjusted=adjusted,
    )  # fmt: skip
    return some_result(index, face, timestamp=index * 1001 / 24000)


# JSON lines hold timings, which are measured anew; Parquet has the native table's rows.
@pytest.mark.parametrize(
    "name", [name for name in FORMATS if name not in ("native", "jsonl", "parquet")]
)
def test_files_of_stored_frames_are_those_of_the_frames(tmp_path, name):
    rng = np.random.default_rng(0)
    layout = Layout(AUS, intensity=True, adjusted=True)
    results = [drawn_result(rng, index) for index in range(400)]
    table = write(tmp_path, "native", *results, layout=layout)
    first = write(tmp_path / "first", name, *results[:-1], layout=layout)
    remade = [
        replace(result, size=SIZE, faces=tuple(replace(f, frame_size=SIZE) for f in result))
        for result in StoredFrames(table, layout)
    ]
    again = write(tmp_path / "again", name, *remade, layout=layout)
    assert again.read_text() == first.read_text()


def test_stored_frames_that_were_cut(tmp_path):
    results = [some_result(i, some_face(0), some_face(1)) for i in range(4)]
    text = write(tmp_path, "native", *results).read_text()
    lines = text.splitlines(keepends=True)
    begin = [sum(map(len, lines[: 1 + 2 * i])) for i in range(5)]
    for cut, last in (
        *((begin[3] - 1, 1), (begin[3], 1), (begin[3] + 1, 1), (begin[3] + 5, 1)),
        (begin[3] + len(lines[7]), 2),
        *((begin[1] + len(lines[3]), 0), (len(lines[0]), -1), (len(lines[0]) - 9, -1), (0, -1)),
    ):
        left = stored(tmp_path, text[:cut])
        assert left.last == last, cut
        assert len(list(left)) == last + 1
        if last >= 0:
            assert left.keep == begin[last + 1]


def test_stored_frames_of_another_run(tmp_path):
    text = write(tmp_path, "native", some_result(0, some_face())).read_text()
    with pytest.raises(InputError, match=r"left\.csv has other columns than this run"):
        stored(tmp_path, text, replace(LAYOUT, aus=("AU06",)))


def test_stored_frames_that_are_damaged(tmp_path):
    results = [some_result(i, some_face()) for i in range(3)]
    text = write(tmp_path, "native", *results).read_text().replace("0.8750", "0,8750", 1)
    with pytest.raises(InputError, match=r"left\.csv, frame 0: too few or too many"):
        list(stored(tmp_path, text))


def test_presence_is_read_as_it_stands_and_not_judged_anew(tmp_path):
    """Both faces have the same probabilities; signals may have judged them otherwise."""
    faces = [some_face(0, ("AU06",)), some_face(1, ("AU12", "AU24"))]
    path = write(tmp_path, "native", some_result(0, *faces), some_result(1))
    (read,) = StoredFrames(path, LAYOUT)
    assert [face.present for face in read] == [("AU06",), ("AU12", "AU24")]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("AU06", "5", "AU06 is '5'"),
        ("AU12", "nan", "AU12 is 'nan'"),
        ("AU12", "x", "AU12 is 'x'"),
        ("success", "2", "success is neither"),
        ("box_w", "-5", "box_w is '-5'"),
        ("box_x", "inf", "box_x is 'inf'"),
        ("x_3", "nan", "x_3 is 'nan'"),
        ("timestamp", "nan", "timestamp is 'nan'"),
    ],
)
def test_values_that_no_run_writes_are_not_taken_over(tmp_path, column, value, said):
    results = [some_result(i, some_face(), timestamp=float(i)) for i in range(3)]
    lines = write(tmp_path, "native", *results).read_text().splitlines()
    cells = lines[1].split(",")
    cells[lines[0].split(",").index(column)] = value
    lines[1] = ",".join(cells)
    with pytest.raises(InputError, match=rf"left\.csv, frame 0: {said}"):
        list(stored(tmp_path, "\n".join([*lines, ""])))


def test_a_frame_of_endless_digits_ends_what_counts(tmp_path):
    text = write(tmp_path, "native", *(some_result(i, some_face()) for i in range(3))).read_text()
    damaged = text + "9" * 5000 + text.splitlines()[-1][1:] + "\n"
    assert stored(tmp_path, damaged).last == 1
