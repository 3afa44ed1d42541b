"""A face finder's file: its weights and what they were made from.

It holds only tensors and plain values, so that it is opened without running code from it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lgrnet.checkpoint import CheckpointError, read_whole, write_whole
from lgrnet.finder.network import FinderNetwork

FORMAT = "lgrnet-finder-1"
"""Changes whenever files of the old kind can no longer be read."""

_TRAIN = "`python -m lgrnet.finder.train` writes such files"


def save_finder(path: str | Path, network: FinderNetwork, meta: Mapping[str, Any]) -> None:
    """Write a face finder; a file of that name is replaced only once the new one is complete.

    Args:
        path: Where to; the folder is made if need be.
        network: The network.
        meta: What it was made from, plain values.
    """
    content = {
        "format": FORMAT,
        "config": network.config,
        "model": network.state_dict(),
        "meta": dict(meta),
    }
    write_whole(path, content)


def load_finder(path: str | Path) -> tuple[FinderNetwork, dict[str, Any]]:
    """Read a face finder.

    Args:
        path: A file written by :func:`save_finder`.

    Returns:
        The network, in evaluation mode, and the ``meta`` that was saved with it.

    Raises:
        CheckpointError: There is no such file, or it cannot be used; the message says why.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; {_TRAIN}")
    content = read_whole(path)
    if not isinstance(content, dict) or "format" not in content:
        raise CheckpointError(
            f"{path} is a PyTorch file but no face finder (it names no format); {_TRAIN}"
        )
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has format {content['format']!r}, a face finder {FORMAT!r}; {_TRAIN}"
        )
    missing = {"config", "model", "meta"} - content.keys()
    if missing:
        raise CheckpointError(f"{path} lacks {sorted(missing)}: the file is incomplete, save again")
    try:
        network = FinderNetwork(**content["config"])
        network.load_state_dict(content["model"])
    except (RuntimeError, MemoryError, AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: its weights do not fit the network that its configuration describes "
            f"({str(error)[:300]})"
        ) from error
    return network.eval(), content["meta"]
