"""Turn a corpus into shards: ``python -m lgrnet.prepare bp4d --root … --out data/bp4d``.

So are faces of one's own: ``python -m lgrnet.prepare own --labels faces.csv --out data/own``.
Everything is checked before anything is written, and all that is wrong is told at once. A run that
was stopped goes on where it was. docs/corpora.md says what to put where.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from lgrnet.corpora import bp4d, bp4d_labels, disfa, disfa_labels, folds, jaanet, own
from lgrnet.corpora.checking import Corpus, check_all
from lgrnet.corpora.corrections import Correction, read_corrections
from lgrnet.corpora.finding import finder, require_finder
from lgrnet.corpora.parquet import require_pyarrow, write_parquet
from lgrnet.corpora.problems import CorpusError
from lgrnet.corpora.report import make_report, write_report
from lgrnet.corpora.writing import shard_table, write_sequences
from lgrnet.data.shards import OtherDatasetError
from runtime.console.option_types import count, whole
from runtime.console.progress import add_progress
from runtime.console.stoppable import GOES_ON, stoppable
from runtime.errors import InputError

logger = logging.getLogger(__name__)


def prepare_bp4d(
    options: bp4d.Options, out: Path, workers: int | None = None, progress: bool = True
) -> str:
    """Prepare BP4D.

    Args:
        options: Where it is.
        out: Folder of the data set.
        workers: Processes; None for one a core, 0 for none but this one.
        progress: Whether to show progress.

    Returns:
        The report.

    Raises:
        CorpusError: Something is wrong with the corpus.
        DatasetError: The folder holds another data set.
        ImportError: A library is not installed.
    """
    require_pyarrow()
    layout = bp4d.find_layout(options)
    jobs = [(options, layout, name, task) for name in options.subjects for task in bp4d.TASKS]
    corpus = check_all(bp4d.check, jobs, workers, progress)
    recipe: dict = {"offset": options.offset, "origin": options.origin}
    if options.find_landmarks:
        recipe["landmarks_found_by"] = finder()
    return _finish("bp4d", bp4d_labels.AUS, corpus, recipe, out, workers, progress)


def prepare_disfa(
    options: disfa.Options, out: Path, workers: int | None = None, progress: bool = True
) -> str:
    """Prepare DISFA; as :func:`prepare_bp4d`."""
    require_pyarrow()
    layout = disfa.find_layout(options)
    jobs = [(options, layout, name) for name in options.subjects]
    corpus = check_all(disfa.check, jobs, workers, progress)
    recipe: dict = {"present_from": disfa_labels.PRESENT_FROM}
    if options.find_landmarks:
        recipe["landmarks_found_by"] = finder()
    return _finish("disfa", disfa_labels.AUS, corpus, recipe, out, workers, progress)


def prepare_jaanet(
    options: jaanet.Options, out: Path, workers: int | None = None, progress: bool = True
) -> str:
    """Prepare JÂA-Net's lists of a corpus; as :func:`prepare_bp4d`."""
    require_pyarrow()
    corpus = Corpus(jaanet.read_lists(options), [])
    recipe = {"lists": "JÂA-Net"}
    aus = jaanet.AUS[options.corpus]
    return _finish(options.corpus, aus, corpus, recipe, out, workers, progress)


def prepare_own(table: Path, out: Path, workers: int | None = None, progress: bool = True) -> str:
    """Prepare faces of one's own, whose landmarks the detector finds.

    Args:
        table: What they show, see :mod:`lgrnet.corpora.own`.
        out: Folder of the data set.
        workers: Processes; None for one a core, 0 for none but this one.
        progress: Whether to show progress.

    Returns:
        The report.

    Raises:
        CorpusError: Something is wrong with the table, a video is damaged, or in no picture of a
            split a face was found.
        DatasetError: The folder holds another data set.
        ImportError: A library is not installed.
    """
    require_finder()
    aus, sequences = own.read_own(table)
    recipe = {"landmarks_found_by": finder(), "files_sha256": own.digest(sequences)}
    try:
        write_sequences(out, own.CORPUS, aus, sequences, recipe, workers, progress)
    except OtherDatasetError as error:
        raise OtherDatasetError(
            f"{out} was made from another table than {table}, from other files than it names now, "
            "or with another model to find landmarks: delete it, or choose another --out"
        ) from error
    report = make_report(out, own.CORPUS, aus, sequences, [])
    text = write_report(out, report)
    if empty := [name for name, counts in report["by_subject"].items() if not counts["written"]]:
        lines = [f"{table}: no face of split {name!r} could be used" for name in empty]
        others = "; the other splits can be" if len(empty) < len(report["by_subject"]) else ""
        raise CorpusError(lines, f"{out / 'report.txt'} says why{others}")
    return text


def _finish(
    name: str,
    aus: Sequence[int],
    corpus: Corpus,
    recipe: dict,
    out: Path,
    workers: int | None,
    progress: bool,
) -> str:
    if not corpus.sequences:
        raise CorpusError(corpus.left_out or ["no sequence was found"])
    write_sequences(out, name, aus, corpus.sequences, recipe, workers, progress)
    shards = [
        (sequence.subject, shard)
        for sequence, names in zip(corpus.sequences, shard_table(corpus.sequences), strict=True)
        for shard in names
    ]
    write_parquet(out, aus, shards)
    return write_report(out, make_report(out, name, aus, corpus.sequences, corpus.left_out))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.prepare",
        description="Align a corpus into shards. Checks all of it first; goes on where it stopped.",
    )
    kinds = parser.add_subparsers(dest="corpus", required=True)
    for name in folds.CORPORA:
        kind = kinds.add_parser(name, help=f"{name.upper()} as it is distributed")
        kind.add_argument("--root", type=Path, required=True, help="folder of the corpus")
        kind.add_argument("--subjects", nargs="+", help="prepare these only, for a first try")
        kind.add_argument(
            "--allow-missing",
            action="store_true",
            help="leave out and report what lacks a file, instead of an error",
        )
        kind.add_argument(
            "--find-landmarks",
            action="store_true",
            help="where a frame has no landmarks, or NaN, find them instead of dropping it",
        )
        if name == "disfa":
            kind.add_argument(
                "--pictures",
                type=Path,
                help="folder that holds SN001/0.png, if the videos were taken apart",
            )
            kind.add_argument(
                "--first-picture", type=whole, choices=(0, 1), help="number of the first of these"
            )
            kind.add_argument(
                "--corrections", type=Path, help="CSV file of labels to change, see docs/corpora.md"
            )
        if name == "bp4d":
            kind.add_argument("--landmarks", type=Path, help="their folder; ROOT/2DFeatures if not")
            kind.add_argument("--pictures", type=Path, help="folder that holds F001/T1/2440.jpg")
            kind.add_argument(
                "--offset",
                type=whole,
                default=0,
                help="picture's number minus label's frame: 0 (default) or -1",
            )
            kind.add_argument(
                "--origin",
                type=whole,
                choices=(0, 1),
                default=1,
                help="landmark coordinates of the first pixel: 1 as in MATLAB (default), or 0",
            )
            kind.add_argument(
                "--no-intensity",
                dest="intensity",
                action="store_false",
                help="do not read AUCoding/AU_INT",
            )
    lists = kinds.add_parser("jaanet", help="JÂA-Net's list files and aligned images")
    lists.add_argument("--lists", type=Path, required=True, help="folder of BP4D_part1_path.txt …")
    lists.add_argument(
        "--images", type=Path, required=True, help="folder that the lists' paths start from"
    )
    lists.add_argument("--of", choices=jaanet.AUS, help="which corpus, if there are lists of both")
    faces = kinds.add_parser("own", help="pictures and videos of your own, labelled in a table")
    faces.add_argument(
        "--labels", type=Path, required=True, help="CSV file: file, person, AU01 …, frame, split"
    )
    for kind in (*kinds.choices.values(),):
        kind.add_argument("-o", "--out", type=Path, required=True, help="folder of the data set")
        kind.add_argument(
            "--workers", type=count, help="processes; one a core if not given, 0: none"
        )
        add_progress(kind)
    return parser.parse_args(argv)


def _run(args: argparse.Namespace) -> str:
    if args.out.exists() and not args.out.is_dir():
        raise InputError(f"output folder {args.out} is a file: give another folder")
    if args.corpus == "own":
        return prepare_own(args.labels, args.out, args.workers, args.progress)
    if args.corpus == "jaanet":
        corpora = (args.of,) if args.of else jaanet.corpora_in(args.lists)
        if len(corpora) != 1:
            found = " and ".join(name.upper() for name in corpora) or "no *_path.txt"
            raise ValueError(f"{args.lists} holds lists of {found}: choose one with --of")
        options = jaanet.Options(args.lists, args.images, corpora[0])
        return prepare_jaanet(options, args.out, args.workers, args.progress)
    names = tuple(sorted(set(args.subjects or folds.subjects(args.corpus))))
    for name in names:
        folds.subject_number(args.corpus, name)
    return _READERS[args.corpus](args, names)


def _bp4d(args: argparse.Namespace, names: tuple[str, ...]) -> str:
    chosen = bp4d.Options(
        args.root, args.landmarks, args.pictures, args.offset, args.origin, names,
        args.intensity, args.allow_missing, args.find_landmarks,
    )  # fmt: skip
    return prepare_bp4d(chosen, args.out, args.workers, args.progress)


def _disfa(args: argparse.Namespace, names: tuple[str, ...]) -> str:
    if args.first_picture is not None and args.pictures is None:
        raise ValueError("--first-picture: name the folder of the pictures with --pictures")
    mended: tuple[Correction, ...] = ()
    if args.corrections is not None:
        mended = read_corrections(args.corrections, "disfa", disfa_labels.AUS)
    wanted = disfa.Options(
        args.root, names, args.allow_missing, args.pictures, args.first_picture, mended,
        args.find_landmarks,
    )  # fmt: skip
    return prepare_disfa(wanted, args.out, args.workers, args.progress)


_READERS = {"bp4d": _bp4d, "disfa": _disfa}
"""Corpus, each of `lgrnet.corpora.folds.CORPORA` → what prepares some of its subjects."""


@stoppable(GOES_ON)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        print(_run(args), end="")
    except BrokenPipeError:
        raise  # an OSError, but no bad input
    except (ImportError, ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
