"""The worker of examples/javascript, in Node.js instead of a browser: what it refuses, in words."""

import pytest
from javascript import FOLDER, javascript, needs_node

pytestmark = needs_node

BROWSER = f"""
const said = [];
const stand_in = (name, value) =>
  Object.defineProperty(globalThis, name, {{ value, writable: true }});
stand_in("OffscreenCanvas", class {{ getContext() {{}} }});
stand_in("onmessage", null);
stand_in("navigator", {{}});
stand_in("crossOriginIsolated", false);
stand_in("postMessage", (answer) => said.push(answer));
stand_in("fetch", async (path) => ({{ ok: false, status: 404 }}));
await import("{(FOLDER / "worker.js").as_uri()}");
"""
SETTINGS = {
    "model": "a.onnx", "finder": "b.onnx", "provider": "wasm", "threads": "1", "faces": "4"
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "a.onnx is not there (404)"),
        ({"threads": "0"}, "threads=0: give a whole number, 1 or more"),
        ({"threads": "two"}, "threads=two: give a whole number, 1 or more"),
        ({"threads": "2"}, "serve it by serve.py"),
        ({"faces": "1.5"}, "faces=1.5: give a whole number, 1 or more"),
        ({"provider": "webgpu"}, "this browser has no WebGPU"),
    ],
)
def test_what_cannot_be_had_is_answered_with_what_to_do(changed, words):
    said = javascript(
        BROWSER + "await onmessage({ data: { open: given.settings } }); answer = said;",
        settings=SETTINGS | changed,
    )
    assert len(said) == 1
    assert words in said[0]["error"]


def test_a_file_that_cannot_be_fetched_is_named():
    said = javascript(
        BROWSER + "fetch = async () => { throw new TypeError('Failed to fetch'); };"
        "await onmessage({ data: { open: given.settings } }); answer = said;",
        settings=SETTINGS,
    )
    assert said == [{"error": "a.onnx cannot be fetched: Failed to fetch"}]


def test_a_frame_without_a_model_is_answered_too():
    said = javascript(
        BROWSER + "await onmessage({ data: { frame: {}, first: true } }); answer = said;"
    )
    assert [list(answer) for answer in said] == [["error"]]
