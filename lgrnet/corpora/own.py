"""Faces of one's own: pictures and frames of videos, with a table that says what they show.

The table is a CSV file, a row a face, whose first row names the columns, in any order:

=====================  ========================================================================
``file``               a picture or a video; a relative path starts at the table's folder
``frame``              of a video: which frame, from 0; empty, or no such column, for pictures
``person``             who it is, any name; no person may be in two splits
``split``              ``train``, ``val`` or ``test``, or another name; ``test`` without the column
``AU01``, ``AU12`` …   1 present, 0 absent, 9 or empty unknown; only those that are labelled
=====================  ========================================================================

There are no landmarks: the detector finds those of the largest face of each picture. Pictures make
sequences of up to :data:`PICTURES`, so that a run that is stopped loses little, and each video of a
split is one.
"""

import csv
import hashlib
import io
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lgrnet.corpora.problems import CorpusError, Problems
from lgrnet.corpora.rows import integer
from lgrnet.corpora.sequence import NO_LABEL, Dropped, FrameSequence
from lgrnet.data.shards import MISSING
from runtime.action_units import AU_NAMES
from runtime.landmarks import COUNT
from runtime.sources import heif
from runtime.sources.images import IMAGE_SUFFIXES
from runtime.sources.playlist import VIDEO_SUFFIXES
from runtime.sources.stale import conversion_fault

CORPUS = "own"
"""What such a data set is called in its recipe."""

PICTURES = 50
"""Pictures of a sequence at most."""

_SAMPLE = 2**20  # bytes at both ends of a file by which one notices that it is another

_NEEDED = ("file", "person")
_KNOWN = (*_NEEDED, "frame", "split")
_AU = re.compile(r"AU(\d{1,2})(?:_c)?")
_SPLIT = re.compile(r"[A-Za-z0-9_]{1,64}")
_LABELS = {"": MISSING, "9": MISSING, "0": 0, "1": 1}


@dataclass(frozen=True)
class _Face:
    """A row of the table; `frame` is None for a picture."""

    line: int
    path: Path
    frame: int | None
    person: str
    split: str
    labels: tuple[int, ...]


def read_own(table: Path) -> tuple[tuple[int, ...], list[FrameSequence]]:
    """Read and check a table of faces.

    Args:
        table: The CSV file.

    Returns:
        FACS numbers of the AUs that it labels, ascending, and the sequences. The frames of a
        picture's sequence are its lines in the table, those of a video's its frames.

    Raises:
        CorpusError: Something is wrong; every fault has its line.
    """
    problems = Problems()
    columns, rows = _read_cells(table, problems)
    aus = tuple(sorted(columns))
    faces = [face for line, row in rows if (face := _face(table, line, row, columns, problems))]
    _check_apart(table, faces, problems)
    _check_videos(table, faces, problems)
    for split in sorted({face.split for face in faces}):
        if all(set(face.labels) == {MISSING} for face in faces if face.split == split):
            problems.add(table, f"no row of split {split!r} labels an AU")
    if problems:
        raise CorpusError(problems.lines())
    return aus, [_sequence(group) for group in _grouped(faces)]


def _read_cells(
    table: Path, problems: Problems
) -> tuple[dict[int, str], list[tuple[int, dict[str, str]]]]:
    """Return which column labels which AU, and the rows with their lines."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
    except FileNotFoundError:
        problems.add(table, "is missing")
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        problems.add(
            table,
            f'cannot be read as a CSV file in UTF-8 ({error}): save it so, in Excel as "CSV UTF-8"',
        )
        return {}, []
    first = text.partition("\n")[0]
    if other := next((mark for mark in ";\t" if "," not in first and mark in first), None):
        problems.add(table, f"has {other!r} between its cells: save it with commas", 1)
        return {}, []
    names, rows = list[str](), list[tuple[int, dict[str, str]]]()
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        rows.extend((reader.line_num, row) for row in reader)
    except csv.Error as error:
        what = "a cell in quotation marks is not closed, or does not end with its mark"
        last = rows[-1][0] if rows else min(1, len(names))
        problems.add(table, f"{what} ({error})", last + 1)
        return {}, []
    for name in _NEEDED:
        if name not in names:
            problems.add(table, f"has no column {name!r}, only {', '.join(names) or 'nothing'}", 1)
    columns: dict[int, str] = {}
    for name in dict.fromkeys(names):
        number = int(match[1]) if (match := _AU.fullmatch(name)) else None
        if names.count(name) > 1 or number in columns:
            problems.add(table, f"the column {name!r} is there twice", 1)
        elif number in AU_NAMES:
            columns[number] = name
        elif name not in _KNOWN:
            known = ", ".join(_KNOWN)
            problems.add(table, f"the column {name!r} is none of {known} and no AU's (AU01 …)", 1)
    if not columns:
        problems.add(table, "labels no AU: a column such as AU12 is needed", 1)
    if not rows:
        problems.add(table, "has no row")
    return columns, [] if problems else rows


def _face(
    table: Path, line: int, row: dict[str, str], columns: dict[int, str], problems: Problems
) -> _Face | None:
    if "" in row or None in row.values():
        problems.add(table, "has more or fewer cells than the first row", line)
        return None
    cells = {name: cell.strip() for name, cell in row.items()}
    split, frame = cells.get("split") or "test", cells.get("frame") or None
    path = _find(table.absolute().parent, cells["file"])
    person = unicodedata.normalize("NFC", cells["person"])
    faults = []
    if not cells["file"] or not os.path.isfile(path):  # False of names that cannot be, too
        faults.append(f"there is no file {path}")
    elif path.suffix.lower() not in VIDEO_SUFFIXES and _is_heic(path):  # FFmpeg takes it for one
        faults.append(heif.how_to_convert(path))
    if not cells["person"]:
        faults.append("names no person: who is the same must be told")
    if not _SPLIT.fullmatch(split):
        faults.append(f"split {split!r}: letters, digits and _ only")
    number = None if frame is None else integer(_whole(frame))
    if frame is not None and (number is None or number < 0):
        faults.append(f"frame {frame!r} is no frame's number, from 0")
    elif frame is not None and path.suffix.lower() in IMAGE_SUFFIXES:
        faults.append(f"{cells['file']} is a picture, which has no frame {frame}")
    elif frame is None and path.suffix.lower() in VIDEO_SUFFIXES:
        faults.append(f"{cells['file']} is a video: say which frame, from 0")
    labels = []
    for au, name in sorted(columns.items()):
        label = _LABELS.get(_whole(cells[name]))
        labels.append(label)
        if label is None:
            faults.append(f"AU {au} is {cells[name]!r}, expected 0, 1, or 9 or nothing for unknown")
    for fault in faults:
        problems.add(table, fault, line)
    if faults:
        return None
    known = tuple(label for label in labels if label is not None)
    return _Face(line, path, number, person, split, known)


def _find(folder: Path, name: str) -> Path:
    """Find the file of a row, also where one side writes ü as one letter, and the other as u and ¨.

    They look alike and are other names, but on macOS, whose programs write the latter.
    """
    forms = (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
    return next((folder / each for each in forms if os.path.isfile(folder / each)), folder / name)


def _is_heic(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return heif.is_heic(file.read(64))
    except OSError:  # which is told where it is read
        return False


def _whole(cell: str) -> str:
    """Drop the fraction with which pandas writes whole numbers of a column that has empty cells."""
    return cell.removesuffix(".0")


def _check_apart(table: Path, faces: Sequence[_Face], problems: Problems) -> None:
    """Find faces that are there twice, and people who are in two splits."""
    seen: dict[tuple[Path, int | None], int] = {}
    splits: dict[str, tuple[str, int]] = {}
    for face in faces:
        first = seen.setdefault((face.path.resolve(), face.frame), face.line)
        if first != face.line:
            problems.add(table, f"is of the same picture as line {first}", face.line)
        split, line = splits.setdefault(face.person, (face.split, face.line))
        if split != face.split:
            what = f"{face.person!r} is in split {face.split!r}, and in {split!r} in line {line}"
            problems.add(table, what, face.line)


def _check_videos(table: Path, faces: Sequence[_Face], problems: Problems) -> None:
    """Find videos that cannot be read, and frames behind the end that a video says it has."""
    counts: dict[Path, int] = {}
    for face in faces:
        if face.frame is None:
            continue
        if face.path not in counts:
            counts[face.path] = _frames_of(face, table, problems)
        count = counts[face.path]
        if count < 0:
            problems.add(table, f"{face.path} is no video that OpenCV can decode", face.line)
        elif 0 < count <= face.frame:
            what = f"frame {face.frame} of {face.path}, whose {count} frames are counted from 0"
            problems.add(table, what, face.line)


def _frames_of(face: _Face, table: Path, problems: Problems) -> int:
    """Count the frames of a video by its header; 0 if that is not known, -1 if it is no video."""
    video = cv2.VideoCapture(str(face.path))
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else -1
    video.release()
    if fault := conversion_fault(str(face.path), lambda: cv2.VideoCapture(str(face.path))):
        problems.add(table, f"{face.path}: {fault}", face.line)
        return 0
    return count


def digest(sequences: Sequence[FrameSequence]) -> str:
    """Sum up the files, by their sizes and ends, so that one notices when another takes a place."""
    told = hashlib.sha256()
    for sequence in sequences:
        for path in [sequence.video] if sequence.video else sequence.pictures:
            size = path.stat().st_size
            told.update(f"{size} ".encode())
            with path.open("rb") as file:
                told.update(file.read(_SAMPLE))
                file.seek(max(0, size - _SAMPLE))
                told.update(file.read(_SAMPLE))
    return told.hexdigest()


def _grouped(faces: Sequence[_Face]) -> list[list[_Face]]:
    """Put together what is read together: some pictures of a split, or the frames of a video."""
    videos: dict[tuple[str, str], list[_Face]] = defaultdict(list)
    for face in faces:
        videos[face.split, "" if face.frame is None else str(face.path)].append(face)
    groups = []
    for (_, video), group in sorted(videos.items()):
        step = len(group) if video else PICTURES
        ordered = sorted(group, key=lambda face: face.frame or 0) if video else group
        groups += [ordered[start : start + step] for start in range(0, len(group), step)]
    return groups


def person_number(name: str) -> int:
    """Make a number of a name, the same in all data sets and above those of corpora and renders."""
    return 2**56 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])


def _sequence(faces: Sequence[_Face]) -> FrameSequence:
    presence = np.array([face.labels for face in faces], np.uint8)
    frames = np.array([face.line if face.frame is None else face.frame for face in faces], np.int64)
    empty = (presence == MISSING).all(1)
    kept = [face for face, lost in zip(faces, empty, strict=True) if not lost]
    video = None if faces[0].frame is None else faces[0].path
    return FrameSequence(
        subject=faces[0].split,
        task="" if video is None else video.name,
        frames=frames[~empty],
        presence=presence[~empty],
        intensity=np.full((len(kept), presence.shape[1]), np.nan, np.float32),
        landmarks=np.full((len(kept), COUNT, 2), np.nan),
        pictures=() if video else tuple(face.path for face in kept),
        video=video,
        video_frames=frames[~empty] if video else np.zeros(0, np.int64),
        people=np.array([person_number(face.person) for face in kept], np.int64),
        dropped=tuple(Dropped(int(frame), NO_LABEL) for frame in frames[empty]),
    )
