"""Choose thresholds anew: ``python -m lgrnet.thresholds CHECKPOINT --data DATA -o OUT``.

Training ends with thresholds that its validation people chose. A mean of weights
(:mod:`lgrnet.average`) has none, and whoever has labelled people of their own may want theirs. The
weights, and the statistics of batch norms, stay as they are. With ``--own`` a few labelled faces of
the kind that the network is for have a say beside those people
(:mod:`lgrnet.evaluation.threshold_choice`).
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.data.shards import MISSING, DatasetError, FaceShards
from lgrnet.evaluation.defined import defined
from lgrnet.evaluation.metrics import f1_frame, mean_of_occurring, recognised
from lgrnet.evaluation.models import ask_network, torch_device
from lgrnet.evaluation.scoring import Evaluation, judge, predict
from lgrnet.evaluation.threshold_choice import (
    FEWEST,
    FEWEST_FACES,
    Calls,
    Few,
    best_thresholds,
    calls,
    enough_faces,
    have_a_say,
    held_out_calls,
    people_with,
    suited_thresholds,
)
from lgrnet.held_out import add_options, common_aus, described, held_out_faces
from lgrnet.network.build import Network
from lgrnet.unseen import tuned_on
from runtime.action_units import au_key
from runtime.console.help import DefaultsHelp
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError
from runtime.files.atomic import write_json

logger = logging.getLogger(__name__)

FORMAT = "lgrnet-thresholds-1"


def choose_thresholds(
    model: Network,
    meta: dict[str, Any],
    faces: FaceShards,
    device: torch.device,
    own: FaceShards | None = None,
) -> tuple[dict[str, Any], Evaluation]:
    """Choose a network's thresholds on people it was not trained on.

    Args:
        model: The network; left in evaluation mode.
        meta: What its checkpoint says of it.
        faces: Those people, with AUs of the network; it keeps its thresholds of those that their
            data set lacks, or that too few of them show or lack.
        device: Where the network is.
        own: A few faces of the kind that it is for; their data set may lack AUs, which are then
            unknown. None if there are none.

    Returns:
        What its checkpoint should say: thresholds by :mod:`lgrnet.evaluation.threshold_choice`,
        what they were chosen on, and its scores there, all else as before; and the network's
        answers.

    Raises:
        DatasetError: Of no AU there are enough faces.
    """
    aus = list(model.config.aus)
    said = predict(ask_network(model, device), faces)
    result = judge(said, faces, [aus.index(au) for au in faces.aus])
    many = said.probability, labels_of(aus, faces)
    thresholds = best_thresholds(*many)
    chosen_on: dict[str, Any] = described(faces)
    if own is not None:
        probability = predict(ask_network(model, device), own).probability
        few = Few(probability, labels_of(aus, own), own.labels.subject)
        thresholds = suited_thresholds(*many, few)
        outside = held_out_calls(*many, few)
        chosen_on["own"] = described(own) | {"aus": compare(aus, many, few, thresholds, outside)}
    before = meta.get("thresholds") or [0.5] * len(aus)
    known = enough_faces(many[1])
    if not known.any():
        raise DatasetError(
            f"no AU is shown by {FEWEST_FACES} of these faces and lacked by {FEWEST_FACES}: there "
            "is nothing to choose by"
        )
    thresholds[~known] = np.array(before)[~known]
    if not known.all() and (people := tuned_on(meta, ("thresholds",))):
        chosen_on["kept"] = sorted(map(list, people))
    chosen = {
        "thresholds": thresholds.tolist(),
        "thresholds_from": chosen_on,
        "validation": {"mean_f1": result.mean_f1, "landmark_error": result.landmark_error},
    }
    kept = {key: value for key, value in meta.items() if key != "stored_in"}  # float32 from here
    return {**kept, **chosen}, result


def compare(
    aus: Sequence[int],
    many: tuple[np.ndarray, np.ndarray],
    few: Few,
    thresholds: np.ndarray,
    outside: Calls,
) -> list[dict[str, Any]]:
    """Tell what a few faces have changed.

    Args:
        aus: FACS numbers of the columns.
        many: The network's probabilities and labels of many faces, (faces, n) each.
        few: The few.
        thresholds: Chosen with the few, (n,).
        outside: From :func:`lgrnet.evaluation.threshold_choice.held_out_calls`.

    Returns:
        A row for each AU in which the few have a say, beside enough of the many:
        ``threshold``, ``f1`` on the many, shares of the few that are called (``shown``,
        ``lacking``; means over people), the same with ``_by_f1`` at the threshold that the many
        alone would choose, with ``_held_out`` at thresholds that a face's own person had no say in,
        and how many faces and people show it and lack it (``faces_shown`` …, ``people_lacking``).
    """
    by_f1 = best_thresholds(*many)
    columns: dict[str, np.ndarray] = {}
    for name, label in (("shown", 1), ("lacking", 0)):
        columns["faces_" + name] = (few.presence == label).sum(0)
        columns["people_" + name] = people_with(few, label)
    for suffix, at in (("_by_f1", by_f1), ("", thresholds)):
        columns["threshold" + suffix] = at
        columns["f1" + suffix] = f1_frame(recognised(many[0], at), many[1])
        called = calls(few, at)
        columns["shown" + suffix], columns["lacking" + suffix] = called
    columns["shown_held_out"], columns["lacking_held_out"] = outside
    chosen = have_a_say(few) & enough_faces(many[1])  # of others thresholds stay
    return [
        {"au": au_key(aus[i])} | {name: values[i].item() for name, values in columns.items()}
        for i in np.flatnonzero(chosen).tolist()
    ]


def labels_of(aus: Sequence[int], own: FaceShards) -> np.ndarray:
    """Return a data set's labels in the order of a network's AUs, unknown where it has none."""
    presence = np.full((len(own), len(aus)), MISSING, np.uint8)
    for column, au in enumerate(aus):
        if au in own.aus:
            presence[:, column] = own.labels.presence[:, own.aus.index(au)]
    return presence


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.thresholds",
        description="Choose a checkpoint's thresholds on held-out people, its weights untouched.",
        formatter_class=DefaultsHelp,
    )
    add_options(parser)
    add = parser.add_argument
    add("--own", type=Path, help="a data set of a few labelled faces of the kind that the network "
        "is for, such as `lgrnet.prepare own` makes, which have a say")  # fmt: skip
    add("--own-split", nargs="+", default=["val"], metavar="NAME", help="its splits")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        device = torch_device(args.device)
        model, meta = load_checkpoint(args.checkpoint)
        aus = model.config.aus
        labelled = common_aus(aus, args.data, "thresholds")
        faces = held_out_faces(args.data, args.split, args.checkpoint, meta, "--split", labelled)
        own = None
        if args.own is not None:
            own = held_out_faces(args.own, args.own_split, args.checkpoint, meta, "--own-split")
            if not len(own) or not set(own.aus) & set(faces.aus):
                raise DatasetError(f"{args.own} labels no face with an AU of the network")
        meta, result = choose_thresholds(model.to(device), meta, faces, device, own)
        meta["thresholds_from"]["splits"] = args.split
        if own is not None:
            meta["thresholds_from"]["own"]["splits"] = args.own_split
        args.output.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(args.output, model.cpu(), meta)
        if args.json is not None:
            chosen = {key: meta[key] for key in ("thresholds", "thresholds_from", "validation")}
            told = {"format": FORMAT, "aus": list(map(au_key, aus)), **chosen}
            write_json(args.json, defined(told))
    except (DeviceError, ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    thresholds = np.array(meta["thresholds"])
    enough = enough_faces(result.presence)
    if not enough.all():
        scarce = [au_key(au) for au, known in zip(faces.aus, enough, strict=True) if not known]
        logger.warning(
            "%s: not shown by %d faces and lacked by %d, so thresholds stay as they were",
            *(", ".join(scarce), FEWEST_FACES, FEWEST_FACES),
        )
    there = [model.config.aus.index(au) for au in faces.aus]
    at_thresholds = f1_frame(recognised(result.probability, thresholds[there]), result.presence)
    each = zip(model.config.aus, thresholds, strict=True)
    logger.info("%s: %s", args.output, ", ".join(f"{au_key(au)} {at:.2f}" for au, at in each))
    logger.info(
        "mean F1 there %.4f, at 0.5 %.4f (%d faces)",
        *(mean_of_occurring(at_thresholds, result.presence), result.mean_f1, len(faces)),
    )
    rows = meta["thresholds_from"].get("own", {}).get("aus")
    if rows == []:
        logger.warning(
            "%s has no say: no AU is shown by %d of its people and lacked by %d",
            args.own,
            FEWEST,
            FEWEST,
        )
    for row in rows or ():
        logger.info(_TOLD.format(**row))
    return 0


_TOLD = (
    "{au}: {threshold:.2f} instead of {threshold_by_f1:.2f}; of {faces_shown} own faces of "
    "{people_shown} people that show it {shown:.2f} are called instead of {shown_by_f1:.2f}, of "
    "{faces_lacking} of {people_lacking} that lack it {lacking:.2f} instead of "
    "{lacking_by_f1:.2f}; without a say for its own person {shown_held_out:.2f} and "
    "{lacking_held_out:.2f} (means over people)"
)


if __name__ == "__main__":
    raise SystemExit(main())
