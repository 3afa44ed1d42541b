"""Peak memory of a process."""

import sys
from pathlib import Path


def peak_megabytes() -> float | None:
    """Return the most memory that this process has held so far, 10⁶ bytes; None if unknown."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return _peak_by_getrusage()
    # Not getrusage, whose maximum a process inherits from the one that started it.
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


def _peak_by_getrusage() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
