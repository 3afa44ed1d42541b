"""Which run a folder holds: asked before anything is written into it."""

import json
from collections.abc import Mapping
from pathlib import Path

from lgrnet.experiment import CONFIG_NAME, with_untold
from lgrnet.training.origin import check_origin, read_origin


def require_same_run(out: Path, config: dict, origin: Mapping[str, object]) -> dict[str, object]:
    """Check that a folder holds no other run.

    Args:
        out: The folder, whether or not there is one.
        config: All settings of the run.
        origin: What it is made from, of :func:`lgrnet.training.origin.origin_of`.

    Returns:
        What it is made from, also what is gone by now.

    Raises:
        ValueError: It holds another run, or its files are damaged.
    """
    path = out / CONFIG_NAME
    if not path.exists():
        return dict(origin)
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it if the run in its folder is this one"
        ) from error
    noted = read_origin(out)
    other = _differences(*(_what_decides(each, noted) for each in (found, config)))
    if noted:
        other += _lost_sources(found, config)
    if other:
        raise ValueError(
            f"{out} holds a run with another configuration (other {', '.join(other)}): "
            "choose another folder (--set out=FOLDER) or delete that one"
        )
    return check_origin(out, origin)


def _what_decides(config: dict, origin: dict) -> dict:
    """Leave out what changes how fast a run is or where it lies, and not what comes of it.

    Args:
        config: All settings.
        origin: What the run says that it is made from: of those files and folders contents are
            compared, and they may have been moved since.
    """
    config = with_untold(config)
    data = {key: value for key, value in config.get("data", {}).items() if key != "workers"}
    distil = config.get("distil") or {}  # runs that began before there were teachers have none
    teaching = distil if distil.get("teacher") is not None else None
    if origin:
        config = {**config, "init": config.get("init") is not None}
        data = {**data, "root": None, "also": len(data.get("also") or ())}
        teaching = teaching and {**teaching, "teacher": None}
    if "judged on" in origin:
        data = {**data, "val_root": None}
    return {**config, "data": data, "distil": teaching, "save_every": None, "out": None}


def _lost_sources(found: dict, config: dict) -> list[str]:
    """Name the checkpoints that are others by name, and are not there to be compared."""
    before, wanted = ((each.get("distil") or {}).get("teacher") for each in (found, config))
    pairs = [
        ("init", found.get("init"), config.get("init")),
        ("distil.teacher", before, wanted),
    ]
    return [
        key for key, was, now in pairs if was and now and was != now and not Path(now).is_file()
    ]


def _differences(one: dict, other: dict) -> list[str]:
    """Name the settings that differ, as on the command line."""
    names = []
    for key in sorted(one.keys() | other.keys()):
        mine, its = one.get(key), other.get(key)
        if isinstance(mine, dict) and isinstance(its, dict):
            names += [f"{key}.{name}" for name in _differences(mine, its)]
        elif mine != its:
            names.append(key)
    return names
