"""Cameras and network streams: the newest frame, reconnecting, latency."""

import logging
import queue
import re
import signal
import threading
import time

import cv2
import numpy as np
import pytest
from stream_servers import HttpFrames, RtspFrames, Streamer
from test_runtime_fixtures import SpotFinder, spot, write_model

from runtime.detector import Detector
from runtime.errors import InputError
from runtime.sources import NetworkStream, live, open_source
from runtime.sources.live import LiveSource

PATIENCE = 20
"""Seconds after which something that should happen has not."""


@pytest.fixture(autouse=True)
def nothing_waits_forever():
    """Fail where a loop waits for what does not come, or a thread does not end."""

    def fail(*_):
        raise TimeoutError("a live source waited for what did not come")

    if not hasattr(signal, "SIGALRM"):  # Windows
        yield
        return
    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, 2 * PATIENCE, 5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not threads()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "lgrnet-live" in thread.name]


@pytest.fixture
def hurry(monkeypatch):
    """Try again at once."""
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(live, "LONGEST_PAUSE", 0.01)


class Feed:
    """A capture whose frames the test hands in: numbers for frames, None for a failure."""

    def __init__(self, *items: int | None, then: int | None = -1, opened: bool = True) -> None:
        self.items: queue.Queue = queue.Queue()
        for item in items:
            self.items.put(item)
        self.then, self.opened, self.released = then, opened, False
        self.asked = 0
        self.progress = threading.Condition()
        self.reader = None  # a read comes back once nobody waits for it any more

    def isOpened(self) -> bool:
        return self.opened

    def get(self, _: int) -> float:
        return 0.0

    def set(self, _: int, __: float) -> bool:
        return True

    def grab(self) -> bool:
        with self.progress:
            self.asked += 1
            self.progress.notify()
        if self.items.empty() and self.then is None:
            return False
        while True:
            try:
                self.item = self.items.get(timeout=0.02)
                return self.item is not None
            except queue.Empty:
                if self.reader.stopped:
                    return False

    def retrieve(self):
        return True, np.full((4, 4, 3), self.item, np.uint8)

    def release(self) -> None:
        self.released = True

    def wait_until_asked(self, count: int) -> None:
        with self.progress:
            assert self.progress.wait_for(lambda: self.asked >= count, PATIENCE)


def feed_source(feed: Feed, *others: Feed, give_up: float = PATIENCE) -> LiveSource:
    later = iter(others)
    gone = Feed(then=None, opened=False)
    source = LiveSource("feed", "feed", feed, lambda: next(later, gone), give_up, "look after it")
    for each in (feed, *others):
        each.reader = source._reader
    return source


def number(shot) -> int:
    return int(shot.frame[0, 0, 0])


def test_only_the_newest_frame_is_kept_and_the_others_counted():
    feed = Feed(0)
    with feed_source(feed) as source:
        shots = iter(source)
        first = next(shots)
        assert (number(first), first.index, first.dropped, first.timestamp) == (0, 0, 0, 0)
        for i in (1, 2, 3):
            feed.items.put(i)
        feed.wait_until_asked(5)  # so that 3 is in its place
        second = next(shots)
        assert (number(second), second.index, second.dropped) == (3, 3, 2)
        assert second.captured > first.captured
        assert second.timestamp == second.captured - first.captured
        feed.items.put(4)
        third = next(shots)
        assert (number(third), third.index, third.dropped, source.dropped) == (4, 4, 2, 2)
    assert feed.released


def test_latency_counts_from_the_arrival_of_the_frame(tmp_path):
    class Spots(Feed):
        def retrieve(self):
            return True, spot(self.item, 120)

    feed = Spots(100, then=None)
    detector = Detector(write_model(tmp_path / "m.onnx"), finder=SpotFinder())
    before = time.perf_counter()
    ((shot, result),) = detector.run(feed_source(feed, give_up=0))
    elapsed = (time.perf_counter() - before) * 1e3
    work = result.timings.total - result.timings.decode
    assert work < result.latency_ms < elapsed
    assert (result.dropped, result.timestamp, shot.captured > before) == (0, 0, True)
    assert [r.latency_ms for r in detector.stream([spot(100, 120)])] == [None]


def test_a_bad_frame_is_no_loss():
    feed = Feed(0, None, 1, then=None)
    shots = []
    for shot in feed_source(feed, give_up=0):
        shots.append(shot)
    assert number(shots[-1]) == 1


def test_frames_are_as_wide_as_they_are_shown_whatever_comes_back(hurry):
    class Wide(Feed):
        def get(self, what: int) -> float:
            return {cv2.CAP_PROP_SAR_NUM: 2.0, cv2.CAP_PROP_SAR_DEN: 1.0}.get(what, 0.0)

    shapes = [
        [shot.frame.shape for shot in feed_source(*feeds, give_up=0.5)]
        for feeds in ([Feed(1, then=None)], [Feed(1, then=None), Wide(2, then=None)])
    ]
    assert shapes[0] == [(4, 4, 3)]
    assert shapes[1][-1] == (4, 8, 3)  # of the first feed nothing is left if that was faster


def test_a_source_that_repeats_one_picture_is_told(hurry, caplog):
    noise = feed_source(Feed(*range(100), *range(100), then=None), give_up=0)
    assert list(noise)
    assert "gave the same picture" not in caplog.text
    assert list(feed_source(Feed(*[7] * 120, 8, *[7] * 120, then=None), give_up=0))
    said = "feed gave the same picture 100 times"
    assert [said in r.message for r in caplog.records if "picture" in r.message] == [True]


def test_lost_source_comes_back(hurry, caplog):
    closed, good = Feed(then=None, opened=False), Feed(7, then=None)
    first = Feed(0, then=None)
    source = feed_source(first, closed, closed, good, give_up=0.5)
    shots = iter(source)
    assert number(next(shots)) == 0
    shot = next(shots)
    assert (number(shot), shot.index) == (7, 1)
    assert first.released
    source.close()
    assert "feed stopped giving frames after 1: trying to get it back for 0.5 s" in caplog.text
    assert "feed is back after" in caplog.text


class Clock:
    """Time that passes only while one waits."""

    def __init__(self) -> None:
        self.now, self.pauses = 100.0, []

    def perf_counter(self) -> float:
        return self.now

    def wait(self, pause: float) -> None:
        self.pauses.append(pause)
        self.now += pause


def test_pauses_double_and_end(monkeypatch, caplog):
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    source = feed_source(Feed(0, then=None), give_up=40)
    source._reader.pause = clock.wait
    assert [number(shot) for shot in source] == [0]
    assert clock.pauses == [0.5, 1, 2, 4, 8, 10, 10, 4.5]
    assert source.failures == ["feed"]
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.message == (
        "feed stopped giving frames after 1: look after it. Their results are kept"
    )


def test_patience_begins_anew_whenever_a_source_was_back(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    source = feed_source(Feed(0, then=None), Feed(then=None), Feed(7, then=None), give_up=10)
    source._reader.pause = clock.wait
    shot = list(source)[-1]
    assert (number(shot), shot.index, shot.timestamp) == (7, 1, 1.5)
    assert clock.pauses == [0.5, 1, *(0.5, 1, 2, 4, 2.5)]


def test_server_that_answers_but_sends_nothing_is_not_pestered(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    source = feed_source(Feed(0, then=None), *(Feed(then=None) for _ in range(9)), give_up=7.5)
    source._reader.pause = clock.wait
    assert len(list(source)) == 1
    assert clock.pauses == [0.5, 1, 2, 4]


def test_source_that_never_gives_a_frame():
    with pytest.raises(InputError, match="feed gives no frames: look after it"):
        list(feed_source(Feed(then=None), give_up=0))


def test_error_in_the_thread_reaches_the_loop():
    class Broken(Feed):
        def grab(self) -> bool:
            raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        list(feed_source(Broken()))


def test_frames_are_read_once():
    source = feed_source(Feed(0, then=None), give_up=0)
    assert len(list(source)) == 1
    with pytest.raises(RuntimeError, match="frames of feed are read once"):
        list(source)


def test_leaving_the_loop_while_the_source_is_away_does_not_wait(monkeypatch):
    monkeypatch.setattr(live, "FIRST_PAUSE", 1000.0)
    monkeypatch.setattr(live, "LONGEST_PAUSE", 1000.0)
    feed = Feed(0, then=None)
    with feed_source(feed, give_up=1e9) as source:
        for _ in source:
            break
    assert not threads()


def test_negative_patience():
    with pytest.raises(ValueError, match="give_up must be 0 seconds or more, got -1"):
        feed_source(Feed(), give_up=-1)


@pytest.mark.parametrize("wanted", [2, "cam:2"])
def test_camera(monkeypatch, wanted):
    feed = Feed(5, then=None)
    monkeypatch.setattr(live.cv2, "VideoCapture", lambda number: feed if number == 2 else None)
    camera = open_source(wanted, give_up=0)
    assert (camera.moving, camera.live, camera.ahead) == (True, True, False)
    assert (camera.name, camera.stem, camera.fps) == ("camera 2", "camera2", None)
    assert [number(shot) for shot in camera] == [5]


def test_camera_that_is_not_there(monkeypatch):
    monkeypatch.setattr(live.cv2, "VideoCapture", lambda _: Feed(opened=False))
    with pytest.raises(InputError, match="camera 9 cannot be opened"):
        open_source(9)
    for system, said in (("win32", "Privacy > Camera"), ("linux", "/dev/video*")):
        monkeypatch.setattr(live.sys, "platform", system)
        with pytest.raises(InputError, match=re.escape(said)):
            open_source(9)


@pytest.mark.parametrize(
    ("handler", "scheme"), [(HttpFrames, "http"), (RtspFrames, "rtsp")], ids=["http", "rtsp"]
)
def test_stream_that_goes_away_and_comes_back(monkeypatch, hurry, caplog, handler, scheme):
    connect, attempts = live.connect, []
    with Streamer(handler, frames=40) as server:

        def connect_again(url: str):
            attempts.append(url)
            if len(attempts) == 3:  # until then nobody listens
                server.start()
            return connect(url)

        monkeypatch.setattr(live, "connect", connect_again)
        url = f"{scheme}://me:secret@127.0.0.1:{server.port}/live"
        with open_source(url, give_up=PATIENCE) as source:
            assert isinstance(source, NetworkStream)
            assert source.name == f"{scheme}://127.0.0.1:{server.port}/live"
            server.stop()
            for shot in source:
                assert shot.frame.shape == (48, 64, 3)
                if "/live is back after" in caplog.text:
                    break
    assert len(attempts) >= 3  # more, if it ended again before this loop came to look
    assert shot.timestamp > 0
    assert f"127.0.0.1:{server.port}/live stopped giving frames after" in caplog.text
    assert "secret" not in caplog.text


def test_stream_that_is_not_there(caplog):
    with Streamer(HttpFrames, frames=1) as server:
        port = server.port
    with pytest.raises(InputError, match=rf"^http://127\.0\.0\.1:{port}/live cannot be opened"):
        open_source(f"http://me:secret@127.0.0.1:{port}/live?token=1")


def test_a_source_may_be_away_for_days(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    feeds = (Feed(then=None) for _ in range(3000))
    source = feed_source(Feed(0, then=None), *feeds, give_up=20_000)
    source._reader.pause = clock.wait
    assert len(list(source)) == 1
    assert len(clock.pauses) > 1025
