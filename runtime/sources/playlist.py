"""Files of all kinds, one after another."""

import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2

from runtime.errors import InputError
from runtime.files.names import is_annotated
from runtime.sources.base import Shot, Source, check_name, in_utf8, legible
from runtime.sources.images import IMAGE_SUFFIXES, ImageFiles, fractions_of, none_in
from runtime.sources.video import FASTEST, Video

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
"""Files of a folder that are taken for videos, in lower case."""

PACED_FILES = 100
"""Videos, the first of a source, that are opened to find their rates."""

_SHOWN = 5


class Playlist(Source):
    """Images and videos, one after another; faces do not go on from one to the next.

    Files that cannot be read are left out and reported in the log. Frames are numbered through;
    their times are those of their own video.

    Args:
        name: What to call it in messages.
        stem: What to call files made from it.
        files: Names and paths, in order.
    """

    moving = True
    many = True
    ahead = True

    def __init__(self, name: str, stem: str, files: Sequence[tuple[str, Path]]) -> None:
        super().__init__(name, stem)
        self.files = files
        self._part: Source | None = None

    def __iter__(self) -> Iterator[Shot]:
        index, good = 0, False
        for name, path in self.files:
            start, begun = index, False
            try:
                self._part = open_file(path)
                for shot in self._part:
                    index = start + shot.index
                    yield replace(shot, index=index, name=name, first=not begun)
                    begun = good = True
                    index += 1
            except (InputError, OSError) as error:
                self._fail(name, error)
            finally:
                if self._part is not None:
                    self.skipped += self._part.skipped
                self.close()
        if not good:
            raise InputError(
                f"no file of {self.name} could be read: {', '.join(self.failures[:_SHOWN])}"
            )

    def pace(self) -> float | None:
        """Tell the rate of the fastest of the first videos; None where there is none.

        Where their rates differ it is `FASTEST` at most: one slow-motion clip, or a header that
        is wrong, must not blow up the video that is made of all.
        """
        rates: list[float] = []
        videos = (path for _, path in self.files if not _is_image(path))
        for path in itertools.islice(videos, PACED_FILES):
            try:
                with open_file(path) as video:
                    rate = video.pace()
            except (InputError, OSError):
                continue  # it is told when its turn comes
            if rate:
                rates.append(rate)
        fastest = max(rates, default=None)
        return min(fastest, max(FASTEST, min(rates))) if fastest else None

    def close(self) -> None:
        """Let go of the file that is being read."""
        if self._part is not None:
            self._part.close()
            self._part = None


def open_file(path: Path) -> Source:
    """Open one file, an image or a video.

    Args:
        path: The file.

    Returns:
        The source.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no file, or no video, or its name is not in UTF-8.
    """
    check_name(path)
    if not path.exists():
        number = str(path).removeprefix("cam:")
        camera = f": for a camera write cam:{number}" if number.isdecimal() else ""
        raise FileNotFoundError(f"{path} does not exist{camera}")
    if not path.is_file():
        raise InputError(f"{path} is not a file: give a video, an image or a folder of images")
    return ImageFiles(path) if _is_image(path) else Video.of_file(path)


def open_folder(folder: Path) -> Source:
    """Open the images and videos of a folder, by name; those of its folders are left out.

    Args:
        folder: The folder.

    Returns:
        The source; files that are neither, by their names and first bytes, are told in the log.

    Raises:
        InputError: There is none.
    """
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.is_dir()]
    # What runs have written there would count as more of its files, and make each another run.
    whole = [entry for entry in entries if entry.is_file() and not is_annotated(entry.name)]
    files = [entry for entry in whole if _is_media(entry)]
    # Systems leave files of their own in folders, whose names begin with a dot. Links that lead
    # nowhere are no files.
    others = [e.name for e in entries if not e.name.startswith(".") and e not in set(files)]
    if not files:
        raise InputError(none_in(folder, " and no video"))
    if others:
        shown = ", ".join(map(legible, others[:_SHOWN])) + (", …" if len(others) > _SHOWN else "")
        logger.warning(
            "%d files in %s are no images or videos and left out: %s", len(others), folder, shown
        )
    return open_files(files, str(folder), folder)


def open_files(files: Sequence[Path], name: str, base: Path) -> Source:
    """Open many files as one source.

    Args:
        files: Paths of images and videos, in order.
        name: What to call the source in messages.
        base: Folder that they lie in or below, whose name files made from it get.

    Returns:
        The source: `ImageFiles` if all are images, as pictures that have nothing to do with each
        other; otherwise a `Playlist`.
    """
    named = [(_relative(file, base), file) for file in files]
    if all(map(_is_image, files)):
        source = ImageFiles(base, named)
        source.name = name
        return source
    return Playlist(name, base.resolve().name, named)


def _relative(file: Path, base: Path) -> str:
    file, base = (Path(os.path.normpath(path.absolute())) for path in (file, base))
    return file.relative_to(base).as_posix() if file.is_relative_to(base) else file.name


def _is_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    # Animated GIFs are videos, and a raw MJPEG stream begins with a JPEG.
    if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES or not in_utf8(path):
        return suffix in IMAGE_SUFFIXES
    # By its first bytes, as its name says nothing. Of OpenEXR OpenCV 5 knows nothing, and OpenCV 4
    # raises an error.
    return _holds_fractions(path) or cv2.haveImageReader(str(path))


def _holds_fractions(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return fractions_of(file.read(3)) is not None
    except OSError:  # nobody may read it
        return False


def _is_media(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return path.suffix.lower() in VIDEO_SUFFIXES or _is_image(path)
