"""Landmark files: text, CSV, NumPy or MATLAB, one frame or all frames of a sequence each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgrnet.corpora.plausible import find_fault
from lgrnet.corpora.problems import Problems
from lgrnet.corpora.rows import read_rows
from runtime.installed import how_to_install

SUFFIXES = (".mat", ".npy", ".npz", ".csv", ".txt")
"""The kinds of file that are read."""

_trace: Path | None = None  # where to write which file is being read

_MOST_FRAMES = 1e9


@dataclass(frozen=True, eq=False)
class PointSets:
    """The landmarks that one file holds.

    Attributes:
        points: (N, P, 2) float64, as they stand in the file; all NaN where it has none of a frame.
        places: Where each set stands: its line in a text file, else "set k", from 1.
        numbers: (N,) the frames, if the file names them.
    """

    points: np.ndarray
    places: tuple[str, ...]
    numbers: np.ndarray | None = None


def trace_to(path: Path) -> None:
    """Keep the name of the file that is being read in another file, in this process.

    SciPy's reader crashes on some damaged files; then that is all that is left.
    """
    global _trace
    _trace = path


def read_point_sets(
    path: Path, count: int, problems: Problems, broken_is_none: bool = False, unused: int = 0
) -> PointSets | None:
    """Read a landmark file.

    Text and CSV hold either one frame, a point ``x y`` a line, or a frame a line: x1 y1 x2 y2 …,
    the frame's number before them or not. Arrays of NumPy (one to a file) and MATLAB (one variable
    to a file) are (P, 2), (N, P, 2), (P, 2, N), (N, 2 P) or, with the numbers, (N, 1 + 2 P). A
    MATLAB file may instead have a structure array ``fit`` with a (P, 2) matrix ``pred`` for each
    frame, empty where the tracker failed, as BP4D's ``2DFeatures`` are.

    Args:
        path: The file; its suffix, one of :data:`SUFFIXES`, says what it is.
        count: P, how many points a face has.
        problems: Where to say what is wrong.
        broken_is_none: Whether a set that cannot be a face's, with NaN or infinity among its
            numbers for example, counts as none; else it is a problem.
        unused: How many points, the first ones, need not be a face's.

    Returns:
        The points; None if there is a problem. A set that is empty or all 0 counts as none.

    Raises:
        ImportError: The library that reads MATLAB's files is not installed.
    """
    if _trace is not None:
        _trace.write_text(str(path), encoding="utf-8")
    if path.suffix in (".csv", ".txt"):
        sets = _from_text(path, count, problems)
    else:
        sets = _from_array(path, count, problems)
    if sets is None:
        return None
    faults = _find_faults(sets.points, unused)
    if faults and not broken_is_none:
        for index, fault in faults.items():
            problems.add(path, f"{fault} ({sets.places[index]})")
        return None
    sets.points[list(faults)] = np.nan
    sets.points[~sets.points.any((1, 2))] = np.nan  # NaN is not 0, so it stays
    return sets


def _find_faults(sets: np.ndarray, unused: int) -> dict[int, str]:
    """Tell what is wrong with which sets."""
    faults: dict[int, str] = {}
    for index, points in enumerate(sets):
        if not np.isfinite(points).all():
            faults[index] = "landmarks are NaN or infinite"
        elif points.any() and (fault := find_fault(points[unused:])):
            faults[index] = f"landmarks are no face's: {fault}"
    return faults


def _from_text(path: Path, count: int, problems: Problems) -> PointSets | None:
    rows = read_rows(path, problems)
    if not rows:
        return None
    numbers = []
    for line, cells in rows:
        try:
            numbers.append([float(cell) for cell in cells])
        except ValueError:
            problems.add(path, f"holds what is no number: {' '.join(cells)[:60]!r}", line)
            return None
    widths = {len(values) for values in numbers}
    if widths == {2} and len(numbers) == count:
        return PointSets(np.array(numbers)[None], ("the whole file",))
    for (line, _), values in zip(rows, numbers, strict=True):
        if len(values) not in (2 * count, 2 * count + 1) or len(values) != len(numbers[0]):
            problems.add(path, f"has {len(values)} numbers, not {count} points x y", line)
            return None
    places = tuple(f"line {line}" for line, _ in rows)
    return _split(path, np.array(numbers), count, places, problems)


def _split(
    path: Path, table: np.ndarray, count: int, places: tuple[str, ...], problems: Problems
) -> PointSets | None:
    """Make points of rows x1 y1 x2 y2 …, with or without a frame number before them."""
    points, numbers = table, None
    if table.shape[1] == 2 * count + 1:
        points, numbers = table[:, 1:], table[:, 0]
        whole = (numbers == np.round(numbers)) & (np.abs(numbers) < _MOST_FRAMES)
        for index in np.flatnonzero(~whole):
            problems.add(path, f"{numbers[index]:g} is no frame number ({places[index]})")
        if not whole.all():
            return None
        numbers = numbers.astype(np.int64)
    return PointSets(points.reshape(len(table), count, 2).astype(np.float64), places, numbers)


def _from_array(path: Path, count: int, problems: Problems) -> PointSets | None:
    try:
        array = _load(path)
    except FileNotFoundError:
        problems.add(path, "is missing")
        return None
    except ImportError:
        raise
    except Exception as error:  # on damaged files SciPy and h5py raise whatever comes of them
        problems.add(path, f"cannot be read, it is damaged or of another kind ({error})")
        return None
    if isinstance(array, list):
        return _from_list(path, array, count, problems)
    shape = array.shape
    if shape == (count, 2):
        array = array[None]
    elif len(shape) == 3 and shape[1:] == (count, 2):
        pass
    elif len(shape) == 3 and shape[:2] == (count, 2):
        array = array.transpose(2, 0, 1)
    elif len(shape) == 2 and shape[1] in (2 * count, 2 * count + 1):
        return _split(path, array.astype(np.float64), count, _places(shape[0]), problems)
    else:
        problems.add(path, f"is an array of shape {shape}, which is no set of {count} points")
        return None
    return PointSets(np.array(array, np.float64), _places(len(array)))


def _places(count: int) -> tuple[str, ...]:
    return tuple(f"set {index + 1}" for index in range(count))


def _from_list(
    path: Path, sets: Sequence[np.ndarray], count: int, problems: Problems
) -> PointSets | None:
    points = np.zeros((len(sets), count, 2))
    for index, found in enumerate(sets):
        if found.size == 0:
            continue  # stays 0, which counts as none
        if found.shape != (count, 2):
            problems.add(path, f"set {index + 1} is {found.shape}, not {count} points (x, y)")
            return None
        points[index] = found
    return PointSets(points, _places(len(sets)))


def _load(path: Path) -> np.ndarray | list[np.ndarray]:
    if path.suffix == ".mat":
        return _load_matlab(path)
    with path.open("rb"):  # a missing file before anything else
        pass
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return _numeric(loaded)
    with loaded:
        if len(loaded.files) != 1:
            raise ValueError(f"it holds {len(loaded.files)} arrays, not one")
        return _numeric(loaded[loaded.files[0]])


def _numeric(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iuf":
        raise ValueError(f"it holds {array.dtype}, not numbers")
    return array


def _load_matlab(path: Path) -> np.ndarray | list[np.ndarray]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ImportError(
            f"MATLAB files are read with scipy: {how_to_install('corpora')}"
        ) from error
    try:
        content = loadmat(path, appendmat=False)
    except NotImplementedError:  # MATLAB 7.3, which is HDF5
        return _load_hdf5(path)
    if "fit" in content and content["fit"].dtype.names:
        return [np.asarray(entry, np.float64) for entry in content["fit"]["pred"].ravel()]
    names = [name for name in content if not name.startswith("__")]
    if len(names) != 1:
        raise ValueError(f"it holds the variables {names}, not one")
    return _numeric(content[names[0]])


def _load_hdf5(path: Path) -> np.ndarray | list[np.ndarray]:
    """Read MATLAB 7.3; its arrays lie in HDF5 with the axes in reverse."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"{path} is a MATLAB 7.3 file, read with h5py: {how_to_install('corpora')}"
        ) from error
    with h5py.File(path) as file:
        if "fit" in file:
            if "pred" not in file["fit"]:
                raise ValueError("its structure 'fit' has no field 'pred'")
            entries = [file[reference] for reference in file["fit"]["pred"][()].ravel()]
            # An empty matrix is stored as its own size, and marked.
            return [
                np.zeros(0) if entry.attrs.get("MATLAB_empty") else entry[()].T for entry in entries
            ]
        names = [name for name in file if not name.startswith("#")]
        if len(names) != 1:
            raise ValueError(f"it holds the variables {names}, not one")
        return _numeric(file[names[0]][()].T)
