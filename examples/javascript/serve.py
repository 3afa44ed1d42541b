"""Serves the repository on this machine, so that browsers let a page use several threads.

That takes two headers (https://web.dev/articles/coop-coep), which ``python -m http.server`` lacks.
A third one lets the page get files from this server only, and send nothing to any other.
"""

import argparse
import contextlib
import functools
import http.server
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "img-src 'self' data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, with the headers that isolate a page from other sites."""

    def end_headers(self) -> None:
        """Add the headers."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serves the page to browsers on this machine.")
    parser.add_argument("port", type=int, nargs="?", default=8000, help="8000 by default")
    port = parser.parse_args().port
    handler = functools.partial(Handler, directory=ROOT)
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        parser.error(f"port {port}: {error}; give another one")
    with server, contextlib.suppress(KeyboardInterrupt):
        print(f"http://127.0.0.1:{port}/examples/javascript/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
