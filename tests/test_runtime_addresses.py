"""Addresses of streams and of videos on servers: what they open, and what they are called."""

import http.server

import cv2
import pytest
from some_videos import write_video
from stream_servers import Streamer

from runtime.errors import InputError
from runtime.sources import Video, open_source, opening
from runtime.sources.live import stem_of, without_password


def test_video_on_a_server_is_played_frame_by_frame(tmp_path):
    data = write_video(tmp_path / "a.avi", code="MJPG").read_bytes()

    class File(http.server.BaseHTTPRequestHandler):
        frames = numbers = None

        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            self.send_response(206)
            self.send_header("Content-Type", "video/x-msvideo")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            try:
                self.wfile.write(data[start:])
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            pass

    with (
        Streamer(File, frames=0) as server,
        open_source(f"http://127.0.0.1:{server.port}/a.avi") as source,
    ):
        assert isinstance(source, Video)
        assert source.stem == "127.0.0.1_a.avi"
        assert [shot.index for shot in source] == list(range(20))


def test_unknown_scheme():
    with pytest.raises(InputError, match=r"ftp://host/a: give a path, or a URL of http, https"):
        open_source("ftp://host/a")


def test_names_of_urls():
    url = "rtsp://me:se@cret@camera.local:554/live/1?key=2"
    assert without_password(url) == "rtsp://camera.local:554/live/1"
    assert stem_of(url) == "camera.local_live_1"
    assert stem_of("udp://@:1234") == "stream"
    assert without_password("HTTP://host/a?token=1#top") == "http://host/a"
    for secret in ("se#cret", "se/cret", "se?cret", "se[cret", "se@cret", "se:cret"):
        url = f"rtsp://me:{secret}@camera.local/live"
        assert without_password(url) == "rtsp://camera.local/live"
        assert stem_of(url) == "camera.local_live"


def test_an_address_that_cannot_be_opened_is_named_without_its_password(monkeypatch):
    monkeypatch.setattr(opening, "connect", lambda url: cv2.VideoCapture())
    for secret in ("se#cret", "se/cret", "se[cret"):
        with pytest.raises(InputError, match=r"rtsp://camera\.local/live cannot") as told:
            open_source(f"rtsp://me:{secret}@camera.local/live")
        assert "cret" not in str(told.value)
        assert "me:" not in str(told.value)
