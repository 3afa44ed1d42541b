"""Commands that messages tell, with names that a shell would take apart."""

import shlex

import pytest

from runtime.errors import InputError
from runtime.sources import open_source, stale
from runtime.sources.heif import how_to_convert
from runtime.sources.quoted import quoted

NAME = "Ann & Bob's $HOME (1).mp4"


@pytest.fixture
def posix(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")


def command(text: str, start: str) -> list[str]:
    return shlex.split(text[text.index(start) :])


def test_a_shell_takes_the_name_as_one_word(posix):
    assert command(stale.remedy(NAME), "ffmpeg")[:3] == ["ffmpeg", "-i", NAME]
    said = how_to_convert(NAME)
    assert command(said, "heif-convert")[:4] == ["heif-convert", "-q", "95", NAME]
    assert command(said, "sips")[:5] == ["sips", "-s", "format", "jpeg", NAME]


def test_what_opencv_cannot_open_is_told_so_too(posix, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(InputError) as told:
        open_source(path)
    assert command(str(told.value)[len(str(path)) :], "ffmpeg")[2] == str(path)


def test_plain_names_are_left_as_they_are(posix):
    assert quoted("clips/a_1.mp4") == "clips/a_1.mp4"


def test_windows_has_other_marks(monkeypatch):
    monkeypatch.setattr("sys.platform", "win32")
    assert quoted("C:\\clips\\Ann & Bob's.mp4") == '"C:\\clips\\Ann & Bob\'s.mp4"'
    assert quoted("C:\\clips\\a_1.mp4") == "C:\\clips\\a_1.mp4"
