"""A face finder from what a user gives."""

import operator
from pathlib import Path
from typing import Literal

from runtime.errors import InputError
from runtime.finders.base import SEARCH_SIDE, FaceFinder
from runtime.finders.cascade import CascadeFinder
from runtime.finders.network import NetworkFinder
from runtime.finders.yunet import YuNetFinder

PACKAGED = (NetworkFinder.name, CascadeFinder.name)
"""Finders that need no file of the user's, by name."""


def open_finder(
    finder: FaceFinder | str | Path | None,
    search_side: int | None = None,
    engine: Literal["opencv", "native"] = "opencv",
    threads: int = 1,
) -> FaceFinder:
    """Make a finder of what a user gives.

    Args:
        finder: One of `PACKAGED`, the path of a YuNet model, or a finder itself; None for the
            network.
        search_side: Longer side to which larger frames are reduced for the search, pixels; None
            for `SEARCH_SIDE`.
        engine: What computes the packaged network, see `NetworkFinder`.
        threads: CPU threads of the native engine.

    Returns:
        The finder.

    Raises:
        FileNotFoundError: The path leads nowhere.
        InputError: The path is no YuNet model, or the object is not a finder, for example a class.
        ImportError: The native engine is to compute it, and is not compiled for this machine.
        OpenCVError: This OpenCV lacks what the finder needs.
        TypeError: ``search_side`` is not whole.
        ValueError: ``search_side`` is too small, or given with a finder of the caller's own.
    """
    side = SEARCH_SIDE if search_side is None else operator.index(search_side)
    if finder is None or finder == NetworkFinder.name:
        return NetworkFinder(search_side=side, engine=engine, threads=threads)
    if finder == CascadeFinder.name:
        return CascadeFinder(search_side=side)
    names = " or ".join(map(repr, PACKAGED))
    if isinstance(finder, str | Path):
        if not Path(finder).exists():
            raise FileNotFoundError(
                f"face finder {finder} does not exist: give {names}, or the path of a YuNet model"
            )
        return YuNetFinder(finder, search_side=side)
    if isinstance(finder, type):
        raise InputError(f"finder {finder.__name__} is a class: give an object of it")
    if search_side is not None:
        raise ValueError(
            f"search_side is for finders that are opened here, and {finder!r} is open already: "
            "give it to that one, as in YuNetFinder(path, search_side=800)"
        )
    missing = [part for part in ("name", "find", "confirm") if not hasattr(finder, part)]
    if missing:
        raise InputError(
            f"finder {finder!r} has no {', '.join(missing)}: give {names}, the path of a YuNet "
            "model, or an object with the members of runtime.finders.FaceFinder"
        )
    return finder
