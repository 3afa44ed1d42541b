"""Load time, time to the first result and peak memory of one engine, in a process of its own.

In a shared process they cannot be told: libraries are loaded once, and memory is never given back.
:func:`probe` starts ``python -m benchmarks.inference.probe REQUEST`` and reads what it prints.
"""

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.shared.memory import gpu_megabytes, peak_megabytes
from benchmarks.shared.paths import ROOT

if TYPE_CHECKING:
    from benchmarks.inference.rows import Library

CALLS = 3
"""Calls after the first one: memory is sometimes taken only then."""

FRAMES = 60
"""Frames of a clip after which a detector's memory no longer grows."""

TIMEOUT_S = 1800
"""Compiling can take minutes on a slow machine."""

GPU_TIMEOUT_S = 240
"""On a GPU only PyTorch compiles; a kernel that waits for ever must not hold up the others."""


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """Which network to open; see `benchmarks.inference.engines.open_engine`.

    Attributes:
        library: What runs it.
        path: Checkpoint or exported model.
        threads: CPU threads.
        faces: ``.npy`` file of the crops of one call, (B, 176, 176, 3) uint8.
        active: What to compute in where that is not the file's format.
        compiled: Whether PyTorch compiles it.
        device: What it runs on.
    """

    library: "Library"
    path: str
    threads: int
    faces: str
    active: str | None = None
    compiled: bool = False
    device: str = "cpu"
    kind: str = "network"


@dataclass(frozen=True, slots=True)
class PipelineRequest:
    """Which detector to open; see `runtime.Detector`.

    Attributes:
        model: Exported model; None for the packaged one.
        threads: CPU threads of the network and of OpenCV.
        source: Video.
        backend: What runs the model.
        precision: What to compute in where that is not the file's format.
    """

    model: str | None
    threads: int
    source: str
    backend: str = "onnxruntime"
    precision: str | None = None
    kind: str = "pipeline"


class ProbeError(RuntimeError):
    """The engine does not work here; the message says why."""


def probe(request: NetworkRequest | PipelineRequest) -> dict[str, float | None]:
    """Measure one engine in a fresh process.

    Args:
        request: What to open.

    Returns:
        ``import_s`` (importing libraries), ``load_s`` (from the file to readiness; compiling
        counts), ``first_result_s`` (from the start of the process to the first result),
        ``peak_megabytes`` (10⁶ bytes, libraries included; None where the system does not tell) and
        on a GPU ``gpu_megabytes``, what is in use there after a few calls, less what was before
        (None where that is not known).

    Raises:
        ProbeError: The engine cannot be opened or run.
    """
    started = time.perf_counter()  # system-wide, so that the process can go on counting from it
    command = [sys.executable, "-m", "benchmarks.inference.probe"]
    command += [json.dumps(asdict(request)), repr(started)]
    network = request if isinstance(request, NetworkRequest) else None
    quick = network is not None and not network.compiled and network.device != "cpu"
    limit = GPU_TIMEOUT_S if quick else TIMEOUT_S
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=limit
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"no result within {limit} s") from error
    if done.returncode < 0:
        raise ProbeError(f"its process died of {signal.Signals(-done.returncode).name}")
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip() or "nothing was printed").splitlines()[-1]
        raise ProbeError(f"its process ended with code {done.returncode}: {last}")
    answer = json.loads(lines[-1])
    if "error" in answer:
        raise ProbeError(answer["error"])
    return answer


def _network(request: NetworkRequest, started: float) -> dict[str, float | None]:
    from benchmarks.inference.engines import import_library, open_engine

    faces = np.load(request.faces)
    held_before = None if request.device == "cpu" else gpu_megabytes()
    began = time.perf_counter()
    import_library(request.library)
    imported = time.perf_counter()
    engine = open_engine(
        request.library,
        request.path,
        request.threads,
        active=request.active,
        compiled=request.compiled,
        device=request.device,
    )
    loaded = time.perf_counter()
    engine.run(faces)
    first = time.perf_counter()
    for _ in range(CALLS):
        engine.run(faces)
    held = None if held_before is None else gpu_megabytes()
    grown = None if held is None or held_before is None else held - held_before
    on_gpu = {} if request.device == "cpu" else {"gpu_megabytes": grown}
    return on_gpu | {
        "import_s": imported - began,
        "load_s": (first if request.compiled else loaded) - imported,
        "first_result_s": first - started,
        "peak_megabytes": peak_megabytes(),
    }


def _pipeline(request: PipelineRequest, started: float) -> dict[str, float | None]:
    began = time.perf_counter()
    import cv2

    import runtime

    imported = time.perf_counter()
    cv2.setNumThreads(request.threads)
    with runtime.Detector(
        request.model,
        threads=request.threads,
        backend=request.backend,
        precision=request.precision,
    ) as detector:
        loaded = time.perf_counter()
        first = None
        for count, _ in enumerate(detector.stream(request.source), 1):
            first = first or time.perf_counter()
            if count == FRAMES:
                break
    if first is None:
        raise ProbeError(f"{request.source} has no frames")
    return {
        "import_s": imported - began,
        "load_s": loaded - imported,
        "first_result_s": first - started,
        "peak_megabytes": peak_megabytes(),
    }


def _main(request: str, started: str) -> None:
    values = json.loads(request)
    answer: dict[str, float | None] | dict[str, str]
    try:
        if values["kind"] == "network":
            answer = _network(NetworkRequest(**values), float(started))
        else:
            answer = _pipeline(PipelineRequest(**values), float(started))
    except Exception as error:  # whatever it is, the row is listed with it as the reason
        answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:500]}
    # On a line of its own, whatever libraries have printed.
    print("\n" + json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
