"""Pictures as files: an annotated video, annotated images; and whether a folder takes files."""

from pathlib import Path
from typing import Self

import cv2
import numpy as np

from runtime.errors import InputError, OpenCVError, OutputError
from runtime.files.atomic import PendingFile, drop
from runtime.formats.growing import PartialFile
from runtime.image import size_of

LONGEST_STILL = 10.0
"""Seconds for which a frame is repeated at most, unless they come that seldom; of longer gaps, such
as of a camera that was away, that much is shown."""

SLOWEST = 1.0
"""Frames a second of a file at least: what comes less often is repeated."""

MOST_LAG = 0.25
"""Seconds that a video may be behind its frames' times."""

_MPEG4 = cv2.VideoWriter.fourcc(*"mp4v")


class VideoWriter:
    """Writes frames as an MPEG-4 ``.mp4``; a context manager, see `PartialFile`.

    A frame with a timestamp is shown until the next one, so that a video of variable rate, or one
    that lacks frames, keeps its pace. Where more come than the rate holds, the video lags until
    there is a gap, by `MOST_LAG` or a frame at most: frames that would come later are left out.

    The first frame sets the size; frames of another are fitted into it on black. Without a frame
    no file is made. The index of an MP4 file comes at its end: after an error the frames so far
    can be played, after kill -9 they cannot.

    Args:
        path: The file to write.
        fps: Frames a second.

    Raises:
        InputError: The folder cannot be made.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self._partial = PartialFile(path)
        # OpenCV writes slower ones imprecisely or not at all, and holds thousandths exactly.
        self._fps = round(max(fps, SLOWEST), 3)
        self._step = 1 / fps
        self._size = (0, 0)
        self._writer: cv2.VideoWriter | None = None
        self._frames = 0
        self._last = np.empty((0, 0, 3), np.uint8)  # frame, fitted
        self._time: float | None = None
        self._origin = 0.0  # number of the frame at time 0
        self._gap = self._step  # to the last frame, seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            drop(self._partial.path)
            return
        if self._time is not None:  # the last one stands for as long as the others
            self._repeat(self._writer, self._missing(self._time + self._step))
        self._writer.release()
        # OpenCV does not say whether anything could be written.
        whole = frames_in(self._partial.path) >= self._frames
        if exception is None and not whole:
            drop(self._partial.path)
            raise OutputError(
                f"{self._partial.path} could not be finished, the disc may be full: make room, or "
                "go without a video (--no-video)"
            )
        self._partial.finish(exception if whole else OutputError, worth_keeping=whole)

    def write(self, frame: np.ndarray, time: float | None = None) -> None:
        """Add a frame.

        Args:
            frame: (H, W, 3) uint8, BGR.
            time: When it is, seconds; an earlier one than before begins anew. None for right
                behind the one before.

        Raises:
            OpenCVError: This OpenCV, or this size of frame, gives no such video.
        """
        if self._writer is None:
            self._size = size_of(frame)
            self._writer = self._open()
        if time is None and self._step * self._fps > 1:  # more seldom than the file's rate
            time = (-self._step if self._time is None else self._time) + self._step
        self._repeat(self._writer, self._missing(time))
        self._last = _fit(frame, self._size)
        if self._late(time):
            return
        self._writer.write(self._last)
        self._frames += 1

    def _repeat(self, writer: cv2.VideoWriter, times: int) -> None:
        for _ in range(times):
            writer.write(self._last)
            self._frames += 1

    def _late(self, time: float | None) -> bool:
        """Tell whether the frame of a time would be shown too late."""
        if time is None:
            return False
        behind = self._frames - (self._origin + time * self._fps)
        return behind > max(1, MOST_LAG * self._fps)

    def _missing(self, time: float | None) -> int:
        """Count the frames between the last one and a time."""
        before, self._time = self._time, time
        if time is None:
            return 0
        if before is None:
            self._origin = self._frames - time * self._fps
            return 0
        if time <= before:  # another video, which takes over the last one's lag: none adds up
            longest = max(1, self._step * self._fps)
            self._origin += (before - time) * self._fps + min(longest, self._gap * self._fps)
            return max(0, round(self._origin + time * self._fps) - self._frames)
        self._gap = time - before
        if self._gap > max(LONGEST_STILL, 1.5 * self._step):
            still = round(LONGEST_STILL * self._fps)
            self._origin = self._frames + still - time * self._fps
            return still
        return max(0, round(self._origin + time * self._fps) - self._frames)

    def _open(self) -> cv2.VideoWriter:
        drop(self._partial.path)  # a link that somebody has put there would lead to another file
        # Absolute, or FFmpeg would take what stands before a colon for a protocol.
        writer = cv2.VideoWriter(str(self._partial.path.absolute()), _MPEG4, self._fps, self._size)
        if not writer.isOpened():
            width, height = self._size
            raise OpenCVError(
                f"{self._partial.target}: OpenCV {cv2.__version__} cannot write a video of "
                f"{width} × {height} there: check that the folder can be written to, or go "
                "without a video (--no-video)"
            )
        return writer


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write an image file, whole or not at all.

    Args:
        path: The file; its suffix says the format.
        image: (H, W, 3) uint8, BGR.

    Raises:
        InputError: The folder cannot be made, or the suffix is of no format that OpenCV writes.
        OutputError: The file cannot be written.
    """
    path = Path(path)
    try:
        done, data = cv2.imencode(path.suffix, image)
    except cv2.error:  # of a suffix that it does not know
        done = False
    if not done:
        raise InputError(
            f"{path}: OpenCV {cv2.__version__} writes no such images, give a name that ends in "
            ".png or .jpg"
        )
    write_whole(path, data.tobytes())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all.

    Args:
        path: The file.
        data: What it is to hold.

    Raises:
        InputError: The folder cannot be made.
        OutputError: The disc is full, or fails.
    """
    try:
        with PendingFile(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error})") from error


def check_writable(folder: Path) -> None:
    """Make the output folder, and see that files can be made in it before hours are spent.

    Args:
        folder: The folder.

    Raises:
        InputError: It cannot be made or written to.
    """
    probe = PendingFile(folder / "probe")
    try:
        probe.path.touch()
    except OSError as error:
        raise InputError(
            f"output folder {folder} cannot be written to ({error.strerror}): give another"
        ) from error
    finally:
        probe.discard()


def frames_in(path: Path) -> int:
    """Count the frames of a video that can be played, 0 if none can."""
    capture = cv2.VideoCapture(str(path.absolute()))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return count


def _fit(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = frame.shape[:2]
    if (width, height) == size:
        return frame
    zoom = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    page = np.zeros((size[1], size[0], 3), np.uint8)
    x, y = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    page[y : y + inner[1], x : x + inner[0]] = cv2.resize(
        frame, inner, interpolation=cv2.INTER_AREA
    )
    return page
