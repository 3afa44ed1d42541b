"""The command: ``python -m lgrnet.faces.lookalike bp4d --out FOLDER``."""

import argparse
import logging
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from lgrnet.faces.head.rig import RigError
from lgrnet.faces.lookalike.write import FRAMES, write_lookalike
from lgrnet.workers import KILLED
from runtime.console.option_types import count, positive
from runtime.console.progress import add_progress
from runtime.console.stoppable import GOES_ON, stoppable
from runtime.errors import OpenCVError

logger = logging.getLogger(__name__)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.faces.lookalike",
        description="Render a corpus that lies on disc as BP4D or DISFA does. Goes on where it "
        "stopped.",
    )
    parser.add_argument("corpus", choices=FRAMES, help="which it looks like")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--rig", type=Path, help="face rig; else $LGRNET_FACE_RIG")
    parser.add_argument(
        "--frames", type=positive, help="labelled frames of a sequence; 12 in bp4d, 100 in disfa"
    )
    parser.add_argument("--subjects", nargs="+", help="names, all if not given")
    parser.add_argument(
        "--seed", type=count, default=0, help="others give other people (default: %(default)s)"
    )
    parser.add_argument("--workers", type=positive, help="processes; one a core if not given")
    add_progress(parser)
    return parser.parse_args(argv)


@stoppable(GOES_ON)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        write_lookalike(
            args.corpus, args.out, args.frames, args.subjects, args.rig, args.workers, args.seed,
            args.progress,
        )  # fmt: skip
    except (RigError, OpenCVError, OSError, ValueError) as error:
        logger.error("%s", error)
        return 2
    except BrokenProcessPool:
        logger.error(KILLED)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
