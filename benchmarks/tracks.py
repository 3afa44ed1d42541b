"""Runs the detector on clips and keeps what it found, for `benchmarks.tracking` to judge.

Needs nothing of this repository but `runtime`, so that it also runs on another revision, if that
has `runtime.console` already:
``PYTHONPATH=OTHER python benchmarks/tracks.py CLIPS/*.mp4 --search-every 30 --out FOLDER``.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2

import runtime
from runtime import Detector
from runtime.console.help import purpose
from runtime.console.option_types import count, positive
from runtime.files.atomic import write_json


def keep_tracks(detector: Detector, clip: Path, out: Path) -> None:
    """Run a detector on a clip and write what it found; what this code has found already stays.

    Args:
        detector: The detector.
        clip: The video.
        out: The JSON: ``detector``, ``code``, from :func:`code_digest`; ``tracks``: of each frame
            its index and the number and box of each face, and what a frame took without decoding:
            ``ms``, a list, by the clock, and ``cpu_ms``, the mean of the CPU time of the whole
            process.
    """
    if out.exists() and json.loads(out.read_text(encoding="utf-8")).get("code") == code_digest():
        return
    tracks, spent = [], []
    began = time.process_time()
    for result in detector.stream(str(clip)):
        tracks.append([result.index, [[face.id, list(face.box)] for face in result]])
        spent.append(result.timings.total - result.timings.decode)
    cpu = (time.process_time() - began) / len(tracks) * 1e3
    record = {
        "detector": repr(detector), "code": code_digest(), "cpu_ms": cpu, "tracks": tracks,
        "ms": spent,
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, record)


@cache
def code_digest() -> str:
    """Hash the runtime's code and models, whichever revision it is of."""
    folder = Path(runtime.__file__).parent
    total = hashlib.sha256()
    kinds = ("*.py", "*.?pp", "models/*", "finders/*.onnx")
    for path in sorted(path for kind in kinds for path in folder.rglob(kind)):
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks/tracks.py", description=purpose(__doc__))
    add = parser.add_argument
    add("clips", nargs="+", type=Path, help="videos")
    add("-o", "--out", type=Path, required=True, help="folder of the JSON files")
    add(
        "--search-every",
        type=count,
        help="frames between searches for newcomers; 0, or not given, for none",
    )
    add("--model", help="exported file, or a packaged model")
    add("--finder", help="network, cascade, or a YuNet .onnx file; the network if not given")
    add("--threads", type=positive, default=1, help="CPU threads (default: %(default)s)")
    args = parser.parse_args(argv)
    cv2.setNumThreads(args.threads)
    settings = {
        "threads": args.threads,
        "search_every": args.search_every or None,
        "finder": args.finder,
    }
    try:
        with Detector(args.model, **settings) as detector:
            for clip in args.clips:
                keep_tracks(detector, clip, args.out / f"{clip.stem}.json")
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
