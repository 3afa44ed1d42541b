"""Where panels and tags go, so that they hide no face."""

from collections.abc import Iterable, Sequence

from runtime.boxes import Box


def is_free(place: Box, taken: Iterable[Box]) -> bool:
    """Tell whether a place touches none of the boxes.

    Args:
        place: Left, top, width, height, pixels.
        taken: Boxes that are to be seen.

    Returns:
        Whether it does.
    """
    x, y, w, h = place
    return all(
        x + w <= left or left + width <= x or y + h <= top or top + height <= y
        for left, top, width, height in taken
    )


def is_inside(place: Box, size: tuple[int, int]) -> bool:
    """Tell whether a place is in a frame of this width and height."""
    x, y, w, h = place
    return x >= 0 and y >= 0 and x + w <= size[0] and y + h <= size[1]


def widest_gap(
    span: tuple[int, int], obstacles: Sequence[Box], band: tuple[int, int], pad: int
) -> tuple[int, int]:
    """Find the widest part of a span that boxes leave free.

    Args:
        span: Left and right end, pixels.
        obstacles: Boxes in the way.
        band: Top and bottom of the rows that are to be free; boxes outside do not count.
        pad: Space to leave beside the boxes.

    Returns:
        Left and right end, the first of equals.
    """
    top, bottom = band
    ends = sorted((x - pad, x + w + pad) for x, y, w, h in obstacles if y < bottom and y + h > top)
    gaps, left = [], span[0]
    for begin, end in [*ends, (span[1], span[1])]:
        gaps.append((left, round(min(begin, span[1]))))
        left = max(left, round(end))
    return max(gaps, key=lambda gap: gap[1] - gap[0])
