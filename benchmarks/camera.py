"""A camera on the network for measurements: ``python -m benchmarks.camera CLIP``.

Serves a clip again and again as Motion JPEG over HTTP, at the clip's own pace, and hangs up after
some frames, as such cameras do when they start anew. It prints its port, and runs until it is
ended or its standard input is closed.
"""

import argparse
import http.server
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2

from runtime import open_source
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import positive
from runtime.console.stoppable import stoppable
from runtime.errors import InputError


class Frames(http.server.BaseHTTPRequestHandler):
    """Answers ``/connections`` with how many there were, and all else with frames.

    Attributes:
        clip: What is served.
        frames: Frames after which it hangs up.
        connections: How many there were, in a list of one.
    """

    clip: Path
    frames: int
    connections: list[int]

    def do_GET(self) -> None:
        """Serve one request."""
        self.send_response(200)
        if self.path == "/connections":
            self.end_headers()
            self.wfile.write(str(self.connections[0]).encode())
            return
        self.connections[0] += 1
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for data in self._encoded():
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
        except OSError:  # whoever looked has gone
            return

    def _encoded(self) -> Iterator[bytes]:
        left = self.frames
        while left:
            with open_source(self.clip) as shots:
                pause = 1 / (shots.fps or 25.0)
                for shot in shots:
                    yield cv2.imencode(".jpg", shot.frame)[1].tobytes()
                    time.sleep(pause)
                    left -= 1
                    if not left:
                        return

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(clip: Path, frames: int) -> http.server.ThreadingHTTPServer:
    """Make the server, on a free port of this machine.

    Args:
        clip: Video.
        frames: Frames after which each connection ends.

    Returns:
        It, not running yet.

    Raises:
        InputError: The clip cannot be read.
    """
    open_source(clip).close()
    said = {"clip": clip, "frames": frames, "connections": [0]}
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Frames,), said))


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.camera",
        description="Serve a clip as a network camera.",
        formatter_class=DefaultsHelp,
    )
    parser.add_argument(
        "clip", type=Path, help="a video; the port of this machine where it is served is printed"
    )
    parser.add_argument("--frames", type=positive, default=500, help="frames until it hangs up")
    args = parser.parse_args(argv)
    try:
        server = serve(args.clip, args.frames)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
