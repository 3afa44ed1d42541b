"""DISFA as it is distributed: a video a subject, a text file an AU, a MATLAB file a frame.

======================================================  ========================================
``Videos_LeftCamera/LeftVideoSN001_comp.avi``           the left camera's view
``ActionUnit_Labels/SN001/SN001_au1.txt``               rows ``frame,intensity``, frames from 1,
                                                        0 to 5; one file for each of 12 AUs
``Landmark_Points/SN001/tmp_frame_lm/…_lm.mat``         ``pts``, (66, 2), 1-based pixels. The file
                                                        of frame 1 is ``SN001_0000_lm.mat`` for
                                                        some subjects, ``l00001_lm.mat`` for others
======================================================  ========================================

Whoever has the videos taken apart names the folder of the pictures: ``SN001/0.png``, or
``SN001/frame-1.jpg``. Layout after the public readers of OpenFace and ME-GraphAU.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lgrnet.corpora import folds
from lgrnet.corpora.corrections import Correction, correct
from lgrnet.corpora.disfa_labels import AUS, PRESENT_FROM, read_labels
from lgrnet.corpora.landmark_files import read_point_sets
from lgrnet.corpora.pictures import find_first, list_pictures
from lgrnet.corpora.problems import CorpusError, Problems
from lgrnet.corpora.sequence import (
    MOST_LACKING,
    Checked,
    FrameSequence,
    check_alignable,
    keep,
)
from lgrnet.data.shards import MISSING
from runtime.action_units import MAX_INTENSITY
from runtime.landmarks import COUNT
from runtime.sources.stale import conversion_fault

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
        allow_missing: Whether a subject that lacks a video or landmarks, and a few frames that the
            video or the pictures lack, are left out, and an AU that lacks its file is unknown; else
            that is an error.
        pictures: Folder that holds a folder of pictures for each subject, named ``SN001`` or as the
            video, to be used instead of the videos; None for the videos.
        first_picture: Number of the picture of frame 1; None to tell it from the pictures, which
            must all be there then.
        corrections: Of the labels.
        find_landmarks: Whether landmarks that a frame lacks are found by
            :mod:`lgrnet.corpora.finding`; else the frame is dropped.
    """

    root: Path
    subjects: tuple[str, ...] = folds.subjects("disfa")
    allow_missing: bool = False
    pictures: Path | None = None
    first_picture: int | None = None
    corrections: tuple[Correction, ...] = ()
    find_landmarks: bool = False


@dataclass(frozen=True)
class Layout:
    """Where the parts of the corpus are.

    Attributes:
        labels: Folder of labels.
        videos: Folder of videos, or of folders of pictures.
        landmarks: Folder of landmarks.
    """

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
    if options.pictures is not None:
        folders[1] = options.pictures
        if not folders[1].is_dir():
            problems.add(folders[1], "is no folder: it must hold SN001/0.png, SN001/1.png …")
    for folder in folders:
        if folder == options.pictures:
            continue
        if not folder.is_dir():
            what = "is missing: --root must hold " + ", ".join(names)
            if folder.name == names[1]:
                what += "; name a folder of pictures with --pictures if you have these instead"
            problems.add(folder, what)
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
    if options.pictures is not None:
        video = _picture_folder(layout.videos, subject)
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
    mended = (
        correct(options.corrections, subject, AUS, intensity, problems) if len(intensity) else []
    )
    count = len(intensity)
    shown = np.ones(count, bool)  # which frames there is a picture of
    files: dict[int, Path] = {}
    if video in absent:
        pass
    elif options.pictures is not None:
        files, lacking = read_pictures(video, count, options, problems)
        shown = np.array([frame in files for frame in range(1, count + 1)], bool)
        left_out += lacking
    else:
        length = check_video(video, problems)
        shown = np.arange(count) < length
        if length and count and length != count:
            what = f"has {length} frames, the labels in {labels} have {count}"
            if options.allow_missing and abs(length - count) <= MOST_LACKING * count:
                left_out.append(f"{video}: {what}")
            else:
                problems.add(video, what)
    points, notes = np.zeros((count, COUNT, 2)), tuple[str, ...]()
    if folder not in absent:
        points, notes, lacking = read_landmarks(folder, subject, count, options, problems)
        left_out += lacking
    if problems:
        return Checked(None, problems.lines())
    presence = np.where(
        np.isnan(intensity), MISSING, np.nan_to_num(intensity) >= PRESENT_FROM
    ).astype(np.uint8)
    frames = np.arange(1, count + 1)
    chosen, dropped = keep(frames, presence, points, shown, options.find_landmarks)
    check_alignable(folder, frames[chosen], points[chosen], problems)
    if problems:
        return Checked(None, problems.lines())
    sequence = FrameSequence(
        subject,
        task,
        frames[chosen],
        presence[chosen],
        (intensity[chosen] / MAX_INTENSITY).astype(np.float32),
        points[chosen],
        pictures=tuple(files[frame] for frame in frames[chosen].tolist()) if files else (),
        video=None if files else video,
        video_frames=np.zeros(0, np.int64) if files else frames[chosen] - 1,
        dropped=dropped,
        unlabelled=sum(frame > count or frame < 1 for frame in files),
        notes=(*notes, *mended),
    )
    return Checked(sequence, (), left_out)


def _picture_folder(base: Path, subject: str) -> Path:
    """Return the folder of a subject's pictures, whether or not it is there."""
    names = subject, f"LeftVideo{subject}_comp", f"LeftVideo{subject}"
    return next((base / name for name in names if (base / name).is_dir()), base / subject)


def read_pictures(
    folder: Path, count: int, options: Options, problems: Problems
) -> tuple[dict[int, Path], list[str]]:
    """List the pictures that a video was taken apart into.

    Args:
        folder: Of the subject.
        count: How many frames are labelled; 0 if that is not known.
        options: Of the corpus.
        problems: Where to say what is wrong.

    Returns:
        Frame, from 1 → picture; and what is missing and may be, each a line.
    """
    numbered = list_pictures(folder, problems, prefixed=True)
    if not numbered:
        problems.add(folder, "holds no pictures whose names end in a number")
    if not numbered or not count:
        return {}, []
    first = find_first(folder, list(numbered), count, options.first_picture, problems)
    if first is None:
        return {}, []
    files = {number - first + 1: path for number, path in numbered.items()}
    lacking = [frame for frame in range(1, count + 1) if frame not in files]
    over = len(files) - (count - len(lacking))
    if not lacking and not over:
        return files, []
    what = (
        f"holds {len(files)} pictures for {count} labelled frames, frame 1 being picture {first}:"
    )
    if lacking:
        what += f" {len(lacking)} frames have none, the first is frame {lacking[0]}"
    if over:
        what += f"{' and' if lacking else ''} {over} pictures are of no labelled frame"
    if options.allow_missing and max(len(lacking), over) <= MOST_LACKING * count:
        return files, [f"{folder}: {what}"]
    problems.add(folder, what)
    return files, []


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
        if fault := conversion_fault(str(path), lambda: cv2.VideoCapture(str(path))):
            problems.add(path, fault)
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
    folder: Path, subject: str, count: int, options: Options, problems: Problems
) -> tuple[np.ndarray, tuple[str, ...], list[str]]:
    """Read the landmarks of a subject, without those of the jaw.

    Args:
        folder: ``tmp_frame_lm``.
        subject: Name.
        count: How many frames are labelled; 0 if that is not known.
        options: Of the corpus.
        problems: Where to say what is wrong.

    Returns:
        (count, 49, 2) float64, 0-based pixels, NaN where there are none; what was mended; and what
        is missing and may be, each a line.
    """
    files: dict[int, Path] = {}
    for path in sorted(folder.glob("[!.]*.mat")):  # not what macOS adds on foreign discs
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
    known = count > 0
    count = count or max(files, default=0)
    points = np.full((count, COUNT, 2), np.nan)
    notes = []
    for (name, frame), neighbour in _NEIGHBOUR.items():
        if name == subject and frame <= count and frame not in files and neighbour in files:
            files[frame] = files[neighbour]
            notes.append(f"frame {frame} has no landmarks, those of frame {neighbour} are used")
    lacking = _check_files(folder, files, count if known else 0, options, problems)
    for frame, path in files.items():
        sets = read_point_sets(path, _POINTS, problems, options.find_landmarks, _JAW)
        if sets is None:
            continue
        if len(sets.points) != 1:
            problems.add(path, f"holds {len(sets.points)} sets of landmarks, not one")
        else:
            points[frame - 1] = sets.points[0, _JAW:] - _ORIGIN
    return points, tuple(notes), lacking


def _check_files(
    folder: Path, files: dict[int, Path], count: int, options: Options, problems: Problems
) -> list[str]:
    """Check that frames 1 to `count` have landmark files; returns what is missing and may be."""
    if not files:
        problems.add(folder, "holds no landmark files")
        return []
    absent = [frame for frame in range(1, count + 1) if frame not in files]
    if not absent or options.find_landmarks:
        return []
    what = f"lacks the files of {len(absent)} of {count} frames, the first is frame {absent[0]}"
    if options.allow_missing:
        return [f"{folder}: {what}"]
    hint = "copy them again; --allow-missing drops these frames, --find-landmarks finds theirs"
    problems.add(folder, f"{what}: {hint}")
    return []
