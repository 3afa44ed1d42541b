"""The rate of videos that are made of recordings which stand still for seconds."""

import numpy as np
import pytest
from some_videos import with_durations, write_video

from runtime.outputs.pictures import VideoWriter
from runtime.sources import open_source, read_ahead


def test_a_recording_that_stands_still_is_played_at_the_rate_at_which_it_moves(tmp_path):
    runs = [(12, 0.04), (1, 8.0), (12, 0.04)]
    path = with_durations(write_video(tmp_path / "a.mp4", 25, 25), runs)
    with open_source(path) as source:
        assert source.fps < 5, "the mean rate, which FFmpeg tells"
        assert source.pace() == pytest.approx(25, rel=0.01)
        assert read_ahead(source).pace() == source.pace()
        assert len(list(source)) == 25, "it is still to be read"
    with open_source(write_video(tmp_path / "b.mp4", 20, 30)) as source:
        assert source.pace() == source.fps
    for gap, still, rate in ((0.013, 4.0, 58), (0.013, 2.0, 60), (0.04, 60.0, 4)):
        runs = [(12, gap), (1, still), (12, gap)]  # rates that MPEG-4 has, and few enough frames
        path = with_durations(write_video(tmp_path / "c.mp4", 25, 25), runs)
        with open_source(path) as source, VideoWriter(tmp_path / "d.mp4", source.pace()) as video:
            assert source.pace() == pytest.approx(rate, abs=1)
            assert source.pace() == int(source.pace())
            video.write(np.zeros((48, 64, 3), np.uint8), 0.0)


def test_many_videos_are_played_at_the_rate_of_the_fastest(tmp_path):
    for name, fps in (("a", 25), ("b", 60), ("c", 30)):
        write_video(tmp_path / f"{name}.mp4", 20, fps)
    (tmp_path / "d.mp4").write_bytes(b"no video")
    for source in (tmp_path, str(tmp_path / "*.mp4"), [tmp_path / "b.mp4", tmp_path / "a.mp4"]):
        with open_source(source) as shots:
            assert shots.pace() == pytest.approx(60)
            assert read_ahead(shots).pace() == shots.pace()
            assert len(list(shots)) in (40, 60), "they are still to be read"
    write_video(tmp_path / "e.mp4", 20, 240)
    with open_source(tmp_path) as shots:
        assert shots.pace() == 60
    with open_source([tmp_path / "e.mp4", tmp_path / "e.mp4"]) as shots:
        assert shots.pace() == pytest.approx(240)
