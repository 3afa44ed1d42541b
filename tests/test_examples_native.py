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
from runtime.align import CROP_SIZE, alignment_matrix, crop_matrix, invert, sampling, transform
from runtime.boxes import face_box
from runtime.finders import NetworkFinder
from runtime.finders.grids_native import KEY, NativeGrids
from runtime.finders.grids_native import MODEL as NETWORK
from runtime.native.archive import read_archive, write_archive
from runtime.native.compile import compiler
from runtime.native.library import ENGINE
from runtime.native.model import read_model, write_model
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


@pytest.fixture
def picture(tmp_path):
    """A picture in which somebody is."""
    path = tmp_path / "picture.ppm"
    assert cv2.imwrite(str(path), demo_frame(30))
    return path


def demo_frame(index):
    return next(shot.frame for shot in open_source(DEMO_CLIP) if shot.index == index)


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


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """The packaged model in floating point, as 8 bits make steps of what differs by a last bit."""
    path = tmp_path_factory.mktemp("exact") / "fp32.npz"
    packaged = read_model(model_path("edge-native"))
    plain = {name: array for name, array in packaged.arrays.items() if not name.endswith(".range")}
    spec = replace(packaged.spec, precision="fp32")
    write_model(path, replace(packaged, spec=spec, arrays=plain))
    return path


def look_twice(detector, frame, alignment):
    """The second answer for a found face, from crops as the program makes them."""
    for _ in range(2):
        matrix = crop_matrix(alignment)
        said = detector._backend(cut(frame, matrix)[None])
        points = transform(said.landmarks[0].astype(float), invert(matrix))
        alignment = alignment_matrix(points)
    return face_box(points), said.probability[0], said.intensity[0]


@pytest.mark.parametrize("zoom", [0.6, 1, 3.2], ids=["small", "sampled", "averaged"])
def test_it_says_what_the_runtime_says(program, exact, tmp_path, zoom):
    """Of two of the demo clip's people side by side, whom it finds itself."""
    path, called = tmp_path / "frame.ppm", 0
    people = {shot.index: shot.frame[:, 170:470] for shot in open_source(DEMO_CLIP)}
    with Detector(exact, threads=1) as detector:
        for index in (20, 55):
            frame = np.hstack([people[index], people[index + 90][:, ::-1]])
            frame = cv2.resize(frame, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(path), frame)
            done = run(program, exact, NETWORK, path)
            assert done.returncode == 0, done.stderr
            header, *rows = (line.split(",") for line in done.stdout.splitlines())
            assert header == [
                *("face", "left", "top", "width", "height"),
                *("AU", "probability", "intensity", "present"),
            ]
            found = detector._finder.find(frame)
            assert len(found) == len(detector(frame).faces) == 2
            found.sort(key=lambda face: -face.box[2] * face.box[3])
            assert [int(row[0]) for row in rows] == [0] * 19 + [1] * 19
            for number, face in enumerate(found):
                own = rows[19 * number : 19 * (number + 1)]
                assert tuple(row[5] for row in own) == detector.aus
                box, wanted, strength = look_twice(detector, frame, face.alignment)
                np.testing.assert_allclose(np.array(own[0][1:5], float), box, atol=0.5 * zoom)
                probability, intensity, present = np.array([row[6:] for row in own], float).T
                # Pixels in the middle between two levels become either, also in the search.
                np.testing.assert_allclose(probability, wanted, atol=0.06)
                np.testing.assert_allclose(intensity, strength, atol=0.25)
                thresholds = np.array(detector.spec.thresholds)
                np.testing.assert_array_equal(present, probability >= thresholds.astype(np.float32))
                called += int(present.sum())
    assert called > 0


def test_the_lines_in_the_documentation_are_what_it_prints(program, picture):
    """About: processors round differently in 8 bits."""
    text = (FOLDER.parents[1] / "docs" / "embedding.md").read_text(encoding="utf-8")
    told = [line.split(",") for line in re.findall(r"^0,.*,AU\d\d,.*$", text, re.MULTILINE)]
    done = run(program, model_path("edge-native"), NETWORK, picture)
    said = {line.split(",")[5]: line.split(",") for line in done.stdout.splitlines()}
    assert len(told) == 3
    for line in told:
        assert said[line[5]][0] == line[0]
        for at, off in ((1, 1), (2, 1), (3, 1), (4, 1), (6, 0.06), (7, 0.3), (8, 0)):
            assert float(said[line[5]][at]) == pytest.approx(float(line[at]), abs=off)


@pytest.mark.parametrize("shape", [(200, 176), (1, 1), (3000, 40)])
def test_where_nobody_is(program, tmp_path, shape):
    path = tmp_path / "nobody.ppm"
    assert cv2.imwrite(str(path), np.full((*shape, 3), 90, np.uint8))
    done = run(program, model_path("edge-native"), NETWORK, path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert f"no face in {path}" in done.stderr


def test_of_many_finds_the_same_are_kept(program, exact, tmp_path):
    """A finder that says a face at every coarse cell: on a wall, and over and over on two faces."""
    content = read_archive(NETWORK)
    about = {KEY: str(content.pop(KEY))}
    content["out.2.weight"] = np.zeros_like(content["out.2.weight"])
    points = np.array([[-0.5, -0.2], [0.5, -0.2], [0, 0.3], [-0.4, 0.7], [0.4, 0.7]]) / 2
    content["out.2.bias"] = np.array([3, 0, 0, -1, -1, *points.ravel()], np.float32)
    eager = tmp_path / "eager.npz"
    write_archive(eager, about, content)
    finder = NetworkFinder(engine="native")
    finder._grids = NativeGrids(path=eager)
    people = [demo_frame(index)[:, 170:470] for index in (30, 110)]
    frame = np.hstack([*people, np.full_like(people[0], 90)])
    path = tmp_path / "frame.ppm"
    assert cv2.imwrite(str(path), frame)
    with Detector(exact, threads=1, finder=finder, max_faces=1000) as detector:
        assert len(finder.find(frame)) > 40
        wanted = [face.box for face in detector(frame)]
    done = run(program, exact, eager, path)
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in done.stdout.splitlines()[1::19]]
    found = sorted(tuple(map(float, row[1:5])) for row in rows)
    assert len(found) == len(wanted) > 1
    np.testing.assert_allclose(found, sorted(wanted), atol=2)


def test_what_a_model_does_not_tell_is_left_out(program, picture, tmp_path):
    model = read_model(model_path("edge-native"))
    arrays = {name: array for name, array in model.arrays.items() if "strength" not in name}
    path = tmp_path / "presence.npz"
    write_model(path, replace(model, spec=replace(model.spec, intensity=False), arrays=arrays))
    done = run(program, path, NETWORK, picture)
    assert done.returncode == 0, done.stderr
    assert {line.split(",")[7] for line in done.stdout.splitlines()[1:]} == {""}


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
        ((tmp_path / "none.npz", NETWORK, picture), "none.npz cannot be opened"),
        ((cut, NETWORK, picture), "cut.npz is cut"),
        ((torn, NETWORK, picture), "cut"),
        ((picture, NETWORK, picture), "no .npz file"),
        ((NETWORK, NETWORK, picture), "network.npz is another file than is needed here: it holds"),
        ((model, tmp_path / "none.npz", picture), "none.npz cannot be opened"),
        ((model, model, picture), "is another file than is needed here: it holds no finder"),
        ((model, NETWORK, tmp_path / "none.ppm"), "none.ppm cannot be opened"),
        ((model, NETWORK, model), "no binary PPM"),
        ((model, NETWORK, short), "short.ppm is cut"),
    ):
        done = run(program, *arguments)
        assert done.returncode == 1, arguments
        assert words in done.stderr, (arguments, done.stderr)
        assert not done.stdout
    assert len(run(program, model, NETWORK, commented).stdout.splitlines()) == 20
    assert run(program, model, picture).returncode == 2


def test_archives_that_models_are_not_are_refused(program, picture, tmp_path):
    array = struct.pack("<8sH", b"\x93NUMPY\x01\x00", 0)

    def said(**files):
        path = tmp_path / "odd.npz"
        how = files.pop("how", zipfile.ZIP_STORED)
        with zipfile.ZipFile(path, "w", how) as archive:
            for name, content in files.items():
                archive.writestr(name.replace("_", "."), content)
        done = run(program, path, NETWORK, picture)
        assert done.returncode == 1
        return done.stderr

    assert "a.npy is packed" in said(a_npy=array * 100, how=zipfile.ZIP_DEFLATED)
    assert "a.txt is no array" in said(a_txt=b"text")
    assert "a is of a type" in said(a_npy=array)
    assert "it holds no shape" in said(a_npy=array[:8] + struct.pack("<H", 5) + b"'<f4'" + bytes(8))


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
    done = run(program, path, NETWORK, picture)
    assert done.returncode == 1
    assert "export it again" in done.stderr or "the model's stem is short" in done.stderr


@pytest.mark.parametrize("change", [lambda order: order + 1, lambda order: order * 0])
def test_an_order_that_is_none_is_refused(program, picture, tmp_path, change):
    with np.load(model_path("edge-native")) as archive:
        content = dict(archive)
    path = tmp_path / "odd.npz"
    np.savez(path, **{**content, "heads.order": change(content["heads.order"])})
    done = run(program, path, NETWORK, picture)
    assert done.returncode == 1
    assert "heads.order is no order" in done.stderr
