"""Which faces the face finders see: ``python -m benchmarks.finders data/real --pictures FOLDER``.

Two questions to the whole detector, which looks twice before something counts:

* Of the photographs of real people of `benchmarks.stills`, each face cut out with what is around
  it: in how many is a face found, in how many more than one?
* In pictures without any face, a folder of the user's own: how many things are taken for faces?

Two to a search alone, in every 15th frame, at which the finders take turns:

* Of the clips of real people of `benchmarks.clips`, one person each: in how many frames is
  something found, in how many more than one thing? And once the frame is reduced until the face is
  12, 16 or 24 pixels large?
* Of rendered crowds (`lgrnet.faces.crowd`): how many of the faces that are at least half visible
  are found, what else, and how long does a search take?
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks import clips, stills
from benchmarks.fetch import CLIPS, PICTURES
from benchmarks.shared.machine import describe_machine
from benchmarks.shared.record import write_record
from benchmarks.table import Column, markdown, number
from benchmarks.tracking import VISIBLE
from lgrnet.faces.crowd import TrueHead, read_crowd
from runtime import Detector
from runtime.boxes import Box, alignment_box, face_box, overlap
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import output_file
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.files.digest import file_sha256
from runtime.finders import PACKAGED, FaceFinder, open_finder
from runtime.sources import open_source
from runtime.sources.images import IMAGE_SUFFIXES, read_image

FORMAT = "lgrnet-finders-1"

EVERY = 15
"""Of how many frames of a crowd one is searched."""

SIZES = (12, 16, 24)
"""Sides of the boxes of small faces, pixels, in a frame of 400 × 225."""

SAME = 0.4
"""Overlap of a found face's box with a true one from which they are one face. Boxes are drawn from
alignments, so that all finders mean the same by them."""


def judge_detector(
    finder: FaceFinder, model: str | None, faces: Sequence[np.ndarray], none: Sequence[np.ndarray]
) -> dict[str, int]:
    """Count what a detector reports.

    Args:
        finder: Its finder.
        model: Its model; None for the packaged one.
        faces: Pictures with one face each, (H, W, 3) uint8 BGR.
        none: Pictures without.

    Returns:
        ``found`` and ``several``, of the first; ``pictures_with_any`` and ``taken_for_faces``, of
        the second.
    """
    with Detector(model, finder=finder, threads=1) as detector:
        seen = np.array([len(detector(picture).faces) for picture in faces], int)
        taken = np.array([len(detector(picture).faces) for picture in none], int)
    return {
        "found": int((seen > 0).sum()),
        "several": int((seen > 1).sum()),
        "pictures_with_any": int((taken > 0).sum()),
        "taken_for_faces": int(taken.sum()),
    }


def match(found: Sequence[np.ndarray], heads: Sequence[TrueHead]) -> tuple[int, int, int]:
    """Compare what was found in a frame with who is there.

    Args:
        found: Alignments, (2, 3) each.
        heads: All heads of the frame.

    Returns:
        How many heads are at least half visible, how many of these were found, and how many finds
        are of no head at all.
    """
    boxes = [alignment_box(alignment) for alignment in found]
    taken: set[int] = set()
    wanted = right = 0
    for head in sorted(heads, key=lambda each: -each.visible):
        true = face_box(head.landmarks)
        common = [-1.0 if i in taken else overlap(box, true) for i, box in enumerate(boxes)]
        best = int(np.argmax(common)) if common else -1
        seen = best >= 0 and common[best] >= SAME
        if seen:
            taken.add(best)
        if head.visible >= VISIBLE:
            wanted, right = wanted + 1, right + seen
    return wanted, right, len(boxes) - len(taken)


def judge_crowds(
    finders: Mapping[str, FaceFinder], frames: Iterable[tuple[np.ndarray, list[TrueHead]]]
) -> dict[str, dict]:
    """Search frames of crowds.

    Args:
        finders: Name → finder; they take turns.
        frames: Frame, (H, W, 3) uint8 BGR, and the heads in it.

    Returns:
        Name → ``heads``, ``heads_found``, ``wrong``, and ``search_ms``: median CPU time.
    """
    counts = {name: np.zeros(3, int) for name in finders}
    spent: dict[str, list[float]] = {name: [] for name in finders}
    for frame, heads in frames:
        for name, finder in finders.items():
            begun = time.process_time()
            found = finder.find(frame)
            spent[name].append(1000 * (time.process_time() - begun))
            counts[name] += match([face.alignment for face in found], heads)
    keys = ("heads", "heads_found", "wrong")
    return {
        name: {
            **dict(zip(keys, counts[name].tolist(), strict=True)),
            "search_ms": statistics.median(spent[name]) if spent[name] else None,
        }
        for name in finders
    }


def judge_clips(
    finders: Mapping[str, FaceFinder], frames: Iterable[np.ndarray]
) -> dict[str, dict[str, int]]:
    """Search frames of one person each.

    Args:
        finders: Name → finder. Where a small face is, the first tells that sees one in the whole
            frame.
        frames: (H, W, 3) uint8 BGR each.

    Returns:
        Name → ``frames``, ``frames_found`` and ``frames_several``; and how often a face of each of
        :data:`SIZES` was found, ``frames_at_12`` and so on.
    """
    small = {f"frames_at_{size}": size for size in SIZES}
    keys = ("frames", "frames_found", "frames_several", *small)
    counts = {name: dict.fromkeys(keys, 0) for name in finders}
    for frame in frames:
        found = {name: finder.find(frame) for name, finder in finders.items()}
        for name, faces in found.items():
            counts[name]["frames"] += 1
            counts[name]["frames_found"] += len(faces) > 0
            counts[name]["frames_several"] += len(faces) > 1
        seen = next((faces for faces in found.values() if faces), None)
        if seen is None:
            continue
        true = max((alignment_box(face.alignment) for face in seen), key=lambda box: box[2])
        for key, size in small.items():
            reduced, box = _reduced(frame, true, size)
            for name, finder in finders.items():
                boxes = [alignment_box(face.alignment) for face in finder.find(reduced)]
                counts[name][key] += any(overlap(each, box) >= SAME for each in boxes)
    return counts


def _reduced(frame: np.ndarray, box: Box, size: int) -> tuple[np.ndarray, Box]:
    """Reduce a frame until a box has a size, and cut or continue it to 400 × 225 around that."""
    zoom = size / box[2]
    middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
    small = cv2.resize(frame, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    shift = np.round(np.array([200.0, 112.0]) - middle * zoom)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    moved = cv2.warpAffine(small, matrix, (400, 225), borderMode=cv2.BORDER_REPLICATE)
    left, top = np.array(box[:2]) * zoom + shift
    return moved, (float(left), float(top), float(size), float(box[3] * zoom))


def frames_of(clip: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Read every :data:`EVERY`-th frame of a clip, with its number."""
    with open_source(clip) as shots:
        for shot in shots:
            if shot.index % EVERY == 0:
                yield shot.index, shot.frame


def real_frames(folder: Path) -> Iterator[np.ndarray]:
    """Read such frames of the clips of real people that are there.

    Raises:
        InputError: There are none.
    """
    paths = [folder / clip["file"] for clip in clips.load_annotations()]
    there = [path for path in paths if path.exists()]
    if not there:
        raise InputError(f"{folder} holds no clip of `python -m benchmarks.fetch`")
    for path in there:
        yield from (frame for _, frame in frames_of(path))


def crowd_frames(folders: Sequence[Path]) -> Iterator[tuple[np.ndarray, list[TrueHead]]]:
    """Read such frames of all clips of crowds, and who is in them.

    Raises:
        InputError: A folder holds no clip.
    """
    for folder in folders:
        paths = sorted(folder.glob("[!.]*.mp4"))
        if not paths:
            raise InputError(f"{folder} holds no clip: python -m lgrnet.faces.crowd --out {folder}")
        for path in paths:
            truth = read_crowd(path.with_suffix(".csv"))
            yield from ((frame, truth.get(number, [])) for number, frame in frames_of(path))


def pictures_in(folder: Path) -> list[Path]:
    """List the pictures of a folder.

    Raises:
        InputError: There are none.
    """
    paths = sorted(path for path in folder.glob("[!.]*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise InputError(f"{folder} holds no pictures: give a folder of pictures without faces")
    return paths


TABLE: tuple[Column, ...] = (
    ("finder", "---", lambda row: f"`{row['name']}`"),
    ("photographs: a face found", "---:", lambda row: f"{row['found']} of {row['faces']}"),
    ("more than one", "---:", number("several", 0)),
    (
        *("without a face: one seen", "---:"),
        lambda row: f"{row['pictures_with_any']} of {row['pictures']}",
    ),
    ("real clips: found", "---:", lambda row: f"{row['frames_found']} of {row['frames']}"),
    ("more than one thing", "---:", number("frames_several", 0)),
    (
        *(f"faces of {' / '.join(map(str, SIZES))} pixels", "---:"),
        lambda row: " / ".join(str(row[f"frames_at_{size}"]) for size in SIZES),
    ),
    ("crowds: heads found", "---:", lambda row: f"{row['heads_found']} of {row['heads']}"),
    ("other finds", "---:", number("wrong", 0)),
    ("CPU ms a search", "---:", number("search_ms", 1)),
)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.finders",
        description="Compare face finders.",
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add("folder", type=Path, help="what benchmarks.fetch has written")
    add("--pictures", type=Path, required=True, help="folder of pictures without any face")
    add(
        "--crowds",
        nargs="+",
        type=Path,
        default=[Path("data/crowd"), Path("data/crowd_2")],
        help="folders of rendered clips, by lgrnet.faces.crowd",
    )
    add("--yunet", help="YuNet .onnx file, to be judged as well")
    add("--model", help="packaged name or file; the packaged model if not given")
    add("--json", type=output_file, help="file to write the record to")
    return parser.parse_args(argv)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    cv2.setNumThreads(1)
    try:
        finders = {name: open_finder(name) for name in PACKAGED}
        if args.yunet:
            finders["yunet"] = open_finder(args.yunet)
        annotated = stills.load_annotations()
        there = [s for s in annotated if stills.place(args.folder / PICTURES, s).exists()]
        if not there:
            raise InputError(f"{args.folder} holds no picture of `python -m benchmarks.fetch`")
        crops = [stills.cut_out(stills.place(args.folder / PICTURES, s), s) for s in there]
        paths = pictures_in(args.pictures)
        none = [read_image(path) for path in paths]
        alone = judge_clips(finders, real_frames(args.folder / CLIPS))
        crowds = judge_crowds(finders, crowd_frames(args.crowds))
        rows = [
            {
                "name": name,
                "sha256": getattr(finder, "sha256", None),
                **{"faces": len(crops), "pictures": len(none)},
                **judge_detector(finder, args.model, crops, none),
                **alone[name],
                **crowds[name],
            }
            for name, finder in finders.items()
        ]
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(markdown(TABLE, rows))
    if args.json:
        record = {
            "format": FORMAT,
            "machine": describe_machine(),
            "overlap_from": SAME,
            "visible_from": VISIBLE,
            "pictures": {path.name: file_sha256(path) for path in paths},
            "finders": rows,
        }
        write_record(record, args.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
