"""Processes that are forked after a detector was opened, as by servers that load first."""

import os
import subprocess
import sys

import pytest
from test_runtime_cli import ROOT

FORK = """
import os, signal, sys
import numpy as np
from runtime import Detector

detector = Detector({model}, threads={threads})
frame = np.zeros((64, 64, 3), np.uint8)

def fork(then):
    child = os.fork()
    if not child:
        signal.alarm(30)  # or a child that hangs would outlive the test
        exec(then, globals())
        sys.exit(7)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)  # or children would write it, too

for then in ("pass", "detector.close()", "del detector"):
    fork(then)
    detector(frame)  # here all is as before
detector.close()
del detector
fork("pass")
fork("Detector({model}, threads={threads})(frame)")  # one of its own
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.parametrize(
    ("model", "threads"),
    [("'edge'", 1), ("'edge'", 2), ("'edge-int8', backend='openvino'", 2), ("'edge-native'", 2)],
)
def test_a_forked_process_ends(model, threads):
    """It has none of the threads that letting go of a model would wait for."""
    if "openvino" in model:
        pytest.importorskip("openvino")
    if "native" in model:
        from runtime.native.library import find_library

        try:
            find_library()
        except ImportError as error:
            pytest.skip(str(error))
    code = FORK.format(model=model, threads=threads)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["7"] * 5
