"""Render clips of several people: ``python -m lgrnet.faces.crowd --out data/crowd``.

With their truth, to measure trackers by: heads that move, cross, hide behind each other or behind a
pillar, leave and come back. The people are in no split of any data set.
"""

import argparse
import csv
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from lgrnet.faces.crowd_scenes import FPS, HEIGHT, SCENES, WIDTH, Actor, CrowdScene, Pillar
from lgrnet.faces.drawing import photo
from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.drawing.shade import Lighting
from lgrnet.faces.head.rig import RigError, load_rig
from lgrnet.faces.motion.action_units import AU_SHAPES
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.identity import Identity, Studio, make_identity, open_studio
from lgrnet.faces.render import fixed_placement, render
from lgrnet.faces.scene.background import sample_background
from lgrnet.faces.scene.light import sample_lighting
from runtime.boxes import face_box
from runtime.console.option_types import count
from runtime.console.stoppable import stoppable
from runtime.files.atomic import PendingFile
from runtime.landmarks import COUNT
from runtime.outputs.pictures import frames_in

logger = logging.getLogger(__name__)

FIRST_PERSON = 90_001_000
"""Number of the first person; the data sets' are far lower, the demo clip's others."""

_MARGIN = 170  # pixels around the frame, so that a head may stick out of it
_REACH = (15.0, 18.0)  # cm from the head's middle to left and right, up and down
_NOISE = 0.006


@dataclass(frozen=True, eq=False)
class TrueHead:
    """One head of a frame.

    Attributes:
        identity: Number of the person.
        visible: Share of its face that is in the frame and not hidden, 0 to 1.
        landmarks: (49, 2) float64, pixels of the frame.
    """

    identity: int
    visible: float
    landmarks: np.ndarray


@dataclass(eq=False)
class _Person:
    """An actor, made up."""

    actor: Actor
    number: int
    identity: Identity
    rng: np.random.Generator
    lean: dict[str, float]
    phase: np.ndarray


def render_scene(
    studio: Studio, scene: CrowdScene, seed: int
) -> Iterator[tuple[np.ndarray, list[TrueHead]]]:
    """Render a scene.

    Args:
        studio: The rig and what is derived from it.
        scene: Who moves where.
        seed: Chooses people, light and background.

    Yields:
        Picture, (360, 640, 3) uint8 BGR, and the heads that are in it at least in part.
    """
    rng = np.random.default_rng((seed, len(scene.name), len(scene.actors)))
    light = sample_lighting(rng)
    rows, columns = HEIGHT + 2 * _MARGIN, WIDTH + 2 * _MARGIN
    background = sample_background(rng, rows, columns, tilt=0.0)
    people = [_make_up(studio, actor, i, seed) for i, actor in enumerate(scene.actors)]
    gain = None
    for number in range(scene.frames):
        canvas = background.copy()
        heads: list[tuple[TrueHead, np.ndarray]] = []
        # Far things first; what comes later hides them.
        things: list[_Person | Pillar] = [*people, *scene.pillars]
        things.sort(key=lambda thing: _nearness(thing, number))
        for thing in things:
            if isinstance(thing, Pillar):
                covered = _draw_pillar(canvas, thing, scene.shift(number))
            else:
                head = _draw_person(studio, canvas, thing, light, scene, number)
                if head is None:
                    continue
                true, covered = head
            for _, shown in heads:
                shown &= ~covered
            if not isinstance(thing, Pillar):
                heads.append((true, covered))
        frame = canvas[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        everything = np.zeros((rows, columns), bool)
        for _, shown in heads:
            everything |= shown
        gain = gain or photo.meter(canvas, everything, 0.5)
        developed = photo.develop(frame, gain)
        noisy = developed + rng.normal(0, _NOISE, developed.shape)
        seen = [replace(true, visible=_visible(true, shown)) for true, shown in heads]
        yield photo.to_bgr8(noisy), [true for true in seen if true.visible > 0]


def render_crowd(
    out: Path,
    rig_file: Path | None,
    seed: int,
    progress: bool = True,
    scenes: Sequence[str] | None = None,
) -> list[tuple[Path, Path]]:
    """Write every scene as ``NAME.mp4`` and ``NAME.csv``; those that are there already stay.

    The truth has a row for each head of a frame: ``frame`` from 0, ``identity``, ``visible`` (see
    `TrueHead`), ``x_0`` … ``y_48`` in pixels of the frame.

    Args:
        out: Folder to write to.
        rig_file: The face rig; None reads the environment variable.
        seed: Chooses people, light and background.
        progress: Whether to show a progress bar.
        scenes: Names of those that are wanted; None for all.

    Returns:
        Video and truth of each scene.

    Raises:
        RigError: There is no face rig.
        OSError: A video cannot be written.
    """
    wanted = [scene for scene in SCENES if scenes is None or scene.name in scenes]
    paths = [(out / f"{scene.name}.mp4", out / f"{scene.name}.csv") for scene in wanted]
    todo = [(s, p) for s, p in zip(wanted, paths, strict=True) if not all(f.exists() for f in p)]
    if not todo:
        return paths
    studio = open_studio(load_rig(rig_file))
    with tqdm(total=sum(s.frames for s, _ in todo), disable=not progress) as bar:
        for scene, (video, truth) in todo:
            with PendingFile(video) as video_part, PendingFile(truth) as truth_part:
                _write(render_scene(studio, scene, seed), video_part, truth_part, bar)
    return paths


def read_crowd(path: Path) -> dict[int, list[TrueHead]]:
    """Read a truth that :func:`render_crowd` wrote.

    Args:
        path: The CSV.

    Returns:
        Frame → its heads.
    """
    frames: dict[int, list[TrueHead]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            points = [[float(row[f"{axis}_{i}"]) for axis in "xy"] for i in range(COUNT)]
            head = TrueHead(int(row["identity"]), float(row["visible"]), np.array(points))
            frames.setdefault(int(row["frame"]), []).append(head)
    return frames


def _write(
    pictures: Iterable[tuple[np.ndarray, list[TrueHead]]], video: Path, truth: Path, bar: tqdm
) -> None:
    code = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(video), code, FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise OSError(f"OpenCV cannot write {video}: its build lacks the mp4v encoder")
    columns = [f"{axis}_{point}" for axis in "xy" for point in range(COUNT)]
    with truth.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["frame", "identity", "visible", *columns])
        for number, (picture, heads) in enumerate(pictures):
            writer.write(picture)
            for head in heads:
                points = np.round(head.landmarks.T.ravel(), 2).tolist()
                table.writerow([number, head.identity, f"{head.visible:.3f}", *points])
            bar.update()
    writer.release()
    # OpenCV does not say whether anything could be written.
    if frames_in(video) < number + 1:
        raise OSError(f"{video} could not be finished: the disc may be full")


def _make_up(studio: Studio, actor: Actor, number: int, seed: int) -> _Person:
    person = FIRST_PERSON + 100 * seed + actor.person
    rng = np.random.default_rng((seed, number, actor.person))
    lean = {name: rng.normal(0, 0.06) for shapes in AU_SHAPES.values() for name in shapes}
    identity = make_identity(studio, person)
    return _Person(actor, person, identity, rng, lean, rng.uniform(0, 2 * np.pi, 6))


def _nearness(thing: _Person | Pillar, number: int) -> float:
    return thing.scale if isinstance(thing, Pillar) else thing.actor.at(number)[2]


def _draw_person(
    studio: Studio,
    canvas: np.ndarray,
    person: _Person,
    light: Lighting,
    scene: CrowdScene,
    number: int,
) -> tuple[TrueHead, np.ndarray] | None:
    """Draw a head onto the canvas; return its truth and (H, W) mask, None if it is not there."""
    x, y, scale = person.actor.at(number)
    sway = np.sin(
        2 * np.pi * np.array([0.3, 0.45, 0.35, 0.25, 0.4, 0.2]) * number / FPS + person.phase
    )
    shift = scene.shift(number)
    middle = np.array([x + 2 * sway[3] + shift[0], y + 2 * sway[4] + shift[1]]) + _MARGIN
    reach = np.array(_REACH) * scale
    low, high = np.floor(middle - reach).astype(int), np.ceil(middle + reach).astype(int)
    if (low < 0).any() or (high > canvas.shape[1::-1]).any():
        return None  # wholly out of the frame, as the margin is wider than a head
    tile = canvas[low[1] : high[1], low[0] : high[0]]
    matrix = np.hstack([np.eye(2) * scale, (middle - low)[:, None]])
    pose = Pose(0.2 * sway[0], 0.07 * sway[1], 0.05 * sway[2], distance=90)
    smile = max(0.0, float(sway[5]))
    expression = Expression(
        {6: 0.6 * smile, 12: 0.8 * smile}, {}, person.lean, (0.06 * sway[3], 0.03 * sway[4])
    )
    picture = render(
        studio, person.identity, expression, pose, light, tile.copy(), fixed_placement(matrix), 1.5
    )
    tile[:] = picture.linear
    covered = np.zeros(canvas.shape[:2], bool)
    covered[low[1] : high[1], low[0] : high[0]] = picture.covered
    landmarks = picture.landmarks + low - _MARGIN
    return TrueHead(person.number, 1.0, landmarks), covered


def _draw_pillar(canvas: np.ndarray, pillar: Pillar, shift: tuple[float, float]) -> np.ndarray:
    left, right = (round(x + shift[0]) + _MARGIN for x in (pillar.left, pillar.right))
    shade = 0.12 + 0.1 * np.sin(np.linspace(0, np.pi, right - left, dtype=np.float32))
    canvas[:, left:right] = shade[:, None]
    covered = np.zeros(canvas.shape[:2], bool)
    covered[:, left:right] = True
    return covered


def _visible(head: TrueHead, shown: np.ndarray) -> float:
    """Tell how much of the face is shown: of its box, which the head fills."""
    x, y, width, height = face_box(head.landmarks)
    left, top = (max(0, round(v)) for v in (x, y))
    right, bottom = min(WIDTH, round(x + width)), min(HEIGHT, round(y + height))
    if right <= left or bottom <= top:
        return 0.0
    part = shown[top + _MARGIN : bottom + _MARGIN, left + _MARGIN : right + _MARGIN]
    return float(part.sum() / (width * height))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.faces.crowd", description="Render clips of several people."
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="folder; a video and a table of the truth are written there for each scene",
    )
    parser.add_argument("--rig", type=Path, help="face rig; else $LGRNET_FACE_RIG")
    parser.add_argument(
        "--seed",
        type=count,
        default=1,
        help="others give other people, light and background (default: %(default)s)",
    )
    return parser.parse_args(argv)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        render_crowd(args.out, args.rig, args.seed)
    except (RigError, OSError, ValueError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
