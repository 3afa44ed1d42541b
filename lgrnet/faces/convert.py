"""Make a face rig from a clone of ICT-FaceKit: ``python -m lgrnet.faces.convert ICT-FaceKit``.

ICT-FaceKit is a folder of OBJ files that share one mesh. The rig keeps what a picture of a face
shows, as int8 deltas with one scale a mode, and adds ambient occlusion. It is a copy of a
substantial portion in the sense of ICT-FaceKit's MIT licence, so the notice and the citation travel
inside the file, as the array ``licence``.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lgrnet.faces.drawing.occlusion import visibility
from lgrnet.faces.head.ict_facekit import BLOCKS, COMMIT, EXPRESSIONS, LICENCE, SOURCE, Block
from lgrnet.faces.head.obj import ObjError, ObjMesh, read_obj, read_vertices
from lgrnet.faces.head.rig import Part
from runtime.console.option_types import whole
from runtime.console.progress import add_progress
from runtime.console.stoppable import stoppable
from runtime.files.atomic import PendingFile

logger = logging.getLogger(__name__)

_EYE_BACK = 7.6  # cm: eyeball triangles farther back lie inside the head
_SHOULDERS = -15.5  # cm: below this the neck is out of every picture
_JAW_AJAR, _LIDS_WIDE = 0.45, 0.5  # weights of the pose in which the mouth's occlusion is baked


class CloneError(RuntimeError):
    """A folder is not the clone of ICT-FaceKit that the converter needs."""


def convert(
    clone: Path,
    out: Path,
    identity_modes: int = 100,
    blocks: Sequence[Block] = BLOCKS,
    progress: bool = True,
) -> None:
    """Make a rig file that :func:`lgrnet.faces.head.rig.load_rig` reads.

    Args:
        clone: Clone of ICT-FaceKit.
        out: The rig file; it appears whole or not at all.
        identity_modes: How many of the 100 identity modes to keep, the strongest first.
        blocks: What the mesh's vertices are.
        progress: Whether to show a progress bar.

    Raises:
        CloneError: A file is missing, or the mesh is not the expected one.
        ObjError: An OBJ file cannot be read.
        OSError: A file cannot be read or written.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    model = clone / "FaceXModel"
    identities = [f"identity{number:03d}" for number in range(identity_modes)]
    neutral_path, index_path = model / "generic_neutral_mesh.obj", model / "vertex_indices.json"
    shape_paths = [model / f"{name}.obj" for name in (*EXPRESSIONS, *identities)]
    _require([neutral_path, index_path, *shape_paths], clone)

    neutral = read_obj(neutral_path)
    count = blocks[-1].last + 1
    _check_count(neutral_path, neutral.vertices, count)
    landmarks = _read_landmarks(index_path, blocks[0])
    triangles, part = _select(neutral, blocks, neutral_path)
    used = np.union1d(triangles, landmarks)
    place = np.full(count, -1)
    place[used] = np.arange(len(used))
    triangles = place[triangles]

    deltas = np.empty((len(shape_paths), len(used), 3), np.float32)
    for row, path in enumerate(tqdm(shape_paths, unit="shape", disable=not progress)):
        vertices = read_vertices(path)
        _check_count(path, vertices, count)
        deltas[row] = (vertices - neutral.vertices)[used]
    expression, expression_scale = quantise(deltas[: len(EXPRESSIONS)])
    identity, identity_scale = quantise(deltas[len(EXPRESSIONS) :])
    vertices = neutral.vertices[used].astype(np.float32)
    shape = dict(zip(EXPRESSIONS, deltas, strict=False))
    rig = {
        "V": vertices,
        "T": triangles.astype(np.min_scalar_type(len(used))),
        "part": part,
        "uv": neutral.vertex_uv()[used],
        "lm": place[landmarks].astype(np.int32),
        "ao": (_bake(vertices, triangles, part, shape) * 255).astype(np.uint8),
        "names": np.array(EXPRESSIONS),
        **{"I": identity, "E": expression, "si": identity_scale, "se": expression_scale},
        "licence": np.array(LICENCE),
    }
    # Given a path that does not end in .npz, NumPy would write to another.
    with PendingFile(out) as pending, pending.open("wb") as file:
        np.savez_compressed(file, **rig)
    logger.info(
        "%s: %d vertices, %d triangles, %d identity modes, %d expression shapes, %.1f MB",
        *(out, len(used), len(triangles), len(identity), len(expression)),
        out.stat().st_size / 1e6,
    )


def quantise(deltas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round deltas to 255 steps of each mode's largest.

    Args:
        deltas: (modes, V, 3), cm.

    Returns:
        (modes, V, 3) int8 and scales (modes,) float32, with delta = int8 · scale / 127.
    """
    scale = np.abs(deltas).max((1, 2))
    step = np.where(scale > 0, scale, 1) / 127
    return np.rint(deltas / step[:, None, None]).astype(np.int8), scale.astype(np.float32)


def triangle_blocks(triangles: np.ndarray, blocks: Sequence[Block]) -> np.ndarray:
    """Find the block of each triangle: that of its highest vertex.

    Where a part borders on the face, its triangles share the face's vertices, which come first; so
    the vertices alone tell the parts apart and the file's materials are not needed.

    Args:
        triangles: (T, 3).
        blocks: Adjoining blocks.

    Returns:
        Index into ``blocks``, (T,).
    """
    return np.searchsorted([block.last for block in blocks], triangles.max(1))


def _select(
    mesh: ObjMesh, blocks: Sequence[Block], path: Path
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the triangles to keep, ordered by part, and the part of each."""
    block = triangle_blocks(mesh.triangles, blocks)
    dropped = len(Part)
    parts = np.array([dropped if entry.part is None else entry.part for entry in blocks], np.uint8)
    part = parts[block]
    height = mesh.vertices[mesh.triangles][:, :, 1].max(1)
    depth = mesh.vertices[mesh.triangles][:, :, 2].mean(1)
    part[(part == Part.HEAD) & (height < _SHOULDERS)] = dropped
    part[np.isin(part, (Part.LEFT_EYE, Part.RIGHT_EYE)) & (depth < _EYE_BACK)] = dropped
    kept = np.flatnonzero(part != dropped)
    kept = kept[np.argsort(part[kept], kind="stable")]
    # Another commit numbers as many vertices in another order; then triangles straddle the blocks.
    first = np.array([entry.first for entry in blocks])[block[kept], None]
    corners = mesh.triangles[kept]
    if not np.all((corners >= first) | (corners <= blocks[0].last)):
        raise CloneError(f"{path} orders its vertices in another way. {_how_to_clone()}")
    return corners, part[kept]


def _bake(
    vertices: np.ndarray, triangles: np.ndarray, part: np.ndarray, shape: dict[str, np.ndarray]
) -> np.ndarray:
    """Bake ambient occlusion: the mouth's inside with the mouth open, the rest at rest."""
    ajar = vertices + _JAW_AJAR * shape["jawOpen"]
    ajar += _LIDS_WIDE * (shape["eyeWide_L"] + shape["eyeWide_R"])
    inside = np.isin(part, (Part.MOUTH_SOCKET, Part.GUMS, Part.TEETH))
    result = visibility(vertices, triangles)
    inner = np.unique(triangles[inside])
    result[inner] = visibility(ajar, triangles)[inner]
    return result


def _read_landmarks(path: Path, face: Block) -> np.ndarray:
    """Read the vertices of the 68 landmarks."""
    try:
        landmarks = np.array(
            json.loads(path.read_text(encoding="utf-8"))["idx_to_landmark_verts"], np.int64
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CloneError(f"{path} holds no idx_to_landmark_verts: {error!r}") from error
    if landmarks.shape != (68,) or landmarks.min() < face.first or landmarks.max() > face.last:
        raise CloneError(f"{path}: idx_to_landmark_verts are not 68 vertices of the face")
    return landmarks


def _require(paths: Sequence[Path], clone: Path) -> None:
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise CloneError(
            f"{clone} is no clone of ICT-FaceKit: it lacks {missing[0].relative_to(clone)}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}. {_how_to_clone()}"
        )


def _check_count(path: Path, vertices: np.ndarray, count: int) -> None:
    if len(vertices) != count:
        raise CloneError(f"{path} has {len(vertices)} vertices, not {count}. {_how_to_clone()}")


def _how_to_clone() -> str:
    return (
        f"Get the right commit:\n    git clone {SOURCE}\n    git -C ICT-FaceKit checkout {COMMIT}"
    )


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.faces.convert",
        description=f"Make a face rig from a clone of ICT-FaceKit ({SOURCE}).",
    )
    parser.add_argument("clone", type=Path, help="folder of the clone")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("face_rig.npz"),
        help="rig file (default: %(default)s)",
    )
    parser.add_argument(
        "--identity-modes",
        type=whole,
        choices=range(1, 101),
        default=100,
        metavar="1..100",
        help="how many of the 100 to keep, the strongest first (default: %(default)s)",
    )
    add_progress(parser)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        convert(args.clone, args.out, args.identity_modes, progress=args.progress)
    except (CloneError, ObjError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
