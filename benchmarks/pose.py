"""How far head poses are off on rendered faces whose pose is known.

::

    python -m benchmarks.pose --rig face_rig.npz --json docs/pose.json

People are in no split of any data set; the camera has the focal length that `runtime.pose` assumes.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.shared.record import write_record
from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.head.rig import RigError, load_rig
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.identity import Studio, make_identity, open_studio
from lgrnet.faces.render import fixed_placement, portrait, render
from lgrnet.faces.scene.light import sample_lighting
from runtime import Detector
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, InputError, ModelError
from runtime.pose import FOCAL_LENGTH, HeadPose, head_pose

FIRST_PERSON = 90_001_000
WIDTH, HEIGHT = 640, 480
LARGEST = (35, 20, 15)
"""Largest yaw, pitch and roll, degrees."""
AUS = (1, 2, 4, 6, 9, 10, 12, 15, 17, 25, 26, 43)


def measure(detector: Detector, studio: Studio, people: int, seed: int = 3) -> dict:
    """Compare poses with the truth.

    Args:
        detector: Finds faces and landmarks, each frame by itself.
        studio: Renders.
        people: Faces, each of another person with three AUs.
        seed: Of poses, expressions and light.

    Returns:
        ``faces``, ``found`` and, of the pose from the network's landmarks and from the true ones,
        absolute errors of yaw, pitch and roll in degrees: mean, median and 95th percentile.

    Raises:
        InputError: The detector finds none of the faces.
    """
    rng = np.random.default_rng(seed)
    network, truth, distance = [], [], []
    for number in range(people):
        person = make_identity(studio, FIRST_PERSON + number)
        aus = rng.choice(AUS, 3, replace=False)
        active = {int(au): float(rng.uniform(0.3, 1)) for au in aus}
        angles = rng.uniform(-np.array(LARGEST), LARGEST)
        yaw, pitch, roll = np.deg2rad(angles)
        pose = Pose(yaw, pitch, roll, rng.uniform(45, 110))
        zoom = FOCAL_LENGTH * WIDTH / pose.distance
        place = np.array([[zoom, 0, (WIDTH - 1) / 2], [0, zoom, (HEIGHT - 1) / 2]])
        picture = render(
            *(studio, person, Expression(active, {}, {}, (0, 0)), pose, sample_lighting(rng)),
            *(np.full((HEIGHT, WIDTH, 3), 0.2, np.float32), fixed_placement(place)),
        )
        result = detector(portrait(picture))
        if not result.faces:
            continue
        seen, known = result.faces[0].pose, head_pose(picture.landmarks, (WIDTH, HEIGHT))
        if seen is None or known is None:
            continue
        network.append(np.subtract(_angles(seen), angles))
        truth.append(np.subtract(_angles(known), angles))
        distance.append(seen.translation[2] / 10 / pose.distance)
    if not network:
        raise InputError(f"{detector!r} finds none of {people} rendered faces: give --people more")
    return {
        "detector": repr(detector),
        "faces": people,
        "found": len(network),
        "largest_degrees": dict(zip(("yaw", "pitch", "roll"), LARGEST, strict=True)),
        "from_network": _summary(network),
        "from_true_landmarks": _summary(truth),
        "distance_over_true": {"mean": float(np.mean(distance)), "std": float(np.std(distance))},
    }


def _angles(pose: HeadPose) -> tuple[float, float, float]:
    return pose.yaw, pose.pitch, pose.roll


def _summary(errors: list[np.ndarray]) -> dict:
    off = np.abs(errors)
    rows = {"mean": off.mean(0), "median": np.median(off, 0), "p95": np.percentile(off, 95, 0)}
    return {
        name: {key: round(float(values[i]), 2) for key, values in rows.items()}
        for i, name in enumerate(("yaw", "pitch", "roll"))
    }


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pose", description=purpose(__doc__), formatter_class=DefaultsHelp
    )
    parser.add_argument("--rig", type=Path, help="face rig; else $LGRNET_FACE_RIG")
    parser.add_argument("--model", default="edge-native", help="packaged model or file")
    parser.add_argument("--people", type=positive, default=60, help="how many are rendered")
    parser.add_argument(
        "--json", type=output_file, help="where the record goes; printed only if not given"
    )
    args = parser.parse_args(argv)
    try:
        studio = open_studio(load_rig(args.rig))
        with Detector(args.model, threads=1) as detector:
            record = measure(detector, studio, args.people)
    except (RigError, InputError, DeviceError, ModelError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(record, indent=2))
    if args.json:
        write_record(record, args.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
