"""What runs an exported model: one file a runtime library, chosen by the file's suffix."""

from pathlib import Path

from runtime.backends.base import Backend
from runtime.errors import ModelError

__all__ = ["Backend", "open_backend"]


def open_backend(path: str | Path, device: str = "cpu", threads: int | None = None) -> Backend:
    """Open an exported model.

    Args:
        path: The file, ``.onnx``.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or ``"auto"`` for CUDA where it works and the
            CPU elsewhere.
        threads: CPU threads; None for as many as the machine has cores.

    Returns:
        The backend, ready to run.

    Raises:
        FileNotFoundError: There is no such file.
        ModelError: The file is not a model, of an unknown kind, or breaks the contract.
        SpecError: The file is a model, but not one of this project's exports.
        DeviceError: The device is unknown or does not work.
        ImportError: The library that runs such files is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"model {path} does not exist")
    if not path.is_file():
        raise ModelError(f"model {path} is not a file: give an .onnx file")
    if path.suffix.lower() != ".onnx":
        raise ModelError(
            f"model {path} has the suffix {path.suffix or '(none)'!r}, only .onnx can be run: "
            "export a checkpoint with `python -m export.onnx CHECKPOINT`"
        )
    from runtime.backends.ort import OrtBackend

    return OrtBackend(path, device, threads)
