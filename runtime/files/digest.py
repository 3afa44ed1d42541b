"""Telling files apart by what is in them."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hash a file, in 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
