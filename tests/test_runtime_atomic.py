"""Files that take their name whole, also where another program has the old one open."""

import json
import math
import os

import pytest

from runtime.errors import InputError
from runtime.files import atomic
from runtime.files.atomic import PendingFile, take_name, write_json
from runtime.formats.growing import GrowingText


@pytest.fixture
def held(monkeypatch):
    """Refuse to replace files so many times, as Windows does while somebody has them open."""
    pauses = []

    def hold(times, shared=False):
        replace, left = os.replace, [times]

        def refusing(path, target):
            if left[0]:
                left[0] -= 1
                raise PermissionError(13, "Access is denied", str(path), None, str(target))
            replace(path, target)

        monkeypatch.setattr(atomic, "SHARED", shared)
        monkeypatch.setattr(atomic.os, "replace", refusing)
        monkeypatch.setattr(atomic.time, "sleep", pauses.append)
        return pauses

    return hold


@pytest.mark.parametrize("times", [0, 1, 4])
def test_a_scanner_is_waited_for(tmp_path, held, times):
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text("new")
    old.write_text("old")
    pauses = held(times)
    take_name(new, old)
    assert old.read_text() == "new"
    assert not new.exists()
    assert pauses == [0.05, 0.2, 0.5, 1.0][:times]


def test_a_table_that_excel_has_open(tmp_path, held):
    """What was done stays, and can be gone on with."""
    target = tmp_path / "clip.csv"
    target.write_text("old")
    text = GrowingText(target)
    text.append("new")
    held(5)
    with pytest.raises(InputError, match=r"clip\.csv cannot be replaced .*Excel.*--resume"):
        text.finish(None)
    assert (target.read_text(), text.path.read_text()) == ("old", "new")


def test_a_record_that_somebody_has_open(tmp_path, held):
    target = tmp_path / "clip.latency.json"
    write_json(target, {"old": True})
    held(5)
    with pytest.raises(InputError, match=r"as Excel, close it there and run again$"):
        write_json(target, {"old": False})
    assert json.loads(target.read_text(encoding="utf-8")) == {"old": True}
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_does_not_have_is_no_file(tmp_path, number):
    target = tmp_path / "scores.json"
    write_json(target, {"f1": [0.5, None]})
    assert target.read_text(encoding="utf-8").split() == [
        "{",
        '"f1":',
        "[",
        "0.5,",
        "null",
        "]",
        "}",
    ]
    with pytest.raises(ValueError, match=r"scores\.json cannot be written as JSON: .*(nan|inf)"):
        write_json(target, {"f1": [0.25, {"of": number}]})
    assert json.loads(target.read_text(encoding="utf-8")) == {"f1": [0.5, None]}
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_other_systems_do_not_wait(tmp_path, held):
    pauses = held(1, shared=True)
    with pytest.raises(PermissionError), PendingFile(tmp_path / "a.json") as part:
        part.write_text("{}")
    assert pauses == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's device that is full")
def test_a_full_disc_is_told_of_the_file_that_was_wanted(tmp_path):
    target = tmp_path / "scores.json"

    def write():
        with PendingFile(target) as part:
            part.symlink_to("/dev/full")
            part.write_text("{}", encoding="utf-8")

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert caught.value.filename == str(target)
    assert str(target) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_names_a_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, PendingFile(tmp_path / "a.json"):
        (tmp_path / "lost.csv").read_text(encoding="utf-8")
    assert caught.value.filename == str(tmp_path / "lost.csv")
