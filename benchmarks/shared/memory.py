"""Memory of a process, and of the GPU."""

import os
import subprocess
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_megabytes() -> float | None:
    """Return the most memory that this process has held so far, 10⁶ bytes; None if unknown."""
    # First Linux's own, as getrusage's is inherited from the process that started this one.
    return _status("VmHWM") if _STATUS.exists() else _peak_by_getrusage()


def resident_megabytes() -> float | None:
    """Return the memory that this process holds now, 10⁶ bytes; None where Linux does not tell."""
    return _status("VmRSS") if _STATUS.exists() else None


def in_words(megabytes: float | None) -> str:
    """Write an amount of memory; what nobody tells is said to be so."""
    return "unknown" if megabytes is None else f"{megabytes:.0f} MB"


def _status(entry: str) -> float | None:
    """Return an amount of memory that Linux tells of this process, 10⁶ bytes."""
    for line in _STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{entry}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


def _peak_by_getrusage() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def ask_gpu(what: str) -> str:
    """Ask NVIDIA's tool about the GPU that CUDA calls the first.

    Where there are several, ``CUDA_VISIBLE_DEVICES`` says which; by number it is the tool's only
    with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``.

    Args:
        what: One of the properties that ``nvidia-smi --help-query-gpu`` lists.

    Returns:
        Its value, without a unit.

    Raises:
        OSError: There is no ``nvidia-smi``, or it does not answer.
    """
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip() or "0"
    command = ["nvidia-smi", "-i", first, f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", check=True
        ).stdout.strip()
    except subprocess.CalledProcessError as error:
        raise OSError(f"nvidia-smi ended with code {error.returncode}: {error.stdout}") from error


def gpu_megabytes() -> float | None:
    """Return what all processes hold of the first GPU's memory, 10⁶ bytes; None if unknown."""
    try:
        return float(ask_gpu("memory.used")) * 2**20 / 1e6
    except (OSError, ValueError):  # it is not there, or says [N/A]
        return None
