"""Render the demo clip with its ground truth: ``python -m lgrnet.faces.clip --out runtime/demo``.

Several people, one after the other, each going through a few expressions while the head moves. They
are in no split of any data set.
"""

import argparse
import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from lgrnet.faces.drawing import photo
from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.head.rig import RigError, load_rig
from lgrnet.faces.motion.action_units import AU_SHAPES, FACE_AUS
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.motion.labels import au_presence
from lgrnet.faces.noise import smoothstep
from lgrnet.faces.person.identity import Studio, make_identity, open_studio
from lgrnet.faces.render import fixed_placement, render
from lgrnet.faces.scene.background import sample_background
from lgrnet.faces.scene.light import sample_lighting
from runtime.action_units import au_key
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.files.atomic import PendingFile
from runtime.landmarks import COUNT
from runtime.outputs.pictures import frames_in

logger = logging.getLogger(__name__)

WIDTH, HEIGHT, FPS = 640, 360, 30
FRAMES_PER_EXPRESSION = 24
_PIXELS_PER_CM = 13.0
_RAMP = 7  # frames in which an expression comes or goes


@dataclass(frozen=True)
class Scene:
    """One person's part of the clip.

    Attributes:
        person: Number of the person.
        seed: Seed of light, background and movement.
        expressions: One after the other, each AU → intensity in [0, 1].
    """

    person: int
    seed: int
    expressions: tuple[dict[int, float], ...]


SCENES: tuple[Scene, ...] = (
    Scene(90_000_010, 33, ({}, {6: 0.8, 12: 0.9, 25: 0.6}, {1: 0.9, 2: 0.9, 25: 0.5, 26: 0.6})),
    Scene(90_000_019, 46, ({}, {4: 1.0, 7: 0.6, 9: 0.6}, {15: 0.9, 17: 0.8, 1: 0.5})),
    Scene(90_000_022, 32, ({}, {12: 0.8, 6: 0.7, 7: 0.5}, {14: 0.9, 24: 0.8})),
)  # fmt: skip
"""The demo's script."""


def intensities(scene: Scene) -> list[dict[int, float]]:
    """Blend a scene's expressions into one another, frame by frame."""
    frames = []
    for number, target in enumerate(scene.expressions):
        before = scene.expressions[number - 1] if number else {}
        for step in range(FRAMES_PER_EXPRESSION):
            share = float(smoothstep(np.array(step), 0, _RAMP))
            mixed = {
                au: before.get(au, 0.0) * (1 - share) + target.get(au, 0.0) * share
                for au in sorted(set(before) | set(target))
            }
            frames.append({au: value for au, value in mixed.items() if value > 0})
    return frames


def render_clip(out: Path, rig_file: Path | None, progress: bool = True) -> None:
    """Write ``clip.mp4`` and ``clip_truth.csv``.

    The truth has a row for each frame: ``frame`` from 0, ``identity``, ``AUxx_c`` (0 or 1) for
    every AU that the renderer labels, ``x_0`` … ``y_48`` in pixels of the frame.

    Args:
        out: Folder to write to.
        rig_file: The face rig; None reads the environment variable.
        progress: Whether to show a progress bar.

    Raises:
        RigError: There is no face rig.
        OSError: The video cannot be written.
    """
    studio = open_studio(load_rig(rig_file))
    with PendingFile(out / "clip.mp4") as video, PendingFile(out / "clip_truth.csv") as truth:
        _write(studio, video, truth, progress)


def _write(studio: Studio, video: Path, truth: Path, progress: bool) -> None:
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise OSError(f"OpenCV cannot write {video}: its build lacks the mp4v encoder")
    columns = [f"{axis}_{point}" for axis in "xy" for point in range(COUNT)]
    header = ["frame", "identity", *(f"{au_key(au)}_c" for au in FACE_AUS), *columns]
    total = sum(len(scene.expressions) for scene in SCENES) * FRAMES_PER_EXPRESSION
    with (
        truth.open("w", encoding="utf-8", newline="") as file,
        tqdm(total=total, disable=not progress) as bar,
    ):
        table = csv.writer(file)
        table.writerow(header)
        frame = 0
        for scene in SCENES:
            for picture, present, points in _render_scene(studio, scene):
                writer.write(picture)
                rounded = np.round(np.concatenate([points[:, 0], points[:, 1]]), 2)
                table.writerow([frame, scene.person, *present, *rounded.tolist()])
                frame += 1
                bar.update()
    writer.release()
    # OpenCV does not say whether anything could be written.
    if frames_in(video) < frame:
        raise OSError(f"{video} could not be finished: the disc may be full")


def _render_scene(
    studio: Studio, scene: Scene
) -> Iterator[tuple[np.ndarray, list[int], np.ndarray]]:
    """Yield picture (360, 640, 3) uint8 BGR, presence of every AU, landmarks (49, 2)."""
    rng = np.random.default_rng(scene.seed)
    person = make_identity(studio, scene.person)
    light = sample_lighting(rng)
    background = sample_background(rng, HEIGHT, WIDTH, tilt=0.0)
    lean = {name: rng.normal(0, 0.06) for shapes in AU_SHAPES.values() for name in shapes}
    phase = rng.uniform(0, 2 * np.pi, 5)
    gain = None
    for number, active in enumerate(intensities(scene)):
        t = number / FPS
        sway = np.sin(2 * np.pi * np.array([0.35, 0.5, 0.4, 0.3, 0.45]) * t + phase)
        pose = Pose(0.22 * sway[0], 0.08 * sway[1], 0.06 * sway[2], distance=75)
        at = np.array([WIDTH / 2 + 45 * sway[3], HEIGHT / 2 + 22 + 10 * sway[4]])
        matrix = np.hstack([np.eye(2) * _PIXELS_PER_CM, at[:, None]])
        if number % 50 in (38, 39):
            active = {**active, 43: 0.9}  # a blink
        expression = Expression(active, {}, lean, (0.08 * sway[3], 0.04 * sway[4]))
        place = fixed_placement(matrix)
        picture = render(studio, person, expression, pose, light, background, place, 2.0)
        gain = gain or photo.meter(picture.linear, picture.covered, 0.5)
        developed = photo.develop(picture.linear, gain)
        noisy = developed + rng.normal(0, 0.006, developed.shape)
        strength = np.array([[active.get(au, 0.0) for au in FACE_AUS]])
        present = au_presence(strength, picture.landmarks[None])[0].tolist()
        yield photo.to_bgr8(noisy), present, picture.landmarks


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.faces.clip", description="Render the demo clip and its truth."
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="folder; clip.mp4 and clip_truth.csv are written there",
    )
    parser.add_argument("--rig", type=Path, help="face rig; else $LGRNET_FACE_RIG")
    return parser.parse_args(argv)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        render_clip(args.out, args.rig)
    except (RigError, InputError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
