"""``python -m runtime doctor``: what is installed here, what works, and why the rest does not.

Nothing is guessed from versions: engines are opened and run, videos are written and read. Our GPU
kernels need a file of one's own; of these only the GPU is opened.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from runtime.backends import open_backend
from runtime.backends.threads import default_threads
from runtime.commands.interlaced import write_interlaced
from runtime.commands.quiet import quiet_libraries
from runtime.console.help import purpose
from runtime.cuda.device import open_gpu
from runtime.drawing.window import why_no_window
from runtime.finders import open_finder
from runtime.installed import how_to_install, version_of
from runtime.outputs.pictures import VideoWriter
from runtime.packaged import DEMO_CLIP, MADE_FOR, model_path
from runtime.sources import open_source

LIBRARIES = {
    "onnxruntime": "cpu",
    "onnxruntime-gpu": "gpu",
    "openvino": "openvino",
    "pycuda": "cuda",
    "tensorrt": "tensorrt",
    "tensorrt_rtx": "rtx",
    "pandas": "dataframe",
    "pyarrow": "parquet",
    "tqdm": "cpu",
}
"""Optional library → extra that brings it."""

TRIED = {
    **{f"{engine} on cpu": (model, "cpu", engine) for engine, model in MADE_FOR.items()},
    "onnxruntime on cuda": ("edge", "cuda", "onnxruntime"),
    "tensorrt on cuda": ("edge", "cuda", "tensorrt"),
}
"""What is opened and run: packaged model, device, backend."""

NEEDED = frozenset({"onnxruntime on cpu", "face finder", "reading video"})
"""Without these the default run does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        part: What part of the report it belongs to.
        name: What was looked at.
        works: Whether it works, None for mere facts.
        detail: Its version, or why it does not work and what to do.
    """

    part: str
    name: str
    works: bool | None
    detail: str


def main(argv: Sequence[str]) -> int:
    """Print the report.

    Args:
        argv: Arguments after ``doctor``.

    Returns:
        0 where the packaged model can be run on videos here, otherwise 1.
    """
    parser = argparse.ArgumentParser(prog="python -m runtime doctor", description=purpose(__doc__))
    parser.add_argument("--json", action="store_true", help="a JSON list instead of a report")
    args = parser.parse_args(argv)
    findings: list[Finding] = []
    for finding in examine():
        if not args.json:
            print(_line(finding, findings[-1].part if findings else ""), flush=True)
        findings.append(finding)
    broken = [f.name for f in findings if f.works is False and f.name in NEEDED]
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    elif broken:
        print(f"\nthe default run does not work here: mend {', '.join(broken)}")
    else:
        print("\nthe default run works here: python -m runtime VIDEO")
    return 1 if broken else 0


def _line(finding: Finding, part: str) -> str:
    mark = {True: "yes", False: "no", None: ""}[finding.works]
    head = f"\n{finding.part}\n" if finding.part != part else ""
    return f"{head}  {finding.name:<20} {mark:<4} {finding.detail}"


def examine() -> Iterator[Finding]:
    """Look at everything; findings come while it goes on."""
    yield from _machine()
    yield from _libraries()
    for name, (model, device, backend) in TRIED.items():
        yield _try("engines", name, partial(_run, model, device, backend))
    yield _try("engines", "our GPU kernels", _gpu)
    yield _try("faces and video", "face finder", _finder)
    yield _try("faces and video", "face cascade", lambda: open_finder("cascade").name)
    yield _try("faces and video", "YuNet", _yunet)
    yield _try("faces and video", "reading video", _read)
    yield _try("faces and video", "interlaced video", _read_interlaced)
    yield _try("faces and video", "writing video", _write)
    yield _cameras()
    why = why_no_window()
    yield Finding("faces and video", "windows (--show)", why is None, why or "")


def _machine() -> Iterator[Finding]:
    part = "this machine"
    yield Finding(part, "python", None, f"{platform.python_version()} ({sys.executable})")
    yield Finding(part, "system", None, f"{platform.platform()}, {platform.machine()}")
    flags = ", ".join(_cpu_flags()) or "no AVX-512 or AMX that this system tells of"
    yield Finding(part, "processor", None, f"{default_threads()} threads by default; {flags}")
    yield Finding(
        part, "lgrnet", None, version_of("lgrnet") or "not installed, run from its folder"
    )
    yield Finding(part, "numpy", None, np.__version__)
    yield Finding(part, "opencv", None, cv2.__version__)


def _cpu_flags() -> list[str]:
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return []
    return [name for name in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if name in words]


def _libraries() -> Iterator[Finding]:
    for name, extra in LIBRARIES.items():
        found = version_of(name)
        detail = found or f"not installed: {how_to_install(extra)}"
        yield Finding("optional libraries", name, found is not None, detail)


def _try(part: str, name: str, action: Callable[[], str]) -> Finding:
    try:
        return Finding(part, name, True, action())
    except Exception as error:  # whatever is broken here is what the report is for
        lines = str(error).strip().splitlines()
        detail = lines[0] if lines else type(error).__name__
        return Finding(part, name, False, detail)


def _run(model: str, device: str, backend: str) -> str:
    """Run one grey face through a packaged model."""
    with closing(open_backend(model_path(model), device, backend=backend)) as opened:
        side = opened.spec.crop_size
        faces = np.full((opened.spec.batch, side, side, 3), 128, np.uint8)
        probability = opened(faces).probability
        if not np.isfinite(probability).all():
            raise RuntimeError(f"{opened.provider} computes {probability}")
        return f"{opened.provider}, {opened.precision}, {opened.threads} threads, model {model}"


def _gpu() -> str:
    gpu = open_gpu(0)
    return f"{gpu.name}, compute capability {gpu.capability}; give a .fused file with --model"


def _finder() -> str:
    """Search the first frame of the demo clip."""
    finder = open_finder(None)
    with open_source(DEMO_CLIP) as shots:
        found = finder.find(next(iter(shots)).frame)
    if len(found) != 1:
        raise RuntimeError(f"OpenCV {cv2.__version__} finds {len(found)} faces where there is one")
    return finder.name


def _yunet() -> str:
    if not hasattr(cv2, "FaceDetectorYN"):
        raise RuntimeError(f"OpenCV {cv2.__version__} lacks it: {how_to_install('headless')}")
    return "OpenCV has it; give its model with --finder yunet.onnx"


def _read() -> str:
    with open_source(DEMO_CLIP) as shots:
        frame = next(iter(shots)).frame
    names = map(cv2.videoio_registry.getBackendName, cv2.videoio_registry.getBackends())
    through = ", ".join(dict.fromkeys(names))
    return f"{DEMO_CLIP.name}, {frame.shape[1]} × {frame.shape[0]}; OpenCV has {through}"


def _read_interlaced() -> str:
    shades = [40 * shade for shade in range(1, 6)]
    frames = [np.full((64, 96, 3), shade, np.uint8) for shade in shades]
    with tempfile.TemporaryDirectory() as folder:
        try:
            with quiet_libraries():  # FFmpeg tells of each frame what is told below
                read = _probe(Path(folder) / "probe.mpg", frames)
        except RuntimeError as error:
            raise RuntimeError(f"could not be tried: {error}") from error
    there = [frame for frame in read if frame is not None]
    if len(there) < len(shades):
        raise RuntimeError(
            f"could not be tried: OpenCV {cv2.__version__} does not read the video that it wrote"
        )
    found = [float(np.mean(frame)) for frame in there]
    if not np.allclose(found, shades, atol=10):
        raise RuntimeError(
            f"OpenCV {cv2.__version__} converts none: such videos are refused, with the line that "
            "makes them progressive; OpenCV 4.12 reads them"
        )
    return "OpenCV reads it"


def _probe(path: Path, frames: list[np.ndarray]) -> list[np.ndarray | None]:
    """Write an interlaced video, and read it."""
    write_interlaced(path, frames)
    capture = cv2.VideoCapture(str(path))
    try:
        return [capture.read()[1] for _ in frames]
    finally:
        capture.release()  # or Windows could not remove the folder


def _write() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.mp4"
        with VideoWriter(path, 25) as writer:
            for shade in (0, 128, 255):
                writer.write(np.full((48, 64, 3), shade, np.uint8))
        with open_source(path) as shots:
            count = sum(1 for _ in shots)
    if count != 3:
        raise RuntimeError(f"of 3 frames written {count} could be read: go without (--no-video)")
    return "MPEG-4 in .mp4"


def _cameras() -> Finding:
    part, name = "faces and video", "cameras"
    if not sys.platform.startswith("linux"):
        return Finding(part, name, None, "not looked for on this system: try cam:0")
    devices = sorted(Path("/dev").glob("video*"))
    if not devices:
        return Finding(part, name, False, "there is no /dev/video*: is one plugged in?")
    shut = [str(device) for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if shut:
        detail = f"you may not read {', '.join(shut)}: add yourself to the group 'video'"
        return Finding(part, name, False, detail)
    return Finding(part, name, True, ", ".join(map(str, devices)))
