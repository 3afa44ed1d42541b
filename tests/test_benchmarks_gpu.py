"""What is measured on a GPU, with stand-ins for one."""

import json
import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_network import tiny_network

from benchmarks import gpu, gpu_targets
from benchmarks.fps import EDGE_CHECKPOINT, _labelled
from benchmarks.inference import exports, networks
from benchmarks.inference.crops import benchmark_frame
from benchmarks.inference.engines import Engine, _of_backend, count_kernels
from benchmarks.inference.networks import Task, _mean_f1, measure_gpu
from benchmarks.inference.rows import GPU_ROWS
from benchmarks.shared.record import FORMAT, write_record
from benchmarks.table import full_tables
from export.faces import LabelledFaces
from lgrnet.checkpoint import save_checkpoint
from runtime.align import warp
from runtime.backends.base import Outputs

FACES = np.zeros((1, 176, 176, 3), np.uint8)
MATRIX = np.array([[1.0, 0, -5], [0, 1.0, -7]])


def test_a_frame_has_a_face_where_its_matrix_says():
    frame, matrix, what = benchmark_frame()
    assert frame.shape == (1080, 1920, 3)
    assert "demo clip" in what
    face = warp(frame, matrix)
    assert face.std() > 20
    assert (face == 128).all(-1).mean() < 0.3


def test_what_an_engine_on_a_gpu_is_measured_by():
    times = iter([0.002, 0.001, 0.009])
    frames = []
    picture = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)

    def from_frame(frame, matrix):
        frames.append((frame, matrix))
        return warp(frame, matrix)[None].mean((1, 2, 3)) + 0.25

    engine = Engine(
        *(lambda faces: faces.mean((1, 2, 3)), "x", "fp16", 1),
        from_frame=from_frame,
        gpu_seconds=lambda faces: next(times),
        kernels=lambda faces: 39,
    )
    values = measure_gpu(engine, FACES, (picture, MATRIX), calls=3)
    assert values["gpu_p50"] == pytest.approx(2)
    assert values["gpu_p99"] == pytest.approx(np.percentile([1, 2, 9], 99))
    assert values["kernels"] == 39
    assert values["frame_p50"] > 0
    assert values["frame_difference"] == pytest.approx(0.25)
    assert len(frames) == 4, "one that does not count, then three"
    assert all(frame is picture and matrix is MATRIX for frame, matrix in frames)


def test_a_slow_engine_is_called_ten_times_only(monkeypatch):
    monkeypatch.setattr(networks, "GPU_SECONDS", 0.0)
    asked = []

    def gpu_seconds(faces):
        asked.append(1)
        return 0.002

    engine = Engine(*(lambda faces: faces.mean((1, 2, 3)), "x", "fp16", 1), gpu_seconds=gpu_seconds)
    assert measure_gpu(engine, FACES, None, calls=100)["gpu_p50"] == pytest.approx(2)
    assert len(asked) == 10
    assert measure_gpu(engine, FACES, None, calls=3)["gpu_p99"] == pytest.approx(2)
    assert len(asked) == 13


def test_f1_is_that_of_all_labelled_faces_in_batches(tmp_path):
    """Seven faces in batches of three, the brightness of each being its probability."""
    levels = np.array([10, 200, 30, 220, 140, 40, 250], np.uint8)
    crops = np.broadcast_to(levels[:, None, None, None], (7, 176, 176, 3))
    presence = np.array([[0], [1], [0], [1], [0], [1], [1]], np.uint8)
    sizes = []

    def run(faces):
        sizes.append(len(faces))
        return faces[:, 0, 0, :1] / np.float32(255)

    labelled = LabelledFaces(crops, presence, "tests"), np.array([0.5])
    task = Task("edge", tmp_path, crops, 3, 1, None, tmp_path, labelled=labelled)
    engine = Engine(run, "x", "fp16", 1)
    # Present are the 2nd, 4th, 6th and last; called the 2nd, 4th, 5th and last.
    assert _mean_f1(engine, task) == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert sizes == [3, 3, 3]
    assert _mean_f1(engine, replace(task, labelled=None)) is None


def test_the_demo_clip_labels_what_the_packaged_network_knows(tmp_path):
    faces, thresholds = _labelled(EDGE_CHECKPOINT)
    assert len(faces.faces) == len(faces.presence) >= 100
    assert faces.presence.shape[1] == len(thresholds) == 19
    assert 0 < (faces.presence == 1).mean() < 1
    save_checkpoint(tmp_path / "other.pt", tiny_network())
    few, without_thresholds = _labelled(tmp_path / "other.pt")
    assert few.presence.shape[1] == 5
    assert without_thresholds.tolist() == [0.5] * 5


def test_what_cannot_be_known_is_none():
    engine = Engine(lambda faces: faces, "x", "fp16", 1, from_frame=lambda *_: None)
    for faces, frame in ((FACES, None), (np.zeros((2, 176, 176, 3)), ("frame", "matrix"))):
        assert set(measure_gpu(engine, faces, frame, calls=1).values()) == {None}


def test_a_backend_gets_the_frame_or_the_crop():
    frame = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)

    class Crops:
        def __call__(self, faces):
            return Outputs(faces.mean((1, 2, 3))[:, None], None)

    class Frames(Crops):
        kernels = 5

        def from_frame(self, frame, matrices):
            return Outputs(np.array([[float(len(matrices))]]), None)

        def gpu_seconds(self):
            return 0.5

    crops, frames = _of_backend(Crops()), _of_backend(Frames())
    assert crops["from_frame"](frame, MATRIX) == warp(frame, MATRIX).mean()
    assert crops.keys() == {"from_frame"}
    assert frames["from_frame"](frame, MATRIX) == 1
    assert (frames["gpu_seconds"](FACES), frames["kernels"](FACES)) == (0.5, 5)


def test_copies_are_no_kernels():
    def event(name, device):
        return SimpleNamespace(name=name, device_type=f"DeviceType.{device}")

    events = [event("aten::conv2d", "CPU"), event("Memcpy HtoD (Pageable -> Device)", "CUDA")]
    events += [event("Memset (Device)", "CUDA"), event("sm90_xmma_fprop", "CUDA")] * 2
    assert count_kernels(events) == 2


@pytest.mark.parametrize(
    ("capability", "targets"), [("9.0", ["9.0"]), ("8.8", ["8.6"]), ("7.5", None), ("", None)]
)
def test_kernels_are_compiled_for_the_gpu_that_is_here(monkeypatch, capability, targets):
    pytest.importorskip("triton")

    def ask(what):
        if not capability:
            raise OSError("no nvidia-smi")
        return capability

    monkeypatch.setattr(exports, "ask_gpu", ask)
    assert exports.targets_here() == targets


def test_what_is_kept_is_the_rows_own_and_of_this_gpu(monkeypatch, tmp_path):
    rows = {row.key: row for row in GPU_ROWS}
    made, here = [], ["NVIDIA A, 8.6"]

    def export(row, checkpoint, output, **options):
        made.append(row.key)
        suffix = ".engine" if row.flavour else ".fused"
        path = output.with_suffix(suffix)
        output.write_bytes(b"the ONNX file on the way to an engine")
        if here[0] == "NVIDIA B, 9.0":
            raise ImportError("no TensorRT")
        path.write_bytes(b"x")
        return path

    monkeypatch.setattr(exports, "export_row", export)
    monkeypatch.setattr(exports, "ask_gpu", lambda what: here[0])
    checkpoint = tmp_path / "net.pt"
    checkpoint.write_bytes(b"weights")

    def files(*keys):
        chosen = [rows[key] for key in keys]
        return exports.Exports(tmp_path / "kept").files(chosen, checkpoint, batch=1)

    keys = ("cuda-fused", "cuda-fused-persistent", "cuda-tensorrt")
    first = files(*keys)
    assert len({file.path for file in first.values()}) == 3
    assert files(*keys) == first
    assert made == list(keys)
    here[0] = "NVIDIA B, 9.0"
    for _ in range(2):  # the second time its ONNX file is there
        assert "no TensorRT" in files("cuda-tensorrt")["cuda-tensorrt"].reason
    assert made == [*keys, "cuda-tensorrt", "cuda-tensorrt"]


def engine(key, p50, **more):
    interval = {"ratio_to_eager": 1.0, "ratio_interval": [1, 1], "fps": 1e3 / p50}
    numbers = dict.fromkeys(("p90", "p95", "p99", "cv", "share_late", "load_s", "calls"), p50)
    memory = {"peak_megabytes": None, "first_result_s": 1.0, "gpu_megabytes": 64.0}
    known = {"gpu_p50": None, "kernels": None, "frame_p50": None, "max_au_difference": 0.001}
    names = {"key": key, "name": f"name of {key}", "active": "fp16", "graph": None}
    return {**names, "p50": p50, **numbers, **interval, **memory, **known, **more}


def record(*runs):
    networks = [
        {"preset": preset, "batch": batch, "aus": 12, "threads": 1, "rounds": 9, "engines": engines,
         "unavailable": [], "warnings": []}
        for preset, batch, engines in runs
    ]  # fmt: skip
    machine = {"gpu": {"name": "NVIDIA Fake"}, "cpu": "c", "cores": 1, "cpu_flags": []}
    machine |= {"versions": {}, "date": "2026-01-01", "revision": "r"}
    values = {"format": FORMAT, "machine": machine, "networks": networks}
    return {**values, "pipelines": [], "warnings": []}


GOOD = (
    ("paper", 1, [engine("cuda-eager", 20.0), engine("cuda-compile", 1.5),
                  engine("cuda-ort", 3.0), engine("cuda-ort-fp16", 1.35),
                  engine("cuda-fused", 0.6, frame_p50=1.2, max_au_difference=0.02),
                  engine("cuda-fused-persistent", 0.45, frame_p50=0.9)]),
    ("edge", 1, [engine("cuda-eager", 15.0), engine("cuda-fused", 0.15, f1_change=-0.05)]),
)  # fmt: skip


def outcomes(*records):
    return {each.target: (each.outcome, each.measured) for each in gpu_targets.verdicts(records)}


def test_the_targets_are_held_against_what_was_measured():
    batch = record(("paper", 64, [engine("cuda-fused", 10.0, fps=6400.0)]))
    found = outcomes(record(*GOOD), batch)
    assert {each for each, _ in found.values()} == {"pass"}
    assert found["paper, one face, p50 ms"][1] == 0.45, "the faster of our two"
    assert found["paper, one face, times as fast as eager PyTorch"][1] == pytest.approx(20 / 0.45)
    # The faster of ONNX Runtime's two: exactly three times as long.
    assert found["paper, one face, times as fast as ONNX Runtime CUDA"][1] == pytest.approx(3.0)
    assert found["edge, change of F1 on the demo clip, points"] == ("pass", 0.05)
    assert len(found) == 10


def test_the_faster_engine_is_the_one_that_has_to_be_right():
    name = "paper, largest change of a probability"
    slow = engine("cuda-fused", 0.6, max_au_difference=0.001)
    fast = engine("cuda-fused-persistent", 0.4, max_au_difference=0.02)
    assert outcomes(record(("paper", 1, [slow, fast])))[name] == ("fail", 0.02)


def test_random_weights_say_nothing_of_accuracy():
    random = record(("paper", 1, [engine("cuda-fused", 0.4)]))
    random["networks"][0]["weights"] = "paper_random.pt"
    found = outcomes(random)
    assert found["paper, largest change of a probability"] == ("missing", None)
    assert found["paper, one face, p50 ms"] == ("pass", 0.4)


def test_of_an_engine_in_several_records_the_first_counts():
    first, later = (record(("edge", 1, [engine("cuda-fused", p50)])) for p50 in (0.1, 0.9))
    assert outcomes(first, later)["edge, one face, p50 ms"] == ("pass", 0.1)
    assert outcomes(later, first)["edge, one face, p50 ms"] == ("fail", 0.9)


def test_engines_are_compared_where_they_took_turns():
    alone = record(("paper", 1, [engine("cuda-ort", 9.0)]))
    ours = record(("paper", 1, [engine("cuda-fused", 1.0)]))
    name = "paper, one face, times as fast as ONNX Runtime CUDA"
    assert outcomes(alone, ours)[name] == ("missing", None)
    both = record(("paper", 1, [engine("cuda-ort", 8.0), engine("cuda-fused", 2.0)]))
    assert outcomes(alone, ours, both)[name] == ("pass", 4.0)


def test_what_was_missed_and_what_was_not_measured_are_told_apart():
    slow = record(("paper", 1, [engine("cuda-eager", 20.0), engine("cuda-fused", 0.51)]))
    found = outcomes(slow)
    assert found["paper, one face, p50 ms"] == ("fail", 0.51)
    assert found["paper, one face, times as fast as eager PyTorch"][0] == "fail"
    for name in ("times as fast as torch.compile", "times as fast as ONNX Runtime CUDA"):
        assert found[f"paper, one face, {name}"] == ("missing", None)
    assert found["edge, one face, p50 ms"] == ("missing", None)
    assert found["paper, from a frame to AUs, p50 ms"] == ("missing", None)
    assert all(outcome == "missing" for outcome, _ in outcomes().values())


def test_the_command_of_the_targets(tmp_path, capsys):
    path = tmp_path / "a.json"
    write_record(record(*GOOD), path)
    assert gpu_targets.main([str(path)]) == 1
    printed = capsys.readouterr().out
    assert "pass    paper, one face, p50 ms: 0.45 (≤ 0.5)" in printed
    assert "missing paper, batch 64, faces a second: not measured (≥ 5000)" in printed
    path.write_text("{}")
    assert gpu_targets.main([str(path)]) == 2
    assert "has format None" in capsys.readouterr().err


def test_tables_show_what_the_gpu_was_measured_by():
    table = full_tables(record(*GOOD))
    assert "| engine | p50 ms | p99 | GPU p50 ms | kernels |" in table
    assert "| name of cuda-fused-persistent | 0.450 | 0.450 |  |  | 0.900 |" in table


@pytest.fixture
def lent(monkeypatch, tmp_path):
    """Stand in for a machine with a GPU: commands write the records that they are asked for."""
    asked, fail = [], set()

    class Process:
        pid = 4711

        def __init__(self, command, stdout, env, start_new_session, **_):
            self.command, self.stdout = command, stdout
            assert "TRITON_INTERPRET" not in env
            assert start_new_session, "or what it has started lives on"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self, timeout):
            command = self.command
            asked.append((command, timeout))
            path = command[command.index("--json") + 1]
            batch = 64 if "64" in command else 1
            self.stdout.write("some lines\nthe last line\n")
            if batch in fail:
                raise gpu.subprocess.TimeoutExpired(command, timeout)
            runs = GOOD if batch == 1 else [("paper", 64, [engine("cuda-fused", 1.0, fps=9e3)])]
            write_record(record(*runs), gpu.Path(path))
            return 0

    killed = []
    monkeypatch.setattr(gpu.subprocess, "Popen", Process)
    monkeypatch.setattr(gpu.os, "killpg", lambda *what: killed.append(what))
    monkeypatch.setattr(gpu, "describe_machine", lambda: {"gpu": None})
    monkeypatch.setattr(gpu, "find_spec", lambda name: None if name == "tensorrt" else object())
    return SimpleNamespace(asked=asked, fail=fail, killed=killed, folder=tmp_path / "out")


def test_one_call_measures_all_and_says_what_is_missing(lent, capsys):
    assert gpu.main(["--out", str(lent.folder), "--seconds", "7", "--limit", "90"]) == 0
    report = json.loads((lent.folder / "report.json").read_text())
    names = ["one_face", "batch_64", "persistent", "persistent_64", "others", "compiled"]
    assert [part["name"] for part in report["parts"]] == names
    rows = [set(command) & {row.key for row in GPU_ROWS} for command, _ in lent.asked]
    assert rows[0] == rows[1] == {"cuda-fused"}, "first what cannot wait for ever"
    assert rows[2] == rows[3] == set(gpu_targets.FUSED)
    every = {row.key for row in GPU_ROWS} - {"cuda-eager"}  # which always is there
    assert set.union(*rows) == every
    assert all(set(gpu_targets.FUSED) <= each for each in rows[2:]), "what ours is compared with"
    assert {part["code"] for part in report["parts"]} == {0}
    assert report["parts"][0]["said"] == "the last line"
    assert report["missing"] == {"tensorrt": "TensorRT"}
    assert report["gpu"] == ["NVIDIA Fake"]
    outcome = {each["target"]: each["outcome"] for each in report["targets"]}
    assert set(outcome.values()) == {"pass"}
    assert "tensorrt is not installed" in capsys.readouterr().out
    for command, limit in lent.asked:
        assert command[command.index("--seconds") + 1] == "7"
        assert 1 <= limit <= 90
    assert (lent.folder / "one_face.log").read_text().startswith("some lines")


def test_what_breaks_off_does_not_take_the_rest_along(lent, capsys):
    lent.fail.add(1)
    lent.folder.mkdir()
    (lent.folder / "one_face.json").write_text("of another day")
    assert gpu.main(["--out", str(lent.folder), "--engines", "cuda-fused"]) == 1
    report = json.loads((lent.folder / "report.json").read_text())
    assert [part["code"] for part in report["parts"]] == [None, 0]
    assert lent.killed == [(4711, signal.SIGKILL)]
    outcome = {each["target"]: each["outcome"] for each in report["targets"]}
    assert outcome["paper, batch 64, faces a second"] == "pass"
    assert outcome["paper, one face, p50 ms"] == "missing"
    assert "one_face measured nothing: " in capsys.readouterr().err
    assert lent.asked[0][0][lent.asked[0][0].index("--engines") + 1] == "cuda-fused"


def test_nothing_is_left_on_the_gpu_by_ctrl_c(lent, monkeypatch):
    monkeypatch.setattr(gpu.subprocess.Popen, "wait", interrupted)
    assert gpu.main(["--out", str(lent.folder), "--engines", "cuda-fused"]) == 130
    assert lent.killed == [(4711, signal.SIGKILL)]


def interrupted(process, limit):
    raise KeyboardInterrupt


def test_wrong_arguments(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--seconds", "0"])
    assert "argument --seconds: 0 is not above 0" in capsys.readouterr().err
