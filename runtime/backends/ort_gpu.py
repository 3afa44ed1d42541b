"""ONNX Runtime's two ways onto an NVIDIA GPU: its CUDA and its TensorRT execution provider."""

import ctypes
import os
from pathlib import Path
from typing import Any

import numpy as np

from runtime.files.atomic import make_folder
from runtime.files.cache import cache_folder
from runtime.files.digest import file_sha256
from runtime.spec import INPUT_NAME, ModelSpec

CPU, CUDA, TENSORRT = (f"{name}ExecutionProvider" for name in ("CPU", "CUDA", "Tensorrt"))

NAMES = {CUDA: "CUDA", TENSORRT: "TensorRT"}
"""Execution provider → what its makers call what it uses."""


def providers(kind: str, index: int, precision: str, graph: bool, path: Path) -> list[Any]:
    """List execution providers, the wanted one first.

    Args:
        kind: `CUDA` or `TENSORRT`.
        index: Number of the GPU.
        precision: Of the model file.
        graph: Whether to record the network as a CUDA graph.
        path: The file. TensorRT's engines are kept in a folder of its own, as ONNX Runtime tells
            them apart by names, not by weights (its issue 6455) or shapes (32254).

    Returns:
        What `onnxruntime.InferenceSession` takes. What the first cannot do falls to the next.
    """
    # TF32 would compute an fp32 file's products with 10 bits: precision is what the file says.
    cuda = (CUDA, {"device_id": index, "use_tf32": 0, "enable_cuda_graph": int(graph)})
    if kind == CUDA:
        return [cuda, CPU]
    folder = cache_folder("tensorrt")
    engines = folder / f"{file_sha256(path)[:16]}{'' if _may_use_tf32() else '-no-tf32'}"
    make_folder(engines)
    tensorrt = {
        "device_id": index,
        "trt_fp16_enable": precision == "fp16",
        "trt_cuda_graph_enable": graph,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(folder),
    }
    return [(TENSORRT, tensorrt), (CUDA, {"device_id": index, "use_tf32": 0}), CPU]


def tensorrt_precision(precision: str) -> str:
    """Say what TensorRT's provider computes a file in, which it can be told only in part.

    Args:
        precision: Of the model file.

    Returns:
        The same, but ``"tf32"`` for fp32, whose products have 10 bits then: the provider has no
        option against it (ONNX Runtime's issue 26029), only NVIDIA's libraries have, by
        ``NVIDIA_TF32_OVERRIDE=0`` in the environment.
    """
    return "tf32" if precision == "fp32" and _may_use_tf32() else precision


def _may_use_tf32() -> bool:
    return os.environ.get("NVIDIA_TF32_OVERRIDE") != "0"


def missing_library(kind: str, ort: Any) -> str:
    """Find out why ONNX Runtime, which only logs it, could not load a provider.

    Args:
        kind: `CUDA` or `TENSORRT`.
        ort: The module ``onnxruntime``.

    Returns:
        What the system's loader says, such as ``"libcudnn.so.9: cannot open shared object file"``;
        empty where it has nothing to say.
    """
    folder = Path(ort.__file__).parent / "capi"
    name = f"libonnxruntime_providers_{NAMES[kind].lower()}.so"
    if not (folder / name).exists():
        return ""
    try:
        # The provider takes what it needs of the runtime from here.
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / name))
    except OSError as error:
        return str(error)
    return ""


class BoundSession:
    """A session whose inputs and outputs keep their place in the device's memory.

    So a frame is one copy there and one back, and a CUDA graph, which knows addresses, can be
    replayed.

    Args:
        ort: The module ``onnxruntime``.
        session: The session.
        spec: Of the model.
        device: ``"cuda"`` or ``"cpu"``.
        index: Number of the GPU.
    """

    def __init__(self, ort: Any, session: Any, spec: ModelSpec, device: str, index: int) -> None:
        self._session = session
        self._binding = session.io_binding()

        def place(shape: list[int], dtype: type) -> Any:
            return ort.OrtValue.ortvalue_from_shape_and_type(shape, dtype, device, index)

        side = spec.crop_size
        self._input = place([spec.batch, side, side, 3], np.uint8)
        self._binding.bind_ortvalue_input(INPUT_NAME, self._input)
        self._outputs = []
        shapes = {output.name: output.shape for output in session.get_outputs()}
        for name in spec.outputs:
            value = place(shapes[name], np.float32)
            self._binding.bind_ortvalue_output(name, value)
            self._outputs.append(value)

    def __call__(self, faces: np.ndarray) -> list[np.ndarray]:
        """Run one full batch, (B, 176, 176, 3) uint8; the outputs are copied to the host."""
        self._input.update_inplace(np.ascontiguousarray(faces))
        self._session.run_with_iobinding(self._binding)
        return [output.numpy() for output in self._outputs]
