"""Runs that are cut off: what stays, and that going on makes the same files."""

import csv
import json
import math
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from some_runs import break_off, cut
from test_runtime_cli import ROOT, names, rows, run, write_clip

from runtime import cli
from runtime.errors import InputError
from runtime.formats import FORMATS, Layout
from runtime.outputs import SourceFiles, Wanted
from runtime.signals.smoothing import EMA_SECONDS
from runtime.sources import Source

TEXT = tuple(name for name in FORMATS if name != "parquet")


def frames_of(path: Path) -> int:
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    return count


def same(path: Path, other: Path) -> bool:
    """Whether two files hold the same but for what is measured anew every time."""
    if path.suffix == ".jsonl":
        here, there = (
            [
                {**json.loads(line), "timings": 0, "ended": 0}
                for line in file.read_text().splitlines()
            ]
            for file in (path, other)
        )
        return here == there
    return path.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")


@pytest.mark.parametrize("after", [1, 4])
def test_going_on_makes_the_files_of_an_uninterrupted_run(
    tmp_path, capsys, monkeypatch, model, after
):
    # A tracker that begins anew sees the face a little differently, which is not the point here.
    monkeypatch.setattr(cli.Detector, "track", lambda self, frame, time: self(frame))
    clip = write_clip(tmp_path / "clip.avi")
    formats = ["--format", *TEXT, "--model", model]
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert run(capsys, clip, "--out", whole, *formats)[0] == 0
    break_off(monkeypatch, capsys, after, clip, "--out", out, *formats)
    assert {"clip.partial.csv", "clip.vtt"} & set(names(out)) == {"clip.partial.csv"}
    assert len(rows(out / "clip.partial.csv")) == after
    assert frames_of(out / "clip.annotated.partial.mp4") == after
    code, _, err = run(capsys, clip, "--out", out, *formats, "--resume")
    assert code == 0
    assert ("going on behind frame 2" in err) == (after == 4)  # the last one is done again
    assert names(out) == names(whole)
    assert frames_of(out / "clip.annotated.mp4") == 6
    for name in names(whole):
        if name.endswith((".csv", ".jsonl", ".vtt", ".srt")):
            assert same(out / name, whole / name), name


def test_what_was_cut_off_is_not_overwritten_unasked(tmp_path, capsys, monkeypatch, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--no-video")
    break_off(monkeypatch, capsys, 4, *given)
    before = (out / "clip.partial.csv").read_bytes()
    code, _, err = run(capsys, *given)
    assert code == 2
    assert "clip.partial.csv holds a run that was cut off behind frame 2: give --resume" in err
    assert (out / "clip.partial.csv").read_bytes() == before
    code, _, err = run(capsys, *given, "--aus", "AU12", "--resume")
    assert code == 2
    assert "clip.partial.csv has other columns than this run" in err
    assert (out / "clip.partial.csv").read_bytes() == before
    assert run(capsys, *given, "--overwrite")[0] == 0
    assert names(out) == ["clip.csv", "clip.latency.json"]
    assert len(rows(out / "clip.csv")) == 6


def test_resume_of_what_is_done_and_of_what_was_interrupted(tmp_path, capsys, monkeypatch, model):
    clips = [write_clip(tmp_path / "a.avi"), write_clip(tmp_path / "b.avi")]
    given = (*clips, "--out", tmp_path / "out", "--model", model, "--no-video", "--resume")
    with monkeypatch.context() as patch:
        cut(patch, 9, KeyboardInterrupt)
        assert run(capsys, *given)[0] == 130
    assert len(rows(tmp_path / "out" / "b.csv")) == 3
    looked, track = [], cli.Detector.track
    with monkeypatch.context() as patch:
        patch.setattr(cli.Detector, "track", lambda *a: looked.append(1) or track(*a))
        code, _, err = run(capsys, *given)
    assert code == 0
    assert "a.avi: done before" in err
    assert "going on behind frame 1" in err
    assert len(looked) == 4
    assert [row["frame"] for row in rows(tmp_path / "out" / "b.csv")] == list("012345")
    record = json.loads((tmp_path / "out" / "b.latency.json").read_text())
    assert record["complete"]
    assert record["latency"]["frames"] == 4
    assert not [name for name in names(tmp_path / "out") if "partial" in name]


def test_resume_of_a_folder(tmp_path, capsys, monkeypatch, model):
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(5):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((60, 80, 3), 10 * i, np.uint8))
    given = (folder, "--out", tmp_path / "out", "--model", model, "--resume")
    look, count = cli.Detector.__call__, []

    def failing(self, frame):
        count.append(1)
        if len(count) == 4:
            raise RuntimeError
        return look(self, frame)

    monkeypatch.setattr(cli.Detector, "__call__", failing)
    with pytest.raises(RuntimeError):
        run(capsys, *given)
    (folder / "1.png").rename(folder / "1a.png")
    code, _, err = run(capsys, *given)
    assert code == 2
    assert "the run that was begun had files 5, sha256" in err
    (folder / "1a.png").rename(folder / "1.png")
    assert run(capsys, *given)[0] == 0
    assert [row["input"] for row in rows(tmp_path / "out" / "faces.csv")] == [
        f"{i}.png" for i in range(5)
    ]


def test_resume_with_every_second_frame(tmp_path, capsys, monkeypatch, model):
    clip = write_clip(tmp_path / "clip.avi", 9)
    given = (clip, "--out", tmp_path / "out", "--model", model, "--every", "2", "--resume")
    break_off(monkeypatch, capsys, 3, *given)
    assert run(capsys, *given)[0] == 0
    assert [row["frame"] for row in rows(tmp_path / "out" / "clip.csv")] == list("02468")
    assert frames_of(tmp_path / "out" / "clip.annotated.mp4") == 5
    video = cv2.VideoCapture(str(tmp_path / "out" / "clip.annotated.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(5)


def test_interrupted_before_a_frame_that_is_new(tmp_path, capsys, monkeypatch, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--no-video", "--format", "jsonl", "--resume")
    break_off(monkeypatch, capsys, 5, *given)
    with monkeypatch.context() as patch:
        cut(patch, 0, KeyboardInterrupt)
        assert run(capsys, *given)[0] == 130
    assert not json.loads((out / "clip.latency.json").read_text())["complete"]
    code, _, err = run(capsys, *given)
    assert (code, "going on behind frame" in err) == (0, True)
    assert [row["frame"] for row in rows(out / "clip.csv")] == list("012345")
    assert len((out / "clip.jsonl").read_text().splitlines()) == 6


def test_a_run_that_was_killed_behind_a_whole_one(tmp_path, capsys, monkeypatch, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--no-video")
    assert run(capsys, *given)[0] == 0
    whole = (out / "clip.csv").read_text()
    with monkeypatch.context() as patch:
        cut(patch, 0, KeyboardInterrupt)
        assert run(capsys, *given)[0] == 130
    assert (out / "clip.csv").read_text() == whole  # nothing is no reason to drop it
    break_off(monkeypatch, capsys, 4, *given)
    code, _, err = run(capsys, *given, "--resume")
    assert (code, "going on behind frame 2" in err) == (0, True)
    assert names(out) == ["clip.csv", "clip.latency.json"]


def test_resume_with_a_file_that_was_not_wanted_before(tmp_path, capsys, model):
    clip, out = write_clip(tmp_path / "clip.avi", 3), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--resume")
    assert run(capsys, *given, "--no-video")[0] == 0
    assert "done before" in run(capsys, *given, "--no-video")[2]
    assert "done before" not in run(capsys, *given)[2]
    assert frames_of(out / "clip.annotated.mp4") == 3
    assert "done before" in run(capsys, *given)[2]


def test_files_that_another_run_left_are_not_done(tmp_path, capsys, model):
    """The events are of the first run, the table and the record of the second."""
    clip, out = write_clip(tmp_path / "clip.avi", 3), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--no-video")
    assert run(capsys, *given, "--format", "jsonl", "--every", 2)[0] == 0
    assert run(capsys, *given)[0] == 0
    assert len((out / "clip.jsonl").read_text().splitlines()) == 2, "of the first run"
    again = run(capsys, *given, "--format", "jsonl", "--resume")
    assert again[0] == 0
    assert "done before" not in again[2]
    assert len((out / "clip.jsonl").read_text().splitlines()) == 3
    assert "done before" in run(capsys, *given, "--format", "jsonl", "--resume")[2]
    record = json.loads((out / "clip.latency.json").read_text())
    assert record["files"] == ["clip.csv", "clip.jsonl"]
    del record["files"]  # as older versions wrote it
    (out / "clip.latency.json").write_text(json.dumps(record))
    assert "done before" in run(capsys, *given, "--format", "jsonl", "--resume")[2]


@pytest.mark.parametrize("after", [2, 4, 8])
def test_signals_go_on_behind_the_joint(tmp_path, capsys, monkeypatch, model, after):
    """Each adjusted value of the joined table is that of the probabilities beside it."""
    light = [0.9, 0.95, 1.0, 0.85, 0.7, 0.8, 0.75, 0.6, 0.65, 0.7, 0.9, 0.8]
    clip, out = write_clip(tmp_path / "clip.avi", len(light), light), tmp_path / "out"
    signals = ("--baseline", 4, "--smooth", "ema", "--aus", "AU12,AU25")
    given = (clip, "--out", out, "--model", model, "--no-video", *signals)
    break_off(monkeypatch, capsys, after, *given)
    code, _, err = run(capsys, *given, "--resume")
    assert (code, "going on behind frame" in err, "baseline" in err) == (0, True, False)
    table = rows(out / "clip.csv")
    assert [(row["frame"], row["face_id"]) for row in table] == [(str(i), "0") for i in range(12)]
    for au in ("AU12", "AU25"):
        raw = [float(row[au]) for row in table]
        odds = [math.log(p / (1 - p)) for p in raw]
        excess = statistics.median(odds[:4]) - math.log(0.1 / 0.9)
        assert excess > 1
        rest = [*raw[:3], *(1 / (1 + math.exp(excess - each)) for each in odds[3:])]
        share, smooth = 1 - math.exp(-0.1 / EMA_SECONDS), rest[0]
        for row, value in zip(table, rest, strict=True):
            smooth += share * (value - smooth)
            assert float(row[f"{au}_adj"]) == pytest.approx(smooth, abs=2e-4)


def test_a_face_that_the_search_behind_the_joint_misses_keeps_its_rest(
    tmp_path, capsys, monkeypatch, model
):
    clip = write_clip(tmp_path / "clip.avi", light=[1, 1, 1, 1, 1, 0, 0, 0.8, 0.8, 0.8])
    given = (clip, "--model", model, "--no-video", "--baseline", 4, "--out")
    assert run(capsys, *given, tmp_path / "whole")[0] == 0
    break_off(monkeypatch, capsys, 6, *given, tmp_path / "out")
    assert run(capsys, *given, tmp_path / "out", "--resume")[0] == 0
    whole, joined = (rows(tmp_path / where / "clip.csv") for where in ("whole", "out"))
    assert [row["face_id"] for row in whole] == [*"00000", "", "", *"000"]
    assert [row["face_id"] for row in joined] == [row["face_id"] for row in whole]
    for here, there in zip(joined[7:], whole[7:], strict=True):
        assert float(here["AU12_adj"]) == pytest.approx(float(there["AU12_adj"]), abs=0.01)
        assert float(here["AU12_adj"]) < float(here["AU12"]) - 0.1


@pytest.mark.parametrize("after", [3, 5])
def test_hysteresis_goes_on_behind_the_joint(tmp_path, capsys, monkeypatch, model, after):
    clip = write_clip(tmp_path / "clip.avi", 6, [1, 1, 0.8, 0.8, 0.8, 0.8])
    given = (clip, "--model", model, "--no-video", "--aus", "AU12", "--out")
    assert run(capsys, *given, tmp_path)[0] == 0
    raw = [float(row["AU12"]) for row in rows(tmp_path / "clip.csv")]
    threshold = (raw[0] + raw[-1]) / 2
    given = (*given, tmp_path / "out", "--hysteresis", 0.4, "--threshold", f"AU12={threshold}")
    break_off(monkeypatch, capsys, after, *given)
    assert run(capsys, *given, "--resume")[0] == 0
    assert [row["AU12_c"] for row in rows(tmp_path / "out" / "clip.csv")] == ["1"] * 6


def test_a_baseline_that_nobody_gets_is_told_behind_a_joint(tmp_path, capsys, monkeypatch, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    for frames, told in ((7, True), (5, False)):
        given = (clip, "--out", out / str(frames), "--model", model, "--baseline", frames)
        break_off(monkeypatch, capsys, 3, *given)
        err = run(capsys, *given, "--resume")[2]
        assert (f"no face was followed for --baseline {frames} frames" in err) is told


def test_faces_keep_their_numbers_behind_a_cut_in_one_of_many_files(
    tmp_path, capsys, monkeypatch, model
):
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in "ab":
        write_clip(clips / f"{name}.avi", 4)
    given = (clips, "--out", tmp_path / "out", "--model", model, "--no-video", "--resume")
    track = cli.Detector.track

    def fifth(self, frame, time):
        result = track(self, frame, time)
        return replace(result, faces=tuple(replace(face, id=5) for face in result))

    with monkeypatch.context() as patch:
        patch.setattr(cli.Detector, "track", fifth)
        cut(patch, 7)
        with pytest.raises(RuntimeError):
            run(capsys, *given)
    assert run(capsys, *given)[0] == 0
    done = rows(tmp_path / "out" / "clips.csv")
    assert [(row["input"], row["face_id"]) for row in done] == [
        *(("a.avi", "5"),) * 4,
        *(("b.avi", "5"),) * 4,
    ]


@pytest.mark.parametrize("frames", [2, 4, 5, 6])
def test_faces_of_the_files_behind_a_cut_get_the_numbers_of_an_uninterrupted_run(
    tmp_path, capsys, monkeypatch, model, frames
):
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in "abc":
        write_clip(clips / f"{name}.avi", 4)
    given = (clips, "--model", model, "--no-video", "--resume", "--out")
    assert run(capsys, *given, tmp_path / "whole")[0] == 0
    break_off(monkeypatch, capsys, frames, *given, tmp_path / "cut")
    assert run(capsys, *given, tmp_path / "cut")[0] == 0
    whole, joined = (rows(tmp_path / name / "clips.csv") for name in ("whole", "cut"))
    assert [(row["input"], row["face_id"]) for row in joined] == [
        (row["input"], row["face_id"]) for row in whole
    ]
    assert len({row["face_id"] for row in whole}) >= 3, "each file has faces of its own"


def test_who_was_gone_at_the_cut_is_not_in_the_next_file(tmp_path, capsys, monkeypatch, model):
    """The face of a.avi is away when the run is cut off; that of b.avi is in its place."""
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    write_clip(clips / "a.avi", light=[1, 1, 0, 0, 0, 0])
    write_clip(clips / "b.avi", 2)
    given = (clips, "--out", out, "--model", model, "--no-video", "--format", "jsonl", "--resume")
    break_off(monkeypatch, capsys, 5, *given)
    assert run(capsys, *given)[0] == 0
    faces = [(row["input"], row["face_id"]) for row in rows(out / "clips.csv")]
    assert faces == [("a.avi", "0")] * 2 + [("a.avi", "")] * 4 + [("b.avi", "1")] * 2
    ended = [json.loads(line)["ended"] for line in (out / "clips.jsonl").read_text().splitlines()]
    assert ended == [*[[]] * 6, [0], []]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_kill_9(tmp_path, capsys, model):
    clip, out = write_clip(tmp_path / "clip.avi", 200), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--no-video", "--format", *TEXT)
    process = subprocess.Popen(
        [sys.executable, "-m", "runtime", *map(str, given), "--no-progress"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    part = out / "clip.partial.csv"
    deadline = time.monotonic() + 50
    while not part.exists() or part.read_bytes().count(b"\n") < 12:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=50)
    assert process.returncode == -signal.SIGKILL
    left = rows(part)
    assert [int(row["frame"]) for row in left] == list(range(len(left)))
    assert all(None not in row and None not in row.values() for row in left)
    assert part.read_bytes().endswith(b"\n")
    for end in ("openface.partial.csv", "pyfeat.partial.csv"):
        assert abs(len(rows(out / f"clip.{end}")) - len(left)) <= 1
    lines = (out / "clip.partial.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(len(lines)))
    assert (out / "clip.partial.vtt").read_text().startswith("WEBVTT\n\n")
    code, _, err = run(capsys, *given, "--resume")
    assert code == 0
    assert f"going on behind frame {len(left) - 2}" in err
    assert [int(row["frame"]) for row in rows(out / "clip.csv")] == list(range(200))
    assert len((out / "clip.jsonl").read_text().splitlines()) == 200
    assert not [name for name in names(out) if "partial" in name]


def test_camera_cannot_be_gone_back_to(tmp_path):
    class Camera(Source):
        moving = live = True

    wanted = Wanted(tmp_path, resume=True)
    with pytest.raises(InputError, match="--resume: camera 0 cannot be gone back to"):
        SourceFiles(Camera("camera 0", "camera0"), Layout(("AU12",)), wanted)
    assert list(tmp_path.iterdir()) == []


def test_csv_of_kill_9_is_what_csv_readers_take(tmp_path, capsys, monkeypatch, model):
    clip = write_clip(tmp_path / "clip.avi")
    break_off(monkeypatch, capsys, 2, clip, "--out", tmp_path / "out", "--model", model)
    with open(tmp_path / "out" / "clip.partial.csv", encoding="utf-8", newline="") as file:
        assert {len(row) for row in csv.reader(file)} == {9 + 6 + 98 + 6}
