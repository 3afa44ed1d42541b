"""Outputs that cannot be written: a full disc, a folder that is closed, a codec that is missing."""

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from some_results import some_face, some_result
from test_runtime_cli import rows, run, write_clip

from runtime.drawing import Annotator, draw
from runtime.formats import Layout, growing
from runtime.outputs import SourceFiles, Wanted
from runtime.outputs.files import reopen
from runtime.sources import Shot, Source


def test_full_disc(tmp_path, capsys, monkeypatch, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--no-video", "--format", "openface")
    write, room = os.write, 9000

    def small(file, data):
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = write(file, data[:room])
        room -= done
        return done

    with monkeypatch.context() as patch:
        patch.setattr(growing.os, "write", small)
        code, _, err = run(capsys, *given)
    assert code == 3
    assert err.count("error: ") == 1
    assert "partial.csv cannot be written further (No space left on device)" in err
    left = rows(out / "clip.partial.csv")
    assert 0 < len(left) < 6
    assert all(None not in row.values() for row in left)
    assert run(capsys, *given, "--resume")[0] == 0
    assert len(rows(out / "clip.csv")) == len(rows(out / "clip.openface.csv")) == 6


@pytest.mark.parametrize("what", [".png", ".json"])
def test_disc_that_is_full_for_a_picture_or_the_record(tmp_path, capsys, monkeypatch, model, what):
    """A folder of pictures: each gets one, and all of them a record."""
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(pictures / name), np.zeros((90, 120, 3), np.uint8))
    write = Path.write_bytes

    def small(path, data):
        if path.suffix == what:
            write(path, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", small)
    code, _, err = run(capsys, pictures, "--out", out, "--model", model)
    assert code == 3
    assert f"{what} cannot be written (No space left on device)" in err
    assert not [path for path in out.rglob("*") if path.suffix == what]


def test_folder_that_cannot_be_written_to(tmp_path, capsys, monkeypatch, model):
    out = tmp_path / "out"
    out.mkdir()
    open_file = os.open

    def forbidden(path, flags, *mode, **how):
        if flags & os.O_CREAT and Path(path).parent == out:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_file(path, flags, *mode, **how)

    monkeypatch.setattr(growing.os, "open", forbidden)
    given = (write_clip(tmp_path / "clip.avi", 2), "--out", out, "--model", model)
    code, _, err = run(capsys, *given)
    assert code == 2
    assert "Permission denied" in err
    assert str(out) in err
    assert list(out.iterdir()) == []


def test_codec_that_is_missing(tmp_path, capsys, monkeypatch, model):
    monkeypatch.setattr(cv2.VideoWriter, "isOpened", lambda self: False)
    clip, out = write_clip(tmp_path / "clip.avi", 3), tmp_path / "out"
    # The clip itself was written before; only the run's own video fails.
    code, _, err = run(capsys, clip, "--out", out, "--model", model)
    assert code == 2
    assert "cannot write a video of 320 × 320" in err
    assert "--no-video" in err
    assert len(rows(out / "clip.partial.csv")) == 1


class Film(Source):
    moving = True


LAYOUT = Layout(("AU06", "AU12", "AU24"))


def shot(index: int) -> Shot:
    """A frame, each of another brightness."""
    return Shot(np.full((360, 640, 3), 10 * index, np.uint8), index, index / 25, 0, 0)


def test_every_frame_of_the_video_is_drawn_with_its_own_result(tmp_path):
    pen = Annotator()
    with SourceFiles(Film("film", "film"), LAYOUT, Wanted(tmp_path)) as files:
        for index in range(12):
            here, result = shot(index), some_result(index, some_face(0, x=30 + index, y=10))
            files.write(here, result)
            picture = files.picture(here, result)
            np.testing.assert_array_equal(picture, pen.draw(here.frame, result))
    assert (picture != draw(here.frame, result)).any(), "a video has a timeline"


def test_behind_a_cut_nobody_gets_a_number_that_was_given_anywhere_before_it(tmp_path):
    """Frame 1 could not be read then; the highest number was given long before the cut."""
    with (  # noqa: PT012
        pytest.raises(RuntimeError),
        SourceFiles(Film("film", "film"), LAYOUT, Wanted(tmp_path, pictures=False)) as files,
    ):
        files.write(shot(0), some_result(0, some_face(5, x=100), some_face(0, x=400)))
        for index in (2, 3):  # the last one is taken again, as its rows may be cut
            files.write(shot(index), some_result(index, some_face(0, x=400)))
        raise RuntimeError
    wanted = Wanted(tmp_path, pictures=False, resume=True)
    with SourceFiles(Film("film", "film"), LAYOUT, wanted) as files:
        assert files.resumed_behind == 2
        assert [files.recall(shot(index)) is None for index in range(3)] == [False, True, False]
        faces = (some_face(0, x=400), some_face(1, x=250))
        new = files.number(shot(3), some_result(3, *faces))
        files.write(shot(3), new)
    assert [face.id for face in new] == [0, 6]
    assert [(row["frame"], row["face_id"]) for row in rows(tmp_path / "film.csv")] == [
        *(("0", "5"), ("0", "0"), ("2", "0"), ("3", "0"), ("3", "6")),
    ]


def test_a_run_that_was_cut_off_in_its_first_frame_begins_anew(tmp_path):
    wanted = Wanted(tmp_path, pictures=False)
    with pytest.raises(RuntimeError), SourceFiles(Film("film", "film"), LAYOUT, wanted) as files:  # noqa: PT012
        files.write(shot(0), some_result(0, some_face()))
        raise RuntimeError
    assert (tmp_path / "film.partial.csv").exists()
    with SourceFiles(Film("film", "film"), LAYOUT, wanted) as files:
        files.write(shot(0), some_result(0, some_face()))
    assert [row["frame"] for row in rows(tmp_path / "film.csv")] == ["0"]


def test_an_interrupted_table_never_takes_the_place_of_one_to_go_on_with(tmp_path):
    whole, part = tmp_path / "film.csv", tmp_path / "film.partial.csv"
    whole.write_text("whole")
    part.write_text("part")
    reopen(tmp_path / "film")
    assert (whole.read_text(), part.read_text()) == ("whole", "part")
    part.unlink()
    reopen(tmp_path / "film")
    assert (whole.exists(), part.read_text()) == (False, "whole")
