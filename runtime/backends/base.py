"""The interface of all backends."""

from typing import Protocol

import numpy as np

from runtime.spec import ModelSpec


class Backend(Protocol):
    """An opened model.

    Attributes:
        spec: What the file says of itself.
        device: What it runs on, such as ``"cpu"`` or ``"cuda:0"``; never ``"auto"``.
        provider: What runs it there, with its version, such as
            ``"onnxruntime 1.22.0 CPUExecutionProvider"``.
        threads: CPU threads it may use.
    """

    spec: ModelSpec
    device: str
    provider: str
    threads: int

    def __call__(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run the network.

        Args:
            faces: Crops, (N, 176, 176, 3) uint8, BGR; any N, also 0.

        Returns:
            AU probabilities, (N, n) float32 in [0, 1], and landmarks, (N, 49, 2) float32, pixels
            of the crop. Fresh arrays, the caller's to keep.
        """
        ...

    def close(self) -> None:
        """Let go of the model; calls after this raise RuntimeError."""
        ...
