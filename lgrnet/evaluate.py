"""Judge a model on a data set: ``python -m lgrnet.evaluate MODEL --data data/faces``.

The model is a checkpoint, or an exported file in any engine of the runtime, so that what ships is
judged and not only what was trained. Prints F1-frame per AU beside the F1 of a detector that is
always on, the landmark error, how well intensities agree if the model tells them, and the same for
parts of the data by pose, light, skin and occlusion where the data set knows them. Writes all that
and more as JSON, and with ``--page`` as a page of plots.
"""

import argparse
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lgrnet.corpora.folds import CORPORA, FOLDS, test_subjects
from lgrnet.data.shards import DatasetError, FaceShards, labelled_aus, require_corpus
from lgrnet.evaluation.models import open_model
from lgrnet.evaluation.page import require_page, write_page
from lgrnet.evaluation.report import format_report, report, to_json
from lgrnet.evaluation.scoring import judge, predict
from lgrnet.experiment import CONFIG_NAME
from lgrnet.unseen import overlap_with_fold, warnings_of
from runtime.backends.flip_test import flip_tested
from runtime.console.aus_option import METAVAR, OPTION, join_aus, read_aus
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import output_file, positive, whole
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, InputError
from runtime.files.atomic import PendingFile
from runtime.files.digest import file_sha256
from runtime.packaged import model_path, no_such_model
from runtime.spec import ENGINES

logger = logging.getLogger(__name__)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.evaluate",
        description="Judge a checkpoint or an exported model on splits of a data set.",
        formatter_class=DefaultsHelp,
    )
    add = parser.add_argument
    add(
        "model",
        type=Path,
        help="a checkpoint, an .onnx, .npz, .engine or .fused file, or a packaged model",
    )
    add("--data", type=Path, default=Path("data/faces"), help="data set's folder")
    add("--split", nargs="+", default=["test"], metavar="NAME",
        help="splits, judged as one; in a prepared corpus each person is one")  # fmt: skip
    add("--fold", type=whole, choices=FOLDS, help="judge on the test people of this fold instead")
    add("--corpus", choices=CORPORA, help="which corpus's folds; with --fold")
    add(OPTION, type=read_aus, metavar=METAVAR,
        help="judge these AUs only; all that model and data set know if not given")  # fmt: skip
    add("--backend", choices=ENGINES,
        help="what runs an exported model; what the kind of file is for if not given")  # fmt: skip
    add("--json", type=output_file,
        help="where to write the scores; if not given, in the run's folder for a model that lies "
        "in one, else in out/, as <model>_<data>_<split>.json")  # fmt: skip
    add("--page", type=Path, help="where to draw plots, .png; not drawn if not given")
    add("--device", default="cpu",
        help="cpu, cuda, cuda:N or auto; .engine and .fused files need a GPU")  # fmt: skip
    add("--threads", type=positive, help="CPU threads; the default of what computes if not given")
    add("--flip-test", action="store_true",
        help="judge the mean of each face and its mirror image, see runtime.backends")  # fmt: skip
    args = parser.parse_args(join_aus(argv))
    if (args.fold is None) != (args.corpus is None):
        parser.error("--fold and --corpus go together: a fold is one of a corpus")
    return args


def judged_aus(told: Sequence[int], args: argparse.Namespace) -> tuple[int, ...]:
    """Choose the AUs to judge: those asked for, else those that model and data set both know.

    Raises:
        ValueError: The model does not tell one that was asked for.
        DatasetError: The data set labels none that the model tells.
    """
    if args.aus:
        absent = sorted(set(args.aus) - set(told))
        if absent:
            raise ValueError(f"--aus: {args.model} tells {list(told)}, not {absent}")
        return args.aus
    labelled = labelled_aus(args.data)
    both = tuple(au for au in told if au in labelled)
    if not both:
        raise DatasetError(f"{args.data} labels {list(labelled)}, {args.model} tells {list(told)}")
    if len(both) < len(told):
        left_out = ", ".join(str(au) for au in told if au not in labelled)
        logger.info("%s does not label AU %s: these are not judged", args.data, left_out)
    return both


def default_record(model: Path, data: Path, split: str, flip_test: bool = False) -> Path:
    """Say where scores go if nobody says: the checkpoints of all runs have the same names."""
    folder = model.parent if (model.parent / CONFIG_NAME).is_file() else Path("out")
    kind = "" if model.suffix == ".pt" else model.suffix.replace(".", "_")
    # A fold's name begins with that of its corpus, which usually is the folder's too.
    of = data.resolve().name
    name = split if split.startswith(f"{of}_") else f"{of}_{split}"
    return folder / f"{model.stem}{kind}_{name}{'_flip_test' * flip_test}.json"


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if args.page is not None:
            require_page(args.page)
        args.model = model_path(args.model)
        if not args.model.suffix and not args.model.exists():
            raise no_such_model(args.model)
        with open_model(args.model, args.device, args.backend, args.threads) as model:
            aus = judged_aus(model.aus, args)
            name, splits = "_".join(args.split), tuple(args.split)
            seen, tuned = set(model.seen), set(model.tuned_on)
            if args.fold is not None:
                require_corpus(args.data, args.corpus)
                if others := overlap_with_fold(seen, args.corpus, args.fold):
                    raise ValueError(
                        f"{args.model} has seen {' and '.join(others)} of {args.corpus}, and was "
                        f"trained on people whom fold {args.fold} tests: judge the network of fold "
                        f"{args.fold}, or name people with --split"
                    )
                name = f"{args.corpus}_fold{args.fold}"
                splits = test_subjects(args.corpus, args.fold)
            faces = FaceShards(args.data, splits, aus)
            for said in warnings_of(seen, tuned, model.meta, faces.recipe, splits):
                logger.warning("%s", said)
            columns = [model.aus.index(au) for au in aus]
            ask = partial(flip_tested, model.ask) if args.flip_test else model.ask
            result = judge(predict(ask, faces), faces, columns)
    except (DeviceError, ImportError, ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    scores = {
        "checkpoint": args.model.name,
        "sha256": file_sha256(args.model),
        "preset": model.preset,
        "training_data": model.training_data,
        "computed_by": model.computed_by,
        "flip_test": args.flip_test,
        "data": {"split": name, "recipe": faces.recipe},
        **report(aus, result, [model.thresholds[i] for i in columns], faces.labels),
    }
    path = args.json or default_record(args.model, args.data, name, args.flip_test)
    stored = _store(scores, path, args)
    # They may have taken hours, so they are told in any case.
    what = f"{args.model}, {args.data}, {name}{', with a flip test' * args.flip_test}"
    print(f"{what}\n{format_report(scores)}")
    return 0 if stored else 2


def _store(scores: dict, path: Path, args: argparse.Namespace) -> bool:
    """Write scores, and plot them if asked to; returns whether that could be done."""
    try:
        with PendingFile(path) as part:
            part.write_text(to_json(scores), "utf-8")
    except (InputError, OSError) as error:  # such as in the folder of somebody else's run
        logger.error("%s%s", error, "" if args.json else ": name another file with --json")
        return False
    logger.info("written to %s", path)
    if args.page is None:
        return True
    try:
        write_page(scores, args.page)
    except (InputError, OSError) as error:
        logger.error("%s", error)
        return False
    logger.info("plotted in %s", args.page)
    return True


if __name__ == "__main__":
    raise SystemExit(main())
