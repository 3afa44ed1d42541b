import weakref
from itertools import pairwise

import numpy as np
import pytest

from runtime.sources import Arrays, Shot, every_nth

GREY = np.zeros((2, 2, 3), np.uint8)


def shots(*indices: int, first: tuple[int, ...] = ()) -> list[Shot]:
    return [Shot(GREY, i, i / 10, 1, 2, first=i in first) for i in indices]


@pytest.mark.parametrize(
    ("there", "every", "taken"),
    [
        (range(7), 1, list(range(7))),
        (range(10), 3, [0, 3, 6, 9]),
        (range(10), 50, [0]),
        ((), 2, []),
        ((0, 1, 2, 4, 5, 6, 7), 3, [0, 4, 6]),  # frame 3 is damaged
        ((2, 5, 9, 13, 15, 26, 29, 31), 10, [2, 13, 26, 31]),  # a camera whose frames were dropped
    ],
)
def test_one_of_so_many(there, every, taken):
    thinned = list(every_nth(shots(*there), every))
    assert [shot.index for shot in thinned] == taken
    assert [shot.timestamp for shot in thinned] == [i / 10 for i in taken]
    groups = [index // every for index in taken]
    assert all(a < b for a, b in pairwise(groups))
    assert set(groups) == {index // every for index in there}


def test_what_was_left_out_was_read_all_the_same():
    thinned = list(every_nth(shots(0, 1, 2, 3, 4, 5, 6, 7), 3))
    assert [(shot.decode_ms, shot.wait_ms) for shot in thinned] == [(1, 2), (3, 6), (3, 6)]


def test_each_file_begins_anew():
    thinned = list(every_nth(shots(*range(12), first=(0, 2, 4, 10)), 3))
    assert [shot.index for shot in thinned] == [0, 2, 4, 7, 10]
    assert [shot.first for shot in thinned] == [True, True, True, False, True]


def test_frames_that_were_left_out_are_let_go_of():
    made = []

    def frames():
        for number in range(7):
            frame = np.full((2, 2, 3), number, np.uint8)
            made.append(weakref.ref(frame))
            yield frame

    for shot in every_nth(Arrays(frames()), 3):
        assert [number for number, frame in enumerate(made) if frame() is not None] == [shot.index]


@pytest.mark.parametrize("every", [0, -2])
def test_none_of_so_many(every):
    with pytest.raises(ValueError, match=f"every must be 1 or more, got {every}"):
        list(every_nth(shots(0), every))


def test_half_a_frame():
    with pytest.raises(TypeError, match=r"every must be a whole number, got 1\.5"):
        list(every_nth(shots(0), 1.5))
