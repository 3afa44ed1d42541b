"""The face rig: a mesh with identity and expression deltas, read from one ``.npz`` file.

The file is derived from ICT-FaceKit Light (Li et al., CVPR 2020; MIT licence) by
``python -m lgrnet.faces.convert``.
"""

import os
import zlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

RIG_VARIABLE = "LGRNET_FACE_RIG"
"""Environment variable that may hold the path of the rig file."""

SDM49_OF_68 = np.array([i for i in range(17, 68) if i not in (60, 64)])
"""(49,) index of every SDM-49 landmark in the rig's 68: no jaw, no inner mouth corners."""

_FIELDS = ("V", "T", "part", "uv", "lm", "ao", "I", "E", "si", "se", "names")


class Part(IntEnum):
    """What a triangle belongs to."""

    FACE = 0
    HEAD = 1
    MOUTH_SOCKET = 2
    EYE_SOCKET = 3
    GUMS = 4
    TEETH = 5
    LEFT_EYE = 6
    RIGHT_EYE = 7


class RigError(RuntimeError):
    """The face rig is missing or is not one."""


@dataclass(frozen=True, eq=False)
class Rig:
    """A morphable head.

    Attributes:
        vertices: Neutral mean head, (V, 3) float32, cm.
        triangles: (T, 3) int32, counter-clockwise seen from outside.
        part: :class:`Part` of every triangle, (T,) uint8.
        vertex_part: :class:`Part` of every vertex, (V,) uint8.
        uv: Texture coordinates, (V, 2) float32 in [0, 1], v up; one chart for the face.
        landmarks68: Vertex of each of the 68 iBUG landmarks, (68,).
        occlusion: Ambient visibility of every vertex, (V,) float32 in [0, 1].
        identity: Deltas of the identity modes, (K, 3V) float32, cm at weight 1 ~ N(0, 1).
        expression: Deltas of the expression shapes, (S, 3V) float32, cm at weight 1.
        shapes: Expression name → row of ``expression``.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    part: np.ndarray
    vertex_part: np.ndarray
    uv: np.ndarray
    landmarks68: np.ndarray
    occlusion: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    shapes: dict[str, int]

    def shape(self, name: str) -> np.ndarray:
        """Return one expression shape as (V, 3) deltas, cm."""
        return self.expression[self.shapes[name]].reshape(-1, 3)

    def vertices_of(self, part: Part) -> np.ndarray:
        """Return the indices of a part's vertices."""
        return np.flatnonzero(self.vertex_part == part)


def rig_path(path: str | Path | None = None) -> Path:
    """Find the rig file: the argument, else the environment variable.

    Args:
        path: Where the file is, or None.

    Returns:
        A path that exists.

    Raises:
        RigError: There is no such file, or none was named.
    """
    named = path or os.environ.get(RIG_VARIABLE)
    how = (
        "Make it from a clone of ICT-FaceKit (https://github.com/ICT-VGL/ICT-FaceKit, MIT):\n"
        "    python -m lgrnet.faces.convert path/to/ICT-FaceKit -o face_rig.npz\n"
        f"then pass --rig face_rig.npz or set {RIG_VARIABLE}=face_rig.npz."
    )
    if not named:
        raise RigError(f"rendering faces needs a face rig, and none was named. {how}")
    found = Path(named)
    if not found.is_file():
        raise RigError(f"there is no face rig at {found}. {how}")
    return found


def load_rig(path: str | Path | None = None) -> Rig:
    """Load a face rig.

    Args:
        path: The ``.npz`` file; None reads the environment variable ``LGRNET_FACE_RIG``.

    Returns:
        The rig.

    Raises:
        RigError: The file is missing, is not a rig or lacks an array.
    """
    found = rig_path(path)
    try:
        with np.load(found, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, TypeError, BadZipFile, zlib.error) as error:
        raise RigError(f"{found} is not a face rig: {error}") from error
    missing = [name for name in _FIELDS if name not in data]
    if missing:
        raise RigError(
            f"{found} lacks the arrays {missing}: make it again with lgrnet.faces.convert"
        )
    triangles = np.ascontiguousarray(data["T"], dtype=np.int32)
    part = data["part"].astype(np.uint8)
    count = len(data["V"])
    vertex_part = np.zeros(count, np.uint8)
    # Reversed, so that a vertex on a seam belongs to the first part that names it: the face.
    vertex_part[triangles[::-1].ravel()] = np.repeat(part[::-1], 3)
    return Rig(
        vertices=data["V"].astype(np.float32),
        triangles=triangles,
        part=part,
        vertex_part=vertex_part,
        uv=data["uv"].astype(np.float32),
        landmarks68=data["lm"].astype(np.int64),
        occlusion=data["ao"].astype(np.float32) / 255,
        identity=_decode(data["I"], data["si"]),
        expression=_decode(data["E"], data["se"]),
        shapes={str(name): row for row, name in enumerate(data["names"])},
    )


def _decode(deltas: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Turn int8 deltas with one scale per mode into (modes, 3V) float32, cm."""
    real = deltas.astype(np.float32) * (scale.astype(np.float32)[:, None, None] / 127)
    return real.reshape(len(real), -1)
