import json

import pytest

from benchmarks import writing
from benchmarks.shared.players import length


def test_a_kind_is_written_in_a_process_of_its_own_and_measured(tmp_path):
    out = tmp_path / "writing.json"
    assert writing.main(["--rows", "120", "--kinds", "jsonl", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    (one,) = record["kinds"]
    assert (one["kind"], one["rows"]) == ("jsonl", 120)
    assert one["file_mb"] > 0.05
    assert [sample["rows"] for sample in one["samples"]][-1] == 120
    assert all(sample["rss_mb"] > 20 for sample in one["samples"])


def test_video_has_a_frame_for_two_rows(tmp_path):
    assert writing.measure(writing.VIDEO, 120, tmp_path)["rows"] == 120
    assert length(tmp_path / "made_up.mp4") == 60


def test_growth_is_told_in_bytes_a_row(tmp_path, monkeypatch):
    held = iter(range(1000))
    monkeypatch.setattr(writing, "resident_megabytes", lambda: 100 + 0.5 * next(held))
    # A sample every 2 rows, each half a megabyte above the one before.
    assert writing.measure("vtt", 100, tmp_path)["growth_bytes_a_row"] == pytest.approx(250_000)


def test_results_are_of_two_faces_that_change():
    results = list(writing.frames(60))
    assert [len(result) for result in results] == [2] * 60
    assert [result.timestamp for result in results[:3]] == [0, 0.04, 0.08]
    assert len({result.faces[0].present for result in results}) > 10
