import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from some_videos import write_video
from test_runtime_sources import GOOD, fill

from runtime.errors import InputError
from runtime.sources import open_source, playlist


def mixed(folder):
    """A folder as one finds them."""
    fill(folder, b=20, a=10, c=b"text", d=b"")
    write_video(folder / "e.avi", code="MJPG", frames=3)
    (folder / "f.mp4").write_bytes(b"")
    (folder / "g.mp4").write_bytes(np.random.default_rng(0).bytes(3000))
    (folder / "notes.txt").write_text("hello")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "sub").mkdir()
    (folder / "untitled").write_bytes(cv2.imencode(".png", np.full((5, 5), 90, np.uint8))[1])
    return folder


def test_folder_of_mixed_junk(tmp_path, caplog):
    (mixed(tmp_path / "junk") / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    with open_source(tmp_path / "junk") as source:
        assert (source.moving, source.many, source.stem) == (True, True, "junk")
        shots = list(source)
    assert [(s.index, s.name, s.first) for s in shots] == [
        *((0, "a.png", True), (1, "b.png", True)),
        *((2, "e.avi", True), (3, "e.avi", False), (4, "e.avi", False)),
        (5, "untitled", True),
    ]
    assert [s.timestamp for s in shots] == [
        None,
        None,
        0,
        pytest.approx(0.1),
        pytest.approx(0.2),
        None,
    ]
    assert source.failures == ["c.png", "d.png", "f.mp4", "g.mp4"]
    for name in source.failures:
        assert f"left out: {tmp_path / 'junk' / name}" in caplog.text
    assert "2 files in" in caplog.text
    assert "left out: gone.mp4, notes.txt" in caplog.text
    assert "DS_Store" not in caplog.text


def test_frames_that_a_file_leaves_out_are_counted(monkeypatch):
    """Files of five frames, of which the second and the last cannot be used."""
    files = [("a.mp4", Path("a.mp4")), ("b.mp4", Path("b.mp4"))]
    broken = [GOOD, None, GOOD, GOOD, None]
    monkeypatch.setattr(playlist, "open_file", lambda _: open_source(broken))
    source = playlist.Playlist("list", "list", files)
    shots = [(shot.index, shot.name, shot.first) for shot in source]
    assert shots == [
        *((0, "a.mp4", True), (2, "a.mp4", False), (3, "a.mp4", False)),
        *((4, "b.mp4", True), (6, "b.mp4", False), (7, "b.mp4", False)),
    ]
    assert source.skipped == 4


def test_folder_of_nothing_but_junk(tmp_path):
    folder = tmp_path / "junk"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"\0" * 50)
    (folder / "b.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"no file of .*junk could be read: a\.mp4, b\.png"):
        list(open_source(folder))


def test_pattern(tmp_path, monkeypatch):
    fill(tmp_path / "clips", b=20, a=10)
    fill(tmp_path / "clips" / "more", a=30)
    (tmp_path / "clips" / "a.txt").write_text("no")
    with open_source(str(tmp_path / "clips" / "*.png")) as source:
        assert (source.moving, source.still, source.many) == (False, False, True)
        assert (source.stem, source.count) == ("clips", 2)
        assert [(s.name, s.frame.max()) for s in source] == [("a.png", 10), ("b.png", 20)]
    deep = open_source(tmp_path / "clips" / "**" / "*.png")
    assert [s.name for s in deep] == ["a.png", "b.png", "more/a.png"]
    monkeypatch.chdir(tmp_path / "clips")
    assert [(s.name, s.frame.max()) for s in open_source("[b-z].png")] == [("b.png", 20)]
    assert open_source("*.png").stem == "clips"
    with pytest.raises(FileNotFoundError, match=r"no file fits the pattern \*\.mp4"):
        open_source("*.mp4")


def test_file_with_a_bracket_in_its_name(tmp_path):
    path = tmp_path / "a[1].png"
    path.write_bytes(cv2.imencode(".png", np.full((5, 5), 7, np.uint8))[1])
    (shot,) = open_source(path)
    assert (shot.frame.max(), shot.name) == (7, "")


def test_list_of_paths(tmp_path, monkeypatch):
    fill(tmp_path / "one", a=10)
    fill(tmp_path / "two", a=20)
    video = write_video(tmp_path / "two" / "v.avi", code="MJPG", frames=2)
    files = [tmp_path / "two" / "a.png", str(tmp_path / "one" / "a.png")]
    assert [(s.name, s.frame.max()) for s in open_source(files)] == [
        ("two/a.png", 20),
        ("one/a.png", 10),
    ]
    source = open_source([*files, video])
    assert [(s.index, s.name, s.first) for s in source] == [
        *((0, "two/a.png", True), (1, "one/a.png", True)),
        *((2, "two/v.avi", True), (3, "two/v.avi", False)),
    ]
    monkeypatch.chdir(tmp_path)
    assert [s.name for s in open_source([os.path.join("one", "a.png")])] == ["a.png"]
    with pytest.raises(FileNotFoundError, match=r"no such file: nope\.png, no/a\.png$"):
        open_source(["nope.png", "no/a.png", "one/a.png"])
    with pytest.raises(InputError, match=r"a list of paths holds the folder .*: give it by itself"):
        open_source(["one/a.png", "two"])
    with pytest.raises(InputError, match="a list of paths holds a ndarray"):
        open_source(["one/a.png", GOOD])
