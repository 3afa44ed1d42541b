"""examples/native, a C++ program, says what the native engine says in Python."""

import os
import struct
import subprocess
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from native_engine import require_native

from runtime import Detector, open_source
from runtime.align import alignment_matrix, crop_matrix, warp
from runtime.backends import open_backend
from runtime.native.compile import compiler
from runtime.native.library import ENGINE
from runtime.packaged import DEMO_CLIP, model_path

FOLDER = Path(__file__).parents[1] / "examples" / "native"
FLAGS = ("-std=c++20", "-O3", "-march=native", "-pthread", "-Wno-psabi")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the example is compiled as on Linux")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The example, compiled as docs/embedding.md says."""
    require_native()
    path = tmp_path_factory.mktemp("program") / "face"
    source = str(FOLDER / "face.cpp")
    subprocess.run([*compiler(), *FLAGS, f"-I{ENGINE}", source, "-o", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Faces of the demo clip, (N, 176, 176, 3), and their files."""
    folder = tmp_path_factory.mktemp("crops")
    faces = []
    with Detector() as detector:
        for shot in open_source(DEMO_CLIP):
            if shot.index % 90 == 20:
                (face,) = detector(shot.frame)
                faces.append(warp(shot.frame, crop_matrix(alignment_matrix(face.landmarks))))
    paths = [folder / f"{n}.ppm" for n in range(len(faces))]
    for path, face in zip(paths, faces, strict=True):
        assert cv2.imwrite(str(path), face)
    return np.stack(faces), paths


def run(*arguments):
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=60)


def test_it_says_what_the_runtime_says(program, crops):
    faces, paths = crops
    model = model_path("edge-native")
    done = run(program, model, *paths)
    assert done.returncode == 0, done.stderr
    header, *rows = (line.split(",") for line in done.stdout.splitlines())
    assert header == ["crop", "AU", "probability", "intensity", "present"]
    backend = open_backend(model, threads=1)
    said, spec = backend(faces), backend.spec
    backend.close()
    shape = said.probability.shape
    assert [row[:2] for row in rows] == [
        [str(path), f"AU{au:02d}"] for path in paths for au in spec.aus
    ]
    probability, intensity, present = (
        np.array([float(row[column]) for row in rows]).reshape(shape) for column in (2, 3, 4)
    )
    # The same code, compiled for this processor instead of for a class of processors.
    np.testing.assert_allclose(probability, said.probability, atol=1e-3)
    np.testing.assert_allclose(intensity, said.intensity, atol=5e-3)
    np.testing.assert_array_equal(present, said.probability >= np.array(spec.thresholds))
    assert present.any()
    assert not present.all()


def test_wrong_files_are_named(program, crops, tmp_path):
    model, (_, (crop, *_)) = model_path("edge-native"), crops
    content = model.read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(content[:100_000])
    torn = tmp_path / "torn.npz"  # the table of contents is there, and names what is not
    torn.write_bytes(content[-20_000:])
    small = tmp_path / "small.ppm"
    assert cv2.imwrite(str(small), np.zeros((8, 8, 3), np.uint8))
    for arguments, words in (
        ((tmp_path / "none.npz", crop), "none.npz cannot be opened"),
        ((cut, crop), "cut.npz is cut"),
        ((torn, crop), "cut"),
        ((crop, crop), "no .npz file"),
        ((model, tmp_path / "none.ppm"), "none.ppm is no binary PPM"),
        ((model, small), "176 × 176"),
    ):
        done = run(program, *arguments)
        assert done.returncode == 1, arguments
        assert words in done.stderr, (arguments, done.stderr)
        assert not done.stdout.splitlines()[1:]
    assert run(program, model).returncode == 2


def test_an_archive_that_is_packed_is_refused(program, crops, tmp_path):
    packed = tmp_path / "packed.npz"
    array = struct.pack("<8sH", b"\x93NUMPY\x01\x00", 0)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", array * 100)
    done = run(program, packed, crops[1][0])
    assert done.returncode == 1
    assert "a.npy is packed" in done.stderr
