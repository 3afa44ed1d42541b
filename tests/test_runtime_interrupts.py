"""What Ctrl-C and SIGTERM leave of a run."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from some_runs import names, rows, run, write_clip

from runtime import cli
from runtime import run as running

ROOT = Path(__file__).parents[1]


def test_ctrl_c_keeps_the_outputs(tmp_path, capsys, monkeypatch, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    track, count = cli.Detector.track, 0

    def interrupted(self, frame, time):
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return track(self, frame, time)

    monkeypatch.setattr(cli.Detector, "track", interrupted)
    code, said, err = run(capsys, clip, "--out", out, "--model", model)
    assert code == 130
    assert "interrupted" in err
    assert "3 frames" in said
    assert len(rows(out / "clip.csv")) == 3
    assert cv2.VideoCapture(str(out / "clip.annotated.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert names(out) == ["clip.annotated.mp4", "clip.csv", "clip.latency.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for other processes")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_real_ctrl_c_and_sigterm(tmp_path, model, sent, code):
    clip, out = write_clip(tmp_path / "clip.avi", 800), tmp_path / "out"
    # Tests that run in the background of a script inherit that Ctrl-C is ignored. The new process
    # undoes that by itself: code between fork and exec is not safe beside the engines' threads.
    start = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('runtime', run_name='__main__', alter_sys=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", start, clip, "--out", out, "--model", model, "--no-video"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 50
    while not any(len(rows(part)) > 2 for part in out.glob("clip.partial.csv")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    for _ in range(2 if sent == signal.SIGTERM else 1):  # senders repeat it, people wait
        process.send_signal(sent)
        time.sleep(0.002)
    process.communicate(timeout=50)
    assert process.returncode == code
    assert 2 < len(rows(out / "clip.csv")) < 800
    assert names(out) == ["clip.csv", "clip.latency.json"]


@pytest.mark.parametrize("place", ["Detector.track", "JsonLinesPipe.write", "SourceFiles.write"])
def test_a_frame_that_is_begun_is_in_every_file(tmp_path, capsys, monkeypatch, model, place):
    """In the middle of it comes the signal; waiting to be read, standard output may be left."""
    owner, method = place.split(".")
    owner = getattr(cli if owner == "Detector" else running, owner)
    whole, count = getattr(owner, method), 0

    def interrupted(self, *arguments):
        nonlocal count
        count += 1
        if count == 4:
            signal.raise_signal(signal.SIGTERM)
        return whole(self, *arguments)

    monkeypatch.setattr(owner, method, interrupted)
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    code, said, _ = run(capsys, clip, "--out", out, "--model", model, "--jsonl")
    assert code == 143
    assert count == 4
    assert len(rows(out / "clip.csv")) == 4
    assert cv2.VideoCapture(str(out / "clip.annotated.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert len(said.splitlines()) == (3 if place == "JsonLinesPipe.write" else 4)


def test_sigterm_is_as_before_after_a_run(tmp_path, capsys, model):
    before = signal.getsignal(signal.SIGTERM)
    clip = write_clip(tmp_path / "clip.avi", 2)
    assert run(capsys, clip, "--out", tmp_path / "out", "--model", model)[0] == 0
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_library_that_is_broken_off_while_it_loads(tmp_path, capsys, monkeypatch, sent, code):
    """ONNX Runtime then says that its initialisation failed."""

    def loading(**_):
        try:
            signal.raise_signal(sent)
        except KeyboardInterrupt as stop:
            raise ImportError("ONNX Runtime does not load (initialization failed)") from stop

    monkeypatch.setattr(cli, "Detector", loading)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        ended, _, err = run(capsys, write_clip(tmp_path / "clip.avi", 2), "--out", tmp_path / "out")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ended, err) == (code, "interrupted; what was finished is kept\n")
