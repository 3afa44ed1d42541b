import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def python(code: str, *path: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT]))}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd="/"
    )


def test_import_is_light():
    heavy = ("torch", "onnx", "onnxruntime", "openvino", "scipy", "numba", "tqdm", "matplotlib")
    heavy += ("pandas", "pyarrow")
    done = python(f"import sys, runtime; print([m for m in {heavy} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    "content",
    [
        "raise ImportError('libGL.so.1: cannot open shared object file')",
        "raise ModuleNotFoundError(\"No module named 'cv2'\")",
        "",
    ],
)
def test_opencv_that_does_not_load(tmp_path, content):
    (tmp_path / "cv2.py").write_text(content)
    done = python("import runtime", tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: OpenCV does not load")
    assert "pip install -c constraints.txt " in last
    assert '".[headless]" (in the clone of lgrnet)' in last


def test_public_names():
    import runtime

    assert all(hasattr(runtime, name) for name in runtime.__all__)
    assert {"Detector", "Result", "Face", "HeadPose", "Timings", "ModelSpec"} <= set(
        runtime.__all__
    )
