"""What a measurement was made on: hardware, versions, settings, revision."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.shared.memory import ask_gpu
from benchmarks.shared.paths import ROOT
from runtime.installed import version_of

_PACKAGES = (
    *("lgrnet", "numpy", "torch", "onnx", "onnxruntime", "onnxruntime-gpu", "openvino", "nncf"),
    *("opencv-python-headless", "opencv-python"),
    *("tensorrt", "tensorrt_rtx", "pycuda", "triton"),
)
_CPU_FLAGS = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_bf16", "amx_int8", "amx_fp16"),
    *("asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve", "sve2"),  # ARM
)
_SETTINGS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY"),
    *("KMP_AFFINITY", "KMP_BLOCKTIME", "GOMP_CPU_AFFINITY", "ONEDNN_MAX_CPU_ISA"),
)
_CPU0 = Path("/sys/devices/system/cpu/cpu0")


def describe_machine() -> dict:
    """Collect what a reader needs to judge a number.

    Returns:
        Plain values: date, CPU, its vector extensions and caches, cores of the machine and those
        this process may use, GPU (None without one), frequency governor (None where the system
        tells none), load before the measurement, operating system, Python, package versions, thread
        settings of the environment, git revision (None outside a checkout).
    """
    name, flags = _cpu()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": name,
        "cpu_flags": [flag for flag in _CPU_FLAGS if flag in flags],
        "caches": _caches(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "gpu": _gpu(),
        "governor": _read(_CPU0 / "cpufreq" / "scaling_governor"),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
        "environment": {key: os.environ[key] for key in _SETTINGS if key in os.environ},
        "revision": revision(),
    }


def machine_line(machine: dict) -> str:
    """Write the machine in a line, for tables and captions.

    Args:
        machine: From :func:`describe_machine`.
    """
    flags = ", ".join(machine["cpu_flags"])
    versions = ", ".join(
        f"{key} {machine['versions'][key]}"
        for key in ("torch", "onnxruntime", "openvino")
        if key in machine["versions"]
    )
    day = machine["date"][:10]
    gpu = f"{machine['gpu']['name']}; " if machine.get("gpu") else ""
    return f"{gpu}{machine['cpu']}, {machine['cores']} cores ({flags}); {versions}; {day}"


def _cpu() -> tuple[str, set[str]]:
    text = _read(Path("/proc/cpuinfo"))
    if text is None:
        return platform.processor() or platform.machine(), set()
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in pairs}
    flags = fields.get("flags", fields.get("Features", ""))  # x86, ARM
    return fields.get("model name", platform.machine()), set(flags.split())


def _gpu() -> dict[str, str] | None:
    try:
        return {key: ask_gpu(key) for key in ("name", "compute_cap", "driver_version")}
    except OSError:
        return None


def _caches() -> dict[str, str]:
    found = {}
    for folder in sorted((_CPU0 / "cache").glob("index*")):
        level, kind, size = (_read(folder / name) for name in ("level", "type", "size"))
        if level and kind and size:
            found[f"L{level} {kind.lower()}"] = size
    return found


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _versions() -> dict[str, str]:
    found = {package: version_of(package) for package in _PACKAGES}
    return {package: version for package, version in found.items() if version is not None}


_MADE = ("*.md", "docs", "benchmarks/results", "runtime/models", "runtime/demo")
"""What measurements leave behind: changed there, what is measured is still the commit."""


def revision(root: Path = ROOT) -> str | None:
    """Name the commit whose code runs here.

    Args:
        root: Folder of the repository.

    Returns:
        Its short name, with ``-dirty`` where code or weights differ from it; None outside of git.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", check=True
        ).stdout.strip()

    try:
        name = git("describe", "--always")
        others = (f":(exclude){each}" for each in _MADE)
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *others)
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{name}-dirty" if changed else name
