import numpy as np
import pytest
import torch
from test_runtime_fixtures import make_spec
from tiny_network import draw_faces, tiny_network

from export.compare import Comparison, _patches_from, compare
from export.errors import ExportError
from export.judge import require_equal
from export.plain import PlainGraph
from runtime.backends.base import Outputs


class FakeBackend:
    """Answers with the network's own outputs, or with what a test makes of them."""

    def __init__(self, model, change=lambda *outputs: outputs):
        self.spec = make_spec(batch=1)
        self.graph, self.change = PlainGraph(model), change

    def __call__(self, faces):
        with torch.inference_mode():
            outputs = [self.graph(torch.from_numpy(face)[None]) for face in faces]
        arrays = (torch.cat(parts).numpy() for parts in zip(*outputs, strict=True))
        return Outputs(*self.change(*arrays))


@pytest.fixture(scope="module")
def model():
    return tiny_network()


@pytest.fixture(scope="module")
def faces():
    return draw_faces(8, seed=3)


def test_the_network_agrees_with_itself(model, faces):
    result = compare(model, FakeBackend(model), faces)
    assert (result.probability, result.landmarks, result.ties) == (0, 0, 0)
    assert result.faces == 8
    assert result.probability_spread > 0.1
    assert result.landmark_spread > 1
    assert result.failures(0, 0) == []


def test_differences_are_found_in_any_face(model, faces):
    def change(probability, landmarks):
        probability[5, 1] += 0.01
        landmarks[7, 48, 1] -= 0.25
        return probability, landmarks

    result = compare(model, FakeBackend(model, change), faces)
    assert result.probability == pytest.approx(0.01, rel=1e-3)
    assert result.landmarks == pytest.approx(0.25, rel=1e-3)
    assert result.failures(0.02, 0.3) == []
    (problem,) = result.failures(0.02, 0.2)
    assert problem.startswith("landmarks differ from PyTorch's by up to 2.50e-01")


def test_what_is_told_is_what_was_compared(model, faces, caplog):
    """The numbers of the log, and all that is wrong in one message."""

    def change(probability, landmarks):
        probability[5, 1] += 0.01
        landmarks[7, 48, 1] -= 0.25
        return probability, landmarks

    caplog.set_level("INFO", "export.judge")
    backend = FakeBackend(model, change)
    require_equal(model, backend, faces, 0.02, 0.3)
    (said,) = caplog.messages  # no patch lies between two cells
    probability, landmarks, _ = backend(faces)
    spreads = [np.ptp(each, axis=0).max() for each in (probability, landmarks)]
    assert said == (
        "compared with PyTorch on 8 faces: AU probabilities differ by at most 1.0e-02, landmarks "
        f"by 2.5e-01 px (between faces they vary by {spreads[0]:.1e} and {spreads[1]:.1e} px)"
    )
    with pytest.raises(ExportError) as told:
        require_equal(model, backend, faces, 0.005, 0.2)
    assert str(told.value) == (
        "not exported: AU probabilities differ from PyTorch's by up to 1.00e-02, the tolerance is "
        "5e-03; landmarks differ from PyTorch's by up to 2.50e-01, the tolerance is 2e-01"
    )


def test_the_same_answer_to_all_faces_fails_whatever_the_tolerance(model, faces):
    def change(probability, landmarks):
        return probability.mean(0).repeat(8).reshape(5, 8).T, landmarks[:1].repeat(8, 0)

    problems = compare(model, FakeBackend(model, change), faces).failures(1, 1000)
    assert len(problems) == 2
    assert all("do not tell faces apart" in problem for problem in problems)


def test_not_a_number_fails(model, faces):
    def change(probability, landmarks):
        probability[2, 0] = np.nan
        return probability, landmarks

    assert compare(model, FakeBackend(model, change), faces).failures(1, 1000)


def test_every_place_of_a_large_batch_gets_a_face(model, faces):
    def change(probability, landmarks):
        assert len(probability) == 20
        probability[19] += 0.5
        return probability, landmarks

    backend = FakeBackend(model, change)
    backend.spec = make_spec(batch=20)
    assert compare(model, backend, faces).probability == pytest.approx(0.5)


def test_a_patch_between_two_cells_is_compared_with_the_same_cells(model, faces, caplog):
    """Move the landmarks of one face by so little that one patch goes to the next cell."""
    with torch.inference_mode():
        landmarks = PlainGraph(model)(torch.from_numpy(faces))[1]
        used = landmarks[:, model.patches.points, 0]  # all drops are vertical
        cells = used * model.patches.cells_per_pixel
        gaps = (cells.floor() + 0.5 - cells).where(cells.frac() < 0.5, torch.tensor(1.0))
        face, point = divmod(int(gaps.argmin()), gaps.shape[1])
        step = float(gaps.min() / model.patches.cells_per_pixel) + 1e-4
        moved = landmarks[face].clone()
        moved[int(model.patches.points[point]), 0] += step
        with _patches_from(model, moved.numpy()):
            with_moved = PlainGraph(model)(torch.from_numpy(faces[face])[None])[0][0].numpy()

    def change(probability, landmarks):
        assert np.abs(probability[face] - with_moved).max() > 1e-3
        probability[face], landmarks[face] = with_moved, moved.numpy()
        return probability, landmarks

    result = compare(model, FakeBackend(model, change), faces)
    assert result.ties == 1
    assert result.probability == 0
    assert result.landmarks == pytest.approx(step, rel=0.1)
    caplog.set_level("INFO", "export.judge")
    require_equal(model, FakeBackend(model, change), faces, 0, 2 * step)
    assert caplog.messages[1].startswith("on 1 of the faces a patch lies in the middle between")


def test_intensities_are_compared_on_their_own_scale(faces):
    def change(probability, landmarks, intensity):
        intensity[2, 3] += 0.04
        return probability, landmarks, intensity

    model = tiny_network(intensity=True)
    assert compare(model, FakeBackend(model), faces).intensity == 0
    result = compare(model, FakeBackend(model, change), faces)
    assert (result.probability, result.landmarks) == (0, 0)
    assert result.intensity == pytest.approx(0.04, rel=1e-3)
    assert result.failures(0.01, 0) == []
    (problem,) = result.failures(0.005, 0)
    assert problem.startswith("AU intensities differ from PyTorch's by up to 4.00e-02")


def verdict(probability=0.0, landmarks=0.0, spread=1.0, landmark_spread=9.0, **more):
    return Comparison(8, probability, landmarks, 0, spread, landmark_spread, **more).failures(1, 99)


def test_faces_differ_by_more_than_twice_what_the_computations_do():
    assert verdict(0.25, spread=0.5) == [
        "AU probabilities vary by 5.00e-01 between faces and differ from PyTorch's by 2.50e-01, so "
        "that they do not tell faces apart"
    ]
    assert verdict(0.25, spread=0.501) == []
    (problem,) = verdict(landmarks=3.0, landmark_spread=6.0)
    assert problem.startswith("landmarks vary by 6.00e+00 between faces")
    assert verdict(landmarks=3.0, landmark_spread=6.1) == []
    (problem,) = verdict(intensity=1.0, intensity_spread=2.0)
    assert problem.startswith("AU intensities vary by 2.00e+00 between faces")
    assert verdict(intensity=1.0, intensity_spread=2.1) == []
    assert len(verdict(spread=0.0)) == 1, "one answer to all faces, were it right to the last digit"


@pytest.mark.parametrize(
    "lost",
    [{"probability": np.nan}, {"landmarks": np.nan}, {"intensity": np.nan, "intensity_spread": 9}],
)
def test_a_difference_that_is_no_number_is_within_no_tolerance(lost):
    differs, same = verdict(**lost)
    assert "by up to nan, the tolerance is" in differs
    assert "differ from PyTorch's by nan, so that they do not tell" in same


def test_a_spread_that_is_no_number_tells_no_faces_apart():
    (problem,) = verdict(spread=np.nan)
    assert problem.startswith("AU probabilities vary by nan between faces")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_not_a_number_is_found_in_any_output(place):
    def change(*outputs):
        outputs[place][3, 0] = np.nan
        return outputs

    model = tiny_network(intensity=True)
    result = compare(model, FakeBackend(model, change), draw_faces(8, seed=3))
    lost = [result.probability, result.landmarks, result.intensity]
    assert [bool(np.isnan(value)) for value in lost] == [n == place for n in range(3)]
    assert len(result.failures(1, 1000)) == 2
