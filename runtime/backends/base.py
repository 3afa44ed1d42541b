"""The interface of all backends."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from runtime.spec import ModelSpec


def gpu_index(device: str) -> int:
    """Return the number of a GPU, of ``"cuda:N"``; 0 of ``"cuda"`` and ``"auto"``."""
    return int(device.partition(":")[2] or 0)


class Outputs(NamedTuple):
    """What a model says of N faces.

    Attributes:
        probability: Of each AU, (N, n) float32 in [0, 1].
        landmarks: (N, 49, 2) float32, pixels of the crop.
        intensity: Of each AU, (N, n) float32 in [0, 5], FACS's A to E as 1 to 5; None if the model
            does not tell.
    """

    probability: np.ndarray
    landmarks: np.ndarray
    intensity: np.ndarray | None = None


class Backend(Protocol):
    """An opened model.

    Attributes:
        spec: What the file says of itself.
        engine: One of `runtime.spec.ENGINES`: the library that runs it.
        device: What it runs on, such as ``"cpu"`` or ``"cuda:0"``; never ``"auto"``.
        provider: What runs it there, with its version, such as
            ``"onnxruntime 1.22.0 CPUExecutionProvider"``.
        precision: What it computes in, which need not be what the file holds: ``"fp32"``,
            ``"fp16"``, ``"bf16"``, ``"int8"`` (what is not quantised in fp32), ``"int8+bf16"``, or
            ``"tf32"`` (fp32 with products of 10 bits, which TensorRT within ONNX Runtime takes).
            On an x86 CPU an fp16 file is ``"fp32"``: its numbers are stored in halves, and both
            engines widen them before they compute. OpenVINO then stays in fp32; ONNX Runtime
            rounds to halves again between operators, so it gains nothing and loses some accuracy.
            An int8 file made for OpenVINO is ``"fp32"`` in ONNX Runtime, which rounds as the file
            says but convolves in float; one made for ONNX Runtime is ``"int8"`` in both.
        threads: CPU threads it uses, which may be fewer than were asked for.

    A backend may also have the method of `FrameBackend`.
    """

    spec: ModelSpec
    engine: str
    device: str
    provider: str
    precision: str
    threads: int

    def __call__(self, faces: np.ndarray) -> Outputs:
        """Run the network.

        Args:
            faces: Crops, (N, 176, 176, 3) uint8, BGR; any N, also 0.

        Returns:
            Fresh arrays, the caller's to keep.

        Raises:
            ValueError: The crops have another shape or type.
            RuntimeError: The model has been closed.
        """
        ...

    def close(self) -> None:
        """Let go of the model; faces after this raise RuntimeError, closing again does nothing."""
        ...


@runtime_checkable
class FrameBackend(Protocol):
    """A backend that can also cut the faces out of the frame, on its own device."""

    def __call__(self, faces: np.ndarray) -> Outputs:
        """Run the network on crops; see `Backend`."""
        ...

    def from_frame(self, frame: np.ndarray, matrices: Sequence[np.ndarray]) -> Outputs:
        """Run the network on faces of a frame.

        Args:
            frame: (H, W, 3) uint8, BGR.
            matrices: Frame → crop for each face, (2, 3), as `runtime.align.warp` takes them.

        Returns:
            What `Backend.__call__` says of the crops that `warp` makes.

        Raises:
            ValueError: The frame has another shape or type.
            RuntimeError: The model has been closed.
        """
        ...
