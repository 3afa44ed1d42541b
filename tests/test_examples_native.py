"""examples/native, a C++ program, says what the native engine says in Python."""

import json
import os
import re
import struct
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from native_engine import require_native

from runtime import Detector, open_source
from runtime.align import (
    CROP_SIZE,
    alignment_matrix,
    anchor_matrix,
    crop_matrix,
    invert,
    sampling,
    transform,
)
from runtime.landmarks import MOUTH_LEFT, MOUTH_RIGHT, NOSE_TIP, eye_centres
from runtime.native.compile import compiler
from runtime.native.library import ENGINE
from runtime.native.model import read_model, write_model
from runtime.packaged import DEMO_CLIP, model_path

FOLDER = Path(__file__).parents[1] / "examples" / "native"
FLAGS = ("-std=c++20", "-O3", "-march=native", "-pthread", "-Wno-psabi")
POINTS = [str(number) for number in (70, 80, 106, 80, 88, 100, 74, 120, 102, 120)]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the example is compiled as on Linux")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The example, compiled as docs/embedding.md says."""
    require_native()
    path = tmp_path_factory.mktemp("program") / "face"
    source = str(FOLDER / "face.cpp")
    subprocess.run([*compiler(), *FLAGS, f"-I{ENGINE}", source, "-o", str(path)], check=True)
    return path


@pytest.fixture
def picture(tmp_path):
    """A picture in which nobody is."""
    path = tmp_path / "picture.ppm"
    assert cv2.imwrite(str(path), np.full((200, 176, 3), 90, np.uint8))
    return path


def run(*arguments):
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=60)


def cut(frame, matrix):
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


@pytest.mark.parametrize("zoom", [1, 3.2], ids=["sampled", "averaged"])
def test_it_says_what_the_runtime_says(program, tmp_path, zoom):
    path, model = tmp_path / "frame.ppm", tmp_path / "fp32.npz"
    packaged = read_model(model_path("edge-native"))
    # In floating point, as 8 bits make steps of what differs by a last bit.
    plain = {name: array for name, array in packaged.arrays.items() if not name.endswith(".range")}
    spec = replace(packaged.spec, precision="fp32")
    write_model(model, replace(packaged, spec=spec, arrays=plain))
    rng, called = np.random.default_rng(0), 0
    with Detector(model, threads=1) as detector:
        for shot in open_source(DEMO_CLIP):
            if shot.index % 90 != 20:
                continue
            frame = cv2.resize(shot.frame, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(path), frame)
            (face,) = detector(frame)
            points = face.landmarks
            anchors = np.stack(
                [*eye_centres(points), points[NOSE_TIP], points[MOUTH_LEFT], points[MOUTH_RIGHT]]
            )
            anchors += rng.normal(0, 2 * zoom, anchors.shape)  # as a finder gives them
            done = run(program, model, path, *anchors.ravel())
            assert done.returncode == 0, done.stderr
            header, *rows = (line.split(",") for line in done.stdout.splitlines())
            assert header == ["AU", "probability", "intensity", "present"]
            assert tuple(row[0] for row in rows) == detector.aus
            matrix = crop_matrix(anchor_matrix(anchors))
            first = detector._backend(cut(frame, matrix)[None])
            points = transform(first.landmarks[0].astype(float), invert(matrix))
            look = detector._backend(cut(frame, crop_matrix(alignment_matrix(points)))[None])
            probability, intensity, present = np.array([row[1:] for row in rows], float).T
            # A pixel in the middle between two levels becomes either. For the faces found with
            # OpenCV 4 it makes 0.006 and 0.05 at most, for those with OpenCV 5 0.018 and 0.1.
            np.testing.assert_allclose(probability, look.probability[0], atol=0.03)
            np.testing.assert_allclose(intensity, look.intensity[0], atol=0.12)
            thresholds = np.array(detector.spec.thresholds)
            np.testing.assert_array_equal(present, probability >= thresholds.astype(np.float32))
            called += int(present.sum())
    assert called > 0


def test_the_lines_in_the_documentation_are_what_it_prints(program, tmp_path):
    """About: processors round differently in 8 bits."""
    text = (FOLDER.parents[1] / "docs" / "embedding.md").read_text(encoding="utf-8")
    (points,) = re.findall(r"^\./face \S+ frame\.ppm (.*)$", text, re.MULTILINE)
    told = [line.split(",") for line in re.findall(r"^AU\d\d,.*$", text, re.MULTILINE)]
    path = tmp_path / "frame.ppm"
    frame = next(shot.frame for shot in open_source(DEMO_CLIP) if shot.index == 30)  # -ss 1
    assert cv2.imwrite(str(path), frame)
    done = run(program, model_path("edge-native"), path, *points.split())
    said = {line.split(",")[0]: line.split(",")[1:] for line in done.stdout.splitlines()}
    assert len(told) == 3
    for unit, *values in told:
        for value, wanted, off in zip(said[unit], values, (0.06, 0.3, 0), strict=True):
            assert float(value) == pytest.approx(float(wanted), abs=off)


def test_what_a_model_does_not_tell_is_left_out(program, picture, tmp_path):
    model = read_model(model_path("edge-native"))
    arrays = {name: array for name, array in model.arrays.items() if "strength" not in name}
    path = tmp_path / "presence.npz"
    write_model(path, replace(model, spec=replace(model.spec, intensity=False), arrays=arrays))
    done = run(program, path, picture, *POINTS)
    assert done.returncode == 0, done.stderr
    assert {line.split(",")[2] for line in done.stdout.splitlines()[1:]} == {""}


def test_wrong_files_are_named(program, picture, tmp_path):
    model = model_path("edge-native")
    content = model.read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(content[:100_000])
    torn = tmp_path / "torn.npz"  # the table of contents is there, and names what is not
    torn.write_bytes(content[-20_000:])
    short = tmp_path / "short.ppm"
    short.write_bytes(picture.read_bytes()[:-1])
    commented = tmp_path / "commented.ppm"
    commented.write_bytes(picture.read_bytes().replace(b"\n255", b"\n# by hand\n255", 1))
    for arguments, words in (
        ((tmp_path / "none.npz", picture), "none.npz cannot be opened"),
        ((cut, picture), "cut.npz is cut"),
        ((torn, picture), "cut"),
        ((picture, picture), "no .npz file"),
        ((model, tmp_path / "none.ppm"), "none.ppm cannot be opened"),
        ((model, model), "no binary PPM"),
        ((model, short), "short.ppm is cut"),
    ):
        done = run(program, *arguments, *POINTS)
        assert done.returncode == 1, arguments
        assert words in done.stderr, (arguments, done.stderr)
        assert not done.stdout
    assert run(program, model, commented, *POINTS).returncode == 0
    assert run(program, model, picture).returncode == 2
    assert "two eyes" in run(program, model, picture, *["5"] * 10).stderr
    swapped = [*POINTS[2:4], *POINTS[:2], *POINTS[4:]]
    assert "the mouth is above the eyes" in run(program, model, picture, *swapped).stderr
    outside = [str(int(number) + 300) for number in POINTS]
    done = run(program, model, picture, *outside)
    assert done.returncode == 1
    assert "lie outside the picture" in done.stderr
    assert not done.stdout
    assert "1e12 is no coordinate" in run(program, model, picture, "1e12", *["5"] * 9).stderr
    assert "x7 is no coordinate" in run(program, model, picture, "x7", *["5"] * 9).stderr


def test_archives_that_models_are_not_are_refused(program, picture, tmp_path):
    array = struct.pack("<8sH", b"\x93NUMPY\x01\x00", 0)

    def said(**files):
        path = tmp_path / "odd.npz"
        how = files.pop("how", zipfile.ZIP_STORED)
        with zipfile.ZipFile(path, "w", how) as archive:
            for name, content in files.items():
                archive.writestr(name.replace("_", "."), content)
        done = run(program, path, picture, *POINTS)
        assert done.returncode == 1
        return done.stderr

    assert "a.npy is packed" in said(a_npy=array * 100, how=zipfile.ZIP_DEFLATED)
    assert "a.txt is no array" in said(a_txt=b"text")
    assert "a is of a type" in said(a_npy=array)
    assert "is no model" in said(a_npy=array[:8] + struct.pack("<H", 5) + b"'<f4'" + bytes(8))


@pytest.mark.parametrize(
    ("field", "value"),
    [("input", 0), ("stride", 0), ("stride", -2), ("stride", 1 << 28), ("stem", [32]),
     ("grid", 17), ("cells", -1), ("crop", 100000), ("radius", 0),
     ("slope", 0), ("cells_per_pixel", 0), ("aus", 99999)],
)  # fmt: skip
def test_sizes_that_no_network_has_are_refused(program, picture, tmp_path, field, value):
    """Python refuses such a file when it opens it, so it is written by hand."""
    with np.load(model_path("edge-native")) as archive:
        content = dict(archive)
    shape = json.loads(str(content["shape"])) | {field: value}
    path = tmp_path / "odd.npz"
    np.savez(path, **{**content, "shape": np.array(json.dumps(shape))})
    done = run(program, path, picture, *POINTS)
    assert done.returncode == 1
    assert "export it again" in done.stderr or "the model's stem is short" in done.stderr


@pytest.mark.parametrize("change", [lambda order: order + 1, lambda order: order * 0])
def test_an_order_that_is_none_is_refused(program, picture, tmp_path, change):
    with np.load(model_path("edge-native")) as archive:
        content = dict(archive)
    path = tmp_path / "odd.npz"
    np.savez(path, **{**content, "heads.order": change(content["heads.order"])})
    done = run(program, path, picture, *POINTS)
    assert done.returncode == 1
    assert "heads.order is no order" in done.stderr
