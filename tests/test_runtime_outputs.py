"""Outputs that cannot be written: a full disc, a folder that is closed, a codec that is missing."""

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_runtime_cli import rows, run, write_clip

from runtime.formats import growing


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
