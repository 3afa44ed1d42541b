"""How a model does on clips of real people: ``python -m benchmarks.clips FOLDER``.

``benchmarks/clips.toml`` says, for some public clips, in which frames an AU is plainly there and in
which it is plainly not, and when a face is at rest. The detector tracks each clip as in use;
reported are how well probabilities rank those frames (AUC), which of them it calls, and which AUs
it sees in resting faces; and all that again with a baseline, learned from a clip's first frames.
The clips are not ours to hand out: put those you have into a folder, under their names.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.agreement import Curves, curves
from benchmarks.shared.annotations import read_annotations
from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import write_record
from benchmarks.table import Column, markdown, number
from runtime.action_units import au_key
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.signals import Signals
from runtime.signals.baseline import Baseline

FORMAT = "lgrnet-clips-3"
ANNOTATIONS = Path(__file__).with_name("clips.toml")


def load_annotations(path: Path = ANNOTATIONS) -> list[dict]:
    """Read what is to be seen in which clip.

    Args:
        path: A TOML file in the form of ``clips.toml``.

    Returns:
        The clips, as plain values.

    Raises:
        InputError: The file is missing, is no TOML, or an entry lacks something; the message says
            which.
    """
    return read_annotations(path, "clip", _check)


def _check(clip: Mapping) -> None:
    file, _ = clip["file"], clip["source"]
    people = clip.get("people", [])
    if not isinstance(people, list) or not all(isinstance(each, str) for each in people):
        raise ValueError(f"{file}: people {people!r} is no list of names")
    named = [(f"AU {rank['au']}", rank["on"] + rank["off"]) for rank in clip.get("rank", [])]
    for what, ranges in [*named, ("at rest", clip.get("neutral", []))]:
        for first, last in ranges:
            if not 0 <= first <= last:
                raise ValueError(f"{file}, {what}: [{first}, {last}] is no range")


def frames_of(ranges: Sequence[Sequence[int]], count: int) -> np.ndarray:
    """Mark frames; (count,) bool, ranges being inclusive."""
    chosen = np.zeros(count, bool)
    for first, last in ranges:
        chosen[first : last + 1] = True
    return chosen


def rank_area(on: np.ndarray, off: np.ndarray) -> float:
    """Return how often a frame with the AU is ranked above one without; NaN without either.

    Args:
        on: Probabilities where the AU is there, (a,).
        off: Where it is not, (b,).
    """
    if not len(on) or not len(off):
        return float("nan")
    above = on[:, None] > off[None]
    return float((above + 0.5 * (on[:, None] == off[None])).mean())


def with_baseline(found: Curves, frames: int) -> Curves:
    """Take off what the face shows at rest, as ``Signals(baseline=frames)`` does.

    Args:
        found: What the detector says of a clip.
        frames: First frames with a face, which the rest is learned from.

    Returns:
        The same; NaN, so that they are not judged, where the rest was still being learned.
    """
    baseline = Baseline(frames, Signals().baseline_quantile)
    judged = np.full_like(found.probability, np.nan)
    for row, probability in enumerate(found.probability):
        if np.isnan(probability).any():
            continue
        known = baseline.learned
        adjusted = baseline(probability)
        if known:
            judged[row] = adjusted
    return found._replace(probability=judged)


def judge_clip(clip: Mapping, found: Curves) -> tuple[list[dict], list[dict]]:
    """Compare a detector's curves with what is to be seen.

    Args:
        clip: From :func:`load_annotations`.
        found: What the detector says of it.

    Returns:
        A row for each AU that is ranked (``auc``, medians, share of frames in which it is called,
        frames, share of frames that could not be judged), and, where the clip has a resting face, a
        row of it: how many ``frames`` of it were judged, and in which share of them each AU that is
        on in one of them is ``called``.
    """
    ranked, resting = [], []
    for rank in clip.get("rank", []):
        key = au_key(rank["au"])
        row = {"clip": clip["file"], "au": key}
        if key not in found.aus:
            continue
        column = found.aus.index(key)
        curve, threshold = found.probability[:, column], found.thresholds[column]
        on, off = (curve[frames_of(rank[side], len(curve))] for side in ("on", "off"))
        lost = float(np.isnan(np.concatenate([on, off])).mean())
        on, off = on[~np.isnan(on)], off[~np.isnan(off)]
        ranked.append(
            {
                **row,
                "auc": rank_area(on, off) if len(on) and len(off) else None,
                "median_on": float(np.median(on)) if len(on) else None,
                "median_off": float(np.median(off)) if len(off) else None,
                "called_on": float((on >= threshold).mean()) if len(on) else None,
                "called_off": float((off >= threshold).mean()) if len(off) else None,
                "frames_on": len(on),
                "frames_off": len(off),
                "lost": lost,
            }
        )
    if "neutral" in clip:
        still = found.probability[frames_of(clip["neutral"], len(found.probability))]
        still = still[~np.isnan(still[:, 0])]
        called = (still >= found.thresholds).mean(0) if len(still) else np.zeros(len(found.aus))
        shares = {key: float(each) for key, each in zip(found.aus, called, strict=True) if each > 0}
        resting.append({"clip": clip["file"], "frames": len(still), "called": shares})
    return ranked, resting


def seen_at_rest(row: Mapping) -> str:
    """Say what is called in a resting face, in at least one frame in a hundred, the most first."""
    if not row["frames"]:
        return "no frame left"
    seen = sorted(row["called"].items(), key=lambda each: -each[1])
    return ", ".join(f"{key} {100 * each:.0f} %" for key, each in seen if each >= 0.01) or "none"


_RANKED: tuple[Column, ...] = (
    ("clip", "---", lambda row: row["clip"]),
    ("AU", "---", lambda row: row["au"]),
    ("AUC", "---:", number("auc", 3)),
    ("median on", "---:", number("median_on", 2)),
    ("median off", "---:", number("median_off", 2)),
    ("called on %", "---:", number("called_on", 0, 100)),
    ("called off %", "---:", number("called_off", 0, 100)),
    ("frames on", "---:", lambda row: str(row["frames_on"])),
    ("off", "---:", lambda row: str(row["frames_off"])),
    ("not judged %", "---:", number("lost", 1, 100)),
)
_RESTING: tuple[Column, ...] = (
    ("resting face", "---", lambda row: row["clip"]),
    ("frames", "---:", lambda row: str(row["frames"])),
    ("AUs that are called, and in how many of them", "---", seen_at_rest),
)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clips",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    parser.add_argument("folder", type=Path, help="holds the clips, or some of them")
    parser.add_argument(
        "--model", default="edge", metavar="FILE[@ENGINE[@bf16]]", help="packaged name or file"
    )
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads")
    parser.add_argument("--flip-test", action="store_true", help="as of Detector(flip_test=True)")
    parser.add_argument(
        "--baseline",
        type=positive,
        default=15,
        metavar="FRAMES",
        help="first frames of a clip that a baseline learns from",
    )
    parser.add_argument(
        "--json", type=output_file, default=Path("out/clips.json"), help="where the record goes"
    )
    args = parser.parse_args(argv)
    ranked, resting, missing, used, active = list[dict](), list[dict](), [], [], ""
    later: dict[str, list[dict]] = {"ranked": [], "resting": []}
    try:
        clips = load_annotations(ANNOTATIONS)
        for clip in clips:
            path = args.folder / clip["file"]
            if not path.is_file():
                missing.append(clip["file"])
                print(f"{clip['file']} is not in {args.folder}; it comes with {clip['source']}")
                continue
            found = curves(args.model, path, args.threads, args.flip_test)
            active = found.detector
            for rows, new in zip((ranked, resting), judge_clip(clip, found), strict=True):
                rows += new
            adjusted = judge_clip(clip, with_baseline(found, args.baseline))
            for rows, new in zip(later.values(), adjusted, strict=True):
                rows += new
            used.append(clip["file"])
        if not used:
            raise InputError(f"folder {args.folder} holds none of the clips named above")
    except BrokenPipeError:
        raise  # an OSError, but no bad input
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(active)
    print(markdown(_RANKED, ranked))
    print(markdown(_RESTING, resting))
    print(f"with a baseline of the first {args.baseline} frames:")
    print(markdown(_RANKED, later["ranked"]))
    print(markdown(_RESTING, later["resting"]))
    record = {
        "format": FORMAT, "machine": describe_machine(), "detector": active, "clips": used,
        "missing": missing, "ranked": ranked, "resting": resting,
        "with_baseline": {"frames": args.baseline, **later},
    }  # fmt: skip
    write_record(record, args.json)
    print(f"written to {args.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
