"""examples/native compiled, and what it should say of a face."""

import ctypes
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from native_engine import require_native

from runtime import Detector, open_source
from runtime.align import CROP_SIZE, alignment_matrix, crop_matrix, invert, sampling, transform
from runtime.native.compile import compiler
from runtime.native.library import ENGINE
from runtime.native.model import read_model, write_model
from runtime.packaged import DEMO_CLIP, model_path

FOLDER = Path(__file__).parents[1] / "examples" / "native"
FLAGS = (
    "-std=c++20", "-O1", "-march=native", "-pthread", "-Wno-psabi", "-fPIC", "-shared",
    "-fvisibility=hidden",
)  # fmt: skip
"""Those of docs/embedding.md, but that more optimising takes longer than all that runs here."""


def compile_library(folder: Path) -> Path:
    """Compile the library, where there is a compiler; returns its path."""
    require_native()
    path = folder / "liblgrnet.so"
    source = str(FOLDER / "lgrnet.cpp")
    subprocess.run([*compiler(), *FLAGS, f"-I{ENGINE}", source, "-o", str(path)], check=True)
    return path


def compile_program(source: Path, library: Path, *flags: str) -> Path:
    """Compile a program that uses the library, beside it; returns its path."""
    path = library.parent / source.stem
    found = f"-Wl,-rpath,{library.parent}"
    command = [*compiler(), *flags, f"-I{FOLDER}", str(source), "-x", "none", str(library)]
    subprocess.run([*command, found, "-o", str(path)], check=True)
    return path


class _Picture(ctypes.Structure):
    _fields_ = [
        ("pixels", ctypes.c_void_p), ("width", ctypes.c_int32), ("height", ctypes.c_int32),
        ("stride", ctypes.c_int32), ("format", ctypes.c_int32),
    ]  # fmt: skip


class _Model(ctypes.Structure):
    _fields_ = [
        ("count", ctypes.c_int32), ("tells_intensity", ctypes.c_int32),
        ("aus", ctypes.c_int32 * 32), ("thresholds", ctypes.c_float * 32),
    ]  # fmt: skip


class _Face(ctypes.Structure):
    _fields_ = [
        ("id", ctypes.c_int32), ("score", ctypes.c_float), ("box", ctypes.c_float * 4),
        ("landmarks", ctypes.c_float * 2 * 49), ("probability", ctypes.c_float * 32),
        ("intensity", ctypes.c_float * 32),
    ]  # fmt: skip


BGR, RGB, BGRA, RGBA, GREY = range(5)


class NativeLibrary:
    """A detector of the library, called as any language calls C.

    Raises:
        RuntimeError: What the library says.
    """

    def __init__(
        self, library: Path, model: Path, finder: Path, threads: int = 1, max_faces: int = 4
    ) -> None:
        self._functions = functions = ctypes.CDLL(str(library))
        functions.lgrnet_detector_open.restype = ctypes.c_void_p
        self._message = ctypes.create_string_buffer(500)
        self._max_faces = max_faces
        assert functions.lgrnet_version() == 1
        files = (str(model).encode(), str(finder).encode())
        opened = functions.lgrnet_detector_open(*files, threads, max_faces, self._message)
        if not opened:
            raise RuntimeError(self._message.value.decode())
        self._detector = ctypes.c_void_p(opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._functions.lgrnet_detector_close(self._detector)

    def model(self) -> _Model:
        """What the model tells."""
        model = _Model()
        self._functions.lgrnet_detector_model(self._detector, ctypes.byref(model))
        return model

    def restart(self) -> None:
        """Begin another video."""
        self._call(self._functions.lgrnet_detector_restart)

    def detect(self, frame: np.ndarray, format: int = BGR, **how: int | None) -> list[_Face]:
        """The faces of a picture by itself."""
        return self._ask(self._functions.lgrnet_detector_detect, frame, format, **how)

    def follow(self, frame: np.ndarray, format: int = BGR, **how: int | None) -> list[_Face]:
        """The faces of the next picture of a video."""
        return self._ask(self._functions.lgrnet_detector_follow, frame, format, **how)

    def _ask(self, function, frame, format, first=0, **how) -> list[_Face]:
        height, width = frame.shape[:2]
        picture = _Picture(frame.ctypes.data + first, width, height, 0, format)
        for name, value in how.items():
            setattr(picture, name, value)
        faces = (_Face * self._max_faces)()
        return faces[: self._call(function, ctypes.byref(picture), faces)]

    def _call(self, function, *arguments) -> int:
        count = function(self._detector, *arguments, self._message)
        if count < 0:
            raise RuntimeError(self._message.value.decode())
        return count


def demo_frame(index: int) -> np.ndarray:
    """Read a frame of the demo clip."""
    return next(shot.frame for shot in open_source(DEMO_CLIP) if shot.index == index)


def cut(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Sample a crop bilinearly, in double precision; `warp` does so at 32nds of a pixel."""
    how = sampling((frame.shape[1], frame.shape[0]), matrix, CROP_SIZE)
    if how.factor > 1:
        size = (how.columns, how.rows)
        low, right = how.top + how.rows * how.factor, how.left + how.columns * how.factor
        part = frame[how.top : low, how.left : right]
        frame = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    x, y = np.moveaxis(transform(np.stack([columns, rows], -1), invert(how.matrix)), -1, 0)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    total = np.zeros((CROP_SIZE, CROP_SIZE, 3))
    for column, row in ((0, 0), (1, 0), (0, 1), (1, 1)):
        i, j = top + row, left + column
        inside = (i >= 0) & (j >= 0) & (i < frame.shape[0]) & (j < frame.shape[1])
        pixels = np.where(inside[..., None], frame[i * inside, j * inside], 128)
        total += pixels * ((1 - abs(x - j)) * (1 - abs(y - i)))[..., None]
    return np.floor(total + 0.5).astype(np.uint8)


def look(detector: Detector, frame: np.ndarray, alignment: np.ndarray) -> tuple[Any, ...]:
    """The network's answer, from a crop as the program makes it; landmarks in the picture.

    Intensities are None where the network tells none.
    """
    matrix = crop_matrix(alignment)
    said = detector._backend(cut(frame, matrix)[None])
    points = transform(said.landmarks[0].astype(float), invert(matrix))
    intensity = None if said.intensity is None else said.intensity[0]
    return points, said.probability[0], intensity


def look_twice(detector: Detector, frame: np.ndarray, alignment: np.ndarray) -> tuple[Any, ...]:
    """The answer in the alignment of the landmarks of the first one."""
    points, *_ = look(detector, frame, alignment)
    return look(detector, frame, alignment_matrix(points))


def ppm(*frames: np.ndarray) -> bytes:
    """Frames as ffmpeg writes them, one after the other."""
    return b"".join(cv2.imencode(".ppm", frame)[1].tobytes() for frame in frames)


def run(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess:
    """Run a program on what it is given."""
    return subprocess.run([*map(str, arguments)], input=given, capture_output=True, timeout=120)


def write_exact(folder: Path) -> Path:
    """Write the packaged model in floating point; 8 bits make steps of what differs by a bit."""
    path = folder / "fp32.npz"
    packaged = read_model(model_path("edge-native"))
    plain = {name: array for name, array in packaged.arrays.items() if not name.endswith(".range")}
    spec = replace(packaged.spec, precision="fp32")
    write_model(path, replace(packaged, spec=spec, arrays=plain))
    return path


def write_presence(folder: Path) -> Path:
    """Write the packaged model without its intensities; returns its path."""
    path = folder / "presence.npz"
    model = read_model(model_path("edge-native"))
    arrays = {name: array for name, array in model.arrays.items() if "strength" not in name}
    write_model(path, replace(model, spec=replace(model.spec, intensity=False), arrays=arrays))
    return path
