"""Action units of videos, images, folders and cameras: ``python -m runtime SOURCE --out DIR``."""

import argparse
import io
import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

import cv2

from runtime.action_units import choose_aus
from runtime.commands import find_command
from runtime.console.aus_option import join_aus
from runtime.console.closed_pipe import redirect_to_nowhere
from runtime.console.interrupts import Interrupts, Terminated
from runtime.console.messages import OneLine, printable, tell
from runtime.console.stoppable import KEPT, stoppable
from runtime.detector import Detector
from runtime.drawing.window import Window
from runtime.errors import (
    DeviceError,
    InputError,
    ModelError,
    OpenCVError,
    OutputError,
    SpecError,
)
from runtime.options import parser
from runtime.outputs import Wanted
from runtime.outputs.pictures import check_writable
from runtime.packaged import DEMO_CLIP, DEMO_TRUTH, MADE_FOR, MODELS
from runtime.run import Run
from runtime.settings import Settings
from runtime.signals import Signals
from runtime.sources import open_source, read_ahead
from runtime.truth import Agreement, TrueFace, read_truth

BAD_INPUT = (InputError, ModelError, SpecError, DeviceError, OpenCVError, ImportError, OSError)

CASELESS = ("darwin", "win32")
"""Systems on whose discs ``Clip.csv`` and ``clip.csv`` are one file."""

FINE, BAD, CANNOT_WRITE, TERMINATED = 0, 2, 3, 143


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for the program's own.

    Returns:
        The exit code: 0 where all went well, 2 for bad input, 3 where an output cannot be written,
        130 after Ctrl-C, 141 where the reader of standard output has gone, 143 after SIGTERM.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    _allow_any_name()
    log = logging.StreamHandler()
    log.setFormatter(OneLine("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[log])
    try:
        command = find_command(argv[0]) if argv else None
        if command:
            return command(argv[1:])
        args = parser().parse_args(join_aus(argv))
        with Interrupts() as interrupts:
            return _run(args, interrupts)
    except Terminated:
        print(KEPT, file=sys.stderr)
        return TERMINATED
    except BrokenPipeError:
        raise  # an OSError, but no bad input
    except BAD_INPUT as error:
        tell(printable(f"error: {error}"))
        if not isinstance(error, OutputError):
            return BAD
        _drop_unwritten()
        return CANNOT_WRITE


def _allow_any_name() -> None:
    """Escape what the encoding of a pipe or file lacks, on Windows an old one of few letters."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_unwritten() -> None:
    """Let go of what standard output does not take: Python would try again, and exit with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        redirect_to_nowhere(sys.stdout)


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Collect what the detector is opened with; options have the names of its arguments."""
    worked_out = {"signals": _signals(args), "search_every": args.search_every or None}
    names = (field.name for field in fields(Settings))
    return {name: worked_out[name] if name in worked_out else getattr(args, name) for name in names}


def _signals(args: argparse.Namespace) -> Signals | None:
    """Say what to do to probabilities; None for nothing."""
    try:
        signals = Signals(
            args.smooth, args.hysteresis, args.baseline, thresholds=dict(args.threshold)
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    return None if signals == Signals() else signals


def _run(args: argparse.Namespace, interrupts: Interrupts) -> int:
    sources, truth = args.sources, args.truth
    if not sources:
        if not DEMO_CLIP.exists():
            raise FileNotFoundError(f"the demo clip {DEMO_CLIP} is not there: give a SOURCE")
        sources, truth = [str(DEMO_CLIP)], truth or DEMO_TRUTH
    if truth and len(sources) > 1:
        raise InputError("--truth is about one source: give one SOURCE")
    true_faces = read_truth(truth) if truth else None
    _check_thresholds(args)
    wanted = _wanted(args)
    if wanted:
        check_writable(wanted.folder)
    with (
        Window("lgrnet") if args.show else nullcontext() as window,
        Detector(finder=args.finder, **_settings(args)) as detector,
    ):
        cv2.setNumThreads(detector.threads)
        run = Run(
            *(detector, wanted, _chosen(args.aus, detector), args.jsonl),
            window=window,
            every=args.every,
            progress=args.progress,
            interrupts=interrupts,
        )
        run.say(_headline(detector, args.model))
        return _run_all(run, sources, args.give_up, true_faces)


def _run_all(
    run: Run, sources: Sequence[str], give_up: float, true_faces: dict[int, TrueFace] | None
) -> int:
    """Run one source after the other; a bad one does not stop the others."""
    code = FINE
    taken: dict[str, str] = {}
    for source in sources:
        try:
            with read_ahead(open_source(source, give_up)) as shots:
                for path in run.wanted.paths(shots) if run.wanted else ():
                    name = str(path).casefold() if sys.platform in CASELESS else str(path)
                    if name in taken:
                        raise InputError(
                            f"{source} and {taken[name]} would both write {path.name}: run them "
                            "with different --out"
                        )
                    taken[name] = source
                agreement = Agreement(true_faces, run.aus) if true_faces else None
                go_on = run.process(shots, agreement)
                if shots.failures:
                    code = BAD
                if not go_on:
                    break
        except BAD_INPUT as error:
            # On a full disc the other sources would fail as well.
            if len(sources) == 1 or isinstance(error, BrokenPipeError | OutputError):
                raise
            tell(printable(f"error: {error}"))
            code = BAD
    return code


def _wanted(args: argparse.Namespace) -> Wanted | None:
    """Say which files to write: none beside JSON lines, unless they are asked for."""
    if args.resume and args.overwrite:
        raise InputError("--resume goes on and --overwrite begins anew: give one of them")
    if args.jsonl and args.out is None and not args.format and not args.video:
        if args.resume:
            raise InputError(
                "--resume goes on from files, which --jsonl writes none of: give --out"
            )
        return None
    return Wanted(
        folder=args.out or Path("out"),
        formats=tuple(chain.from_iterable(args.format or ())),
        pictures=args.video is not False,
        every=args.every,
        resume=args.resume,
        overwrite=args.overwrite,
    )


def _chosen(wanted: tuple[str, ...] | None, detector: Detector) -> tuple[str, ...]:
    """Choose the AUs to report, in the model's order."""
    keys = choose_aus(wanted or detector.aus, detector.aus, "this model knows")
    return tuple(key for key in detector.aus if key in keys)


def _check_thresholds(args: argparse.Namespace) -> None:
    """Check that thresholds are of AUs that are reported."""
    idle = sorted(key for key, _ in args.threshold if args.aus and key not in args.aus)
    if idle:
        raise InputError(f"--threshold {' '.join(idle)} has no effect, as --aus leaves it out")


def _headline(detector: Detector, model: str) -> str:
    spec = detector.spec
    name = f"{model}, packaged" if model in MODELS else printable(model)
    lines = [
        repr(detector),
        f"model {name}: {len(spec.aus)} AUs, trained on {spec.training_data}",
    ]
    if spec.engine != detector.backend:
        better = MADE_FOR.get(detector.backend) if model in MODELS else None
        other = f", or --model {better}" if better else ""
        lines.append(f"this file was tuned for {spec.engine}: give --backend {spec.engine}{other}")
    return "\n".join(lines)
