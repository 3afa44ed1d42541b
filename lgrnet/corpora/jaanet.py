"""JÂA-Net's prepared lists: aligned faces with their landmarks and labels.

The lists of a part lie side by side, a line a face, in the same order:

=======================  ======================================================================
``BP4D_part1_path``      ``BP4D/F001/T1/2440.jpg`` or ``DISFA/SN002/0.jpg``, below the folder of
                         images (``data/imgs``, which the lists leave out)
``BP4D_part1_land``      x1 y1 … x49 y49, 0-based pixels of the aligned 200 × 200 image
``BP4D_part1_AUoccur``   0, 1, or 9 for unknown, a number an AU
``BP4D_part1_biocular``  the squared distance of the eye centres; checked if it is there
=======================  ======================================================================

each with the suffix ``.txt``. A ``combine_1_2`` list is part 1 followed by part 2, so whichever of
them are complete will do, and what they have in common must be the same.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from lgrnet.corpora.plausible import find_fault
from lgrnet.corpora.problems import CorpusError, Problems
from lgrnet.corpora.rows import Row, integer, read_rows
from lgrnet.corpora.sequence import FrameSequence, keep
from lgrnet.data.shards import MISSING
from runtime.action_units import BP4D_AUS, DISFA_AUS
from runtime.landmarks import COUNT, inter_ocular

AUS: dict[str, tuple[int, ...]] = {"bp4d": BP4D_AUS, "disfa": DISFA_AUS}
"""Corpus that there are lists of → the AUs of the label lists, in their order."""

_PARTS = ("part1", "part2", "part3", "combine_1_2", "combine_1_3", "combine_2_3")
_LISTS = ("path", "land", "AUoccur")
_PATH = {
    "bp4d": re.compile(r"BP4D/([FM]\d{3})/(T\d)/(\d{1,9})\.jpg"),
    "disfa": re.compile(r"DISFA/(SN\d{3})()/(\d{1,9})\.jpg"),
}
_FIRST_FRAME = {"bp4d": 0, "disfa": 1}  # a DISFA picture is its frame's place in the video, from 0
_TOLERANCE = 0.01  # relative, between the squared distance that is listed and the landmarks'


@dataclass(frozen=True)
class Options:
    """Where the lists and the images are.

    Attributes:
        lists: Folder of the lists (``data/list``).
        images: Folder that the paths in the lists start from (``data/imgs``).
        corpus: ``"bp4d"`` or ``"disfa"``.
    """

    lists: Path
    images: Path
    corpus: str


@dataclass(eq=False)
class _Faces:
    """The faces of one sequence as they are gathered; a path's place among them is its key."""

    places: dict[str, int] = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)
    labels: list[list[int]] = field(default_factory=list)
    origin: list[str] = field(default_factory=list)


def read_lists(options: Options) -> list[FrameSequence]:
    """Read and check the lists of a corpus.

    Args:
        options: Where they are.

    Returns:
        A sequence for each subject and task, by name.

    Raises:
        CorpusError: Something is wrong with them.
    """
    problems = Problems()
    prefix = options.corpus.upper()
    if not options.images.is_dir():
        problems.add(options.images, "is no folder: --images must hold " + prefix)
    complete = [
        part
        for part in _PARTS
        if all((options.lists / f"{prefix}_{part}_{name}.txt").is_file() for name in _LISTS)
    ]
    if not complete:
        wanted = ", ".join(f"{prefix}_part1_{name}.txt" for name in _LISTS)
        problems.add(options.lists, f"holds no complete lists, such as {wanted}")
    gathered: dict[tuple[str, str], _Faces] = {}
    for part in complete:
        _gather(options, options.lists / f"{prefix}_{part}", gathered, problems)
    if complete:
        _check_coverage(options, complete, problems)
    if problems:
        raise CorpusError(problems.lines())
    return [
        _sequence(options, subject, task, faces)
        for (subject, task), faces in sorted(gathered.items())
    ]


def corpora_in(lists: Path) -> tuple[str, ...]:
    """Tell which corpora a folder holds lists of."""
    return tuple(corpus for corpus in AUS if any(lists.glob(f"{corpus.upper()}_*_path.txt")))


def _list_path(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}_{name}.txt")


def _gather(
    options: Options, stem: Path, gathered: dict[tuple[str, str], _Faces], problems: Problems
) -> None:
    """Add the faces of one part."""
    rows = {name: read_rows(_list_path(stem, name), problems) for name in _LISTS}
    if _list_path(stem, "biocular").is_file():
        rows["biocular"] = read_rows(_list_path(stem, "biocular"), problems)
    count = len(rows["path"])
    for name, found in rows.items():
        if len(found) != count:
            problems.add(
                _list_path(stem, name),
                f"has {len(found)} lines, {_list_path(stem, 'path').name} has {count}",
            )
    if len({len(found) for found in rows.values()}) > 1:
        return
    for index in range(count):
        place, points, labels = _read_face(options, stem, rows, index, problems)
        if place is None or points is None or labels is None:
            continue
        path, subject, task, frame = place
        faces = gathered.setdefault((subject, task), _Faces())
        origin = f"{_list_path(stem, 'path').name}, line {rows['path'][index].line}"
        if (known := faces.places.get(path)) is None:
            faces.places[path] = len(faces.frames)
            faces.frames.append(frame)
            faces.points.append(points)
            faces.labels.append(labels)
            faces.origin.append(origin)
        elif faces.origin[known].split(",")[0] == origin.split(",")[0]:
            problems.add(
                _list_path(stem, "path"),
                f"{path} is there twice, first in {faces.origin[known]}",
                rows["path"][index].line,
            )
        elif faces.labels[known] != labels or not np.array_equal(faces.points[known], points):
            problems.add(
                _list_path(stem, "path"),
                f"{path} has other landmarks or labels than in {faces.origin[known]}",
                rows["path"][index].line,
            )


def _read_face(
    options: Options, stem: Path, rows: dict[str, list[Row]], index: int, problems: Problems
) -> tuple[tuple[str, str, str, int] | None, np.ndarray | None, list[int] | None]:
    line, cells = rows["path"][index]
    path = " ".join(cells)
    place = None
    if match := _PATH[options.corpus].fullmatch(path.replace("\\", "/")):
        frame = int(match[3]) + _FIRST_FRAME[options.corpus]
        place = str(PurePosixPath(match[0])), match[1], match[2], frame
        if not (options.images / match[0]).is_file():
            problems.add(
                _list_path(stem, "path"), f"there is no image {options.images / match[0]}", line
            )
    else:
        problems.add(_list_path(stem, "path"), f"{path!r} is no path of this corpus", line)

    line, cells = rows["land"][index]
    points = None
    try:
        numbers = np.array([float(cell) for cell in cells])
    except ValueError:
        numbers = np.zeros(0)
    if len(numbers) != 2 * COUNT or not np.isfinite(numbers).all():
        problems.add(_list_path(stem, "land"), f"is not {2 * COUNT} finite numbers", line)
    else:
        points = numbers.reshape(COUNT, 2)
        fault = find_fault(points)
        if fault is None and points.any() and not inter_ocular(points) > 0:
            fault = "both eyes are at one place"
        if fault is not None:
            problems.add(_list_path(stem, "land"), f"is no face's landmarks: {fault}", line)
        else:
            _check_distance(stem, rows, index, points, problems)

    line, cells = rows["AUoccur"][index]
    labels = [label for cell in cells if (label := integer(cell)) in {0, 1, MISSING}]
    aus = AUS[options.corpus]
    if not len(labels) == len(cells) == len(aus):
        problems.add(
            _list_path(stem, "AUoccur"), f"is not {len(aus)} labels of 0, 1 or {MISSING}", line
        )
        return place, points, None
    return place, points, labels


def _check_distance(
    stem: Path, rows: dict[str, list[Row]], index: int, points: np.ndarray, problems: Problems
) -> None:
    """Compare the listed distance with the landmarks': lists in different orders differ here."""
    if "biocular" not in rows:
        return
    line, cells = rows["biocular"][index]
    try:
        listed = float(cells[0]) if len(cells) == 1 else np.nan
    except ValueError:
        listed = np.nan
    squared = float(inter_ocular(points)) ** 2
    if not abs(listed - squared) <= _TOLERANCE * squared:
        problems.add(
            _list_path(stem, "biocular"),
            f"is {' '.join(cells)}, the landmarks in the line of the same number give "
            f"{squared:.3f}: are the lists in the same order?",
            line,
        )


def _check_coverage(options: Options, complete: list[str], problems: Problems) -> None:
    """Find lists of paths whose faces have no landmarks and labels in any complete part."""

    def listed(part: str) -> list[str]:
        path = options.lists / f"{options.corpus.upper()}_{part}_path.txt"
        return [" ".join(cells) for _, cells in read_rows(path, problems)]

    known = {path for part in complete for path in listed(part)}
    for part in _PARTS:
        stem = options.lists / f"{options.corpus.upper()}_{part}"
        if part in complete or not _list_path(stem, "path").is_file():
            continue
        paths = listed(part)
        if unknown := sum(path not in known for path in paths):
            absent = [_list_path(stem, name) for name in _LISTS]
            names = " and ".join(path.name for path in absent if not path.is_file())
            problems.add(
                _list_path(stem, "path"),
                f"{unknown} of its {len(paths)} faces have no landmarks or labels: {names} missing",
            )


def _sequence(options: Options, subject: str, task: str, faces: _Faces) -> FrameSequence:
    frames = np.array(faces.frames, np.int64)
    points = np.array(faces.points, np.float64)
    points[~points.any((1, 2))] = np.nan
    presence = np.array(faces.labels, np.uint8)
    chosen, dropped = keep(frames, presence, points, np.ones(len(frames), bool))
    paths = list(faces.places)
    return FrameSequence(
        subject,
        task,
        frames[chosen],
        presence[chosen],
        np.full((len(chosen), presence.shape[1]), np.nan, np.float32),
        points[chosen],
        tuple(options.images / paths[index] for index in chosen),
        aligned=True,
        dropped=dropped,
    )
