"""Put frames of a video on one sheet.

::

    python -m benchmarks.sheet video.mp4 --frames 45 62 -o sheet.jpg
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from runtime.console.option_types import count, output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import InputError, OutputError
from runtime.outputs.pictures import write_whole

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]


def sheet(video: Path, frames: Sequence[int], columns: int) -> np.ndarray:
    """Put frames side by side, row by row.

    Args:
        video: Of (H, W) frames.
        frames: Numbers of frames, from 0, in the order of the sheet.
        columns: Frames of a row; what is left of the last row is black.

    Returns:
        (rows · H, columns · W, 3) uint8, BGR.

    Raises:
        InputError: The video cannot be read, or is shorter.
    """
    found: dict[int, np.ndarray] = {}
    capture = cv2.VideoCapture(str(video))
    try:
        for number in range(max(frames) + 1):  # seeking is not exact in every file
            read, picture = capture.read()
            if not read:
                raise InputError(f"{video} has no frame {number}, or cannot be read")
            if number in frames:
                found[number] = picture
    finally:
        capture.release()
    height, width = found[frames[0]].shape[:2]
    rows = -(-len(frames) // columns)
    page = np.zeros((rows * height, columns * width, 3), np.uint8)
    for place, number in enumerate(frames):
        y, x = place // columns * height, place % columns * width
        page[y : y + height, x : x + width] = found[number]
    return page


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sheet", description="Put frames of a video on one sheet."
    )
    add = parser.add_argument
    add("video", type=Path, help="any that OpenCV reads")
    add(
        "--frames",
        type=count,
        nargs="+",
        required=True,
        metavar="N",
        help="numbers of frames, from 0",
    )
    add("--columns", type=positive, default=2, help="frames of a row (default: 2)")
    add("-o", "--output", "--out", type=output_file, required=True, help="a .jpg or .png")
    args = parser.parse_args(argv)
    if args.output.suffix.lower() not in (".jpg", ".png"):
        parser.error(f"argument -o/--output/--out: give a .jpg or .png, not {args.output}")
    try:
        page = sheet(args.video, args.frames, args.columns)
        write_whole(args.output, cv2.imencode(args.output.suffix, page, _QUALITY)[1].tobytes())
    except (InputError, OutputError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{args.output}: {len(args.frames)} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
