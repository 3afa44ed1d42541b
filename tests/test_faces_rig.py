import os

import numpy as np
import pytest

from lgrnet.faces.head.rig import RIG_VARIABLE, SDM49_OF_68, Part, RigError, load_rig, rig_path
from lgrnet.faces.motion.action_units import AU_SHAPES, DISTRACTORS, FACE_AUS
from runtime.action_units import AU_NAMES
from runtime.landmarks import COUNT


def test_deltas_are_decoded(toy_rig_file):
    rig = load_rig(toy_rig_file)
    with np.load(toy_rig_file) as file:
        for decoded, stored, scale in (
            (rig.identity, file["I"], file["si"]),
            (rig.expression, file["E"], file["se"]),
        ):
            assert decoded.dtype == np.float32
            for mode in range(len(stored)):
                expected = stored[mode].astype(np.float64) / 127.0 * float(scale[mode])
                np.testing.assert_allclose(decoded[mode].reshape(-1, 3), expected, atol=1e-6)


def test_a_shape_is_found_by_its_name(toy_rig_file):
    rig = load_rig(toy_rig_file)
    with np.load(toy_rig_file) as file:
        row = list(file["names"]).index("jawOpen")
        expected = file["E"][row] / 127 * file["se"][row]
    np.testing.assert_allclose(rig.shape("jawOpen"), expected, atol=1e-6)


def test_a_seam_vertex_belongs_to_the_first_part_that_names_it(toy_rig_file):
    rig = load_rig(toy_rig_file)
    first = np.full(len(rig.vertices), -1)
    for triangle, part in zip(rig.triangles, rig.part, strict=True):
        for vertex in triangle:
            if first[vertex] < 0:
                first[vertex] = part
    np.testing.assert_array_equal(rig.vertex_part, first)
    socket = np.unique(rig.triangles[rig.part == Part.EYE_SOCKET])
    assert set(rig.vertex_part[socket]) == {Part.FACE, Part.EYE_SOCKET}
    np.testing.assert_array_equal(
        rig.vertices_of(Part.LEFT_EYE), np.flatnonzero(first == Part.LEFT_EYE)
    )


def test_occlusion_and_uv_lie_in_the_unit_interval(any_studio):
    rig = any_studio.rig
    assert rig.occlusion.min() >= 0
    assert rig.occlusion.max() <= 1
    facial = rig.uv[rig.vertex_part == Part.FACE]
    assert facial.min() >= 0
    assert facial.max() <= 1


def test_every_movement_of_the_renderer_is_in_the_rig(any_studio):
    names = {name for shapes in AU_SHAPES.values() for name in shapes}
    for name in sorted(names | {*DISTRACTORS, "eyeBlink", "eyeLookUp", "eyeLookDown"}):
        known = any_studio.rig.shapes
        assert name in known or {f"{name}_L", f"{name}_R"} <= set(known), name


def test_landmarks_are_where_a_face_has_them(any_studio):
    points = any_studio.rig.vertices[any_studio.rig.landmarks68[SDM49_OF_68]]
    assert points.shape == (COUNT, 3)
    x, y, z = points.T
    assert z.argmax() == 13  # the nose tip is nearest
    assert (np.diff(x[:10]) > 0).all()  # brows from the image's left to its right
    assert x[19:25].max() < 0 < x[25:31].min()
    assert y[:10].min() > y[19:31].max() > y[14:19].max() > y[31:43].max()


def test_the_labelled_aus_are_named_and_driven():
    assert set(FACE_AUS) == set(AU_SHAPES) <= set(AU_NAMES)


def test_what_carries_no_label_is_not_what_an_au_is_known_by():
    """Or faces would do it a little in pictures that are labelled to be without it."""
    known_by = {next(iter(shapes)): au for au, shapes in AU_SHAPES.items()}
    assert [f"AU {known_by[name]}" for name in DISTRACTORS if name in known_by] == []


def test_the_argument_beats_the_environment(toy_rig_file, monkeypatch, tmp_path):
    monkeypatch.setenv(RIG_VARIABLE, str(tmp_path / "nowhere.npz"))
    assert rig_path(toy_rig_file) == toy_rig_file
    monkeypatch.setenv(RIG_VARIABLE, str(toy_rig_file))
    assert rig_path() == toy_rig_file


@pytest.mark.parametrize("named", [None, "missing.npz"])
def test_a_missing_rig_says_how_to_get_one(named, monkeypatch, tmp_path):
    monkeypatch.delenv(RIG_VARIABLE, raising=False)
    with pytest.raises(RigError) as error:
        load_rig(tmp_path / named if named else None)
    for part in ("github.com/ICT-VGL/ICT-FaceKit", "python -m lgrnet.faces.convert", RIG_VARIABLE):
        assert part in str(error.value)
    if named:
        assert os.fspath(tmp_path / named) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"this is no rig", b"\x93NUMPY"])
def test_a_file_that_is_no_rig_is_refused(content, tmp_path):
    path = tmp_path / "rig.npz"
    path.write_bytes(content)
    with pytest.raises(RigError, match="is not a face rig"):
        load_rig(path)


def test_a_rig_that_lacks_arrays_is_refused(toy_rig_file, tmp_path):
    with np.load(toy_rig_file) as file:
        arrays = {name: file[name] for name in file.files if name not in ("ao", "se")}
    np.savez(tmp_path / "rig.npz", **arrays)
    with pytest.raises(RigError, match=r"lacks the arrays \['ao', 'se'\]"):
        load_rig(tmp_path / "rig.npz")
