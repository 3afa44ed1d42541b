import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from benchmarks import stills
from benchmarks.clips import load_annotations as load_clips
from benchmarks.stills import Answers, cut_out, judge, load_annotations, main, place
from lgrnet.corpora.own import person_number, read_own
from runtime.errors import InputError
from runtime.packaged import DEMO_CLIP
from runtime.results import Face, Result, Timings

ENTRY = """
[[still]]
package = "PyPI some_faces 1.0"
picture = "data/a.png"
box = [10, -4, 30, 20]
person = "someone"
rest = true
shows = []
"""


def test_the_annotations_are_sound_and_name_their_sources():
    found = load_annotations()
    assert len(found) > 100
    assert len({(each["package"], each["picture"], *each["box"]) for each in found}) == len(found)
    for still in found:
        source, name, version = still["package"].split()
        assert source in ("PyPI", "npm")
        assert place(Path("x"), still).parent == Path("x") / f"{name}-{version}"
    places = {(each["package"], each["picture"]) for each in found}
    assert len({place(Path(), {"package": a, "picture": b}) for a, b in places}) == len(places)


def test_people_of_the_clips_are_known_by_the_names_of_the_photographs(tmp_path):
    """And what is tuned on photographs has none of them, as it is judged on the clips."""
    people = {still["person"] for still in load_annotations()}
    apart = stills.people_of_clips()
    assert len(apart) == 4
    assert apart <= people
    clips = {clip["file"] for clip in load_clips()}
    of_files = [each for each in load_annotations() if Path(each["picture"]).name in clips]
    assert len(of_files) > 20
    assert {each["person"] for each in of_files} <= apart
    one = min(apart)
    faces = [still(one, True), still("Ann", True), still(one, False, 12)]
    crops = [np.full((30, 20, 3), 9, np.uint8)] * 3
    table = stills.write_table(tmp_path / "cut", faces, crops).read_text().splitlines()
    assert [line.split(",")[1] for line in table] == ["person", "Ann"]


def still(person, rest, *shows):
    return {"person": person, "rest": rest, "shows": list(shows)}


def test_faces_are_judged_person_by_person():
    faces = [
        *(still("a", True), still("a", True), still("b", True), still("c", True)),
        *(still(who, False, 12) for who in "dfghi"),
        *(still("e", False, 1), still("e", False), still("i", False, 12)),
    ]
    lost = np.nan
    smile = [0.2, 0.7, 0.4, lost, 0.9, 0.9, 0.6, 0.3, 0.7, 0.5, 0.5, 0.1]
    brow = [0.9, 0.1, 0.2, lost, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5]
    answers = Answers("d", ("AU01", "AU12"), np.array([brow, smile]).T, np.array([0.8, 0.6]))
    judged = judge(faces, answers)
    assert (judged["faces"], judged["people"], judged["not_found"]) == (12, 9, 1)
    rest = judged["rest"]
    assert (rest["people"], rest["faces"]) == (2, 3), "c was not found"
    assert rest["share"] == pytest.approx({"AU01": 0.25, "AU12": 0.25})  # half of a's pictures
    assert rest["aus_called"] == pytest.approx(0.5)
    assert rest["without"] == 2, "half of the pictures is not more than half"
    (row,) = judged["aus"]  # one person shows AU 1: too few
    assert (row["au"], row["people"], row["faces"]) == ("AU12", 5, 6)
    # Against a (0.2 and 0.7) and b (0.4): of 0.9 all pairs are won, of 0.6 half and all, of 0.3
    # half and none, of 0.7 three quarters and all; of i's two pictures, half of that and none.
    assert row["auc"] == pytest.approx((1 + 1 + 1 + 1 + 0.5 + 1 + 0.5 + 0 + 0.375 + 0.5) / 10)
    assert row["called"] == pytest.approx((1 + 1 + 1 + 0 + 0.5) / 5)
    low, high = row["called_95"]
    assert 0 < low < row["called"] < high <= 1
    low, high = rest["aus_called_95"]
    # Two people of whom 1 and 0 AUs are called: draws of both, of the first or the second twice.
    assert (low, high) == (0, 1)


def test_without_a_resting_face_there_is_nothing_to_rank_against():
    faces = [still(who, False, 12) for who in "defgh"]
    judged = judge(faces, Answers("d", ("AU12",), np.full((5, 1), 0.9), np.array([0.5])))
    assert judged["rest"]["people"] == 0
    assert judged["rest"]["aus_called"] is None
    assert judged["aus"][0]["auc"] is None
    json.dumps(judged)


def test_who_is_not_found_is_not_counted_as_missed():
    faces = [still(who, False, 12) for who in "defghi"] + [still("d", False, 12), still("a", True)]
    said = np.array([[0.9, 0.9, 0.9, 0.9, 0.1, np.nan, np.nan, 0.2]]).T
    judged = judge(faces, Answers("d", ("AU12",), said, np.array([0.5])))
    (row,) = judged["aus"]
    assert (row["people"], row["faces"], row["called"]) == (5, 5, 0.8)
    assert row["auc"] == pytest.approx(4 / 5)
    assert judged["not_found"] == 2
    assert judged["rest"]["aus_called"] == 0
    assert judged["rest"]["aus_called_95"] is None, "nobody can be drawn from one"


def test_a_face_is_cut_out_also_over_the_border(tmp_path):
    picture = np.random.default_rng(0).integers(1, 255, (40, 50, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    crop = cut_out(tmp_path / "a.png", {"box": [30, -4, 30, 20], "package": "p"})
    assert crop.shape == (20, 30, 3)
    np.testing.assert_array_equal(crop[4:, :20], picture[:16, 30:])
    assert not crop[:4].any()
    assert not crop[:, 20:].any()


def test_a_frame_of_a_video_is_cut_out():
    video = cv2.VideoCapture(str(DEMO_CLIP))
    frames = [video.read()[1] for _ in range(8)]
    crop = cut_out(DEMO_CLIP, {"box": [100, 50, 200, 180], "frame": 7, "package": "p"})
    np.testing.assert_array_equal(crop, frames[7][50:230, 100:300])


def test_the_command_judges_what_is_there(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "some_faces-1.0"
    folder.mkdir()
    frame = cv2.VideoCapture(str(DEMO_CLIP)).read()[1]
    cv2.imwrite(str(folder / "a.png"), frame)
    height, width = frame.shape[:2]
    toml = ENTRY.replace("[10, -4, 30, 20]", f"[0, 0, {width}, {height}]")
    toml += ENTRY.replace("a.png", "missing.png")
    (tmp_path / "stills.toml").write_text(toml)
    monkeypatch.setattr(stills, "ANNOTATIONS", tmp_path / "stills.toml")
    assert main([str(tmp_path), "--json", str(tmp_path / "s.json")]) == 0
    said = json.loads((tmp_path / "s.json").read_text())
    assert (said["faces"], said["missing"], said["not_found"]) == (1, 1, 0)
    assert said["rest"]["people"] == 1
    assert "1 more are not in" in capsys.readouterr().out
    assert main([str(tmp_path), "--json", str(tmp_path / "s.json"), "--flip-test"]) == 0
    assert "flip test" in json.loads((tmp_path / "s.json").read_text())["detector"]
    assert main([str(tmp_path), "--list"]) == 0
    assert "missing.png: PyPI some_faces 1.0, data/missing.png" in capsys.readouterr().out


def test_the_largest_of_several_faces_is_asked(monkeypatch):
    class Two:
        aus = ("AU01",)
        spec = SimpleNamespace(thresholds=(0.5,))

        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __call__(self, crop):
            sizes = [(60, 20), (50, 50), (20, 60)]
            boxes = [(0.0, 0.0, float(w), float(h)) for w, h in sizes]
            points = np.zeros((49, 2), np.float32)
            faces = [Face(n, box, 1.0, points, {"AU01": n / 10}, ()) for n, box in enumerate(boxes)]
            return Result(tuple(faces if crop.any() else []), Timings(), (90, 90))

    monkeypatch.setattr(stills, "Detector", Two)
    crops = [np.full((90, 90, 3), value, np.uint8) for value in (0, 9)]
    answers = stills.ask("model", crops, 1)
    np.testing.assert_array_equal(answers.probability, [[np.nan], [0.1]])


def test_a_folder_without_the_pictures_is_named(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert f"{tmp_path} holds none of the pictures" in capsys.readouterr().err


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    for frame in ({}, {"frame": 3}):
        with pytest.raises(InputError, match=r"a\.png cannot be read: it comes with PyPI p 1"):
            cut_out(tmp_path / "a.png", {"box": [0, 0, 9, 9], "package": "PyPI p 1", **frame})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('person = "someone"\n', "", "an entry lacks 'person'"),
        ("30, 20]", "30]", r"a\.png: \[10, -4, 30\] is no box"),
        ("30, 20]", "30, 0]", "is no box"),
        ("shows = []", "shows = [12]", "a face at rest shows no AU"),
        ("shows = []", "shows = [", "annotations"),
    ],
)
def test_wrong_annotations_are_named(tmp_path, old, new, message):
    path = tmp_path / "stills.toml"
    path.write_text(ENTRY.replace(old, new))
    with pytest.raises(InputError, match=message):
        load_annotations(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_annotations(tmp_path / "nothing.toml")


def test_faces_are_cut_out_with_a_table_that_can_be_prepared(tmp_path):
    faces = [still("Ann", True), still("Bob", False, 12, 25), still("Bob", False)]
    crops = [np.full((30, 20, 3), value, np.uint8) for value in (10, 20, 30)]
    aus, (sequence,) = read_own(stills.write_table(tmp_path / "cut", faces, crops))
    assert len(aus) == 19
    assert sequence.subject == "val"
    assert sequence.people.tolist() == [person_number("Ann"), person_number("Bob")]
    assert [cv2.imread(str(path))[0, 0, 0] for path in sequence.pictures] == [10, 20]
    assert (sequence.presence[0] == 0).all()
    shown = {au: label for au, label in zip(aus, sequence.presence[1], strict=True) if label != 9}
    assert shown == {12: 1, 25: 1}
    assert sequence.dropped == ((4, "no label"),), "of the third nothing is known"
