"""Engines without the reports that their packages send to their makers.

ONNX Runtime from 1.29 on reports to Microsoft, and OpenVINO to Google Analytics for Intel, both as
soon as they are imported; both leave an identifier in the user's home. Faces are nobody's business
but the user's, and whoever embeds this package has asked for neither.

Older ONNX Runtimes, and some for Windows, tell Windows' own log of events instead, which heeds a
call and no variable (docs/Privacy.md of microsoft/onnxruntime).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ONNXRUNTIME = "ORT_DISABLE_TELEMETRY"
_OPENVINO = "openvino_telemetry"


def silence_onnxruntime() -> None:
    """Have ONNX Runtime send nothing; to be called before it is imported.

    Whoever has set ``ORT_DISABLE_TELEMETRY``, to 0 for example, has decided otherwise.
    """
    os.environ.setdefault(_ONNXRUNTIME, "1")


def import_onnxruntime() -> Any:
    """Import ONNX Runtime, silenced.

    Raises:
        ImportError: It is not installed, or does not load.
    """
    silence_onnxruntime()
    import onnxruntime

    if os.environ[_ONNXRUNTIME] == "1":
        onnxruntime.disable_telemetry_events()
    return onnxruntime


@contextmanager
def openvino_silenced() -> Iterator[None]:
    """Have OpenVINO send nothing if it is imported in this block.

    The package that reports counts as not installed meanwhile, for which OpenVINO has a stand-in
    that does nothing. Where it has been imported before, whoever did that has decided.
    """
    if _OPENVINO in sys.modules:
        yield
        return
    # What `import` takes for a module that is not there, which the stubs do not know.
    sys.modules[_OPENVINO] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_OPENVINO]
