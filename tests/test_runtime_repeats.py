"""How many frames in a row are alike: compared with comparing all of them."""

import numpy as np
import pytest

from runtime.sources.repeats import Frozen, Repeats


def test_frames_that_are_alike_are_counted():
    repeats = Repeats()
    buffer = np.zeros((60, 80, 3), np.uint8)  # one for all, as captures may give it
    runs = []
    for shade in (0, 0, 0, 7, 7, 0, 9, 9, 9, 9):
        buffer[:] = shade
        runs.append(repeats(buffer))
    assert runs == [1, 2, 3, 1, 2, 1, 1, 2, 3, 4]


@pytest.mark.parametrize("shape", [(1000, 100), (100, 1000), (40, 30), (1, 1)])
def test_a_bar_of_a_thirtieth_is_seen_wherever_it_is(shape):
    height, width = shape
    repeats = Repeats()
    nothing = np.zeros((height, width, 3), np.uint8)
    repeats(nothing)
    for axis, side in enumerate(shape):
        bar = max(1, side // 30)
        for start in range(0, side - bar + 1, bar):
            frame = nothing.copy()
            frame[(slice(None),) * axis + (slice(start, start + bar),)] = 1
            assert repeats(frame) == 1
            assert repeats(nothing) == 1


@pytest.mark.parametrize("seed", range(5))
def test_what_is_frozen_is_told_once_it_is_so_long(seed):
    """The first of those that are alike may count or not: it is not kept where all moves."""
    rng = np.random.default_rng(seed)
    frozen, most = Frozen(6), 6
    buffer = np.zeros((100, 100, 3), np.uint8)
    before, exact, told = None, 0, False
    for _ in range(2000):
        # At (0, 0) all look, at (1, 1) only those that compare all pixels.
        if (draw := rng.random()) < 0.3:
            where = (0, 0) if draw < 0.15 else (1, 1)
            buffer[where] = rng.integers(0, 3)
        exact = exact + 1 if before is not None and (before == buffer).all() else 1
        before = buffer.copy()
        says = frozen(buffer)
        if says:
            assert exact in (most, most + 1)
            told = True
            break
        assert exact <= most
    assert told
    assert not any(frozen(buffer) for _ in range(20)), "once"


def test_what_stood_still_before_is_forgotten():
    frozen = Frozen(6)
    still, other = (np.full((60, 80, 3), shade, np.uint8) for shade in (5, 6))
    assert not any(frozen(frame) for frame in [*[still] * 5, other] * 4)
    assert any(frozen(still) for _ in range(7))
