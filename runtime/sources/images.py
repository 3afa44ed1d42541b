"""Image files, each a picture of its own."""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from runtime.errors import InputError
from runtime.image import check_frame
from runtime.sources import heif
from runtime.sources.base import Shot, Source, check_name, stem_of_file, taken
from runtime.sources.truncation import image_damage

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".jp2", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Files of a folder that are taken for images, in lower case."""

_FLOAT = {b"PF\n": "PFM", b"Pf\n": "PFM", b"\x76\x2f\x31": "OpenEXR"}
"""First bytes of formats whose pixels OpenCV would cut off at 1 of 255."""

logger = logging.getLogger(__name__)


class ImageFiles(Source):
    """One image, or many; each is a picture of its own.

    Of many, files that cannot be read are left out and reported in the log.

    Args:
        path: An image, or a folder whose images are taken by name.
        files: Names and paths of the images where the caller has chosen them; ``path`` then only
            says where they are from.

    Raises:
        InputError: The folder holds no image.
    """

    def __init__(self, path: Path, files: Sequence[tuple[str, Path]] | None = None) -> None:
        self.many = files is not None or path.is_dir()
        self.still = not self.many
        if files is None:
            files = _images_of(path) if self.many else [("", path)]
        self.files = files
        stem = path.resolve().name if self.many else stem_of_file(path)
        super().__init__(str(path), stem, count=len(self.files))

    def __iter__(self) -> Iterator[Shot]:
        failed = 0
        for index, (name, path) in enumerate(self.files):
            start = time.perf_counter()
            try:
                frame = read_image(path)
            except (InputError, OSError) as error:
                if not self.many:
                    raise
                # One bad picture among thousands should not cost the results of the others.
                self._fail(name, error)
                failed += 1
                continue
            yield taken(frame, index, None, start, name)
        if failed == len(self.files):
            raise InputError(f"no image in {self.name} could be read: {', '.join(self.failures)}")


def _images_of(folder: Path) -> list[tuple[str, Path]]:
    files = [
        (entry.name, entry)
        for entry in sorted(folder.iterdir())
        if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()
    ]
    if not files:
        raise InputError(none_in(folder))
    return files


def none_in(folder: Path, nor: str = "") -> str:
    """Say that a folder holds no image, and what converts those that it has.

    Args:
        folder: The folder.
        nor: What else it does not hold.
    """
    heic = next(filter(_is_heic, sorted(folder.iterdir())), None)
    if heic:
        how = heif.how_to_convert(heic)
        return f"folder {folder} holds no image that can be read{nor}: {how}"
    return f"folder {folder} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}){nor}"


def _is_heic(path: Path) -> bool:
    if not path.is_file() or path.name.startswith("."):
        return False
    try:
        with open(path, "rb") as file:
            return heif.is_heic(file.read(64))
    except OSError:  # nobody may read it
        return False


def fractions_of(start: bytes) -> str | None:
    """Name the format whose pixels are fractions by the first bytes of a file; None for others."""
    return _FLOAT.get(start[:3])


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file, upright as its EXIF says, or its properties (AVIF).

    Of several pictures in one file it is the first, with a warning in the log.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF or whatever else this OpenCV decodes.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is a folder, not an image, truncated, too large, HEIC, or of fractions (PFM,
            OpenEXR), or its name is not in UTF-8.
    """
    path = Path(path)
    check_name(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_file():
        raise InputError(f"{path} is not a file: give an image")
    data = path.read_bytes()
    if not data:
        raise InputError(f"{path} is empty (0 bytes): copy it again from where it came")
    damage = image_damage(data)
    if damage:
        raise InputError(f"{path} is truncated or damaged ({damage}): copy it again")
    if kind := fractions_of(data):
        raise InputError(
            f"{path} holds fractions ({kind}), whose scale it does not say: write a PNG"
        )
    if heif.is_heic(data):
        raise InputError(heif.how_to_convert(path))
    # How the file is turned comes before what EXIF says of it.
    turned = heif.is_avif(data) and heif.is_turned(data)
    how = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if turned else 0)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
        pictures = cv2.imcount(str(path))
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE_PIXELS" in error.err:
            raise InputError(
                f"{path} has more pixels than OpenCV takes (2^30, or what the environment's "
                "OPENCV_IO_MAX_IMAGE_PIXELS says): scale it down"
            ) from error
        if "CV_IO_MAX_IMAGE" in error.err:
            raise InputError(
                f"{path} is wider or higher than OpenCV takes (2^20 pixels): scale it down"
            ) from error
        raise InputError(f"{path}: OpenCV cannot decode it ({error.err})") from error
    if image is None:
        raise InputError(
            f"{path} is not an image that OpenCV can decode, or it is truncated: give a whole "
            "JPEG, PNG, WebP, BMP or TIFF of 8 or 16 bits"
        )
    if pictures > 1:
        logger.warning("%s holds %d pictures or pages: only the first is read", path, pictures)
    return check_frame(heif.upright(image, data) if turned else image, str(path))
