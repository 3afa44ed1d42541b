"""examples/native, a C++ program, says what the native engine says in Python."""

import csv
import io
import json
import os
import re
import struct
import zipfile

import cv2
import numpy as np
import pytest
import torch
from native_engine import write_native
from native_example import (
    FOLDER,
    compile_library,
    compile_program,
    demo_frame,
    look,
    look_twice,
    ppm,
    run,
    write_exact,
    write_presence,
)
from tiny_network import tiny_network

from runtime import Detector, open_source
from runtime.align import alignment_matrix
from runtime.boxes import face_box
from runtime.finders import NetworkFinder
from runtime.finders.grids_native import KEY, NativeGrids
from runtime.finders.grids_native import MODEL as NETWORK
from runtime.native.archive import read_archive, write_archive
from runtime.packaged import DEMO_CLIP, model_path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the example is compiled as on Linux")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The example, compiled."""
    library = compile_library(tmp_path_factory.mktemp("program"))
    return compile_program(FOLDER / "face.cpp", library, "-std=c++20")


@pytest.fixture
def picture():
    """A picture in which somebody is."""
    return ppm(demo_frame(30))


def told(done):
    """What the program said, as one dictionary a line."""
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout.decode())))


def values(row, detector, ending=""):
    return np.array([row[f"{au}{ending}"] for au in detector.aus], float)


def box_of(row):
    return np.array([row[f"box_{name}"] for name in "xywh"], float)


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """The packaged model in floating point, as 8 bits make steps of what differs by a last bit."""
    return write_exact(tmp_path_factory.mktemp("exact"))


def assert_same(row, wanted, detector, zoom=1):
    """Pixels in the middle between two levels become either, also in the search."""
    points, probability, intensity = wanted
    np.testing.assert_allclose(box_of(row), face_box(points), atol=0.5 * zoom)
    np.testing.assert_allclose(values(row, detector), probability, atol=0.06)
    np.testing.assert_allclose(values(row, detector, "_r"), intensity, atol=0.25)
    thresholds = np.array(detector.spec.thresholds)
    present = np.round(values(row, detector), 6) >= thresholds - 1e-6
    np.testing.assert_array_equal(values(row, detector, "_c"), present)


@pytest.mark.parametrize("zoom", [0.6, 1, 3.2], ids=["small", "sampled", "averaged"])
def test_it_says_what_the_runtime_says(program, exact, zoom):
    """Of two of the demo clip's people side by side, whom it finds itself."""
    people = {shot.index: shot.frame[:, 170:470] for shot in open_source(DEMO_CLIP)}
    with Detector(exact, threads=1) as detector:
        for index in (20, 55):
            frame = np.hstack([people[index], people[index + 90][:, ::-1]])
            frame = cv2.resize(frame, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
            rows = told(run(program, exact, NETWORK, given=ppm(frame)))
            found = detector._finder.find(frame)
            assert len(found) == len(detector(frame).faces) == len(rows) == 2
            assert any(values(row, detector, "_c").any() for row in rows)
            found.sort(key=lambda face: -face.box[2] * face.box[3])
            for number, (face, row) in enumerate(zip(found, rows, strict=True)):
                assert (row["frame"], row["face_id"]) == ("0", str(number))
                assert float(row["score"]) == pytest.approx(face.score, abs=0.01)
                assert_same(row, look_twice(detector, frame, face.alignment), detector, zoom)


def test_a_model_of_one_au_has_no_gates(program, picture, tmp_path):
    network = tiny_network(aus=[12])
    with torch.no_grad():  # untrained, it trembles where a pixel is rounded otherwise
        network.heads.logit.weight.mul_(0.2)
        network.align.offsets.weight.mul_(0.2)
    model = write_native(tmp_path, network)
    with np.load(model) as archive:
        assert not archive["down.gates.weight"].size
    with Detector(model, threads=1) as detector:
        (face,) = detector._finder.find(demo_frame(30))
        (row,) = told(run(program, model, NETWORK, given=picture))
        points, probability, _ = look_twice(detector, demo_frame(30), face.alignment)
        np.testing.assert_allclose(box_of(row), face_box(points), atol=0.5)
        np.testing.assert_allclose(values(row, detector), probability, atol=0.06)


def test_people_are_followed(program, exact):
    """Each picture is aligned by the landmarks of the one before; numbers stay."""
    people = {shot.index: shot.frame[:, 170:470] for shot in open_source(DEMO_CLIP)}
    frames = [np.hstack([people[n], people[n + 90]]) for n in range(20, 32)]
    rows = told(run(program, exact, NETWORK, given=ppm(*frames)))
    assert [(int(row["frame"]), int(row["face_id"])) for row in rows] == [
        (frame, face) for frame in range(len(frames)) for face in (0, 1)
    ]
    with Detector(exact, threads=1) as detector:
        found = detector._finder.find(frames[0])
        found.sort(key=lambda face: -face.box[2] * face.box[3])
        for face, each in enumerate(found):
            wanted = look_twice(detector, frames[0], each.alignment)
            for number, frame in enumerate(frames):
                if number:
                    wanted = look(detector, frame, alignment_matrix(wanted[0]))
                assert_same(rows[2 * number + face], wanted, detector)


def test_whoever_was_away_gets_the_number_back_and_a_newcomer_a_new_one(program):
    """One is covered for a second; another comes meanwhile, and is found in the search for them."""
    frames = []
    for shot in open_source(DEMO_CLIP):
        if shot.index >= 60:
            break
        left, right = shot.frame[:, 170:470].copy(), np.full((360, 300, 3), 90, np.uint8)
        if shot.index >= 15:
            right = demo_frame(110)[:, 170:470]
        if 10 <= shot.index < 35:
            left[:] = 90
        frames.append(np.hstack([left, right]))
    rows = told(run(program, model_path("edge-native"), NETWORK, given=ppm(*frames)))
    seen = {
        frame: [int(row["face_id"]) for row in rows if int(row["frame"]) == frame]
        for frame in range(60)
    }
    assert seen[5] == [0]
    assert seen[14] == []
    assert seen[25] == [1]
    assert seen[59] == [0, 1]


def test_the_lines_in_the_documentation_are_what_it_prints(program, picture):
    """About: processors round differently in 8 bits."""
    text = (FOLDER.parents[1] / "docs" / "embedding.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^frame,face_id,.*\n(?:\d.*\n)+", text, re.MULTILINE)
    (wanted,) = csv.DictReader(io.StringIO(shown.replace(",…", "")))
    assert shown.count("…") == 2
    (row,) = told(run(program, model_path("edge-native"), NETWORK, given=picture))
    assert len(wanted) > 7
    for name, value in wanted.items():
        off = 1 if name.startswith("box") else 0.06
        assert float(row[name]) == pytest.approx(float(value), abs=off), name


@pytest.mark.parametrize("shape", [(200, 176), (1, 1), (3000, 40)])
def test_where_nobody_is(program, shape):
    wall = np.full((*shape, 3), 90, np.uint8)
    assert told(run(program, model_path("edge-native"), NETWORK, given=ppm(wall, wall))) == []


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
    with Detector(exact, threads=1, finder=finder, max_faces=4) as detector:
        assert len(finder.find(frame)) > 40
        wanted = [face.box for face in detector(frame)]
    rows = told(run(program, exact, eager, given=ppm(frame)))
    assert len(rows) == len(wanted) > 1
    np.testing.assert_allclose(sorted(map(tuple, map(box_of, rows))), sorted(wanted), atol=2)


def test_what_a_model_does_not_tell_is_left_out(program, picture, tmp_path):
    (row,) = told(run(program, write_presence(tmp_path), NETWORK, given=picture))
    assert "AU12_c" in row
    assert "AU12_r" not in row


def test_wrong_files_are_named(program, picture, tmp_path):
    model = model_path("edge-native")
    content = model.read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(content[:100_000])
    torn = tmp_path / "torn.npz"  # the table of contents is there, and names what is not
    torn.write_bytes(content[-20_000:])
    flipped = tmp_path / "flipped.npz"  # one bit of a weight
    with zipfile.ZipFile(model) as archive:
        place = archive.getinfo("refine.3.weight.npy").header_offset + 5000
    flipped.write_bytes(content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :])
    jpeg = tmp_path / "picture.jpg"
    cv2.imwrite(str(jpeg), demo_frame(0))
    for arguments, words in (
        ((tmp_path / "none.npz", NETWORK), "none.npz cannot be opened"),
        ((cut, NETWORK), "cut.npz is cut"),
        ((torn, NETWORK), "cut"),
        ((flipped, NETWORK), "flipped.npz is damaged in refine.3.weight: copy it again"),
        ((jpeg, NETWORK), "no .npz file"),
        ((NETWORK, NETWORK), "network.npz is another file than is needed here: it holds no shape"),
        ((model, tmp_path / "none.npz"), "none.npz cannot be opened"),
        ((model, model), "is another file than is needed here: it holds no finder"),
    ):
        done = run(program, *arguments, given=picture)
        assert done.returncode == 1, arguments
        assert words in done.stderr.decode(), (arguments, done.stderr)
        assert not done.stdout
    assert run(program, model).returncode == 2


def test_pictures_that_are_none_are_refused_and_what_was_done_stays(program, picture):
    model = model_path("edge-native")
    commented = picture.replace(b"\n255", b"\n# by hand\n255", 1)
    for given, words, lines in (
        (b"", "no picture came: give PPM", 1),
        (b"\xff\xd8\xff\xe0 a photograph", "picture 0 is no binary PPM", 1),
        (picture + picture[:-1], "picture 1 is cut", 2),
        (commented + b"P6 0 5 255\n", "picture 1 is no binary PPM", 2),
        (picture.replace(b"255", b"254", 1), "picture 0 is no binary PPM", 1),
    ):
        done = run(program, model, NETWORK, given=given)
        assert done.returncode == 1, words
        assert words in done.stderr.decode()
        assert len(done.stdout.splitlines()) == lines


def test_archives_that_models_are_not_are_refused(program, picture, tmp_path):
    array = struct.pack("<8sH", b"\x93NUMPY\x01\x00", 0)

    def said(**files):
        path = tmp_path / "odd.npz"
        how = files.pop("how", zipfile.ZIP_STORED)
        with zipfile.ZipFile(path, "w", how) as archive:
            for name, content in files.items():
                archive.writestr(name.replace("_", "."), content)
        done = run(program, path, NETWORK, given=picture)
        assert done.returncode == 1
        return done.stderr.decode()

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
    done = run(program, path, NETWORK, given=picture)
    assert done.returncode == 1
    assert "export it again" in done.stderr.decode() or "stem is short" in done.stderr.decode()


@pytest.mark.parametrize("change", [lambda order: order + 1, lambda order: order * 0])
def test_an_order_that_is_none_is_refused(program, picture, tmp_path, change):
    with np.load(model_path("edge-native")) as archive:
        content = dict(archive)
    path = tmp_path / "odd.npz"
    np.savez(path, **{**content, "heads.order": change(content["heads.order"])})
    done = run(program, path, NETWORK, given=picture)
    assert done.returncode == 1
    assert "heads.order is no order" in done.stderr.decode()
