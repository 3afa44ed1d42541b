import math
from dataclasses import replace

import numpy as np
import pytest
from some_results import some_face, some_result

from runtime.boxes import overlap
from runtime.drawing import Annotator, draw
from runtime.drawing.places import is_free, is_inside, widest_gap
from runtime.drawing.style import BAR, BAR_PRESENT, Style
from runtime.drawing.timeline import (
    FEW_LANES,
    LANES,
    SECONDS,
    History,
    _curve,
    busiest,
    draw_timeline,
)


def grey(width: int = 640, height: int = 360) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def strip(picture: np.ndarray, plain: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, width, height of where two pictures differ."""
    rows, columns = np.nonzero((picture != plain).any(2))
    left, top = columns.min(), rows.min()
    return left, top, columns.max() - left + 1, rows.max() - top + 1


def last(frames: int = 50, x: float = 30, y: float = 10, zoom: int = 1, on=range(25, 40)):
    """The last frame and result of a video whose AU12 is present in some frames, and a pen."""
    pen = Annotator()
    for i in range(frames):
        present = ("AU12",) if i in on else ()
        values = {"AU06": 0.1, "AU12": 0.9 if present else 0.1}
        result = some_result(i, some_face(0, present, x, y, **values))
        if i < frames - 1:
            pen.draw(grey(640 * zoom, 360 * zoom), result)
    return pen, result


@pytest.mark.parametrize("zoom", [1, 3])
def test_strip_shows_when_an_action_unit_was_present(zoom):
    pen, result = last(zoom=zoom)
    frame = grey(640 * zoom, 360 * zoom)
    picture, plain = pen.draw(frame, result), draw(frame, result)
    left, top, width, height = strip(picture, plain)
    assert top > 180 * zoom
    assert width <= 320 * zoom, "no more than half of the frame"
    assert overlap((left, top, width, height), result.faces[0].box) == 0
    orange = (np.abs(picture.astype(int) - BAR_PRESENT).max(2) < 12)[top : top + height]
    columns = np.flatnonzero(orange[:, left : left + width].sum(0) > height // 8)
    # Frame 25 to 39 of 0 to 49, 25 a second, in a strip whose right end is the last frame.
    assert len(columns)
    span = columns.max() - columns.min()
    right = width - Style(zoom).pad - columns.max()
    # Lengths on the strip are as times: 14 frames present, 10 frames since then.
    assert span / right == pytest.approx(14 / 10, rel=0.25)


def test_a_face_whose_mouth_is_at_the_bottom_has_no_strip():
    narrow = grey(310, 360)
    pen, result = last(x=70, y=240)
    np.testing.assert_array_equal(pen.draw(narrow, result), draw(narrow, result))


def test_frames_without_the_face_are_a_gap():
    pen = Annotator()
    for i in range(100):
        values = {"AU06": 0.1, "AU12": 0.9}
        here = [] if 40 <= i < 80 else [some_face(0, ("AU12",), 30, 10, **values)]
        result = some_result(i, *here)
        picture = pen.draw(grey(), result)
    left, top, width, height = strip(picture, draw(grey(), result))
    orange = (np.abs(picture.astype(int) - BAR_PRESENT).max(2) < 12)[top : top + height]
    columns = np.flatnonzero(orange[:, left : left + width].sum(0) > height // 8)
    gaps = np.diff(columns)
    # 40 of the last 100 frames, of which the strip shows all: 4 of 8 seconds.
    assert (gaps > 1).sum() == 1
    assert gaps.max() / np.ptp(columns) == pytest.approx(41 / 99, abs=0.05)


def test_nothing_present_no_strip():
    pen, result = last(on=())
    np.testing.assert_array_equal(pen.draw(grey(), result), draw(grey(), result))


def test_face_at_the_bottom_is_seen_through_the_strip():
    pen, result = last(x=300, y=220)
    picture, plain = pen.draw(grey(), result), draw(grey(), result)
    box = strip(picture, plain)
    assert overlap(box, result.faces[0].box) == 0  # there is room beside it
    narrow = grey(330, 360)
    pen, result = last(x=80, y=182)
    picture, plain = pen.draw(narrow, result), draw(narrow, result)
    left, top, width, height = strip(picture, plain)
    assert overlap((left, top, width, height), result.faces[0].box) > 0.05
    assert top > result.faces[0].landmarks[:, 1].max(), "below the mouth, before the chin"
    part = np.s_[top : top + height, left : left + width]
    # What is bright behind it stays brighter than what is not.
    behind, before = plain[part].max(2).astype(float), picture[part].max(2).astype(float)
    assert before[behind > 220].mean() > before[behind < 120].mean() + 60


def test_history_is_bounded():
    history = History()
    for i in range(2000):
        history.add(some_result(i, some_face(i // 500)))
    samples = history.of(some_face(3))
    assert samples[0][0] >= history.now - SECONDS
    assert len(samples) == pytest.approx(SECONDS * 25, abs=1)
    assert history.of(some_face(0)) == []
    history.add(some_result(0, some_face(3)))  # the next video
    assert len(history.of(some_face(3))) == 1


def test_history_keeps_what_the_baseline_left():
    history = History()
    face = replace(some_face(AU06=0.6, AU12=0.9), adjusted={"AU12": 0.2})
    history.add(some_result(0, face))
    ((time, values, present, _),) = history.of(face)
    assert (time, values, present) == (0, {"AU06": 0.6, "AU12": 0.2}, {"AU12"})


def test_a_single_frame_without_the_face_is_a_gap():
    pen = Annotator()
    for i in range(12):
        here = [] if i == 5 else [some_face(0, ("AU12",), 30, 10, AU06=0.1, AU12=0.9)]
        result = some_result(i, *here, timestamp=i / 2)
        picture = pen.draw(grey(), result)
    left, top, width, height = strip(picture, draw(grey(), result))
    orange = (np.abs(picture.astype(int) - BAR_PRESENT).max(2) < 12)[top : top + height]
    columns = np.flatnonzero(orange[:, left : left + width].sum(0) > height // 8)
    assert (np.diff(columns) > 1).sum() == 1
    assert np.diff(columns).max() / np.ptp(columns) == pytest.approx(2 / 11, abs=0.03)


def test_history_ends_with_its_file():
    history = History()
    for i in range(5):
        history.add(replace(some_result(i, some_face()), name="a.mp4"))
    history.add(some_result(5, some_face(), name="b.jpg"))  # face 0 too, but of another file
    assert len(history.of(some_face())) == 1


def test_busiest():
    samples = [
        (i / 25, {}, frozenset(f"AU{au:02d}" for au in range(1, 2 + i)), i) for i in range(8)
    ]
    assert busiest(samples) == ["AU01", "AU02", "AU03", "AU04", "AU05"]
    assert len(busiest(samples)) == LANES
    assert busiest(samples, 1) == ["AU01"]
    # Two seconds of AU 30, four seconds ago, count less than one second of AU 40 now.
    then = [(i / 25, {}, frozenset({"AU30"} if i < 50 else ()), i) for i in range(150)]
    now = [(6 + i / 25, {}, frozenset({"AU40"}), 150 + i) for i in range(25)]
    assert busiest([*then, *now], 1) == ["AU40"]
    assert busiest([*then, *now]) == ["AU30", "AU40"]


def test_widest_gap():
    face, panel = (100.0, 50.0, 80.0, 200.0), (400, 5, 190, 300)
    assert widest_gap((10, 590), [face, panel], (200, 350), 5) == (185, 395)
    assert widest_gap((10, 590), [face, panel], (310, 350), 5) == (10, 590)
    assert widest_gap((10, 590), [(-50.0, 0.0, 700.0, 400.0)], (200, 350), 5)[1] <= 10
    assert widest_gap((10, 590), [face, (120.0, 0.0, 300.0, 400.0)], (200, 350), 5) == (425, 590)
    nested = [(100.0, 50.0, 300.0, 200.0), (150.0, 50.0, 20.0, 200.0)]
    assert widest_gap((10, 590), nested, (200, 350), 5) == (405, 590)


def test_places_beside_each_other_are_free():
    place = (10, 20, 30, 40)
    for beside in ((40, 20, 5, 5), (0, 20, 10, 5), (10, 60, 5, 5), (10, 0, 5, 20)):
        assert is_free(place, [beside])
        x, y, w, h = beside
        assert not is_free(place, [(x - 1, y - 1, w + 2, h + 2)])
    assert is_inside(place, (40, 60))
    for outside in ((-1, 20, 30, 40), (10, -1, 30, 40), (11, 20, 30, 40), (10, 21, 30, 40)):
        assert not is_inside(outside, (40, 60))


def test_latency_and_dropped_frames_of_live_sources():
    result = some_result(3, some_face())
    live = replace(result, latency_ms=31.0)
    dropped = replace(live, dropped=12)
    pictures = [draw(grey(), r) for r in (result, live, dropped)]
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] != pictures[2]).any()
    for picture in pictures[1:]:  # the head line only
        rows = np.flatnonzero((picture != pictures[0]).any((1, 2)))
        assert rows.min() < 30


SIZES = Style.of(640, 360)


def lanes_in(height: int, aus: tuple[str, ...]) -> int:
    """How many lanes the strip of a frame of this height has, 0 where there is none."""
    samples = [(i / 25, dict.fromkeys(aus, 0.5), frozenset(aus), i) for i in range(25)]
    canvas, away = grey(640, height), (700.0, 0.0, 9.0, 9.0)
    draw_timeline(canvas, samples, 1.0, (away, away), [], SIZES)
    if (canvas == 90).all():
        return 0
    tall = strip(canvas, grey(640, height))[3]
    assert strip(canvas, grey(640, height))[1] + tall == height - SIZES.pad
    return round((tall - SIZES.row - SIZES.pad) / round(1.15 * SIZES.row))


def test_a_strip_is_lower_than_half_of_the_frame():
    five = ("AU01", "AU02", "AU04", "AU06", "AU12")
    for aus, lanes, fewer in ((five[:1], 1, 0), (five, 5, FEW_LANES), (five[:3], 3, 0)):
        tall = lanes * round(1.15 * SIZES.row) + SIZES.row + SIZES.pad
        least = math.ceil(tall / 0.45)
        assert [lanes_in(height, aus) for height in (least, least - 1)] == [lanes, fewer]


def test_runs_of_a_curve_join_where_presence_changes():
    canvas = np.zeros((50, 80, 3), np.uint8)
    present = np.array([True, True, False, False, True])
    xs, values = np.array([0, 15, 30, 45, 60]), np.full(5, 0.9)
    _curve(canvas, xs, values, present, (48, 40), SIZES)
    row = canvas[35]
    for first, end, colour in ((1, 15, BAR_PRESENT), (16, 45, BAR), (46, 60, BAR_PRESENT)):
        # From the last sample before, as between two samples nothing is known.
        assert (row[first:end] == colour).all(), (first, end)
    assert not row[61:].any()
