"""Files of an earlier run that stay beside those of a new one."""

import json

import cv2
import numpy as np
from some_runs import run, write_clip


def test_files_of_an_earlier_run_that_stay_are_told(tmp_path, capsys, model):
    clip, out = write_clip(tmp_path / "clip.avi", 2), tmp_path / "out"
    given = (clip, "--out", out, "--model", model)
    assert "earlier run" not in run(capsys, *given, "--format", "vtt")[2]

    def left(*more: str) -> list[str]:
        code, _, err = run(capsys, *given, *more)
        assert code == 0
        told = [line for line in err.splitlines() if "of an earlier run" in line]
        record = json.loads((out / "clip.latency.json").read_text())
        assert len(told) == bool(record["files_of_earlier_runs"])
        if told:
            assert told[0].startswith(f"{clip}: still in {out}, ")
            assert told[0].endswith(f": {', '.join(record['files_of_earlier_runs'])}")
        return record["files_of_earlier_runs"]

    before = (out / "clip.vtt").read_bytes()
    assert left("--no-video", "--format", "events") == ["clip.vtt", "clip.annotated.mp4"]
    assert (out / "clip.vtt").read_bytes() == before
    # The run before the last one is not forgotten, and what is replaced or gone is not told.
    assert left("--overwrite", "--every", "2") == ["clip.events.csv", "clip.vtt"]
    (out / "clip.events.csv").unlink()
    assert left() == ["clip.vtt"]
    assert left("--format", "vtt") == []
    # A run that is found done has changed nothing, and has nothing to tell.
    assert "earlier run" not in run(capsys, *given, "--resume")[2]
    assert left("--resume", "--no-video", "--format", "srt") == ["clip.vtt", "clip.annotated.mp4"]
    (out / "clip.latency.json").write_text("{")
    assert left("--overwrite") == []


def test_files_of_an_earlier_run_are_told_of_each_source(tmp_path, capsys, model):
    folder, out = tmp_path / "many", tmp_path / "out"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), np.zeros((9, 9), np.uint8))
    given = (folder, folder / "a.png", write_clip(tmp_path / "c.avi", 1), "--out", out)
    given = (*given, "--model", model)
    assert "earlier run" not in run(capsys, *given)[2]
    told = [line for line in run(capsys, *given, "--no-video")[2].splitlines() if "earlier" in line]
    assert [line.split(": ")[-1] for line in told] == [
        *("many.annotated", "a.annotated.png", "c.annotated.mp4"),
    ]
