"""The detector of examples/javascript: where faces are, and looking at them."""

import cv2
import numpy as np
import pytest
from javascript import FOLDER, flat, javascript, needs_node, picture
from test_examples_javascript import a_face

from runtime import Detector, open_source
from runtime.align import alignment_matrix, anchor_matrix, crop_matrix, transform
from runtime.boxes import face_box
from runtime.finders import NetworkFinder
from runtime.finders.grids_opencv import MODEL
from runtime.latency import Stopwatch
from runtime.packaged import DEMO_CLIP, model_path

pytestmark = needs_node

STUBS = """
class Tensor { constructor(type, data, shape) { Object.assign(this, { type, data, shape }); } }
const ort = { Tensor };
const network = (run) => ({ outputNames: ["fine", "middle", "coarse"], run });
"""
GRIDS = {"fine": 8, "middle": 16, "coarse": 32}


def outputs(faces, height, width):
    """Write what the face finder's network would say of these faces; a plain loop.

    Each is a grid, a box, five points, and the logit of a score; said by the cell in which the
    middle of the box lies.
    """
    said = {}
    for name, stride in GRIDS.items():
        said[name] = np.zeros((1, 15, height // stride, width // stride))
        said[name][:, 0] = -9
    for name, (left, top, wide, tall), points, logit in faces:
        stride = GRIDS[name]
        column = int((left + wide / 2 + 0.5) // stride)
        row = int((top + tall / 2 + 0.5) // stride)
        x, y = ((place + 0.5) * stride - 0.5 for place in (column, row))
        cell = said[name][0, :, row, column]
        cell[0] = logit
        cell[1] = (left + wide / 2 - x) / stride
        cell[2] = (top + tall / 2 - y) / stride
        cell[3] = np.log(wide / stride / 4)
        cell[4] = np.log(tall / stride / 4)
        for k, point in enumerate(points):
            cell[5 + 2 * k] = (point[0] - x) / stride / 4
            cell[6 + 2 * k] = (point[1] - y) / stride / 4
    return as_tensors(said)


def as_tensors(said):
    """Write maps as ONNX Runtime gives them."""
    return {
        name: {"data": grid.ravel().tolist(), "dims": list(grid.shape)}
        for name, grid in said.items()
    }


def five(left, top, side):
    """Eyes, nose tip, mouth corners in a box of that side."""
    return np.array([(0.3, 0.4), (0.7, 0.45), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]) * side + (
        left,
        top,
    )


def test_faces_are_read_out_of_the_networks_outputs():
    """A picture of 800 × 600 is searched at half its sides, padded to 416 × 320."""
    boxes = {"sure": (40.0, 60.0, 90.0, 100.0), "small": (300.0, 20.0, 30.0, 34.0)}
    faces = [
        ("coarse", boxes["sure"], five(40, 60, 90), 3.0),
        ("middle", (46.0, 64.0, 90.0, 100.0), five(46, 64, 90), 2.0),  # the same face, less sure
        ("fine", boxes["small"], five(300, 20, 30), 0.1),
        ("middle", (200.0, 200.0, 40.0, 40.0), five(200, 200, 40), -0.1),  # below the threshold
        ("middle", (100.0, 250.0, 40.0, 40.0), np.full((5, 2), 120.0), 4.0),  # eyes at one place
    ]
    answer = javascript(
        STUBS + "let asked; const session = network(async ({ picture }) =>"
        " { asked = picture.shape; return given.said; });"
        "const found = await new FaceFinder(ort, session).find(given.picture);"
        "answer = { asked, found };",
        said=outputs(faces, 320, 416),
        picture=picture(np.zeros((600, 800, 3), np.uint8)),
    )
    assert answer["asked"] == [1, 3, 320, 416]
    sure, small = answer["found"]
    np.testing.assert_allclose(sure["box"], 2 * np.array(boxes["sure"]), atol=1e-6)
    np.testing.assert_allclose(small["box"], 2 * np.array(boxes["small"]), atol=1e-6)
    assert sure["score"] == pytest.approx(1 / (1 + np.exp(-3)))
    assert small["score"] == pytest.approx(1 / (1 + np.exp(-0.1)))
    wanted = anchor_matrix(2 * five(40, 60, 90))
    np.testing.assert_allclose(sure["alignment"], flat(wanted), atol=1e-6)


@pytest.mark.parametrize(
    ("size", "padded"), [((30, 50), (64, 64)), ((65, 96), (96, 96)), ((128, 70), (128, 96))]
)
def test_the_finder_gets_bgr_planes_padded_with_grey(size, padded):
    tall, wide = size
    frame = np.random.default_rng(0).integers(0, 256, (tall, wide, 3)).astype(np.uint8)
    answer = javascript(
        STUBS + "let asked; const session = network(async ({ picture }) =>"
        " { asked = picture; return given.said; });"
        "await new FaceFinder(ort, session).find(given.picture);"
        "answer = { shape: asked.shape, data: Array.from(asked.data) };",
        said=outputs([], *padded),
        picture=picture(frame),
    )
    planes = np.array(answer["data"]).reshape(answer["shape"])
    assert planes.shape == (1, 3, *padded)
    np.testing.assert_array_equal(planes[0, :, :tall, :wide], frame.transpose(2, 0, 1))
    assert (planes[0, :, tall:] == 128).all()
    assert (planes[0, :, :, wide:] == 128).all()


def crowd():
    """Write two of the demo clip's people side by side, small enough to be searched as they are."""
    frames = [each.frame for each in open_source(DEMO_CLIP)]
    people = [cv2.resize(frames[n][:, 170:470], (150, 180)) for n in (30, 110)]
    return np.hstack(people)


def test_the_finder_reads_what_the_runtimes_reads():
    """The packaged network's own maps, as OpenCV computes them, are given to both."""
    frame, finder = crowd(), NetworkFinder()
    heard = {}

    def listen(picture, grids=finder._grids):
        maps = grids(picture)
        heard.update(zip(GRIDS, (grid[None] for grid in maps), strict=True))
        return maps

    finder._grids = listen
    wanted = finder.find(frame)
    assert len(wanted) == 2
    found = javascript(
        STUBS + "const session = network(async () => given.said);"
        "answer = await new FaceFinder(ort, session).find(given.picture);",
        said=as_tensors(heard),
        picture=picture(frame),
    )
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine["score"] == pytest.approx(theirs.score, abs=1e-6)
        np.testing.assert_allclose(mine["box"], theirs.box, atol=1e-3)
        np.testing.assert_allclose(mine["alignment"], flat(theirs.alignment), atol=1e-3)


@pytest.mark.parametrize("lacking", ["fine", "coarse"])
def test_a_network_that_is_no_face_finder_is_refused(lacking):
    said = javascript(
        STUBS + "const session = network();"
        "session.outputNames = session.outputNames.filter((name) => name !== given.lacking);"
        "try { new FaceFinder(ort, session); } catch (error) { answer = error.message; }",
        lacking=lacking,
    )
    assert f"the face finder has no output {lacking}: " in said
    assert "runtime/finders/network.onnx" in said


@pytest.mark.parametrize(("bad", "named"), [(0, "the model"), (1, "the face finder")])
def test_the_file_that_cannot_be_opened_is_named(bad, named):
    model = model_path("edge").read_bytes()
    said = javascript(
        "let files = 0; const create = async () => {"
        " if (files++ === given.bad) throw new Error('protobuf parsing failed'); return {}; };"
        "await Detector.open({ InferenceSession: { create } }, given.model, new Uint8Array(9))"
        ".catch((error) => (answer = error.message));",
        model=model,
        bad=bad,
    )
    assert said == f"{named}: protobuf parsing failed"


STUBBED = (
    STUBS
    + """
const spec = { aus: [1, 12], thresholds: [0.5, 0.75], batch: 1, crop_size: 176 };
let looks = 0;
const finder = { find: async () => [{ box: [0, 0, 9, 9], score: 1, alignment: given.alignment }] };
const session = { async run({ face }) {
  looks++;
  if (face.type !== "uint8" || face.shape.join() !== "1,176,176,3") throw new Error("no face");
  return { landmarks: { data: given.crop.flat() }, au_probability: { data: [0.5, 0.74] } };
} };
const detector = new Detector(ort, spec, session, finder);
const { picture } = given;
"""
)


@pytest.fixture
def face():
    """A face in a frame, and the landmarks that a network gives in its crop."""
    landmarks = a_face(np.random.default_rng(3))
    matrix = alignment_matrix(landmarks)
    return {
        "landmarks": landmarks,
        "alignment": flat(matrix),
        "crop": transform(landmarks, crop_matrix(matrix)),
        "picture": picture(np.zeros((240, 320, 3), np.uint8)),
    }


def test_a_look_names_the_aus_and_puts_landmarks_into_the_picture(face):
    said = javascript(STUBBED + "answer = await detector.look(picture, given.alignment);", **face)
    np.testing.assert_allclose(said["landmarks"], face["landmarks"], atol=1e-9)
    assert said["probability"] == {"AU01": 0.5, "AU12": 0.74}
    assert said["present"] == ["AU01"]
    assert said["intensity"] is None


def test_a_picture_by_itself_is_looked_at_twice(face):
    faces, looks = javascript(STUBBED + "answer = [await detector.detect(picture), looks];", **face)
    assert len(faces) == 1
    assert looks == 2
    np.testing.assert_allclose(faces[0]["box"], face_box(face["landmarks"]), atol=1e-9)
    assert faces[0]["score"] == 1


def test_two_finds_of_one_face_are_one(face):
    faces = javascript(
        STUBBED + "const { find } = finder; finder.find = async (picture) =>"
        " [...await find(picture), ...await find(picture)];"
        "answer = await detector.detect(picture);",
        **face,
    )
    assert len(faces) == 1


def test_faces_that_are_known_are_left_out_and_enough_is_enough(face):
    counts = javascript(
        STUBBED + "const [{ box }] = await detector.detect(picture);"
        " const count = async (...rest) => (await detector.detect(picture, ...rest)).length;"
        " answer = [await count(0), await count(1), await count(9, [box]),"
        " await count(9, [[900, 0, 50, 50]])];",
        **face,
    )
    assert counts == [0, 1, 0, 1]


@pytest.mark.parametrize("method", ["detector.detect", "new Tracker(detector).follow"])
def test_other_bytes_than_rgba_are_refused(face, method):
    said = javascript(
        STUBBED + f"try {{ await {method}({{ ...picture, data: new Uint8Array(9) }}); }}"
        " catch (error) { answer = error.message; }",
        **face,
    )
    assert "320 × 240 has 307200 bytes, RGBA; this has 9" in said


ORT = FOLDER / "node_modules" / "onnxruntime-web" / "dist" / "ort.node.min.mjs"


@pytest.mark.skipif(not ORT.exists(), reason="no `npm install` in examples/javascript")
def test_the_packaged_model_says_what_the_runtime_says():
    """Other floating-point kernels, and OpenCV's cuts at 32nds of a pixel, move it a little."""
    frame = next(iter(open_source(DEMO_CLIP))).frame
    with Detector() as detector:
        (face,) = detector(frame)
        matrix = alignment_matrix(face.landmarks)
        (look,) = detector._pipeline.run(frame, [matrix], Stopwatch())
        names = detector.aus
    said = javascript(
        f'import * as ort from "{ORT.as_uri()}"; ort.env.wasm.numThreads = 1;'
        "const session = await ort.InferenceSession.create(given.model);"
        "const detector = new Detector(ort, readSpec(given.model), session, null);"
        "answer = await detector.look(given.picture, given.alignment);",
        model=model_path("edge").read_bytes(),
        picture=picture(frame),
        alignment=flat(matrix),
    )
    assert list(said["probability"]) == list(names)
    for key, wanted in (("probability", look.probability), ("intensity", look.intensity)):
        np.testing.assert_allclose(list(said[key].values()), wanted, atol=0.03)
    np.testing.assert_allclose(said["landmarks"], look.landmarks, atol=0.1)


@pytest.mark.skipif(not ORT.exists(), reason="no `npm install` in examples/javascript")
def test_the_packaged_finder_finds_what_the_runtimes_finds():
    """As OpenCV computes the network there, and ONNX Runtime here; the tall picture is reduced."""
    frames = [crowd(), np.vstack([crowd()] * 3)]
    said = javascript(
        f'import * as ort from "{ORT.as_uri()}"; ort.env.wasm.numThreads = 1;'
        "const finder = new FaceFinder(ort, await ort.InferenceSession.create(given.model));"
        "answer = []; for (const each of given.frames) answer.push(await finder.find(each));",
        model=MODEL.read_bytes(),
        frames=[picture(frame) for frame in frames],
    )
    for found, frame, count in zip(said, frames, (2, 6), strict=True):
        wanted = NetworkFinder().find(frame)
        assert len(found) == len(wanted) == count
        places = [sorted(faces, key=lambda box: (round(box[1], -2), box[0])) for faces in (
            [face["box"] for face in found], [face.box for face in wanted]
        )]  # fmt: skip
        np.testing.assert_allclose(*places, atol=1)
