import logging
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from tiny_heads import write_tiny_heads

from lgrnet.data.shards import DatasetError
from lgrnet.faces.render import Render
from lgrnet.finder.geometry import five_points
from lgrnet.finder.head_shards import Heads, shard_sizes
from lgrnet.finder.heads import HeadRecipe, cut_out, main, make_heads, render_heads
from runtime.files.atomic import STALE

TWO = HeadRecipe(seed=2, heads=2, backgrounds=2)


@pytest.fixture(scope="module")
def rendered(toy_studio):
    return render_heads(toy_studio, seed=1, shard=0, heads=7)


@pytest.fixture(scope="module")
def folder(toy_rig_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    make_heads(folder, TWO, toy_rig_file, workers=1, progress=False)
    return folder


@pytest.fixture
def in_this_process(monkeypatch):
    def pool(_, prepare, *arguments):
        return ThreadPoolExecutor(1, initializer=prepare, initargs=arguments)

    monkeypatch.setattr("lgrnet.finder.heads.open_pool", pool)


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_points_lie_on_the_head_and_the_upper_corners_are_empty(rendered):
    pictures, points, meta = rendered
    for picture, landmarks, (yaw, *_) in zip(pictures, points, meta, strict=True):
        opacity = picture[..., 3]
        assert opacity[0, [0, -1]].max() == 0  # arms and hair reach the lower ones
        assert 0.03 < (opacity == 255).mean() < 0.8
        if abs(yaw) < 45:  # the outlines of others hide an eye
            x, y = np.round(five_points(landmarks)).astype(int).T
            assert opacity[y, x].min() == 255


def test_faces_are_where_the_points_are(rendered):
    # The nose's tip leaves the middle of the eyes to the side that the head is turned to.
    _, points, meta = rendered
    seen = 0
    for landmarks, (yaw, _, roll, _) in zip(points, meta, strict=True):
        if abs(yaw) < 20 or abs(yaw) > 90:
            continue
        left, right, nose = five_points(landmarks)[:3]
        turn = np.deg2rad(roll)
        across = (nose - (left + right) / 2) @ [np.cos(turn), np.sin(turn)]
        seen += 1
        assert np.sign(across) == np.sign(yaw)
    assert seen >= 3


def test_fewer_heads_are_the_first_ones_of_more_and_seeds_differ(rendered, toy_studio):
    for first, all_ in zip(render_heads(toy_studio, 1, 0, 1), rendered, strict=True):
        np.testing.assert_array_equal(first[0], all_[0])
    for seed, shard in ((2, 0), (1, 1)):
        assert not np.array_equal(render_heads(toy_studio, seed, shard, 1)[0][0], rendered[0][0])


def test_a_cut_out_keeps_its_colour_at_soft_edges():
    linear = np.full((384, 384, 3), 0.05, np.float32)
    inside = np.zeros((384, 384), np.uint8)
    cv2.circle(inside, (190, 201), 100, 1, -1)
    linear[inside == 1] = (0.6, 0.3, 0.1)  # red, green, blue
    picture = Render(linear, inside.astype(bool), np.zeros((49, 2)), np.zeros((384, 384), bool))
    head = cut_out(picture, 0.05, 0.5)
    assert head.shape == (256, 256, 4)
    opacity = head[..., 3] / 255
    # 3 × 3 pixels become 2 × 2, so the sum of what is opaque keeps its share.
    assert opacity.sum() * 1.5**2 == pytest.approx(inside.sum(), rel=1e-3)
    edge = (opacity > 0.1) & (opacity < 0.9)
    assert edge.sum() > 100
    whole = head[134, 127, :3].astype(int)
    assert whole[2] > whole[1] > whole[0]
    assert np.abs(head[edge][:, :3] - whole).max() <= 1


def test_the_command_makes_what_rendering_gives(folder, toy_studio):
    heads = Heads(folder)
    pictures, points, meta = render_heads(toy_studio, 2, 0, 2)
    assert (len(heads), len(heads.backgrounds), heads.persons) == (2, 2, 1)
    for index in range(2):
        np.testing.assert_array_equal(heads.heads[index], pictures[index])
    np.testing.assert_array_equal(heads.points, points)
    np.testing.assert_array_equal(heads.yaw, meta[:, 0])
    assert not np.array_equal(heads.backgrounds[0], heads.backgrounds[1])


def test_a_run_that_was_cut_off_goes_on(folder, toy_rig_file, tmp_path, in_this_process):
    whole = content(folder)
    for name, stored in whole.items():
        if name != "cut-2-000.npy":
            (tmp_path / name).write_bytes(stored)
    half_written = tmp_path / ".cut-2-000.123.part.npy"
    half_written.write_bytes(b"half")
    assert list(tmp_path.glob(STALE)) == [half_written]
    untouched = (tmp_path / "back-2-000.npy").stat().st_mtime_ns
    make_heads(tmp_path, TWO, toy_rig_file, progress=False)
    assert content(tmp_path) == whole
    assert (tmp_path / "back-2-000.npy").stat().st_mtime_ns == untouched


def test_a_folder_can_grow_but_not_become_another(folder, toy_rig_file, in_this_process, caplog):
    before = np.load(folder / "cut-2-000.npy")
    more = HeadRecipe(seed=2, heads=3, backgrounds=2)
    make_heads(folder, more, toy_rig_file, progress=False)
    np.testing.assert_array_equal(np.load(folder / "cut-2-000.npy")[:2], before)
    assert len(Heads(folder)) == 3
    arguments = ["--out", str(folder), "--rig", str(toy_rig_file), "--no-progress"]
    assert main([*arguments, "--seed", "3", "--heads", "2"]) == 2
    assert "made from another recipe" in caplog.text
    with caplog.at_level(logging.INFO):
        assert main([*arguments, "--seed", "2", "--heads", "3", "--backgrounds", "2"]) == 0
    assert "0 of 5 heads and backgrounds to render" in caplog.text


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--seed", "10", r"seed must lie in [1, 9], got 10"), ("--heads", "300001", "heads must lie")],
)
def test_numbers_out_of_range_are_refused(option, value, said, tmp_path, toy_rig_file, caplog):
    assert main(["--out", str(tmp_path), "--rig", str(toy_rig_file), option, value]) == 2
    assert said in caplog.text


def test_shards_hold_all_pictures():
    assert shard_sizes(300) == [300]
    assert shard_sizes(650) == [300, 300, 50]


def test_heads_that_are_missing_or_damaged_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no heads.json: make heads with"):
        Heads(tmp_path)
    root = write_tiny_heads(tmp_path / "heads")
    pictures, points, index = (root / n for n in ("cut-1-000.npy", "cut-1-000.npz", "heads.json"))
    stored, labels = pictures.read_bytes(), points.read_bytes()
    pictures.write_bytes(stored[:50_000])
    with pytest.raises(DatasetError, match=r"cut-1-000.npy is damaged"):
        Heads(root)
    pictures.unlink()
    with pytest.raises(DatasetError, match=r"cut-1-000.npy is missing: run"):
        Heads(root)
    np.save(pictures, np.zeros((3, 256, 256, 4), np.uint8))
    with pytest.raises(DatasetError, match=r"holds uint8 \(3, 256"):
        Heads(root)
    pictures.write_bytes(stored)
    points.write_bytes(labels[:500])
    with pytest.raises(DatasetError, match=r"cut-1-000.npz is damaged"):
        Heads(root)
    points.write_bytes(labels)
    assert len(Heads(root)) == 4
    for text in ("{", "[]", '{"format": "lgrnet-heads-1", "recipe": {"seed": 1}}'):
        index.write_text(text)
        with pytest.raises(DatasetError, match=r"heads.json is damaged"):
            Heads(root)
