"""A folder of faces of one's own, and tables that label them."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from lgrnet.prepare import main
from runtime.packaged import DEMO_CLIP

HEADER = ["file", "person", "frame", "split", "AU12", "AU01", "AU6_c"]


def write_table(path: Path, rows: Iterable[Sequence], header: Sequence[str] = HEADER) -> Path:
    """Write a table of faces; returns its path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def prepare(table: Path, out: Path, *more: str) -> int:
    """Run `lgrnet.prepare own`; returns its exit code."""
    options = ["--out", str(out), "--workers", "0", "--no-progress", *more]
    return main(["own", "--labels", str(table), *options])


def write_faces(folder: Path) -> Path:
    """Write a video, two pictures of faces, one of them twice, and one without a face."""
    (folder / "talk.mp4").write_bytes(DEMO_CLIP.read_bytes())
    video = cv2.VideoCapture(str(DEMO_CLIP))
    frames = [video.read()[1] for _ in range(8)]
    video.release()
    cv2.imwrite(str(folder / "Ann, 1.png"), frames[0])
    cv2.imwrite(str(folder / "bob.png"), frames[7])
    cv2.imwrite(str(folder / "copy.png"), frames[7])
    cv2.imwrite(str(folder / "wall.png"), np.full((240, 320, 3), 90, np.uint8))
    return folder
