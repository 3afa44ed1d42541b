"""Names and texts beyond ASCII where the system's encoding is another, as on Windows."""

import io
import json
import shutil
import sys
from pathlib import Path

import cv2
import pytest
from test_runtime_cli import names, write_clip
from test_runtime_fixtures import needs_cascade

from runtime.cli import main
from runtime.errors import OpenCVError
from runtime.finders.cascade import CASCADE, CascadeFinder
from runtime.finders.cascade import _load as load_cascade


@pytest.fixture
def pipe(monkeypatch):
    """Make standard output what Windows makes of a pipe."""

    def make(encoding):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, write_through=True))
        return raw

    return make


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp932", "ascii"])
def test_any_name_can_be_told(tmp_path, model, pipe, encoding):
    """Those letters that the encoding lacks are escaped, and the next source is run as well."""
    clips = [write_clip(tmp_path / name, 2) for name in ("日本語 Größe.avi", "plain.avi")]
    raw = pipe(encoding)
    given = ("--out", tmp_path / "out", "--model", model, "--no-video", "--no-progress")
    assert main([*map(str, (*clips, *given))]) == 0
    said = raw.getvalue().decode(encoding)
    assert "plain.avi" in said
    assert ("日本語" if encoding == "cp932" else "\\u65e5\\u672c\\u8a9e") in said
    written = {f"{clip.stem}{end}" for clip in clips for end in (".csv", ".latency.json")}
    assert set(names(tmp_path / "out")) == written


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_json_lines_are_json_in_every_encoding(tmp_path, model, pipe, encoding):
    clip = write_clip(tmp_path / "日本語 Größe.avi", 2)
    raw = pipe(encoding)
    assert main([str(clip), "--jsonl", "--model", str(model), "--no-progress"]) == 0
    lines = [json.loads(line) for line in raw.getvalue().decode("utf-8").splitlines()]
    assert [line["source"] for line in lines] == [str(clip)] * 2


def test_no_standard_output_at_all(tmp_path, model, monkeypatch):
    """As of programs without a console, such as pythonw."""
    clip = write_clip(tmp_path / "clip.avi", 2)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main([str(clip), "--out", str(tmp_path / "out"), "--model", str(model)]) == 0
    assert "clip.csv" in names(tmp_path / "out")


@needs_cascade
def test_the_cascade_is_read_by_us(tmp_path):
    """OpenCV opens files by names of ASCII only on Windows: it must get none."""
    place = tmp_path / "Jörg"
    place.mkdir()
    copied = place / "cascade.xml"
    shutil.copy(Path(cv2.data.haarcascades, CASCADE), copied)
    assert not load_cascade(copied).empty()
    for content, said in ((b"", "cannot be read|is no cascade"), (b"\xff\xfe", "cannot be read")):
        copied.write_bytes(content)
        with pytest.raises(OpenCVError, match=said):
            load_cascade(copied)
    with pytest.raises(OpenCVError, match="cannot be read"):
        load_cascade(place / "none.xml")
    assert CascadeFinder().name
