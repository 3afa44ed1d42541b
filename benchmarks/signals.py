"""What smoothing, hysteresis and a baseline change, on the demo clip and on resting faces.

::

    python -m benchmarks.signals --rig face_rig.npz --json docs/signals.json

The people of the second part are in no split of any data set. Each rests for eight frames, then
shows three AUs a frame for six.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.shared.record import write_record
from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.drawing.shade import Lighting
from lgrnet.faces.generate import RENDERER_VERSION
from lgrnet.faces.head.rig import RigError, load_rig
from lgrnet.faces.motion.action_units import FACE_AUS
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.motion.labels import au_presence
from lgrnet.faces.person.identity import Identity, Studio, make_identity, open_studio
from lgrnet.faces.render import Render, fixed_placement, portrait, render
from lgrnet.faces.scene.light import sample_lighting
from runtime import Detector
from runtime.action_units import au_key
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, InputError, ModelError
from runtime.packaged import DEMO_CLIP, DEMO_TRUTH
from runtime.results import Result
from runtime.signals import SignalBank, Signals
from runtime.truth import Agreement, read_truth

FORMAT = "lgrnet-signals-1"
"""Of the record."""

WAYS = {
    "raw": Signals(),
    "hysteresis 0.3": Signals(hysteresis=0.3),
    "ema": Signals(smooth="ema"),
    "one-euro": Signals(smooth="one-euro"),
    "baseline 20": Signals(baseline=20),
}
FIRST_PERSON = 90_002_000
_SEED = 5  # of the light and the expressions of resting people
WIDTH, HEIGHT, PIXELS_PER_CM = 480, 360, 13.0
RESTING, ACTING, LEARNING = 8, 6, 6
AUS = (1, 2, 4, 6, 7, 9, 10, 12, 14, 15, 17, 25, 26)


def demo(detector: Detector) -> dict:
    """Count onsets and judge presence on the demo clip; ``true`` has the truth's onsets."""
    truth = read_truth(DEMO_TRUTH)
    results = list(detector.stream(DEMO_CLIP))
    there = [{au for au, on in truth[frame].aus.items() if on} for frame in sorted(truth)]
    record: dict = {"true": {"onsets": onsets(there)}}
    for name, signals in WAYS.items():
        bank = SignalBank(signals, detector.aus, detector.spec.thresholds)
        agreement, present = Agreement(truth, detector.aus), []
        for result in map(bank.apply, results):
            agreement.add(result)
            present.append(seen(result))
        f1 = round(agreement.as_dict()["mean_f1"], 4)
        record[name] = {"mean_f1": f1, "onsets": onsets(present)}
    return record


def onsets(present: Iterable[set[str]]) -> int:
    """Count how often an AU begins, whatever was there before the first frame."""
    count, before = 0, set[str]()
    for now in present:
        count += len(now - before)
        before = now
    return count


def seen(result: Result) -> set[str]:
    """Return what is present in the first face."""
    return set(result.faces[0].present) if result.faces else set()


def resting(detector: Detector, studio: Studio, people: int) -> dict:
    """Count what is wrongly seen at rest, and hits and errors afterwards, with a baseline or not.

    Args:
        detector: Follows each person.
        studio: Renders.
        people: How many.

    Returns:
        Way → ``false_at_rest`` in the last two resting frames, then ``hits``, ``false``,
        ``missed`` and ``micro_f1`` in those with AUs (None where no face was found).
    """
    rng = np.random.default_rng(_SEED)
    ways = {"raw": Signals(), f"baseline {LEARNING}": Signals(baseline=LEARNING)}
    banks = {n: SignalBank(s, detector.aus, detector.spec.thresholds) for n, s in ways.items()}
    counts = {name: np.zeros(4, int) for name in ways}
    for number in range(people):
        person, light = make_identity(studio, FIRST_PERSON + number), sample_lighting(rng)
        detector.reset()
        for bank in banks.values():
            bank.reset()
        frames: list[dict[int, float]] = [{}] * RESTING
        frames += [_some_aus(rng) for _ in range(ACTING)]
        for step, active in enumerate(frames):
            picture = _picture(studio, person, light, active, step)
            result = detector.track(portrait(picture))
            true = _true(active, picture.landmarks)
            for name, bank in banks.items():
                found = seen(bank.apply(result))
                if LEARNING <= step < RESTING:
                    counts[name][0] += len(found - true)
                elif step >= RESTING and result.faces:
                    counts[name][1:] += (len(found & true), len(found - true), len(true - found))
    return {"people": people, **{name: _row(row.tolist()) for name, row in counts.items()}}


def _row(counts: list[int]) -> dict:
    rest, hits, false, missed = counts
    judged = 2 * hits + false + missed
    f1 = round(2 * hits / judged, 4) if judged else None
    keys = ("false_at_rest", "hits", "false", "missed", "micro_f1")
    return dict(zip(keys, (rest, hits, false, missed, f1), strict=True))


def _some_aus(rng: np.random.Generator) -> dict[int, float]:
    return {int(au): float(rng.uniform(0.6, 1)) for au in rng.choice(AUS, 3, replace=False)}


def _picture(
    studio: Studio, person: Identity, light: Lighting, active: dict[int, float], step: int
) -> Render:
    pose = Pose(0.06 * np.sin(step), 0.04 * np.cos(step), 0, distance=75)
    place = PIXELS_PER_CM * np.eye(2, 3)
    place[:, 2] = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    background = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)
    expression = Expression(active, {}, {}, (0, 0))
    return render(studio, person, expression, pose, light, background, fixed_placement(place), 1.2)


def _true(active: dict[int, float], landmarks: np.ndarray) -> set[str]:
    strength = np.array([[active.get(au, 0.0) for au in FACE_AUS]])
    labels = au_presence(strength, landmarks[None])[0]
    return {au_key(au) for au, label in zip(FACE_AUS, labels, strict=True) if label == 1}


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.signals",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    parser.add_argument("--rig", type=Path, help="face rig; else $LGRNET_FACE_RIG")
    parser.add_argument("--model", default="edge-native", help="packaged model or file")
    parser.add_argument("--people", type=positive, default=24, help="how many are rendered at rest")
    parser.add_argument(
        "--json", type=output_file, help="where the record goes; printed only if not given"
    )
    args = parser.parse_args(argv)
    try:
        studio = open_studio(load_rig(args.rig))
        with Detector(args.model, threads=1) as detector:
            record = {
                "format": FORMAT,
                "renderer": RENDERER_VERSION,
                "detector": repr(detector),
                "demo_clip": demo(detector),
                "resting_faces": resting(detector, studio, args.people),
            }
    except (RigError, InputError, DeviceError, ModelError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(record, indent=2))
    if args.json:
        write_record(record, args.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
