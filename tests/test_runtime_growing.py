import errno
import gc
import os
import sys

import pytest

from runtime.errors import InputError, OutputError
from runtime.formats import growing
from runtime.formats.growing import GrowingText, partial_path

# What happens in __del__ is told by a warning only: a file closed twice may be another's by then.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "a.b.csv"


def test_name(target):
    assert partial_path(target).name == "a.b.partial.csv"


def test_every_piece_is_in_the_file_at_once(target):
    text = GrowingText(target)
    for i in range(3):
        text.append(f"é{i}\n")
        assert partial_path(target).read_text(encoding="utf-8") == "".join(
            f"é{j}\n" for j in range(i + 1)
        )
        assert not target.exists()
    text.finish(None)
    assert target.read_text(encoding="utf-8") == "é0\né1\né2\n"
    assert not partial_path(target).exists()


def test_tail_is_for_now(target):
    text = GrowingText(target)
    text.append("a", tail="long tail")
    assert text.path.read_text() == "along tail"
    text.append("b", tail="x")
    assert text.path.read_text() == "abx"
    text.append("c")
    assert text.path.read_text() == "abc"
    text.append("", tail="end")
    text.finish(None)
    assert target.read_text() == "abcend"


@pytest.mark.parametrize("error", [RuntimeError, OutputError])
def test_error_keeps_what_there_is_beside_the_old_file(target, error):
    target.write_text("old")
    text = GrowingText(target)
    text.append("new")
    text.finish(error)
    assert target.read_text() == "old"
    assert partial_path(target).read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_error_before_anything_worth_keeping(target, error):
    target.write_text("old")
    text = GrowingText(target)
    text.append("header", counts=False)
    text.finish(error)
    assert list(target.parent.iterdir()) == [target]
    assert target.read_text() == "old"


def test_ctrl_c_ends_the_file(target):
    text = GrowingText(target)
    text.append("new")
    text.finish(KeyboardInterrupt)
    assert target.read_text() == "new"


def test_going_on(target):
    partial_path(target).write_text("keep|cut off")
    text = GrowingText(target, keep=5)
    text.append("more")
    text.finish(None)
    assert target.read_text() == "keep|more"


def test_full_disc_leaves_whole_pieces(target, monkeypatch):
    text = GrowingText(target)
    text.append("first\n")
    write, calls = os.write, []

    def full(file, data):
        calls.append(len(data))
        if len(calls) == 1:
            return write(file, data[:3])  # a part of it still fits
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(growing.os, "write", full)
    with pytest.raises(OutputError, match=r"a\.b\.partial\.csv cannot .* \(No space left"):
        text.append("second\n")
    assert text.path.read_text() == "first\n"
    monkeypatch.undo()
    text.append("third\n")
    assert text.path.read_text() == "first\nthird\n"
    text.finish(OutputError)


def locked_by_windows(monkeypatch):
    """Replace the locks by Windows' own, of one byte for a file and not for a descriptor."""
    held = {}

    def locking(file, how, length):
        assert (how, length) == (FakeWindows.LK_NBLCK, 1)
        place = os.fstat(file).st_ino, os.lseek(file, 0, os.SEEK_CUR)
        if held.get(place, file) != file and os.path.exists(f"/proc/self/fd/{held[place]}"):
            raise PermissionError(errno.EACCES, "Permission denied")
        held[place] = file

    class FakeWindows:
        LK_NBLCK = 2

    FakeWindows.locking = staticmethod(locking)
    monkeypatch.setitem(sys.modules, "msvcrt", FakeWindows)
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.parametrize("system", ["posix", "windows"])
def test_two_runs_cannot_write_one_file(target, monkeypatch, system):
    if system == "posix":
        pytest.importorskip("fcntl")
    elif os.path.exists("/proc/self/fd"):
        locked_by_windows(monkeypatch)
    else:
        pytest.skip("no list of open files")
    text = GrowingText(target)
    text.append("mine")
    with pytest.raises(InputError, match="another run is writing"):
        GrowingText(target)
    gc.collect()
    assert text.path.read_text() == "mine"
    text.append(" alone")
    text.finish(None)
    assert target.read_text() == "mine alone", "the lock must not move where text goes"
    GrowingText(target).finish(RuntimeError)
    assert target.read_text() == "mine alone"


def test_systems_without_locks_write_all_the_same(target, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(sys, "platform", "emscripten")
    text = GrowingText(target)
    text.append("mine")
    text.finish(None)
    assert target.read_text() == "mine"


def test_a_writer_that_is_dropped_locks_nothing(target):
    text = GrowingText(target)
    text.append("mine")
    del text
    gc.collect()
    again = GrowingText(target)
    again.append("ours")
    again.finish(None)
    assert target.read_text() == "ours"


def test_a_file_is_finished_once(target):
    text = GrowingText(target)
    text.append("mine")
    text.finish(None)
    with pytest.raises(ValueError, match=r"a\.b\.csv is finished: open another writer"):
        text.finish(None)
    assert target.read_text() == "mine"


def test_a_run_that_finishes_while_another_begins(target, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    first, lock = GrowingText(target), fcntl.flock
    first.append("whole")

    def late(file, how):
        first.finish(None)
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(InputError, match="another run has just finished"):
        GrowingText(target)
    assert target.read_text() == "whole"


def test_a_file_that_became_shorter(target):
    partial_path(target).write_text("ab")
    with pytest.raises(InputError, match="changed meanwhile"):
        GrowingText(target, keep=3)
    assert partial_path(target).read_text() == "ab"


def test_unwritable_folder(tmp_path):
    (tmp_path / "a.partial.csv").mkdir()
    with pytest.raises(OutputError, match=r"a\.partial\.csv cannot be written \(Is a directory"):
        GrowingText(tmp_path / "a.csv")
