import cv2
import numpy as np
import pytest
from tiny_heads import mean_points, write_tiny_heads
from tiny_shards import write_tiny_shards

from lgrnet.data.shards import DatasetError
from lgrnet.finder import scenes
from lgrnet.finder.backdrops import Photographs, sample_part
from lgrnet.finder.bodies import draw_body
from lgrnet.finder.flaws import spoil
from lgrnet.finder.geometry import box_size, face_box, five_points
from lgrnet.finder.scenes import SIDE, SceneMaker

LEFT_EYE, RIGHT_EYE, NOSE, LEFT_MOUTH, RIGHT_MOUTH = range(5)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_tiny_shards(tmp_path_factory.mktemp("faces"))


@pytest.fixture
def plain(monkeypatch):
    """Leave out flaws, filled scenes, bodies, covers and what is behind the heads."""
    monkeypatch.setattr(scenes, "spoil", lambda _, image: image)
    monkeypatch.setattr(scenes, "FILLED", 0.0)
    monkeypatch.setattr(scenes, "_BODIES", 0.0)
    monkeypatch.setattr(scenes, "cover_face", lambda *_: None)
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    monkeypatch.setattr(scenes, "sample_backdrop", lambda *_: black.copy())


def maker_of(tmp_path, faces, heads, yaws=(0.0,)):
    return SceneMaker(write_tiny_heads(tmp_path / "heads", heads, yaws), faces)


def sizes_of(monkeypatch, *sizes):
    monkeypatch.setattr(scenes, "_sample_sizes", lambda _: np.array(sizes))


def marked_head(marks):
    """Draw a square black head with a soft mark in a channel (BGR) at some of the five points."""
    y, x = np.mgrid[:256, :256]
    head = np.zeros((256, 256, 4), np.uint8)
    head[..., 3] = 255
    for channel, which in enumerate(marks):
        middle = five_points(mean_points())[which]
        far = (x - middle[0]) ** 2 + (y - middle[1]) ** 2
        head[..., channel] = np.round(160 * np.exp(-far / (2 * 8**2)))
    return head


def centroid(channel):
    total = channel.sum(dtype=np.float64)
    y, x = np.mgrid[: len(channel), : len(channel)]
    return np.array([(x * channel).sum() / total, (y * channel).sum() / total])


@pytest.mark.parametrize(
    ("marks", "mirrored"),
    [
        ((LEFT_EYE, RIGHT_EYE, NOSE), (RIGHT_EYE, LEFT_EYE, NOSE)),
        ((LEFT_MOUTH, RIGHT_MOUTH, NOSE), (RIGHT_MOUTH, LEFT_MOUTH, NOSE)),
    ],
)
def test_points_lie_where_marks_were_pasted_mirrored_or_not(
    marks, mirrored, tmp_path, faces, plain, monkeypatch
):
    maker = maker_of(tmp_path, faces, marked_head(marks)[None])
    seen = set()
    for seed, size in enumerate(np.geomspace(30, 180, 16)):
        sizes_of(monkeypatch, size)
        scene = maker.sample(np.random.default_rng(seed))
        (points,) = scene.points
        assert box_size(scene.boxes[0]) == pytest.approx(size, rel=0.1)  # whole pixels a head
        if points.min() < size / 2 or points.max() > SIDE - size / 2:
            continue  # marks are cut off
        found = [centroid(scene.image[..., channel]) for channel in range(3)]
        flipped = found[0][0] > found[1][0]
        seen.add(bool(flipped))
        expected = [points[k] for k in (mirrored if flipped else marks)]
        np.testing.assert_allclose(found, expected, atol=0.35)
        assert points[LEFT_EYE][0] < points[RIGHT_EYE][0]
    assert seen == {False, True}


def test_faces_that_are_hidden_or_cut_off_do_not_count(tmp_path, faces, plain, monkeypatch):
    # Two square heads, each of one channel of its own: whatever can be seen of them says whose it
    # is. The second one is in front.
    heads = np.zeros((2, 256, 256, 4), np.uint8)
    heads[..., 3] = 255
    heads[0, ..., 0], heads[1, ..., 1] = 200, 200
    maker = maker_of(tmp_path, faces, heads)
    sizes_of(monkeypatch, 60.0, 62.0)
    monkeypatch.setattr(scenes, "_OVER_EDGE", 0.5)
    told, counted, gone = 0, 0, 0
    for seed in range(150):
        scene = maker.sample(np.random.default_rng(seed))
        if len(scene.boxes) < 2:
            gone += 1
            continue
        if not scene.image[..., :2].any((0, 1)).all():
            continue  # twice the same head
        order = np.argsort([-box_size(box) for box in scene.boxes])
        front_channel = None
        for box, counts in zip(scene.boxes[order], scene.counts[order], strict=True):
            left, top, right, bottom = np.round(box).astype(int)
            area = (right - left) * (bottom - top)
            part = scene.image[max(top, 0) : bottom, max(left, 0) : right] > 0
            inside = part[..., 0].size / area
            shares = part.sum((0, 1)) / area
            if front_channel is None:  # nothing is before it
                front_channel = int(np.argmax(shares))
                visible = shares[front_channel]
                assert visible == pytest.approx(inside, abs=0.03)
            else:
                visible = shares[1 - front_channel]
            if min(abs(visible - 0.5), abs(inside - 0.6)) < 0.03:
                continue  # edges are soft
            told, counted = told + 1, counted + counts
            assert counts == (visible > 0.5 and inside > 0.6)
    assert gone > 3
    assert 20 < counted < told - 20


def test_a_body_hides_who_is_behind_it(tmp_path, faces, plain, monkeypatch):
    maker = maker_of(tmp_path, faces, None)
    monkeypatch.setattr(scenes, "_SPREAD_OUT", 0.0)
    sizes_of(monkeypatch, 40.0, 41.0)
    alone = [maker.sample(np.random.default_rng(s)).counts.sum() for s in range(20)]
    monkeypatch.setattr(scenes, "_BODIES", 1.0)

    def cover_all(rng, image, *_):
        image[:] = 77
        everywhere = (slice(None), slice(None))
        return everywhere, np.ones((SIDE, SIDE), np.float32)

    monkeypatch.setattr(scenes, "draw_body", cover_all)
    hidden = [maker.sample(np.random.default_rng(s)).boxes for s in range(20)]
    assert max(alone) == 2
    assert {len(boxes) for boxes in hidden} <= {0, 1}  # the head of the second body alone


@pytest.mark.parametrize(
    ("yaw", "boxes", "counts"), [(-77, 1, True), (79, 1, False), (-109, 1, False), (180, 0, None)]
)
def test_turned_heads_are_ignored_and_those_from_behind_are_none(
    yaw, boxes, counts, tmp_path, faces, plain, monkeypatch
):
    maker = maker_of(tmp_path, faces, None, (yaw,))
    monkeypatch.setattr(scenes, "_SPREAD_OUT", 0.0)
    sizes_of(monkeypatch, 40.0)
    scene = maker.sample(np.random.default_rng(1))
    assert scene.image.any()
    assert len(scene.boxes) == boxes
    assert scene.counts.tolist() == [counts] * boxes


def test_faces_too_small_are_ignored(tmp_path, faces, plain, monkeypatch):
    maker = maker_of(tmp_path, faces, None)
    monkeypatch.setattr(scenes, "_SPREAD_OUT", 0.0)
    for size, counts in ((8.0, False), (13.0, True)):
        sizes_of(monkeypatch, size)
        assert maker.sample(np.random.default_rng(1)).counts.tolist() == [counts]


def test_an_aligned_face_fills_the_scene_where_its_points_say(tmp_path, faces, monkeypatch):
    monkeypatch.setattr(scenes, "spoil", lambda _, image: image)
    monkeypatch.setattr(scenes, "cover_face", lambda *_: None)
    monkeypatch.setattr(scenes, "FILLED", 1.0)
    monkeypatch.setattr(scenes, "_CONTINUED", 0.0)
    maker = maker_of(tmp_path, faces, None)
    landmarks = mean_points().astype(np.float32) * (200 / 256)
    maker.faces.labels.landmarks[:] = landmarks
    y, x = np.mgrid[:200, :200]
    face = np.zeros((200, 200, 3), np.uint8)
    for channel, point in enumerate(five_points(landmarks)[:3]):
        far = (x - point[0]) ** 2 + (y - point[1]) ** 2
        face[..., channel] = np.round(160 * np.exp(-far / (2 * 5**2)))
    monkeypatch.setattr(maker.faces, "face", lambda _: face.copy())
    monkeypatch.setattr(scenes, "sample_backdrop", lambda *_: np.zeros((SIDE, SIDE, 3), np.uint8))
    sides, flips = [], set()
    for seed in range(40):
        scene = maker.sample(np.random.default_rng(seed))
        (points,), (box,) = scene.points, scene.boxes
        cut = np.clip(box, 0, SIDE)
        inside = np.prod(cut[2:] - cut[:2]) / np.prod(box[2:] - box[:2])
        if abs(inside - 0.6) > 0.02:
            assert scene.counts.tolist() == [inside > 0.6]
        sides.append(box_size(box) / box_size(face_box(landmarks)) * 200)
        if points.min() < 40 or points.max() > SIDE - 40:
            continue
        found = [centroid(scene.image[..., channel]) for channel in range(3)]
        flipped = found[0][0] > found[1][0]
        flips.add(bool(flipped))
        order = (RIGHT_EYE, LEFT_EYE, NOSE) if flipped else (LEFT_EYE, RIGHT_EYE, NOSE)
        np.testing.assert_allclose(found, points[list(order)], atol=0.4)
    assert flips == {False, True}
    assert min(sides) > 105
    assert max(sides) > 330


def test_scenes_depend_on_the_generator_alone(tmp_path, faces):
    maker = maker_of(tmp_path, faces, None)
    drawn = [[maker.sample(np.random.default_rng([3, k])) for k in (5, 6)] for _ in range(2)]
    for one, other in zip(*drawn, strict=True):
        for part, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(part, same)
    assert not np.array_equal(drawn[0][0].image, drawn[0][1].image)


def test_sizes_have_room(monkeypatch):
    rng = np.random.default_rng(0)
    drawn = [scenes._sample_sizes(rng) for _ in range(2000)]
    counts = np.array([len(sizes) for sizes in drawn])
    assert [np.mean(counts == n) for n in (0, 1)] == pytest.approx([0.15, 0.45], abs=0.04)
    assert counts.max() == 11
    for fewest, most, largest in ((1, 1, 240), (2, 4, 130), (5, 11, 60)):
        some = [s for s in drawn if fewest <= len(s) <= most]
        assert 0.8 * largest < max(s.max() for s in some) <= largest
        assert all(s.min() >= 9 and (np.diff(s) >= 0).all() for s in some)


def test_a_body_covers_what_it_says(monkeypatch):
    monkeypatch.setattr("lgrnet.finder.bodies._PLAIN", 0.0)
    monkeypatch.setattr("lgrnet.finder.bodies._SHADED", 0.0)
    landmarks = mean_points() * 0.4 + 50
    for seed in range(8):
        image = np.full((SIDE, SIDE, 3), 40, np.uint8)
        cloth = np.full((SIDE, SIDE, 3), 240, np.uint8)
        (rows, columns), opacity = draw_body(
            np.random.default_rng(seed), image, landmarks, lambda cloth=cloth: cloth
        )
        expected = np.full((SIDE, SIDE), 40.0)
        expected[rows, columns] += 200 * opacity
        assert np.abs(expected - image[..., 1]).max() <= 0.51
        below = landmarks[:, 1].max() + 60
        assert centroid(image[..., 0] - 40)[1] > below - 30  # below the face
        assert opacity.max() > 0.99
    far = landmarks + np.array([0, 1000])
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    assert draw_body(np.random.default_rng(0), image, far, lambda: image) is None


def test_flaws_change_pictures_and_keep_their_kind():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    before = image.copy()
    changed = 0
    for seed in range(30):
        spoiled = spoil(np.random.default_rng(seed), image)
        assert (spoiled.shape, spoiled.dtype) == (image.shape, np.uint8)
        changed += not np.array_equal(spoiled, image)
    np.testing.assert_array_equal(image, before)
    assert changed > 25


def test_parts_of_pictures_lie_inside_them():
    # Every pixel is its own place: what is cut out is one rectangle, mirrored or not.
    y, x = np.mgrid[:120, :200].astype(np.uint8)
    picture = np.dstack([x, y, np.zeros_like(x)])
    for seed in range(30):
        part = sample_part(np.random.default_rng(seed), picture, 64)
        assert part.shape == (64, 64, 3)
        assert part.flags.c_contiguous
        across, down = np.ptp(part[..., 0]), np.ptp(part[..., 1])
        assert 40 <= across <= 199
        assert 40 <= down <= 119
        assert (np.ptp(part[..., 0], axis=0) == 0).all()


def test_photographs_are_read_by_name_and_told_apart(tmp_path):
    (tmp_path / "deep").mkdir()
    cv2.imwrite(str(tmp_path / "b.png"), np.full((40, 60, 3), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "deep" / "a.JPG"), np.full((50, 2048, 3), 99, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    photographs = Photographs(tmp_path)
    assert len(photographs) == 2
    assert photographs[0].shape == (40, 60, 3)
    assert photographs[1].shape == (25, 1024, 3)
    before = photographs.sha256
    cv2.imwrite(str(tmp_path / "b.png"), np.full((40, 60, 3), 10, np.uint8))
    assert Photographs(tmp_path).sha256 != before
    assert len(Photographs(None)) == 0


def test_folders_without_pictures_or_with_broken_ones_are_refused(tmp_path, faces):
    heads = write_tiny_heads(tmp_path / "heads")
    with pytest.raises(DatasetError, match="no folder: give one of pictures without faces"):
        SceneMaker(heads, faces, tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match="holds no picture"):
        SceneMaker(heads, faces, empty)
    for stored in (b"", b"no picture"):
        (empty / "broken.jpg").write_bytes(stored)
        with pytest.raises(DatasetError, match=r"broken.jpg cannot be read as a picture"):
            SceneMaker(heads, faces, empty)
    with pytest.raises(DatasetError, match=r"holds no dataset.json"):
        SceneMaker(heads, empty)
