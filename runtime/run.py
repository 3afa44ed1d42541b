"""One source from the first frame to the last: detect, write, report."""

import json
import platform
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TextIO

import cv2
import numpy as np

from runtime.console.closed_pipe import has_gone, redirect_to_nowhere
from runtime.console.interrupts import Interrupts
from runtime.console.messages import printable, tell
from runtime.detector import Detector
from runtime.drawing import Annotator
from runtime.drawing.window import Window
from runtime.errors import OutputError
from runtime.files.digest import file_sha256
from runtime.formats import Layout
from runtime.formats.jsonl import JsonLinesPipe
from runtime.installed import version_of
from runtime.latency import LatencyStats
from runtime.outputs import SourceFiles, Wanted, all_written, begun, cut_off, reopen
from runtime.outputs.pictures import write_whole
from runtime.packaged import model_path
from runtime.results import Result
from runtime.sources import Shot, Source, every_nth
from runtime.truth import Agreement


@dataclass(slots=True)
class _Tally:
    """How long the frames took that were detected, and how many of them have a face."""

    min_face: float = 0
    latency: LatencyStats = field(default_factory=LatencyStats)
    with_face: int = 0
    recalled: int = 0  # frames that a run which was cut off had done
    recalled_with_face: int = 0

    def add(self, result: Result) -> None:
        """Count one frame."""
        self.latency.add(result.timings)
        self.with_face += bool(result)

    def table(self) -> str:
        """Write it for people; where there was no face at all, also what may help."""
        frames = len(self.latency)
        text = f"{self.latency.table()}\na face in {self.with_face} of them"
        if self.recalled:
            text = (
                f"of the {frames} frames since the cut:\n{text}; with those before the cut in "
                f"{self.with_face + self.recalled_with_face} of {frames + self.recalled}"
            )
        if self.with_face or self.recalled_with_face or not frames:
            return text
        if self.min_face:
            text += f", smaller ones than --min-face {self.min_face:g} left out"
        return (
            f"{text}: for faces smaller than 3 % of the frame's longer side give --search-side "
            "1600; another finder may see more, such as a YuNet model as --finder"
        )


@dataclass(slots=True)
class Run:
    """How sources are run.

    Attributes:
        detector: What detects.
        wanted: Which files to write; None for none.
        aus: Keys of the action units that are reported.
        lines: Whether to write JSON lines to standard output.
        window: Where to show results, None for nowhere.
        every: Of how many frames to take one.
        progress: Whether to show a progress bar.
        notes: Where the summary goes; None for standard output, or standard error beside JSON
            lines.
        interrupts: What ends the run, in between frames; entered by whoever runs it.
    """

    detector: Detector
    wanted: Wanted | None
    aus: tuple[str, ...]
    lines: bool = False
    window: Window | None = None
    every: int = 1
    progress: bool = True
    notes: TextIO | None = None
    interrupts: Interrupts = field(default_factory=Interrupts)
    _unheard: bool = field(default=False, init=False)
    _run: dict[str, object] = field(default_factory=dict, init=False)
    _maker: dict[str, object] = field(default_factory=dict, init=False)

    def say(self, text: str) -> None:
        """Tell the user something; beside JSON lines nothing else goes to standard output.

        Whoever closes what this goes to wants to hear no more, but still has the files written.

        Raises:
            OutputError: It goes to a file on a full disc.
        """
        stream = self.notes or (sys.stderr if self.lines else sys.stdout)
        if stream is None or self._unheard:  # closed from the start, or meanwhile
            return
        try:
            tell(text, stream)
        except OSError as error:
            if has_gone(error):
                self._unheard = True
                redirect_to_nowhere(stream)
                return
            raise OutputError(f"{stream.name} takes no more ({error.strerror or error})") from error

    def layout(self, source: Source) -> Layout:
        """Say what the results of a source will hold."""
        return Layout(
            self.aus,
            intensity=self.detector.tells_intensity,
            adjusted=self.detector.adjusts,
            named=source.many,
            source=source.name,
        )

    def process(self, source: Source, agreement: Agreement | None = None) -> bool:
        """Run one source and write its files; on Ctrl-C they hold what was done.

        Args:
            source: What to run, opened.
            agreement: Counts the agreement with a ground truth.

        Returns:
            Whether to go on with other sources: False after the window was closed.

        Raises:
            InputError: The run that was cut off, or is done, and is to be resumed, is another one.
            KeyboardInterrupt: Ctrl-C; the files are finished.
            BrokenPipeError: Whoever read the JSON lines is gone; the files are finished.
        """
        if self.wanted:
            self.wanted.check(source)
            # Before any frame is read: what comes meanwhile is not what was looked at.
            self._run, self._maker = self._identity(source), self._made_by()
        if self.wanted and self.wanted.resume and self._finished(source, self.wanted):
            tell(printable(f"{source.name}: done before{_without(source, self.wanted)}"))
            return True
        # Going on may be cut off again before it has come to a frame that is new.
        goes_on = self.wanted and self.wanted.resume and cut_off(self.wanted.base(source))
        tally = _Tally(self.detector.options["min_face"])
        began = time.perf_counter()
        self.detector.reset()
        learned, faces = self.detector.baselines, self.detector.faces_followed
        stopped: BaseException | None = None
        whole = False
        try:
            whole = self._detect(source, tally, agreement)
        except (KeyboardInterrupt, BrokenPipeError) as stop:
            stopped = stop
        if len(tally.latency) or goes_on:
            if len(tally.latency) and (
                idle := self._idle_signals(
                    source,
                    self.detector.baselines - learned,
                    self.detector.faces_followed - faces,
                )
            ):
                tell(printable(f"{source.name}: {idle}"))
            self._report(source, tally, time.perf_counter() - began, agreement, whole)
        if stopped:
            raise stopped
        return whole

    def _idle_signals(self, source: Source, learned: int, faces: int) -> str:
        """Say which signals did nothing; empty where all that was asked for was done."""
        signals = self.detector.signals
        if signals is None or not signals.adjusts:
            return ""
        if not source.moving:
            return "pictures have no baseline and are not smoothed, which takes a video"
        if signals.baseline and not learned:
            return f"no face was followed for --baseline {signals.baseline} frames: none has one"
        if signals.baseline and learned < faces:
            return (
                f"only {learned} of {faces} faces were followed for --baseline {signals.baseline} "
                "frames: the others have none, and their probabilities are as they were"
            )
        return ""

    def _finished(self, source: Source, wanted: Wanted) -> bool:
        """Look at what an earlier run said of itself; make an interrupted one fit to go on with."""
        base = wanted.base(source)
        if cut_off(base):
            return False  # a later one was killed; what is whole is of an earlier one
        record = begun.read_record(begun.record_path(base))
        if not record:
            return False
        if not begun.of_source(record, source, self._run):
            return False
        begun.check_same(base, self._run)  # or files of two runs would stand side by side
        if not record.get("complete", True):
            reopen(base)
            return False
        return all_written(source, wanted, record.get("files"))

    def _detect(self, source: Source, tally: _Tally, agreement: Agreement | None) -> bool:
        """Take every frame; whether they all came, or somebody closed the window."""
        layout = self.layout(source)
        pipe = JsonLinesPipe(sys.stdout, layout) if self.lines else None
        gone: BrokenPipeError | None = None
        with ExitStack() as stack:
            outputs = None
            if self.wanted:
                files = SourceFiles(source, layout, self.wanted, self._run)
                outputs = stack.enter_context(files)
                if outputs.resumed_behind is not None:
                    print(f"going on behind frame {outputs.resumed_behind}", file=sys.stderr)
            shots = self.interrupts.each(source)
            if self.progress:
                shots = stack.enter_context(closing(_progress(source, shots)))
            annotator, fewer = Annotator(), self.aus != self.detector.aus
            taken = every_nth(shots, self.every)
            undone = _Undone(taken, source, self.detector, outputs, agreement, tally)
            number = outputs.number if outputs else None
            stack.enter_context(self.interrupts.held())
            for shot, result in self.detector.run(undone, number=number):
                tally.add(result)
                if fewer:
                    result = result.only(self.aus)
                if outputs:
                    outputs.write(shot, result)
                if agreement:
                    agreement.add(result)
                try:
                    if pipe:
                        with self.interrupts.heeded():
                            pipe.write(result)
                except BrokenPipeError as error:
                    gone = error  # no fault of the files, which end here as after Ctrl-C
                    break
                if self.window:
                    picture = (
                        outputs.picture(shot, result)
                        if outputs
                        else annotator.draw(shot.frame, result)
                    )
                    if not self.window.show(picture):
                        return False
            if outputs and not gone:
                outputs.check_end()
        if gone:
            raise gone
        return True

    def _report(
        self,
        source: Source,
        tally: _Tally,
        wall: float,
        agreement: Agreement | None,
        whole: bool,
    ) -> None:
        said = f"\n{printable(source.name)}\n{tally.table()}"
        if self.wanted:
            base, names = self.wanted.base(source), self.wanted.names(source)
            old = begun.left_beside(base, names)
            record = {
                "source": source.name,
                "complete": whole and source.name not in source.failures,
                "left_out": source.failures if source.many else [],
                "files": names,
                "files_of_earlier_runs": old,
                "detector": repr(self.detector),
                "model": self.detector.spec.to_dict(),
                "options": self._options(),
                "run": self._run,
                "made_by": self._maker | {"written": _now()},
                "opencv": cv2.__version__,
                "latency": tally.latency.as_dict(),
                "frames": len(tally.latency) + tally.recalled,
                "frames_with_a_face": tally.with_face + tally.recalled_with_face,
                "wall_s_with_drawing_and_writing": wall,
                "agreement": agreement.as_dict() if agreement else None,
            }
            data = (json.dumps(record, indent=2) + "\n").encode()
            write_whole(begun.record_path(base), data)
            said += f"\n{wall:.1f} s in all, drawing and writing included: {printable(str(base))}.*"
        if agreement:
            said += f"\n\nagreement with the ground truth\n{agreement.table()}"
        self.say(said)
        if self.wanted and old:
            also = f"still in {self.wanted.folder}, of an earlier run: {', '.join(old)}"
            tell(printable(f"{source.name}: {also}"))

    def _identity(self, source: Source) -> dict[str, object]:
        """Say what decides over the results, for whoever goes on."""
        detector = self.detector
        model = detector.spec.to_dict(), detector.precision
        return begun.identity(source, *model, self._options(), detector.finder_sha256)

    def _made_by(self) -> dict[str, object]:
        """Tell what it takes to make the same again, beside what the rest of the record tells."""
        path = model_path(str(self.detector.options["model"]))
        return {
            "lgrnet": version_of("lgrnet"),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "model_sha256": file_sha256(path) if path.is_file() else None,
            "finder_sha256": self.detector.finder_sha256,
            "begun": _now(),
        }

    def _options(self) -> dict[str, object]:
        """Collect what the user may choose, and what is active."""
        signals = self.detector.signals
        return {
            **self.detector.options,
            "signals": None if signals is None else asdict(signals),
            "aus": list(self.aus),
            "every": self.every,
        }


def _without(source: Source, wanted: Wanted) -> str:
    """Say which files the finished run of a source had to leave out; they count as failures."""
    names = begun.read_record(begun.record_path(wanted.base(source))).get("left_out")
    if not names or not isinstance(names, list):
        return ""
    source.failures.extend(map(str, names))
    return f", without {', '.join(source.failures)}: --overwrite begins anew"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Undone(Source):
    """The frames of a source that are still to be detected."""

    def __init__(
        self,
        shots: Iterable[Shot],
        source: Source,
        detector: Detector,
        outputs: SourceFiles | None,
        agreement: Agreement | None,
        tally: _Tally,
    ) -> None:
        super().__init__(source.name, source.stem, source.fps, source.count)
        self._take_after(source)
        self._shots, self._outputs, self._agreement = shots, outputs, agreement
        self._detector, self._tally = detector, tally

    def __iter__(self) -> Iterator[Shot]:
        for shot in self._shots:
            if not (self._outputs and self._outputs.knows(shot)):
                yield shot
            elif (result := self._outputs.recall(shot)) is not None:
                self._detector.recall(result)
                self._tally.recalled += 1
                self._tally.recalled_with_face += bool(result)
                if self._agreement:
                    self._agreement.add(result)


def _progress(source: Source, shots: Iterable[Shot]) -> Generator[Shot, None, None]:
    """Give the frames of a source, and show on standard error how many there have been."""
    try:
        from tqdm import tqdm
    except ImportError:
        print("no progress bar: pip install tqdm", file=sys.stderr)
        yield from shots
        return
    if sys.stderr is None:  # as of pythonw on Windows
        yield from shots
        return
    with tqdm(total=source.count, unit="frame", desc=printable(source.stem)) as bar:
        for shot in shots:
            yield shot
            del shot  # or this loop would keep one more frame alive
            bar.total = source.count
            bar.update()
        bar.total = source.count
