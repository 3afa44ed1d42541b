"""Aligned faces on disc: shards that are read through memory maps, and the index that names them.

A data set is a folder with ``dataset.json`` and, for every shard, ``<split>-<number>.faces.npy``
((N, 200, 200, 3) uint8, BGR) beside ``<split>-<number>.labels.npz``:

* ``presence`` (N, n) uint8: 0 absent, 1 present, 9 unknown, AUs in the order of the index;
* ``intensity`` (N, n) float32 in [0, 1], NaN where unknown;
* ``landmarks`` (N, 49, 2) float32, pixels of the 200 × 200 face, 0-based;
* ``subject`` (N,) int64: who it is. No subject is in two splits;
* ``condition_…`` (N,) float32, if there are any: what else is known of the pictures, by which a
  test can be split (:mod:`lgrnet.faces.conditions` says what the renderer tells).

Shards appear under their final name only when complete, so a run that was cut off can go on.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from runtime.align import ALIGNED_SIZE
from runtime.files.atomic import PendingFile, write_json
from runtime.landmarks import COUNT

INDEX_NAME = "dataset.json"
FORMAT = "lgrnet-shards-1"
MISSING = 9
"""The label of an AU that could not be judged (FACS)."""

_CONDITION = "condition_"


class DatasetError(ValueError):
    """A data set is missing, incomplete, or not what was asked for."""


class OtherDatasetError(DatasetError):
    """A folder holds another data set than the one that is to be written to it."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of N faces; see the module for shapes and units."""

    presence: np.ndarray
    intensity: np.ndarray
    landmarks: np.ndarray
    subject: np.ndarray
    conditions: dict[str, np.ndarray] = field(default_factory=dict)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays under the names they have on disc."""
        arrays = {name: value for name, value in vars(self).items() if name != "conditions"}
        return arrays | {_CONDITION + name: value for name, value in self.conditions.items()}


def shard_name(split: str, number: int) -> str:
    """Return the stem of a shard's files."""
    return f"{split}-{number:05d}"


def shard_is_complete(root: Path, name: str) -> bool:
    """Tell whether a shard has been written."""
    return (root / f"{name}.faces.npy").exists() and (root / f"{name}.labels.npz").exists()


def write_shard(root: Path, name: str, faces: np.ndarray, labels: Labels) -> None:
    """Write a shard so that it appears whole or not at all.

    Args:
        root: Folder of the data set.
        name: Stem, from :func:`shard_name`.
        faces: (N, 200, 200, 3) uint8, BGR.
        labels: Labels of the same N faces.

    Raises:
        OSError: It cannot be written; it says why, and names the file.
        ValueError: The shapes do not fit each other.
    """
    if faces.shape[1:] != (ALIGNED_SIZE, ALIGNED_SIZE, 3) or faces.dtype != np.uint8:
        raise ValueError(
            f"shard {name}: faces are {faces.dtype} {faces.shape}, not uint8 200 × 200"
        )
    arrays = labels.to_arrays()
    if {len(faces)} != {len(value) for value in arrays.values()}:
        raise ValueError(f"shard {name}: {len(faces)} faces, but labels of another number")
    # Labels first: a shard counts as written once its faces are there.
    with PendingFile(root / f"{name}.labels.npz", durable=True) as part:
        np.savez(part, allow_pickle=False, **arrays)
    with PendingFile(root / f"{name}.faces.npy", durable=True) as part, part.open("wb") as file:
        # As np.save does, which says on a full disc how many bytes are missing and not why.
        header = np.lib.format.header_data_from_array_1_0(faces := np.ascontiguousarray(faces))
        np.lib.format.write_array_header_1_0(file, header)
        file.write(faces.data)


def remove_shard(root: Path, name: str) -> None:
    """Remove a shard, or what there is of it."""
    for suffix in ("faces.npy", "labels.npz"):
        (root / f"{name}.{suffix}").unlink(missing_ok=True)


def write_index(root: Path, aus: Sequence[int], splits: dict[str, int], recipe: dict) -> None:
    """Write or check the index of a data set.

    Args:
        root: Folder of the data set; made if need be.
        aus: FACS numbers of the label columns, ascending.
        splits: Split → number of shards.
        recipe: What the data were made from; a folder made from another recipe is refused.

    Raises:
        OtherDatasetError: The folder holds another data set.
    """
    index = {"format": FORMAT, "aus": list(aus), "splits": splits, "recipe": recipe}
    path = root / INDEX_NAME
    if path.exists():
        found = _read_index(root)
        if found != json.loads(json.dumps(index)):
            raise OtherDatasetError(
                f"{root} holds a data set made from another recipe ({found.get('recipe')}); "
                "choose another folder or delete that one"
            )
        return
    write_json(path, index)


def _read_index(root: Path) -> dict:
    path = root / INDEX_NAME
    if not path.is_file():
        raise DatasetError(
            f"{root} holds no {INDEX_NAME}: make a data set with "
            "`python -m lgrnet.faces.generate --out FOLDER` or `python -m lgrnet.prepare`"
        )
    try:
        index = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON ({error}): make the data set again") from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        found = index.get("format") if isinstance(index, dict) else None
        raise DatasetError(f"{path} has format {found!r}, expected {FORMAT!r}")
    aus, splits = index.get("aus"), index.get("splits")
    fits = (
        isinstance(index.get("recipe"), dict)
        and isinstance(aus, list)
        and all(isinstance(au, int) for au in aus)
        and isinstance(splits, dict)
        and all(isinstance(count, int) and count >= 0 for count in splits.values())
    )
    if not fits:
        raise DatasetError(
            f"{path} is damaged (aus, splits or recipe is missing or of another kind): make the "
            "data set again"
        )
    return index


def labelled_aus(root: str | Path) -> tuple[int, ...]:
    """Tell which AUs a data set labels, FACS numbers.

    Raises:
        DatasetError: No data set there, or its index is damaged.
    """
    return tuple(_read_index(Path(root))["aus"])


def require_corpus(root: str | Path, corpus: str) -> None:
    """Check that a data set was prepared from a corpus.

    Raises:
        DatasetError: No data set there, its index is damaged, or it was made from something else.
    """
    found = _read_index(Path(root))["recipe"].get("corpus")
    if found != corpus:
        raise DatasetError(f"{root} was made from {found or 'no corpus'}, not from {corpus}")


def _shards_of(root: Path, index: dict, splits: Sequence[str], most: int | None) -> list[str]:
    """Name the shards of some splits, all of which must be there."""
    counts = index["splits"]
    unknown = [name for name in splits if name not in counts]
    if unknown:
        hint = ": name those that it has"
        if index["recipe"].get("corpus") not in (None, "own"):
            hint = (
                "; each is a person: name some of them, or choose them by --corpus and --fold "
                "where a command takes these, or prepare the corpus with those that are missing"
            )
        raise DatasetError(
            f"{root} has the splits {sorted(counts)}, not {', '.join(map(repr, unknown))}{hint}"
        )
    names = [shard_name(name, number) for name in splits for number in range(counts[name])][:most]
    absent = [name for name in names if not shard_is_complete(root, name)]
    if absent:
        raise DatasetError(
            f"{root} lacks {len(absent)} of {len(names)} shards of {', '.join(splits)} (first: "
            f"{absent[0]}); run the command that makes it again, it goes on where it stopped"
        )
    return names


def _open_faces(path: Path, count: int) -> np.ndarray:
    """Map the faces of a shard into memory; there must be as many as it has labels."""
    try:
        faces = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, error) from error
    if faces.dtype != np.uint8 or faces.shape != (count, ALIGNED_SIZE, ALIGNED_SIZE, 3):
        raise DatasetError(
            f"{path} holds {faces.dtype} {faces.shape}, not {count} faces of 200 × 200: delete it "
            "and run the command that made it again"
        )
    return faces


def read_labels(path: Path, aus: int) -> dict[str, np.ndarray]:
    """Read the labels of a shard.

    Args:
        path: ``<shard>.labels.npz``.
        aus: How many AUs the data set labels.

    Returns:
        The arrays, see the module.

    Raises:
        DatasetError: The file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            labels = {key: file[key] for key in file.files}
        count = len(labels["subject"])
        wanted = {"presence": (aus,), "intensity": (aus,), "landmarks": (COUNT, 2), "subject": ()}
        for key, shape in wanted.items():
            if labels[key].shape != (count, *shape):
                raise ValueError(f"{key} has the shape {labels[key].shape}, {count} subjects")
        return labels
    except (
        *(OSError, ValueError, EOFError, KeyError, TypeError, NotImplementedError),
        *(BadZipFile, zlib.error),
    ) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"{path} is damaged ({error}): delete it and run the command that made it again"
    )


class FaceShards:
    """Splits of a data set, read face by face without loading it into memory.

    Args:
        root: Folder of the data set.
        split: ``"train"``, ``"val"`` or ``"test"``, or another that the data set has; several are
            read one after the other. In a corpus every subject is a split
            (:func:`lgrnet.corpora.folds.train_subjects` names those of a fold).
        aus: The AUs to return, in this order; None for all. Every one must be labelled.
        most_shards: How many shards to open at most; None for all.
        also: Folders of further data sets; their splits of these names are read after ``root``'s.

    Attributes:
        aus: FACS numbers of the label columns.
        labels: Labels of all faces, in memory; conditions only where all shards tell them.
        recipe: What the data were made from; of further data sets in a list, ``"also"``.

    Raises:
        DatasetError: No data set there, a split or shard is missing, or an AU is not labelled.
        ValueError: ``most_shards`` is below 1, or no split is named, or one twice.
    """

    def __init__(
        self,
        root: str | Path,
        split: str | Sequence[str],
        aus: Sequence[int] | None = None,
        most_shards: int | None = None,
        also: Sequence[str | Path] = (),
    ) -> None:
        if most_shards is not None and most_shards < 1:
            raise ValueError(f"most_shards: must be at least 1, got {most_shards}")
        splits = (split,) if isinstance(split, str) else tuple(split)
        if not splits:
            raise ValueError("split: name at least one")
        if len(set(splits)) < len(splits):
            raise ValueError(
                f"split: {', '.join(splits)} names one twice, whose faces would count double"
            )
        folders = [Path(folder) for folder in (root, *also)]
        indices = [_read_index(folder) for folder in folders]
        self.recipe: dict = indices[0]["recipe"]
        if also:
            self.recipe = self.recipe | {"also": [index["recipe"] for index in indices[1:]]}
        self.aus: tuple[int, ...] = tuple(indices[0]["aus"] if aus is None else aus)
        parts: list[dict[str, np.ndarray]] = []
        self._paths: list[Path] = []
        for folder, index in zip(folders, indices, strict=True):
            names = _shards_of(folder, index, splits, most_shards)
            unlabelled = [au for au in self.aus if au not in index["aus"]]
            if unlabelled:
                raise DatasetError(f"{folder} labels the AUs {index['aus']}, not {unlabelled}")
            columns = [index["aus"].index(au) for au in self.aus]
            for name in names:
                part = read_labels(folder / f"{name}.labels.npz", len(index["aus"]))
                for key in ("presence", "intensity"):
                    part[key] = part[key][:, columns]
                parts.append(part)
                self._paths.append(folder / f"{name}.faces.npy")
            most_shards = None if most_shards is None else most_shards - len(names)
        if not parts:
            raise DatasetError(f"{root} has no face of {' and '.join(splits)}: name other splits")
        known = set.intersection(*map(set, parts))
        joined = {key: np.concatenate([part[key] for part in parts]) for key in known}
        self.labels = Labels(
            presence=joined["presence"],
            intensity=joined["intensity"],
            landmarks=joined["landmarks"],
            subject=joined["subject"],
            conditions={
                key.removeprefix(_CONDITION): value
                for key, value in sorted(joined.items())
                if key.startswith(_CONDITION)
            },
        )
        self._starts = np.cumsum([0] + [len(part["subject"]) for part in parts])
        self._maps: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.labels.subject)

    def face(self, index: int) -> np.ndarray:
        """Read one face, (200, 200, 3) uint8 BGR, as a copy.

        Raises:
            DatasetError: Its file is damaged.
        """
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        if shard not in self._maps:
            count = int(self._starts[shard + 1] - self._starts[shard])
            self._maps[shard] = _open_faces(self._paths[shard], count)
        return np.array(self._maps[shard][index - self._starts[shard]])

    def __getstate__(self) -> dict:
        # Memory maps would be copied whole into a worker process; it opens its own.
        return {**self.__dict__, "_maps": {}}
