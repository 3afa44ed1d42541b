"""Opens one engine. Loads only the library that it needs, as memory and load time are measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from runtime.installed import how_to_install

if TYPE_CHECKING:
    from benchmarks.inference.rows import Library
    from runtime.backends import Backend

_NEEDS: dict[str, tuple[tuple[str, ...], str]] = {
    "pytorch": (("export.plain", "lgrnet.checkpoint"), how_to_install("export")),
    "onnxruntime": (("onnxruntime", "runtime.backends"), how_to_install("cpu")),
    "openvino": (("openvino", "runtime.backends"), how_to_install("openvino")),
    "native": (("runtime.backends.native",), "python -m runtime.native"),
    "tensorrt": (("runtime.backends",), how_to_install("tensorrt")),
    "fused": (("pycuda", "runtime.backends"), how_to_install("cuda")),
}
"""Library → modules to import, and how to install what is missing."""


@dataclass(frozen=True, eq=False)
class Engine:
    """An opened network.

    Attributes:
        run: Crops (B, 176, 176, 3) uint8 BGR → AU probabilities (B, n).
        provider: What runs it, with its version.
        active: Number format that it computes in.
        threads: CPU threads that it takes; OpenVINO takes no more than there are cores.
        close: Lets go of it.
        from_frame: A frame, (H, W, 3) uint8 BGR on the host, and a matrix from it to the crop of a
            face, (2, 3) → AU probabilities (1, n).
        gpu_seconds: Runs crops and tells how long the GPU took; None where that is not known.
        kernels: Runs crops and tells how many kernels were started; None where that is not known.
    """

    run: Callable[[np.ndarray], np.ndarray]
    provider: str
    active: str
    threads: int
    close: Callable[[], None] = lambda: None
    from_frame: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    gpu_seconds: Callable[[np.ndarray], float] | None = None
    kernels: Callable[[np.ndarray], int | None] | None = None


@runtime_checkable
class _Recorded(Protocol):
    """A backend that is one recorded graph, see `runtime.backends.recorded`."""

    @property
    def kernels(self) -> int | None: ...

    def gpu_seconds(self) -> float: ...


def import_library(library: "Library") -> None:
    """Import what an engine needs, so that loading a model can be timed without it.

    Args:
        library: What runs it.

    Raises:
        ImportError: It is not installed; the message says how to install it.
    """
    modules, hint = _NEEDS[library]
    try:
        for module in modules:
            import_module(module)
    except ImportError as error:
        raise ImportError(f"not installed ({error}): {hint}") from error


def open_engine(
    library: "Library",
    path: str | Path,
    threads: int,
    *,
    active: str | None = None,
    compiled: bool = False,
    device: str = "cpu",
) -> Engine:
    """Open a network.

    Args:
        library: What runs it.
        path: Checkpoint for PyTorch, exported model for the others.
        threads: CPU threads. PyTorch has one number for all its networks.
        active: What to compute in where that is not the file's format.
        compiled: Whether PyTorch compiles it, which happens at the first call.
        device: ``"cpu"`` or ``"cuda"``; crops and answers are on the host either way.

    Returns:
        The engine.

    Raises:
        ImportError: The library is not installed.
        DeviceError: The CPU cannot compute in the format, or there is no such GPU.
        ModelError: The library cannot open the file.
    """
    import_library(library)
    if library == "pytorch":
        return _open_pytorch(path, threads, compiled, device)
    from runtime.backends import open_backend

    backend = open_backend(path, device, threads, backend=library, precision=active)
    return Engine(
        run=lambda faces: backend(faces).probability,
        provider=backend.provider,
        active=backend.precision,
        threads=backend.threads,
        close=backend.close,
        **_of_backend(backend),
    )


def _of_backend(backend: "Backend") -> dict[str, Callable]:
    """Tell what else of a backend can be measured."""
    from runtime.align import warp
    from runtime.backends import FrameBackend

    def from_frame(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        if isinstance(backend, FrameBackend):
            return backend.from_frame(frame, [matrix]).probability
        return backend(warp(frame, matrix)[None]).probability

    found: dict[str, Callable] = {"from_frame": from_frame}
    if isinstance(backend, _Recorded):
        found["gpu_seconds"] = lambda faces: backend.gpu_seconds()
        found["kernels"] = lambda faces: backend.kernels
    return found


def require_gpu() -> None:
    """Check that eager PyTorch, which all engines are compared with, has a GPU.

    Raises:
        DeviceError: It has none.
    """
    import torch

    from runtime.errors import DeviceError

    if not torch.cuda.is_available():
        raise DeviceError(f"device 'cuda': this PyTorch ({torch.__version__}) sees no GPU")


def _open_pytorch(path: str | Path, threads: int, compiled: bool, device: str) -> Engine:
    import torch

    from export.plain import Outputs, PlainGraph
    from lgrnet.checkpoint import load_checkpoint
    from runtime.align import warp

    torch.set_num_threads(threads)
    if device != "cpu":
        require_gpu()
        # PyTorch convolves in TF32, with 10 bits of mantissa, unless it is told not to: what all
        # are compared with has to be what it is called, fp32.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    model, _ = load_checkpoint(path)
    graph: Callable[..., Outputs] = PlainGraph(model).eval().to(device)
    if compiled:
        # Forgets the engines before: PyTorch compiles one function only so many times.
        torch.compiler.reset()
        graph = torch.compile(
            graph, dynamic=False, mode=None if device == "cpu" else "max-autotune"
        )

    def run(faces: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return graph(torch.from_numpy(faces).to(device))[0].cpu().numpy()

    def from_frame(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        return run(warp(frame, matrix)[None])

    return Engine(
        *(run, f"torch {torch.__version__}", "fp32", torch.get_num_threads()),
        from_frame=from_frame,
        gpu_seconds=None if device == "cpu" else partial(_torch_seconds, run),
        kernels=None if device == "cpu" else partial(_torch_kernels, run),
    )


def _torch_seconds(run: Callable[[np.ndarray], np.ndarray], faces: np.ndarray) -> float:
    """Time a call by events around it: where the CPU starts kernels too slowly, that counts."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run(faces)
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1e-3


def _torch_kernels(run: Callable[[np.ndarray], np.ndarray], faces: np.ndarray) -> int | None:
    """Count the kernels of a call by PyTorch's profiler; None where it sees none."""
    import torch

    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        run(faces)
    return count_kernels(profile.events()) or None


def count_kernels(events: Iterable[Any]) -> int:
    """Count kernels among a profiler's events.

    Args:
        events: With a name and a device type each.

    Returns:
        How many ran on the GPU, copies and fills left out.
    """
    on_gpu = [each.name for each in events if str(each.device_type).endswith("CUDA")]
    return sum(not name.startswith(("Memcpy", "Memset")) for name in on_gpu)
