"""WebVTT and SRT: the action units that are present, as subtitles of the video.

A cue lasts while nothing changes. At every onset and offset one ends and the next begins, so that
cues are in order and never overlap, which players and annotation programs such as ELAN ask for.
The file always ends with the cue that is going on, up to the last frame.

Each video of a run over many has a file of its own, since its times begin anew:
``clips.subtitles/a.mp4.vtt`` in place of ``clips.vtt``.
"""

from pathlib import Path
from typing import Self

from runtime.action_units import au_name
from runtime.errors import InputError
from runtime.files.atomic import make_folder
from runtime.files.names import named_after
from runtime.formats.changes import time_of
from runtime.formats.columns import Layout
from runtime.formats.growing import GrowingText
from runtime.results import Result

SUBTITLES = frozenset({"vtt", "srt"})
"""Names of these formats."""


class SubtitleWriter:
    """Writes cues; a context manager. Subclasses say in what form.

    Args:
        path: The file to write.
        layout: What the results hold.
    """

    head = ""
    point = "."

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path, self._many, self._name = path, layout.named, ""
        self._now = 0.0  # of the last frame, in the file that is being written
        self._until = 0.0  # where the last cue ended
        self._file: GrowingText | None = None
        if self._many:
            make_folder(folder_of_many(path))
        else:
            self._begin(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        if self._file is not None:
            self._file.finish(exception)

    def _begin(self, path: Path) -> GrowingText:
        self._file = file = GrowingText(path)
        file.append(self.head, counts=False)
        self._number = 1
        self._text, self._start, self._now, self._until = "", 0.0, 0.0, 0.0
        return file

    def write(self, result: Result) -> None:
        """Add one frame, see `runtime.formats.ResultWriter`.

        Raises:
            InputError: The frame has no timestamp, or one below 0, which subtitles cannot tell.
            OutputError: It cannot be written.
        """
        now = time_of(result)
        if now < 0:
            raise InputError(
                f"frame {result.index} is at {now:g} seconds, and subtitles have no times below 0: "
                "give times from where their video begins, or another format"
            )
        again = result.name == self._name and now < self._now
        file = self._file
        if file is None or (self._many and (result.name != self._name or again)):
            if file is not None:
                file.finish(None)
                self._file = None  # it is closed, should the next one fail to open
            self._name = result.name
            folder = folder_of_many(self._path)
            file = self._begin(folder / named_after(result.name, self._path.suffix))
        # A clock of the caller's may fall back or stand still; cues stay in order all the same.
        self._now = now = max(now, self._now)
        text = caption(result)
        done = ""
        if text != self._text:
            if self._text:
                done = self._cue(now)
                self._number += 1
                self._until = self._end(now)
            self._text, self._start = text, max(now, self._until)
        file.append(done, tail=self._cue(now) if text else "")

    def _end(self, now: float) -> float:
        # Cues of no length, which a cue in its first frame is, are left out by players.
        return max(now, self._start + 0.001)

    def _cue(self, now: float) -> str:
        start, stop = (clock(value, self.point) for value in (self._start, self._end(now)))
        return f"{self._number}\n{start} --> {stop}\n{self._text}\n\n"


class VttWriter(SubtitleWriter):
    """Writes WebVTT, see `SubtitleWriter`."""

    head = "WEBVTT\n\n"


class SrtWriter(SubtitleWriter):
    """Writes SubRip, see `SubtitleWriter`."""

    point = ","


def folder_of_many(path: Path) -> Path:
    """Name the folder for the files of many videos: ``clips.vtt`` → ``clips.subtitles``."""
    return path.with_name(f"{path.stem}.subtitles")


def caption(result: Result) -> str:
    """Say which action units are present, a line a face; a face's number where there are more."""
    lines = []
    for face in result:
        names = ", ".join(f"{au} {au_name(au)}" for au in face.present)
        if names:
            lines.append(f"#{face.id} {names}" if len(result) > 1 else names)
    return "\n".join(lines)


def clock(seconds: float, point: str = ".") -> str:
    """Write a time as subtitles do: ``clock(3661.5)`` is ``01:01:01.500``."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}{point}{milliseconds % 1000:03d}"
