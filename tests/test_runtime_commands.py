import builtins
import json
import os
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from native_engine import require_native
from some_videos import READS_INTERLACED
from test_runtime_cli import write_clip
from test_runtime_fixtures import write_model
from tiny_engine import SPEC, write_engine

from runtime import Detector, cli
from runtime.cli import main
from runtime.commands import COMMANDS, doctor
from runtime.commands.quiet import quiet_libraries
from runtime.console.help import purpose
from runtime.drawing import window
from runtime.errors import OpenCVError
from runtime.files.names import is_annotated
from runtime.options import EXIT_CODES
from runtime.packaged import MODELS, model_path
from runtime.spec import ENGINES, SPEC_VERSION


def test_models(capsys):
    require_native()
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    for name in MODELS:
        assert f"\n{name}" in f"\n{said}"
        assert str(model_path(name)) in said
    assert "synthetic faces only" in said
    assert "Apache-2.0" in said
    assert "presence and intensity" in said
    rows = [
        line.split() for line in said.splitlines() if line.split()[:1] in (["AUs"], ["thresholds"])
    ]
    spec = Detector().spec
    assert rows[0][1:] == [str(au) for au in spec.aus]
    assert rows[1][1:] == [f"{threshold:.2f}" for threshold in spec.thresholds]


def test_help_names_every_command():
    for name in COMMANDS:
        assert f"\n  {name} " in EXIT_CODES


def test_doctor_tries_every_engine():
    tried = {engine for _, _, engine in doctor.TRIED.values()}
    assert tried == set(ENGINES) - {"fused"}, "of which no model is packaged: its GPU is looked for"


def test_model_that_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("runtime.packaged.FOLDER", tmp_path)
    assert main(["models"]) == 2
    assert "cannot be opened here: the packaged model" in capsys.readouterr().out


def test_models_of_ones_own(capsys, tmp_path):
    path = tmp_path / "mine.onnx"
    shutil.copy(model_path("edge"), path)
    assert main(["models", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{path}\n")
    assert "edge-int8" not in said
    assert main(["models", "edge", str(path), str(tmp_path / "none.onnx"), "--json"]) == 2
    edge, mine, none = json.loads(capsys.readouterr().out)
    spec = Detector().spec
    assert edge["thresholds"] == mine["thresholds"] == list(spec.thresholds)
    assert (mine["file"], mine["batch"], mine["graph"]) == (str(path), 1, spec.graph)
    assert "does not exist" in none["error"]
    assert (mine["spec_version"], mine["au_names"]["AU12"]) == (SPEC_VERSION, "Lip Corner Puller")


def test_models_tell_only_what_is_their_own_report(capsys, tmp_path):
    def said_of(path) -> str:
        assert main(["models", str(path)]) == 0
        return capsys.readouterr().out

    judged = model_path("edge-int8")
    report = judged.with_suffix(".accuracy.json")
    shutil.copy(judged, tmp_path / "int8.onnx")
    shutil.copy(model_path("edge"), tmp_path / "fp32.onnx")
    for name in ("int8", "fp32"):  # that beside fp32.onnx would be fp32.npz's
        shutil.copy(report, tmp_path / f"{name}.accuracy.json")
    scores = json.loads(report.read_text())
    assert f"{scores['mean_f1']:.4f}, fp32 {scores['mean_f1_fp32']:.4f}" in said_of(
        tmp_path / "int8.onnx"
    )
    assert "mean F1" not in said_of(tmp_path / "fp32.onnx")
    whole = report.read_text()
    for wrong in (whole[:300], "[]", "{}", json.dumps({**scores, "mean_f1": None})):
        (tmp_path / "int8.accuracy.json").write_text(wrong)
        assert f"not known: {tmp_path / 'int8.accuracy.json'}" in said_of(tmp_path / "int8.onnx")


def test_models_of_an_engine_need_no_gpu(capsys, tmp_path):
    engine = write_engine(tmp_path)
    assert main(["models", str(engine)]) == 0
    said = capsys.readouterr().out
    assert f"tensorrt, fp16 (--model {engine} --backend tensorrt --device cuda)" in said
    assert main(["models", str(engine), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["aus"] == list(SPEC.aus)
    engine.write_bytes(b"another")
    assert main(["models", str(engine)]) == 2
    assert "export.tensorrt" in capsys.readouterr().out


def test_libraries_are_quiet_for_a_while(capfd):
    with quiet_libraries():
        os.write(2, b"from C")
    with pytest.raises(ValueError, match="told"), quiet_libraries():
        raise ValueError("told")
    os.write(2, b"and later")
    assert capfd.readouterr().err == "and later"


def test_libraries_that_were_quiet_leave_nothing_open():
    def lowest_free() -> list[int]:
        probes = [os.dup(2) for _ in range(3)]
        for probe in probes:
            os.close(probe)
        return probes

    before = lowest_free()
    with quiet_libraries():
        pass
    assert lowest_free() == before


def test_what_runs_and_plots_write_is_no_input():
    ours = ("a.annotated.mp4", "a.annotated.partial.mp4", "a.annotated.png", "a.timeline.png")
    assert all(map(is_annotated, ours))
    assert not any(map(is_annotated, ("timeline.png", "a.timeline.jpg", "annotated.mp4", "a.mp4")))


def test_doctor(capsys, monkeypatch):
    first = {"onnxruntime on cpu": doctor.TRIED["onnxruntime on cpu"]}
    monkeypatch.setattr(doctor, "TRIED", first)  # others are tested elsewhere, and take seconds
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "the default run works here" in said
    lines = {line[2:22].strip(): line[22:] for line in said.splitlines() if line.startswith("  ")}
    assert lines["onnxruntime on cpu"].strip().startswith("yes  onnxruntime")
    assert lines["face finder"].strip().startswith("yes")
    assert lines["writing video"].strip() == "yes  MPEG-4 in .mp4"
    reads, words = ("yes", "reads it") if READS_INTERLACED else ("no", "converts none")
    assert lines["interlaced video"].split()[0] == reads
    assert words in lines["interlaced video"]
    assert lines["opencv"].strip() == cv2.__version__


def test_what_a_library_says_of_each_interlaced_frame_is_not_heard(capfd):
    if READS_INTERLACED:
        doctor._read_interlaced()
    else:
        with pytest.raises(RuntimeError, match="converts none"):
            doctor._read_interlaced()
    assert capfd.readouterr().err == ""


def test_an_interlaced_video_that_is_read_in_part_is_told(monkeypatch):
    frames = [np.full((64, 96, 3), shade, np.uint8) for shade in (40, 80, 120, 160)]
    monkeypatch.setattr(doctor, "_probe", lambda *_: [*frames, None])
    with pytest.raises(RuntimeError, match=r"could not be tried.* does not read"):
        doctor._read_interlaced()


def test_interlaced_video_that_could_not_be_tried_is_told(monkeypatch):
    class Blind:
        released = False

        def read(self):
            return False, None

        def release(self):
            Blind.released = True

    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: Blind())
    with pytest.raises(RuntimeError, match=r"could not be tried.* does not read"):
        doctor._read_interlaced()
    assert Blind.released
    monkeypatch.setattr(cv2.VideoWriter, "isOpened", lambda self: False)
    with pytest.raises(RuntimeError, match="could not be tried: this OpenCV writes no MPEG-2"):
        doctor._read_interlaced()


def test_doctor_says_why_and_what_to_do(capsys, monkeypatch):
    """The engine and the codec that the default run needs are gone."""
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] in ("onnxruntime", "openvino", "pycuda"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(cv2.VideoWriter, "isOpened", lambda self: False)
    assert main(["doctor", "--json"]) == 1
    findings = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert findings["onnxruntime on cpu"]["works"] is False
    assert "pip install" in findings["onnxruntime on cpu"]["detail"]
    assert findings["openvino on cpu"]["works"] is False
    assert findings["our GPU kernels"]["works"] is False
    assert "cannot write a video" in findings["writing video"]["detail"]
    assert findings["reading video"]["works"] is True
    assert findings["python"]["works"] is None


def test_doctor_names_the_gpu(monkeypatch):
    monkeypatch.setattr(
        doctor, "open_gpu", lambda index: SimpleNamespace(name="X", capability="9.0")
    )
    assert doctor._gpu().startswith("X, compute capability 9.0;")


def test_doctor_runs_what_it_calls_working(monkeypatch):
    """An engine that opens and computes nonsense does not work."""
    finding = doctor._try("engines", "x", lambda: doctor._run("edge", "cpu", "onnxruntime"))
    assert finding.works
    opened = doctor.open_backend

    def broken(*arguments, **named):
        backend = opened(*arguments, **named)
        backend._run = lambda faces: [
            np.full((1, 19), np.nan),
            np.zeros((1, 49, 2)),
            np.ones((1, 19)),
        ]
        return backend

    monkeypatch.setattr(doctor, "open_backend", broken)
    finding = doctor._try("engines", "x", lambda: doctor._run("edge", "cpu", "onnxruntime"))
    assert finding.works is False


def build(toolkit: str) -> str:
    return f"General\n  GUI:                           {toolkit}\n    GTK+: YES\n"


def test_window_where_opencv_has_none(monkeypatch):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: build("NONE"))
    with pytest.raises(OpenCVError, match=r"--show: this OpenCV \(.*headless\) has no windows"):
        window.Window("x")


def test_window_without_a_screen(monkeypatch):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: build("QT5"))
    monkeypatch.setattr(window.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OpenCVError, match=r"--show: there is no screen \(DISPLAY is not set\)"):
        window.Window("x")
    monkeypatch.setenv("DISPLAY", ":1")
    assert window.why_no_window() is None


@pytest.mark.parametrize(
    ("key", "visible", "goes_on"), [(-1, 1, True), (27, 1, False), (-1, 0, False)]
)
def test_window(monkeypatch, key, visible, goes_on):
    done = []
    monkeypatch.setattr(window, "why_no_window", lambda: None)
    fakes = {
        "namedWindow": lambda *a: done.append("open"),
        "resizeWindow": lambda *a: None,
        "imshow": lambda title, picture: done.append(picture.shape),
        "waitKey": lambda wait: key,
        "getWindowProperty": lambda *a: visible,
        "destroyWindow": lambda title: done.append("closed"),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(cv2, name, fake, raising=False)
    with window.Window("x") as opened:
        assert opened.show(np.zeros((4, 6, 3), np.uint8)) is goes_on
    assert done == ["open", (4, 6, 3), "closed"]


@pytest.mark.parametrize("opens", [True, False])
def test_window_that_somebody_closed(monkeypatch, opens):
    def gone(*_):
        raise cv2.error("NULL guiMainThread (please create a window)")

    monkeypatch.setattr(window, "why_no_window", lambda: None)
    fakes = dict.fromkeys(("namedWindow", "resizeWindow", "imshow"), lambda *a: None)
    fakes |= {"waitKey": lambda wait: -1, "getWindowProperty": gone, "destroyWindow": gone}
    for name, fake in fakes.items():
        monkeypatch.setattr(cv2, name, fake, raising=False)
    with window.Window("x") as opened:
        if opens:
            assert opened.show(np.zeros((4, 6, 3), np.uint8)) is False


def test_a_window_that_is_closed_ends_the_run_with_whole_files(capsys, monkeypatch, tmp_path):
    shown = []

    class Closed:
        def __init__(self, title):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def show(self, picture):
            shown.append(picture)
            return len(shown) < 3  # somebody presses q

    monkeypatch.setattr(cli, "Window", Closed)
    clips = [write_clip(tmp_path / f"{name}.avi") for name in "ab"]
    model, out = write_model(tmp_path / "tiny.onnx"), tmp_path / "out"
    command = ["--show", *clips, "--out", out, "--model", model, "--no-progress"]
    assert main([*map(str, command)]) == 0
    assert len(shown) == 3
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 for picture in shown)
    assert len((out / "a.csv").read_text().splitlines()) == 1 + 3
    assert json.loads((out / "a.latency.json").read_text())["complete"] is False
    assert not list(out.glob("b*")), "the second clip is not begun"


def test_show_without_windows_is_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: build("NONE"))
    assert main(["--show", "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: --show: this OpenCV")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("doc", "said"),
    [
        ("Draws it: ``python -m a.b``.\n\nMore.", "Draws it."),
        ("``python -m a``: what is\nhere.\n", "What is here."),
        ("How far it is: and so on. ::\n\n    python -m a", "How far it is: and so on."),
        ("Which ``x`` is best?\n", "Which x is best?"),
    ],
)
def test_help_says_what_a_command_does_without_markup(doc, said):
    assert purpose(doc) == said
