"""OpenVINO, on the CPU."""

import logging
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backends.fixed_batch import FixedBatch, check_ports
from runtime.backends.inherited import remember
from runtime.backends.telemetry import openvino_silenced
from runtime.errors import DeviceError, ModelError
from runtime.installed import how_to_install
from runtime.spec import INPUT_NAME, METADATA_KEY, ModelSpec

logger = logging.getLogger(__name__)

_DTYPES = {"u8": "uint8", "f32": "float32"}


class OpenVinoBackend(FixedBatch):
    """An ``.onnx`` file in OpenVINO; attributes as in `Backend`, errors as in `open_backend`.

    Args:
        path: The file.
        device: ``"cpu"`` or ``"auto"``, which is the CPU.
        threads: CPU threads; OpenVINO takes no more than there are cores.
        bf16: Compute most of what is floating point in bfloat16. Otherwise in fp32, also what an
            fp16 file holds.
    """

    engine = "openvino"
    device = "cpu"

    def __init__(self, path: Path, device: str, threads: int, bf16: bool = False) -> None:
        if device.startswith("cuda"):
            raise DeviceError(
                f"device {device!r} was asked for, but OpenVINO does not run on NVIDIA GPUs: give "
                "backend 'onnxruntime', or device cpu or auto"
            )
        try:
            with openvino_silenced():
                import openvino
                from openvino.frontend import FrontEndManager
        except ImportError as error:
            raise ImportError(
                f"OpenVINO does not load ({error}): {how_to_install('openvino')}"
            ) from error
        self._version = openvino.__version__.partition("-")[0]
        self.provider = f"openvino {self._version} CPU"
        self._core: _Core | None = _Core.shared()
        core = self._core.inner
        if bf16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            name = core.get_property("CPU", "FULL_DEVICE_NAME")
            raise DeviceError(
                f"precision 'bf16' was asked for, but OpenVINO reports no bfloat16 arithmetic for "
                f"this CPU ({name}): give no precision"
            )
        try:
            # Core.read_model would let every frontend that is installed have a try at the file.
            reader = FrontEndManager().load_by_framework("onnx")
            model = reader.convert(reader.load(str(path)))
        except Exception as error:  # RuntimeErrors and more, without a base of their own
            raise ModelError(
                f"model {path} cannot be opened by OpenVINO {self._version}; it is damaged, not an "
                f"ONNX file, or needs a newer OpenVINO: {_last_line(error)}"
            ) from error
        self.spec = ModelSpec.from_metadata(_metadata(model, path), str(path))
        ports = {
            name: (_dtype(port), [*map(_length, port.partial_shape)])
            for port in (*model.inputs, *model.outputs)
            for name in port.names
        }
        check_ports(self.spec, path, ports)
        try:
            compiled = core.compile_model(model, "CPU", _settings(threads, bf16))
        except Exception as error:  # as above
            raise ModelError(
                f"model {path} cannot be compiled by OpenVINO {self._version}: {_last_line(error)}"
            ) from error
        self.threads = compiled.get_property("INFERENCE_NUM_THREADS")
        if self.threads != threads:
            logger.info("OpenVINO takes %d threads, not %d", self.threads, threads)
        floats = _floats(compiled, bf16)
        quantised = self.spec.precision == "int8"
        self.precision = {"fp32": "int8", "bf16": "int8+bf16"}[floats] if quantised else floats
        self._request = compiled.create_infer_request()
        remember(self)

    def _run(self, faces: np.ndarray) -> list[np.ndarray]:
        # Views of the request's own memory, which the next batch overwrites: the caller copies.
        outputs = self._request.infer({INPUT_NAME: faces}, share_inputs=True, share_outputs=True)
        return [outputs[name] for name in self.spec.outputs]

    def _release(self) -> None:
        self._request = self._core = None


class _Core:
    """The core of OpenVINO, which all models share that are open in a process.

    Its CPU plugin gives the thread another stack for handlers of signals, and when it goes the one
    from before (openvino 2026.4.1). Of two cores, if the first one goes first, the second leaves a
    stack that is no more, and Python, which handles signals there, crashes at the next Ctrl-C. With
    the last model it goes nevertheless: a forked process could not open one beside it.
    """

    def __init__(self) -> None:
        import openvino

        self.inner = openvino.Core()

    @staticmethod
    def shared() -> "_Core":
        """Give the one of this process; it lives as long as somebody keeps it."""
        return _cores.get(os.getpid()) or _cores.setdefault(os.getpid(), _Core())


_cores: "weakref.WeakValueDictionary[int, _Core]" = weakref.WeakValueDictionary()


def _settings(threads: int, bf16: bool) -> dict[str, object]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # Never left out: OpenVINO takes bf16 by itself wherever the CPU has it.
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
    }


def _floats(compiled: Any, bf16: bool) -> str:
    """Ask what floating point became active, which a hint does not promise."""
    active = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    name = {"f32": "fp32", "bf16": "bf16"}.get(active, active)
    wanted = "bf16" if bf16 else "fp32"
    if name != wanted:
        raise DeviceError(f"OpenVINO was told to compute in {wanted} and chose {name}: report it")
    return name


def _metadata(model: Any, path: Path) -> dict[str, str]:
    """OpenVINO's ONNX reader puts the file's string properties under "framework"."""
    places = {key: ["framework", key] for key in (METADATA_KEY, "format")}
    try:
        return {
            key: model.get_rt_info(place).value
            for key, place in places.items()
            if model.has_rt_info(place)
        }
    except UnicodeDecodeError as error:
        raise ModelError(f"model {path} is damaged ({error}): export or copy it again") from error


def _dtype(port: Any) -> str:
    name = port.element_type.get_type_name()
    return _DTYPES.get(name, name)


def _length(dimension: Any) -> int | str:
    return dimension.get_length() if dimension.is_static else str(dimension)


def _last_line(error: Exception) -> str:
    """OpenVINO's messages begin with places in its source and end with the reason."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
