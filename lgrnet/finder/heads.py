"""Render cut-out heads for the face finder: ``python -m lgrnet.finder.heads --out data/heads``.

Heads are seen from all sides and at all distances, from behind too, and each is stored with where
it is opaque, so that training can lay it over any picture (:mod:`lgrnet.finder.scenes`). Every
shard depends on the seed and its number alone, so the result is the same however many processes
make it, and a run that was interrupted goes on where it stopped.
"""

import argparse
import logging
from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from lgrnet.alone import alone_in
from lgrnet.faces.drawing import photo
from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.generate import RENDERER_VERSION
from lgrnet.faces.head.rig import RigError, load_rig, rig_path
from lgrnet.faces.motion.action_units import FACE_AUS
from lgrnet.faces.motion.cooccurrence import sample_intensities
from lgrnet.faces.motion.expression import sample_expression
from lgrnet.faces.person.identity import Studio, make_identity, open_studio
from lgrnet.faces.render import Render, fixed_placement, render
from lgrnet.faces.scene.background import sample_background
from lgrnet.faces.scene.light import sample_lighting
from lgrnet.faces.scene.occluders import sample_occluders
from lgrnet.finder.head_shards import (
    BACK_SIDE,
    HEAD_SIDE,
    PER_PERSON,
    PER_SHARD,
    back_file,
    claim_folder,
    head_file,
    shard_holds,
    shard_sizes,
    write_heads,
    write_pictures,
)
from lgrnet.workers import KILLED, open_pool
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import positive
from runtime.console.progress import add_progress
from runtime.console.stoppable import GOES_ON, stoppable
from runtime.files.digest import file_sha256

logger = logging.getLogger(__name__)

_FINE_SIDE = 384  # pixels that a head is rendered with before it is shrunk, so that edges are soft
_HEAD_SEED, _BACK_SEED = 555, 901
# Numbers of people that no data set of `lgrnet.faces.generate` has: there is no split 0.
_FIRST_PERSON, _PER_SEED, _PER_SHARD = 70_000_000, 100_000, 100
_MOST_SEED = 9
_MOST_HEADS = PER_SHARD * (_PER_SEED // _PER_SHARD)

_FRONT, _SIDE = 0.55, 0.35  # of the heads; all others are seen from behind, and are no faces
_OCCLUDED = 0.15  # of the heads, by a hand or a thing
_STRENGTH = 0.5  # of the correlation of AUs
_WIDE = 1.8  # spread of the resting faces of every second person, as `Recipe.resting`
_NEAREST, _FARTHEST = 40.0, 250.0  # cm
_SMALLEST, _LARGEST = 4.5, 8.0  # pixels a cm: a head is some 25 cm high and has room for its hair


@dataclass(frozen=True)
class HeadRecipe:
    """What cut-out heads are made from.

    Attributes:
        seed: 1 to 9; another one gives other people and backgrounds.
        heads: How many heads, of a person for every six.
        backgrounds: How many pictures of rendered surroundings without anybody.
    """

    seed: int = 1
    heads: int = 12_000
    backgrounds: int = 3_000

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 1 <= self.seed <= _MOST_SEED:
            raise ValueError(f"seed must lie in [1, {_MOST_SEED}], got {self.seed}")
        for name in ("heads", "backgrounds"):
            if not 1 <= getattr(self, name) <= _MOST_HEADS:
                raise ValueError(
                    f"{name} must lie in [1, {_MOST_HEADS}], got {getattr(self, name)}"
                )


def sample_pose(rng: np.random.Generator) -> tuple[Pose, float]:
    """Draw where a head is turned to.

    Args:
        rng: Source of randomness.

    Returns:
        The pose, and its yaw in degrees, up to 180 either way.
    """
    kind = rng.random()
    if kind < _FRONT:
        yaw = rng.uniform(-50, 50)
    elif kind < _FRONT + _SIDE:
        yaw = rng.choice([-1, 1]) * rng.uniform(40, 90)
    else:
        yaw = rng.choice([-1, 1]) * rng.uniform(115, 180)
    pitch = float(np.clip(rng.normal(0, 16), -45, 45))
    roll = float(np.clip(rng.normal(0, 14), -50, 50))
    distance = float(np.exp(rng.uniform(np.log(_NEAREST), np.log(_FARTHEST))))
    turn, nod, tilt = np.deg2rad([yaw, pitch, roll])
    return Pose(turn, nod, tilt, distance), float(yaw)


def cut_out(picture: Render, tone: float, target: float) -> np.ndarray:
    """Develop a render and shrink it, with its opacity.

    Args:
        picture: A render of some size over a plain background.
        tone: Radiance of the background: what differs from it is opaque.
        target: Brightness of the head, see :func:`photo.meter`.

    Returns:
        (256, 256, 4) uint8, BGR, not multiplied by the opacity, which comes last.
    """
    opaque = (picture.linear != np.float32(tone)).any(2).astype(np.float32)[..., None]
    seen = photo.develop(picture.linear, photo.meter(picture.linear, picture.covered, target))
    # Colours are averaged where they are opaque, or the background would shine through at edges.
    layers = np.dstack([seen * opaque, opaque])
    small = cv2.resize(layers, (HEAD_SIDE, HEAD_SIDE), interpolation=cv2.INTER_AREA)
    colour = small[..., :3] / np.maximum(small[..., 3:], 1e-3)
    head = np.empty((HEAD_SIDE, HEAD_SIDE, 4), np.uint8)
    head[..., :3] = np.clip(colour[..., ::-1] * 255 + 0.5, 0, 255)
    head[..., 3] = small[..., 3] * 255 + 0.5
    return head


def render_heads(
    studio: Studio, seed: int, shard: int, heads: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render a shard of heads.

    Args:
        studio: The rig and what is derived from it.
        seed: Of the whole set.
        shard: Number of the shard.
        heads: How many; fewer are the first ones of more.

    Returns:
        Pictures, points and what else is known, see :mod:`lgrnet.finder.head_shards`.
    """
    rng = np.random.default_rng([_HEAD_SEED, seed, shard])
    pictures = np.zeros((heads, HEAD_SIDE, HEAD_SIDE, 4), np.uint8)
    points = np.zeros((heads, 49, 2), np.float32)
    meta = np.zeros((heads, 4), np.float32)
    finer = _FINE_SIDE / HEAD_SIDE
    for i in range(heads):
        if i % PER_PERSON == 0:
            number = _FIRST_PERSON + seed * _PER_SEED + shard * _PER_SHARD + i // PER_PERSON
            spread = _WIDE if i % (2 * PER_PERSON) else 1.0
            person = make_identity(studio, number, spread, rng.choice([1.0, 0.5]))
            intensities = sample_intensities(
                rng, PER_PERSON, _STRENGTH, rng.standard_normal(len(FACE_AUS))
            )
        row = intensities[i % PER_PERSON]
        active = {au: float(v) for au, v in zip(FACE_AUS, row, strict=True) if v > 0}
        pose, yaw = sample_pose(rng)
        scale = float(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST)))) * finer
        middle = _FINE_SIDE / 2 + rng.uniform(-1.5, 1.5, 2) * scale
        matrix = np.array([[scale, 0, middle[0]], [0, scale, middle[1]]])
        # Skin lets some of what is behind a head through at its edges: dark to bright.
        tone = float(np.exp(rng.uniform(np.log(0.008), np.log(0.1))))
        picture = render(
            studio,
            person,
            sample_expression(rng, active),
            pose,
            sample_lighting(rng),
            np.full((_FINE_SIDE, _FINE_SIDE, 3), tone, np.float32),
            fixed_placement(matrix),
            1.0,
            overlays=sample_occluders(
                rng, _OCCLUDED, person.complexion.skin**2.2, person.complexion.hair**2.2
            ),
        )
        pictures[i] = cut_out(picture, tone, rng.uniform(0.28, 0.66))
        points[i] = (picture.landmarks + 0.5) * HEAD_SIDE / _FINE_SIDE - 0.5
        meta[i] = yaw, np.rad2deg(pose.pitch), np.rad2deg(pose.roll), scale / finer
    return pictures, points, meta


def render_backgrounds(seed: int, shard: int, backgrounds: int) -> np.ndarray:
    """Render a shard of surroundings without anybody, (N, 384, 384, 3) uint8, BGR."""
    pictures = np.zeros((backgrounds, BACK_SIDE, BACK_SIDE, 3), np.uint8)
    first = (seed - 1) * _MOST_HEADS + shard * PER_SHARD
    for i in range(backgrounds):
        rng = np.random.default_rng([_BACK_SEED, first + i])
        linear = sample_background(rng, BACK_SIDE, BACK_SIDE, tilt=None)
        everywhere = np.ones(linear.shape[:2], bool)
        gain = photo.meter(linear, everywhere, rng.uniform(0.2, 0.66))
        pictures[i] = photo.to_bgr8(photo.develop(linear, gain))
    return pictures


_studio: Studio | None = None  # of a worker process


def _start_worker(rig_file: Path) -> None:
    global _studio
    _studio = open_studio(load_rig(rig_file))


def _make_heads(root: Path, seed: int, shard: int, heads: int) -> int:
    assert _studio is not None  # `_start_worker` came first
    write_heads(head_file(root, seed, shard), *render_heads(_studio, seed, shard, heads))
    return heads


def _make_backgrounds(root: Path, seed: int, shard: int, backgrounds: int) -> int:
    write_pictures(back_file(root, seed, shard), render_backgrounds(seed, shard, backgrounds))
    return backgrounds


def make_heads(
    out: Path, recipe: HeadRecipe, rig: Path | None = None, workers: int | None = None,
    progress: bool = True,
) -> None:  # fmt: skip
    """Render heads and backgrounds, or what is missing of them.

    Args:
        out: Their folder.
        recipe: What to make.
        rig: The face rig's file; None reads the environment variable.
        workers: Processes; None for one a core.
        progress: Whether to show a progress bar.

    Raises:
        RigError: There is no face rig.
        DatasetError: The folder holds heads of another recipe.
        InputError: Another run is writing into it.
    """
    rig_file = rig_path(rig)
    load_rig(rig_file)  # a broken rig should fail here, not in a worker
    origin = {"renderer": RENDERER_VERSION, "rig_sha256": file_sha256(rig_file)}
    with alone_in(out):
        claim_folder(out, {**origin, **asdict(recipe)})
        _render_missing(out, recipe, rig_file, workers, progress)


def _render_missing(
    out: Path, recipe: HeadRecipe, rig_file: Path, workers: int | None, progress: bool
) -> None:
    """Render the files that are not there."""
    todo = [
        (make, number, size)
        for make, name, total in (
            (_make_heads, head_file, recipe.heads),
            (_make_backgrounds, back_file, recipe.backgrounds),
        )
        for number, size in enumerate(shard_sizes(total))
        if not shard_holds(name(out, recipe.seed, number), size)
    ]
    total, left = recipe.heads + recipe.backgrounds, sum(size for _, _, size in todo)
    logger.info("%s: %d of %d heads and backgrounds to render", out, left, total)
    if not todo:
        return
    pool = open_pool(workers, _start_worker, rig_file)
    with pool, tqdm(total=total, initial=total - left, unit="img", disable=not progress) as bar:
        jobs = [pool.submit(make, out, recipe.seed, number, size) for make, number, size in todo]
        for job in as_completed(jobs):
            bar.update(job.result())


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    default = HeadRecipe()
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.finder.heads",
        description="Render cut-out heads for the face finder. Goes on where it stopped.",
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("-o", "--out", type=Path, required=True, help="folder of the heads")
    add("--rig", type=Path, help="face rig; else $LGRNET_FACE_RIG")
    add("--seed", type=positive, default=default.seed, help="others give other people")
    add("--heads", type=positive, default=default.heads, help="heads, six of each person")
    add("--backgrounds", type=positive, default=default.backgrounds,
        help="pictures of rendered surroundings")  # fmt: skip
    add("--workers", type=positive, help="processes; one a core if not given")
    add_progress(parser)
    return parser.parse_args(argv)


@stoppable(GOES_ON)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        recipe = HeadRecipe(args.seed, args.heads, args.backgrounds)
        make_heads(args.out, recipe, args.rig, args.workers, args.progress)
    except (RigError, OSError, ValueError) as error:
        logger.error("%s", error)
        return 2
    except BrokenProcessPool:
        logger.error(KILLED)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
