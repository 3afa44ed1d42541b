import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import fps
from benchmarks.inference import end_to_end, exports
from benchmarks.inference.end_to_end import measure_end_to_end, read_frames
from benchmarks.inference.probe import NetworkRequest, ProbeError, probe
from benchmarks.inference.rows import PipelineRow
from benchmarks.shared.machine import describe_machine
from benchmarks.shared.memory import peak_megabytes
from benchmarks.shared.timing import Limits
from runtime.packaged import DEMO_CLIP, model_path
from runtime.results import PHASES

ROOT = Path(fps.__file__).resolve().parents[1]


def test_json_is_written_to_out_with_and_without_a_name():
    assert fps.parse_args([]).json == Path("out/fps.json")
    assert fps.parse_args(["--json"]).json == Path("out/fps.json")
    assert fps.parse_args(["--json", "a/b.json"]).json == Path("a/b.json")


def test_limits_and_engines_come_from_the_command_line():
    args = fps.parse_args(
        "--seconds 3 --max-calls 7 --rounds 2 --warmup 0.5 --batch 4 --threads 1 2 3 "
        "--engines ov-int8 --draw --no-end-to-end".split()
    )
    assert args.limits == Limits(3, 7, 2, 0.5)
    assert (args.batch, args.threads, args.engines) == (4, [1, 2, 3], ["ov-int8"])
    assert args.draw
    assert not args.end_to_end


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--rounds 0", "--rounds: 0 is not 1 or more"),
        ("--threads 0", "0 is not 1 or more"),
        ("--batch 0", "0 is not 1 or more"),
        ("--json speed.txt", "ends in .json"),
        ("--json {folder}", "is a folder, give the name of a file"),
        ("--engines tensorrt", "invalid choice"),
        ("--checkpoint no.pt", "no.pt is not there"),
    ],
)
def test_wrong_arguments_are_named(line, message, capsys, tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(SystemExit):
        fps.parse_args(line.format(folder=tmp_path / "a.json").split())
    assert message in capsys.readouterr().err


def test_a_small_run_writes_what_was_measured(monkeypatch, tmp_path, capsys):
    def export(checkpoint, output, *, engine, **options):
        if engine == "openvino":
            raise ImportError("openvino is not installed")
        return Path(shutil.copy(model_path(None), output))

    monkeypatch.setattr(exports, "export_onnx", export)
    path = tmp_path / "fps.json"
    line = f"--checkpoint {fps.EDGE_CHECKPOINT} --engines ort-winograd ov-direct --threads 1 "
    line += f"--seconds 0 --rounds 2 --warmup 0 --no-end-to-end --json {path} "
    line += f"--exports {tmp_path}"
    assert fps.main(line.split()) == 0
    record = json.loads(path.read_text())
    (run,) = record["networks"]
    assert [row["key"] for row in run["engines"]] == ["eager", "ort-winograd"]
    eager, ours = run["engines"]
    assert eager["ratio_to_eager"] == 1
    assert eager["ratio_interval"] == [1, 1]
    assert eager["max_au_difference"] == 0
    # The packaged model is this checkpoint exported, so that it answers the same on every face.
    assert 0 < ours["max_au_difference"] < 1e-3
    assert ours["ratio_to_eager"] == pytest.approx(eager["p50"] / ours["p50"])
    low, high = ours["ratio_interval"]
    assert low <= ours["ratio_to_eager"] <= high
    assert ours["calls"] == 10
    assert run["rounds"] == 2
    for row in run["engines"]:
        assert 0 < row["load_s"] < row["first_result_s"]
        assert 20 < row["peak_megabytes"] < 5000
    # PyTorch is loaded where it is what is measured, and only there.
    assert eager["peak_megabytes"] > ours["peak_megabytes"]
    assert run["unavailable"] == [
        {
            "key": "ov-direct",
            "name": "OpenVINO f32, direct",
            "reason": "ImportError: openvino is not installed",
        }
    ]
    assert any("only 2 rounds" in each for each in run["warnings"])
    printed = capsys.readouterr().out
    assert "openvino is not installed" in printed
    assert "| ONNX Runtime, winograd | fp32 |" in printed


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "short.avi"
    frames = read_frames(DEMO_CLIP)[:8]
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.mark.parametrize("draw", [False, True])
def test_end_to_end_counts_frames_over_the_time_of_the_loop(short_clip, draw, monkeypatch):
    if draw:  # the other case has seen it work
        answers = {"first_result_s": 1.0, "peak_megabytes": 1.0}
        monkeypatch.setattr(end_to_end, "probe", lambda request: answers)
    rows = (
        PipelineRow("default", "packaged"),
        PipelineRow("broken", "bf16 without OpenVINO", "onnxruntime", "bf16"),
    )
    limits = Limits(seconds=0, rounds=2)
    record = measure_end_to_end(rows, {}, short_clip, 1, limits, with_drawing=draw)
    (row,) = record["rows"]
    assert row["calls"] == 16
    assert row["passes"] == 2
    assert row["frames_with_a_face"] == 1
    assert row["fps"] == pytest.approx(1e3 / row["mean"])
    assert {"frame", *PHASES, "decode work", "draw"} == set(row["ms"])
    # The phases follow each other inside the loop, so that they cannot take longer than it.
    inside = [*PHASES, "draw"] if draw else PHASES
    assert sum(row["ms"][phase]["mean"] for phase in inside) <= row["ms"]["frame"]["mean"]
    assert row["ms"]["draw"]["mean"] > 0
    assert 0 < row["first_result_s"]
    (missing,) = record["unavailable"]
    assert missing["key"] == "broken"
    assert "bf16" in missing["reason"]


def test_a_clip_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
        read_frames(tmp_path / "none.mp4")


def test_a_probe_that_fails_says_why(tmp_path):
    faces = tmp_path / "faces.npy"
    np.save(faces, np.zeros((1, 176, 176, 3), np.uint8))
    with pytest.raises(ProbeError, match=r"FileNotFoundError: .*none\.onnx"):
        probe(NetworkRequest("onnxruntime", str(tmp_path / "none.onnx"), 1, str(faces)))


def test_peak_memory_is_the_processs_own_and_stays_when_memory_is_given_back():
    code = (
        "from benchmarks.shared.memory import peak_megabytes as peak\n"
        "before = peak(); block = bytearray(b'x' * 200_000_000); del block\n"
        "print(before, peak())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    before, after = map(float, done.stdout.split())
    assert before < 100 < 200 < after < before + 450
    assert peak_megabytes() > 20


def test_machine_names_what_a_reader_needs():
    machine = describe_machine()
    assert machine["cores"] >= machine["usable_cores"] >= 1
    assert {"numpy", "torch", "onnxruntime"} <= set(machine["versions"])
    assert machine["cpu"]
    json.dumps(machine)


def test_machine_tells_thread_settings_of_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert describe_machine()["environment"]["OMP_NUM_THREADS"] == "3"
