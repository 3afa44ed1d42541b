"""The pipeline with a backend that cuts faces out of the frame itself."""

import numpy as np
import pytest
from test_runtime_fixtures import MEAN_FACE, SpotFinder, make_spec, spot

from runtime.align import ALIGNED_SIZE, warp
from runtime.backends.base import Outputs
from runtime.finders import FoundFace
from runtime.latency import Stopwatch
from runtime.pipeline import Pipeline


class Means:
    """Says how bright each crop is."""

    spec = make_spec()

    def __init__(self):
        self.asked = 0

    def __call__(self, faces):
        self.asked += 1
        mean = faces.mean((1, 2, 3))
        landmarks = np.arange(98.0).reshape(1, 49, 2) + mean[:, None, None]
        return Outputs(mean[:, None] / 255, landmarks.astype(np.float32))


class MeansOfFrames(Means):
    def from_frame(self, frame, matrices):
        self.asked += 10
        return Means.__call__(self, np.stack([warp(frame, matrix, 176) for matrix in matrices]))


def test_a_backend_gets_the_frame_where_it_can_cut_faces_out():
    frame = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    half = ALIGNED_SIZE / 2
    alignments = [
        np.array([[scale, 0, half - scale * x], [0, scale, half - scale * y]])
        for scale, x, y in ((1.2, 90, 70), (0.8, 40, 100))
    ]
    given, cut = Means(), MeansOfFrames()
    wanted = Pipeline(given, None, 5).run(frame, alignments, Stopwatch())
    got = Pipeline(cut, None, 5).run(frame, alignments, Stopwatch())
    assert (given.asked, cut.asked) == (1, 11), "one batch each, one of them from the frame"
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a.landmarks, b.landmarks)
        np.testing.assert_array_equal(a.probability, b.probability)
    assert wanted[0].probability != wanted[1].probability
    assert Pipeline(cut, None, 5).run(frame, [], Stopwatch()) == []


def test_faces_of_two_frames_are_cut_out_of_their_own():
    frames = [np.full((150, 200, 3), value, np.uint8) for value in (10, 200)]
    matrix = np.array([[1.2, 0, 0], [0, 1.2, 0]])
    cuts = [(frame, matrix) for frame in frames]
    wanted = Pipeline(Means(), None, 5).run_all(cuts, Stopwatch())
    got = Pipeline(MeansOfFrames(), None, 5).run_all(cuts, Stopwatch())
    assert [look.probability.tolist() for look in got] == [
        look.probability.tolist() for look in wanted
    ]
    assert wanted[0].probability < wanted[1].probability


class Moving(Means):
    """Sees a face in its place, and when it looks again at another."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def __call__(self, faces):
        points = MEAN_FACE + (self.shift if self.asked else 0)
        self.asked += 1
        landmarks = np.repeat(points[None], len(faces), axis=0).astype(np.float32)
        return Outputs(np.zeros((len(faces), 3)), landmarks)


class Flattering(SpotFinder):
    """Sees three faces, and draws the larger box around the smaller face."""

    def find(self, frame):
        return [
            FoundFace((0, 0, side, side), 0.9, np.array([[1 / z, 0, -x / z], [0, 1 / z, -x / z]]))
            for side, z, x in ((90, 0.5, 100), (60, 1.0, 300), (70, 0.8, 700))
        ]


def test_by_size_the_largest_faces_are_those_of_the_landmarks():
    frame = np.full((1000, 1000, 3), 200, np.uint8)
    pipeline = Pipeline(Moving(0), Flattering(), 2)
    found = pipeline.find(frame, Stopwatch())
    assert [face.box[2] for face in found] == [90, 70, 60]

    def widths(by_size):
        (seen,) = pipeline.look_twice_at_all([frame], [found], Stopwatch(), by_size)
        return [np.ptp(each.look.landmarks[:, 0]) / np.ptp(MEAN_FACE[:, 0]) for each in seen]

    np.testing.assert_allclose(widths(by_size=True), [1.0, 0.8], atol=1e-4)
    np.testing.assert_allclose(widths(by_size=False), [0.5, 0.8], atol=1e-4)


@pytest.mark.parametrize(("shift", "count"), [(0, 1), (30, 1), (60, 0), (np.nan, 0)])
def test_who_is_elsewhere_at_the_second_look_is_no_face(shift, count):
    frame, finder = spot(320, 240, 640, 480), SpotFinder()
    pipeline = Pipeline(Moving(shift), finder, 5)
    assert len(pipeline.look_twice(frame, finder.find(frame), Stopwatch())) == count
    assert pipeline.backend.asked == 2
