"""Options of the command line: what there are, and how what is typed is read."""

import argparse
import os
from pathlib import Path

from runtime.action_units import au_key
from runtime.console.aus_option import METAVAR, OPTION, read_aus
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import at_least, count, finite, not_negative, positive, whole
from runtime.console.progress import add_progress
from runtime.finders import LEAST_SEARCH_SIDE, SEARCH_SIDE
from runtime.formats import FORMATS
from runtime.installed import version_of
from runtime.packaged import DEFAULT, MODELS
from runtime.settings import MAX_FACES, SEARCH_EVERY, VERIFY_EVERY
from runtime.signals.smoothing import SMOOTHING
from runtime.sources import GIVE_UP, IMAGE_SUFFIXES
from runtime.sources.playlist import VIDEO_SUFFIXES
from runtime.spec import ENGINES

EXIT_CODES = """
commands beside running sources (for a file of such a name write ./doctor):
  doctor    what is installed here, what works, and why the rest does not
  models    what models say of themselves: those that come with the package, or files
  plot CSV  the timeline of a finished run, as a picture

exit codes:
  0    all went well
  2    a source, model, device or option cannot be used, or another program has an output open;
       other sources were done
  3    an output cannot be written, such as on a full disc; what was written stays
  130  Ctrl-C; what was done is kept
  141  whoever read the JSON lines has gone; what was done is kept
  143  SIGTERM; what was done is kept
"""


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m runtime",
        description="Detect facial action units; write an annotated video, a CSV and latencies.",
        formatter_class=_Help,
        epilog=EXIT_CODES,
    )
    installed = version_of("lgrnet") or "not installed, run from its folder"
    made.add_argument("--version", action="version", version=f"lgrnet {installed}")
    made.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="videos, images, folders, patterns, cam:0, rtsp://...; without any, the demo clip",
    )
    add = made.add_argument_group("what detects").add_argument
    names = ", ".join(MODELS)
    add("--model", default=DEFAULT, help=f"exported file, or a packaged model: {names}")
    add("--device", default="cpu", help="cpu, cuda, cuda:N, or auto")
    add(
        "--backend",
        choices=ENGINES,
        help="what runs the model; by default onnxruntime for .onnx files, native for .npz, "
        "tensorrt for .engine, fused for .fused",
    )
    add("--precision", choices=["bf16"], help="let openvino compute in bf16 where the CPU has it")
    add("--flip-test", action="store_true", help="answer with the mean of each face and its mirror "
        "image: more accurate, and the network takes twice the time")  # fmt: skip
    add("--threads", type=positive, help="CPU threads; one a physical core if not given")
    add(
        "--finder",
        metavar="NAME|FILE",
        help="network, ours; cascade, OpenCV 4's, for frontal faces; or a YuNet .onnx file; the "
        "network if not given",
    )
    add("--max-faces", type=positive, default=MAX_FACES, help="most faces a frame")
    add(
        "--verify-every",
        type=positive,
        default=VERIFY_EVERY,
        help="frames between looks at a tracked face",
    )
    add("--min-face", type=finite, default=0, help="least size of a face, pixels")
    add(
        "--search-side",
        type=_search_side,
        metavar="PIXELS",
        help=f"longer side to which frames are reduced to search them; {SEARCH_SIDE} if not given. "
        "More finds smaller faces, slower",
    )
    add(
        "--search-every",
        type=count,
        default=SEARCH_EVERY,
        help="frames between searches for newcomers; 0 for none",
    )
    add(
        "--give-up",
        type=not_negative,
        default=GIVE_UP,
        metavar="SECONDS",
        help="how long to wait for a lost camera or stream to come back",
    )
    add("--every", type=positive, default=1, metavar="N", help="take every Nth frame only")
    add(
        OPTION,
        type=read_keys,
        metavar=METAVAR,
        help="action units to report; all if not given",
    )

    add = made.add_argument_group("temporal post-processing").add_argument
    add("--smooth", choices=SMOOTHING, help="smooth them; the raw ones are written beside")
    add(
        "--hysteresis",
        type=finite,
        default=0.0,
        metavar="SHARE",
        help="how far below its threshold an AU must fall to be gone, as a share of it",
    )
    add(
        "--baseline",
        type=count,
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

    add = made.add_argument_group("what is written").add_argument
    add(
        "-o",
        "--out",
        type=_folder,
        metavar="DIR",
        help="folder of the outputs; 'out' if not given, none for --jsonl alone",
    )
    add(
        "--format",
        action="extend",
        nargs="+",
        type=_formats,
        metavar="NAME",
        help=f"files beside the native CSV: {', '.join(FORMATS)}; several are allowed",
    )
    add(
        "--video",
        action=argparse.BooleanOptionalAction,
        help="write the annotated video or image; yes if not given, but for --jsonl alone",
    )
    add("--jsonl", action="store_true", help="a line of JSON a frame to standard output")
    add("--show", action="store_true", help="show the annotated frames in a window; q ends it")
    add("--resume", action="store_true", help="continue a run that was interrupted")
    add("--overwrite", action="store_true", help="discard an interrupted run and start over")
    add(
        "--truth",
        type=Path,
        help="ground truth of the one source, to print the agreement: CSV with frame, x_0 ... "
        "x_48, y_0 ... y_48 and AU01_c ... (0 or 1)",
    )
    add_progress(made)
    return made


class _Help(DefaultsHelp, argparse.RawDescriptionHelpFormatter):
    """Help with the defaults, and the exit codes as they are written."""


def _folder(text: str) -> Path:
    """Read where the files go, and refuse what was meant as the name of one of them."""
    ends = {".json", *VIDEO_SUFFIXES, *IMAGE_SUFFIXES}
    ends.update(Path(f"clip{end}").suffix for end, _ in FORMATS.values())
    path = Path(text)
    if path.suffix.lower() in ends and text[-1] not in "/\\" and not os.path.isdir(path):
        raise argparse.ArgumentTypeError(
            f"{text} is named like a file, and this is the folder of the files, which are named "
            f"after the source and chosen by --format: give one, or {text}/ for a folder of that "
            "name"
        )
    return path


def _search_side(text: str) -> int:
    return int(at_least(LEAST_SEARCH_SIDE, whole(text)))


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
    """Read the keys of AUs, ``("AU06", "AU12")``; see `runtime.console.aus_option.read_aus`."""
    return tuple(map(au_key, read_aus(text)))


def _threshold(text: str) -> tuple[str, float]:
    """Read ``AU12=0.6``."""
    name, _, value = text.partition("=")
    try:
        (key,) = read_keys(name)
        return key, float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write AU12=0.6") from error
