"""Choosing the kind of source for whatever a user gives."""

import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from runtime.errors import InputError
from runtime.files.names import is_annotated
from runtime.sources.arrays import Arrays
from runtime.sources.base import Source
from runtime.sources.live import (
    GIVE_UP,
    SCHEMES,
    Camera,
    NetworkStream,
    connect,
    is_url,
    stem_of,
    without_password,
)
from runtime.sources.playlist import open_file, open_files, open_folder
from runtime.sources.video import Video

AnySource = str | Path | int | np.ndarray | Sequence[str | Path] | Iterable[np.ndarray]
"""Whatever `open_source` opens."""


def open_source(source: AnySource, give_up: float = GIVE_UP) -> Source:
    """Open whatever holds frames.

    Args:
        source: Path of a video, an image or a folder of them; a pattern such as
            ``"clips/*.png"`` (``**`` for folders at any depth); a list of paths; number of a
            camera, or ``"cam:0"``; URL of a stream or file (``rtsp://…``, ``http://…``); one frame
            (H, W[, C]), frames (T, H, W, C), or an iterable of frames.
        give_up: Seconds without a frame after which a camera or stream counts as lost; until then
            it is opened again and again, with pauses from half a second to ten.

    Returns:
        The source, opened; files, cameras and streams are checked here, frames and the files of
        a folder, pattern or list when their turn comes.

    Raises:
        FileNotFoundError: There is no such file or folder, or none that the pattern fits.
        InputError: It cannot be read, or is nothing of the above.
        ValueError: ``give_up`` is negative.
    """
    if isinstance(source, bool):
        raise InputError(f"{source} is no source: give a path, a camera number or frames")
    if isinstance(source, int | np.integer):
        return Camera(int(source), give_up)
    if isinstance(source, np.ndarray):
        return Arrays(source)
    if isinstance(source, str | Path):
        return _open_text(str(source), give_up)
    if isinstance(source, Sequence) and not source:
        raise InputError("the list is empty: it has neither a path nor a frame")
    if isinstance(source, Sequence) and any(isinstance(item, str | Path) for item in source):
        return _open_list(source)
    if isinstance(source, Iterable) and not isinstance(source, bytes | bytearray):
        return Arrays(source)
    raise InputError(
        f"a {type(source).__name__} is no source: give the path of a video, an image or a folder, "
        'a camera number or "cam:0", a URL, or frames as arrays'
    )


def _open_text(text: str, give_up: float) -> Source:
    if not text:
        raise InputError("the source is an empty text: give a path, a URL, or cam:0")
    camera = re.fullmatch(r"cam:(\d+)", text)
    if camera:
        return Camera(int(camera[1]), give_up)
    if is_url(text):
        return _open_url(text, give_up)
    path = Path(text)
    if path.is_dir():
        return open_folder(path)
    # A file may have a bracket in its name.
    if re.search(r"[*?[]", text) and not path.exists():
        return _open_pattern(text)
    return open_file(path)


def _open_url(url: str, give_up: float) -> Source:
    name = without_password(url)
    if url.partition("://")[0].lower() not in SCHEMES:
        raise InputError(f"{name}: give a path, or a URL of {', '.join(SCHEMES)}")
    capture = connect(url)
    if not capture.isOpened():
        raise InputError(
            f"{name} cannot be opened: check address, user and password, and that a player such "
            "as VLC shows it"
        )
    video = Video(capture, name, stem_of(url), again=lambda: connect(url))
    # A video of known length on a server is a file: each of its frames counts.
    return video if video.count else NetworkStream(url, capture, give_up)


def _open_pattern(pattern: str) -> Source:
    found = map(Path, glob.glob(pattern, recursive=True))
    # What runs have written beside their input is left out, unless the pattern asks for it.
    ours = "annotated" in pattern
    files = sorted(p for p in found if p.is_file() and (ours or not is_annotated(p.name)))
    if not files:
        raise FileNotFoundError(f"no file fits the pattern {pattern}")
    parts = Path(pattern).parts
    plain = next(i for i, part in enumerate(parts) if re.search(r"[*?[]", part))
    return open_files(files, pattern, Path(*parts[:plain]))


def _open_list(paths: Sequence[str | Path]) -> Source:
    wrong = [item for item in paths if not isinstance(item, str | Path)]
    if wrong:
        raise InputError(
            f"a list of paths holds a {type(wrong[0]).__name__}: give paths only, or frames only"
        )
    files = [Path(item) for item in paths]
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise FileNotFoundError(f"no such file: {', '.join(missing)}")
    folders = [str(file) for file in files if file.is_dir()]
    if folders:
        raise InputError(
            f"a list of paths holds the folder {folders[0]}: give it by itself, or its files as a "
            f'pattern such as "{folders[0]}/*"'
        )
    try:
        base = Path(os.path.commonpath([file.absolute().parent for file in files]))
    except ValueError:  # on several drives
        base = Path.cwd()
    return open_files(files, f"{len(files)} files in {base}", base)
