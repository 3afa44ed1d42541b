"""DISFA's files: a video a subject, an intensity file an AU, a MATLAB file a frame."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from lgrnet.faces.motion.action_units import FACE_AUS
from lgrnet.faces.performance import Frame
from runtime.errors import OpenCVError
from runtime.files.atomic import PendingFile, make_folder
from runtime.landmarks import eye_centres

HEIGHT, WIDTH = 240, 320
"""Size of a frame; the corpus's own are 768 × 1024."""

AUS: tuple[int, ...] = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
FPS = 20
SHORT_NAMES: tuple[str, ...] = ("SN030", "SN031")
"""Subjects whose landmark files are l00001_lm.mat and on, not SN001_0000_lm.mat and on."""

_LACKING = ("SN031", 3631)


def is_written(root: Path, subject: str) -> bool:
    """Tell whether a subject is there; the video is named last."""
    return _video(root, subject).exists()


def write_subject(root: Path, subject: str, frames: Iterable[Frame]) -> None:
    """Write a subject as DISFA has it.

    Args:
        root: Folder of the corpus.
        subject: Name.
        frames: What the left camera saw; taken one by one.

    Raises:
        OpenCVError: OpenCV cannot write the video.
    """
    from scipy.io import savemat

    landmarks = root / "Landmark_Points" / subject / "tmp_frame_lm"
    make_folder(landmarks)
    levels = []
    with PendingFile(_video(root, subject)) as path:
        code = cv2.VideoWriter.fourcc(*"MJPG")
        writer = cv2.VideoWriter(str(path), code, FPS, (WIDTH, HEIGHT))
        if not writer.isOpened():
            raise OpenCVError(f"OpenCV cannot write {path}: its build lacks the MJPG encoder")
        for number, frame in enumerate(frames, 1):
            writer.write(frame.picture)
            levels.append([_level(frame, au) for au in AUS])
            if (subject, number) != _LACKING:
                name = (
                    f"l0{number:04d}_lm.mat"
                    if subject in SHORT_NAMES
                    else f"{subject}_{number - 1:04d}_lm.mat"
                )
                points = np.vstack([_jaw(frame.landmarks), frame.landmarks]) + 1
                savemat(landmarks / name, {"pts": points})
        writer.release()
        for au, column in zip(AUS, zip(*levels, strict=True), strict=True):
            file = root / "ActionUnit_Labels" / subject / f"{subject}_au{au}.txt"
            with PendingFile(file) as pending:
                rows = (f"{number},{level}\n" for number, level in enumerate(column, 1))
                pending.write_text("".join(rows), encoding="utf-8")


def _video(root: Path, subject: str) -> Path:
    return root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"


def _level(frame: Frame, au: int) -> int:
    """Return FACS's level, 0 to 5, at least 2 exactly where the renderer says "present".

    What is labelled by its looks, parted lips, is there at least at 2, from where it counts.
    """
    column = FACE_AUS.index(au)
    level = round(5 * float(frame.intensity[column]))
    return max(2, level) if frame.presence[column] else min(1, level)


def _jaw(points: np.ndarray) -> np.ndarray:
    """Draw 17 points of a jaw line below the eyes; readers drop them."""
    left, right = eye_centres(points)
    middle, span = (left + right) / 2, np.linalg.norm(right - left)
    angle = np.linspace(np.pi, 0, 17)
    return middle + span * np.stack([1.15 * np.cos(angle), 1.9 * np.sin(angle)], axis=1)
