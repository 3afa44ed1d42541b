"""Streams of Motion JPEG on this machine, over HTTP and RTSP, that go away and come back."""

import http.server
import itertools
import socketserver
import struct
import threading

import cv2
import numpy as np


def jpeg(number: int) -> bytes:
    """Encode a frame of 64 × 48 whose grey value is ten times its number."""
    return cv2.imencode(".jpg", np.full((48, 64, 3), 10 * number % 250, np.uint8))[1].tobytes()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


class Streamer:
    """Serves on one port whenever it is told to; each connection gets some frames, then its end.

    Args:
        handler: Class that answers one connection.
        frames: Frames a connection.
    """

    def __init__(self, handler: type[socketserver.BaseRequestHandler], frames: int) -> None:
        self.handler = type("Handler", (handler,), {"frames": frames, "numbers": itertools.count()})
        self.port = 0
        self._server: _Server | None = None

    def __enter__(self) -> "Streamer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), self.handler)
        self.port = self._server.server_address[1]
        serve = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        serve.start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None


class HttpFrames(http.server.BaseHTTPRequestHandler):
    """Motion JPEG over HTTP, as IP cameras send it."""

    frames: int
    numbers: itertools.count

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in itertools.islice(self.numbers, self.frames):
            data = jpeg(number)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data + b"\r\n")
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        pass


class RtspFrames(socketserver.StreamRequestHandler):
    """Motion JPEG over RTSP (RFC 2326), RTP (RFC 2435) inside the same connection."""

    frames: int
    numbers: itertools.count

    def handle(self) -> None:
        while request := self._request():
            method, headers = request
            reply = {"CSeq": headers.get("cseq", "0"), "Session": "1"}
            body = ""
            if method == "OPTIONS":
                reply["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"
            elif method == "DESCRIBE":
                reply["Content-Type"] = "application/sdp"
                body = (
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\n"
                    "m=video 0 RTP/AVP 26\r\nc=IN IP4 127.0.0.1\r\na=control:track\r\n"
                )
            elif method == "SETUP":
                reply["Transport"] = "RTP/AVP/TCP;unicast;interleaved=0-1"
            reply["Content-Length"] = str(len(body))
            lines = ["RTSP/1.0 200 OK", *(f"{key}: {value}" for key, value in reply.items())]
            self.wfile.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
            if method == "PLAY":
                try:
                    self._play()
                except OSError:
                    pass
                return

    def _request(self) -> tuple[str, dict[str, str]] | None:
        lines = []
        while (line := self.rfile.readline().decode().strip()) or not lines:
            if not line:
                return None
            lines.append(line)
        pairs = (line.partition(":") for line in lines[1:])
        return lines[0].split()[0], {key.lower(): value.strip() for key, _, value in pairs}

    def _play(self) -> None:
        for number in itertools.islice(self.numbers, self.frames):
            tables, scan, kind = _parts(jpeg(number))
            head = struct.pack(">B3xBBBB", 0, kind, 255, 64 // 8, 48 // 8)
            payload = head + struct.pack(">BBH", 0, 0, len(tables)) + tables + scan
            rtp = struct.pack(">BBHII", 0x80, 0x80 | 26, number & 0xFFFF, number * 3600, 1)
            self.wfile.write(struct.pack(">cBH", b"$", 0, len(rtp + payload)) + rtp + payload)


def _parts(data: bytes) -> tuple[bytes, bytes, int]:
    """Take a JPEG apart: quantisation tables, scan, and RFC 2435's type by its subsampling."""
    tables, kind, at = b"", 0, 2
    while True:
        marker, size = struct.unpack_from(">HH", data, at)
        body = data[at + 4 : at + 2 + size]
        if marker == 0xFFDB:
            tables += b"".join(body[i + 1 : i + 65] for i in range(0, len(body), 65))
        elif marker == 0xFFC0:
            kind = {0x21: 0, 0x22: 1}[body[7]]
        elif marker == 0xFFDA:
            return tables, data[at + 2 + size : -2], kind
        at += 2 + size
