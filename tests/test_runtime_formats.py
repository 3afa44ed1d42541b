import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from some_results import some_face, some_result
from some_runs import rows
from test_runtime_fixtures import MEAN_FACE

from runtime.errors import InputError
from runtime.formats import FORMATS, Layout, open_writer, output_path
from runtime.formats.growing import partial_path
from runtime.formats.jsonl import JsonLinesPipe
from runtime.formats.subtitles import SUBTITLES, SubtitleWriter
from runtime.results import Result

AUS = ("AU06", "AU12", "AU24")
LAYOUT = Layout(AUS, source="clip.mp4")
STRONG = {"AU06": 1.25, "AU12": 4.5, "AU24": 0.0}


def write(folder: Path, name: str, *results: Result, layout: Layout = LAYOUT) -> Path:
    with open_writer(name, folder / "clip", layout) as writer:
        for result in results:
            writer.write(result)
    return output_path(folder / "clip", name)


def test_native(tmp_path):
    two = some_result(0, some_face(0), some_face(3, ("AU06", "AU24")))
    path = write(tmp_path / "new" / "folder", "native", two, some_result(1))
    one, other, none = rows(path)
    header = list(one)
    assert header[:9] == "frame timestamp face_id success score box_x box_y box_w box_h".split()
    assert header[9:15] == ["AU06", "AU12", "AU24", "AU06_c", "AU12_c", "AU24_c"]
    assert header[15:113] == [f"x_{i}" for i in range(49)] + [f"y_{i}" for i in range(49)]
    assert header[113:] == ["yaw", "pitch", "roll", "pose_x", "pose_y", "pose_z"]
    face = some_face()
    assert [float(one[f"box_{side}"]) for side in "xywh"] == pytest.approx(face.box, abs=0.006)
    assert [one[key] for key in header[9:15]] == ["0.2500", "0.8750", "0.1250", "0", "1", "0"]
    assert (one["face_id"], other["face_id"]) == ("0", "3")
    assert [other[f"{au}_c"] for au in AUS] == ["1", "0", "1"]
    read = [[float(one[f"{axis}_{i}"]) for axis in "xy"] for i in range(49)]
    np.testing.assert_allclose(read, MEAN_FACE + np.array([200, 120]), atol=0.006)
    assert float(one["yaw"]) == pytest.approx(face.pose.yaw, abs=0.006)
    assert float(one["pose_z"]) == pytest.approx(face.pose.translation[2], abs=0.06)
    filled = {key: value for key, value in none.items() if value}
    assert filled == {"frame": "1", "timestamp": "0.0400", "success": "0"}


def test_native_with_everything(tmp_path):
    layout = Layout(AUS, intensity=True, adjusted=True, named=True)
    shown = replace(some_face(), intensities=STRONG, adjusted={"AU06": 0.5, "AU12": 0.75})
    path = write(
        tmp_path,
        "native",
        some_result(0, shown, name="b, c.png"),
        some_result(1, name="d.png"),
        layout=layout,
    )
    one, none = rows(path)
    assert list(one)[14:22] == [
        *("AU24_c", "AU06_r", "AU12_r", "AU24_r", "AU06_adj", "AU12_adj", "AU24_adj", "x_0"),
    ]
    assert [one[f"{au}_r"] for au in AUS] == ["1.250", "4.500", "0.000"]
    assert [one[f"{au}_adj"] for au in AUS] == ["0.5000", "0.7500", "0.1250"]
    assert (one["input"], one["timestamp"], none["input"]) == ("b, c.png", "", "d.png")
    assert none["AU06_r"] == none["y_48"] == none["AU06_adj"] == ""


def test_unknown_size_of_the_frame_leaves_the_pose_empty(tmp_path):
    for name, column in (("native", "yaw"), ("openface", "pose_Rx"), ("pyfeat", "Pitch")):
        (row,) = rows(write(tmp_path, name, some_result(0, some_face(size=None))))
        assert row[column] == ""


def openface_header() -> list[str]:
    """The columns of FeatureExtraction -2Dfp -pose -aus, written out after OpenFace's wiki."""
    seen = "01 02 04 05 06 07 09 10 12 14 15 17 20 23 25 26 45".split()
    return [
        *"frame face_id timestamp confidence success".split(),
        *"pose_Tx pose_Ty pose_Tz pose_Rx pose_Ry pose_Rz".split(),
        *(f"x_{i}" for i in range(68)),
        *(f"y_{i}" for i in range(68)),
        *(f"AU{au}_r" for au in seen),
        *(f"AU{au}_c" for au in sorted([*seen, "28"])),
    ]


def test_openface(tmp_path):
    layout = replace(LAYOUT, intensity=True)
    face = replace(some_face(2), intensities=STRONG)
    one, none = rows(
        write(tmp_path, "openface", some_result(0, face), some_result(1), layout=layout)
    )
    header = list(one)
    assert header[: len(openface_header())] == openface_header()
    assert header[len(openface_header()) :] == ["AU24_r", "AU24_c"]
    assert [one[key] for key in header[:5]] == ["1", "2", "0.000", "0.75", "1"]
    assert (one["AU06_r"], one["AU12_r"], one["AU45_r"], one["AU24_r"]) == (
        *("1.25", "4.50", "", "0.00"),
    )
    assert (one["AU06_c"], one["AU12_c"], one["AU28_c"], one["AU24_c"]) == ("0", "1", "", "0")
    jaw = [*range(17), 60, 64]
    assert all(one[f"{axis}_{i}"] == "" for axis in "xy" for i in jaw)
    # The tip of the nose is 30 in dlib's 68 and 13 in ours; the mouth's left corner 48 and 31.
    for theirs, ours in ((30, 13), (48, 31), (36, 19), (67, 48), (61, 43)):
        point = [float(one[f"{axis}_{theirs}"]) for axis in "xy"]
        np.testing.assert_allclose(point, MEAN_FACE[ours] + np.array([200, 120]), atol=0.06)
    assert float(one["pose_Rx"]) == pytest.approx(face.pose.openface()[3], abs=6e-4)
    filled = {key: value for key, value in none.items() if value}
    assert filled == {"frame": "2", "timestamp": "0.040", "success": "0"}


def test_openface_keeps_what_openface_does_not_tell(tmp_path):
    aus = ("AU12", "AU24", "AU28")
    face = replace(
        some_face(2), aus=dict.fromkeys(aus, 0.9), present=aus,
        intensities={"AU12": 1.0, "AU24": 2.0, "AU28": 3.0},
    )  # fmt: skip
    layout = replace(LAYOUT, aus=aus, intensity=True)
    (row,) = rows(write(tmp_path, "openface", some_result(0, face), layout=layout))
    assert list(row)[len(openface_header()) :] == ["AU24_r", "AU28_r", "AU24_c"]
    assert (row["AU12_r"], row["AU24_r"], row["AU28_r"]) == ("1.00", "2.00", "3.00")
    assert (row["AU24_c"], row["AU28_c"]) == ("1", "1")


def test_openface_of_a_model_without_intensities_has_none(tmp_path):
    (row,) = rows(write(tmp_path, "openface", some_result(0, some_face())))
    assert not [key for key in row if key.endswith("_r")]
    assert row["AU12_c"] == "1"


def test_pyfeat(tmp_path):
    face = replace(some_face(2), adjusted={"AU06": 0.5, "AU12": 0.75})
    one, none = rows(write(tmp_path, "pyfeat", some_result(0, face), some_result(1)))
    assert list(one) == [
        *"FaceRectX FaceRectY FaceRectWidth FaceRectHeight FaceScore".split(),
        *(f"{axis}_{i}" for axis in "xy" for i in range(68)),
        *"Pitch Roll Yaw X Y Z AU06 AU12 AU24".split(),
        *"anger disgust fear happiness sadness surprise neutral".split(),
        *"Identity input frame approx_time".split(),
    ]
    assert [one[au] for au in AUS] == ["0.5000", "0.7500", "0.1250"]
    assert (one["Identity"], one["input"], one["frame"]) == ("2", "clip.mp4", "0")
    pose = face.pose
    expected = np.deg2rad([-pose.pitch, pose.roll, -pose.yaw])
    np.testing.assert_allclose(
        [float(one[k]) for k in ("Pitch", "Roll", "Yaw")], expected, atol=1e-4
    )
    filled = {key: value for key, value in none.items() if value}
    assert filled == {"input": "clip.mp4", "frame": "1", "approx_time": "0.040"}


def test_json_lines(tmp_path):
    results = [some_result(0, some_face()), some_result(1)]
    lines = write(tmp_path, "jsonl", *results).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"source": "clip.mp4", **result.to_dict()} for result in results
    ]
    pipe = io.StringIO()
    for result in results:
        JsonLinesPipe(pipe, LAYOUT).write(result)
    assert pipe.getvalue().splitlines() == lines


def test_parquet(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("runtime.formats.parquet.PACK", 2)
    monkeypatch.setattr("runtime.formats.parquet.GROUP", 2)
    layout = replace(LAYOUT, named=True)
    results = [some_result(i, some_face(i), name=f"{i}.png") for i in range(10)]
    results.append(some_result(10, name="none.png"))
    table = parquet.read_table(write(tmp_path, "parquet", *results, layout=layout))
    groups = parquet.ParquetFile(tmp_path / "clip.parquet").metadata
    sizes = [groups.row_group(i).num_rows for i in range(groups.num_row_groups)]
    assert sizes == [4, 4, 3]
    native = rows(write(tmp_path, "native", *results, layout=layout))
    assert table.column_names == list(native[0])
    for column in table.column_names:
        values = table[column].to_pylist()
        for value, text in zip(values, (row[column] for row in native), strict=True):
            if text == "" or column == "input":
                assert (value or "") == text
            else:
                assert value == pytest.approx(float(text), abs=0.06)
    assert str(table.schema.field("AU06").type) == "float"
    assert str(table.schema.field("frame").type) == "int64"


def test_parquet_holds_no_more_than_a_group(tmp_path, monkeypatch):
    arrow = pytest.importorskip("pyarrow")
    monkeypatch.setattr("runtime.formats.parquet.PACK", 4)
    held = []
    with open_writer("parquet", tmp_path / "clip", LAYOUT) as writer:
        for i in range(320):
            writer.write(some_result(i, some_face()))
            held.append((len(writer._rows), arrow.total_allocated_bytes()))
    rows_held, bytes_held = np.array(held).T
    assert rows_held.max() < 4
    assert bytes_held[160:].max() <= 1.1 * bytes_held[:160].max()


@pytest.mark.parametrize("count", [0, 3])
def test_parquet_after_ctrl_c(tmp_path, count):
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "clip.parquet").write_text("old")
    with pytest.raises(KeyboardInterrupt), open_writer("parquet", tmp_path / "clip", LAYOUT) as w:  # noqa: PT012
        for index in range(count):
            w.write(some_result(index))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["clip.parquet"]
    if count:
        assert parquet.read_table(tmp_path / "clip.parquet")["frame"].to_pylist() == [0, 1, 2]
    else:
        assert (tmp_path / "clip.parquet").read_text() == "old"


def test_parquet_after_an_error_is_not_there(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "clip.parquet").write_text("old")
    with pytest.raises(RuntimeError), open_writer("parquet", tmp_path / "clip", LAYOUT) as writer:  # noqa: PT012
        writer.write(some_result(0, some_face()))
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["clip.parquet"]
    assert (tmp_path / "clip.parquet").read_text() == "old"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_listed_where_it_has_to_be(name):
    guide = (Path(__file__).parents[1] / "docs" / "results.md").read_text("utf-8")
    table = [line for line in guide.splitlines() if line.startswith("| `")]
    assert any(f"`{name}`" in line.split("|")[1] for line in table), "the table of docs/results.md"
    suffix, writer = FORMATS[name]
    kind = isinstance(writer, type) and issubclass(writer, SubtitleWriter)
    assert (name in SUBTITLES) == kind
    assert [other for other, (end, _) in FORMATS.items() if end == suffix] == [name]


def test_unknown_format(tmp_path):
    with pytest.raises(InputError, match="'xlsx' is unknown: give native, openface"):
        open_writer("xlsx", tmp_path / "clip", LAYOUT)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"parquet"}))
def test_rows_are_on_disk_at_once(tmp_path, name):
    with open_writer(name, tmp_path / "clip", LAYOUT) as writer:
        part = partial_path(output_path(tmp_path / "clip", name))
        sizes = []
        for i in range(4):
            # Something begins and ends with every frame.
            writer.write(some_result(i, some_face(i, ("AU06",) if i % 2 else ("AU12",))))
            sizes.append(part.stat().st_size)
        assert all(np.diff(sizes) > 0)
    assert not part.exists()
