import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from some_results import SIZE, some_face, some_result
from test_runtime_fixtures import MEAN_FACE

from runtime import results as results_module
from runtime.errors import InputError
from runtime.pose import head_pose
from runtime.results import Holds, Result, Timings
from runtime.sources import Shot

STRONG = {"AU06": 1.25, "AU12": 4.5, "AU24": 0.0}


def test_results_as_plain_values():
    strong = replace(some_face(3), intensities=STRONG, adjusted={"AU12": 0.123456})
    shown = some_result(7, some_face(), strong, timestamp=0.5, name="é.png")
    line = shown.to_json()
    assert "\n" not in line
    read = json.loads(line)
    assert read == shown.to_dict()
    assert (read["index"], read["timestamp"], read["name"], read["size"]) == (
        *(7, 0.5, "é.png", list(SIZE)),
    )
    assert read["timings"] == {"decode": 0, "find": 0, "align": 0, "network": 1.5, "post": 0}
    plain, telling = read["faces"]
    assert plain["aus"] == {"AU06": 0.25, "AU12": 0.875, "AU24": 0.125}
    assert (plain["present"], plain["intensities"], plain["adjusted"]) == (["AU12"], {}, {})
    assert telling["intensities"] == STRONG
    assert telling["adjusted"] == {"AU12": 0.1235}
    np.testing.assert_allclose(telling["box"], strong.box, atol=0.006)
    np.testing.assert_allclose(telling["landmarks"], MEAN_FACE + np.array([200, 120]), atol=0.006)
    assert telling["pose"]["yaw"] == pytest.approx(strong.pose.yaw, abs=0.006)
    assert some_face(size=None).to_dict()["pose"] is None


def test_pose_is_computed_once(monkeypatch):
    asked, pose = [], results_module.head_pose
    monkeypatch.setattr(results_module, "head_pose", lambda *a: asked.append(1) or pose(*a))
    face = some_face()
    assert face.pose is face.pose
    assert len(asked) == 1
    moved = replace(face, landmarks=face.landmarks + 50)
    assert moved.pose.translation[0] > face.pose.translation[0]


def test_the_pose_is_that_of_the_landmarks_in_the_files():
    """Which have two digits, so that whoever reads them again finds the same pose."""
    face = some_face()
    points = (face.landmarks + np.random.default_rng(0).uniform(0, 1, (49, 2))).astype(np.float32)
    face = replace(face, landmarks=points)
    written = np.array(face.to_dict()["landmarks"])
    assert 0 < np.abs(written - points).max() < 0.006
    pose, again = face.pose, head_pose(written, SIZE)
    assert (pose.yaw, pose.pitch, pose.roll) == (again.yaw, again.pitch, again.roll)
    assert pose.translation == again.translation


def test_only_some_action_units():
    strong = replace(some_face(3, ("AU06", "AU24")), intensities=STRONG)
    (face,) = some_result(0, strong).only(("AU24", "AU12"))
    assert face.aus == {"AU24": 0.125, "AU12": 0.875}
    assert list(face.aus) == ["AU24", "AU12"]
    assert face.present == ("AU24",)
    assert face.intensities == {"AU24": 0.0, "AU12": 4.5}
    assert (face.adjusted, face.id, face.box) == ({}, 3, strong.box)


def test_what_is_present_comes_in_the_order_asked_for():
    face = replace(some_face(3, ("AU06", "AU12")), adjusted={"AU06": 0.1, "AU12": 0.2, "AU24": 0.3})
    some = face.only(["AU12", "AU06", "AU12"])
    assert some.present == ("AU12", "AU06")
    assert list(some.adjusted.items()) == [("AU12", 0.2), ("AU06", 0.1)]


def test_the_time_waited_for_a_frame_counts_and_that_of_decoding_it_does_not():
    shot = Shot(np.zeros((1, 1, 3), np.uint8), 7, 0.5, decode_ms=30, wait_ms=1)
    timings = shot.placed(Result((), Timings(network=8), SIZE)).timings
    assert (timings.decode, timings.decode_work, timings.total) == (1, 30, 9)


def test_only_what_there_is_can_be_asked_for():
    whole = some_result(0, some_face())
    none = replace(some_result(0), holds=Holds(("AU06", "AU12", "AU24"), intensity=True))
    for result in (whole, none):
        with pytest.raises(InputError, match="result has no AU99: choose from AU06, AU12, AU24"):
            result.only(["AU99", "AU12", "au12"])
        for one in ("AU12", 12):
            with pytest.raises(InputError, match="given as a list, ") as caught:
                result.only(one)
            assert f"[{one!r}] and not {one!r}" in str(caught.value)
    assert none.only(["AU12"]).holds == (("AU12",), True, False)
    for result in (whole, none):
        assert result.only(["AU12", "AU06", "AU12"]).holds.aus == ("AU12", "AU06")
        assert result.only([12, "au6", "AU12"]).holds.aus == ("AU12", "AU06")
    assert list(whole.only([12, "6"]).faces[0].aus) == ["AU12", "AU06"]


def test_a_frame_without_a_face_has_the_columns_of_one_with():
    pandas = pytest.importorskip("pandas")
    told = Holds(("AU06", "AU12", "AU24"), intensity=True)
    strong = replace(some_face(3), intensities=STRONG)
    empty, full = (replace(some_result(i, *f), holds=told) for i, f in ((0, ()), (1, (strong,))))
    assert list(empty.to_df().columns) == list(full.to_df().columns)
    assert empty.to_csv().splitlines()[0] == full.to_csv().splitlines()[0]
    both = pandas.concat([empty.to_df(), full.to_df()])
    assert both["AU12_r"].isna().tolist() == [True, False]
    assert empty.to_detections()["data"]["AU12"].shape == (0,)


def test_data_frame():
    pandas = pytest.importorskip("pandas")
    strong = replace(some_face(3), intensities=STRONG)
    table = some_result(2, strong, strong).to_df()
    assert table["AU12"].tolist() == [0.875, 0.875]
    assert table["AU12_r"].tolist() == [4.5, 4.5]
    assert table["face_id"].tolist() == [3, 3]
    np.testing.assert_allclose(table["x_13"], MEAN_FACE[13, 0] + 200, rtol=1e-6)
    empty = some_result(3).to_df()
    assert empty["success"].tolist() == [0]
    assert "AU12" not in empty  # in a result made by hand nobody says which AUs there are
    both = pandas.concat([table, empty])
    assert len(both) == 3
    assert both["frame"].dtype == "Int64"
    assert both["AU12"].dtype == "float64"
    assert np.isnan(both["AU12"].iloc[2])


def test_data_frame_without_pandas(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match=r'pip install .* -e "\.\[dataframe\]"'):
        some_result(0).to_df()


def test_arrays_for_detections():
    shown = some_result(0, some_face(2), some_face(5, x=300))
    arrays = shown.to_detections()
    for i, face in enumerate(shown):
        x, y, w, h = face.box
        np.testing.assert_allclose(arrays["xyxy"][i], [x, y, x + w, y + h], rtol=1e-6)
    assert arrays["tracker_id"].tolist() == [2, 5]
    assert arrays["class_id"].tolist() == [0, 0]
    assert arrays["confidence"].tolist() == [0.75, 0.75]
    assert arrays["data"]["AU12"].tolist() == [0.875, 0.875]
    np.testing.assert_array_equal(arrays["data"]["landmarks"][1], shown.faces[1].landmarks)
    none = some_result(1).to_detections()
    assert (none["xyxy"].shape, none["confidence"].shape) == ((0, 4), (0,))
    assert (none["tracker_id"].shape, none["data"]["landmarks"].shape) == ((0,), (0, 49, 2))


def test_saving(tmp_path):
    result = some_result(0, some_face())
    result.save(tmp_path / "new" / "a.json")
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == result.to_dict()
    result.save(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == result.to_csv()
    header, row = result.to_csv().splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["AU12"] == "0.8750"
    frame = np.full((360, 640, 3), 90, np.uint8)
    result.save(tmp_path / "a.png", frame)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png")), result.plot(frame))
    assert (result.plot(frame) != frame).any()
    with pytest.raises(InputError, match=r"give \.json or \.csv, or the frame"):
        result.save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"b\.txt: OpenCV .* ends in \.png or \.jpg"):
        result.save(tmp_path / "b.txt", frame)
    assert not (tmp_path / "b.txt").exists()
