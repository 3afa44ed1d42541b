"""Fit intensities to held-out people: ``python -m lgrnet.intensities CHECKPOINT -o OUT``.

The logit of each AU's intensity is scaled and shifted (:mod:`lgrnet.evaluation.intensity_scale`) in
the weights of the head's last layer: the network stays as large and as fast, faces keep their
order, and probabilities, thresholds and landmarks stay as they are.
"""

import argparse
import logging
from collections.abc import Sequence
from typing import Any

import torch

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.data.shards import DatasetError, FaceShards
from lgrnet.evaluation.intensity_scale import FEWEST, Scale, fit_scale
from lgrnet.evaluation.metrics import intensity_agreement, or_null
from lgrnet.evaluation.models import ask_network, torch_device
from lgrnet.evaluation.scoring import judge, predict
from lgrnet.held_out import add_options, common_aus, described, held_out_faces
from lgrnet.network.model import LGRNet
from lgrnet.unseen import tuned_on
from runtime.action_units import au_key
from runtime.console.help import DefaultsHelp
from runtime.console.stoppable import stoppable
from runtime.errors import DeviceError, InputError
from runtime.files.atomic import write_json

logger = logging.getLogger(__name__)

FORMAT = "lgrnet-intensities-1"


def rescale(network: LGRNet, aus: Sequence[int], scale: Scale) -> None:
    """Put a scale into the weights of a network that tells intensities.

    Args:
        network: Changed in place.
        aus: FACS numbers of the scale's columns, of those that the network knows.
        scale: Of their logits.

    Raises:
        InputError: It tells none.
    """
    last = network.heads.intensity
    if last is None or last.bias is None:
        raise InputError("the network tells no intensities")
    slope, offset = torch.ones(len(last.bias)), torch.zeros(len(last.bias))
    # The head's channels are in the network's inner order of AUs.
    channels = network.ascending.cpu()[[network.config.aus.index(au) for au in aus]]
    slope[channels] = torch.from_numpy(scale.slope).float()
    offset[channels] = torch.from_numpy(scale.offset).float()
    slope, offset = slope.to(last.bias), offset.to(last.bias)
    with torch.no_grad():
        last.weight.mul_(slope[:, None, None, None])
        last.bias.mul_(slope).add_(offset)


def fit_intensities(
    network: LGRNet, meta: dict[str, Any], faces: FaceShards, device: torch.device
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Fit a network's intensities to people it was not trained on.

    Args:
        network: One that tells intensities; changed in place, left in evaluation mode.
        meta: What its checkpoint says of it.
        faces: Those people, with AUs of the network, which may be some of them.
        device: Where the network is.

    Returns:
        What its checkpoint should say, and a row for each AU of ``faces``: whether it was
        ``fitted``, ``slope`` and ``offset`` of its logit, ``icc`` and ``mae`` on these people, as
        intensities are now and ``_before``; None where no intensity is known.

    Raises:
        InputError: The network tells no intensities.
    """
    columns = [network.config.aus.index(au) for au in faces.aus]
    answers = judge(predict(ask_network(network, device), faces), faces, columns)
    if answers.intensity is None:
        raise InputError("the network tells no intensities")
    said, true = answers.intensity
    scale = fit_scale(said, true)
    rescale(network, faces.aus, scale)
    before = intensity_agreement(said, true)
    after = intensity_agreement(scale.apply(said), true)
    names = ("slope", "offset", "icc_before", "mae_before", "icc", "mae")
    rows = [
        {"au": au_key(au), "fitted": bool(fitted)}
        | dict(zip(names, map(or_null, values), strict=True))
        for au, fitted, *values in zip(
            faces.aus, scale.fitted, scale.slope, scale.offset, *before, *after, strict=True
        )
    ]
    fitted_on = described(faces)
    if scale.fitted.sum() < len(network.config.aus) and (
        people := tuned_on(meta, ("intensities",))
    ):
        fitted_on["kept"] = sorted(map(list, people))
    kept = {key: value for key, value in meta.items() if key != "stored_in"}  # float32 from here
    return {**kept, "intensities_from": fitted_on}, rows


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.intensities",
        description="Fit a checkpoint's intensities to held-out people; what else it says stays.",
        formatter_class=DefaultsHelp,
    )
    add_options(parser)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        device = torch_device(args.device)
        network, meta = load_checkpoint(args.checkpoint)
        if not isinstance(network, LGRNet) or not network.config.intensity:
            raise InputError(
                f"{args.checkpoint} tells no intensities: train with `intensity = true` in [model]"
            )
        labelled = common_aus(network.config.aus, args.data, "intensities")
        faces = held_out_faces(args.data, args.split, args.checkpoint, meta, "--split", labelled)
        meta, rows = fit_intensities(network.to(device), meta, faces, device)
        if not any(row["fitted"] for row in rows):
            raise DatasetError(
                f"{args.data}: no AU is known to be at A or above in {FEWEST} faces of "
                f"{', '.join(args.split)}, and below it in {FEWEST}: nothing can be fitted"
            )
        meta["intensities_from"]["splits"] = args.split
        args.output.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(args.output, network.cpu(), meta)
        if args.json is not None:
            fitted_on = {"intensities_from": meta["intensities_from"]}
            write_json(args.json, {"format": FORMAT, **fitted_on, "aus": rows})
    except (DeviceError, ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    for row in rows:
        logger.info("%s", _told(row))
    return 0


def _told(row: dict[str, Any]) -> str:
    """Tell in a line what has become of an AU."""
    if not row["fitted"]:
        return f"{row['au']}: stays, too few faces are known to show it or to lack it"
    return (
        "{au}: logit × {slope:.2f} + {offset:.2f}; mean error {mae:.2f} instead of "
        "{mae_before:.2f}, ICC {icc:.2f} instead of {icc_before:.2f}".format(**row)
    )


if __name__ == "__main__":
    raise SystemExit(main())
