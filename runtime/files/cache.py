"""Where things are kept that take long to make and can be made again."""

import os
from pathlib import Path

from runtime.errors import InputError
from runtime.files.atomic import make_folder


def cache_path(name: str) -> Path | None:
    """Name a folder of this project's in the user's cache, whether or not it is there.

    Args:
        name: What is kept there, such as ``"tensorrt"``.

    Returns:
        ``$XDG_CACHE_HOME/lgrnet/NAME``, or ``~/.cache/lgrnet/NAME``; None for users without a home,
        as in some containers: in a folder that others can write to, what is opened could be theirs.
    """
    home = os.path.expanduser("~")
    usual = None if home in ("~", "/") else os.path.join(home, ".cache")
    root = os.environ.get("XDG_CACHE_HOME") or usual
    return None if root is None else Path(root, "lgrnet", name)


def cache_folder(name: str) -> Path:
    """Return a folder of this project's in the user's cache, and make it.

    Args:
        name: As of `cache_path`.

    Returns:
        The folder.

    Raises:
        InputError: A file is in its place, or there is no home.
    """
    folder = cache_path(name)
    if folder is None:
        raise InputError("this user has no home folder for a cache: set XDG_CACHE_HOME")
    make_folder(folder)
    return folder
