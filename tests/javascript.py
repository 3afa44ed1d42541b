"""Runs pieces of examples/javascript in Node.js."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "javascript"
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="no Node.js on this machine")

_READ = """
import { readFileSync } from "node:fs";
const given = JSON.parse(readFileSync(0), (_, value) =>
  value?.base64 === undefined ? value : new Uint8Array(Buffer.from(value.base64, "base64")));
"""
_WRITE = """
console.log(JSON.stringify(answer, (_, value) =>
  ArrayBuffer.isView(value) ? { base64: Buffer.from(value).toString("base64") } : value));
"""


def javascript(code: str, **given: object) -> object:
    """Run code that sets `answer`, with `given` and the functions of the folder at hand."""
    names = {
        "boxes": "alignmentBox, faceBox, overlap, sameFace",
        "geometry": "alignmentMatrix, anchorMatrix, cropMatrix, invert, isPlausible, transform",
        "pictures": "cut, fromBytes, shrink",
        "metadata": "readSpec, wideSplits",
        "finder": "FaceFinder",
        "detector": "Detector",
        "tracker": "Tracker",
    }
    imports = "".join(
        f'import {{ {what} }} from "{(FOLDER / f"{module}.js").as_uri()}";\n'
        for module, what in names.items()
    )
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-e", f"{imports}{_READ}let answer;\n{code}\n{_WRITE}"],
        input=json.dumps(given, default=_as_json),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, object_hook=_from_json)


def picture(frame: np.ndarray) -> dict[str, object]:
    """Write a frame, (H, W, 3) uint8, BGR, as canvas has it."""
    rgba = np.dstack([frame[..., ::-1], np.full(frame.shape[:2], 255, np.uint8)])
    return {"data": rgba.tobytes(), "width": frame.shape[1], "height": frame.shape[0]}


def flat(matrix: np.ndarray) -> list[float]:
    """Write a matrix, (2, 3), as the folder does."""
    return matrix.ravel().tolist()


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    assert isinstance(value, np.ndarray)
    return value.tolist()


def _from_json(fields: dict[str, object]) -> object:
    if list(fields) == ["base64"]:
        return base64.b64decode(str(fields["base64"]))
    return fields
