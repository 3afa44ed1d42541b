"""examples/javascript against `runtime`: the same geometry, pixels, metadata, and who is lost."""

import json
from contextlib import closing

import cv2
import numpy as np
import pytest
from javascript import flat, javascript, needs_node, picture

from runtime.align import alignment_matrix, crop_matrix, invert, transform, warp
from runtime.backends import open_backend
from runtime.boxes import alignment_box, face_box, overlap, same_face
from runtime.finders.grids_opencv import MODEL as FINDER
from runtime.packaged import model_path
from runtime.spec import ModelSpec
from runtime.tracking.lost import why_lost

pytestmark = needs_node


def a_face(
    rng: np.random.Generator, span: float = 60, at: tuple[float, float] = (160, 120)
) -> np.ndarray:
    """Landmarks of about a face: eyes level, nose and mouth below, all a little off."""
    points = rng.uniform(-0.9, 0.9, (49, 2))
    points[19:25] = (-0.5, -0.3)
    points[25:31] = (0.5, -0.3)
    points[13], points[31], points[37] = (0, 0.2), (-0.35, 0.7), (0.35, 0.7)
    turn = rng.uniform(-0.6, 0.6)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (points + rng.normal(0, 0.02, (49, 2))) @ rotation.T * span + at


def test_alignment_is_the_runtimes():
    rng = np.random.default_rng(0)
    faces = [a_face(rng, span) for span in (5, 30, 60, 400)]
    answers = javascript(
        "answer = given.faces.map((face) => { const matrix = alignmentMatrix(face);"
        " return [matrix, cropMatrix(matrix), invert(matrix), transform(matrix, [3, 5])]; });",
        faces=faces,
    )
    for face, (aligned, crop, back, point) in zip(faces, answers, strict=True):
        matrix = alignment_matrix(face)
        np.testing.assert_allclose(aligned, flat(matrix), atol=1e-9)
        np.testing.assert_allclose(crop, flat(crop_matrix(matrix)), atol=1e-9)
        np.testing.assert_allclose(back, flat(invert(matrix)), atol=1e-9)
        np.testing.assert_allclose(point, transform(np.array([3.0, 5.0]), matrix), atol=1e-9)


def test_boxes_are_the_runtimes():
    rng = np.random.default_rng(4)
    faces = [a_face(rng, rng.uniform(20, 60), tuple(rng.uniform(100, 140, 2))) for _ in range(30)]
    pairs = [
        (tuple(rng.uniform(0, 40, 2)) + tuple(rng.uniform(5, 60, 2)), (20.0, 20.0, 30.0, 40.0))
        for _ in range(200)
    ] + [((0.0, 0.0, 5.0, 5.0), (9.0, 9.0, 5.0, 5.0))]
    boxes, aligned, overlaps, same = javascript(
        "answer = [given.faces.map(faceBox), given.faces.map(alignmentMatrix).map(alignmentBox),"
        " ...[overlap, sameFace].map((what) => given.pairs.map(([a, b]) => what(a, b)))];",
        faces=faces, pairs=pairs,
    )  # fmt: skip
    np.testing.assert_allclose(boxes, [face_box(face) for face in faces], atol=1e-9)
    wanted = [alignment_box(alignment_matrix(face)) for face in faces]
    np.testing.assert_allclose(aligned, wanted, atol=1e-9)
    np.testing.assert_allclose(overlaps, [overlap(a, b) for a, b in pairs], atol=1e-12)
    assert same == [same_face(a, b) for a, b in pairs]
    within = [same_face(a, b) and overlap(a, b) < 0.5 for a, b in pairs]
    assert any(within)
    assert not all(same)


def test_eyes_at_one_place_are_refused():
    said = javascript(
        "try { alignmentMatrix(Array(49).fill([5, 5])); } catch (error) { answer = error.message; }"
    )
    assert "two eyes" in said


@pytest.mark.parametrize("span", [12, 60, 130, 420])
def test_a_face_is_cut_out_as_warp_does(span):
    """OpenCV samples at 32nds of a pixel, so one level in 32 between neighbours is its own."""
    rng = np.random.default_rng(span)
    noise = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    frame = cv2.resize(noise, (960, 720), interpolation=cv2.INTER_CUBIC)
    matrix = crop_matrix(alignment_matrix(a_face(rng, span, (span, span))))  # partly outside
    cut = javascript(
        "answer = cut(given.picture, given.matrix);",
        picture=picture(frame),
        matrix=flat(matrix),
    )
    difference = np.frombuffer(cut, np.uint8).reshape(176, 176, 3).astype(int) - warp(frame, matrix)
    assert (warp(frame, matrix) == 128).all(-1).any()
    assert abs(difference).mean() < 0.5
    # At the border one of the four neighbours is grey, so a 64th of a pixel is up to two levels.
    assert np.quantile(abs(difference), 0.999) <= 2
    assert abs(difference).max() <= 5


def test_bytes_become_a_picture_in_canvas_colours():
    face = np.random.default_rng(0).integers(0, 256, (3, 3, 3)).astype(np.uint8)
    made = javascript("answer = fromBytes(given.bytes, 3).data;", bytes=face.tobytes())
    assert made == picture(face)["data"]


@pytest.mark.parametrize("size", [(400, 225), (320, 180), (37, 11), (640, 360)])
def test_pictures_are_shrunk_by_area(size):
    frame = np.random.default_rng(1).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    small = javascript(
        "answer = shrink(given.picture, ...given.size).data;", picture=picture(frame), size=size
    )
    wide, tall = size
    made = np.frombuffer(small, np.uint8).reshape(tall, wide, 4)[..., 2::-1]
    wanted = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    assert abs(made.astype(int) - wanted).max() <= 1


def test_a_face_is_lost_where_the_runtime_loses_it():
    rng = np.random.default_rng(2)
    cases = []
    for _ in range(300):
        face = a_face(rng, rng.uniform(2, 120), tuple(rng.uniform(0, 320, 2)))
        turn, zoom = np.radians(rng.uniform(-45, 45)), rng.uniform(0.5, 2)
        rotation = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        moved = (face - face.mean(0)) @ rotation.T + face.mean(0) + rng.uniform(-40, 40, 2)
        cases.append((face, alignment_matrix(moved)))
    said = javascript(
        "const picture = { width: 320, height: 240 };"
        "answer = given.cases.map(([face, used]) => isPlausible(face, used, picture));",
        cases=[(face, flat(used)) for face, used in cases],
    )
    reasons = [why_lost(face, used, (320, 240)) for face, used in cases]
    assert said == [not reason for reason in reasons]
    # Every reason but NaN is among the cases, and so are faces that are kept.
    for words in ("", "px apart", "outside the frame", "factor", "degrees", "moved by"):
        assert any(words in reason if words else not reason for reason in reasons), words


def test_nan_is_no_face():
    """One landmark is enough, though the eyes and all that aligns the face are fine."""
    face = a_face(np.random.default_rng(0))
    plausible = "isPlausible(given.face, given.used, { width: 320, height: 240 })"
    first, second = javascript(
        f"answer = [{plausible}]; given.face[0][1] = NaN; answer.push({plausible});",
        face=face, used=flat(alignment_matrix(face)),
    )  # fmt: skip
    assert first
    assert not second


def test_the_metadata_of_the_packaged_model_is_read():
    path = model_path("edge")
    spec = javascript("answer = readSpec(given.model);", model=path.read_bytes())
    read = ModelSpec.from_metadata({"lgrnet": json.dumps(spec)}, "javascript")
    with closing(open_backend(path, threads=1)) as backend:
        assert read == backend.spec


@pytest.mark.parametrize("name", ["edge", "edge-int8"])
def test_nodes_that_webgpu_cannot_compute_are_found(name):
    onnx = pytest.importorskip("onnx")
    path = model_path(name)
    nodes = onnx.load(path).graph.node
    wanted = [n.name for n in nodes if n.op_type == "Split" and 1 + len(n.output) > 8]
    assert wanted
    assert len(wanted) < sum(node.op_type == "Split" for node in nodes)
    assert javascript("answer = wideSplits(given.model);", model=path.read_bytes()) == wanted


def test_a_model_is_given_as_bytes():
    said = javascript("try { readSpec('model.onnx'); } catch (error) { answer = error.message; }")
    assert "Uint8Array" in said


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (b"not a model at all", "ONNX"),
        (b"", "no lgrnet metadata"),
        (b"\x08\x09\x3a\x02\x0a\x00", "no lgrnet metadata"),  # ir_version and an empty graph
        (b"\x08\x09\x3a\x7f", "cut"),
    ],
)
def test_what_is_no_exported_model_is_refused(model, words):
    said = javascript(
        "try { readSpec(given.model); } catch (error) { answer = error.message; }", model=model
    )
    assert words in said


def test_a_face_finder_is_no_model():
    said = javascript(
        "try { readSpec(given.model); } catch (error) { answer = error.message; }",
        model=FINDER.read_bytes(),
    )
    assert "face finder" in said
    assert "export.onnx" in said


def test_another_spec_version_is_refused():
    text = json.dumps({"spec_version": 99}).encode()
    entry = b"\x0a\x06lgrnet\x12" + bytes([len(text)]) + text
    said = javascript(
        "try { readSpec(given.model); } catch (error) { answer = error.message; }",
        model=b"\x72" + bytes([len(entry)]) + entry,
    )
    assert "99" in said
    assert "export it again" in said
