"""What is behind the heads of a scene: photographs, rendered surroundings, mosaics."""

import hashlib
from pathlib import Path

import cv2
import numpy as np

from lgrnet.data.shards import DatasetError
from lgrnet.finder.head_shards import Pictures

SUFFIXES = {".jpg", ".jpeg", ".png"}

_PHOTOGRAPHS, _MOSAICS = 0.6, 0.05  # of the backdrops; all others are rendered
_SMALLEST = 64  # pixels of a part: a smaller one is a smear when it is enlarged
_CLOSEST = 90  # pixels of a part that is drawn by chance
_WHOLE = 0.25  # of the backdrops show a picture from edge to edge
_STRETCH = 0.3  # logarithm of how far a part may differ from a square
_MIRRORED, _UPSIDE_DOWN = 0.5, 0.1
_LARGEST = 1024  # pixels along the longer side that a photograph is kept with


class Photographs:
    """Photographs of a folder, and of those in it, none of which may show a face.

    Args:
        root: The folder; None for no photographs.

    Attributes:
        sha256: Of the contents of all files, by name.

    Raises:
        DatasetError: No picture is there, or one cannot be read.
    """

    def __init__(self, root: Path | None) -> None:
        self._paths: list[Path] = []
        self._cache: dict[int, np.ndarray] = {}
        if root is not None:
            if not root.is_dir():
                raise DatasetError(f"{root} is no folder: give one of pictures without faces")
            files = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
            self._paths = sorted(files)
            if not self._paths:
                raise DatasetError(
                    f"{root} holds no picture ({', '.join(sorted(SUFFIXES))}): give a folder of "
                    "pictures without faces, or leave it out"
                )
        digest = hashlib.sha256()
        for path in self._paths:
            stored = path.read_bytes()
            digest.update(hashlib.sha256(stored).digest())
            _decode(path, stored, cv2.IMREAD_REDUCED_COLOR_8)  # a broken one should fail here
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> np.ndarray:
        """Read a photograph, (H, W, 3) uint8, BGR; it is kept in memory."""
        if index not in self._cache:
            path = self._paths[index]
            picture = _decode(path, path.read_bytes(), cv2.IMREAD_COLOR)
            shrink = _LARGEST / max(picture.shape[:2])
            if shrink < 1:
                size = [max(1, round(side * shrink)) for side in picture.shape[1::-1]]
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            self._cache[index] = picture
        return self._cache[index]

    def __getstate__(self) -> dict:
        # A worker process reads its own; all of them would be copied through a pipe.
        return {**self.__dict__, "_cache": {}}


def _decode(path: Path, stored: bytes, how: int) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(stored, np.uint8), how) if stored else None
    if picture is None:
        raise DatasetError(f"{path} cannot be read as a picture: delete it or copy it again")
    return picture


def sample_backdrop(
    rng: np.random.Generator, photographs: Photographs, rendered: Pictures, side: int
) -> np.ndarray:
    """Draw a backdrop.

    Args:
        rng: Source of randomness.
        photographs: Photographs without faces; there may be none.
        rendered: Rendered surroundings.
        side: Of the backdrop, pixels.

    Returns:
        (side, side, 3) uint8, BGR; a new array.
    """
    kind = rng.random()
    if len(photographs) and kind < _PHOTOGRAPHS:
        return sample_part(rng, photographs[int(rng.integers(len(photographs)))], side)
    if kind < 1 - _MOSAICS:
        return sample_part(rng, rendered[int(rng.integers(len(rendered)))], side)
    # Plain tiles and soft blobs of any colour, which no camera would see.
    mosaic = rng.integers(0, 256, (*rng.integers(2, 20, 2), 3), dtype=np.uint8)
    kinds = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
    return cv2.resize(mosaic, (side, side), interpolation=kinds[rng.integers(len(kinds))])


def sample_part(rng: np.random.Generator, picture: np.ndarray, side: int) -> np.ndarray:
    """Cut a part out of a picture and bring it to a size.

    Args:
        rng: Source of randomness.
        picture: (H, W, 3) uint8.
        side: Wanted, pixels.

    Returns:
        (side, side, 3) uint8; a new array.
    """
    height, width = picture.shape[:2]
    short = min(height, width)
    part = short
    if rng.random() >= _WHOLE:
        part = int(np.exp(rng.uniform(np.log(_CLOSEST), np.log(short + 1))))
    part = min(max(part, _SMALLEST), short)
    aspect = np.exp(rng.uniform(-_STRETCH, _STRETCH))
    across, down = min(width, int(part * aspect)), min(height, int(part / aspect))
    across, down = max(across, 1), max(down, 1)
    x, y = rng.integers(0, width - across + 1), rng.integers(0, height - down + 1)
    how = cv2.INTER_AREA if part > side else cv2.INTER_LINEAR
    shown = cv2.resize(picture[y : y + down, x : x + across], (side, side), interpolation=how)
    if rng.random() < _MIRRORED:
        shown = shown[:, ::-1]
    if rng.random() < _UPSIDE_DOWN:
        shown = shown[::-1]
    return np.ascontiguousarray(shown)
