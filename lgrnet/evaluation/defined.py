"""NaN as null: what is undefined of scores, in JSON, which has no NaN."""

import math


def defined(value: object) -> object:
    """Turn NaN into None, however deep it lies.

    Args:
        value: Plain values: dicts, lists, tuples, numbers and strings.

    Returns:
        The same with None for NaN; tuples are lists.
    """
    if isinstance(value, dict):
        return {key: defined(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [defined(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value
