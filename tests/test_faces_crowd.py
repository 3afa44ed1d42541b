import cv2
import numpy as np
import pytest

from lgrnet.faces import crowd
from lgrnet.faces.crowd_scenes import HEIGHT, SCENES, WIDTH, Actor, CrowdScene, Pillar
from lgrnet.faces.generate import Recipe
from lgrnet.faces.head.rig import RigError
from runtime.boxes import face_box


def scene(*actors: Actor, pillars=(), frames: int = 1) -> CrowdScene:
    return CrowdScene("test", frames, actors, pillars)


def heads(studio, what: CrowdScene) -> list[crowd.TrueHead]:
    ((picture, found),) = crowd.render_scene(studio, what, seed=1)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture.dtype == np.uint8
    return sorted(found, key=lambda head: head.identity)


def middle(head: crowd.TrueHead) -> np.ndarray:
    x, y, width, height = face_box(head.landmarks)
    return np.array([x + width / 2, y + height / 2])


def test_heads_are_where_the_script_says(toy_studio):
    left, right = heads(
        toy_studio, scene(Actor(0, ((0, 150, 180, 4),)), Actor(1, ((0, 450, 180, 5),)))
    )
    np.testing.assert_allclose(middle(left), [150, 180], atol=25)
    np.testing.assert_allclose(middle(right), [450, 180], atol=25)
    ratio = face_box(right.landmarks)[2] / face_box(left.landmarks)[2]
    assert ratio == pytest.approx(5 / 4, rel=0.2)
    assert left.visible > 0.6
    assert right.visible > 0.6


def test_the_nearer_head_hides_the_other(toy_studio):
    far, near = Actor(0, ((0, 300, 180, 4),)), Actor(1, ((0, 302, 180, 5),))
    visible = {
        head.identity - crowd.FIRST_PERSON - 100: head.visible
        for head in heads(toy_studio, scene(far, near))
    }
    assert visible[1] > 0.6
    assert visible.get(0, 0) < 0.3
    (alone,) = heads(toy_studio, scene(far))
    assert alone.visible > 0.6


def test_pillar_hides_what_is_behind_it_only(toy_studio):
    pillar = Pillar(250, 350, 4.5)
    found = heads(
        toy_studio,
        scene(Actor(0, ((0, 300, 180, 4),)), Actor(1, ((0, 300, 180, 6),)), pillars=(pillar,)),
    )
    numbers = [head.identity - crowd.FIRST_PERSON - 100 for head in found if head.visible > 0.3]
    assert numbers == [1]


def test_head_that_leaves_is_visible_in_part_and_then_not_there(toy_studio):
    (half,) = heads(toy_studio, scene(Actor(0, ((0, WIDTH, 180, 4),))))
    assert 0.1 < half.visible < 0.6
    assert heads(toy_studio, scene(Actor(0, ((0, WIDTH + 110, 180, 4),)))) == []


def test_files_and_truth_agree(toy_rig_file, tmp_path, monkeypatch):
    short = CrowdScene("short", 3, (Actor(0, ((0, 100, 180, 4), (2, 120, 180, 4))),))
    monkeypatch.setattr(crowd, "SCENES", (short,))
    ((video, truth),) = crowd.render_crowd(tmp_path, toy_rig_file, 1, progress=False)
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    read = crowd.read_crowd(truth)
    assert sorted(read) == [0, 1, 2]
    moved = middle(read[2][0]) - middle(read[0][0])
    np.testing.assert_allclose(moved, [20, 0], atol=3)
    before = video.stat().st_mtime_ns
    crowd.render_crowd(tmp_path, None, 1, progress=False)  # all there: no rig is needed
    assert video.stat().st_mtime_ns == before


def test_paths_are_straight_between_waypoints():
    actor = Actor(0, ((10, 0, 100, 4), (20, 50, 80, 6)))
    assert actor.at(0) == (0, 100, 4)
    assert actor.at(15) == (25, 90, 5)
    assert actor.at(99) == (50, 80, 6)


def test_people_are_in_no_data_set_and_in_one_scene_only():
    recipe = Recipe()
    people = [actor.person for each in SCENES for actor in each.actors]
    assert len(set(people)) == len(people)
    assert max(people) < 100
    numbers = {crowd.FIRST_PERSON + 100 * seed + person for seed in range(9) for person in people}
    for split in ("train", "val", "test"):
        assert numbers.isdisjoint(recipe.people(split))


def test_without_a_rig_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("LGRNET_FACE_RIG", raising=False)
    with pytest.raises(RigError, match="ICT-FaceKit"):
        crowd.render_crowd(tmp_path / "out", None, 1)
    assert not (tmp_path / "out").exists()
