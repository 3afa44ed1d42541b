"""Where frames come from: videos, images, folders, cameras, arrays; one frame at a time."""

import logging
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from runtime.errors import InputError
from runtime.image import check_frame, read_image

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".jp2", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Files of a folder that are taken for images, in lower case."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame and where it was.

    Attributes:
        frame: (H, W, 3) uint8, BGR.
        index: 0-based number in the source.
        timestamp: Seconds since the start, or None where the source knows no time.
        decode_ms: What reading and decoding it took, on whichever thread.
        wait_ms: What whoever asked for it waited; the same, unless it was read ahead
            (`runtime.prefetch`).
        name: Its file's name, where the source holds many files.
    """

    frame: np.ndarray
    index: int
    timestamp: float | None
    decode_ms: float
    wait_ms: float
    name: str = ""


class Source:
    """Frames in order, once. An iterable of `Shot`, and a context manager that closes it.

    Attributes:
        name: What to call it in messages.
        stem: What to call files made from it.
        moving: Whether a frame continues the one before.
        still: Whether it is one single picture.
        ahead: Whether reading frames before they are asked for is of use; see `runtime.prefetch`.
        fps: Frames a second, or None where it is unknown.
        count: Number of frames as far as known beforehand, or None.
        failures: Files of a folder that could not be read so far; the log says why.
    """

    moving = False
    still = False
    ahead = False

    def __init__(
        self, name: str, stem: str, fps: float | None = None, count: int | None = None
    ) -> None:
        self.name, self.stem, self.fps, self.count = name, stem, fps, count
        self.failures: list[str] = []

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Shot]:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of file or camera."""


class ImageFiles(Source):
    """One image, or the images of a folder by name; each is a picture of its own.

    In a folder, files that cannot be read are left out and reported in the log.
    """

    def __init__(self, path: Path) -> None:
        self._in_folder = path.is_dir()
        self._paths = [path]
        if self._in_folder:
            self._paths = sorted(
                entry
                for entry in path.iterdir()
                if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()
            )
            if not self._paths:
                raise InputError(
                    f"folder {path} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})"
                )
        self.still = not self._in_folder
        stem = path.resolve().name if self._in_folder else path.stem
        super().__init__(str(path), stem, count=len(self._paths))

    def __iter__(self) -> Iterator[Shot]:
        for index, path in enumerate(self._paths):
            start = time.perf_counter()
            try:
                frame = read_image(path)
            except InputError as error:
                if not self._in_folder:
                    raise
                # One bad picture among thousands should not cost the results of the others.
                logger.warning("left out: %s", error)
                self.failures.append(path.name)
                continue
            name = path.name if self._in_folder else ""
            yield _taken(frame, index, None, start, name)
        if len(self.failures) == len(self._paths):
            raise InputError(f"no image in {self.name} could be read: {', '.join(self.failures)}")


class Video(Source):
    """A video file; a missing end is reported in the log, with the frames before it kept."""

    moving = True
    ahead = True

    def __init__(self, path: Path) -> None:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes): copy it again from where it came")
        # FFmpeg would play a text file as a film of its letters.
        self._capture = cv2.VideoCapture() if _is_text(path) else cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise InputError(
                f"{path} is not an image or video that OpenCV can decode, or it is truncated: try "
                f"to play it, or convert it with ffmpeg -i {path.name} converted.mp4"
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        super().__init__(
            str(path), path.stem, fps if 0 < fps < 1000 else None, count if count > 0 else None
        )

    def __iter__(self) -> Iterator[Shot]:
        index = 0
        while True:
            start = time.perf_counter()
            there, frame = self._capture.read()
            if not there:
                break
            timestamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
            frame = check_frame(frame, f"frame {index} of {self.name}")
            yield _taken(frame, index, timestamp, start)
            index += 1
        if index == 0:
            raise InputError(f"{self.name} holds no frame that OpenCV can decode: copy it again")
        # Containers that only know their length round their frame count: one in a hundred is no
        # sign of a cut file.
        if self.count and index < self.count - max(1, self.count // 100):
            logger.warning(
                "%s ends early: %d of %d frames could be read, their results are kept; copy the "
                "file again if it should be whole",
                *(self.name, index, self.count),
            )

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()


class Camera(Source):
    """A camera, until it is unplugged or the loop is left."""

    moving = True

    def __init__(self, number: int) -> None:
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise InputError(
                f"camera {number} cannot be opened: check that it is plugged in, that no other "
                "program uses it, and that you may read /dev/video*"
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old frames are of no use live
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        super().__init__(f"camera {number}", f"camera{number}", fps if 0 < fps < 1000 else None)

    def __iter__(self) -> Iterator[Shot]:
        began = time.perf_counter()
        index = 0
        while True:
            start = time.perf_counter()
            there, frame = self._capture.read()
            timestamp = time.perf_counter() - began
            if not there:
                break
            frame = check_frame(frame, f"frame {index} of {self.name}")
            yield _taken(frame, index, timestamp, start)
            index += 1
        if index == 0:
            raise InputError(f"{self.name} gives no frames: another program may be using it")
        logger.warning("%s stopped giving frames after %d", self.name, index)

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()


class Arrays(Source):
    """Frames that the caller has, or makes while they are asked for."""

    def __init__(self, frames: np.ndarray | Iterable[np.ndarray]) -> None:
        self.still = isinstance(frames, np.ndarray) and frames.ndim < 4
        self.moving = not self.still
        self._frames = (frames,) if self.still else frames
        count = len(self._frames) if hasattr(self._frames, "__len__") else None
        super().__init__("frames", "frames", count=count)

    def __iter__(self) -> Iterator[Shot]:
        frames = iter(self._frames)
        index = 0
        while True:
            start = time.perf_counter()
            try:
                frame = next(frames)
            except StopIteration:
                return
            frame = check_frame(frame, f"frame {index}")
            yield _taken(frame, index, None, start)
            index += 1


def open_source(source: str | Path | int | np.ndarray | Iterable[np.ndarray]) -> Source:
    """Open whatever holds frames.

    Args:
        source: Path of a video, an image or a folder of images; number of a camera, or
            ``"cam:0"``; one frame (H, W[, C]), frames (T, H, W, C), or an iterable of frames.

    Returns:
        The source, opened; files and cameras are checked here, frames when their turn comes.

    Raises:
        FileNotFoundError: There is no such file or folder.
        InputError: It cannot be read, or is nothing of the above.
    """
    if isinstance(source, bool):
        raise InputError(f"{source} is no source: give a path, a camera number or frames")
    if isinstance(source, int | np.integer):
        return Camera(int(source))
    if isinstance(source, np.ndarray):
        return Arrays(source)
    if isinstance(source, str | Path):
        camera = re.fullmatch(r"cam:(\d+)", str(source))
        return Camera(int(camera[1])) if camera else _open_path(Path(source))
    if isinstance(source, Iterable):
        return Arrays(source)
    raise InputError(
        f"a {type(source).__name__} is no source: give the path of a video, an image or a folder, "
        'a camera number or "cam:0", or frames as arrays'
    )


def _open_path(path: Path) -> Source:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_dir():
        return ImageFiles(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file: give a video, an image or a folder of images")
    suffix = path.suffix.lower()
    # Animated GIFs are videos; anything else goes by its first bytes where its name says nothing.
    if suffix in IMAGE_SUFFIXES or (suffix != ".gif" and cv2.haveImageReader(str(path))):
        return ImageFiles(path)
    return Video(path)


def _taken(
    frame: np.ndarray, index: int, timestamp: float | None, start: float, name: str = ""
) -> Shot:
    """Make a shot of a frame that was asked for at ``start``, on the clock of `perf_counter`."""
    spent = (time.perf_counter() - start) * 1e3
    return Shot(frame, index, timestamp, spent, spent, name)


def _is_text(path: Path) -> bool:
    with open(path, "rb") as file:
        start = file.read(1024)
    try:
        start.decode("ascii")
    except UnicodeDecodeError:
        return False
    return b"\0" not in start
