"""Cut-out heads and rendered backgrounds on disc: shards that are read through memory maps.

A folder with ``heads.json`` (what it was made from) and shards of :data:`PER_SHARD` each, of which
the last one may hold fewer:

* ``cut-<seed>-<number>.npy`` (N, 256, 256, 4) uint8: BGR and opacity of heads, beside
  ``cut-<seed>-<number>.npz`` with ``points`` (N, 49, 2) float32, pixels of the head's picture, and
  ``meta`` (N, 4) float32: yaw, pitch and roll in degrees, pixels a centimetre;
* ``back-<seed>-<number>.npy`` (N, 384, 384, 3) uint8: backgrounds, BGR.

A shard appears under its name only when it is complete, so a run that was cut off can go on.
"""

import json
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lgrnet.data.shards import DatasetError
from runtime.files.atomic import PendingFile, write_json

INDEX_NAME = "heads.json"
FORMAT = "lgrnet-heads-1"
PER_SHARD = 300
HEAD_SIDE, BACK_SIDE = 256, 384
PER_PERSON = 6
"""Heads of each person, one after the other."""

_COUNTS = ("heads", "backgrounds")
_AGAIN = "run `python -m lgrnet.finder.heads` for this folder again, it goes on where it stopped"


def shard_sizes(count: int) -> list[int]:
    """Tell how many pictures each shard holds where there are so many in all."""
    return [min(PER_SHARD, count - start) for start in range(0, count, PER_SHARD)]


def head_file(root: Path, seed: int, number: int) -> Path:
    """Name a shard of heads; its points lie beside it, with ``.npz``."""
    return root / f"cut-{seed}-{number:03d}.npy"


def back_file(root: Path, seed: int, number: int) -> Path:
    """Name a shard of backgrounds."""
    return root / f"back-{seed}-{number:03d}.npy"


def write_heads(path: Path, heads: np.ndarray, points: np.ndarray, meta: np.ndarray) -> None:
    """Write a shard of heads so that it appears whole or not at all; see the module for shapes."""
    # Points first: a shard counts as written once its pictures are there.
    with PendingFile(path.with_suffix(".npz"), durable=True) as part:
        np.savez(part, points=points, meta=meta)
    write_pictures(path, heads)


def write_pictures(path: Path, pictures: np.ndarray) -> None:
    """Write a shard of pictures so that it appears whole or not at all."""
    with PendingFile(path, durable=True) as part:
        np.save(part, pictures)


def shard_holds(path: Path, count: int) -> bool:
    """Tell whether a shard has been written, with so many pictures."""
    if not path.exists():
        return False
    try:
        return len(np.load(path, mmap_mode="r")) == count
    except (OSError, ValueError, EOFError):
        return False


def claim_folder(root: Path, recipe: dict) -> None:
    """Write the index of a folder, or check that it holds the same, if perhaps fewer pictures.

    Args:
        root: The folder; made if need be.
        recipe: What the heads are made from: ``seed``, ``heads``, ``backgrounds`` and more.

    Raises:
        DatasetError: The folder holds heads that were made from something else.
    """
    path = root / INDEX_NAME
    if path.exists():
        found = read_recipe(root)
        if _without_counts(found) != _without_counts(recipe):
            raise DatasetError(
                f"{root} holds heads made from another recipe ({found}): choose another folder or "
                "delete that one"
            )
    write_json(path, {"format": FORMAT, "recipe": recipe})


def read_recipe(root: Path) -> dict:
    """Read what the heads of a folder were made from.

    Raises:
        DatasetError: The folder holds no heads, or its index is damaged.
    """
    path = root / INDEX_NAME
    if not path.is_file():
        raise DatasetError(
            f"{root} holds no {INDEX_NAME}: make heads with "
            "`python -m lgrnet.finder.heads --out FOLDER`"
        )
    try:
        index = json.loads(path.read_text("utf-8"))
        found, recipe = index["format"], index["recipe"]
        counts = [recipe["seed"], *(recipe[name] for name in _COUNTS)]
        if not all(isinstance(each, int) and each >= 0 for each in counts):
            raise ValueError("seed and numbers must be whole")
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(f"{path} is damaged ({error}): delete it, then {_AGAIN}") from error
    if found != FORMAT:
        raise DatasetError(f"{path} has format {found!r}, expected {FORMAT!r}")
    return recipe


def _without_counts(recipe: dict) -> dict:
    return {name: value for name, value in recipe.items() if name not in _COUNTS}


class Pictures:
    """Pictures of several shards, read one by one without loading them into memory.

    Args:
        paths: The shards.
        sizes: How many pictures each holds.
        shape: Of a picture.

    Raises:
        DatasetError: A shard is missing, damaged or of another size.
    """

    def __init__(self, paths: list[Path], sizes: list[int], shape: tuple[int, ...]) -> None:
        self._paths, self._sizes, self._shape = paths, sizes, shape
        self._maps: dict[int, np.ndarray] = {}
        for number in range(len(paths)):
            self._open(number)

    def __len__(self) -> int:
        return sum(self._sizes)

    def __getitem__(self, index: int) -> np.ndarray:
        # All shards but the last one are full.
        number, place = divmod(index, PER_SHARD)
        if number not in self._maps:
            self._maps[number] = self._open(number)
        return self._maps[number][place]

    def _open(self, number: int) -> np.ndarray:
        path, wanted = self._paths[number], (self._sizes[number], *self._shape)
        if not path.is_file():
            raise DatasetError(f"{path} is missing: {_AGAIN}")
        try:
            pictures = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise DatasetError(f"{path} is damaged ({error}): {_AGAIN}") from error
        if pictures.shape != wanted or pictures.dtype != np.uint8:
            raise DatasetError(
                f"{path} holds {pictures.dtype} {pictures.shape}, not uint8 {wanted}: {_AGAIN}"
            )
        return pictures

    def __getstate__(self) -> dict:
        # Memory maps would be copied whole into a worker process; it opens its own.
        return {**self.__dict__, "_maps": {}}


class Heads:
    """Heads and backgrounds of a folder.

    Args:
        root: The folder.

    Attributes:
        recipe: What they were made from.
        heads: (256, 256, 4) uint8 each, BGR and opacity.
        points: (N, 49, 2) float32, pixels.
        yaw: (N,) float32, degrees.
        backgrounds: (384, 384, 3) uint8 each, BGR.

    Raises:
        DatasetError: There are no heads, or some are missing or damaged.
    """

    def __init__(self, root: str | Path) -> None:
        root = Path(root)
        self.recipe = read_recipe(root)
        seed = self.recipe["seed"]
        sizes = shard_sizes(self.recipe["heads"])
        paths = [head_file(root, seed, number) for number in range(len(sizes))]
        if not paths:
            raise DatasetError(f"{root} was made with no head: give more --heads")
        self.heads = Pictures(paths, sizes, (HEAD_SIDE, HEAD_SIDE, 4))
        parts = [_read_points(p, n) for p, n in zip(paths, sizes, strict=True)]
        self.points = np.concatenate([points for points, _ in parts])
        self.yaw = np.concatenate([meta[:, 0] for _, meta in parts])
        sizes = shard_sizes(self.recipe["backgrounds"])
        paths = [back_file(root, seed, number) for number in range(len(sizes))]
        self.backgrounds = Pictures(paths, sizes, (BACK_SIDE, BACK_SIDE, 3))

    def __len__(self) -> int:
        return len(self.points)

    @property
    def persons(self) -> int:
        """How many people the heads are of."""
        # Shards begin with a new person, also after one that could not have all heads.
        return sum(-(-size // PER_PERSON) for size in shard_sizes(len(self)))


def _read_points(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    path = path.with_suffix(".npz")
    try:
        with np.load(path, allow_pickle=False) as file:
            points, meta = file["points"], file["meta"]
        if points.shape != (count, 49, 2) or meta.shape != (count, 4):
            raise ValueError(f"points {points.shape} and meta {meta.shape} of {count} heads")
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise DatasetError(
            f"{path} is damaged ({error}): delete it and the .npy file beside it, then {_AGAIN}"
        ) from error
    return points, meta
