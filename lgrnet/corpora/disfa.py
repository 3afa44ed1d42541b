"""DISFA as it is distributed: a video a subject, a text file an AU, a MATLAB file a frame.

======================================================  ========================================
``Videos_LeftCamera/LeftVideoSN001_comp.avi``           the left camera's view
``ActionUnit_Labels/SN001/SN001_au1.txt``               rows ``frame,intensity``, frames from 1,
                                                        0 to 5; one file for each of 12 AUs
``Landmark_Points/SN001/tmp_frame_lm/…_lm.mat``         ``pts``, (66, 2), 1-based pixels. The file
                                                        of frame 1 is ``SN001_0000_lm.mat`` for
                                                        some subjects, ``l00001_lm.mat`` for others
======================================================  ========================================

An AU is present from intensity 2 on, as the published numbers have it. Layout after the public
readers of OpenFace and ME-GraphAU.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lgrnet.corpora import folds
from lgrnet.corpora.landmark_files import read_point_sets
from lgrnet.corpora.problems import CorpusError, Problems
from lgrnet.corpora.rows import read_scores
from lgrnet.corpora.sequence import (
    MOST_LACKING,
    Checked,
    FrameSequence,
    check_alignable,
    keep,
)
from lgrnet.shards import MISSING
from runtime.landmarks import COUNT

AUS: tuple[int, ...] = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
"""The AUs that are labelled; the paper evaluates :data:`runtime.action_units.DISFA_AUS` of them."""

PRESENT_FROM = 2
"""Intensity from which an AU counts as present."""

_STRONGEST = 5
_POINTS, _JAW = 66, 17  # of which the first are the jaw line; the other 49 are SDM-49 in order
_LANDMARKS = re.compile(r"(?:(SN\d{3})_(\d{4})|l0(\d{4}))_lm\.mat")
_ORIGIN = 1  # MATLAB counts pixels from 1

_NEIGHBOUR = {("SN031", 3631): 3630}
"""The one landmark file that the distribution lacks, and whose landmarks stand in for it, as in
OpenFace's scripts."""


@dataclass(frozen=True)
class Options:
    """Where the corpus is.

    Attributes:
        root: Its folder.
        subjects: Whom to prepare.
        allow_missing: Whether a subject that lacks a video or landmarks, and a few frames at the
            end that the video lacks, are left out, and an AU that lacks its file is unknown; else
            that is an error.
    """

    root: Path
    subjects: tuple[str, ...] = folds.subjects("disfa")
    allow_missing: bool = False


@dataclass(frozen=True)
class Layout:
    """Where the parts of the corpus are."""

    labels: Path
    videos: Path
    landmarks: Path


def find_layout(options: Options) -> Layout:
    """Find the folders of the corpus.

    Raises:
        CorpusError: One is missing.
    """
    problems = Problems()
    names = "ActionUnit_Labels", "Videos_LeftCamera", "Landmark_Points"
    folders = [options.root / name for name in names]
    for folder in folders:
        if not folder.is_dir():
            problems.add(folder, "is missing: --root must hold " + ", ".join(names))
    if problems:
        raise CorpusError(problems.lines())
    return Layout(*folders)


def check(options: Options, layout: Layout, subject: str, task: str = "") -> Checked:
    """Read and check all of a subject but the video's pictures.

    Args:
        options: Of the corpus.
        layout: Its folders.
        subject: Name.
        task: Empty: DISFA's subjects have one sequence each.

    Returns:
        The sequence, or what is wrong with it.

    Raises:
        ImportError: SciPy is not installed.
    """
    problems = Problems()
    video = layout.videos / f"LeftVideo{subject}_comp.avi"
    folder = layout.landmarks / subject / "tmp_frame_lm"
    labels = layout.labels / subject
    absent = [path for path in (video, folder, labels) if not path.exists()]
    if absent and options.allow_missing:
        return Checked(None, (), [f"{path}: is missing: {subject} is left out" for path in absent])
    for path in absent:
        problems.add(path, "is missing")
    # Whatever is wrong with one part, the others are still checked.
    intensity, left_out = np.zeros((0, len(AUS))), list[str]()
    if labels not in absent:
        intensity, left_out = read_labels(labels, subject, options.allow_missing, problems)
    count = len(intensity)
    shown = count
    if video not in absent:
        shown = check_video(video, problems)
        if shown and count and shown != count:
            what = f"has {shown} frames, the labels in {labels} have {count}"
            if options.allow_missing and abs(shown - count) <= MOST_LACKING * count:
                left_out.append(f"{video}: {what}")
            else:
                problems.add(video, what)
    points, notes = np.zeros((count, COUNT, 2)), ()
    if folder not in absent:
        points, notes = read_landmarks(folder, subject, count, problems)
    if problems:
        return Checked(None, problems.lines())
    presence = np.where(
        np.isnan(intensity), MISSING, np.nan_to_num(intensity) >= PRESENT_FROM
    ).astype(np.uint8)
    frames = np.arange(1, count + 1)
    chosen, dropped = keep(frames, presence, points, frames <= shown)
    check_alignable(folder, frames[chosen], points[chosen], problems)
    if problems:
        return Checked(None, problems.lines())
    sequence = FrameSequence(
        subject,
        task,
        frames[chosen],
        presence[chosen],
        (intensity[chosen] / _STRONGEST).astype(np.float32),
        points[chosen],
        video=video,
        video_frames=frames[chosen] - 1,
        dropped=dropped,
        notes=notes,
    )
    return Checked(sequence, (), left_out)


def read_labels(
    folder: Path, subject: str, allow_missing: bool, problems: Problems
) -> tuple[np.ndarray, list[str]]:
    """Read the intensities of a subject.

    Args:
        folder: ``ActionUnit_Labels/SN001``.
        subject: Name.
        allow_missing: Whether a file may be missing.
        problems: Where to say what is wrong.

    Returns:
        (N, n) float64, 0 to 5, NaN where unknown; and what was missing, each a line.
    """
    columns: dict[int, np.ndarray] = {}
    left_out: list[str] = []
    for au in AUS:
        path = _label_path(folder, subject, au)
        if not path.exists() and allow_missing:
            left_out.append(f"{path} is missing: AU {au} of {subject} is unknown")
            continue
        faults = Problems()
        scores = read_scores(path, faults, frozenset(range(_STRONGEST + 1)))
        for expected, (frame, (_, line)) in enumerate(scores.items(), 1):
            if not faults and frame != expected:
                faults.add(path, f"frame {frame} where frame {expected} should be", line)
        if not faults:
            columns[au] = np.array([score for score, _ in scores.values()], np.float64)
        problems.take(faults)
    if len(left_out) == len(AUS):
        problems.add(folder, "holds no label file")
    lengths = Counter(map(len, columns.values()))
    count = lengths.most_common(1)[0][0] if lengths else 0
    intensity = np.full((count, len(AUS)), np.nan)
    for au, column in columns.items():
        if len(column) == count:
            intensity[:, AUS.index(au)] = column
        else:
            path = _label_path(folder, subject, au)
            problems.add(path, f"has {len(column)} frames, most others of {subject} have {count}")
    return intensity, left_out


def _label_path(folder: Path, subject: str, au: int) -> Path:
    return folder / f"{subject}_au{au}.txt"


def check_video(path: Path, problems: Problems) -> int:
    """Check that a video can be opened.

    Args:
        path: The video.
        problems: Where to say what is wrong.

    Returns:
        How many frames it has by its header; 0 if it cannot be read.
    """
    declared = _declared_size(path)
    size = path.stat().st_size
    if declared is not None and size < declared:
        problems.add(path, f"is cut off: {size} bytes, its header says {declared}")
        return 0
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened() or not video.read()[0]:
            problems.add(path, "is no video that OpenCV can read")
            return 0
        return int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        video.release()


def _declared_size(path: Path) -> int | None:
    """Return how long an AVI file says it is; None if it is none."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"AVI ":
        return None
    return 8 + int.from_bytes(head[4:8], "little")


def read_landmarks(
    folder: Path, subject: str, count: int, problems: Problems
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read the landmarks of a subject, without those of the jaw.

    Args:
        folder: ``tmp_frame_lm``.
        subject: Name.
        count: How many frames are labelled; 0 if that is not known.
        problems: Where to say what is wrong.

    Returns:
        (count, 49, 2) float64, 0-based pixels, NaN where there are none; and what was mended.
    """
    files: dict[int, Path] = {}
    for path in sorted(folder.glob("*.mat")):
        match = _LANDMARKS.fullmatch(path.name)
        if match is None or match[1] not in (None, subject):
            problems.add(
                path,
                f"is named neither {subject}_0000_lm.mat nor l00001_lm.mat, as {subject}'s are",
            )
            continue
        frame = int(match[2]) + 1 if match[1] else int(match[3])
        if frame in files:
            problems.add(path, f"is of frame {frame}, as {files[frame].name} is")
        elif frame < 1 or (count and frame > count):
            last = f" to {count}" if count else ""
            problems.add(path, f"is of frame {frame}, the labels have frames 1{last}")
        else:
            files[frame] = path
    if not files:
        problems.add(folder, "holds no landmark files")
    count = count or max(files, default=0)
    points = np.full((count, COUNT, 2), np.nan)
    notes = []
    for (name, frame), neighbour in _NEIGHBOUR.items():
        if name == subject and frame <= count and frame not in files and neighbour in files:
            files[frame] = files[neighbour]
            notes.append(f"frame {frame} has no landmarks, those of frame {neighbour} are used")
    for frame, path in files.items():
        if (sets := read_point_sets(path, _POINTS, problems)) is None:
            continue
        if len(sets.points) != 1:
            problems.add(path, f"holds {len(sets.points)} sets of landmarks, not one")
        else:
            points[frame - 1] = sets.points[0, _JAW:] - _ORIGIN
    return points, tuple(notes)
