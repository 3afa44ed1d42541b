"""A sequence of a corpus, checked and ready to be aligned: what every corpus's reader makes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lgrnet.corpora.problems import Problems
from lgrnet.data.shards import MISSING
from runtime.align import alignment_matrix

NO_LANDMARKS = "no landmarks"
NO_LABEL = "no label"
NO_PICTURE = "no picture"
UNREADABLE = "unreadable frame"
OUTSIDE = "landmarks outside the picture"
REASONS: tuple[str, ...] = (NO_PICTURE, NO_LANDMARKS, NO_LABEL, UNREADABLE, OUTSIDE)
"""Why a labelled frame is dropped."""

MOST_LACKING = 0.05
"""Share of a sequence's labelled frames that may have no picture, where files may be missing.
If more have none, labels and pictures are counted differently."""

SHARD_FRAMES = 500
"""Most faces of a shard, 60 MB."""


class Dropped(NamedTuple):
    """A labelled frame that does not come into the shards.

    Attributes:
        frame: Its number in the labels.
        reason: One of :data:`REASONS`.
    """

    frame: int
    reason: str


@dataclass(frozen=True, eq=False)
class FrameSequence:
    """N frames of one subject in one task, with their labels.

    Attributes:
        subject: Name, as in :mod:`lgrnet.corpora.folds`; it is a split of the data set. Of faces of
            one's own it is the split's name, and ``people`` tells who is who.
        task: BP4D's T1 to T8; empty in DISFA, which has one sequence a subject. Of one's own videos
            their file's name.
        frames: (N,) int64, the frames' numbers in the label files.
        presence: (N, n) uint8: 0, 1, or 9 for unknown.
        intensity: (N, n) float32 in [0, 1] for FACS's 0 to 5, NaN where unknown.
        landmarks: (N, 49, 2) float64, 0-based pixels of the picture; NaN where they are still to
            be found in it.
        pictures: The N image files, or none if there is a video.
        video: The video, if there is one.
        video_frames: (N,) int64, place of each frame in the video, from 0, ascending.
        aligned: Whether the pictures are aligned faces already.
        dropped: Frames that are labelled and left out.
        people: (N,) int64, numbers of the people in one's own faces; None where all are the
            subject.
        unlabelled: Pictures that no label is of.
        notes: What else a report should tell.
    """

    subject: str
    task: str
    frames: np.ndarray
    presence: np.ndarray
    intensity: np.ndarray
    landmarks: np.ndarray
    pictures: tuple[Path, ...] = ()
    video: Path | None = None
    video_frames: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    aligned: bool = False
    people: np.ndarray | None = None
    dropped: tuple[Dropped, ...] = ()
    unlabelled: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def name(self) -> str:
        """Subject and task, as people write them."""
        return f"{self.subject} {self.task}".rstrip()

    def chunks(self) -> list[range]:
        """Cut the frames into the shards they are written to."""
        return [
            range(start, min(start + SHARD_FRAMES, len(self)))
            for start in range(0, len(self), SHARD_FRAMES)
        ]


def keep(
    frames: np.ndarray,
    presence: np.ndarray,
    landmarks: np.ndarray,
    pictured: np.ndarray,
    find_landmarks: bool = False,
) -> tuple[np.ndarray, tuple[Dropped, ...]]:
    """Choose the frames that can be used.

    Args:
        frames: (N,) numbers.
        presence: (N, n) of 0, 1 and 9.
        landmarks: (N, 49, 2), NaN where there are none.
        pictured: (N,) bool, which have a picture.
        find_landmarks: Whether frames without landmarks are kept, for these to be found.

    Returns:
        Indices of the frames to keep, and the others with the reason.
    """
    faults = {
        NO_PICTURE: ~pictured,
        NO_LANDMARKS: np.isnan(landmarks).any((1, 2)) & (not find_landmarks),
        NO_LABEL: (presence == MISSING).all(1),
    }
    dropped = [
        Dropped(int(frame), next(reason for reason, mask in faults.items() if mask[index]))
        for index, frame in enumerate(frames)
        if any(mask[index] for mask in faults.values())
    ]
    lost = np.logical_or.reduce(list(faults.values()))
    return np.flatnonzero(~lost), tuple(dropped)


def check_alignable(
    place: Path, frames: np.ndarray, landmarks: np.ndarray, problems: Problems
) -> None:
    """Note the frames whose landmarks no face can be aligned by.

    Args:
        place: The file or folder that they come from.
        frames: (N,) numbers.
        landmarks: (N, 49, 2), NaN where they are still to be found.
        problems: Gets a line for each.
    """
    for frame, points in zip(frames, landmarks, strict=True):
        if np.isnan(points).any():
            continue
        try:
            alignment_matrix(points)
        except ValueError as error:
            problems.add(place, f"frame {frame}: {error}")


class Checked(NamedTuple):
    """What came of the check of a sequence.

    Attributes:
        sequence: The sequence; None if it is not to be used.
        problems: What is wrong, each a line.
        left_out: What was missing and allowed to be, each a line.
    """

    sequence: FrameSequence | None
    problems: Sequence[str] = ()
    left_out: Sequence[str] = ()
