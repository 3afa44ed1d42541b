"""Where things are kept that take long to make and can be made again."""

import os
import tempfile
from pathlib import Path

from runtime.atomic import make_folder


def cache_path(name: str) -> Path:
    """Name a folder of this project's in the user's cache, whether or not it is there.

    Args:
        name: What is kept there, such as ``"tensorrt"``.

    Returns:
        ``$XDG_CACHE_HOME/lgrnet/NAME``, or ``~/.cache/lgrnet/NAME``; for users without a home, as
        in some containers, in the folder of temporary files.
    """
    home = os.path.expanduser("~")
    usual = tempfile.gettempdir() if home == "~" else os.path.join(home, ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or usual, "lgrnet", name)


def cache_folder(name: str) -> Path:
    """Return a folder of this project's in the user's cache, and make it.

    Args:
        name: As of `cache_path`.

    Returns:
        The folder.

    Raises:
        InputError: A file is in its place.
    """
    folder = cache_path(name)
    make_folder(folder)
    return folder
