"""What speaks for each AU in a face: ``python -m lgrnet.heatmaps CHECKPOINT IMAGES...``.

As Fig. 4 of the paper: which parts of a face speak for each AU (red) and against it (blue), over
the face; and as a matrix which AU listens to which through the skip gates, with what that does to
the answers. Writes ``<out>.png``, ``<out>_gates.png`` and ``<out>.npz`` with the numbers.
"""

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from lgrnet.checkpoint import load_checkpoint
from lgrnet.evaluation.models import ask_network, torch_device
from lgrnet.heatmaps.attribution import gate_effects, gate_matrix, gate_order, relevance
from lgrnet.heatmaps.figure import (
    FaceMaps,
    draw_gates,
    draw_heatmaps,
    write_figure,
)
from lgrnet.network.build import Network
from lgrnet.network.model import LGRNet
from lgrnet.plots import require_matplotlib
from runtime.align import (
    ALIGNED_SIZE,
    CROP_SIZE,
    alignment_matrix,
    crop_matrix,
    middle_crop,
    warp,
)
from runtime.console.aus_option import METAVAR, OPTION, join_aus, read_aus
from runtime.console.help import purpose
from runtime.console.option_types import count, positive
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, InputError, OpenCVError
from runtime.files.atomic import PendingFile
from runtime.finders import open_finder
from runtime.latency import Stopwatch
from runtime.pipeline import Pipeline
from runtime.sources import open_source

logger = logging.getLogger(__name__)

SHOWN = 6
"""AUs that are drawn if none are named."""


def read_faces(
    pipeline: Pipeline, paths: Sequence[Path], frames: Sequence[int] | None, aligned: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """Read the largest face of each picture.

    Args:
        pipeline: What finds and aligns faces.
        paths: Images, folders of images, videos.
        frames: Which frames of each, from 0; None for all of images, and the first of videos.
        aligned: Whether pictures are aligned faces already, 200 × 200 or 176 × 176.

    Yields:
        A name, and the crop, (176, 176, 3) uint8, BGR.

    Raises:
        InputError: A picture cannot be read, shows no face, or there is no such frame.
    """
    for path in paths:
        with open_source(path) as source:
            wanted = frames
            if wanted is None and source.moving:
                wanted = [0]
            left = None if wanted is None else set(wanted)
            for shot in source:
                if left is not None and shot.index not in left:
                    continue
                name = shot.name or source.stem
                if source.moving:
                    name = f"{name} {shot.index}"
                where = str(path) if name == source.stem else f"{path} ({name})"
                if aligned:
                    yield name, _middle(shot.frame, where)
                else:
                    yield name, _largest(pipeline, shot.frame, where)
                if left is not None:
                    left.discard(shot.index)
                    if not left:
                        break
            if left:
                raise InputError(f"{path} has no frame {', '.join(map(str, sorted(left)))}")


def _middle(frame: np.ndarray, where: str) -> np.ndarray:
    if frame.shape[:2] == (ALIGNED_SIZE, ALIGNED_SIZE):
        frame = middle_crop(frame)
    if frame.shape[:2] != (CROP_SIZE, CROP_SIZE):
        raise InputError(
            f"{where} is {frame.shape[1]} × {frame.shape[0]}: with --aligned give faces of "
            f"{ALIGNED_SIZE} × {ALIGNED_SIZE} or {CROP_SIZE} × {CROP_SIZE}, or leave it out"
        )
    return np.ascontiguousarray(frame)


def _largest(pipeline: Pipeline, frame: np.ndarray, where: str) -> np.ndarray:
    watch = Stopwatch()
    seen = pipeline.look_twice(frame, pipeline.find(frame, watch), watch)
    if not seen:
        raise InputError(f"no face was found in {where}: give another picture, or --aligned faces")
    return warp(frame, crop_matrix(alignment_matrix(seen[0].look.landmarks)), CROP_SIZE)


def choose_aus(aus: Sequence[int], probability: np.ndarray, most: int = SHOWN) -> tuple[int, ...]:
    """Choose the AUs that are most present on any of the faces.

    Args:
        aus: FACS numbers of the columns.
        probability: (faces, AUs).
        most: How many.

    Returns:
        FACS numbers, ascending.
    """
    best = np.argsort(-probability.max(0), kind="stable")[:most]
    return tuple(sorted(aus[i] for i in best))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m lgrnet.heatmaps", description=purpose(__doc__))
    add = parser.add_argument
    add("checkpoint", type=Path, help="written by python -m lgrnet.train")
    add("images", type=Path, nargs="+", help="images, folders of images, or videos")
    add(
        "-o",
        "--out",
        type=Path,
        default=Path("out/heatmaps"),
        help="where to, without suffix: the format's, _gates and .npz are appended (default: "
        "%(default)s)",
    )
    add(OPTION, type=read_aus, metavar=METAVAR,
        help=f"which to show; the {SHOWN} most present ones if not given")  # fmt: skip
    add(
        "--frames", type=count, nargs="+", metavar="N", help="frames of videos, from 0 (default: 0)"
    )
    add("--aligned", action="store_true", help="the images are aligned faces already")
    add(
        "--format",
        choices=("png", "jpg", "pdf", "svg"),
        default="png",
        help="of the pictures (default: %(default)s)",
    )
    add("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    add("--threads", type=positive, help="CPU threads; PyTorch's default if not given")
    return parser.parse_args(join_aus(argv))


def _write(args: argparse.Namespace, model: Network) -> None:
    ask = ask_network(model, next(model.parameters()).device)
    pipeline = Pipeline(ask, open_finder(None), 1)
    names, crops = zip(*read_faces(pipeline, args.images, args.frames, args.aligned), strict=True)
    said = ask(np.stack(crops))
    all_aus = model.config.aus
    unknown = sorted(set(args.aus or ()) - set(all_aus))
    if unknown:
        raise ValueError(f"--aus: the network tells {list(all_aus)}, not {unknown}")
    aus = args.aus or choose_aus(all_aus, said.probability)
    columns = [all_aus.index(au) for au in aus]
    faces = []
    for i, (name, crop) in enumerate(zip(names, crops, strict=True)):
        maps, _ = relevance(model, crop, aus)
        faces.append(FaceMaps(crop, said.landmarks[i], maps, said.probability[i, columns], name))
    numbers = {"aus": np.array(aus), "maps": np.stack([each.maps for each in faces])}
    title = (
        f"{args.checkpoint.name}: integrated gradients of the AU's logit over F; each map has a "
        "scale of its own"
    )
    picture = args.out.with_name(f"{args.out.name}.{args.format}")
    write_figure(draw_heatmaps(faces, aus, title), picture)
    logger.info("drawn in %s", picture)
    if isinstance(model, LGRNet) and model.config.relation == "skip_bilstm":
        order = gate_order(model)
        gates, effects = gate_matrix(model, np.stack(crops)), gate_effects(model, np.stack(crops))
        numbers |= {"gate_aus": np.array(order), "gates": gates, "gate_effects": effects}
        picture = args.out.with_name(f"{args.out.name}_gates.{args.format}")
        title = (
            f"{args.checkpoint.name}, mean over {len(crops)} face(s); below the diagonal from "
            "forehead to chin, above it back"
        )
        write_figure(draw_gates(gates, effects, order, title), picture)
        logger.info("drawn in %s", picture)
    else:
        logger.info("no picture of gates: relation = %r has none", model.config.relation)
    path = args.out.with_name(f"{args.out.name}.npz")
    with PendingFile(path) as part:
        np.savez(part, allow_pickle=False, **numbers)
    logger.info("numbers in %s", path)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    try:
        require_matplotlib()
        model, _ = load_checkpoint(args.checkpoint, torch_device(args.device))
        _write(args, model)
    except (DeviceError, ImportError, OpenCVError, ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
