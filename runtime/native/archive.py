"""Files of the native engine: NumPy archives, read with suspicion, as files come from anywhere."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import ModelError


def write_archive(path: Path, texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file.

    Args:
        path: Where to, ``.npz``.
        texts: Name → what the file says of itself.
        arrays: Name → weights, of any floating-point type.

    Raises:
        ValueError: A weight is not finite.
    """
    check_finite(arrays)
    # Any, as a type checker cannot know that none of the names is an option of NumPy's.
    content: dict[str, Any] = {key: np.array(text) for key, text in texts.items()} | dict(arrays)
    # Through a file object, as NumPy would add a suffix to a name.
    with path.open("wb") as file:
        np.savez(file, **content)


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """Read a file.

    Args:
        path: Written by `write_archive`.

    Returns:
        Name → array; texts are arrays of one string.

    Raises:
        ModelError: The file is damaged, or none of these.
    """
    try:
        if not zipfile.is_zipfile(path):  # NumPy would take it for pickled, and advise to load it
            raise ValueError("it is cut, or no .npz archive")
        # NumPy leaves a file open that it cannot read, if it opened it.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            # What claims to have a comment hides the files behind it; NumPy writes none.
            if any(member.comment for member in archive.zip.infolist()):
                raise ValueError("its table of contents does not hold together")
            members = archive.zip.infolist()
            if any(not m.filename.endswith(".npy") for m in members):
                raise ValueError("it holds more than arrays")
            # NumPy stores; what is packed may be a thousand times as large.
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise ValueError("its arrays are larger than the file")
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile's, NumPy's and, of arrays' headers, the tokenizer's
        raise ModelError(
            f"model {path} cannot be opened; it is damaged, or not a file of the native engine: "
            f"{' '.join(str(error).split())}"
        ) from error


def as_weights(content: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what was read as the engine takes it.

    Args:
        content: Name → array, no texts.

    Returns:
        Name → float32, contiguous.

    Raises:
        ValueError: There are arrays of other things than numbers, or numbers that are not finite.
    """
    others = [name for name, array in content.items() if array.dtype.kind not in "fiu"]
    if others:
        raise ValueError(f"{', '.join(others)}: no numbers")
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in content.items()}
    check_finite(arrays)
    return arrays


def check_finite(arrays: Mapping[str, np.ndarray]) -> None:
    """Check that all are numbers: a ReLU makes zeros of others, and nobody would see it.

    Raises:
        ValueError: One is not finite.
    """
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite in {array.dtype}")
