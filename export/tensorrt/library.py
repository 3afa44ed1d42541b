"""The two TensorRTs: for data centres and Jetson, which builds on its GPU, and for RTX."""

from importlib import import_module
from types import ModuleType
from typing import Any

from runtime.backends.tensorrt_plan import FLAVOURS

EXTRAS = {"tensorrt": "tensorrt", "rtx": "rtx"}
"""Flavour → the extra of this package that installs it."""

RTX_TARGETS = ("8.0", "8.6", "8.9", "12.0")
"""Compute capabilities that TensorRT for RTX builds our networks for, Ampere to Blackwell.

It knows 7.5 (Turing) as well, but has no products in float32 there, which the layers that place
landmarks need also in fp16 files.
"""


def load_tensorrt(flavour: str) -> ModuleType:
    """Import a TensorRT.

    Args:
        flavour: One of `runtime.backends.tensorrt_plan.FLAVOURS`.

    Returns:
        The module.

    Raises:
        ValueError: The flavour is unknown.
        ImportError: It is not installed, or does not load; the message says what to install.
    """
    if flavour not in FLAVOURS:
        raise ValueError(f"flavour {flavour!r}: give one of {', '.join(FLAVOURS)}")
    try:
        return import_module(FLAVOURS[flavour])
    except (ImportError, OSError) as error:  # OSError: one of its own libraries is missing
        raise ImportError(
            f'{FLAVOURS[flavour]} does not load ({error}): pip install "lgrnet[{EXTRAS[flavour]}]"'
        ) from error


def make_log(library: ModuleType, errors: list[str]) -> Any:
    """Make a logger that keeps what went wrong, for messages of ours.

    Args:
        library: From :func:`load_tensorrt`.
        errors: Each error is added here.

    Returns:
        What the library takes as its logger.
    """

    class Log(library.ILogger):
        def log(self, severity: Any, message: str) -> None:
            if severity in (library.ILogger.ERROR, library.ILogger.INTERNAL_ERROR):
                errors.append(message)

    return Log()
