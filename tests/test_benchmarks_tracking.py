"""Metrics of tracking, on cases small enough to count by hand."""

import json
from contextlib import nullcontext

import pytest

from benchmarks import tracking, tracks
from benchmarks.tracks import keep_tracks
from lgrnet.faces.crowd import TrueHead
from runtime.boxes import face_box
from runtime.results import Result, Timings


def head(identity: int, x: float, visible: float = 0.85) -> TrueHead:
    from test_runtime_fixtures import MEAN_FACE

    return TrueHead(identity, visible, MEAN_FACE / 3 + (x, 100))


def box(x: float):
    return face_box(head(0, x).landmarks)


def metrics(truth, found, frames: int) -> dict:
    events = {"clip": tracking.accumulate(truth, found, frames)}
    summary = tracking.summarise(events)
    assert summary["clip"] == summary["all"]
    return summary["all"]


TRUTH = {frame: [head(7, 100), head(8, 300)] for frame in range(10)}


def test_perfect_tracks():
    found = {frame: [(0, box(102)), (1, box(298))] for frame in range(10)}
    said = metrics(TRUTH, found, 10)
    assert (said["mota"], said["idf1"], said["num_switches"]) == (1, 1, 0)
    assert (said["num_objects"], said["num_unique_objects"], said["mostly_tracked"]) == (20, 2, 2)


def test_swapped_numbers():
    found = {
        frame: [(0 if frame < 5 else 1, box(100)), (1 if frame < 5 else 0, box(300))]
        for frame in range(10)
    }
    said = metrics(TRUTH, found, 10)
    assert said["num_switches"] == 2
    assert said["mota"] == pytest.approx(1 - 2 / 20)
    assert said["idf1"] == pytest.approx(0.5)


def test_misses_and_false_finds():
    found = {frame: [(0, box(100)), (1, box(500))] for frame in range(10)}
    said = metrics(TRUTH, found, 10)
    assert (said["num_misses"], said["num_false_positives"]) == (10, 10)
    assert said["mota"] == pytest.approx(1 - 20 / 20)
    assert said["idf1"] == pytest.approx(2 * 10 / (20 + 20))


@pytest.mark.parametrize("seen", [True, False])
def test_hardly_visible_faces_are_neither_right_nor_wrong(seen):
    truth = {frame: [head(7, 100), head(8, 300, 0.3)] for frame in range(10)}
    found = {frame: [(0, box(100)), *([(1, box(300))] * seen)] for frame in range(10)}
    said = metrics(truth, found, 10)
    assert (said["mota"], said["num_objects"], said["num_false_positives"]) == (1, 10, 0)


def test_box_on_a_visible_face_counts_although_a_hidden_one_is_behind_it():
    truth = {frame: [head(7, 100), head(8, 103, 0.1)] for frame in range(4)}
    assert metrics(truth, {f: [(0, box(103))] for f in range(4)}, 4)["mota"] == 1


def test_frames_without_anything_are_fine():
    assert metrics({0: [head(7, 100)]}, {0: [(0, box(100))]}, 5)["mota"] == 1


def test_tracks_are_kept_and_not_made_again(tmp_path):
    from some_videos import write_video
    from test_runtime_fixtures import SpotFinder, write_model

    from runtime import Detector

    clip = write_video(tmp_path / "a.avi", code="MJPG", frames=4)
    detector = Detector(write_model(tmp_path / "m.onnx"), finder=SpotFinder())
    out = tmp_path / "tracks" / "a.json"
    keep_tracks(detector, clip, out)
    record = json.loads(out.read_text())
    assert [frame for frame, _ in record["tracks"]] == [0, 1, 2, 3]
    assert len(record["ms"]) == 4
    assert record["detector"] == repr(detector)
    before = out.stat().st_mtime_ns
    keep_tracks(None, clip, out)
    assert out.stat().st_mtime_ns == before


class Told:
    """A detector that found nothing in five frames, each of which took the process 8 ms."""

    asked = 0

    def __init__(self, monkeypatch):
        self.spent = 50.0
        monkeypatch.setattr(tracks.time, "process_time", lambda: self.spent)

    def stream(self, clip):
        self.asked += 1
        for index in range(5):
            self.spent += 8e-3
            timings = Timings(decode=5.0, find=index, align=0.25, network=2.0, post=0.5)
            yield Result((), timings, (64, 48), index)


def test_decoding_is_no_part_of_what_a_frame_takes(tmp_path, monkeypatch):
    out = tmp_path / "a.json"
    keep_tracks(Told(monkeypatch), tmp_path / "a.mp4", out)
    record = json.loads(out.read_text())
    assert record["ms"] == pytest.approx([2.75, 3.75, 4.75, 5.75, 6.75])
    assert record["cpu_ms"] == pytest.approx(8)
    assert record["tracks"] == [[index, []] for index in range(5)]


def test_other_code_tracks_anew(tmp_path, monkeypatch):
    detector, out = Told(monkeypatch), tmp_path / "a.json"
    for code, asked in (("one", 1), ("one", 1), ("other", 2), ("one", 3)):
        monkeypatch.setattr(tracks, "code_digest", lambda code=code: code)
        keep_tracks(detector, tmp_path / "a.mp4", out)
        assert detector.asked == asked
        assert json.loads(out.read_text())["code"] == code


def test_code_is_all_that_a_result_may_come_from(tmp_path, monkeypatch):
    monkeypatch.setattr(tracks.runtime, "__file__", str(tmp_path / "__init__.py"))
    names = (
        "__init__.py",
        "finders/a.py",
        "finders/e.onnx",
        "native/engine/b.cpp",
        "native/c.hpp",
        "models/d.npz",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first")
    digest = tracks.code_digest.__wrapped__
    seen = {digest()}
    for name in names:
        (tmp_path / name).write_text("second")
        seen.add(digest())
    (tmp_path / "finders" / "a.py").rename(tmp_path / "finders" / "e.py")
    seen.add(digest())
    assert len(seen) == len(names) + 2
    (tmp_path / "README.md").write_text("of no matter")
    assert digest() in seen


@pytest.mark.parametrize("finder", [None, "yunet.onnx"])
def test_every_setting_follows_every_clip(tmp_path, monkeypatch, finder):
    made, kept = [], []
    monkeypatch.setattr(
        tracking,
        "Detector",
        lambda model, **settings: made.append(settings) or nullcontext(settings),
    )
    monkeypatch.setattr(tracking, "keep_tracks", lambda *call: kept.append(call))
    clips = [(tmp_path / f"{name}.mp4", tmp_path / f"{name}.csv") for name in "ab"]
    args = tracking.parse_args(["--finder", finder] if finder else [])
    tracking._find(args, clips, tmp_path)
    network = {"no search": None, "search every 10": 10, "search every 30": 30}
    wanted = {name: (every, None) for name, every in network.items()}
    wanted["search every 30, cascade"] = (30, "cascade")
    if finder:
        wanted["search every 30, YuNet"] = (30, finder)
    assert [(one["search_every"], one["finder"]) for one in made] == list(wanted.values())
    assert {(out.parent.name, out.stem, video.name) for _, video, out in kept} == {
        (name, clip, f"{clip}.mp4") for name in wanted for clip in "ab"
    }
    for settings, _, out in kept:
        assert (settings["search_every"], settings["finder"]) == wanted[out.parent.name]


def test_table_has_a_row_a_tracker(tmp_path, monkeypatch):
    found = [[frame, [[0, list(box(100))], [1, list(box(300))]]] for frame in range(10)]
    record = {"detector": "d", "cpu_ms": 7.0, "ms": [1.0] * 10, "tracks": found}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.json").write_text(json.dumps(record))
    monkeypatch.setattr(tracking, "read_crowd", lambda _: TRUTH)
    monkeypatch.setattr(tracking, "_length", lambda _: 10)
    clips = [(tmp_path / "a.mp4", tmp_path / "a.csv")]
    row = tracking.judge("mine", tmp_path / "mine", clips)
    assert row["clips"]["a"]["mota"] == 1
    assert (row["ms_p50"], row["cpu_ms_a_frame"]) == (1, 7)
    lines = tracking.table({"trackers": [row]}).splitlines()
    assert lines[2] == "| mine | 1.000 | 1.000 | 0 | 0 | 0 | 2 of 2 | 7.0 |"


def test_overlap_limit_is_half():
    shift = float(face_box(head(0, 0).landmarks)[2])
    near, far = shift / 3 - 0.5, shift / 3 + 0.5  # overlap is a half at a third of the width
    for x, mota in ((near, 1), (far, -1)):
        said = metrics({0: [head(7, 100)]}, {0: [(0, box(100 + x))]}, 1)
        assert said["mota"] == mota
