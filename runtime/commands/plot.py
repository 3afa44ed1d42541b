"""``python -m runtime plot out/clip.csv``: the timeline of a finished run, as a picture."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from runtime.console.aus_option import METAVAR, OPTION, join_aus
from runtime.console.help import purpose
from runtime.console.option_types import positive
from runtime.options import read_keys
from runtime.outputs.plotting import plot


def main(argv: Sequence[str]) -> int:
    """Draw the picture.

    Args:
        argv: Arguments after ``plot``.

    Returns:
        0; errors are raised, see `runtime.outputs.plotting.plot`.
    """
    parser = argparse.ArgumentParser(prog="python -m runtime plot", description=purpose(__doc__))
    parser.add_argument("table", type=Path, help="native CSV of a run, whole or partial")
    parser.add_argument("-o", "--out", type=Path, help="image; TABLE.timeline.png if not given")
    parser.add_argument(
        OPTION, type=read_keys, metavar=METAVAR, help="action units to draw; all if not given"
    )
    parser.add_argument("--width", type=positive, default=1600, help="pixels; 1600 if not given")
    args = parser.parse_args(join_aus(argv))
    out = args.out or args.table.with_suffix(".timeline.png")
    plot(args.table, out, args.aus, args.width)
    print(out)
    return 0
