"""From checked sequences to shards: faces are aligned to 200 × 200 and written, in parallel.

A shard has a third file, ``<shard>.frames.json``: which frames of which task it holds, whose
landmarks were found here, and which of its frames were dropped. It is written first, so that
whatever stops the work, a shard whose faces are there is whole, and the same command goes on with
the next.
"""

import errno
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np

from lgrnet.alone import alone_in
from lgrnet.corpora.finding import find_landmarks
from lgrnet.corpora.folds import subject_number
from lgrnet.corpora.problems import CorpusError
from lgrnet.corpora.sequence import NO_LANDMARKS, OUTSIDE, UNREADABLE, Dropped, FrameSequence
from lgrnet.data.shards import (
    DatasetError,
    Labels,
    remove_shard,
    shard_is_complete,
    shard_name,
    write_index,
    write_shard,
)
from lgrnet.workers import run_jobs
from runtime.align import ALIGNED_SIZE, alignment_matrix, transform, warp
from runtime.errors import InputError
from runtime.files.atomic import PendingFile
from runtime.landmarks import COUNT
from runtime.sources.images import read_image
from runtime.sources.shown import AsShown

logger = logging.getLogger(__name__)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of a disc that is full, or of somebody who may store no more, or that became read-only."""

_GO_ON = "the shards that are whole are kept, run the same command again to go on"


def shard_table(sequences: Sequence[FrameSequence]) -> list[list[str]]:
    """Name the shards of each sequence: those of a subject are numbered through its tasks."""
    counts: dict[str, int] = {}
    table = []
    for sequence in sequences:
        first = counts.get(sequence.subject, 0)
        chunks = sequence.chunks()
        counts[sequence.subject] = first + len(chunks)
        table.append([shard_name(sequence.subject, first + n) for n in range(len(chunks))])
    return table


def frames_path(out: Path, shard: str) -> Path:
    """Return where the frames of a shard are listed."""
    return out / f"{shard}.frames.json"


def read_frames(out: Path, shard: str) -> dict:
    """Read which frames a shard holds.

    Args:
        out: Folder of the data set.
        shard: A shard that has been written.

    Returns:
        ``task``; ``frames``, in order; ``found``, those whose landmarks the detector found;
        ``dropped``.

    Raises:
        DatasetError: The list is damaged.
    """
    path = frames_path(out, shard)
    try:
        listed = json.loads(path.read_text("utf-8"))
        wanted = {key: listed[key] for key in ("task", "frames", "dropped")}
        return {**wanted, "found": listed.get("found", [])}  # older lists name none
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is damaged ({error}): delete it and run the same command again"
        ) from error


def write_sequences(
    out: Path,
    corpus: str,
    aus: Sequence[int],
    sequences: Sequence[FrameSequence],
    recipe: dict,
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Write the shards of a corpus, or what is missing of them.

    Args:
        out: Folder of the data set; each subject is a split of it.
        corpus: ``"bp4d"``, ``"disfa"`` or ``"own"``.
        aus: FACS numbers of the label columns.
        sequences: All of the corpus, subject by subject.
        recipe: What the data are made from, beside the sequences' own content.
        workers: Processes; None for one a core, 0 for none but this one.
        progress: Whether to show a progress bar.

    Raises:
        CorpusError: A subject has no usable frame, a video ends early, or nothing of a sequence can
            be read. All other sequences are written before it is raised. Or the disc is full, which
            is raised at once.
        DatasetError: The folder holds another data set.
        InputError: The folder cannot be made, or another run is writing into it.
    """
    table = shard_table(sequences)
    splits: dict[str, int] = {}
    for sequence, shards in zip(sequences, table, strict=True):
        splits[sequence.subject] = splits.get(sequence.subject, 0) + len(shards)
    if empty := [name for name, count in splits.items() if count == 0]:
        raise CorpusError(f"{name}: no frame has both landmarks and labels" for name in empty)
    content = {"corpus": corpus, **recipe, "content_sha256": _digest(sequences)}
    with alone_in(out):
        write_index(out, aus, splits, content)
        _write_missing(out, corpus, sequences, table, workers, progress)


def _write_missing(
    out: Path,
    corpus: str,
    sequences: Sequence[FrameSequence],
    table: Sequence[Sequence[str]],
    workers: int | None,
    progress: bool,
) -> None:
    """Write the shards that are not there; `table` names those of each sequence."""
    from tqdm import tqdm

    for sequence, shards in zip(sequences, table, strict=True):
        _drop_mended(out, sequence, shards)
    jobs = [
        (out, corpus, sequence, shards)
        for sequence, shards in zip(sequences, table, strict=True)
        if not all(is_whole(out, shard) for shard in shards)
    ]
    total = sum(map(len, sequences))
    left = sum(
        len(chunk)
        for _, _, sequence, shards in jobs
        for chunk, shard in zip(sequence.chunks(), shards, strict=True)
        if not is_whole(out, shard)
    )
    logger.info("%s: %d of %d faces to align", out, left, total)
    if not jobs:
        return
    problems: list[str] = []
    with tqdm(total=total, initial=total - left, unit="face", disable=not progress) as bar:
        for place, job in run_jobs(write_sequence, jobs, workers):
            try:
                bar.update(job.result())
            except CorpusError as error:
                problems.extend(error.problems)
            except OSError as error:
                if error.errno in _NO_ROOM:  # nor is there for the others
                    raise CorpusError([str(error)], _GO_ON) from error
                problems.append(f"{jobs[place][2].name}: {error}")
            except BrokenProcessPool as error:
                why = "a worker process was killed, for lack of memory perhaps: try --workers 1"
                raise CorpusError([why], _GO_ON) from error
    if problems:
        raise CorpusError(sorted(problems), _GO_ON)


def _drop_mended(out: Path, sequence: FrameSequence, shards: Sequence[str]) -> None:
    """Remove the shards that lack a picture which could not be read then, and now can."""
    if sequence.video is not None:
        return
    rows = {int(frame): row for row, frame in enumerate(sequence.frames)}
    for shard in shards:
        if not is_whole(out, shard):
            continue
        lost = [frame for frame, why in read_frames(out, shard)["dropped"] if why == UNREADABLE]
        if any(_read_picture(sequence.pictures[rows[frame]]) is not None for frame in lost):
            remove_shard(out, shard)
            frames_path(out, shard).unlink(missing_ok=True)


def is_whole(out: Path, shard: str) -> bool:
    """Tell whether a shard has been written."""
    return frames_path(out, shard).exists() and shard_is_complete(out, shard)


def write_sequence(out: Path, corpus: str, sequence: FrameSequence, shards: Sequence[str]) -> int:
    """Write the shards of one sequence that are missing.

    Args:
        out: Folder of the data set.
        corpus: ``"bp4d"``, ``"disfa"`` or ``"own"``.
        sequence: The sequence.
        shards: Their names.

    Returns:
        How many frames were looked at.

    Raises:
        CorpusError: The video ends early, which removes what was written of it, or no picture of a
            shard can be used, but for those of one's own, in which a face may not be found.
    """
    try:
        return _write_shards(out, corpus, sequence, shards)
    except CutVideoError:
        for shard in shards:
            remove_shard(out, shard)
            frames_path(out, shard).unlink(missing_ok=True)
        raise


def _write_shards(out: Path, corpus: str, sequence: FrameSequence, shards: Sequence[str]) -> int:
    done = 0
    pictures = _read_pictures(sequence)
    for chunk, shard in zip(sequence.chunks(), shards, strict=True):
        if is_whole(out, shard):
            if sequence.video is not None:
                for _ in chunk:
                    next(pictures)  # a video is read from its beginning
            continue
        faces, points, rows = [], [], []
        found, dropped = list[int](), list[Dropped]()
        for row in chunk:
            picture = next(pictures) if sequence.video else _read_picture(sequence.pictures[row])
            frame = int(sequence.frames[row])
            if picture is None:
                dropped.append(Dropped(frame, UNREADABLE))
                continue
            lacking = bool(np.isnan(sequence.landmarks[row]).any())
            own = find_landmarks(picture) if lacking else sequence.landmarks[row]
            if own is None:
                dropped.append(Dropped(frame, NO_LANDMARKS))
                continue
            aligned = _align(sequence, row, picture, own)
            if aligned is None:
                dropped.append(Dropped(frame, OUTSIDE))
                continue
            if lacking:
                found.append(frame)
            faces.append(aligned[0])
            points.append(aligned[1])
            rows.append(row)
        if not faces and sequence.people is None:
            first = sequence.video or sequence.pictures[chunk[0]]
            reasons = " and ".join(sorted({reason for _, reason in dropped}))
            raise CorpusError(
                [f"{first}: none of the {len(chunk)} frames from here on can be used ({reasons})"]
            )
        listed = {
            "task": sequence.task,
            "frames": [int(sequence.frames[row]) for row in rows],
            "found": found,
            "dropped": dropped,
        }
        shape = (len(faces), ALIGNED_SIZE, ALIGNED_SIZE, 3)  # none in any picture of one's own: 0
        stacked = np.array(faces, np.uint8).reshape(shape), np.array(points).reshape(-1, COUNT, 2)
        _write(out, corpus, sequence, shard, *stacked, rows, listed)
        done += len(chunk)
    if sequence.video is not None:
        next(pictures, None)  # so that the video is read to its end
    return done


def _write(
    out: Path,
    corpus: str,
    sequence: FrameSequence,
    shard: str,
    faces: np.ndarray,
    points: np.ndarray,
    rows: list[int],
    listed: dict,
) -> None:
    with PendingFile(frames_path(out, shard)) as path:
        path.write_text(json.dumps(listed) + "\n", encoding="utf-8")
    labels = Labels(
        presence=sequence.presence[rows],
        intensity=sequence.intensity[rows],
        landmarks=points.astype(np.float32),
        subject=np.full(len(rows), subject_number(corpus, sequence.subject), np.int64)
        if sequence.people is None
        else sequence.people[rows],
    )
    write_shard(out, shard, faces, labels)


def _align(
    sequence: FrameSequence, row: int, picture: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the aligned face and its landmarks; None if they lie outside of the picture."""
    if sequence.aligned:
        if picture.shape != (ALIGNED_SIZE, ALIGNED_SIZE, 3):
            height, width = picture.shape[:2]
            raise CorpusError(
                [f"{sequence.pictures[row]}: is {width} × {height}, aligned faces are 200 × 200"]
            )
        return picture, points
    height, width = picture.shape[:2]
    middle = points.mean(0)
    if not (0 <= middle[0] < width and 0 <= middle[1] < height):
        return None
    matrix = alignment_matrix(points)
    return warp(picture, matrix, ALIGNED_SIZE), transform(points, matrix)


def _read_picture(path: Path) -> np.ndarray | None:
    """Read a picture, upright, as (H, W, 3) BGR; None if it is none, or cut off."""
    try:
        return read_image(path)
    except (InputError, FileNotFoundError):
        return None


class CutVideoError(CorpusError):
    """A video has fewer frames than it says: none is sure to be the one that it counts as."""


def _read_pictures(sequence: FrameSequence) -> Iterator[np.ndarray]:
    """Read the wanted frames of a video in order, and then the rest.

    Decoders leap over a frame that they cannot read, so that all later ones would be taken for the
    next. Only at the video's end one sees that there are too few, and then no shard is to be
    trusted. One's own videos are of any container, some of which only estimate how many frames
    they have: of them only the frames that are wanted must be there.

    Raises:
        CutVideoError: There are fewer frames than the video says, or than are wanted.
    """
    video = cv2.VideoCapture(str(sequence.video))
    declared = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    # Landmarks of a corpus are where its pixels are.
    shown = (lambda picture: picture) if sequence.people is None else AsShown(video, sequence.video)
    count = 0
    try:
        for wanted in sequence.video_frames:
            while count <= wanted and video.grab():
                count += 1
            if count <= wanted:
                break
            _, picture = video.retrieve()
            yield shown(picture)
        while sequence.people is None and video.grab():
            count += 1
    finally:
        video.release()
    if sequence.people is not None:
        if count <= (last := int(sequence.video_frames.max())):
            what = f"{sequence.video}: has no frame {last}, only {count} can be decoded"
            raise CutVideoError([f"{what}; nothing of it is kept"])
        return
    if count < max(declared, int(sequence.video_frames.max()) + 1):
        what = f"only {count} of {declared} frames can be decoded, it is damaged or cut off"
        fix = f"nothing of {sequence.name} is kept: copy it again"
        raise CutVideoError([f"{sequence.video}: {what}; {fix}"])


def _digest(sequences: Sequence[FrameSequence]) -> str:
    """Sum up all that the shards are made from but the pictures' content."""
    digest = hashlib.sha256()
    for sequence in sequences:
        sources = [sequence.video] if sequence.video else sequence.pictures
        names = [f"{path.parent.name}/{path.name}" for path in sources]
        digest.update(json.dumps([sequence.subject, sequence.task, *names]).encode())
        for array in (
            *(sequence.frames, sequence.presence, sequence.intensity),
            *(sequence.landmarks, sequence.video_frames),
            *(() if sequence.people is None else (sequence.people,)),
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
