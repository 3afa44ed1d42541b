"""Action units of videos, images, folders and cameras: ``python -m runtime SOURCE --out DIR``."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path

import cv2

from runtime.commands import find_command
from runtime.detector import SEARCH_EVERY, Detector
from runtime.drawing.window import Window
from runtime.errors import (
    DeviceError,
    InputError,
    ModelError,
    OpenCVError,
    OutputError,
    SpecError,
)
from runtime.finders import LEAST_SEARCH_SIDE
from runtime.formats import FORMATS
from runtime.help import DefaultsHelp
from runtime.outputs import Wanted
from runtime.outputs.pictures import check_writable
from runtime.packaged import DEFAULT, DEMO_CLIP, DEMO_TRUTH, MODELS
from runtime.run import Run, redirect_to_nowhere
from runtime.signals import Signals
from runtime.signals.options import SMOOTHING
from runtime.sources import GIVE_UP, open_source, read_ahead
from runtime.spec import ENGINES
from runtime.truth import Agreement, TrueFace, read_truth

BAD_INPUT = (InputError, ModelError, SpecError, DeviceError, OpenCVError, ImportError, OSError)

FINE, BAD, CANNOT_WRITE, INTERRUPTED, READER_GONE, TERMINATED = 0, 2, 3, 130, 141, 143

EXIT_CODES = """
commands beside running sources (for a file of such a name write ./doctor):
  doctor    what is installed here, what works, and why the rest does not
  models    the models that come with the package
  plot CSV  the timeline of a finished run, as a picture

exit codes:
  0    all went well
  2    a source, model, device or option cannot be used; other sources were done
  3    an output cannot be written, such as on a full disc; what was written stays
  130  Ctrl-C; what was done is kept
  141  whoever read the JSON lines has gone; what was done is kept
  143  SIGTERM; what was done is kept
"""


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a run as Ctrl-C does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for the program's own.

    Returns:
        The exit code: 0 where all went well, 2 for bad input, 3 where an output cannot be written,
        130 after Ctrl-C, 141 where the reader of standard output has gone, 143 after SIGTERM.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        command = find_command(argv[0]) if argv else None
        if command:
            return command(argv[1:])
        args = _parser().parse_args(argv)
        with _sigterm():
            return _run(args)
    except KeyboardInterrupt as stop:
        print("interrupted; what was finished is kept", file=sys.stderr)
        return TERMINATED if isinstance(stop, _Terminated) else INTERRUPTED
    except BrokenPipeError:
        redirect_to_nowhere(sys.stdout)
        return READER_GONE
    except BAD_INPUT as error:
        print(f"error: {error}", file=sys.stderr)
        if not isinstance(error, OutputError):
            return BAD
        _drop_unwritten()
        return CANNOT_WRITE


def _drop_unwritten() -> None:
    """Let go of what standard output does not take: Python would try again, and exit with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        redirect_to_nowhere(sys.stdout)


@contextmanager
def _sigterm() -> Iterator[None]:
    """Finish the files where SIGTERM ends the block, as of `timeout`, containers and clusters."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # senders repeat it, while files are finished
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():  # no other may do this
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None is one set from C


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runtime",
        description="Detect facial action units; write an annotated video, a CSV and latencies.",
        formatter_class=_Help,
        epilog=EXIT_CODES,
    )
    flag = argparse.BooleanOptionalAction
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="videos, images, folders, patterns, cam:0, rtsp://...; without any, the demo clip",
    )
    add = parser.add_argument_group("what detects").add_argument
    names = ", ".join(MODELS)
    add("--model", default=DEFAULT, help=f"exported file, or a packaged model: {names}")
    add("--device", default="cpu", help="cpu, cuda, cuda:N, or auto")
    add(
        "--backend",
        choices=ENGINES,
        help="what runs the model; by default onnxruntime for .onnx files, native for .npz",
    )
    add("--precision", choices=["bf16"], help="let openvino compute in bf16 where the CPU has it")
    add("--threads", type=_positive, help="CPU threads; one a physical core if not given")
    add("--finder", type=Path, help="YuNet .onnx file instead of OpenCV's frontal cascade")
    add("--max-faces", type=_positive, default=8, help="most faces a frame")
    add("--verify-every", type=_positive, default=10, help="frames between looks at a tracked face")
    add("--min-face", type=_not_negative, default=0, help="least size of a face, pixels")
    add(
        "--search-side",
        type=_search_side,
        metavar="PIXELS",
        help="longer side to which frames are reduced to search them; 400 if not given. More finds "
        "smaller faces, slower",
    )
    add(
        "--search-every",
        type=_count,
        default=SEARCH_EVERY,
        help="frames between searches for newcomers; 0 for none",
    )
    add(
        "--give-up",
        type=_not_negative,
        default=GIVE_UP,
        metavar="SECONDS",
        help="how long to wait for a lost camera or stream to come back",
    )
    add("--every", type=_positive, default=1, metavar="N", help="take every Nth frame only")
    add(
        "--aus",
        type=read_keys,
        metavar="AU12,AU06",
        help="action units to report; all if not given",
    )

    add = parser.add_argument_group("temporal post-processing").add_argument
    add("--smooth", choices=SMOOTHING, help="smooth them; the raw ones are written beside")
    add(
        "--hysteresis",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="how far below its threshold an AU must fall to be gone, as a share of it",
    )
    add(
        "--baseline",
        type=int,
        default=0,
        metavar="FRAMES",
        help="subtract each face's resting level, learned from its first frames",
    )
    add(
        "--threshold",
        type=_threshold,
        action="append",
        default=[],
        metavar="AU12=0.6",
        help="another threshold for one AU; may be given several times",
    )

    add = parser.add_argument_group("what is written").add_argument
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the outputs; 'out' if not given, none beside --jsonl",
    )
    add(
        "--format",
        action="extend",
        nargs="+",
        type=_formats,
        metavar="NAME",
        help=f"files beside the native CSV: {', '.join(FORMATS)}; several are allowed",
    )
    add("--video", action=flag, default=True, help="write the annotated video or image")
    add("--jsonl", action="store_true", help="a line of JSON a frame to standard output")
    add("--show", action="store_true", help="show the annotated frames in a window; q ends it")
    add("--resume", action="store_true", help="continue a run that was interrupted")
    add("--overwrite", action="store_true", help="discard an interrupted run and start over")
    add("--truth", type=Path, help="ground-truth CSV of the one source, to print the agreement")
    add("--progress", action=flag, default=True, help="show a progress bar")
    return parser


class _Help(DefaultsHelp, argparse.RawDescriptionHelpFormatter):
    """Help with the defaults, and the exit codes as they are written."""


def _positive(text: str) -> int:
    return int(_at_least(1, _whole(text)))


def _count(text: str) -> int:
    return int(_at_least(0, _whole(text)))


def _search_side(text: str) -> int:
    return int(_at_least(LEAST_SEARCH_SIDE, _whole(text)))


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error


def _not_negative(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    return _at_least(0, number)


def _at_least(least: int, number: float) -> float:
    if not number >= least:  # NaN is not
        raise argparse.ArgumentTypeError(f"{number:g} is not {least} or more")
    return number


def _formats(text: str) -> tuple[str, ...]:
    """Read names of formats, with commas between them."""
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{unknown[0]!r} is no format: give {', '.join(FORMATS)}, and sources before --format"
        )
    return names


def read_keys(text: str) -> tuple[str, ...]:
    """Read AUs as people write them: AU12, au6 or 6, with commas or spaces between."""
    keys = []
    for word in text.replace(",", " ").split():
        number = word.upper().removeprefix("AU")
        if not number.isdigit():
            raise argparse.ArgumentTypeError(f"{word!r} is no action unit: write AU12 or 12")
        keys.append(f"AU{int(number):02d}")
    if not keys:
        raise argparse.ArgumentTypeError(
            "names no action unit: write AU12, or leave it out for all"
        )
    return tuple(sorted(set(keys)))


def _threshold(text: str) -> tuple[str, float]:
    """Read ``AU12=0.6``."""
    name, _, value = text.partition("=")
    try:
        (key,) = read_keys(name)
        return key, float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write AU12=0.6") from error


def _signals(args: argparse.Namespace) -> Signals | None:
    """Say what to do to probabilities; None for nothing."""
    try:
        signals = Signals(
            args.smooth, args.hysteresis, args.baseline, thresholds=dict(args.threshold)
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    return None if signals == Signals() else signals


def _run(args: argparse.Namespace) -> int:
    sources, truth = args.sources, args.truth
    if not sources:
        if not DEMO_CLIP.exists():
            raise FileNotFoundError(f"the demo clip {DEMO_CLIP} is not there: give a SOURCE")
        sources, truth = [str(DEMO_CLIP)], truth or DEMO_TRUTH
    if truth and len(sources) > 1:
        raise InputError("--truth is about one source: give one SOURCE")
    true_faces = read_truth(truth) if truth else None
    wanted = _wanted(args)
    if wanted:
        check_writable(wanted.folder)
    with (
        Window("lgrnet") if args.show else nullcontext() as window,
        Detector(
            args.model,
            device=args.device,
            finder=args.finder,
            threads=args.threads,
            max_faces=args.max_faces,
            verify_every=args.verify_every,
            search_every=args.search_every or None,
            search_side=args.search_side,
            min_face=args.min_face,
            backend=args.backend,
            precision=args.precision,
            signals=_signals(args),
        ) as detector,
    ):
        cv2.setNumThreads(detector.threads)
        run = Run(
            *(detector, wanted, _chosen(args.aus, detector), args.jsonl),
            window=window,
            every=args.every,
            progress=args.progress,
        )
        run.say(_headline(detector, args.model))
        return _run_all(run, sources, args.give_up, true_faces)


def _run_all(
    run: Run, sources: Sequence[str], give_up: float, true_faces: dict[int, TrueFace] | None
) -> int:
    """Run one source after the other; a bad one does not stop the others."""
    code = FINE
    taken: dict[Path, str] = {}
    for source in sources:
        try:
            with read_ahead(open_source(source, give_up)) as shots:
                for path in run.wanted.paths(shots) if run.wanted else ():
                    if path in taken:
                        raise InputError(
                            f"{source} and {taken[path]} would both write {path.name}: run them "
                            "with different --out"
                        )
                    taken[path] = source
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
            print(f"error: {error}", file=sys.stderr)
            code = BAD
    return code


def _wanted(args: argparse.Namespace) -> Wanted | None:
    """Say which files to write: none beside JSON lines, unless they are asked for."""
    if args.resume and args.overwrite:
        raise InputError("--resume goes on and --overwrite begins anew: give one of them")
    if args.jsonl and args.out is None and not args.format and not args.resume:
        return None
    return Wanted(
        *(args.out or Path("out"), tuple(chain.from_iterable(args.format or ())), args.video),
        *(args.every, args.resume, args.overwrite),
    )


def _chosen(wanted: tuple[str, ...] | None, detector: Detector) -> tuple[str, ...]:
    """Choose the AUs to report, in the model's order."""
    unknown = [key for key in wanted or () if key not in detector.aus]
    if unknown:
        raise InputError(
            f"this model knows no {', '.join(unknown)}: choose from {', '.join(detector.aus)}"
        )
    return tuple(key for key in detector.aus if key in wanted) if wanted else detector.aus


def _headline(detector: Detector, model: str) -> str:
    spec = detector.spec
    name = f"{model}, packaged" if model in MODELS else model
    lines = [
        repr(detector),
        f"model {name}: {len(spec.aus)} AUs, trained on {spec.training_data}",
    ]
    if spec.engine != detector.backend:
        lines.append(f"this file was tuned for {spec.engine}: give --backend {spec.engine}")
    return "\n".join(lines)
