"""Parts of a test split by what is known of its pictures: pose, light, skin tone, occlusion.

The conditions are those that :mod:`lgrnet.faces.conditions` measures; a data set without them has
no groups.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np


class _Split(NamedTuple):
    """How a condition is cut: names of the parts, and the bounds between them."""

    title: str
    names: tuple[str, ...]
    bounds: tuple[float, ...]
    unsigned: bool = False


_SPLITS: dict[str, _Split] = {
    "yaw": _Split(
        "head turned by", ("under 10°", "10 to 20°", "20 to 30°", "30° or more"), (10, 20, 30), True
    ),
    "pitch": _Split("head nodded by", ("under 10°", "10 to 20°", "20° or more"), (10, 20), True),
    "brightness": _Split(
        "mean luma of the face", ("under 50", "50 to 90", "90 to 140", "140 or more"), (50, 90, 140)
    ),
    "side_light": _Split(
        "one half brighter by", ("under 10 %", "10 to 30 %", "30 % or more"), (0.1, 0.3)
    ),
    # Classes of the individual typology angle: Del Bino and Bernerd, 2013.
    "skin_tone": _Split(
        "skin tone (ITA)",
        ("dark", "brown", "tan", "intermediate", "light", "very light"),
        (-30, 10, 28, 41, 55),
    ),
    "occlusion": _Split(
        "face hidden by hands and things",
        ("nothing", "up to 10 %", "10 to 30 %", "30 % or more"),
        (1e-9, 0.1, 0.3),
    ),
}


class Group(NamedTuple):
    """Some frames of a split.

    Attributes:
        condition: What they are chosen by, in words.
        name: Which part of it.
        chosen: (frames,) bool.
    """

    condition: str
    name: str
    chosen: np.ndarray


def groups(conditions: Mapping[str, np.ndarray]) -> Iterator[Group]:
    """Cut a split by each condition.

    Args:
        conditions: Of :class:`lgrnet.data.shards.Labels`, name → (frames,).

    Yields:
        The groups, also empty ones, condition by condition; conditions that are not known here are
        left out. A value on a bound is in the upper group, and what is not known, NaN, in none.
    """
    for key, split in _SPLITS.items():
        if key not in conditions:
            continue
        values = np.abs(conditions[key]) if split.unsigned else conditions[key]
        where = np.where(np.isnan(values), -1, np.digitize(values, split.bounds))
        for number, name in enumerate(split.names):
            yield Group(split.title, name, where == number)
