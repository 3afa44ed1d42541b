"""Faces on which an exported model is compared with the network it came from."""

from pathlib import Path

import cv2
import numpy as np

import runtime
from runtime.align import ALIGNED_SIZE, CROP_OFFSET, CROP_SIZE, alignment_matrix, crop_matrix, warp
from runtime.errors import InputError
from runtime.image import check_frame
from runtime.sources import ImageFiles
from runtime.truth import read_truth

LEAST = 8
"""Faces without which a comparison says little."""

MOST = 16
"""Faces that are taken of a larger collection, evenly spaced."""

DEMO = Path(runtime.__file__).parent / "demo"


def demo_faces(folder: Path = DEMO) -> np.ndarray:
    """Cut aligned faces out of the demo clip.

    Args:
        folder: Where ``clip.mp4`` and ``clip_truth.csv`` are.

    Returns:
        Crops, (N, 176, 176, 3) uint8, BGR.

    Raises:
        InputError: The clip is missing or unusable.
    """
    clip, table = folder / "clip.mp4", folder / "clip_truth.csv"
    missing = [str(path) for path in (clip, table) if not path.is_file()]
    if missing:
        raise InputError(
            f"no faces to compare on: {' and '.join(missing)} missing; give --faces DIR with "
            f"at least {LEAST} images of aligned faces"
        )
    truth = read_truth(table)
    chosen = set(_evenly(sorted(truth)))
    video = cv2.VideoCapture(str(clip))
    faces = []
    try:
        for index in range(max(chosen) + 1):
            read, frame = video.read()
            if not read:
                break
            if index in chosen:
                matrix = crop_matrix(alignment_matrix(truth[index].landmarks))
                faces.append(warp(frame, matrix))
    finally:
        video.release()
    return _different(faces, f"demo clip {clip}")


def folder_faces(folder: Path) -> np.ndarray:
    """Read aligned faces from a folder of images.

    Args:
        folder: Images of 176 × 176, or 200 × 200, of which the middle is taken.

    Returns:
        Crops, (N, 176, 176, 3) uint8, BGR.

    Raises:
        InputError: There is no such folder, an image has another size, or the faces are too few.
    """
    if not folder.is_dir():
        raise InputError(f"--faces {folder}: no such folder")
    faces = []
    for shot in ImageFiles(folder):
        face = check_frame(shot.frame, shot.name)
        size = face.shape[:2]
        if size == (ALIGNED_SIZE, ALIGNED_SIZE):
            inside = slice(CROP_OFFSET, CROP_OFFSET + CROP_SIZE)
            face = face[inside, inside]
        elif size != (CROP_SIZE, CROP_SIZE):
            raise InputError(
                f"{folder / shot.name} is {size[1]} × {size[0]}: give aligned faces of "
                f"{CROP_SIZE} × {CROP_SIZE} or {ALIGNED_SIZE} × {ALIGNED_SIZE} pixels"
            )
        faces.append(face)
    return _different(_evenly(faces), f"--faces {folder}")


def _evenly(items: list) -> list:
    """Take at most :data:`MOST` of a list, evenly spaced."""
    if len(items) <= MOST:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, MOST).round().astype(int)]


def _different(faces: list[np.ndarray], source: str) -> np.ndarray:
    """Drop repetitions and see that enough is left."""
    unique = list({face.tobytes(): face for face in faces}.values())
    if len(unique) < LEAST:
        raise InputError(
            f"{source} gives {len(unique)} faces that differ from each other, at least {LEAST} "
            "are needed to compare on"
        )
    return np.stack(unique)
