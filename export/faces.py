"""Faces on which an exported model is compared with the network, calibrated and judged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lgrnet.data.shards import INDEX_NAME, FaceShards
from runtime.action_units import au_key
from runtime.align import (
    ALIGNED_SIZE,
    CROP_SIZE,
    alignment_matrix,
    crop_matrix,
    middle_crop,
    warp,
)
from runtime.errors import InputError
from runtime.image import check_frame
from runtime.packaged import DEMO
from runtime.sources import ImageFiles
from runtime.truth import TrueFace, read_truth

LEAST = 8
"""Faces without which a comparison says little."""

MOST = 16
"""Faces that are taken of a larger collection, evenly spaced."""

CALIBRATION = 96
"""Faces that calibration takes: with more, the ranges of the packaged network change by little."""


def demo_faces(folder: Path = DEMO, most: int = MOST) -> np.ndarray:
    """Cut aligned faces out of the demo clip.

    Args:
        folder: Where ``clip.mp4`` and ``clip_truth.csv`` are.
        most: How many at most, evenly spaced.

    Returns:
        Crops, (N, 176, 176, 3) uint8, BGR.

    Raises:
        InputError: The clip is missing or unusable.
    """
    truth = _demo_truth(folder)
    faces = [face for _, face in _demo_crops(folder, truth, _evenly(sorted(truth), most))]
    return _different(faces, f"demo clip {folder / 'clip.mp4'}")


def folder_faces(folder: Path, most: int = MOST, option: str = "--faces") -> np.ndarray:
    """Read aligned faces from a folder of images.

    Args:
        folder: Images of 176 × 176, or 200 × 200, of which the middle is taken.
        most: How many at most, evenly spaced.
        option: What the user gave the folder with, for messages.

    Returns:
        Crops, (N, 176, 176, 3) uint8, BGR.

    Raises:
        InputError: There is no such folder, an image has another size, or the faces are too few.
    """
    if not folder.is_dir():
        raise InputError(f"{option} {folder}: no such folder")
    faces = []
    for shot in ImageFiles(folder):
        face = check_frame(shot.frame, shot.name)
        size = face.shape[:2]
        if size == (ALIGNED_SIZE, ALIGNED_SIZE):
            face = middle_crop(face)
        elif size != (CROP_SIZE, CROP_SIZE):
            raise InputError(
                f"{folder / shot.name} is {size[1]} × {size[0]}: give aligned faces of "
                f"{CROP_SIZE} × {CROP_SIZE} or {ALIGNED_SIZE} × {ALIGNED_SIZE} pixels"
            )
        faces.append(face)
    return _different(_evenly(faces, most), f"{option} {folder}")


def calibration_faces(folder: Path | None) -> tuple[np.ndarray, str]:
    """Collect at most :data:`CALIBRATION` faces that show an exporter which numbers occur.

    Args:
        folder: A data set, whose training split is taken, or a folder of aligned faces; None for
            the demo clip. Evenly spaced ones are taken.

    Returns:
        Crops, (N, 176, 176, 3) uint8, BGR, and where they are from, in words.

    Raises:
        InputError: The folder is not there, or holds too few faces.
        DatasetError: The data set is not complete.
    """
    if folder is None:
        return demo_faces(most=CALIBRATION), "the demo clip"
    if not (folder / INDEX_NAME).is_file():
        return folder_faces(folder, CALIBRATION, "--calibration"), f"images of {folder}"
    shards = FaceShards(folder, "train")
    chosen = _evenly(range(len(shards)), CALIBRATION)
    return np.stack(
        [middle_crop(shards.face(index)) for index in chosen]
    ), f"{folder}, training people"


@dataclass(frozen=True, eq=False)
class LabelledFaces:
    """Faces with known AUs.

    Attributes:
        faces: Crops, (N, 176, 176, 3) uint8, BGR.
        presence: (N, n) uint8: 0 absent, 1 present, 9 unknown.
        source: Where they are from, in words.
    """

    faces: np.ndarray
    presence: np.ndarray
    source: str


def held_out_faces(folder: Path | None, aus: tuple[int, ...], most: int) -> LabelledFaces:
    """Collect faces on which a model is judged.

    Args:
        folder: A data set, whose test split is taken; None for the demo clip.
        aus: FACS numbers of the columns.
        most: How many at most, evenly spaced.

    Returns:
        The faces and their labels.

    Raises:
        InputError: The demo clip is missing, or does not label an AU.
        DatasetError: The data set is not there or not complete, or does not label an AU.
    """
    if folder is not None:
        shards = FaceShards(folder, "test", aus)
        chosen = _evenly(range(len(shards)), most)
        faces = np.stack([middle_crop(shards.face(index)) for index in chosen])
        return LabelledFaces(faces, shards.labels.presence[chosen], f"{folder}, test people")
    truth = _demo_truth(DEMO)
    keys = [au_key(au) for au in aus]
    unknown = [key for key in keys if key not in next(iter(truth.values())).aus]
    if unknown:
        raise InputError(
            f"the demo clip does not label {', '.join(unknown)}: give --held-out a data set that "
            "does"
        )
    crops = list(_demo_crops(DEMO, truth, _evenly(sorted(truth), most)))
    presence = [[truth[index].aus[key] for key in keys] for index, _ in crops]
    return LabelledFaces(
        np.stack([face for _, face in crops]), np.array(presence, np.uint8), "the demo clip"
    )


def require_faces(
    calibration: Path | None, held_out: Path | None, aus: tuple[int, ...], batch: int = 1
) -> None:
    """See that there are faces to calibrate and to judge on, before the minutes that others take.

    Args:
        calibration: See :func:`calibration_faces`.
        held_out: See :func:`held_out_faces`.
        aus: FACS numbers that have to be labelled.
        batch: How many faces calibration takes at once.

    Raises:
        InputError: A folder is not there or holds too few faces, or the demo clip lacks an AU.
        DatasetError: A data set is not there or not complete, or does not label an AU.
        ValueError: There are fewer faces to calibrate on than one batch.
    """
    if calibration is not None or batch > 1:
        faces, source = calibration_faces(calibration)
        if len(faces) < batch:
            raise ValueError(
                f"batch: int8 is calibrated on {len(faces)} faces ({source}), at most "
                f"{CALIBRATION}, which do not fill a batch of {batch}: give a smaller one"
            )
    held_out_faces(held_out, aus, 1)


def _demo_truth(folder: Path) -> dict[int, TrueFace]:
    clip, table = folder / "clip.mp4", folder / "clip_truth.csv"
    missing = [str(path) for path in (clip, table) if not path.is_file()]
    if missing:
        raise InputError(
            f"no faces to compare on: {' and '.join(missing)} missing; give --faces DIR with "
            f"at least {LEAST} images of aligned faces"
        )
    return read_truth(table)


def _demo_crops(
    folder: Path, truth: dict[int, TrueFace], wanted: Sequence[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Read the wanted frames of the clip, and cut out the face by its true landmarks."""
    chosen = set(wanted)
    video = cv2.VideoCapture(str(folder / "clip.mp4"))
    try:
        for index in range(max(chosen) + 1):
            read, frame = video.read()
            if not read:
                break
            if index in chosen:
                matrix = crop_matrix(alignment_matrix(truth[index].landmarks))
                yield index, warp(frame, matrix)
    finally:
        video.release()


def _evenly(items: Sequence, most: int) -> list:
    """Take at most so many of a sequence, evenly spaced."""
    if len(items) <= most:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _different(faces: list[np.ndarray], source: str) -> np.ndarray:
    """Drop repetitions and see that enough is left."""
    unique = list({face.tobytes(): face for face in faces}.values())
    if len(unique) < LEAST:
        raise InputError(
            f"{source} gives {len(unique)} faces that differ from each other, at least {LEAST} "
            "are needed to compare on"
        )
    return np.stack(unique)
