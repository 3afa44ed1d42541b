"""Runs of the command line that several tests share."""

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import astronaut

from runtime.cli import main
from runtime.detector import Detector


def write_clip(path: Path, frames: int = 6, light: Sequence[float] = ()) -> Path:
    """Write a video of a face, all frames alike or darkened by ``light``, a factor each."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (320, 320))
    picture = astronaut()[:320, 80:400]
    for factor in light or [1] * frames:
        writer.write(picture if factor == 1 else (picture * factor).astype(np.uint8))
    writer.release()
    return path


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([*map(str, arguments), "--no-progress"])
    out, err = capsys.readouterr()
    return code, out, err


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def cut(monkeypatch, after: int, error: type[BaseException] = RuntimeError) -> None:
    """Make the detector fail in the frame behind so many."""
    track, count = Detector.track, 0

    def failing(self, frame, time):
        nonlocal count
        count += 1
        if count > after:
            raise error
        return track(self, frame, time)

    monkeypatch.setattr(Detector, "track", failing)


def break_off(monkeypatch, capsys, after: int, *arguments) -> None:
    """Run until the frame behind so many, in which the run dies."""
    with monkeypatch.context() as patch:
        cut(patch, after)
        with pytest.raises(RuntimeError):
            run(capsys, *arguments)
