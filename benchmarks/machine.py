"""What a measurement was made on: hardware, versions, revision."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("lgrnet", "numpy", "torch", "onnx", "onnxruntime", "onnxruntime-gpu")
_OPENCV = ("opencv-python-headless", "opencv-python")
_CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def describe_machine() -> dict:
    """Collect what a reader needs to judge a number.

    Returns:
        Plain values: date, CPU and its vector extensions, cores, load before the measurement,
        operating system, Python, package versions, git revision (None outside a checkout).
    """
    name, flags = _cpu()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": name,
        "cpu_flags": [flag for flag in _CPU_FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
        "revision": _revision(),
    }


def _cpu() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in pairs}
    return fields.get("model name", platform.machine()), set(fields.get("flags", "").split())


def _versions() -> dict[str, str]:
    found = {}
    for package in (*_PACKAGES, *_OPENCV):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _revision() -> str | None:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
