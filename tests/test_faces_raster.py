import numpy as np
import pytest

from lgrnet.faces.drawing.raster import (
    FAR,
    NO_HEIGHT,
    bilinear,
    face_texture_buffer,
    rasterise,
    vertex_normals,
)

SQUARE = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def rasterise_plainly(points, triangles, height, width, cull):
    """Solve for the weights of every triangle at every pixel.

    Returns triangle and depth of each pixel, and whether rounding may decide otherwise.
    """
    points = points.astype(np.float64)
    triangle = np.full((height, width), -1)
    depth = np.full((height, width), FAR)
    doubtful = np.zeros((height, width), bool)
    y, x = np.mgrid[:height, :width] + 0.5
    for number, corners in enumerate(triangles):
        (xa, ya, za), (xb, yb, zb), (xc, yc, zc) = points[corners]
        system = np.array([[xa, xb, xc], [ya, yb, yc], [1, 1, 1]])
        signed = np.linalg.det(system)
        if abs(signed) < 1e-9 or (cull and signed > 0):
            continue
        weights = np.einsum("ij,jhw->ihw", np.linalg.inv(system), np.stack([x, y, 0 * x + 1]))
        z = np.tensordot([za, zb, zc], weights, 1)
        edge = weights.min(0)
        doubtful |= (np.abs(edge) < 1e-4) | ((edge > -1e-4) & (np.abs(z - depth) < 1e-4))
        nearer = (edge >= 0) & (z < depth)
        triangle[nearer], depth[nearer] = number, z[nearer]
    return triangle, depth, doubtful


@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize(("height", "width", "count"), [(1, 1, 5), (16, 40, 30), (64, 48, 200)])
def test_every_pixel_agrees_with_a_plain_loop(height, width, count, cull):
    rng = np.random.default_rng(count)
    points = rng.uniform(-0.3, 1.3, (3 * count, 3)) * (width, height, 9)
    points = np.append(points, [[1.0, 1, 1]] * 3, axis=0).astype(np.float32)  # and one point-like
    triangles = np.arange(3 * count + 3, dtype=np.int32).reshape(-1, 3)
    triangle, depth, doubtful = rasterise_plainly(points, triangles, height, width, cull)
    found = rasterise(points, triangles, height, width, cull)
    sure = ~doubtful
    assert sure.mean() > 0.9 or height == 1
    np.testing.assert_array_equal(found.triangle[sure], triangle[sure])
    np.testing.assert_allclose(found.depth[sure], depth[sure], rtol=1e-3)
    hit = sure & (triangle >= 0)
    weights = np.dstack([found.weights, 1 - found.weights.sum(2)])[hit]
    corners = points[triangles[found.triangle[hit]]]
    centres = np.argwhere(hit)[:, ::-1] + 0.5
    np.testing.assert_allclose((corners * weights[..., None]).sum(1)[:, :2], centres, atol=1e-2)


def test_a_square_covers_its_pixels_once():
    points = np.array([[2, 3, 1], [2, 7, 1], [6, 7, 1], [6, 3, 1]], np.float32)
    expected = np.zeros((10, 10), bool)
    expected[3:7, 2:6] = True
    np.testing.assert_array_equal(rasterise(points, SQUARE, 10, 10, True).triangle >= 0, expected)


def test_only_triangles_that_face_away_are_culled():
    # Counter-clockwise as the viewer sees it, with y down.
    points = np.array([[0, 0, 1], [0, 8, 1], [8, 8, 1], [8, 0, 1]], np.float32)
    away = np.ascontiguousarray(SQUARE[:, ::-1])
    assert (rasterise(points, SQUARE, 8, 8, True).triangle >= 0).all()
    assert (rasterise(points, away, 8, 8, True).triangle < 0).all()
    assert (rasterise(points, away, 8, 8, False).triangle >= 0).all()


@pytest.mark.parametrize("near_first", [False, True])
def test_the_nearer_triangle_wins_in_any_order(near_first):
    corners = np.array([[0, 0], [0, 9], [9, 9]], np.float32)
    depths = (3.0, 5.0) if near_first else (5.0, 3.0)
    points = np.concatenate(
        [np.column_stack([corners, np.full(3, depth)]) for depth in depths]
    ).astype(np.float32)
    found = rasterise(points, np.arange(6, dtype=np.int32).reshape(2, 3), 9, 9, True)
    covered = found.triangle >= 0
    assert set(found.triangle[covered]) == {depths.index(3.0)}
    np.testing.assert_allclose(found.depth[covered], 3)
    np.testing.assert_array_equal(found.depth[~covered], np.float32(FAR))


def test_vertex_normals_are_area_weighted_means():
    rng = np.random.default_rng(0)
    vertices = rng.normal(0, 1, (40, 3)).astype(np.float32)
    triangles = rng.integers(0, 39, (90, 3)).astype(np.int32)  # vertex 39 is in none
    a, b, c = vertices[triangles].astype(np.float64).transpose(1, 0, 2)
    expected = np.zeros((40, 3))
    for corner in range(3):
        np.add.at(expected, triangles[:, corner], np.cross(b - a, c - a))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True) + 1e-9
    found = vertex_normals(vertices, triangles)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(found[39], 0)


def test_normals_of_a_rig_point_outwards(any_studio):
    rig = any_studio.rig
    normals = vertex_normals(rig.vertices, rig.triangles)
    assert (normals[rig.landmarks68, 2] > 0).mean() > 0.9
    for eyeball in any_studio.eyeballs:
        ball = rig.vertices[eyeball]
        outwards = ball - (ball.mean(0) - (0, 0, 0.5))
        assert ((normals[eyeball] * outwards).sum(1) > 0).mean() > 0.95


def test_bilinear_reproduces_a_plane():
    texture = np.add.outer(10 * np.arange(6.0), np.arange(6.0)).astype(np.float32)
    assert bilinear(texture, 2.25, 3.5) == pytest.approx(35 + 2.25)


def test_only_facial_pixels_have_texels():
    points = np.array([[0, 0, 1], [0, 8, 1], [8, 8, 1], [8, 0, 1]], np.float32)
    uv = np.stack([points[:, 0] / 8, 1 - points[:, 1] / 8], 1)  # the picture, v up
    fragments = rasterise(points, SQUARE, 8, 8, True)
    height_map = np.add.outer(np.zeros(8), np.arange(8.0)).astype(np.float32)
    part = np.array([0, 1], np.uint8)
    flat, calm = np.zeros((4, 8, 8), np.float32), np.zeros((4, 2), np.float32)
    texel, heights = face_texture_buffer(
        *(fragments, SQUARE, part, uv, height_map, flat, flat[0], calm),
        *(flat[0], calm[:, 0]),
    )
    facial = fragments.triangle == 0
    assert facial.any()
    assert (~facial).any()
    np.testing.assert_array_equal(heights[~facial], np.float32(NO_HEIGHT))
    rows, columns = np.nonzero(facial)
    np.testing.assert_allclose(
        texel[facial], np.clip(np.stack([columns, rows], 1), 0, 6.999), atol=1e-4
    )
    np.testing.assert_allclose(heights[facial], np.clip(columns, 0, 6.999), atol=1e-3)


@pytest.mark.parametrize(
    ("direction", "doubled"), list(enumerate([(1, 0), (0, 1), (-1, 0), (0, -1)]))
)
def test_squeezed_skin_takes_the_lines_of_its_direction_and_the_folds(direction, doubled):
    points = np.array([[0, 0, 1], [0, 8, 1], [8, 8, 1], [8, 0, 1]], np.float32)
    uv = np.stack([points[:, 0] / 8, 1 - points[:, 1] / 8], 1)
    fragments = rasterise(points, SQUARE, 8, 8, True)
    lines = np.stack([np.full((8, 8), -(10.0**each)) for each in range(4)]).astype(np.float32)
    folds = np.full((8, 8), -0.5, np.float32)
    squeeze = np.tile(0.25 * np.array(doubled, np.float32), (4, 1))
    _, heights = face_texture_buffer(
        *(fragments, SQUARE, np.zeros(2, np.uint8), uv, np.ones((8, 8), np.float32)),
        *(lines, folds, squeeze, 0 * folds, np.zeros(4, np.float32)),
    )
    np.testing.assert_allclose(heights, 1 - 0.25 * 10.0**direction - 0.25 * 0.5, rtol=1e-4)


def test_raised_cheeks_add_their_relief_where_they_are_raised():
    points = np.array([[0, 0, 1], [0, 8, 1], [8, 8, 1], [8, 0, 1]], np.float32)
    uv = np.stack([points[:, 0] / 8, 1 - points[:, 1] / 8], 1)
    fragments = rasterise(points, SQUARE, 8, 8, True)
    flat = np.zeros((4, 8, 8), np.float32)
    _, heights = face_texture_buffer(
        *(fragments, SQUARE, np.zeros(2, np.uint8), uv, flat[0]),
        *(flat, flat[0], np.zeros((4, 2), np.float32)),
        *(np.full((8, 8), 3, np.float32), np.array([0, 0, 1, 1], np.float32)),
    )
    across = 3 * (np.arange(8) + 0.5) / 8  # raised at the right edge, not at the left one
    np.testing.assert_allclose(heights, np.tile(across, (8, 1)), atol=1e-4)
