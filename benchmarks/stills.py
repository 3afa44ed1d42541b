"""How a model does on photographs of real people: ``python -m benchmarks.stills FOLDER``.

``benchmarks/stills.toml`` says for each face of some public pictures which AUs it plainly shows and
whether it rests. Each face is cut out with what is around it and given to the detector as a picture
of its own; reported are in how many of a person's resting pictures each AU is called, how well
probabilities rank faces that show an AU above resting ones (AUC), and which faces are not found.
The pictures are not ours to hand out: ``--list`` tells where they come from; put those you
have into a folder, under ``PACKAGE-VERSION/NAME``. ``--cut-out`` writes the faces and a table of
what they show, for ``lgrnet.prepare own``, without the people of the clips (``clips.toml``).
"""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks import clips
from benchmarks.clips import rank_area
from benchmarks.shared.annotations import read_annotations
from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import write_record
from benchmarks.table import Column, markdown, number
from lgrnet.evaluation.bootstrap import RESAMPLES, interval
from runtime import Detector
from runtime.action_units import AU_NAMES, au_key
from runtime.console.help import DefaultsHelp, purpose
from runtime.console.option_types import output_file, positive
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.files.atomic import PendingFile, make_folder
from runtime.outputs.pictures import write_image

FORMAT = "lgrnet-stills-2"
ANNOTATIONS = Path(__file__).with_name("stills.toml")

FEWEST = 5
"""People who must show an AU for it to be ranked."""


class Answers(NamedTuple):
    """What a detector says of the faces.

    Attributes:
        detector: What was active.
        aus: Keys of the AUs.
        probability: (faces, n), NaN where no face was found.
        thresholds: From which an AU counts as present, (n,).
    """

    detector: str
    aus: tuple[str, ...]
    probability: np.ndarray
    thresholds: np.ndarray


def load_annotations(path: Path = ANNOTATIONS) -> list[dict]:
    """Read what which face shows.

    Args:
        path: A TOML file in the form of ``stills.toml``.

    Returns:
        The faces, as plain values: ``package``, ``picture`` (and ``frame``, of a video), ``box``
        (left, top, width, height, pixels; it may reach over the border), ``person``, ``rest``,
        ``shows``.

    Raises:
        InputError: The file is missing, is no TOML, or an entry lacks something; the message says
            which.
    """
    return read_annotations(path, "still", _check)


def _check(still: Mapping) -> None:
    where = f"{still['package']}: {still['picture']}"
    _, shows, rest = still["person"], still["shows"], still["rest"]
    if len(still["box"]) != 4 or min(still["box"][2:]) < 1:
        raise ValueError(f"{where}: {still['box']} is no box")
    if rest and shows:
        raise ValueError(f"{where}: a face at rest shows no AU")


def place(folder: Path, still: Mapping) -> Path:
    """Return where a picture lies."""
    _, name, version = still["package"].split()
    return folder / f"{name}-{version}" / Path(still["picture"]).name


def cut_out(path: Path, still: Mapping) -> np.ndarray:
    """Read a face with what is around it.

    Args:
        path: A picture or a video.
        still: From :func:`load_annotations`.

    Returns:
        (height, width, 3) uint8, BGR; what lies beyond the border is black.

    Raises:
        InputError: The file cannot be read.
    """
    if "frame" in still:
        video = cv2.VideoCapture(str(path))
        for _ in range(still["frame"]):  # seeking is not exact in every file
            video.grab()
        read, frame = video.read()
        video.release()
        picture = frame if read else None
    else:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError(f"{path} cannot be read: it comes with {still['package']}")
    left, top, width, height = still["box"]
    shift = np.array([[1.0, 0, -left], [0, 1, -top]])
    return cv2.warpAffine(picture, shift, (width, height), flags=cv2.INTER_NEAREST)


def ask(model: str, crops: Sequence[np.ndarray], threads: int, flip_test: bool = False) -> Answers:
    """Give each face to the detector, as a picture of its own.

    Args:
        model: A packaged model or a file.
        crops: From :func:`cut_out`.
        threads: CPU threads.
        flip_test: As of `runtime.Detector`.

    Returns:
        What it says of the largest face of each.
    """
    with Detector(model, threads=threads, flip_test=flip_test) as detector:
        rows = np.full((len(crops), len(detector.aus)), np.nan)
        for row, crop in zip(rows, crops, strict=True):
            faces = detector(crop).faces
            if faces:
                largest = max(faces, key=lambda face: face.box[2] * face.box[3])
                row[:] = list(largest.aus.values())
        thresholds = np.array(detector.spec.thresholds)
        return Answers(repr(detector), detector.aus, rows, thresholds)


def people_of_clips() -> set[str]:
    """Name the people whom the clips show as well, see ``clips.toml``."""
    found = clips.load_annotations(clips.ANNOTATIONS)
    return {person for clip in found for person in clip.get("people", ())}


def write_table(folder: Path, stills: Sequence[Mapping], crops: Sequence[np.ndarray]) -> Path:
    """Write faces, and what they show as :mod:`lgrnet.corpora.own` reads it.

    A face at rest lacks all AUs; of others only those are known that they show. People of the clips
    are left out: what is tuned on these faces is judged on the clips.

    Args:
        folder: Where to; made if need be.
        stills: From :func:`load_annotations`.
        crops: From :func:`cut_out`.

    Returns:
        The table, in split ``val``, as such faces have a say in thresholds.

    Raises:
        InputError: The folder cannot be made.
        OutputError: A picture cannot be written.
    """
    make_folder(folder)
    table = folder / "faces.csv"
    apart = people_of_clips()
    with PendingFile(table) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "person", "split", *map(au_key, AU_NAMES)])
        for number, (still, crop) in enumerate(zip(stills, crops, strict=True)):
            if still["person"] in apart:
                continue
            name = f"{number:03d}.png"
            write_image(folder / name, crop)
            absent = 0 if still["rest"] else ""
            labels = [1 if au in still["shows"] else absent for au in AU_NAMES]
            rows.writerow([name, still["person"], "val", *labels])
    return table


def judge(stills: Sequence[Mapping], answers: Answers) -> dict:
    """Compare answers with what is to be seen.

    Args:
        stills: From :func:`load_annotations`.
        answers: What a detector says of them.

    Returns:
        ``faces``, ``people``, ``not_found``; ``rest``: how many people, AUs called of each on
        average (with the interval that holds 95 % of it as people vary), how many of them without
        any (in more than half of their pictures), and the share of people by AU; ``aus``: a row for
        each AU that at least :data:`FEWEST` people show (``auc`` against resting faces, share
        ``called`` with its interval, ``people``, ``faces``). Everybody counts as one: pictures of
        one person are averaged first.
    """
    found = ~np.isnan(answers.probability[:, 0])
    called = answers.probability >= answers.thresholds
    people = np.array([still["person"] for still in stills])
    rest = np.array([still["rest"] for still in stills]) & found
    shares = _by_person(called, people, rest)
    rows = []
    for column, key in enumerate(answers.aus):
        shows = found & [key in {au_key(au) for au in still["shows"]} for still in stills]
        each = _by_person(called[:, column], people, shows)
        if len(each) < FEWEST:
            continue
        rows.append(
            {
                "au": key,
                "auc": _area(answers.probability[:, column], people, shows, rest),
                "called": float(each.mean()),
                "called_95": _interval(each),
                "people": len(each),
                "faces": int(shows.sum()),
            }
        )
    resting = {
        "people": len(shares),
        "faces": int(rest.sum()),
        "aus_called": float(shares.sum(1).mean()) if len(shares) else None,
        "aus_called_95": _interval(shares.sum(1)) if len(shares) else None,
        "without": int((shares <= 0.5).all(1).sum()),
        "share": {key: float(share) for key, share in zip(answers.aus, shares.mean(0), strict=True)}
        if len(shares)
        else {},
    }
    return {
        "faces": len(stills),
        "people": len(set(people)),
        "not_found": int((~found).sum()),
        "rest": resting,
        "aus": rows,
    }


def _by_person(values: np.ndarray, people: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Average over each person's chosen faces, (people, ...) in the order of their first one."""
    who = list(dict.fromkeys(people[chosen]))
    means = [values[chosen & (people == one)].mean(0) for one in who]
    return np.array(means, float).reshape(len(who), *values.shape[1:])


def _area(
    probability: np.ndarray, people: np.ndarray, shows: np.ndarray, rest: np.ndarray
) -> float | None:
    """Return how often somebody who shows an AU is ranked above somebody at rest; None without."""
    if not rest.any():
        return None
    of = [
        [
            rank_area(probability[shows & (people == one)], probability[rest & (people == other)])
            for other in dict.fromkeys(people[rest])
        ]
        for one in dict.fromkeys(people[shows])
    ]
    return float(np.mean(of))


def _interval(each: np.ndarray) -> list[float] | None:
    """Return what holds 95 % of the mean over people, who are drawn; None of one person."""
    if len(each) < 2:
        return None
    drawn = np.random.default_rng(0).integers(0, len(each), (RESAMPLES, len(each)))
    return list(interval(each[drawn].mean(1)))


def _between(limits: list[float] | None) -> str:
    return "unknown" if limits is None else " to ".join(f"{limit:.2f}" for limit in limits)


_SHOWN: tuple[Column, ...] = (
    ("AU", "---", lambda row: row["au"]),
    ("people who show it", "---:", number("people", 0)),
    ("AUC against rest", "---:", number("auc", 3)),
    ("called %", "---:", number("called", 0, 100)),
)
_RESTING: tuple[Column, ...] = (
    ("at rest", "---", lambda row: row["au"]),
    ("called, % of people", "---:", number("share", 0, 100)),
)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stills",
        description=purpose(__doc__),
        formatter_class=DefaultsHelp,
    )
    parser.add_argument("folder", type=Path, help="holds the pictures, or some of them")
    parser.add_argument("--list", action="store_true", help="tell which these are, and end")
    parser.add_argument(
        "--cut-out",
        type=Path,
        metavar="FOLDER",
        help="write the faces and a table of what they show for `lgrnet.prepare own`, and end",
    )
    parser.add_argument("--model", default="edge", metavar="FILE", help="packaged name or file")
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads")
    parser.add_argument("--flip-test", action="store_true", help="as of Detector(flip_test=True)")
    parser.add_argument(
        "--json", type=output_file, default=Path("out/stills.json"), help="where the record goes"
    )
    args = parser.parse_args(argv)
    try:
        stills = load_annotations(ANNOTATIONS)
        if args.list:
            for still in stills:
                print(f"{place(args.folder, still)}: {still['package']}, {still['picture']}")
            return 0
        there = [still for still in stills if place(args.folder, still).is_file()]
        if not there:
            raise InputError(f"folder {args.folder} holds none of the pictures: --list names them")
        crops = [cut_out(place(args.folder, still), still) for still in there]
        if args.cut_out is not None:
            apart = sum(still["person"] in people_of_clips() for still in there)
            print(
                f"written to {write_table(args.cut_out, there, crops)}, without {apart} faces of "
                "people whom the clips show"
            )
            return 0
        answers = ask(args.model, crops, args.threads, args.flip_test)
    except BrokenPipeError:
        raise  # an OSError, but no bad input
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    judged = judge(there, answers)
    missing = len(stills) - len(there)
    print(answers.detector)
    print(
        f"{judged['faces']} faces of {judged['people']} people ({missing} more are not in "
        f"{args.folder}); in {judged['not_found']} no face was found"
    )
    print(markdown(_SHOWN, judged["aus"]))
    rest = judged["rest"]
    if rest["people"]:
        print(
            f"{rest['people']} people at rest: {rest['aus_called']:.2f} AUs called of each on "
            f"average (95 %: {_between(rest['aus_called_95'])}), {rest['without']} without any"
        )
        seen = [{"au": key, "share": share} for key, share in rest["share"].items() if share]
        print(markdown(_RESTING, sorted(seen, key=lambda row: -row["share"])))
    record = {
        "format": FORMAT, "machine": describe_machine(), "detector": answers.detector,
        "missing": missing, **judged,
    }  # fmt: skip
    write_record(record, args.json)
    print(f"written to {args.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
