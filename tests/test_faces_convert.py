import itertools
import json
import os

import numpy as np
import pytest

from lgrnet.faces.convert import CloneError, convert, main, quantise, triangle_blocks
from lgrnet.faces.drawing.occlusion import visibility
from lgrnet.faces.head.ict_facekit import BLOCKS, COMMIT, EXPRESSIONS, SOURCE, Block
from lgrnet.faces.head.rig import Part, load_rig


def write_obj(path, vertices, triangles, uv):
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in uv]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in triangles + 1]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def original(toy_rig_file):
    """Return the toy rig with a triangle of the neck and one of an eyeball moved out of sight."""
    rig = load_rig(toy_rig_file)
    neck = rig.triangles[np.flatnonzero(rig.part == Part.HEAD)[0]]
    rig.vertices[neck, 1] = -20
    back = rig.triangles[np.flatnonzero(rig.part == Part.LEFT_EYE)[-1]]
    rig.vertices[back, 2] = 5
    return rig


@pytest.fixture(scope="module")
def blocks(original):
    """Return the blocks of the toy rig, its gums to be left out."""
    found = []
    for part in Part:
        own = np.flatnonzero(original.vertex_part == part)
        found.append(
            Block(part.name, int(own[0]), int(own[-1]), None if part == Part.GUMS else part)
        )
    return found


@pytest.fixture(scope="module")
def clone(original, tmp_path_factory):
    """Return a folder that holds the toy rig in the way ICT-FaceKit holds its model."""
    root = tmp_path_factory.mktemp("clone")
    model = root / "FaceXModel"
    model.mkdir()
    rest = original.vertices.astype(np.float64)
    meshes = {"generic_neutral_mesh": rest}
    for name in EXPRESSIONS:
        meshes[name] = rest + original.shape(name)
    for number, mode in enumerate(original.identity[:2]):
        meshes[f"identity{number:03d}"] = rest + mode.reshape(-1, 3)
    for name, vertices in meshes.items():
        write_obj(model / f"{name}.obj", vertices, original.triangles, original.uv)
    index = {"idx_to_landmark_verts": original.landmarks68.tolist()}
    (model / "vertex_indices.json").write_text(json.dumps(index))
    return root


@pytest.fixture(scope="module")
def converted(clone, blocks, tmp_path_factory):
    path = tmp_path_factory.mktemp("converted") / "deep" / "rig.npz"
    convert(clone, path, 2, blocks, progress=False)
    return path


@pytest.fixture
def broken(clone, tmp_path):
    """Return a copy of the clone that a test may break."""
    for path in (clone / "FaceXModel").iterdir():
        target = tmp_path / "clone" / "FaceXModel" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    return tmp_path / "clone"


def replace_text(path, text):
    path.unlink()  # it is a hard link
    path.write_text(text)


def expected_triangles(original):
    corners = original.vertices[original.triangles]
    keep = original.part != Part.GUMS
    keep &= ~((original.part == Part.HEAD) & (corners[:, :, 1].max(1) < -15.5))
    keep &= ~((original.part >= Part.LEFT_EYE) & (corners[:, :, 2].mean(1) < 7.6))
    assert 2 <= (~keep & (original.part != Part.GUMS)).sum() <= 20
    return keep


def test_a_clone_becomes_the_rig_it_came_from(original, converted):
    rig = load_rig(converted)
    keep = expected_triangles(original)
    np.testing.assert_array_equal(rig.part, original.part[keep])
    corners = original.triangles[keep]
    np.testing.assert_allclose(rig.vertices[rig.triangles], original.vertices[corners], atol=1e-5)
    np.testing.assert_allclose(rig.uv[rig.triangles], original.uv[corners], atol=1e-5)
    assert len(rig.vertices) == len(np.unique(corners))
    np.testing.assert_allclose(
        rig.vertices[rig.landmarks68], original.vertices[original.landmarks68], atol=1e-5
    )
    assert tuple(rig.shapes) == EXPRESSIONS
    for name in EXPRESSIONS:
        expected = original.shape(name)[corners]
        step = np.abs(original.shape(name)).max() / 127
        found = rig.shape(name)[rig.triangles]
        np.testing.assert_allclose(found, expected, atol=0.51 * step + 1e-5)
    assert len(rig.identity) == 2


def test_the_licence_travels_in_the_file(converted):
    with np.load(converted) as file:
        text = str(file["licence"])
    for part in ("MIT License", "2020 USC Institute for Creative Technologies", "CVPR 2020"):
        assert part in text


def test_nothing_is_left_beside_the_rig(converted):
    assert [path.name for path in converted.parent.iterdir()] == ["rig.npz"]


def test_the_inside_of_the_mouth_is_darker_than_the_face(converted):
    rig = load_rig(converted)
    mouth = rig.occlusion[np.unique(rig.triangles[rig.part == Part.MOUTH_SOCKET])]
    assert mouth.mean() < 0.5 * rig.occlusion[rig.landmarks68].mean()


def test_visibility_of_a_plate_under_another():
    plate = np.array([[-3, -3, 0], [3, -3, 0], [3, 3, 0], [-3, 3, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    alone = visibility(plate, triangles)
    np.testing.assert_allclose(alone, 1, atol=0.05)
    lid = plate * 4 + (0, 0, 1)
    covered = visibility(np.concatenate([plate, lid]), np.concatenate([triangles, triangles + 4]))
    assert covered[:4].max() < 0.3
    assert covered[4:].min() > 0.9


def test_the_blocks_are_those_of_the_readme():
    assert BLOCKS[0].first == 0
    for before, after in itertools.pairwise(BLOCKS):
        assert after.first == before.last + 1
    sizes = [block.last - block.first + 1 for block in BLOCKS]
    assert sum(sizes) == 26_719
    assert dict(zip([block.name for block in BLOCKS], sizes, strict=True)) == {
        **{"face": 9409, "head and neck": 1839, "mouth socket": 2046, "eye sockets": 2 * 384},
        **{"gums and tongue": 2977, "upper left molars": 568, "upper front teeth": 1072},
        **{"upper right and lower left molars": 1135, "lower front teeth": 1070},
        **{"lower right molars": 567, "left sclera": 770, "left iris": 800},
        **{"right sclera": 770, "right iris": 800},
        "tear films, eye blends, lashes": 2 * (204 + 24 + 152 + 684),
    }
    assert {block.part for block in BLOCKS} == {*Part, None}


def test_a_triangle_belongs_to_the_block_of_its_highest_vertex():
    triangles = np.array([[0, 1, 9408], [0, 9409, 9408], [13293, 5, 6], [13294, 0, 1]])
    names = [BLOCKS[index].name for index in triangle_blocks(triangles, BLOCKS)]
    assert names == ["face", "head and neck", "mouth socket", "eye sockets"]


def test_quantising_is_within_half_a_step():
    deltas = np.random.default_rng(0).normal(0, 0.3, (3, 50, 3))
    deltas[1] = 0
    stored, scale = quantise(deltas)
    assert stored.dtype == np.int8
    decoded = stored * (scale[:, None, None] / 127)
    assert (np.abs(decoded - deltas) <= scale[:, None, None] / 254 + 1e-6).all()
    np.testing.assert_array_equal(np.abs(stored).max((1, 2)), [127, 0, 127])


@pytest.mark.parametrize("name", ["generic_neutral_mesh.obj", "jawOpen.obj", "vertex_indices.json"])
def test_a_missing_file_is_named(broken, tmp_path, blocks, name):
    (broken / "FaceXModel" / name).unlink()
    with pytest.raises(CloneError) as error:
        convert(broken, tmp_path / "rig.npz", 2, blocks, progress=False)
    for part in (f"FaceXModel{os.sep}{name}", SOURCE, COMMIT, str(broken)):
        assert part in str(error.value)


def test_another_mesh_is_refused(broken, tmp_path, blocks):
    replace_text(broken / "FaceXModel" / "jawOpen.obj", "v 1 2 3\n" * 8)
    with pytest.raises(CloneError, match=r"jawOpen\.obj has 8 vertices, not 1096"):
        convert(broken, tmp_path / "rig.npz", 2, blocks, progress=False)
    with pytest.raises(CloneError, match=r"mesh\.obj has 1096 vertices, not 26719"):
        convert(broken, tmp_path / "rig.npz", 2, progress=False)
    assert not (tmp_path / "rig.npz").exists()


def test_another_order_of_vertices_is_refused(original, broken, tmp_path, blocks):
    path = broken / "FaceXModel" / "generic_neutral_mesh.obj"
    path.unlink()
    order = np.random.default_rng(0).permutation(len(original.vertices))
    write_obj(path, original.vertices, order[original.triangles], original.uv)
    with pytest.raises(CloneError, match="orders its vertices in another way"):
        convert(broken, tmp_path / "rig.npz", 2, blocks, progress=False)


@pytest.mark.parametrize("text", ["{}", "no json", '{"idx_to_landmark_verts": [1, 2]}', "[]"])
def test_landmarks_that_are_none_are_refused(broken, tmp_path, blocks, text):
    replace_text(broken / "FaceXModel" / "vertex_indices.json", text)
    with pytest.raises(CloneError, match="idx_to_landmark_verts"):
        convert(broken, tmp_path / "rig.npz", 2, blocks, progress=False)


def test_a_failed_write_leaves_nothing(clone, blocks, tmp_path, monkeypatch):
    def die(file, **_):
        file.write(b"half a rig")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", die)
    with pytest.raises(OSError, match="no space"):
        convert(clone, tmp_path / "rig.npz", 1, blocks, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_reports_errors(tmp_path, caplog, clone):
    out = tmp_path / "rig.npz"
    assert main([str(tmp_path), "-o", str(out)]) == 2
    assert f"git clone {SOURCE}" in caplog.text
    # The toy clone has two identities, and its mesh is not ICT-FaceKit's.
    assert main([str(clone), "-o", str(out), "--no-progress"]) == 2
    assert "identity002.obj and 97 more" in caplog.text
    assert main([str(clone), "-o", str(out), "--identity-modes", "2", "--no-progress"]) == 2
    assert "not 26719" in caplog.text
    with pytest.raises(SystemExit, match="2"):
        main([str(clone), "--identity-modes", "0"])
    assert not out.exists()


def test_the_real_rig_has_what_the_converter_keeps():
    if not os.environ.get("LGRNET_FACE_RIG"):
        pytest.skip("LGRNET_FACE_RIG names no real face rig")
    rig = load_rig()
    assert tuple(rig.shapes) == EXPRESSIONS
    assert (rig.vertex_part == Part.FACE).sum() == 9409
    assert len(rig.triangles) == 31_758
    # Its vertices keep their order, so the highest one still tells each triangle's part.
    last = [rig.vertices_of(part).max() for part in Part]
    np.testing.assert_array_equal(np.searchsorted(last, rig.triangles.max(1)), rig.part)
    baked = visibility(rig.vertices, rig.triangles)
    facial = rig.vertex_part == Part.HEAD
    assert np.abs(baked - rig.occlusion)[facial].mean() < 0.01
