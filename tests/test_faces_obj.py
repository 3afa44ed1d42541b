import numpy as np
import pytest

from lgrnet.faces.head.obj import ObjError, read_obj, read_vertices

CUBE = """\
# a cube without its lid, with texture coordinates
mtllib none.mtl
o cube
v -1 -1 -1
v 1 -1 -1
v 1 1 -1 1.0
v -1 1 -1
v -1 -1 1.0e0
v 1 -1 1
v 1 1 1
v -1 1 1
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vn 0 0 1
usemtl side
f 1/1 4/4 3/3 2/2
f 5/1/1 6/2/1 7/3/1 8/4/1
f 1/1 2/2 6/3
"""


def test_quads_become_triangles(tmp_path):
    (tmp_path / "cube.obj").write_text(CUBE)
    mesh = read_obj(tmp_path / "cube.obj")
    assert mesh.vertices.shape == (8, 3)
    np.testing.assert_array_equal(mesh.vertices[4], [-1, -1, 1])
    np.testing.assert_array_equal(
        mesh.triangles, [[0, 3, 2], [0, 2, 1], [4, 5, 6], [4, 6, 7], [0, 1, 5]]
    )
    np.testing.assert_array_equal(mesh.uv[mesh.uv_triangles[4]], [[0, 0], [1, 0], [1, 1]])
    # Vertex 6 of the file lies on a seam: the second face, not the third, says where it is.
    np.testing.assert_array_equal(mesh.vertex_uv()[[4, 5]], [[0, 0], [1, 0]])
    np.testing.assert_array_equal(read_vertices(tmp_path / "cube.obj"), mesh.vertices)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CUBE.replace("v 1 -1 -1", "v 1 one -1"), "line 5: 'v 1 one -1'"),
        (CUBE.replace("v 1 -1 -1", "v 1 -1"), "line 5"),
        (CUBE.replace("f 1/1 2/2 6/3", "f 1/1 2/2"), "three corners"),
        (CUBE.replace("f 1/1 2/2 6/3", "f 1 2 6"), "line 20"),
        (CUBE.replace("6/3", "60/3"), "names vertex 60, but there are 8"),
        (CUBE.replace("6/3", "6/30"), "names texture coordinate 30, but there are 4"),
        ("version https://git-lfs.github.com/spec/v1\n", "has no vertex"),
        ("", "has no vertex"),
    ],
)
def test_what_is_no_obj_file_is_refused(text, message, tmp_path):
    path = tmp_path / "mesh.obj"
    path.write_text(text)
    with pytest.raises(ObjError, match=message) as error:
        read_obj(path)
    assert str(path) in str(error.value)
