"""What is compared: every way of running one network, a line each."""

from dataclasses import dataclass
from typing import Literal

Library = Literal["pytorch", "onnxruntime", "openvino", "native", "tensorrt", "fused"]
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Row:
    """One way of running a network.

    Attributes:
        key: Short name, for ``--engines`` and for file names.
        name: What tables call it.
        library: What runs it.
        graph: Which graph the exporter writes: ``"plain"``, ``"winograd"``, ``"direct"``; None for
            the one that it holds to be fastest. Nothing for PyTorch.
        precision: Number format of the file: ``"fp32"``, ``"fp16"`` or ``"int8"``.
        active: What the library is asked to compute in where that is not the file's format:
            ``"bf16"``, OpenVINO only.
        compiled: Whether it is ``torch.compile``.
        device: What it runs on.
        flavour: TensorRT whose engine is built, see `runtime.backends.tensorrt_plan`; None for what
            ONNX Runtime builds by itself.
        recurrence: How our own kernels start the skip-BiLSTM, see `export.cuda`.
    """

    key: str
    name: str
    library: Library
    graph: str | None = None
    precision: str = "fp32"
    active: str | None = None
    compiled: bool = False
    device: Device = "cpu"
    flavour: str | None = None
    recurrence: str = "steps"


EAGER = Row("eager", "PyTorch eager", "pytorch")
"""The training network as it stands: what all others on the CPU are compared with."""

GPU_EAGER = Row("cuda-eager", "PyTorch eager", "pytorch", device="cuda")
"""The same on a GPU."""

ROWS: tuple[Row, ...] = (
    EAGER,
    Row("compile", "PyTorch torch.compile", "pytorch", compiled=True),
    Row("ort-plain", "ONNX Runtime, plain", "onnxruntime", "plain"),
    Row("ort-winograd", "ONNX Runtime, winograd", "onnxruntime", "winograd"),
    Row("ort-int8", "ONNX Runtime, int8", "onnxruntime", None, "int8"),
    Row("ov-plain", "OpenVINO f32, plain", "openvino", "plain"),
    Row("ov-winograd", "OpenVINO f32, winograd", "openvino", "winograd"),
    Row("ov-direct", "OpenVINO f32, direct", "openvino", "direct"),
    Row("ov-bf16-plain", "OpenVINO bf16, plain", "openvino", "plain", active="bf16"),
    Row("ov-bf16", "OpenVINO bf16, best graph", "openvino", None, active="bf16"),
    Row("ov-int8-plain", "OpenVINO int8, plain", "openvino", "plain", "int8"),
    Row("ov-int8", "OpenVINO int8, direct", "openvino", "direct", "int8"),
    Row("native", "native engine, fp32", "native"),
    Row("native-int8", "native engine, int8", "native", None, "int8"),
)


GPU_ROWS: tuple[Row, ...] = (
    GPU_EAGER,
    Row("cuda-compile", "PyTorch torch.compile", "pytorch", compiled=True, device="cuda"),
    Row("cuda-ort", "ONNX Runtime CUDA, fp32", "onnxruntime", "plain", device="cuda"),
    Row("cuda-ort-fp16", "ONNX Runtime CUDA, fp16", "onnxruntime", "plain", "fp16", device="cuda"),
    Row(
        *("cuda-ort-tensorrt", "ONNX Runtime TensorRT, fp16", "tensorrt", "plain", "fp16"),
        device="cuda",
    ),
    Row(
        *("cuda-tensorrt", "TensorRT, fp16", "tensorrt", "plain", "fp16"),
        device="cuda",
        flavour="tensorrt",
    ),
    Row(
        *("cuda-rtx", "TensorRT for RTX, fp16", "tensorrt", "plain", "fp16"),
        device="cuda",
        flavour="rtx",
    ),
    Row("cuda-fused", "our kernels, fp16", "fused", None, "fp16", device="cuda"),
    Row(
        *("cuda-fused-persistent", "our kernels, recurrence in one launch", "fused", None, "fp16"),
        device="cuda",
        recurrence="persistent",
    ),
)


@dataclass(frozen=True, slots=True)
class PipelineRow:
    """One detector that is timed end to end.

    Attributes:
        key: Short name.
        name: What tables call it.
        backend: ``Detector(backend=...)``.
        precision: ``Detector(precision=...)``.
        model: Row whose export of the shipped network it runs; None for the packaged model.
    """

    key: str
    name: str
    backend: str = "onnxruntime"
    precision: str | None = None
    model: Row | None = None


_BY_KEY = {row.key: row for row in (*ROWS, *GPU_ROWS)}

PIPELINES: tuple[PipelineRow, ...] = (
    PipelineRow("default", "packaged model, ONNX Runtime"),
    PipelineRow("ov-int8", "edge int8, OpenVINO", "openvino", None, _BY_KEY["ov-int8-plain"]),
    PipelineRow("native-int8", "edge int8, native", "native", None, _BY_KEY["native-int8"]),
)


def choose_rows(keys: list[str] | None, device: Device = "cpu") -> tuple[Row, ...]:
    """Choose rows by their keys; eager PyTorch is always the first.

    Args:
        keys: Keys; None for all of the device.
        device: What they run on.

    Returns:
        The rows, in the order of :data:`ROWS` or :data:`GPU_ROWS`.

    Raises:
        ValueError: There is no such key.
    """
    rows = ROWS if device == "cpu" else GPU_ROWS
    if keys is None:
        return rows
    known = [row.key for row in rows]
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise ValueError(f"engines: no {', '.join(unknown)}; choose from {', '.join(known)}")
    return tuple(row for row in rows if row is rows[0] or row.key in keys)
