import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from some_runs import names, rows, run, write_clip
from test_runtime_fixtures import MEAN_FACE, SpotFinder, astronaut, spot, wall

from runtime import cli
from runtime.cli import main
from runtime.packaged import MODELS

ROOT = Path(__file__).parents[1]


def test_video(tmp_path, capsys, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    code, said, _ = run(capsys, clip, "--out", out, "--model", model, "--threads", 1)
    assert code == 0
    first = said.splitlines()[0]
    for part in ("tiny", "fp32", "cpu", "CPUExecutionProvider", "1 thread", "network"):
        assert part in first
    assert names(out) == ["clip.annotated.mp4", "clip.csv", "clip.latency.json"]
    table = rows(out / "clip.csv")
    assert [row["frame"] for row in table] == list("012345")
    assert {(row["success"], row["face_id"]) for row in table} == {("1", "0")}
    np.testing.assert_allclose(float(table[3]["x_13"]), 225 - 80, atol=12)
    record = json.loads((out / "clip.latency.json").read_text())
    assert record["latency"]["frames"] == 6
    assert record["model"]["licence"] == "Apache-2.0"
    options = record["options"]
    assert (options["model"], options["threads"], options["max_faces"]) == (str(model), 1, 8)
    assert (options["signals"], options["every"]) == (None, 1)
    assert options["aus"] == ["AU06", "AU12", "AU25"]
    assert set(record["latency"]["ms"]) == {
        *("decode", "find", "align", "network", "post", "total")
    }
    assert "p99" in said
    video = cv2.VideoCapture(str(out / "clip.annotated.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 6
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)


def test_image_and_folder(tmp_path, capsys, model):
    folder = tmp_path / "faces"
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        cv2.imwrite(str(folder / name), astronaut())
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((1, 1), np.uint8))
    out = tmp_path / "out"
    code, _, _ = run(capsys, folder, tmp_path / "one.png", "--out", out, "--model", model)
    assert code == 0
    assert names(out) == [
        *("faces.annotated/a.png.png", "faces.annotated/b.jpg.png", "faces.csv"),
        *("faces.latency.json", "one.annotated.png", "one.csv", "one.latency.json"),
    ]
    assert [row["input"] for row in rows(out / "faces.csv")] == ["a.png", "b.jpg"]
    assert [row["success"] for row in rows(out / "one.csv")] == ["0"]


def test_no_face_at_all_is_said_with_what_may_help(tmp_path, capsys, model):
    cv2.imwrite(str(tmp_path / "wall.png"), wall())
    code, out, _ = run(capsys, tmp_path / "wall.png", "--out", tmp_path / "out", "--model", model)
    assert code == 0
    assert "a face in 0 of them: for faces smaller than 3 %" in out
    assert "--search-side" in out
    assert "--min-face" not in out
    given = ("--out", tmp_path / "out", "--model", model, "--overwrite", "--min-face", "500")
    assert (
        "smaller ones than --min-face 500 left out" in run(capsys, tmp_path / "wall.png", *given)[1]
    )
    record = json.loads((tmp_path / "out" / "wall.latency.json").read_text())
    assert record["frames_with_a_face"] == 0


def test_a_baseline_that_nobody_gets_is_told(tmp_path, capsys, monkeypatch, model):
    monkeypatch.setattr("runtime.detector.open_finder", lambda *_: SpotFinder())
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    given = ("--out", out, "--model", model, "--no-video", "--overwrite", "--no-progress")
    for frames, told in (("500", True), ("2", False)):
        err = run(capsys, clip, *given, "--baseline", frames)[2]
        assert (f"no face was followed for --baseline {frames} frames" in err) == told
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    write_clip(mixed / "a.avi", 4), write_clip(mixed / "b.avi", 2)
    cv2.imwrite(str(mixed / "c.png"), spot(150, 120))
    err = run(capsys, mixed, *given, "--baseline", "3")[2]
    assert "only 2 of 4 faces were followed for --baseline 3 frames" in err
    assert "only" not in run(capsys, mixed, *given, "--baseline", "2")[2]
    cv2.imwrite(str(tmp_path / "one.png"), spot(150, 120))
    err = run(capsys, tmp_path / "one.png", *given, "--smooth", "ema")[2]
    assert "pictures have no baseline and are not smoothed" in err


def test_without_video(tmp_path, capsys, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    said = run(capsys, clip, "--out", out, "--model", model, "--no-video")[1]
    assert "a face in 6 of them\n" in said
    assert names(out) == ["clip.csv", "clip.latency.json"]


def test_progress_bar(tmp_path, capsys, model):
    clip = write_clip(tmp_path / "clip.avi")
    assert main([str(clip), "--out", str(tmp_path / "out"), "--model", str(model)]) == 0
    assert "6/6" in capsys.readouterr().err


def test_demo_prints_the_agreement(tmp_path, capsys, monkeypatch, model):
    clip = write_clip(tmp_path / "demo.avi")
    with open(tmp_path / "truth.csv", "w", encoding="utf-8", newline="") as file:
        points = [f"{axis}_{i}" for axis in "xy" for i in range(49)]
        writer = csv.writer(file)
        writer.writerow(["frame", "identity", "AU06_c", "AU12_c", *points])
        face = 0.64 * MEAN_FACE + (225 - 80 - 0.64 * 87.5, 128 - 0.64 * 83)
        for i in range(6):
            writer.writerow([i, "eileen", 1, 0, *face.T.ravel()])
    monkeypatch.setattr(cli, "DEMO_CLIP", clip)
    monkeypatch.setattr(cli, "DEMO_TRUTH", tmp_path / "truth.csv")
    code, said, _ = run(capsys, "--out", tmp_path / "out", "--model", model)
    assert code == 0
    assert "agreement with the ground truth" in said
    assert "face found in 6 of 6 frames" in said
    record = json.loads((tmp_path / "out" / "demo.latency.json").read_text())
    assert record["agreement"]["frames"] == 6


def bad_sources(folder: Path) -> dict[str, Path]:
    (folder / "text.png").write_text("hello")
    (folder / "text.mp4").write_text("hello")
    cut = cv2.imencode(".jpg", astronaut())[1].tobytes()[:9000]
    (folder / "cut.jpg").write_bytes(cut)
    writer = cv2.VideoWriter(str(folder / "cut.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    (folder / "cut.mp4").write_bytes((folder / "cut.mp4").read_bytes()[:400])
    (folder / "empty").mkdir()
    keys = ("text.png", "text.mp4", "cut.jpg", "cut.mp4", "missing.mp4", "empty")
    return {key: folder / key for key in keys}


@pytest.mark.parametrize(
    "name", ["text.png", "text.mp4", "cut.jpg", "cut.mp4", "missing.mp4", "empty"]
)
def test_bad_source_is_one_line_and_harms_nothing(tmp_path, capsys, model, name):
    source, out = bad_sources(tmp_path)[name], tmp_path / "out"
    out.mkdir()
    old = {f"{source.stem}{end}" for end in (".csv", ".latency.json", ".annotated.mp4")}
    for file in old:
        (out / file).write_text("old")
    code, _, err = run(capsys, source, "--out", out, "--model", model)
    assert code == 2
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert name in line
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(old, "old")


def test_one_bad_source_does_not_stop_the_others(tmp_path, capsys, model):
    clip, out = write_clip(tmp_path / "clip.avi", 2), tmp_path / "out"
    code, _, err = run(capsys, tmp_path / "no.mp4", clip, "--out", out, "--model", model)
    assert code == 2
    assert "no.mp4 does not exist" in err
    assert "clip.csv" in names(out)


def test_two_sources_that_would_write_one_file(tmp_path, capsys, model):
    clips = [write_clip(tmp_path / "a.avi", 2), write_clip(tmp_path / "a.openface.avi", 2)]
    given = ("--out", tmp_path / "out", "--model", model, "--no-video")
    code, _, err = run(capsys, *clips, *given, "--format", "openface")
    assert code == 2
    assert f"{clips[1]} and {clips[0]} would both write a.openface.csv" in err
    assert run(capsys, *clips, *given, "--overwrite", "--format", "native", "vtt")[0] == 0


def test_two_names_that_are_one_on_other_discs(tmp_path, capsys, monkeypatch, model):
    clips = [write_clip(tmp_path / "a.avi", 2), write_clip(tmp_path / "A.mkv.avi", 2)]
    clips[1] = clips[1].rename(tmp_path / "A.avi")
    given = ("--out", tmp_path / "out", "--model", model, "--no-video")
    monkeypatch.setattr("runtime.cli.CASELESS", (sys.platform,))
    code, _, err = run(capsys, *clips, *given)
    assert code == 2
    assert f"{clips[1]} and {clips[0]} would both write A.csv" in err


def test_two_sources_of_one_name(tmp_path, capsys, model):
    (tmp_path / "b").mkdir()
    clips = [write_clip(tmp_path / "clip.avi", 2), write_clip(tmp_path / "b" / "clip.avi", 3)]
    out = tmp_path / "out"
    code, _, err = run(capsys, *clips, "--out", out, "--model", model, "--no-video")
    assert code == 2
    assert "would both write clip.csv" in err
    assert len(rows(out / "clip.csv")) == 2


def test_out_that_is_a_file(tmp_path, capsys, model):
    (tmp_path / "out").touch()
    code, _, err = run(capsys, write_clip(tmp_path / "a.avi", 2), "--out", tmp_path / "out")
    assert code == 2
    assert "a file is in its place" in err


def test_missing_demo(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "DEMO_CLIP", tmp_path / "clip.mp4")
    code, _, err = run(capsys, "--out", tmp_path / "out")
    assert code == 2
    assert "clip.mp4 is not there: give a SOURCE" in err


def test_signals(tmp_path, capsys, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    options = ["--smooth", "one-euro", "--threshold", "AU12=0.99", "--hysteresis", "0.2"]
    code, _, _ = run(capsys, clip, "--out", out, "--model", model, *options)
    assert code == 0
    table = rows(out / "clip.csv")
    assert {row["AU12_c"] for row in table} == {"0"}
    assert all(0 < float(row["AU12_adj"]) < 1 for row in table)


def test_subtitles_of_pictures(tmp_path, capsys, model):
    cv2.imwrite(str(tmp_path / "a.png"), astronaut())
    given = (tmp_path / "a.png", "--out", tmp_path / "out", "--model", model)
    code, _, err = run(capsys, *given, "--format", "vtt", "srt")
    assert code == 2
    assert "has no time for srt, vtt: they are for videos" in err
    assert names(tmp_path / "out") == []


def test_subtitles_of_videos_among_pictures(tmp_path, capsys, caplog, model):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("b", "d"):
        write_clip(folder / f"{name}.avi", 2)
    for name in ("a", "c"):
        cv2.imwrite(str(folder / f"{name}.png"), astronaut())
    given = (folder, "--out", out, "--model", model, "--no-video", "--format", "vtt", "events")
    code, _, _ = run(capsys, *given)
    assert code == 0
    assert "2 pictures have no time and are not in vtt, events: a.png, c.png" in caplog.text
    assert names(out / "in.subtitles") == ["b.avi.vtt", "d.avi.vtt"]
    assert {row["input"] for row in rows(out / "in.events.csv")} == {"b.avi", "d.avi"}
    named = [row["input"] for row in rows(out / "in.csv")]
    assert named == ["a.png", "b.avi", "b.avi", "c.png", "d.avi", "d.avi"]
    _, _, err = run(capsys, *given, "--resume")
    assert "done before" in err


def test_both_kinds_of_subtitles_of_a_folder(tmp_path, capsys, model):
    (tmp_path / "in").mkdir()
    for name in "ab":
        write_clip(tmp_path / "in" / f"{name}.avi", 3)
    given = (tmp_path / "in", "--out", tmp_path / "out", "--model", model, "--no-video")
    assert run(capsys, *given, "--format", "vtt", "srt")[0] == 0
    assert names(tmp_path / "out" / "in.subtitles") == [
        *("a.avi.srt", "a.avi.vtt", "b.avi.srt", "b.avi.vtt"),
    ]


def test_formats_with_commas_and_a_source_behind_them(tmp_path, capsys, model):
    clip, out = write_clip(tmp_path / "clip.avi", 2), tmp_path / "out"
    options = ["--out", out, "--model", model, "--no-video", "--format", "openface,jsonl", "srt"]
    assert run(capsys, clip, *options)[0] == 0
    assert names(out) == [
        "clip.csv", "clip.jsonl", "clip.latency.json", "clip.openface.csv", "clip.srt",
    ]  # fmt: skip
    with pytest.raises(SystemExit):
        main(["--format", "openface", str(clip)])
    assert f"'{clip}' is no format" in capsys.readouterr().err


def test_what_a_packaged_model_is_for_is_said(tmp_path, capsys, model):
    clip = write_clip(tmp_path / "clip.avi", 2)
    code, _, err = run(capsys, clip, "--model", "nope", "--out", tmp_path / "out")
    assert code == 2
    assert f"model nope does not exist: packaged models are {', '.join(MODELS)}" in err
    options = ["--model", "edge-native", "--backend", "openvino", "--out", tmp_path / "out"]
    code, _, err = run(capsys, clip, *options)
    assert code == 2
    assert "or give 'edge-int8'" in err


@pytest.mark.parametrize("damaged", ["a.avi", "c.avi"])
def test_a_folder_that_is_done_without_a_file_says_so(tmp_path, capsys, model, damaged):
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    good = write_clip(folder / "b.avi", 3)
    (folder / damaged).write_bytes(good.read_bytes()[:300])
    options = [folder, "--out", out, "--model", model, "--no-video"]
    assert run(capsys, *options)[0] == 2
    done = (out / "clips.csv").read_bytes()
    code, _, err = run(capsys, *options, "--resume")
    assert code == 2
    assert f"done before, without {damaged}: --overwrite" in err
    assert (out / "clips.csv").read_bytes() == done
    assert names(out) == ["clips.csv", "clips.latency.json"]
    (folder / damaged).write_bytes(good.read_bytes())  # which makes it another run
    assert run(capsys, *options, "--resume")[0] == 0
    assert {row["input"] for row in rows(out / "clips.csv")} == {"b.avi", damaged}
    assert run(capsys, *options, "--resume")[2].strip().endswith("clips: done before")
