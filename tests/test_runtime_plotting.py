import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from some_results import some_face, some_result

from runtime import plot
from runtime.cli import main
from runtime.drawing.style import Style, text_width
from runtime.errors import InputError
from runtime.formats import Layout, open_writer
from runtime.outputs import plotting
from runtime.outputs.curves import read_curves, survey
from runtime.outputs.plotting import (
    _FRAMES,
    AREA,
    AREA_PRESENT,
    FAINT,
    GRID,
    _blocks,
    _clock,
    _fitting,
    _heads,
    _ticks,
)

AUS = ("AU06", "AU12")


def table(folder: Path, frames: int = 100, timed: bool = True, faces: int = 1) -> Path:
    """AU12 is 0.9 and present in the second quarter, else 0.2; AU06 is 0.5 and never present."""
    layout = Layout(AUS, named=not timed)
    with open_writer("native", folder / "clip", layout) as writer:
        for i in range(frames):
            on = frames // 4 <= i < frames // 2
            values = {"AU06": 0.5, "AU12": 0.9 if on else 0.2}
            shown = [
                some_face(n, ("AU12",) if on else (), size=None, **values) for n in range(faces)
            ]
            writer.write(some_result(i, *shown, name="" if timed else f"{i}.png"))
    return folder / "clip.csv"


def columns_of(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Pixels of a colour in every column."""
    return (picture == np.array(colour, np.uint8)).all(2).sum(0)


@pytest.mark.parametrize(("frames", "width"), [(40, 3840), (100, 1600), (1500, 640)])
def test_presence_is_where_and_as_high_as_it_was(tmp_path, frames, width):
    picture = plot(table(tmp_path, frames), width=width)
    assert picture.shape[1] == width
    assert picture.dtype == np.uint8
    both = columns_of(picture, AREA) + columns_of(picture, AREA_PRESENT)
    drawn = np.flatnonzero(both)
    left, right = drawn.min(), drawn.max()
    on = np.flatnonzero(columns_of(picture, AREA_PRESENT))
    span = right - left
    assert right > 0.97 * width
    assert (on.min() - left) / span == pytest.approx(0.25, abs=1.5 / min(frames, 100))
    assert (on.max() - left) / span == pytest.approx(0.5, abs=1.5 / min(frames, 100))
    assert np.diff(on).max() == 1  # no gaps between frames
    # AU12 is 0.9 high where it is present, beside the 0.5 of AU06 everywhere.
    grey, orange = columns_of(picture, AREA), columns_of(picture, AREA_PRESENT)
    middle = on[len(on) // 2]
    assert orange[middle] / grey[middle] == pytest.approx(0.9 / 0.5, rel=0.1)


def test_faces_get_blocks_and_gaps_are_gaps(tmp_path):
    one, three = plot(table(tmp_path)), plot(table(tmp_path, faces=3))
    assert three.shape[0] > 2 * one.shape[0]
    layout = Layout(AUS)
    with open_writer("native", tmp_path / "gap", layout) as writer:
        for i in range(100):
            here = [] if 30 <= i < 60 else [some_face(0, ("AU12",), size=None, AU06=0.5, AU12=0.9)]
            writer.write(some_result(i, *here))
    drawn = np.flatnonzero(columns_of(plot(tmp_path / "gap.csv"), AREA_PRESENT))
    assert np.diff(drawn).max() == pytest.approx(0.3 * (drawn.max() - drawn.min()), rel=0.1)


def test_only_some_action_units(tmp_path):
    path = table(tmp_path)
    assert not columns_of(plot(path, aus=["AU06"]), AREA_PRESENT).any()
    with pytest.raises(InputError, match=r"clip\.csv has no AU99: choose from AU06, AU12"):
        plot(path, aus=["AU99"])


def test_pictures_without_times(tmp_path):
    assert columns_of(plot(table(tmp_path, timed=False)), AREA_PRESENT).any()


def test_faces_of_several_videos_are_not_one(tmp_path):
    with open_writer("native", tmp_path / "clips", Layout(AUS, named=True)) as writer:
        for i, (name, time) in enumerate(
            [*(("a.mp4", n / 25) for n in range(60)), ("b.png", None)]
            + [("c.mp4", n / 25) for n in range(39)]
        ):
            on = name == "c.mp4"
            face = some_face(
                0, ("AU12",) if on else (), size=None, AU06=0.5, AU12=0.9 if on else 0.2
            )
            writer.write(replace(some_result(i, face, name=name), timestamp=time))
    picture = plot(tmp_path / "clips.csv")
    one = plot(table(tmp_path))
    assert picture.shape == one.shape  # side by side
    both = columns_of(picture, AREA) + columns_of(picture, AREA_PRESENT)
    drawn, on = (np.flatnonzero(c) for c in (both, columns_of(picture, AREA_PRESENT)))
    # Both begin at 0 s, but c.mp4 comes last.
    assert (on.min() - drawn.min()) / np.ptp(drawn) == pytest.approx(0.61, abs=0.02)


@pytest.mark.parametrize("videos", [2, 3, 8])
def test_many_videos_fill_the_width(tmp_path, videos):
    """Each is as wide as it is long; 2 faces in one of them make a second block of all."""
    lengths = [20 + 7 * i for i in range(videos)]
    with open_writer("native", tmp_path / "clips", Layout(AUS, named=True)) as writer:
        index = 0
        for i, length in enumerate(lengths):
            for n in range(length):
                faces = [some_face(7, ("AU12",), size=None, AU06=0.5, AU12=0.9)]
                if i == 1 and n < 5:
                    faces.append(some_face(9, size=None, AU06=0.3, AU12=0.2))
                result = some_result(index, *faces, name=f"{i}.mp4")
                writer.write(replace(result, timestamp=n / 25))
                index += 1
    aus, span, parts, counts = survey(tmp_path / "clips.csv", None)
    starts = np.cumsum([0, *lengths])
    assert parts == [(f"{i}.mp4", starts[i]) for i in range(videos)]
    assert counts == {(i, "7"): n for i, n in enumerate(lengths)} | {(1, "9"): 5}
    blocks = {face: int(face == (1, "9")) for face in counts}
    first, second = read_curves(tmp_path / "clips.csv", aus, blocks, span, 1000)
    assert (first.peak[1] == np.float32(0.9)).all()
    there = np.flatnonzero(np.isfinite(second.peak[1])) / 1000 * starts[-1]
    assert (there.min(), there.max()) == pytest.approx((lengths[0], lengths[0] + 5), abs=0.5)
    picture = plot(tmp_path / "clips.csv")
    assert picture.shape == plot(table(tmp_path, faces=2)).shape
    on = np.flatnonzero(columns_of(picture, AREA_PRESENT))
    dark = columns_of(picture, FAINT) > 40  # what parts them
    assert dark.sum() == videos - 1
    found = (np.flatnonzero(dark) - on.min()) / (np.ptp(on) + 1) * starts[-1]
    assert found == pytest.approx(starts[1:-1], abs=0.5)


def test_names_are_as_long_as_fits():
    style = Style(1.0)
    forms = _heads("a.mp4", "0", 9, 0)
    assert forms == ["a.mp4, face 0   9 frames", "a.mp4, face 0", "a.mp4"]
    widths = [text_width(form, style.font) for form in forms]
    for form, width, shorter in zip(forms, widths, [*forms[1:], None], strict=True):
        assert _fitting(forms, width, style) == form
        assert shorter is None or _fitting(forms, width - 1, style) == shorter
    narrow = widths[1]
    cut = _fitting(["person_001_session_7.mp4"], narrow, style)
    assert cut.startswith("...")
    assert "person_001_session_7.mp4".endswith(cut[3:])
    assert text_width(cut, style.font) <= narrow
    assert _fitting(["person"], 3, style) == ""
    assert _heads("a.mp4", "3", 1, 1) == ["a.mp4, face 3   1 frame", "a.mp4, face 3", "face 3"]
    assert _heads("", "3", 2, 0) == ["face 3   2 frames", "face 3", "face 3"]
    assert _heads("pictures", "", 2, 0) == ["pictures   2 frames", "pictures", "pictures"]


def test_the_faces_that_are_there_longest_get_blocks_of_each_part():
    counts = {(0, "0"): 10, (0, "1"): 90, (1, "7"): 5, (0, "2"): 40, (0, "3"): 30, (0, "4"): 20}
    wanted = {(0, "1"): 0, (0, "2"): 1, (0, "3"): 2, (0, "4"): 3, (1, "7"): 0}
    assert _blocks(counts) == wanted


def test_what_stands_above_the_curves_and_below(tmp_path, monkeypatch):
    written = []

    def keep(page, text, place, style, colour):
        written.append((text, place))

    monkeypatch.setattr(plotting, "write", keep)
    with open_writer("native", tmp_path / "clips", Layout(AUS, named=True)) as writer:
        for n in range(40):
            name, count = ("long_interview.mp4", 6) if n < 38 else ("b.mp4", 1)
            faces = [some_face(i, size=None, AU06=0.5, AU12=0.9) for i in range(count)]
            writer.write(replace(some_result(n, *faces, name=name), timestamp=n / 25))
    plot(tmp_path / "clips.csv")
    heads = {text: x for text, (x, _) in written if "face" in text or "mp4" in text}
    full = [f"long_interview.mp4, face {i}   38 frames" for i in range(4)]
    assert [*heads][:1] + [*heads][-4:-1] == [full[0], *full[1:]]
    assert len({heads[text] for text in full}) == 1
    assert heads["b.mp4"] > heads[full[0]] + 500, "which has less room, and says less"
    assert any("the 5 faces seen longest of 7" in text for text, _ in written)


def test_the_last_picture_is_as_wide_as_the_others(tmp_path):
    """Also where only one frame of some was looked at."""
    with open_writer("native", tmp_path / "clips", Layout(AUS, named=True)) as writer:
        for n in range(5):
            face = some_face(0, size=None, AU06=0.5, AU12=0.9)
            writer.write(replace(some_result(20 * n, face, name=f"{n}.mp4"), timestamp=0.0))
    span = survey(tmp_path / "clips.csv", None)[1]
    assert (span.start, span.end) == (0, 100)


def test_table_that_is_being_written(tmp_path):
    text = table(tmp_path).read_text()
    (tmp_path / "clip.partial.csv").write_text(text[:-200])
    picture = plot(tmp_path / "clip.partial.csv")
    assert columns_of(picture, AREA_PRESENT).any()


def test_command(tmp_path, capsys):
    path = table(tmp_path)
    assert main(["plot", str(path)]) == 0
    out = tmp_path / "clip.timeline.png"
    assert capsys.readouterr().out.strip() == str(out)
    np.testing.assert_array_equal(cv2.imread(str(out)), plot(path))
    given = ["plot", str(path), "--out", str(tmp_path / "b.png"), "--aus", "12", "--width", "500"]
    assert main(given) == 0
    assert cv2.imread(str(tmp_path / "b.png")).shape[1] == 500


def test_bad_tables(tmp_path, capsys):
    def says(message: str, *arguments: object) -> None:
        assert main(["plot", *map(str, arguments)]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1

    says("no.csv does not exist", tmp_path / "no.csv")
    (tmp_path / "text.csv").write_text("hello\nworld\n")
    says("text.csv is no table of a run", tmp_path / "text.csv")
    (tmp_path / "empty.csv").touch()
    says("empty.csv is no table of a run", tmp_path / "empty.csv")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 9)
    says("binary.csv is no", tmp_path / "binary.csv")
    with open_writer("native", tmp_path / "none", Layout(AUS)) as writer:
        writer.write(some_result(0))
    says("none.csv holds no face", tmp_path / "none.csv")
    with open_writer("openface", tmp_path / "of", Layout(AUS)) as writer:
        writer.write(some_result(0, some_face()))
    says("of.openface.csv is no table of a run: give the native", tmp_path / "of.openface.csv")
    says("400 to 30000 pixels wide, not 100", table(tmp_path), "--width", 100)


def test_of_a_folder_the_tables_are_named(tmp_path, capsys):
    def said() -> str:
        assert main(["plot", str(tmp_path)]) == 2
        return capsys.readouterr().err

    for name in ("clip.openface.csv", "clip.openface.partial.csv", "clip.events.partial.csv"):
        (tmp_path / name).touch()
    (tmp_path / "folder.csv").mkdir()
    assert said() == f"error: {tmp_path} is a folder that holds no table: give the CSV of a run\n"
    paths = [tmp_path / f"{letter}.csv" for letter in "cba"]
    for path in paths:
        path.touch()
    listed = ", ".join(map(str, reversed(paths)))
    assert said() == f"error: {tmp_path} is a folder: give one of its tables, {listed}\n"
    for number in range(20):
        (tmp_path / f"d{number}.csv").touch()
    assert "d0.csv" in (more := said())
    assert more.endswith(" and 13 more\n")


@pytest.mark.parametrize("adjusted", [False, True])
@pytest.mark.parametrize("columns", [7, 19, 53])
def test_columns_hold_the_highest_of_their_frames(tmp_path, columns, adjusted):
    """Frames that share a column, or last for several; 20 of a twentieth of a second."""
    rng = np.random.default_rng(columns)
    values, on = rng.random((20, 2)).round(4), rng.random(20) < 0.4
    with open_writer("native", tmp_path / "clip", Layout(AUS, adjusted=adjusted)) as writer:
        for i in range(20):
            shown = dict(zip(AUS, values[i].tolist(), strict=True))
            face = some_face(0, ("AU12",) if on[i] else (), size=None, **shown)
            if adjusted:
                other = {key: 1 - value for key, value in shown.items()}
                face = replace(face, aus=other, adjusted=shown)
            writer.write(some_result(i, face, timestamp=10 + i / 20))
    aus, span, parts, faces = survey(tmp_path / "clip.csv", None)
    assert (aus, parts) == (AUS, [("", 10)])
    assert (span.start, span.end, faces) == (10, pytest.approx(11), {(0, "0"): 20})
    (found,) = read_curves(tmp_path / "clip.csv", aus, {(0, "0"): 0}, span, columns)
    firsts = [int((i + 1e-6) / 20 * columns) for i in range(20)]
    for column in range(columns):
        frames = [i for i in range(20) if firsts[i] == column]
        frames = frames or [max(i for i in range(20) if firsts[i] < column)]
        assert found.peak[:, column] == pytest.approx(values[frames].max(0), abs=1e-4)
        assert found.present[:, column].tolist() == [False, on[frames].any()]


def test_memory_does_not_grow_with_the_run(tmp_path):
    """The table is never held: its reader is asked row by row."""
    import tracemalloc

    sizes = []
    for frames in (200, 2000):
        path = table(tmp_path, frames)
        tracemalloc.start()
        plot(path, width=800)
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        with path.open(encoding="utf-8", newline="") as file:
            assert sum(1 for _ in csv.reader(file)) == frames + 1
    assert sizes[1] < 1.2 * sizes[0]


def test_clock():
    assert [_clock(t, 30) for t in (0, 0.5, 10)] == ["0 s", "0.5 s", "10 s"]
    assert _clock(90, 600) == "1:30"
    assert _clock(3690, 7200) == "1:01:30"
    assert _ticks(0, 7.2, 20) == [0.5 * i for i in range(15)]
    assert _ticks(0, 3600, 10) == [600 * i for i in range(7)]


def drawn_between(path: Path, width: int = 1600) -> tuple[float, float]:
    """Where presence begins and ends, as shares of the width of the curves."""
    picture = plot(path, width=width)
    base = (picture == np.array(GRID, np.uint8)).all(2)  # the line below each curve
    row = np.flatnonzero(base[np.flatnonzero(base.sum(1) > width / 2)[-1]])
    on = np.flatnonzero(columns_of(picture, AREA_PRESENT))
    left, span = row.min(), np.ptp(row) + 1
    return (on.min() - left) / span, (on.max() + 1 - left) / span


@pytest.mark.parametrize("timed", [True, False])
def test_a_frame_lasts_from_its_time_to_that_of_the_next(tmp_path, timed):
    # Ten frames, AU12 in number 2 to 4: from two tenths to five tenths.
    begin, end = drawn_between(table(tmp_path, 10, timed))
    assert begin == pytest.approx(0.2, abs=0.005)
    assert end == pytest.approx(0.5, abs=0.005)


def test_a_single_frame_without_the_face_is_a_gap(tmp_path):
    with open_writer("native", tmp_path / "gap", Layout(AUS)) as writer:
        for i in range(20):
            faces = [some_face(n, ("AU12",), size=None, AU06=0.5, AU12=0.9) for n in range(4)]
            writer.write(some_result(i, *([] if i == 10 else faces)))
    on = np.flatnonzero(columns_of(plot(tmp_path / "gap.csv"), AREA_PRESENT))
    assert np.diff(on).max() / np.ptp(on) == pytest.approx(1 / 20, abs=0.01)


def test_frames_at_one_time_are_drawn(tmp_path):
    with open_writer("native", tmp_path / "same", Layout(AUS)) as writer:
        for i in range(2):
            face = some_face(0, ("AU12",), size=None, AU06=0.5, AU12=0.9)
            writer.write(replace(some_result(i, face), timestamp=1.0))
    assert columns_of(plot(tmp_path / "same.csv"), AREA_PRESENT).any()


def test_numbers_of_frames_are_round_and_few():
    for end in (9, 1_000, 2_900_000):
        ticks = _ticks(0, end, 12, _FRAMES)
        assert 2 <= len(ticks) <= 14
        assert ticks[1] in _FRAMES


def test_a_narrow_page_has_a_legend_that_fits(tmp_path):
    for timed in (True, False):
        picture = plot(table(tmp_path, timed=timed), width=400)
        ink = (picture != 255).any(2)
        assert not ink[:, -4:].any()


def test_pictures_among_videos_have_one_block(tmp_path):
    with open_writer("native", tmp_path / "mix", Layout(AUS, named=True)) as writer:
        for i in range(9):
            name = "a.mp4" if i < 4 else f"{i}.png"
            face = some_face(i if i > 3 else 0, size=None, AU06=0.5, AU12=0.9)
            result = some_result(i, face, name=name)
            writer.write(replace(result, timestamp=i / 25 if i < 4 else None))
    mixed = plot(tmp_path / "mix.csv")
    assert mixed.shape == plot(table(tmp_path)).shape, "the video's face, and beside it pictures"


@pytest.mark.parametrize(
    ("column", "value"), [("AU06", "x"), ("AU12", ""), ("timestamp", "nan"), ("timestamp", "inf")]
)
def test_numbers_that_are_none_are_named(tmp_path, column, value):
    path = table(tmp_path, 3)
    lines = path.read_text().splitlines()
    cells = lines[2].split(",")
    cells[lines[0].split(",").index(column)] = value
    lines[2] = ",".join(cells)
    path.write_text("\n".join([*lines, ""]))
    with pytest.raises(InputError, match=f"frame 1 of the table: {column} is {value!r}"):
        plot(path)
