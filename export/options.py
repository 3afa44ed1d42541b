"""Options of the command line that the exporters share."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from export.bounds import Bounds
from export.errors import ExportError
from runtime.console.option_types import not_negative, positive
from runtime.errors import DeviceError, InputError
from runtime.files.atomic import PendingFile
from runtime.installed import how_to_install

logger = logging.getLogger(__name__)

PROBABILITY_TOLERANCE = 1e-4
"""Rounding differs between the two by some 1e-6, and thresholds have two digits."""

LANDMARK_TOLERANCE = 0.01
"""Pixels. Rounding differs by some 1e-4, and landmarks are known to about a pixel."""

HELD_OUT = 1000
"""Faces on which a precision other than fp32 is judged."""


def checked_output(output: str | Path | None, default: Path) -> Path:
    """Choose where an export goes.

    Args:
        output: What was asked for; None for the default.
        default: Its suffix is the one that is needed.

    Raises:
        ValueError: The name has another suffix, or is a folder's.
    """
    path = default if output is None else Path(output)
    if path.suffix.lower() != default.suffix:
        raise ValueError(f"output {path}: give a name that ends in {default.suffix}")
    if path.is_dir():
        raise ValueError(f"output {path} is a folder: give the name of a file")
    return path


def require_writable(pending: PendingFile) -> None:
    """Check that an output can be written, before minutes are spent on it.

    Raises:
        InputError: It cannot.
    """
    try:
        pending.path.touch()
    except OSError as error:
        raise InputError(
            f"output {pending.target} cannot be written ({error.strerror or error}): give another "
            "name or folder with -o"
        ) from error


def add_comparison(
    parser: argparse.ArgumentParser, tolerance: float = PROBABILITY_TOLERANCE
) -> None:
    """Add what the comparison with PyTorch takes."""
    add = parser.add_argument
    add("--faces", type=Path, metavar="DIR", help="aligned faces (default: the demo clip's)")
    add(
        "--tolerance",
        type=not_negative,
        default=tolerance,
        help="how much a probability may differ from PyTorch in fp32 (default: %(default)s)",
    )
    add(
        "--landmark-tolerance",
        type=not_negative,
        default=LANDMARK_TOLERANCE,
        help="how much a landmark may differ, pixels (default: %(default)s)",
    )


def add_precision(parser: argparse.ArgumentParser, title: str, mean_change: float) -> None:
    """Add what other precisions than fp32 take."""
    add = parser.add_argument_group(title).add_argument
    add(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="int8: data set, or folder of aligned faces (default: the demo clip)",
    )
    add(
        "--mean-change",
        type=not_negative,
        default=mean_change,
        help="int8: mean change of a probability above which parts stay in float (default: "
        "%(default)s)",
    )
    add(
        "--held-out",
        type=Path,
        metavar="DIR",
        help="data set whose test people judge (default: the demo clip)",
    )
    add(
        "--held-out-faces",
        type=positive,
        default=HELD_OUT,
        help="most of them (default: %(default)s)",
    )
    add(
        "--max-f1-loss",
        type=not_negative,
        default=Bounds.f1,
        help="of any AU (default: %(default)s)",
    )
    add(
        "--max-mean-f1-loss",
        type=not_negative,
        default=Bounds.mean_f1,
        help="(default: %(default)s)",
    )
    add(
        "--max-change",
        type=not_negative,
        default=Bounds.change,
        help="of any probability on any face (default: %(default)s, none)",
    )
    add(
        "--max-landmark-change",
        type=not_negative,
        default=Bounds.landmarks,
        help="mean of all landmarks and faces, pixels of the crop (default: %(default)s)",
    )
    add(
        "--max-intensity-change",
        type=not_negative,
        default=Bounds.intensity,
        help="mean of all intensities and faces, 0 to 5 (default: %(default)s)",
    )


def run(parsed: argparse.Namespace, export: Callable, loggers: tuple[str, ...]) -> int:
    """Run an exporter that compares and judges, with the options of its command line.

    Args:
        parsed: The options, by the names of the exporter's arguments.
        export: The exporter; takes ``bounds`` as well.
        loggers: Loggers whose progress is shown.

    Returns:
        As of `run_exporter`.
    """
    args = vars(parsed)
    losses = {
        "f1": args.pop("max_f1_loss"),
        "mean_f1": args.pop("max_mean_f1_loss"),
        "change": args.pop("max_change"),
        "landmarks": args.pop("max_landmark_change"),
        "intensity": args.pop("max_intensity_change"),
    }
    return run_exporter(lambda: export(**args, bounds=Bounds(**losses)), loggers)


def run_exporter(export: Callable[[], object], loggers: tuple[str, ...]) -> int:
    """Run an exporter, show its progress, and tell in a line what went wrong.

    Args:
        export: Loads the exporter and exports.
        loggers: Loggers whose progress is shown.

    Returns:
        Exit code: 0, 1 if nothing was exported because the network cannot be, or failed the checks,
        2 for bad input, and for what is not installed.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # Ours alone: at this level PyTorch's exporter tells its every step.
    for ours in loggers:
        logging.getLogger(ours).setLevel(logging.INFO)
    try:
        export()
    except (ExportError, FloatingPointError) as error:
        print(_one_line(error), file=sys.stderr)
        return 1
    except ImportError as error:
        return _not_installed(error)
    except (DeviceError, ValueError, OSError) as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 2
    return 0


def check_limits(**limits: float) -> None:
    """Refuse limits below zero, and NaN.

    Raises:
        ValueError: One of them is.
    """
    for name, limit in limits.items():
        if not limit >= 0:
            raise ValueError(f"{name.replace('_', ' ')}: must be at least 0, got {limit}")


def tell_unused(precision: str, calibration: object, held_out: object) -> None:
    """Say which faces a precision makes no use of; scripts give all precisions the same options."""
    if precision == "fp32" and held_out is not None:
        logger.warning(
            "held-out %s is not used: a file in fp32 is compared with PyTorch, on --faces", held_out
        )
    if precision != "int8" and calibration is not None:
        logger.warning("calibration %s is not used: only int8 is calibrated", calibration)


def _not_installed(error: ImportError) -> int:
    known = ("pip install", "python -m")
    hint = f": {how_to_install('export', 'cpu')}"
    print(
        f"error: {_one_line(error)}{'' if any(k in str(error) for k in known) else hint}",
        file=sys.stderr,
    )
    return 2


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
