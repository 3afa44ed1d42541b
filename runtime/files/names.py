"""Names of files that are made from other files."""

import hashlib
import os
import re

_LONGEST = 200  # bytes; file systems take 255, some of which a file needs while it is written

_OURS = re.compile(r"\.annotated(\.partial)?\.(mp4|png)$|\.timeline\.png$")


def named_after(name: str, end: str) -> str:
    """Name a file after another one, also where that name is as long as names can be.

    Args:
        name: Of the other, with the folders that it is in, if any.
        end: What is added.

    Returns:
        Both together; of a name that would be too long, its beginning and a digest of it.
    """
    folder, slash, leaf = name.rpartition("/")
    whole = os.fsencode(leaf)
    if len(whole) > _LONGEST:
        begin = whole[: _LONGEST - 9].decode(errors="ignore")
        leaf = f"{begin}~{hashlib.sha256(whole).hexdigest()[:8]}"
    return f"{folder}{slash}{leaf}{end}"


def is_annotated(name: str) -> bool:
    """Tell a video or picture that a run has written, which is no input of the next one."""
    return _OURS.search(name) is not None
