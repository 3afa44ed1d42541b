"""BP4D as it is distributed: label tables, picture sequences, 49 landmarks a frame.

===========================================  =====================================================
``AUCoding/AU_OCC/F001_T1.csv``              occurrence; the first row names the AUs, the first
                                             column the frames; 0, 1, or 9 for unknown
``AUCoding/AU_INT/AU06/F001_T1_AU06.csv``    intensity of AU 6, 10, 12, 14 and 17, if it is there:
                                             rows ``frame,intensity``, 0 to 5, 9 for unknown
``…/F001/T1/2440.jpg``                       pictures; a number may have leading zeros
``2DFeatures/F001_T1.mat``                   landmarks: one set a picture, in the pictures' order
===========================================  =====================================================

Layout after the public label tool of ME-GraphAU and public readers of ``2DFeatures``. Readers do
not agree on whether label frame k shows picture k or k − 1, so that is an option.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgrnet.corpora import folds
from lgrnet.corpora.bp4d_labels import AUS, read_intensities, read_occurrence
from lgrnet.corpora.landmark_files import SUFFIXES, read_point_sets
from lgrnet.corpora.pictures import list_pictures
from lgrnet.corpora.problems import CorpusError, Problems
from lgrnet.corpora.sequence import (
    MOST_LACKING,
    Checked,
    FrameSequence,
    check_alignable,
    keep,
)
from runtime.landmarks import COUNT

TASKS: tuple[str, ...] = tuple(f"T{number}" for number in range(1, 9))
"""What the subjects were asked to do."""

_LIKELY_OFFSETS = (0, -1, 1)


@dataclass(frozen=True)
class Options:
    """Where the corpus is and how it is numbered.

    Attributes:
        root: Its folder.
        landmarks: Folder of the landmarks; None for ``2DFeatures`` in the root. Either a file a
            sequence, ``F001_T1.mat`` (or .npy, .npz, .csv, .txt), or a folder a sequence,
            ``F001_T1`` or ``F001/T1``, with a file a picture, ``2440.txt``.
        pictures: Folder that holds ``F001/T1/2440.jpg``; None to look for it in the root.
        offset: Number of the picture minus the number of the label's frame.
        origin: Coordinates of the middle of the top left pixel: 1 as in MATLAB, or 0.
        subjects: Whom to prepare.
        intensity: Whether to read intensities where they are.
        allow_missing: Whether a sequence that lacks a file, and a few frames that lack a picture,
            are left out; else that is an error.
        find_landmarks: Whether landmarks that a frame lacks are found by
            :mod:`lgrnet.corpora.finding`; else the frame is dropped.
    """

    root: Path
    landmarks: Path | None = None
    pictures: Path | None = None
    offset: int = 0
    origin: int = 1
    subjects: tuple[str, ...] = folds.subjects("bp4d")
    intensity: bool = True
    allow_missing: bool = False
    find_landmarks: bool = False


@dataclass(frozen=True)
class Layout:
    """Where the parts of the corpus are."""

    labels: Path
    intensity: Path | None
    pictures: Path
    landmarks: Path


def find_layout(options: Options) -> Layout:
    """Find the folders of the corpus.

    Raises:
        CorpusError: One is missing, or there are several.
    """
    problems = Problems()
    root = options.root
    labels = root / "AUCoding" / "AU_OCC"
    if not labels.is_dir():
        problems.add(labels, "is missing: --root must hold AUCoding/AU_OCC with the label tables")
    landmarks = options.landmarks or root / "2DFeatures"
    if not landmarks.is_dir():
        problems.add(landmarks, "is no folder: name that of the landmarks with --landmarks")
    pictures = options.pictures
    if pictures is None:
        found = _find_pictures(options, landmarks)
        if len(found) > 1:
            problems.add(
                root, f"holds pictures in {', '.join(map(str, found))}: choose with --pictures"
            )
        elif not found:
            problems.add(
                root, "holds no pictures F001/T1/2440.jpg: name their folder with --pictures"
            )
        pictures = found[0] if found else root
    elif not pictures.is_dir():
        problems.add(pictures, "is no folder")
    if problems:
        raise CorpusError(problems.lines())
    intensity = root / "AUCoding" / "AU_INT"
    return Layout(
        labels, intensity if options.intensity and intensity.is_dir() else None, pictures, landmarks
    )


def _find_pictures(options: Options, landmarks: Path) -> list[Path]:
    """Look for F001/T1/2440.jpg at most two folders below the root."""
    nearest = [options.root, *_folders(options.root)]
    bases = nearest + [below for folder in nearest[1:] for below in _folders(folder)]

    def has_pictures(base: Path) -> bool:
        return any(
            list_pictures(base / subject / task, Problems())
            for subject in options.subjects
            if (base / subject).is_dir()
            for task in TASKS
        )

    return [base for base in bases if base != landmarks and has_pictures(base)]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def check(options: Options, layout: Layout, subject: str, task: str) -> Checked:
    """Read and check all of a sequence but its pictures' content.

    Args:
        options: Of the corpus.
        layout: Its folders.
        subject: Name.
        task: T1 to T8.

    Returns:
        The sequence, or what is wrong with it.

    Raises:
        ImportError: The library that reads its landmarks is not installed.
    """
    problems = Problems()
    table = layout.labels / f"{subject}_{task}.csv"
    folder = layout.pictures / subject / task
    place = _find_landmarks(layout.landmarks, subject, task)
    absent = [path for path in (table, folder) if not path.exists()]
    if place is None:
        absent.append(layout.landmarks / f"{subject}_{task}.mat")
    if absent and options.allow_missing:
        lines = [f"{path}: is missing: {subject} {task} is left out" for path in absent]
        return Checked(None, (), lines)
    for path in absent:
        problems.add(path, "is missing")
    # Whatever is wrong with one part, the others are still checked.
    nothing = np.zeros(0, np.int64), np.zeros((0, len(AUS)), np.uint8)
    frames, presence = nothing if table in absent else read_occurrence(table, problems)
    pictures = list_pictures(folder, problems)
    left_out: list[str] = []
    if len(frames) and folder not in absent:
        left_out += _check_numbers(options, table, frames, folder, pictures, problems)
    numbers = frames + options.offset
    points = np.full((len(frames), COUNT, 2), np.nan)
    if place is not None:
        points = read_landmarks(place, sorted(pictures), numbers, problems, options.find_landmarks)
        points -= options.origin
    intensity = np.full(presence.shape, np.nan, np.float32)
    if layout.intensity:
        intensity, unknown = read_intensities(
            layout.intensity, f"{subject}_{task}", frames, options.allow_missing, problems
        )
        left_out += unknown
    if problems or place is None:  # which is a problem, too
        return Checked(None, problems.lines())
    pictured = np.array([int(number) in pictures for number in numbers])
    chosen, dropped = keep(frames, presence, points, pictured, options.find_landmarks)
    check_alignable(place, frames[chosen], points[chosen], problems)
    if problems:
        return Checked(None, problems.lines())
    sequence = FrameSequence(
        subject,
        task,
        frames[chosen],
        presence[chosen],
        intensity[chosen],
        points[chosen],
        tuple(pictures[int(number)] for number in numbers[chosen]),
        dropped=dropped,
        unlabelled=len(pictures) - int(pictured.sum()),
        notes=_note_gaps(table, frames),
    )
    return Checked(sequence, (), left_out)


def _note_gaps(table: Path, frames: np.ndarray) -> tuple[str, ...]:
    """Tell where the numbers of the frames of a label table leap: a line may have been lost."""
    leaps = np.flatnonzero(np.diff(frames) > 1)
    return tuple(
        f"{table}: after frame {frames[place]} comes frame {frames[place + 1]}" for place in leaps
    )


def _check_numbers(
    options: Options,
    table: Path,
    frames: np.ndarray,
    folder: Path,
    pictures: dict[int, Path],
    problems: Problems,
) -> list[str]:
    """Check that labelled frames have pictures; returns what is missing and may be, as lines."""

    def lacking(shift: int) -> int:
        return sum(int(frame) + shift not in pictures for frame in frames)

    if not (count := lacking(options.offset)):
        return []
    span = f" ({min(pictures)} to {max(pictures)})" if pictures else ""
    first = next(int(frame) for frame in frames if int(frame) + options.offset not in pictures)
    hint = f"; frame {first} is the first"
    if pictures and max(pictures) - min(pictures) + 1 == len(pictures):
        # Otherwise pictures are missing, and an offset by which none is would be a wrong one.
        fits = [shift for shift in _LIKELY_OFFSETS if not lacking(shift)]
        hint = f"; with --offset {fits[0]} all would have one" if fits else hint
    what = (
        f"{len(frames)} frames ({frames[0]} to {frames[-1]}), {count} of them without a picture "
        f"at offset {options.offset}: {folder} holds {len(pictures)} pictures{span}{hint}"
    )
    if options.allow_missing and count <= MOST_LACKING * len(frames):
        return [f"{table}: {what}"]
    problems.add(table, what)
    return []


def _find_landmarks(folder: Path, subject: str, task: str) -> Path | None:
    stems = (folder / f"{subject}_{task}", folder / subject / task)
    for stem in stems:
        for suffix in SUFFIXES:
            if (path := stem.with_name(stem.name + suffix)).is_file():
                return path
    return next((stem for stem in stems if stem.is_dir()), None)


def read_landmarks(
    place: Path,
    pictures: list[int],
    wanted: np.ndarray,
    problems: Problems,
    broken_is_none: bool = False,
) -> np.ndarray:
    """Read the landmarks of a sequence.

    Args:
        place: A file for all, or a folder with a file a picture.
        pictures: Numbers of all pictures, ascending; empty if they are not known.
        wanted: (N,) numbers of the pictures whose landmarks are asked for.
        problems: Where to say what is wrong.
        broken_is_none: Whether landmarks that are NaN count as none; else they are a problem.

    Returns:
        (N, 49, 2) float64, NaN where there are none.
    """
    points = np.full((len(wanted), COUNT, 2), np.nan)
    if place.is_dir():
        files = {
            int(path.stem): path
            for path in sorted(place.iterdir())
            if path.suffix in SUFFIXES and path.stem.isdigit()
        }
        if not files:
            problems.add(place, "holds no landmark file that is named by a number")
        for row, number in enumerate(wanted):
            if (path := files.get(int(number))) is None:
                continue
            if (sets := read_point_sets(path, COUNT, problems, broken_is_none)) is not None:
                if len(sets.points) == 1:
                    points[row] = sets.points[0]
                else:
                    problems.add(path, f"holds {len(sets.points)} sets of landmarks, not one")
        return points
    sets = read_point_sets(place, COUNT, problems, broken_is_none)
    if sets is None:
        return points
    if sets.numbers is None and len(sets.points) != len(pictures):
        if not pictures:
            return points
        problems.add(
            place, f"holds {len(sets.points)} sets of landmarks for {len(pictures)} pictures"
        )
        return points
    numbers = pictures if sets.numbers is None else sets.numbers.tolist()
    at = {number: index for index, number in enumerate(numbers)}
    if len(at) != len(numbers):
        problems.add(place, "has landmarks of some frame twice")
    for row, number in enumerate(wanted):
        if (index := at.get(int(number))) is not None:
            points[row] = sets.points[index]
    return points
