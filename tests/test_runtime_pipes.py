"""Standard output as a pipe: JSON lines, and whoever reads them or not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_runtime_cli import ROOT, names, run, write_clip


def test_json_lines_are_all_that_is_on_standard_output(tmp_path, capsys, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    clip = write_clip(tmp_path / "clip.avi", 3)
    code, said, err = run(capsys, clip, "--jsonl", "--model", model, "--aus", "au12 25")
    assert code == 0
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2]
    assert list(lines[0]["faces"][0]["aus"]) == ["AU12", "AU25"]
    assert "3 frames" in err
    assert not (tmp_path / "out").exists()
    code, said, _ = run(capsys, clip, "--jsonl", "--model", model, "--out", "o", "--no-video")
    assert len(said.splitlines()) == 3
    assert names(tmp_path / "o") == ["clip.csv", "clip.latency.json"]
    run(capsys, clip, "--jsonl", "--model", model, "--video")
    assert names(tmp_path / "out") == ["clip.annotated.mp4", "clip.csv", "clip.latency.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_reader_that_goes_away(tmp_path, model):
    clip = write_clip(tmp_path / "clip.avi", 60)
    command = f"{sys.executable} -m runtime {clip} --jsonl --no-progress --model {model}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -n 1"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 141
    assert json.loads(done.stdout)["index"] == 0
    assert "error" not in done.stderr.lower()
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_files_are_written_for_one_who_reads_no_summary(tmp_path, model):
    clips = [write_clip(tmp_path / f"{name}.avi", 3) for name in "ab"]
    command = f"{sys.executable} -m runtime {clips[0]} {clips[1]} --no-progress --no-video"
    command += f" --model {model} --out {tmp_path / 'out'}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | true"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "out") == ["a.csv", "a.latency.json", "b.csv", "b.latency.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_lines_are_whole_where_nobody_reads_the_notes(tmp_path, model):
    clips = [write_clip(tmp_path / f"{name}.avi", 3) for name in "ab"]
    command = f"{sys.executable} -m runtime {clips[0]} {clips[1]} --jsonl --no-progress"
    for end in ("2> >(true)", "2>&-"):
        done = subprocess.run(
            ["bash", "-c", f"{command} --model {model} {end}"],
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == [0, 1, 2] * 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_json_lines_that_find_no_room_or_no_output(tmp_path, model):
    clip = write_clip(tmp_path / "clip.avi", 3)
    command = f"{sys.executable} -m runtime {clip} --jsonl --no-progress --model {model}"
    # Without buffers nothing is left for Python to write at its end.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    for end, code, said in (
        (">/dev/full", 3, "error: <stdout> takes no more JSON lines (No space left on device)"),
        (">&-", 2, "error: JSON lines go to standard output (--jsonl), which is closed"),
    ):
        done = subprocess.run(
            ["bash", "-c", f"{command} {end}"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, env=buffered,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
