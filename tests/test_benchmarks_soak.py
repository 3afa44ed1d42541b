import json
import logging
import subprocess
import sys
import threading

import pytest
from some_videos import write_video
from test_runtime_fixtures import write_model

from benchmarks import soak, writing
from benchmarks.documents import live
from benchmarks.shared.players import WritingPlayer
from runtime.formats.jsonl import JsonLinesWriter


def test_a_short_soak_counts_every_frame(tmp_path):
    clip = write_video(tmp_path / "a.avi", code="MJPG", frames=6)
    out = tmp_path / "soak.json"
    model = write_model(tmp_path / "m.onnx")
    arguments = [clip, "--minutes", 0.01, "--pause", 0.05, "--model", model, "--json", out]
    assert soak.main([*map(str, arguments)]) == 0
    record = json.loads(out.read_text())
    assert record["lost"] == 0
    assert record["frames"] == sum(player["frames"] for player in record["players"])
    players = {player["name"].removeprefix("a.avi, "): player for player in record["players"]}
    ways = ["file", "frames of an iterator", "camera on the network", "file, all outputs written"]
    assert list(players) == ways
    assert [player["error"] for player in players.values()] == [""] * 4
    camera = players.pop("camera on the network")
    assert camera["passes"] == 1
    assert camera["frames"] >= 1
    assert camera["frames"] + camera["dropped"] == camera["expected"]
    for player in players.values():
        assert player["passes"] >= 1
        assert player["frames"] == player["expected"] == 6 * player["passes"]
    assert all(sample["rss_mb"] > 20 for sample in record["samples"])


def test_lost_frames_and_errors_show(tmp_path, monkeypatch, caplog):
    clip = write_video(tmp_path / "a.avi", code="MJPG", frames=6)
    stream = soak.Detector.stream

    def leaky(self, source):
        for result in stream(self, source):
            if result.index == 3:
                raise MemoryError("no more")
            yield result

    monkeypatch.setattr(soak.Detector, "stream", leaky)
    out = tmp_path / "soak.json"
    arguments = [clip, "--minutes", 1, "--pause", 0.05, "--json", out, "--copies", 1]
    with caplog.at_level(logging.CRITICAL):
        model = write_model(tmp_path / "m.onnx")
        assert soak.main([*map(str, arguments), "--model", str(model)]) == 1
    (player,) = json.loads(out.read_text())["players"]
    assert (player["frames"], player["lost"]) == (3, 3)
    assert player["error"] == "MemoryError: no more"


def test_files_of_which_one_lacks_a_frame(tmp_path, monkeypatch):
    clip = write_video(tmp_path / "a.avi", code="MJPG", frames=6)
    write = JsonLinesWriter.write

    def leaky(self, result):
        if result.index != 3:
            write(self, result)

    monkeypatch.setattr(JsonLinesWriter, "write", leaky)
    player = WritingPlayer(soak.Detector(write_model(tmp_path / "m.onnx")), clip)
    player.play(threading.Event())  # the first pass ends it
    assert "the files of one run hold different frames: {'jsonl': 5" in player.error
    assert player.lost == 6


def test_growth_is_that_of_the_second_half():
    samples = [{"s": 10.0 * i, "rss_mb": 300.0 - i if i < 10 else 200 + 0.1 * i} for i in range(20)]
    assert soak.growth(samples) == pytest.approx(36)
    assert soak.growth(samples[:3]) is None


def test_clip_that_is_not_there(tmp_path, capsys, caplog):
    assert soak.main([str(tmp_path / "no.mp4"), "--json", str(tmp_path / "x.json")]) == 2
    assert "no.mp4 does not exist" in caplog.text
    assert not (tmp_path / "x.json").exists()


def test_resident_memory_grows_with_what_is_held():
    # In a process of its own: in one that ran other tests, the allocator may hand out pages that
    # were resident before.
    code = (
        "import numpy as np\n"
        "from benchmarks.shared.memory import resident_megabytes\n"
        "before = resident_megabytes()\n"
        "held = np.ones(40_000_000, np.uint8)\n"
        "print(resident_megabytes() - before)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 38 < float(run.stdout) < 60


def test_memory_that_the_system_does_not_tell(tmp_path, monkeypatch, capsys):
    record = {
        "frames": 9, "seconds": 60.0, "lost": 0, "growth_mb_an_hour": None, "players": [],
        "samples": [{"s": 0, "rss_mb": None}, {"s": 60, "rss_mb": None}],
    }  # fmt: skip
    monkeypatch.setattr(soak, "soak", lambda *_, **__: record)
    assert soak.main(["--json", str(tmp_path / "soak.json")]) == 0
    assert "memory unknown at first, unknown at most, unknown at last" in capsys.readouterr().out
    record["samples"] = [
        {"s": 0, "rss_mb": 100.2},
        {"s": 30, "rss_mb": 130.0},
        {"s": 60, "rss_mb": 120.6},
    ]
    assert soak.main(["--json", str(tmp_path / "soak.json")]) == 0
    assert "memory 100 MB at first, 130 MB at most, 121 MB at last" in capsys.readouterr().out


def test_tables_leave_out_what_the_system_does_not_tell(tmp_path):
    held = [100.4, None, 120.0]
    for path, content in (
        (
            live.SOAK,
            {
                "format": soak.FORMAT,
                "samples": [{"s": 300 * i, "rss_mb": mb} for i, mb in enumerate(held)],
            },
        ),
        (
            live.WRITING,
            {
                "format": writing.FORMAT,
                "kinds": [
                    {
                        "kind": "vtt",
                        "rows": 9,
                        "file_mb": 1.0,
                        "samples": [{"rss_mb": mb} for mb in held],
                    }
                ],
            },
        ),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps(content))
    cells = [line.split("|")[1:-1] for line in live.soak_memory(tmp_path).splitlines()]
    assert [cell.strip() for cell in cells[0]] == ["after minutes", "0", "5", "10"]
    assert [cell.strip() for cell in cells[2]] == ["resident memory, MB", "100", "", "120"]
    assert live.writing(tmp_path).splitlines()[2] == "| vtt | 9 | 1 |  | 120 |"
