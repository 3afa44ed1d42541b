"""Records that lack something, or are none, are named by the commands that read them."""

import json

import cv2
import numpy as np
import pytest

from benchmarks import card, chart, gpu_targets, sweep, table, tracking
from benchmarks.shared.record import FORMAT

ANOTHER = {"format": FORMAT, "machine": {}, "networks": [{}], "pipelines": [{}], "warnings": []}
NONE = ["", "[]", "null", '{"format": "lgrn', "{}"]


@pytest.mark.parametrize("text", [*NONE, json.dumps({"format": FORMAT}), json.dumps(ANOTHER)])
@pytest.mark.parametrize(
    ("command", "options"),
    [(table, []), (table, ["--full"]), (chart, []), (gpu_targets, []), (sweep, ["draw", "--json"])],
)
def test_a_record_that_is_none_is_named(command, options, text, tmp_path, capsys):
    path = tmp_path / "some.json"
    path.write_text(text)
    assert command.main([*options, str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "some.json" in said.err
    assert "measure again" in said.err
    assert [each.name for each in tmp_path.iterdir()] == ["some.json"]


def test_what_is_missing_is_named(tmp_path, capsys):
    path = tmp_path / "some.json"
    path.write_text(json.dumps({"format": FORMAT}))
    assert chart.main([str(path)]) == 2
    assert capsys.readouterr().err == f"error: record {path} has no 'networks': measure again\n"


@pytest.mark.parametrize("text", NONE)
def test_tracks_that_are_none_are_named(text, tmp_path, monkeypatch, caplog):
    video = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 64))
    video.write(np.zeros((64, 64, 3), np.uint8))
    video.release()
    path = tmp_path / "tracks" / "one" / "a.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    clips = [(tmp_path / "a.mp4", tmp_path / "a.csv")]
    monkeypatch.setattr(tracking, "render_crowd", lambda *_, **__: clips)
    assert tracking.main(["--clips", str(tmp_path), "--only-judge"]) == 2
    assert str(path) in caplog.text


@pytest.mark.parametrize("text", [*NONE, None])
def test_tables_of_documents_name_their_record(text, tmp_path, monkeypatch, capsys):
    for name in card.DOCUMENTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("<!-- table: groups -->\n<!-- end -->\n")
    if text is not None:
        (tmp_path / "docs" / "evaluation_edge.json").write_text(text)
    monkeypatch.setattr(card, "ROOT", tmp_path)
    assert card.main(["--check"]) == 2
    said = capsys.readouterr().err
    assert "evaluation_edge.json" in said or "table 'groups'" in said
