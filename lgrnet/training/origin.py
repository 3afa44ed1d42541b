"""What a training is made from whose contents may change under the same name.

``origin.json`` in the folder of a run says so, as ``config.json`` holds names only: a run that goes
on with other faces, or is passed over though its initial weights are others now, would be taken for
one that it is not.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from lgrnet.data.shards import FaceShards
from runtime.files.atomic import write_json
from runtime.files.digest import file_sha256

NAME = "origin.json"
GONE = "gone"
"""Stands for the digest of a file that cannot be read any more."""


def origin_of(
    faces: FaceShards, judging: FaceShards, init: Path | None, teacher: Path | None
) -> dict[str, object]:
    """Say what a run is made from.

    Args:
        faces: What it is trained on.
        judging: What judges it.
        init: The checkpoint that it begins with; None for random weights.
        teacher: The checkpoint that it is distilled from; None for none.

    Returns:
        Number of ``faces``, the recipes of their ``data`` and of what they are ``judged on``,
        digests of the ``initial weights`` and of the ``teacher``, ``GONE`` for a file that is not
        there any more; plain values, as JSON gives them back.
    """
    return {
        "faces": len(faces),
        "data": json.loads(json.dumps(faces.recipe)),
        "judged on": json.loads(json.dumps(judging.recipe)),
        "initial weights": _digest(init),
        "teacher": _digest(teacher),
    }


def _digest(path: Path | None) -> str | None:
    if path is None:
        return None
    return file_sha256(path) if path.is_file() else GONE


def check_origin(out: Path, origin: Mapping[str, object]) -> dict[str, object]:
    """Check that the run in a folder is made from the same; older runs do not say.

    A file that has been deleted since does not count as another: a run that has begun goes on
    without its initial weights, and one that is finished without its teacher too.

    Args:
        out: Folder of the run.
        origin: From :func:`origin_of`.

    Returns:
        What the run is made from, also what is gone by now.

    Raises:
        ValueError: It is made from something else, or its file is damaged.
    """
    found = read_origin(out)
    if not found:
        return dict(origin)
    try:
        before = {"teacher": origin["teacher"], "judged on": origin["judged on"], **found}
        known = {name: before[name] if value == GONE else value for name, value in origin.items()}
        other = [name for name, value in known.items() if before[name] not in (value, GONE)]
    except KeyError as error:
        raise _damaged(out, error) from error
    if other:
        raise ValueError(
            f"{out} holds a run with other {' and '.join(other)} than there are now under the same "
            "names: choose another folder (--set out=FOLDER) or delete that one"
        )
    return known


def read_origin(out: Path) -> dict[str, object]:
    """Read what the run in a folder is made from, and whose people its sources have seen.

    Returns:
        Nothing where the run does not say, as older ones do not.

    Raises:
        ValueError: Its file is damaged.
    """
    path = out / NAME
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise TypeError("not an object")
    except (ValueError, TypeError) as error:
        raise _damaged(out, error) from error
    return found


def _damaged(out: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{out / NAME} is damaged ({error!r}): delete it if the run in its folder is this one"
    )


def write_origin(out: Path, origin: Mapping[str, object]) -> None:
    """Write it into the folder of a run."""
    write_json(out / NAME, origin)
