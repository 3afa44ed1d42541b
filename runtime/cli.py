"""Action units of videos, images, folders and cameras: ``python -m runtime SOURCE --out DIR``."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path

import cv2

from runtime.atomic import PendingFile
from runtime.detector import Detector
from runtime.drawing import draw
from runtime.errors import DeviceError, InputError, ModelError, OpenCVError, SpecError
from runtime.latency import LatencyStats
from runtime.packaged import DEFAULT, MODELS
from runtime.prefetch import read_ahead
from runtime.results import Result
from runtime.sources import Shot, Source, open_source
from runtime.spec import ENGINES
from runtime.truth import Agreement, read_truth
from runtime.writers import CsvWriter, VideoWriter, check_writable, write_image

DEMO = Path(__file__).parent / "demo"
DEMO_CLIP = DEMO / "clip.mp4"
DEMO_TRUTH = DEMO / "clip_truth.csv"
FALLBACK_FPS = 25.0
"""Rate of the annotated video where the source does not say its own."""

BAD_INPUT = (InputError, ModelError, SpecError, DeviceError, OpenCVError, ImportError, OSError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for the program's own.

    Returns:
        0 where all went well, 2 for bad input, 130 after Ctrl-C.
    """
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        return _run(args)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BAD_INPUT as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runtime",
        description="Detect facial action units; write an annotated video, a CSV and latencies.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="videos, images, folders of images, cam:0; without any, the demo clip",
    )
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="folder of the outputs")
    names = ", ".join(MODELS)
    add("--model", default=DEFAULT, help=f"exported file, or a packaged model: {names}")
    add("--device", default="cpu", help="cpu, cuda, cuda:N, or auto")
    add(
        "--backend",
        choices=ENGINES,
        help="what runs the model; by default what its file is for",
    )
    add("--precision", choices=["bf16"], help="let openvino compute in bf16 where the CPU has it")
    add("--threads", type=_positive, help="CPU threads; one a physical core if not given")
    add("--finder", type=Path, help="YuNet .onnx file instead of OpenCV's frontal cascade")
    add("--max-faces", type=_positive, default=8, help="most faces a frame")
    add("--verify-every", type=_positive, default=10, help="frames between looks at a tracked face")
    add("--search-every", type=_positive, help="frames between searches for newcomers")
    add("--truth", type=Path, help="CSV of the truth about the one source, to print the agreement")
    flag = argparse.BooleanOptionalAction
    add("--video", action=flag, default=True, help="write the annotated video or image")
    add("--progress", action=flag, default=True, help="show a progress bar")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _run(args: argparse.Namespace) -> int:
    sources, truth = args.sources, args.truth
    if not sources:
        if not DEMO_CLIP.exists():
            raise FileNotFoundError(f"the demo clip {DEMO_CLIP} is not there: give a SOURCE")
        sources, truth = [str(DEMO_CLIP)], truth or DEMO_TRUTH
    if truth and len(sources) > 1:
        raise InputError("--truth is about one source: give one SOURCE")
    true_faces = read_truth(truth) if truth else None
    check_writable(args.out)
    with Detector(
        args.model,
        device=args.device,
        finder=args.finder,
        threads=args.threads,
        max_faces=args.max_faces,
        verify_every=args.verify_every,
        search_every=args.search_every,
        backend=args.backend,
        precision=args.precision,
    ) as detector:
        cv2.setNumThreads(detector.threads)
        print(_headline(detector, args.model), flush=True)
        failed = False
        taken: dict[str, str] = {}
        for source in sources:
            try:
                with read_ahead(open_source(source)) as shots:
                    if shots.stem in taken:
                        raise InputError(
                            f"{source} and {taken[shots.stem]} would both write {shots.stem}.csv: "
                            "run them with different --out"
                        )
                    taken[shots.stem] = source
                    agreement = Agreement(true_faces, detector.aus) if true_faces else None
                    _process(detector, shots, args, agreement)
                    failed |= bool(shots.failures)
            except BAD_INPUT as error:
                if len(sources) == 1:
                    raise
                print(f"error: {error}", file=sys.stderr)
                failed = True
    return 2 if failed else 0


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


def _process(
    detector: Detector, source: Source, args: argparse.Namespace, agreement: Agreement | None
) -> None:
    """Run one source and write its files; on Ctrl-C they hold what was done."""
    base = args.out / source.stem
    stats = LatencyStats()
    began = time.perf_counter()
    interrupted = None
    detector.reset()
    try:
        _detect(detector, source, args, stats, agreement)
    except KeyboardInterrupt as interrupt:
        interrupted = interrupt
    if len(stats):
        _report(detector, source, base, stats, time.perf_counter() - began, agreement)
    if interrupted:
        raise interrupted


def _detect(
    detector: Detector,
    source: Source,
    args: argparse.Namespace,
    stats: LatencyStats,
    agreement: Agreement | None,
) -> None:
    base = args.out / source.stem
    named = not source.moving and not source.still
    with ExitStack() as outputs:
        table = outputs.enter_context(
            CsvWriter(f"{base}.csv", detector.aus, named, detector.tells_intensity)
        )
        video = None
        if args.video and source.moving:
            writer = VideoWriter(f"{base}.annotated.mp4", source.fps or FALLBACK_FPS)
            video = outputs.enter_context(writer)
        for shot in outputs.enter_context(_progress(source, args.progress)):
            result = detector.track(shot.frame) if source.moving else detector(shot.frame)
            result = result.placed(
                shot.index, shot.timestamp, shot.wait_ms, shot.decode_ms, shot.name
            )
            table.write(result)
            stats.add(result.timings)
            if agreement:
                agreement.add(result)
            if video:
                video.write(draw(shot.frame, result))
            elif args.video:
                _write_picture(base, shot, result)


def _write_picture(base: Path, shot: Shot, result: Result) -> None:
    path = f"{base}.annotated/{shot.name}.png" if shot.name else f"{base}.annotated.png"
    write_image(path, draw(shot.frame, result))


def _report(
    detector: Detector,
    source: Source,
    base: Path,
    stats: LatencyStats,
    wall: float,
    agreement: Agreement | None,
) -> None:
    record = {
        "source": source.name,
        "detector": repr(detector),
        "model": asdict(detector.spec),
        "opencv": cv2.__version__,
        "latency": stats.as_dict(),
        "wall_s_with_drawing_and_writing": wall,
        "agreement": agreement.as_dict() if agreement else None,
    }
    with PendingFile(f"{base}.latency.json") as part:
        part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"\n{source.name}\n{stats.table()}")
    print(f"{wall:.1f} s in all, drawing and writing included: {base}.*")
    if agreement:
        print(f"\nagreement with the ground truth\n{agreement.table()}")


def _progress(source: Source, wanted: bool):
    """Wrap a source in a progress bar; a context manager that gives the shots."""
    if not wanted:
        return nullcontext(source)
    try:
        from tqdm import tqdm
    except ImportError:
        print('no progress bar: pip install "lgrnet[cpu]" brings tqdm', file=sys.stderr)
        return nullcontext(source)
    return tqdm(source, total=source.count, unit="frame", desc=source.stem)
