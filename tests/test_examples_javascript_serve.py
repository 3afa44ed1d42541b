"""The server of examples/javascript."""

import functools
import http.server
import runpy
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest
from javascript import FOLDER


def test_pages_are_isolated_and_lie_in_the_repository():
    served = runpy.run_path(str(FOLDER / "serve.py"))
    handler = functools.partial(served["Handler"], directory=served["ROOT"])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(f"{root}/examples/javascript/") as page:
            assert page.read() == (FOLDER / "index.html").read_bytes()
            # What HTML's standard asks for before `crossOriginIsolated` is true.
            assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        with urllib.request.urlopen(f"{root}/examples/javascript/page.js") as script:
            assert "javascript" in script.headers["Content-Type"]  # or browsers run no module
            assert script.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{root}/examples/javascript/none.onnx")
        server.shutdown()


def test_the_port_can_be_chosen_and_a_taken_one_is_named():
    command = [sys.executable, str(FOLDER / "serve.py")]
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [*command, str(port)], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    assert f"port {port}: " in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    with subprocess.Popen([*command, str(port)], stdout=subprocess.PIPE, text=True) as server:
        told = server.stdout.readline()
        server.kill()
    assert told == f"http://127.0.0.1:{port}/examples/javascript/\n"
