import numpy as np
import pytest

from lgrnet.faces.head.rig import Part
from lgrnet.faces.noise import fractal_noise, smoothstep
from lgrnet.faces.person.chart import make_chart


@pytest.fixture(scope="module")
def chart(any_studio):
    return any_studio.chart


def test_a_landmarks_texel_lies_on_the_landmark(any_studio, chart):
    expected = any_studio.rig.vertices[any_studio.rig.landmarks68]
    column, row = np.floor(chart.landmarks).astype(int).T
    away = np.linalg.norm(chart.position[row, column] - expected, axis=1)
    assert np.median(away) < 0.05
    assert away.max() < 0.35  # at a lip's edge the next texel may be on the other lip


def test_every_texel_lies_on_the_face(any_studio, chart):
    facial = any_studio.rig.vertices[any_studio.rig.vertex_part == Part.FACE]
    assert chart.position.shape == (chart.size, chart.size, 3)
    assert (chart.position.reshape(-1, 3) >= facial.min(0) - 1e-3).all()
    assert (chart.position.reshape(-1, 3) <= facial.max(0) + 1e-3).all()
    # Left to right in the chart is left to right in the picture.
    middle = chart.position[chart.size // 2]
    assert middle[0, 0] < -4 < 4 < middle[-1, 0]


def test_lips_and_lashes_are_masked_where_they_are(chart):
    def at(mask, points):
        column, row = np.floor(points).astype(int)
        return mask[row, column]

    lower_lip = (chart.landmarks[57] + chart.landmarks[66]) / 2
    assert at(chart.lips, lower_lip) > 0.9
    assert at(chart.lips, chart.landmarks[30]) == 0
    for mask, eye in zip(chart.lashes, (range(36, 40), range(42, 46)), strict=True):
        assert all(at(mask, chart.landmarks[index]) > 0.4 for index in eye)
        assert at(mask, chart.landmarks[30]) == 0
    assert chart.lips.max() <= 1


def test_the_chart_scales(any_studio, chart):
    small = make_chart(any_studio.rig, chart.size // 4)
    np.testing.assert_allclose(small.landmarks * 4, chart.landmarks, atol=1e-3)
    assert small.brow_span * 4 == pytest.approx(chart.brow_span, abs=1e-3)


def test_noise_is_normalised_and_seeded():
    first, again = (fractal_noise(np.random.default_rng(3), 64) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (64, 64)
    assert first.std() == pytest.approx(1, abs=1e-3)


def test_smoothstep_rises_between_its_ends():
    rise = smoothstep(np.array([-1.0, 0.0, 0.5, 1.0, 9.0]), 0, 1)
    np.testing.assert_allclose(rise, [0, 0, 0.5, 1, 1])
