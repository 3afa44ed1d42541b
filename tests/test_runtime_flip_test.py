"""Answers by the mean of each face and its mirror image."""

import json

import numpy as np
import pytest
from some_videos import write_video
from test_runtime_fixtures import SpotFinder, spot, write_model

from runtime import cli
from runtime.align import warp
from runtime.backends import FrameBackend, open_backend
from runtime.backends.base import Outputs
from runtime.backends.flip_test import flip_tested, with_flip_test
from runtime.detector import Detector
from runtime.packaged import model_path

LEFT_CORNER, RIGHT_CORNER, NOSE_TIP = 31, 37, 13
"""Of the mouth, as the viewer sees them; 0-based."""


class Sided:
    """Says how bright the left third of a crop is, and puts a mouth's left corner there."""

    engine, device, provider, precision, threads = "onnxruntime", "cpu", "x 1.0", "fp32", 1
    spec = None

    def __init__(self):
        self.calls, self.closed = [], False

    def __call__(self, faces):
        self.calls.append(len(faces))
        bright = faces[:, :, :58].mean((1, 2, 3), dtype=np.float64)
        landmarks = np.zeros((len(faces), 49, 2), np.float32)
        landmarks[:, LEFT_CORNER] = np.stack([bright / 4, bright], 1)
        landmarks[:, RIGHT_CORNER] = 100, 40
        landmarks[:, NOSE_TIP] = 80, 90
        probability = (bright / 255)[:, None].astype(np.float32)
        return Outputs(probability, landmarks, 5 * probability)

    def close(self):
        self.closed = True


class SidedOfFrames(Sided):
    def from_frame(self, frame, matrices):
        return self(np.stack([warp(frame, matrix, 176) for matrix in matrices]))


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (3, 176, 176, 3), np.uint8) // np.uint8(
        [[[[1]]], [[[2]]], [[[3]]]]
    )


def test_answers_are_the_mean_of_a_face_and_its_mirror_image(faces):
    ask = Sided()
    said = flip_tested(ask, faces)
    assert ask.calls == [6], "all in one call"
    for i, face in enumerate(faces):
        left, right = face[:, :58].mean(), face[:, 118:].mean()
        mean = (left + right) / 2
        assert said.probability[i, 0] == pytest.approx(mean / 255, rel=1e-6)
        assert said.intensity[i, 0] == pytest.approx(5 * mean / 255, rel=1e-6)
        # What the mirrored face's right corner is said to be is where this face's left one is.
        corner = [(left / 4 + (175 - 100)) / 2, (left + 40) / 2]
        np.testing.assert_allclose(said.landmarks[i, LEFT_CORNER], corner, rtol=1e-6)
        corner = [(100 + (175 - right / 4)) / 2, (40 + right) / 2]
        np.testing.assert_allclose(said.landmarks[i, RIGHT_CORNER], corner, rtol=1e-6)
        np.testing.assert_allclose(said.landmarks[i, NOSE_TIP], [(80 + 175 - 80) / 2, 90])


def test_a_model_that_tells_no_intensity_and_no_face_at_all(faces):
    def ask(crops):
        return Sided()(crops)._replace(intensity=None)

    assert flip_tested(ask, faces).intensity is None
    assert flip_tested(Sided(), faces[:0]).probability.shape == (0, 1)


def test_the_packaged_model_says_the_same_of_a_face_and_its_mirror_image(faces):
    backend = with_flip_test(open_backend(model_path(None), threads=1))
    one, other = backend(faces[:1]), backend(np.ascontiguousarray(faces[:1, :, ::-1]))
    alone = open_backend(model_path(None), threads=1)(faces[:1])
    np.testing.assert_allclose(other.probability, one.probability, atol=1e-6)
    np.testing.assert_allclose(other.intensity, one.intensity, atol=1e-5)
    assert np.abs(alone.probability - one.probability).max() > 1e-3, "by itself it would not"


def test_faces_cut_out_of_a_frame_are_mirrored_by_their_matrices():
    # Of noise, each third would be as bright as any other, and as what lies outside the frame.
    frame = np.zeros((90, 120, 3), np.uint8)
    frame[:] = 2 * np.arange(120)[:, None]
    turned = np.array([[1.6, 0.4, 10.0], [-0.4, 1.6, 20.0]])
    matrices = [turned, np.array([[2.0, 0, -60], [0, 2.0, -9]])]
    backend = with_flip_test(SidedOfFrames())
    assert isinstance(backend, FrameBackend)
    got = backend.from_frame(frame, matrices)
    wanted = with_flip_test(Sided())(np.stack([warp(frame, each, 176) for each in matrices]))
    # OpenCV rounds places to 1/32 of a pixel, which is another one in the mirror.
    np.testing.assert_allclose(got.probability, wanted.probability, atol=5e-4)
    np.testing.assert_allclose(got.landmarks, wanted.landmarks, atol=0.1)


def test_it_is_the_model_that_it_asks():
    asked = Sided()
    backend = with_flip_test(asked)
    assert not isinstance(backend, FrameBackend)
    for name in ("spec", "engine", "device", "provider", "precision", "threads"):
        assert getattr(backend, name) == getattr(asked, name)
    backend.close()
    assert asked.closed


def test_a_detector_says_that_it_does_and_asks_for_both(tmp_path, monkeypatch):
    path = write_model(tmp_path / "m.onnx")
    with (
        Detector(path, finder=SpotFinder()) as plain,
        Detector(path, finder=SpotFinder(), flip_test=True) as both,
    ):
        assert repr(both) == repr(plain)[:-1] + ", flip test)"
        assert (plain.flip_test, both.flip_test) == (False, True)
        assert both.options == plain.options | {"flip_test": True}
        with both.clone(finder=SpotFinder()) as other:
            assert other.flip_test
        asked = []
        ask = both._backend._backend.__call__
        monkeypatch.setattr(
            type(both._backend._backend),
            "__call__",
            lambda _, crops: asked.append(crops) or ask(crops),
        )
        assert len(both.track(spot(100, 120)))
    assert [len(crops) for crops in asked] == [2, 2], "each time of both"
    for face, mirrored in asked:
        np.testing.assert_array_equal(mirrored, face[:, ::-1])


def test_command(tmp_path, capsys):
    path = write_model(tmp_path / "m.onnx")
    out = tmp_path / "out"
    clip = write_video(tmp_path / "clip.mp4", frames=3)
    run = [str(clip), "--model", str(path), "--out", str(out), "--no-video"]
    assert cli.main([*run, "--flip-test"]) == 0
    assert ", flip test)" in capsys.readouterr().out
    assert json.loads((out / "clip.latency.json").read_text())["options"]["flip_test"] is True
    assert cli.main([*run, "--resume"]) == 2
    assert "had options flip_test True, this one has False" in capsys.readouterr().err
