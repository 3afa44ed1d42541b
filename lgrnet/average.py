"""The mean of networks: ``python -m lgrnet.average A.pt B.pt -o mean.pt``.

With ``--missing-from C.pt`` what they lack (the recurrence, if they were trained without one) comes
from another network, and one network will do: its own weights with that recurrence. That other one
may tell more AUs.

Networks that began with the same weights and were trained on different faces mostly lie in one
valley of the loss, and their mean in its middle: it knows what both know and often scores higher
than either (model soups, Wortsman et al., ICML 2022). Networks that began differently have nothing
in common, and their mean is worthless.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.network.build import Network, build_network
from lgrnet.training.warm_start import warm_start
from lgrnet.unseen import as_plain, seen_by, tuned_on
from runtime.console.stoppable import stoppable

logger = logging.getLogger(__name__)

FREE_FIELDS = frozenset({"preset", "relation"})
"""Fields of the configuration in which the networks may differ."""

KEPT = ("training_data", "licence")
"""What is told of the mean if all networks tell the same. Thresholds it has none: they are chosen
on validation people, by training or by :mod:`lgrnet.thresholds`."""


def average(
    paths: Sequence[Path], missing_from: Path | None = None
) -> tuple[Network, dict[str, object]]:
    """Average the weights of networks.

    Args:
        paths: Checkpoints, two or more, of one structure. The mean is built like the first one;
            what some lack (a recurrence) is the mean of those that have it.
        missing_from: Another checkpoint of that structure, from which only that comes which all of
            them lack. The mean is built like this one, for the AUs of the first path, and one path
            is enough.

    Returns:
        The mean, and what is known of it: where it comes from, whose people it has seen, and what
        :data:`KEPT` names.

    Raises:
        CheckpointError: A file cannot be used.
        ValueError: There are too few, they are of different structure, or ``missing_from`` lacks
            an AU.
    """
    if len(paths) < 2 and missing_from is None:
        raise ValueError(f"a mean needs two checkpoints or more, got {len(paths)}")
    every = [*paths] if missing_from is None else [missing_from, *paths]
    read = [load_checkpoint(path) for path in every]
    mean, _ = read[0]
    if missing_from is not None:
        mean = _for_aus(mean, missing_from, read[1][0].config.aus)
    wanted = asdict(mean.config)
    for path, (model, _) in zip(every[1:], read[1:], strict=True):
        found = asdict(model.config)
        different = [  # of `missing_from` only the AUs of the first were taken
            f"{name} = {found[name]}, of {paths[0] if name == 'aus' else every[0]} {wanted[name]}"
            for name in wanted
            if name not in FREE_FIELDS and found[name] != wanted[name]
        ]
        if different:
            raise ValueError(f"{path} is another network than others: {'; '.join(different)}")
    states = [model.state_dict() for model, _ in read[-len(paths) :]]
    weights = {}
    for name, first in mean.state_dict().items():
        all_of_them = [state[name] for state in states if name in state] or [first]
        if first.is_floating_point() and all(each.shape == first.shape for each in all_of_them):
            weights[name] = torch.stack(all_of_them).mean(0)
        else:  # batch norm's count of batches; gates of a recurrence of another kind
            weights[name] = first
    mean.load_state_dict(weights)
    meta: dict[str, object] = {"mean_of": [str(path) for path in paths]}
    if missing_from is not None:
        meta["missing_from"] = str(missing_from)
    meta |= as_plain(set().union(*(seen_by(told) for _, told in read)))
    fitted_to = set().union(*(tuned_on(told, ("intensities",)) for _, told in read))
    if fitted_to:  # the scale of intensities is in the weights, as thresholds are not
        meta["intensities_from"] = {"kept": sorted(map(list, fitted_to))}
    for name in KEPT:
        said = {meta_of.get(name) for _, meta_of in read}
        if len(said) == 1 and said != {None}:
            meta[name] = said.pop()
    return mean, meta


def _for_aus(network: Network, path: Path, aus: tuple[int, ...]) -> Network:
    """Leave out AUs of a network.

    Args:
        network: The network.
        path: Its checkpoint.
        aus: FACS numbers of those that stay.

    Raises:
        ValueError: It lacks one of them.
    """
    if lacking := sorted(set(aus) - set(network.config.aus)):
        raise ValueError(
            f"{path} does not know AU {', '.join(map(str, lacking))}, which the others tell: name "
            "a network that knows all of theirs"
        )
    if aus == network.config.aus:
        return network
    part = build_network(replace(network.config, aus=aus)).eval()
    warm_start(part, path)
    return part


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.average", description="Write the mean of networks as a checkpoint."
    )
    add = parser.add_argument
    add(
        "checkpoints",
        type=Path,
        nargs="+",
        help="two or more, which began with the same weights; or one, with --missing-from",
    )
    add("--missing-from", type=Path, help="one more, for what all of them lack, a recurrence")
    add("-o", "--output", "--out", type=Path, required=True, help="the checkpoint to write")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        model, meta = average(args.checkpoints, args.missing_from)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(args.output, model, meta)
    except (ValueError, OSError) as error:
        logger.error("%s", error)
        return 2
    names = ", ".join(map(str, args.checkpoints))
    logger.info("%s: the mean of %s, without thresholds", args.output, names)
    logger.info("python -m lgrnet.thresholds %s -o OUT chooses some", args.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
