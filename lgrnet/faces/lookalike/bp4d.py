"""BP4D's files: a folder of JPEG a sequence, a label table, MATLAB 7.3 landmarks."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from lgrnet.faces.motion.action_units import FACE_AUS
from lgrnet.faces.performance import Frame
from runtime.action_units import BP4D_AUS, au_key
from runtime.errors import OpenCVError
from runtime.files.atomic import PendingFile, make_folder

HEIGHT, WIDTH = 264, 224
"""Size of a picture; the corpus's own are 1392 × 1040."""

TASKS: tuple[str, ...] = tuple(f"T{number}" for number in range(1, 9))

_COLUMNS = (
    *(1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 27, 28),
    *range(29, 40),
)
"""The AUs that head the label tables; all but the 12 are unknown (9) here."""

_INTENSITY_AUS = (6, 10, 12, 14, 17)
_UNKNOWN = 0.01  # of the labels
_LOST = 0.02  # of the pictures, by the tracker
_AROUND = 2  # pictures without a label before and behind the labelled ones


def is_written(root: Path, subject: str, task: str) -> bool:
    """Tell whether a sequence is there; its label table is written last."""
    return _table(root, subject, task).exists()


def write_sequence(
    root: Path, subject: str, task: str, frames: Sequence[Frame], rng: np.random.Generator
) -> None:
    """Write a sequence as BP4D has it.

    Args:
        root: Folder of the corpus.
        subject: Name.
        task: T1 to T8.
        frames: Its labelled frames.
        rng: Source of frame numbers, unknown labels and lost landmarks.

    Raises:
        OpenCVError: A picture cannot be written.
    """
    start = int(rng.integers(_AROUND, 2500))
    numbers = range(start - _AROUND, start + len(frames) + _AROUND)
    shown = [frames[min(max(n - start, 0), len(frames) - 1)] for n in numbers]
    digits = 4 if rng.random() < 0.5 else 0  # leading zeros differ between subjects
    folder = root / "Sequences" / subject / task
    make_folder(folder)
    for number, frame in zip(numbers, shown, strict=True):
        path = folder / f"{number:0{digits}d}.jpg"
        if not cv2.imwrite(str(path), frame.picture, [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise OpenCVError(f"OpenCV cannot write {path}: is the disc full?")
    lost = rng.random(len(shown)) < _LOST
    lost[_AROUND] = False
    points = [
        None if gone else frame.landmarks + 1 for gone, frame in zip(lost, shown, strict=True)
    ]
    with PendingFile(root / "2DFeatures" / f"{subject}_{task}.mat") as path:
        _write_fit(path, points)
    labelled = range(start, start + len(frames))
    for au in _INTENSITY_AUS:
        rows = [
            f"{number},{_level(frame, au)}" for number, frame in zip(labelled, frames, strict=True)
        ]
        name = f"{subject}_{task}_{au_key(au)}.csv"
        _write_lines(root / "AUCoding" / "AU_INT" / au_key(au) / name, rows)
    table = [",".join(map(str, (0, *_COLUMNS)))]
    for number, frame in zip(labelled, frames, strict=True):
        known = rng.random(len(_COLUMNS)) >= _UNKNOWN
        cells = [
            int(frame.presence[FACE_AUS.index(au)]) if au in BP4D_AUS and sure else 9
            for au, sure in zip(_COLUMNS, known, strict=True)
        ]
        table.append(",".join(map(str, (number, *cells))))
    _write_lines(_table(root, subject, task), table)


def _table(root: Path, subject: str, task: str) -> Path:
    return root / "AUCoding" / "AU_OCC" / f"{subject}_{task}.csv"


def _level(frame: Frame, au: int) -> int:
    """Return FACS's level, 0 to 5, which is 0 exactly where the AU is absent."""
    column = FACE_AUS.index(au)
    return max(1, round(5 * float(frame.intensity[column]))) if frame.presence[column] else 0


def _write_lines(path: Path, lines: list[str]) -> None:
    with PendingFile(path) as pending:
        pending.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_fit(path: Path, points: Sequence[np.ndarray | None]) -> None:
    """Write a structure array ``fit`` whose ``pred`` is (49, 2), or empty, as MATLAB 7.3 does."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        store = file.create_group("#refs#")
        references = file.create_dataset("fit/pred", (len(points), 1), h5py.ref_dtype)
        for index, found in enumerate(points):
            if found is None:  # MATLAB stores the size of what is empty
                entry = store.create_dataset(str(index), data=np.zeros(2, np.uint64))
                entry.attrs["MATLAB_empty"] = np.uint8(1)
            else:
                entry = store.create_dataset(str(index), data=found.T)
            entry.attrs["MATLAB_class"] = np.bytes_("double")
            references[index, 0] = entry.ref
        file["fit"].attrs["MATLAB_class"] = np.bytes_("struct")
    text = f"MATLAB 7.3 MAT-file, written by lgrnet's look-alike, {datetime.now():%Y-%m-%d}"
    with path.open("r+b") as file:
        file.write(text.encode().ljust(124) + b"\x00\x02IM")
