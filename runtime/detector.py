"""The detector: frames in, action units out."""

import itertools
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np

from runtime.backends import open_backend
from runtime.backends.flip_test import with_flip_test
from runtime.counts import require_count
from runtime.described import Described
from runtime.errors import InputError
from runtime.faces import FaceMaker
from runtime.finders import FaceFinder, open_finder
from runtime.image import check_frame, size_of
from runtime.latency import Stopwatch
from runtime.one_thread import OneThread
from runtime.packaged import model_path
from runtime.pipeline import Pipeline
from runtime.results import Holds, Result, Timings
from runtime.settings import MAX_FACES, SEARCH_EVERY, VERIFY_EVERY, Settings
from runtime.signals import SignalBank, Signals
from runtime.sources import (
    GIVE_UP,
    AnySource,
    Arrays,
    Shot,
    Source,
    every_nth,
    open_source,
    read_ahead,
)
from runtime.timestamps import GivenTimes, Seconds, to_seconds
from runtime.tracking.tracker import Tracker

BATCH = 8
"""Pictures that `Detector.batch` takes together if nothing else is asked for."""


class Detector(Described):
    """Finds faces and their action units.

    Two ways of working share one model:

    * ``detector(frame)`` takes each frame by itself: find faces, align them from the finder's box,
      run the network, align again from its landmarks, run it again;
    * ``detector.track(frame)`` and ``detector.stream(source)`` follow faces: each frame is aligned
      from the landmarks of the last one and the network runs once. The finder searches the first
      frame, and again after a loss or a cut or while no face is there; how these are noticed is
      told in `runtime.tracking.lost` and `runtime.tracking.scene`.

    ``detector.batch(source)`` takes many unrelated pictures, each by itself, with the faces of
    several in one call of the network.

    One detector is for one thread at a time and, while tracking, for one stream; whoever breaks
    that gets a RuntimeError. `clone` gives another one for another thread or stream. A detector is
    a context manager that closes the model at its end.

    Args:
        model: Exported file, or the name of one that comes with the package: ``"edge"``, which
            None stands for, ``"edge-int8"`` or ``"edge-native"`` (see `runtime.packaged`).
        device: ``"cpu"``, ``"cuda"``, ``"cuda:N"``, or ``"auto"`` for CUDA where it works. CUDA
            that does not work is an error, never a quiet CPU.
        finder: ``"network"``, which None stands for too, is ours, and runs in OpenCV, or in the
            native engine if the model does; ``"cascade"`` is OpenCV 4's, for frontal faces; or the
            path of a YuNet model, or any object with the members of `runtime.finders.FaceFinder`.
        threads: CPU threads of the network; None for one a physical core that this process may
            use, see `runtime.backends.threads`.
        max_faces: Most faces a frame; the largest count.
        verify_every: Frames between two looks of the finder at a tracked face.
        search_every: Frames between two searches for newcomers while faces are followed; None for
            no such search, where only one person is to be seen.
        backend: What runs the model: ``"onnxruntime"``, on CPUs also ``"openvino"`` or
            ``"native"``, on GPUs ``"tensorrt"`` or ``"fused"``; None for what the kind of file is
            for, see `open_backend`.
        precision: None to compute as the file says, or ``"bf16"`` with OpenVINO; see
            `open_backend`.
        min_face: Least size of a face that counts, pixels of the frame: the mean of width and
            height of `Face.box`.
        signals: What to do to the probabilities of faces that are followed: smoothing, hysteresis,
            a baseline, other thresholds; see `runtime.signals`. None for nothing.
        search_side: Longer side to which the finder reduces larger frames, pixels; None for 400.
            The network sees faces from about 12 pixels of that, 3 %, the cascade from 24: give 800
            for small faces in 4K, which takes as many times as long as there are more pixels.
        flip_test: Whether to answer with the mean of each face and its mirror image, which is more
            accurate and takes the network twice the time; see `runtime.backends.flip_test`.

    Raises:
        FileNotFoundError: The model or the finder's file is not there.
        ModelError: The model cannot be opened.
        SpecError: The model is not an export of this project.
        DeviceError: The device is unknown or does not work, or does not have the precision.
        InputError: The finder's file is not a YuNet model, or ``signals`` have a threshold for an
            AU that the model does not know.
        OpenCVError: This OpenCV lacks what the finder needs.
        ImportError: The backend's library is not installed.
        TypeError: A value is not a number, or not a whole one where counts are meant,
            ``signals`` is not a `Signals`, or ``flip_test`` neither True nor False.
        ValueError: A number is below 1, ``min_face`` is negative or infinite, ``search_side`` is
            below 64 or given with a finder of one's own; the backend or the precision is unknown.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        device: str = "cpu",
        finder: FaceFinder | str | Path | None = None,
        threads: int | None = None,
        max_faces: int = MAX_FACES,
        verify_every: int = VERIFY_EVERY,
        search_every: int | None = SEARCH_EVERY,
        backend: str | None = None,
        precision: str | None = None,
        min_face: float = 0,
        signals: Signals | None = None,
        search_side: int | None = None,
        flip_test: bool = False,
    ) -> None:
        self._settings = settings = Settings(
            model, device, threads, max_faces, verify_every, search_every, backend, precision,
            min_face, signals, search_side, flip_test,
        )  # fmt: skip
        path = model_path(model)
        self._backend = open_backend(path, device, settings.threads, backend, precision)
        self._bank: SignalBank | None = None
        try:
            native = self._backend.engine == "native"
            self._finder = open_finder(
                finder, search_side, "native" if native else "opencv", self._backend.threads
            )
            if signals:
                self._bank = SignalBank(signals, self.aus, self.spec.thresholds)
        except BaseException:
            self._backend.close()
            raise
        if flip_test:
            self._backend = with_flip_test(self._backend)
        self._pipeline = Pipeline(
            self._backend, self._finder, settings.max_faces, settings.min_face
        )
        self._tracker = Tracker(self._pipeline, settings.verify_every, settings.search_every)
        self._given_finder = finder
        self._alone = OneThread("detector")
        self._closed = False
        self._stream: object | None = None  # what is being followed: the last that was begun
        self._picture = False  # whether what is tracked is one of a run's, which has no baseline
        self._number: Callable[[Result], Result] | None = None
        self._next_index, self._over = 0, False  # whether a stream has come to its end
        self._times = GivenTimes()
        self._faces = FaceMaker(self.spec)
        self.signals = signals
        self.flip_test = settings.flip_test
        self._holds = Holds(self.aus, self.tells_intensity, self.adjusts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except RuntimeError:
            if kind is None:  # or the error that ended the block would be hidden
                raise

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a detector cannot be pickled or copied: open one in each process, as in "
            "ProcessPoolExecutor(initializer=...), or give each thread its own by clone()"
        )

    def close(self) -> None:
        """Let go of the model; frames after this raise RuntimeError, closing again does nothing.

        Raises:
            RuntimeError: Another thread is in it. That one gets its result, and an error for the
                next frame; the model is let go of by closing again after that.
        """
        self._closed = True
        with self._alone:
            self._backend.close()

    def clone(self, finder: FaceFinder | str | Path | None = None) -> "Detector":
        """Open another detector of the same settings, for another thread or stream.

        The two share the file and nothing else: neither the model in memory nor what is tracked.

        Args:
            finder: A face finder for it, where this detector was given an object as finder that
                has no ``clone()`` of its own; two threads must not share one.

        Returns:
            The new detector; close it as well.

        Raises:
            InputError: It needs a face finder of its own.
        """
        if finder is None:
            finder = self._given_finder
            if not isinstance(finder, str | Path | None):
                if not hasattr(finder, "clone"):
                    raise InputError(
                        f"finder {finder!r} has no clone(): give the clone a finder of its own, as "
                        "in detector.clone(finder=...)"
                    )
                finder = finder.clone()
        return Detector(finder=finder, **self._settings.arguments())

    @property
    def options(self) -> dict[str, Any]:
        """The settings it was opened with, as plain values: the finder by name, no signals."""
        return {**self._settings.plain(), "finder": self._finder.name}

    def reset(self) -> None:
        """Forget the faces that are being tracked; call it where one video ends."""
        with self._alone:
            self._next_index, self._over = 0, False
            self._times.forget()
            self._tracker.reset()
            if self._bank:
                self._bank.reset()

    def _cut(self) -> None:
        """Follow nobody on into the next file, whose faces get numbers of their own."""
        with self._alone:
            self._tracker.cut()
            if self._bank:
                self._bank.reset()

    def __call__(self, frame: np.ndarray) -> Result:
        """Detect in one frame by itself; what is being tracked stays as it is.

        Args:
            frame: (H, W, 3) uint8, BGR as OpenCV reads it; grey, BGRA and uint16 are converted.
                Of uint16 all 16 bits count: of a camera of 12 give ``frame << 4``.

        Returns:
            The faces, numbered by size, the largest first; none is not an error.

        Raises:
            InputError: The frame is not an image.
            RuntimeError: The detector is closed, or in use in another thread.
        """
        with self._alone:
            return self._each_by_itself([frame])[0]

    def batch(self, source: AnySource, size: int = BATCH) -> Generator[Result, None, None]:
        """Detect in many unrelated pictures, each by itself, ``size`` of them in memory at a time.

        The faces of that many pictures go through the network together, which pays where the model
        was exported for batches; otherwise it is as fast as a call a picture.

        Args:
            source: Pictures, such as a list of frames, a folder or a pattern; whatever
                `open_source` opens. Files that cannot be read are left out and reported in the
                log. Among the caller's own frames a bad one is an error, so that results and
                frames stay in step.
            size: Pictures at a time.

        Yields:
            One result a picture, in order, with the faces by size as from ``detector(frame)``.
            Phases are the mean of the pictures that were together.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: The source cannot be read, or a frame is not an image.
            RuntimeError: The detector is closed, or in use in another thread.
            TypeError: ``size`` is not whole.
            ValueError: ``size`` is below 1.
        """
        require_count("size", size)
        with open_source(source) as shots:
            if isinstance(shots, Arrays):
                shots.strict = True
            waiting = iter(shots)
            while group := list(itertools.islice(waiting, size)):
                with self._alone:
                    results = self._each_by_itself([shot.frame for shot in group])
                yield from [
                    shot.placed(result) for result, shot in zip(results, group, strict=True)
                ]
                group.clear()  # or the last frames would stay while the next ones are read

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("this detector has been closed: open a new one")

    def _each_by_itself(self, frames: Sequence[np.ndarray]) -> list[Result]:
        self._check_open()
        watch = Stopwatch()
        frames = [check_frame(frame) for frame in frames]
        found = [self._pipeline.find(frame, watch) for frame in frames]
        everything = self._pipeline.look_twice_at_all(frames, found, watch, by_size=True)
        sizes = [size_of(frame) for frame in frames]
        faces = [self._faces.number(*pair) for pair in zip(everything, sizes, strict=True)]
        watch.lap("post")
        spent = Timings(**{phase: ms / len(frames) for phase, ms in watch.timings().items()})
        holds = self._holds._replace(adjusted=False)  # which takes more than one frame
        results = [
            Result(one, spent, size, holds=holds) for one, size in zip(faces, sizes, strict=True)
        ]
        return [self._bank.judge(result) for result in results] if self._bank else results

    def track(self, frame: np.ndarray, timestamp: Seconds | None = None) -> Result:
        """Detect in the next frame of a video, following the faces of the last one.

        Args:
            frame: As for a single frame.
            timestamp: When it was taken, seconds since any fixed moment, which smoothing, events
                and subtitles go by; a number of any kind, such as PyAV's fractions. Times that
                fall back or stand still are told in the log. None for 30 frames a second, and for
                no time in the result.

        Returns:
            The faces by id; none is not an error. Frames are numbered from 0, or from the last
            `reset`; behind the end of a stream they begin anew, behind one that was broken off they
            go on. A stream in progress on this detector cannot go on afterwards.

        Raises:
            InputError: The frame is not an image, or the time no number.
            RuntimeError: The detector is closed, or in use in another thread.
        """
        seconds = None if timestamp is None else to_seconds(timestamp)
        if self._over:
            self.reset()
        with self._alone:
            self._check_open()
            self._stream = None
            watch = Stopwatch()
            frame = check_frame(frame)
            tracks = self._tracker.update(frame, watch)
            size = size_of(frame)
            make = self._faces.make
            faces = tuple(make(track.id, track.look, track.score, size) for track in tracks)
            watch.lap("post")
            result = Result(
                *(faces, watch.timings(), size, self._next_index, seconds),
                ended=self._tracker.ended,
                holds=self._holds,
            )
            self._times.look(self._next_index, seconds)
            self._next_index += 1
            if self._number:
                result = self._number(result)
            return self._bank.apply(result, self._picture) if self._bank else result

    def stream(
        self,
        source: AnySource,
        track: bool | None = None,
        give_up: float = GIVE_UP,
        every: int = 1,
    ) -> Generator[Result, None, None]:
        """Detect in everything that a source gives, a few frames in memory at a time.

        A video file is decoded ahead in a thread of its own (`runtime.sources.prefetch`), of a
        camera or a network stream the newest frame is taken (`runtime.sources.live`); leaving the
        loop or closing the generator ends either. What is damaged is left out and reported in the
        log.

        Args:
            source: Whatever `open_source` opens: a video, an image, a folder, a pattern, a list of
                paths, a camera, a URL, or frames.
            track: Whether to follow faces from frame to frame; None for yes, except among images,
                which have nothing to do with each other.
            give_up: Seconds without a frame after which a camera or stream counts as lost.
            every: Of how many frames to take one; see `run`.

        Yields:
            One result a frame, in order.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: The source cannot be read, or its first frame cannot.
            RuntimeError: As from `run`.
            ValueError: ``every`` is below 1, or ``give_up`` is negative.
        """
        with read_ahead(open_source(source, give_up)) as shots:
            for _, result in self.run(shots, track, every):
                yield result

    def run(
        self,
        shots: Source,
        track: bool | None = None,
        every: int = 1,
        number: Callable[[Shot, Result], Result] | None = None,
    ) -> Generator[tuple[Shot, Result], None, None]:
        """Detect in an opened source, and give the frames beside the results.

        Args:
            shots: What `open_source` gave, perhaps with `read_ahead` around it. The caller closes
                it.
            track: As for `stream`.
            every: Of how many frames to take one: the first, the first after ``every`` and so on,
                see `runtime.sources.thinning`. The others are read and not looked at; numbers of
                frames and times stay those of the source. What counts in frames, such as
                ``verify_every``, counts those that are taken; faces that move far between two of
                these are searched again.
            number: Gives faces that are followed other numbers, by which signals know them: those
                of a run that was cut off, whose frames `recall` has told.

        Yields:
            Frame and result, in order.

        Raises:
            InputError: The source cannot be read.
            RuntimeError: Another stream was begun with this detector meanwhile, or frames tracked;
                or it is closed, or in use in another thread.
            TypeError: ``shots`` is no source that is open, or ``every`` not whole.
            ValueError: ``every`` is below 1.
        """
        if not isinstance(shots, Source):
            raise TypeError(
                f"run takes what open_source gives, got {shots!r}: use stream, or open it first"
            )
        follow = shots.moving if track is None else track
        self.reset()
        self._stream = mine = object()
        picture = False
        for shot in every_nth(shots, every):
            if self._stream is not mine and (follow or self._stream is not None):
                raise RuntimeError(
                    f"another stream was begun with this detector, or a frame tracked, while "
                    f"{shots.name} was not at its end: give each its own with detector.clone()"
                )
            if shot.first and track is None:
                self._cut()
                picture = shot.timestamp is None  # files without times are those
            self._picture = picture
            self._number = partial(number, shot) if number else None
            if follow:
                self._next_index = shot.index
            try:
                result = self.track(shot.frame, shot.timestamp) if follow else self(shot.frame)
            finally:
                self._picture, self._number = False, None
                self._times.forget()  # a source sees to its own
            self._stream = mine
            yield shot, shot.placed(result)
        self._over = self._stream is mine

    def recall(self, result: Result) -> None:
        """Take in a frame that an earlier run has done, so that signals go on behind it.

        Args:
            result: The frame, as the table of that run tells it; they come in order, while `run`
                waits for the frame behind them.

        Raises:
            RuntimeError: The detector is in use in another thread.
        """
        with self._alone:
            if self._bank:
                self._bank.recall(result)
