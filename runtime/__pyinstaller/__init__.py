"""PyInstaller asks here where its hook for this package lies (entry point ``pyinstaller40``)."""

from pathlib import Path


def hook_folders() -> list[str]:
    """Name the folder of ``hook-runtime.py``."""
    return [str(Path(__file__).parent)]
