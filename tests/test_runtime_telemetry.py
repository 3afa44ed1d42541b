"""Nothing is told to the makers of engines: not to Microsoft, not to Intel by way of Google."""

import os
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from test_runtime_cli import ROOT

RUN = (
    "import numpy as np; from runtime import Detector; "
    "Detector({}, threads=1)(np.zeros((64, 64, 3), np.uint8))"
)


def left_in_home(tmp_path, code, **told):
    """Run Python as a user does who never used the engines; returns what it left at home."""
    home = tmp_path / "home"
    home.mkdir()
    # Either package is silent by itself where these say that a robot runs it.
    hidden = {"CI", "TF_BUILD", "JENKINS_URL", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY"}
    names = {name for name in os.environ if name in hidden or name.startswith("XDG_")}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"HOME": str(home), "OMP_NUM_THREADS": "1"} | told
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


@pytest.mark.skipif(sys.platform != "linux", reason="homes of Linux")
@pytest.mark.parametrize("model", ["'edge'", "'edge-int8', backend='openvino'"])
def test_engines_leave_no_identifier(tmp_path, model):
    if "openvino" in model:
        pytest.importorskip("openvino")
    assert left_in_home(tmp_path, RUN.format(model)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="homes of Linux")
def test_exporting_leaves_no_identifier(tmp_path):
    assert left_in_home(tmp_path, "import export.quantise, export.half") == []


REPORTER = """
import sys
from runtime.backends.telemetry import openvino_silenced
with openvino_silenced():
    try:
        import openvino_telemetry
    except ModuleNotFoundError:
        print("away")
assert "openvino_telemetry" not in sys.modules
import openvino_telemetry
with openvino_silenced():
    print(sys.modules["openvino_telemetry"] is openvino_telemetry)
"""


def test_openvino_s_reporter_is_there_for_others():
    """Before and after, and for whoever has imported it before."""
    if find_spec("openvino_telemetry") is None:
        pytest.skip("OpenVINO's reporter is not installed")
    done = subprocess.run(
        [sys.executable, "-c", REPORTER], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["away", "True"]


def test_who_wants_onnxruntime_s_reports_keeps_them(monkeypatch):
    from runtime.backends.telemetry import import_onnxruntime

    told = []
    stand_in = SimpleNamespace(disable_telemetry_events=lambda: told.append("disabled"))
    monkeypatch.setitem(sys.modules, "onnxruntime", stand_in)
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert import_onnxruntime() is stand_in
    assert (os.environ["ORT_DISABLE_TELEMETRY"], told) == ("0", [])
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    assert import_onnxruntime() is stand_in
    assert (os.environ["ORT_DISABLE_TELEMETRY"], told) == ("1", ["disabled"])
