import numpy as np
import pytest

from lgrnet.faces.motion.expression import Expression, pose_vertices
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.person.strain import compression, facial_triangles


def sheet(cells=6):
    """Return a flat square sheet, its triangles and texture coordinates turned by some angle."""
    x, y = np.meshgrid(np.linspace(0, 4, cells), np.linspace(0, 4, cells), indexing="ij")
    vertices = np.stack([x, y, 0 * x], -1).reshape(-1, 3).astype(np.float32)
    corner = np.arange(cells * cells).reshape(cells, cells)
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return vertices, triangles.astype(np.int32), (vertices[:, :2] / 5).astype(np.float32)


def squeezed(vertices, angle, share):
    """Shorten a flat sheet by a share along a direction, in degrees."""
    along = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)), 0])
    return (vertices - share * np.outer(vertices @ along, along)).astype(np.float32)


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120, 135, 170])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_squeezed_sheet_tells_how_much_and_which_way(angle, share):
    rest, triangles, uv = sheet()
    got = compression(rest, squeezed(rest, angle, share), triangles, uv)
    twice = np.deg2rad(2 * angle)
    np.testing.assert_allclose(
        got, [[share * np.cos(twice), share * np.sin(twice)]] * len(rest), atol=2e-3
    )


@pytest.mark.parametrize("turn", [0.0, 0.7, 2.0])
def test_it_does_not_matter_how_the_sheet_lies_in_space(turn):
    rest, triangles, uv = sheet()
    posed = squeezed(rest, 60, 0.25)
    c, s = np.cos(turn), np.sin(turn)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.array(
        [[1, 0, 0], [0, c, -s], [0, s, c]]
    )
    expected = compression(rest, posed, triangles, uv)
    got = compression(rest, (posed @ rotation.T + 3).astype(np.float32), triangles, uv)
    np.testing.assert_allclose(got, expected, atol=2e-3)


def test_stretched_or_resting_skin_does_not_fold():
    rest, triangles, uv = sheet()
    assert not compression(rest, rest, triangles, uv).any()
    np.testing.assert_allclose(compression(rest, 1.3 * rest, triangles, uv), 0, atol=1e-6)


def test_a_frown_squeezes_across_and_raised_brows_squeeze_down(any_studio):
    rig, person = any_studio.rig, make_identity(any_studio, 3)
    between = rig.landmarks68[[21, 22]]
    middle = rig.vertices[between].mean(0)
    triangles = facial_triangles(rig)

    def strain(au, centre):
        posed = pose_vertices(any_studio, person, Expression({au: 1.0}))
        near = np.linalg.norm(rig.vertices - centre, axis=1) < 1.6
        near &= np.isin(np.arange(len(rig.vertices)), triangles)
        return compression(person.vertices, posed, triangles, rig.uv)[near].mean(0)

    assert strain(1, middle + np.array([0, 1.5, 0]))[0] < -0.02  # doubled 90° is -1
    assert strain(4, middle)[0] > 0.02
