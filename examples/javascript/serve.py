"""Serves the repository on this machine, so that browsers let a page use several threads.

That takes two headers (https://web.dev/articles/coop-coep), which ``python -m http.server`` lacks.
"""

import functools
import http.server
from pathlib import Path

ROOT = Path(__file__).parents[2]
PORT = 8000


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, with the headers that isolate a page from other sites."""

    def end_headers(self) -> None:
        """Add the two headers."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


if __name__ == "__main__":
    handler = functools.partial(Handler, directory=ROOT)
    with http.server.ThreadingHTTPServer(("127.0.0.1", PORT), handler) as server:
        print(f"http://127.0.0.1:{PORT}/examples/javascript/")
        server.serve_forever()
