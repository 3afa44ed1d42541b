"""Wavefront OBJ files: vertices, texture coordinates and faces, which become triangles."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


class ObjError(ValueError):
    """A file is not an OBJ file that can be read; the message names file and line."""


@dataclass(frozen=True, eq=False)
class ObjMesh:
    """A triangle mesh; indices count from 0, as they do not in the file.

    Attributes:
        vertices: (V, 3) float64, the file's unit.
        uv: Texture coordinates, (U, 2) float64, v up.
        triangles: Corners as indices into ``vertices``, (T, 3) int64.
        uv_triangles: The same corners as indices into ``uv``, (T, 3) int64.
    """

    vertices: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    uv_triangles: np.ndarray

    def vertex_uv(self) -> np.ndarray:
        """Give each vertex one texture coordinate.

        A vertex on a seam has several; it gets that of the first face that names it.

        Returns:
            (V, 2) float32, 0 for a vertex that no face names.
        """
        chosen = np.zeros((len(self.vertices), 2), np.float32)
        chosen[self.triangles[::-1].ravel()] = self.uv[self.uv_triangles[::-1].ravel()]
        return chosen


def read_vertices(path: Path) -> np.ndarray:
    """Read the vertices alone, which is all that a blend shape differs in.

    Args:
        path: The OBJ file.

    Returns:
        (V, 3) float64.

    Raises:
        ObjError: A line cannot be read, or there is no vertex.
        OSError: The file cannot be read.
    """
    return _parse(path, vertices_only=True).vertices


def read_obj(path: Path) -> ObjMesh:
    """Read a mesh whose faces carry texture coordinates.

    Faces of more than three corners become fans around their first corner, which suits convex ones.
    Normals, groups and materials are skipped.

    Args:
        path: The OBJ file.

    Returns:
        The mesh.

    Raises:
        ObjError: A line cannot be read, a face has no texture coordinates or names what is not in
            the file, or there is no vertex.
        OSError: The file cannot be read.
    """
    mesh = _parse(path, vertices_only=False)
    for corners, count, what in (
        (mesh.triangles, len(mesh.vertices), "vertex"),
        (mesh.uv_triangles, len(mesh.uv), "texture coordinate"),
    ):
        wrong = corners[(corners < 0) | (corners >= count)]
        if len(wrong):
            raise ObjError(f"{path}: a face names {what} {wrong[0] + 1}, but there are {count}")
    return mesh


def _parse(path: Path, vertices_only: bool) -> ObjMesh:
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    triangles: list[tuple[int, int, int]] = []
    uv_triangles: list[tuple[int, int, int]] = []
    # A stray byte in a comment must not stop the reader; one in a number still does, below.
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            try:
                if line.startswith("v "):
                    x, y, z = line.split()[1:4]  # a weight or a colour may follow
                    vertices.append([float(x), float(y), float(z)])
                elif vertices_only:
                    continue
                elif line.startswith("vt "):
                    u, v = line.split()[1:3]
                    uv.append([float(u), float(v)])
                elif line.startswith("f "):
                    corners = [corner.split("/") for corner in line.split()[1:]]
                    if len(corners) < 3:
                        raise ValueError("a face needs three corners")
                    triangles += _fan([int(corner[0]) - 1 for corner in corners])
                    uv_triangles += _fan([int(corner[1]) - 1 for corner in corners])
            except (ValueError, IndexError) as error:
                raise ObjError(f"{path}, line {number}: {line.strip()[:60]!r}: {error}") from error
    if not vertices:
        raise ObjError(f"{path} is not an OBJ file: it has no vertex")
    return ObjMesh(
        vertices=np.array(vertices),
        uv=np.array(uv).reshape(-1, 2),
        triangles=np.array(triangles, np.int64).reshape(-1, 3),
        uv_triangles=np.array(uv_triangles, np.int64).reshape(-1, 3),
    )


def _fan(corners: list[int]) -> list[tuple[int, int, int]]:
    return [(corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)]
