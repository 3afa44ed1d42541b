"""NaN and infinity as null: what is undefined of scores, in JSON, which has neither."""

import math


def defined(value: object) -> object:
    """Turn NaN and infinity into None, however deep they lie.

    Args:
        value: Plain values: dicts, lists, tuples, numbers and strings.

    Returns:
        The same with None for these; tuples are lists.
    """
    if isinstance(value, dict):
        return {key: defined(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [defined(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
