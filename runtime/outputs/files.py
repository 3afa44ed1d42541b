"""The files of one source: tables in their formats and annotated pictures; going on after a cut."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from runtime.drawing import Annotator, draw
from runtime.errors import InputError
from runtime.files.atomic import take_name
from runtime.files.names import named_after
from runtime.formats import FORMATS, TIMED, Layout, open_writer, output_path
from runtime.formats.growing import partial_path
from runtime.formats.native import NativeWriter
from runtime.formats.stored import StoredFrames
from runtime.formats.subtitles import SUBTITLES, folder_of_many
from runtime.image import size_of
from runtime.outputs import begun
from runtime.outputs.continued import ContinuedIds
from runtime.outputs.pictures import VideoWriter, write_image
from runtime.results import Face, Result
from runtime.sources import Shot, Source
from runtime.sources.base import FALLBACK_FPS, MOST_NAMED

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written.

    Attributes:
        folder: Where to.
        formats: Keys of `runtime.formats.FORMATS`; the native table is always written.
        pictures: Whether to draw an annotated video or annotated images.
        every: Frames of the source for one of the run, by which the video is slower.
        resume: Whether to go on behind a run that was cut off.
        overwrite: Whether to begin anew where such a run has left frames.
    """

    folder: Path
    formats: tuple[str, ...] = ()
    pictures: bool = True
    every: int = 1
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown:
            raise InputError(f"unknown formats {', '.join(unknown)}: give {', '.join(FORMATS)}")

    def base(self, source: Source) -> Path:
        """Name the files of a source, but for their suffixes."""
        return self.folder / source.stem

    def paths(self, source: Source) -> list[Path]:
        """Name the files, and folders of files, that are made of a source; without the record."""
        base = self.base(source)
        names = dict.fromkeys(("native", *self.formats))
        paths = [
            folder_of_many(path) if source.many and name in SUBTITLES else path
            for name, path in zip(names, (output_path(base, n) for n in names), strict=True)
        ]
        if self.pictures:
            ends = ".mp4" if source.moving else ".png" if source.still else ""
            paths.append(Path(f"{base}.annotated{ends}"))
        return list(dict.fromkeys(paths))  # both kinds of subtitles of many files share a folder

    def names(self, source: Source) -> list[str]:
        """Name the same files without their folder, for the record."""
        return [path.relative_to(self.folder).as_posix() for path in self.paths(source)]

    def check(self, source: Source) -> None:
        """See whether a source can be written like this.

        Raises:
            InputError: A format needs times, and the source is of pictures only; or a camera or
                network stream is to be gone on with, whose earlier frames are gone.
        """
        if self.resume and source.live:
            raise InputError(
                f"--resume: {source.name} cannot be gone back to, its frames would be numbered "
                "from 0 again: give another --out, or --overwrite"
            )
        timeless = sorted(TIMED.intersection(self.formats))
        if timeless and not source.moving:
            raise InputError(
                f"{source.name} has no time for {', '.join(timeless)}: they are for videos"
            )


class SourceFiles:
    """Writes all that is wanted of one source; a context manager.

    The frames of a run that was cut off are in its native table. With ``resume`` they are not
    detected again: show every frame of the source to `recall` first. The table is appended to; all
    other files are made anew from its rows, the annotated video as well.

    Pictures among videos have no time: formats about times leave them out, which the log says.

    Args:
        source: What the frames come from.
        layout: What the results hold.
        wanted: What to write.
        run: What decides over the results, from `runtime.outputs.begun.identity`, so that only the
            same is gone on with; None for no such check.

    Raises:
        InputError: An earlier run has left frames and neither ``resume`` nor ``overwrite`` is
            said, or they are of another run.
        OutputError: A file cannot be written.
        ImportError: A format's library is not installed.
    """

    def __init__(
        self,
        source: Source,
        layout: Layout,
        wanted: Wanted,
        run: Mapping[str, object] | None = None,
    ) -> None:
        wanted.check(source)
        self._source, self._wanted, self._run = source, wanted, run
        self._base = wanted.base(source)
        table = output_path(self._base, "native")
        stored = _left_behind(partial_path(table), layout, wanted)
        if stored is not None and run is not None:
            begun.check_same(self._base, run)
        self._done = -1 if stored is None else stored.last
        self._joined = stored is not None and source.moving
        self._stored = iter(()) if stored is None else iter(stored)
        self._next = next(self._stored, None)
        self._before: dict[int, Face] = {}  # who was seen, and in which of the frames recalled
        self._seen: dict[int, int] = {}
        self._recalled, self._highest = 0, -1
        self._ids: ContinuedIds | None = None
        self._video: VideoWriter | None = None
        self._annotator = Annotator()
        self._drawn: tuple[Result, np.ndarray] | None = None
        with ExitStack() as stack:
            keep = 0 if stored is None else stored.keep
            self._table = stack.enter_context(NativeWriter(table, layout, keep))
            self._others = {
                name: stack.enter_context(open_writer(name, self._base, layout))
                for name in dict.fromkeys(wanted.formats)
                if name != "native"
            }
            self._timeless = 0
            self._timeless_names: list[str] = []
            stack.callback(self._tell_timeless)
            if wanted.pictures and source.moving:
                fps = (source.pace() or FALLBACK_FPS) / wanted.every
                video = VideoWriter(f"{self._base}.annotated.mp4", fps)
                self._video = stack.enter_context(video)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        try:
            return self._stack.__exit__(kind, error, trace)
        finally:
            if not cut_off(self._base):
                begun.forget(self._base)

    @property
    def resumed_behind(self) -> int | None:
        """Number of the last frame that an earlier run has done; None where there is none."""
        return None if self._done < 0 else self._done

    def knows(self, shot: Shot) -> bool:
        """Tell whether a frame needs no detecting: it, or one behind it, has been done."""
        return shot.index <= self._done

    def recall(self, shot: Shot) -> Result | None:
        """Take a frame that has been done from the table, into the other files.

        Args:
            shot: A frame that `knows` says yes to; they come in order.

        Returns:
            What was found in it; None if the earlier run passed over it.

        Raises:
            InputError: The source is not what it was.
        """
        if self._next is None or self._next.index > shot.index:
            return None
        result, self._next = self._next, next(self._stored, None)
        if result.index != shot.index or result.name != shot.name:
            raise InputError(
                f"{self._source.name} is not what it was when the earlier run was cut off (frame "
                f"{result.index} {result.name}), or --every is not: begin anew with --overwrite"
            )
        size = size_of(shot.frame)
        faces = tuple(replace(face, frame_size=size) for face in result)
        result = replace(result, faces=faces, size=size)
        if shot.first:
            self._before, self._seen = {}, {}
        self._recalled += 1
        for face in result:
            self._before[face.id], self._seen[face.id] = face, self._recalled
            self._highest = max(self._highest, face.id)
        self._write_others(shot, result)
        return result

    def number(self, shot: Shot, result: Result) -> Result:
        """Number the faces of the next frame: behind a cut, so that numbers go on.

        Args:
            shot: The frame.
            result: What was found in it.
        """
        if not self._joined:
            return result
        if self._ids is None:
            away = {number: self._recalled - seen for number, seen in self._seen.items()}
            self._ids = ContinuedIds(self._before, away, self._highest)
        if shot.first:
            self._ids.cut()
        return self._ids.apply(result)

    def write(self, shot: Shot, result: Result) -> None:
        """Add a frame.

        Args:
            shot: The frame.
            result: What was found in it, its faces numbered by `number`.

        Raises:
            OutputError: A file cannot be written.
            InputError: A format needs a time, and the frame has none.
        """
        self._table.write(result)
        if self._run is not None:
            begun.note(self._base, self._run)
            self._run = None
        self._write_others(shot, result)

    def check_end(self) -> None:
        """Check that all frames of an earlier run have been recalled, where the source has ended.

        Raises:
            InputError: The source is shorter than it was.
        """
        if self._next is not None:
            raise InputError(
                f"{self._source.name} ended, but the run that was cut off had come to frame "
                f"{self._done}: give the source that it was of, or begin anew with --overwrite"
            )

    def picture(self, shot: Shot, result: Result) -> np.ndarray:
        """Draw the frame that was written last, for the video or a window.

        Returns:
            (H, W, 3) uint8, BGR.
        """
        if self._drawn is None or self._drawn[0] is not result:
            pen = self._annotator.draw if self._source.moving else draw
            self._drawn = (result, pen(shot.frame, result))
        return self._drawn[1]

    def _write_others(self, shot: Shot, result: Result) -> None:
        timeless = shot.timestamp is None and self._source.many
        if timeless and TIMED.intersection(self._others):
            self._timeless += 1
            if len(self._timeless_names) < MOST_NAMED:
                self._timeless_names.append(shot.name)
        for name, writer in self._others.items():
            if not (timeless and name in TIMED):
                writer.write(result)
        if self._video:
            self._video.write(self.picture(shot, result), shot.timestamp)
        elif self._wanted.pictures:
            base, name = self._base, shot.name
            inside = named_after(name, ".png") if name else ""
            path = f"{base}.annotated/{inside}" if name else f"{base}.annotated.png"
            write_image(path, self.picture(shot, result))

    def _tell_timeless(self) -> None:
        if not self._timeless:
            return
        more = self._timeless - len(self._timeless_names)
        logger.warning(
            "%d pictures have no time and are not in %s: %s%s",
            self._timeless,
            ", ".join(name for name in self._others if name in TIMED),
            ", ".join(self._timeless_names),
            f" and {more} more" if more else "",
        )


def _left_behind(left: Path, layout: Layout, wanted: Wanted) -> StoredFrames | None:
    """Look for the frames of a run that was cut off; None where there is nothing to go on from."""
    if not left.exists() or wanted.overwrite:
        return None
    stored = StoredFrames(left, layout)
    if stored.last < 0:
        return None
    if not wanted.resume:
        raise InputError(
            f"{left} holds a run that was cut off behind frame {stored.last}: give --resume to go "
            "on from there, or --overwrite to begin anew"
        )
    return stored


def cut_off(base: Path) -> bool:
    """Tell whether a run that was killed has left its table."""
    return partial_path(output_path(base, "native")).exists()


def reopen(base: Path) -> None:
    """Turn the table of a run that was interrupted back into one that can be gone on with."""
    table = output_path(base, "native")
    if table.exists() and not cut_off(base):
        take_name(table, partial_path(table))


def all_written(source: Source, wanted: Wanted, files: object) -> bool:
    """Tell whether every file that is wanted of a source is there, and of the run that is done.

    Args:
        source: The source.
        wanted: What is wanted.
        files: What the record of that run names, as of `Wanted.names`; None in older records.
    """
    others = set(wanted.names(source)).difference(files) if isinstance(files, list) else ()
    return not others and all(path.exists() for path in wanted.paths(source))
