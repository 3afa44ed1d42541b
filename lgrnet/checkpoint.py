"""Checkpoints: the network's weights and configuration, in one file that explains itself.

A file holds only tensors and plain values, so that it is opened without running code from it
(``weights_only=True``) and does not depend on where our classes live.
"""

import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lgrnet.network.build import Network, build_network
from lgrnet.network.config import ModelConfig
from runtime.files.atomic import PendingFile

FORMAT = "lgrnet-checkpoint-1"
"""Changes whenever files of the old kind can no longer be read."""

FINDER_FORMAT = "lgrnet-finder-"
"""How the format of a face finder's file begins, see `lgrnet.finder.weights`."""


class CheckpointError(ValueError):
    """A file is no checkpoint of this project, is damaged, or is of another version."""


def save_checkpoint(
    path: str | Path, model: Network, meta: Mapping[str, Any] | None = None
) -> None:
    """Write a checkpoint; a file of that name is replaced only once the new one is complete.

    Args:
        path: Where to; the folder is made if need be.
        model: The network.
        meta: What else to keep: plain values and tensors, such as the optimiser's state.
    """
    content = {
        "format": FORMAT,
        "config": model.config.to_dict(),
        "model": model.state_dict(),
        "meta": dict(meta or {}),
    }
    write_whole(path, content)


def write_whole(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write what PyTorch stores; a file of that name is replaced only once the new one is complete.

    Args:
        path: Where to; the folder is made if need be.
        content: Plain values and tensors.

    Raises:
        InputError: The folder is a file.
        OSError: The file cannot be written.
    """
    # Given a path, PyTorch would write its name into the file.
    with PendingFile(path, durable=True) as part, part.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # PyTorch ends the file in any case, and fails at that instead.
            stop = error.__context__
            if isinstance(stop, OSError) and stop.errno:
                raise OSError(stop.errno, stop.strerror, str(path)) from error
            if isinstance(stop, KeyboardInterrupt):
                raise stop from None
            raise


def load_checkpoint(
    path: str | Path, device: str | torch.device = "cpu"
) -> tuple[Network, dict[str, Any]]:
    """Read a checkpoint.

    Args:
        path: A file written by :func:`save_checkpoint`.
        device: Where to put the network.

    Returns:
        The network, in evaluation mode, and the ``meta`` that was saved with it.

    Raises:
        CheckpointError: There is no such file, or it cannot be used; the message says why.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; `python -m lgrnet.train` writes checkpoints")
    content = read_whole(path)
    if not isinstance(content, dict) or "format" not in content:
        raise CheckpointError(
            f"{path} is a PyTorch file but not a checkpoint of lgrnet (it names no format); "
            "give one that `python -m lgrnet.train` wrote"
        )
    if str(content["format"]).startswith(FINDER_FORMAT):
        raise CheckpointError(
            f"{path} is a face finder, not a network that tells AUs: give a checkpoint that "
            "`python -m lgrnet.train` wrote; `python -m export.finder` exports face finders"
        )
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has format {content['format']!r}, this version of lgrnet reads {FORMAT!r}: "
            "load it with the version that wrote it, or train again"
        )
    missing = {"config", "model", "meta"} - content.keys()
    if missing:
        raise CheckpointError(f"{path} lacks {sorted(missing)}: the file is incomplete, save again")
    try:
        config = ModelConfig.from_dict(content["config"])
    except ValueError as error:
        raise CheckpointError(f"{path}: its configuration is not usable: {error}") from error
    try:
        model = build_network(config)
        model.load_state_dict(content["model"])
    except (RuntimeError, MemoryError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{path}: its weights do not fit the network that its configuration describes "
            f"({str(error)[:300]})"
        ) from error
    return model.to(device).eval(), content["meta"]


def find_damage(path: Path) -> str | None:
    """Compare every record of a PyTorch file with its checksum, which `torch.load` does not do.

    Args:
        path: A file that `torch.save` wrote.

    Returns:
        The first record that is damaged, or what is wrong with the file; None if nothing is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            record = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
        return str(error) or type(error).__name__
    except (RuntimeError, zlib.error) as error:  # a flipped bit says encrypted, or compressed
        return str(error)
    return None if record is None else f"{record} does not match its checksum"


def read_whole(path: Path) -> Any:
    """Read what :func:`write_whole` wrote, tensors and plain values only.

    Args:
        path: A file.

    Raises:
        CheckpointError: It is damaged or holds something else; the message says which.
    """
    if path.stat().st_size == 0:
        raise CheckpointError(
            f"{path} is empty: its writing was interrupted; use another checkpoint"
        )
    try:
        whole = zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # the directory at its end tells of what cannot be
        whole = False
    if not whole:
        raise CheckpointError(
            f"{path} is truncated or not a PyTorch checkpoint: copy it again, or use another"
        )
    if damage := find_damage(path):
        raise CheckpointError(
            f"{path} is damaged ({damage[:200]}): copy it again, or use another checkpoint"
        )
    with zipfile.ZipFile(path) as archive:
        if not any(name.endswith("/data.pkl") for name in archive.namelist()):
            raise CheckpointError(
                f"{path} is no PyTorch checkpoint (it holds {archive.namelist()[:1]}, …): give one "
                "that `python -m lgrnet.train` wrote"
            )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors and plain values, so it is not opened: "
            "it is no checkpoint of lgrnet"
        ) from error
    except Exception as error:  # of a damaged file, whatever its opcodes do
        raise CheckpointError(
            f"{path} is damaged ({str(error)[:200]}): copy it again, or use another checkpoint"
        ) from error
