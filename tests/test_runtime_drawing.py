from dataclasses import replace

import numpy as np
import pytest
from test_runtime_fixtures import MEAN_FACE, spot

from runtime.boxes import face_box, overlap
from runtime.drawing import Annotator, draw
from runtime.drawing.faces import draw_face, draw_number, draw_tag
from runtime.drawing.panel import plan_panel
from runtime.drawing.style import INK, PANEL, Style, shade, tag, text_width, write
from runtime.errors import InputError
from runtime.results import Face, Result, Timings

AUS = {"AU01": 0.02, "AU06": 0.9, "AU12": 1.0, "AU25": 0.4}


def face(x: float = 60, y: float = 40, number: int = 0, zoom: float = 1.0, aus=None) -> Face:
    points = (zoom * MEAN_FACE + (x, y)).astype(np.float32)
    return Face(number, face_box(points), 0.9, points, aus or AUS, ("AU06", "AU12"))


def result(*faces: Face, size: tuple[int, int] = (640, 360)) -> Result:
    return Result(faces, Timings(network=12.3), size)


def grey(width: int = 640, height: int = 360) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def changed(picture: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return (picture != frame).any(2)


def test_frame_is_left_alone():
    frame = grey()
    picture = draw(frame, result(face()))
    assert picture.shape == frame.shape
    assert picture.dtype == np.uint8
    assert (frame == 90).all()
    assert not np.shares_memory(picture, frame)


def test_landmarks_and_box_are_where_they_belong():
    shown = face()
    picture = draw(grey(), result(shown))
    there = changed(picture, grey())
    for x, y in np.round(shown.landmarks).astype(int):
        assert there[y, x]
    x, y, w, h = np.round(shown.box).astype(int)
    assert there[y, x : x + w].all()
    assert there[y : y + h, x + w].all()


@pytest.mark.parametrize(("x", "right"), [(30, True), (430, False)])
def test_panel_is_on_the_side_away_from_the_face(x, right):
    there = changed(draw(grey(), result(face(x=x))), grey())
    left, other = there[:60, :200].mean(), there[:60, 440:].mean()
    assert (other > 0.5) == right
    assert (left > 0.5) == (not right)


def test_bars_are_as_long_as_the_probabilities():
    # One AU of two frames: what differs between the pictures is the bar (and the digits).
    low = draw(grey(), result(face(aus={"AU06": 0.1})))
    high = draw(grey(), result(face(aus={"AU06": 0.9})))
    columns = np.flatnonzero((low != high).any((0, 2)))
    panel = np.flatnonzero(changed(high, grey())[8])
    width = panel.max() - panel.min()
    assert columns.max() - columns.min() == pytest.approx(0.8 * width, rel=0.12)


def test_present_aus_stand_out():
    points = face().landmarks
    on = Face(0, (0, 0, 1, 1), 1.0, points, {"AU06": 0.6}, ("AU06",))
    off = Face(0, (0, 0, 1, 1), 1.0, points, {"AU06": 0.6}, ())
    assert np.abs(draw(grey(), result(on)).astype(int) - draw(grey(), result(off))).max() > 80


@pytest.mark.parametrize("unit", [1, 2, 6])
def test_capitals_are_in_the_middle_of_their_row(unit):
    style, top = Style(unit), 20
    canvas = np.zeros((200, 400, 3), np.uint8)
    write(canvas, "AU12", (10, top), style, INK)
    rows = np.flatnonzero((canvas > 125).any((1, 2)))
    above, below = rows.min() - top, top + style.row - 1 - rows.max()
    assert abs(above - below) <= 1 + style.line


def test_no_face_is_said():
    there = changed(draw(grey(), result()), grey())
    assert there.any()
    rows, columns = np.nonzero(there)
    assert rows.max() < 60
    assert columns.max() < 260


def test_other_faces_are_tagged_at_their_side():
    one = changed(draw(grey(), result(face())), grey())
    two = changed(draw(grey(), result(face(), face(250, 150, 7))), grey())
    x, y, w, _ = np.round(face(250, 150).box).astype(int)
    assert not one[y : y + 40, x + w + 5 : x + w + 60].any()
    assert two[y : y + 40, x + w + 5 : x + w + 60].all()


def test_among_several_the_face_of_the_panel_has_its_number_too():
    one = changed(draw(grey(), result(face())), grey())
    two = changed(draw(grey(), result(face(), face(450, 150, 7))), grey())
    x, y, _, h = np.round(face().box).astype(int)
    above = np.s_[y - 12 : y - 2, x + 2 : x + 12]
    below = np.s_[y + h + 2 : y + h + 12, x + 2 : x + 12]
    assert not one[above].any()
    assert not one[below].any()
    assert two[above].all() or two[below].all()


def test_a_face_as_small_as_its_number_is_not_written_over():
    tiny = grey(48, 36)
    points = (MEAN_FACE - MEAN_FACE.min(0)) * (24 / np.ptp(MEAN_FACE[:, 1]))
    shown = replace(face(), box=face_box(points), landmarks=points.astype(np.float32))
    plain = tiny.copy()
    draw_face(plain, shown, Style.of(48, 36))
    picture = draw(tiny, result(shown, size=(48, 36)))
    x, y, w, h = np.round(shown.box).astype(int)
    inner = np.s_[y + 2 : y + h - 2, x + 2 : x + w - 2]
    assert not changed(picture, plain)[inner].any()


def test_tag_is_above_where_there_is_no_room_at_the_side():
    far, size = face(45, 150, 7), (270, 360)  # of the frame's right part only
    there = changed(draw(grey(*size), result(face(-400), far, size=size)), grey(*size))
    x, y, _, h = np.round(far.box).astype(int)
    assert there[y - 6, x : x + 60].all()
    assert not there[y : y + h, : x - 2].any()


def people(rng: np.random.Generator, count: int, size: tuple[int, int]) -> list[Face]:
    """Faces of a fourth to half of the frame that do not overlap; fewer where none has room."""
    aus = {f"AU{au:02d}": rng.uniform() for au in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 25)}
    present = tuple(key for key, value in aus.items() if value > 0.5)
    found: list[Face] = []
    for _ in range(100):
        zoom = rng.uniform(0.25, 0.5) * min(size) / np.ptp(MEAN_FACE[:, 1])
        corner = -zoom * MEAN_FACE.min(0)
        points = zoom * MEAN_FACE + corner + rng.uniform(0, 1, 2) * (size - zoom * 120)
        here = Face(
            len(found), face_box(points), 0.9, points.astype(np.float32), aus, present,
            dict.fromkeys(aus, 3.0),
        )  # fmt: skip
        if len(found) < count and all(overlap(here.box, other.box) == 0 for other in found):
            found.append(here)
    return found


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (360, 640)])
def test_nobody_is_hidden(size):
    rng = np.random.default_rng(3)
    for count in (1, 2, 2, 3, 4, 4):
        shown = people(rng, count, np.array(size))
        plain = grey(*size)
        for one in shown:
            draw_face(plain, one, Style.of(*size))
        pen = Annotator()
        for index in range(2):
            seen = Result(tuple(shown), Timings(network=12.3), size, index, index / 25)
            picture = pen.draw(grey(*size), seen)
        assert changed(picture, plain).any()
        for one in shown[1:]:
            x, y, w, h = np.round(one.box).astype(int)
            inner = np.s_[max(y, 0) + 2 : y + h - 2, max(x, 0) + 2 : x + w - 2]
            # Where nothing else is free, a face has its own number in its own corner.
            differs = changed(picture, plain)[inner]
            assert not differs[30 * size[1] // 360 :].any()
        x, y = np.round(shown[0].landmarks.min(0)).astype(int)
        right = np.round(shown[0].landmarks.max(0)).astype(int)[0]
        assert not changed(picture, plain)[y : y + 10, x:right].any()


def test_panel_grows_smaller_before_it_goes():
    many = {f"AU{au:02d}": 0.5 for au in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25)}

    def plan(*others: float):
        shown = [face(x, 150, number, aus=many) for number, x in enumerate((290, *others))]
        return plan_panel((640, 360), shown[0], shown[1:], "12.3 ms", Style.of(640, 360))

    large = plan()
    assert (large.names, large.rank, large.rows) == (True, 0, tuple(many))
    small = plan(130, 480)
    assert (small.names, small.rows) == (False, tuple(many))
    assert small.box[2] < 0.7 * large.box[2]
    assert plan(5, 150, 430, 540) is None


def test_panel_stays_while_it_hides_nobody():
    def boxes(xs, before=None):
        for x in xs:
            before = plan_panel((640, 360), face(x), [], "", Style.of(640, 360), before)
            yield before.box[0]

    edge = plan_panel((640, 360), face(300), [], "", Style.of(640, 360)).box[2]
    near, far = edge - 8, edge + 8
    # A face that trembles there would have it jump from side to side.
    assert next(boxes([near])) > 320 > next(boxes([far]))
    assert len(set(boxes([far, near, far, near]))) == 1
    assert list(boxes([far, 20, far])) == [6, next(boxes([near])), next(boxes([near]))]


def test_panel_comes_along_into_a_smaller_frame():
    pen = Annotator()
    for index in range(3):
        pen.draw(grey(), replace(result(face()), index=index))
    small = replace(result(face(), size=(330, 360)), index=3, timestamp=0.1)
    picture, alone = pen.draw(grey(330, 360), small), draw(grey(330, 360), small)
    assert changed(alone[:60], grey(330, 360)[:60]).any()
    np.testing.assert_array_equal(picture[:60], alone[:60])


@pytest.mark.parametrize("size", [(320, 180), (640, 360), (1920, 1080), (360, 640), (3840, 2160)])
def test_panel_fits_every_size_of_frame(size):
    many = {f"AU{au:02d}": 0.5 for au in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25)}
    zoom = min(size) / 360
    shown = face(zoom * 10, zoom * 150, zoom=zoom, aus=many)
    there = changed(draw(grey(*size), result(shown, size=size)), grey(*size))
    assert there.mean() > 0.05
    assert not there[-1].any()
    assert not there[:, [0, -1]].all(0).any()


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 7, 3), (40, 30), (48, 64, 4)])
def test_tiny_and_other_frames_are_no_error(shape):
    frame = np.zeros(shape, np.uint8)
    for what in (result(), result(face()), result(face(), face(number=2))):
        assert draw(frame, what).shape == (*shape[:2], 3)


def test_face_outside_the_frame_is_no_error():
    assert draw(spot(20, 20), result(face(x=-500), face(x=5000, y=5000))).shape == (240, 320, 3)


def test_no_frame():
    with pytest.raises(InputError, match="float64"):
        draw(np.zeros((4, 4, 3)), result())


@pytest.mark.parametrize("frame", [None, [[1, 2], [3, 4]], np.zeros((48, 64, 3))])
def test_no_frame_leaves_no_trace_in_a_video(frame):
    pen, other = Annotator(), Annotator()
    for index in range(3):
        seen = replace(result(face()), index=index, timestamp=index / 25)
        lost = replace(result(face(x=200)), index=index, timestamp=index / 25)
        with pytest.raises(InputError, match=r"NumPy array|convert it"):
            pen.draw(frame, lost)
        np.testing.assert_array_equal(pen.draw(grey(), seen), other.draw(grey(), seen))


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080)])
def test_all_nineteen_aus_are_shown(size):
    aus = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
    pictures = []
    for seen in aus:  # whichever AU is on, it moves its own row
        values = {f"AU{au:02d}": 0.9 if au == seen else 0.1 for au in aus}
        pictures.append(draw(grey(*size), result(face(aus=values), size=size)))
    none = draw(grey(*size), result(face(aus=dict.fromkeys(values, 0.1)), size=size))
    rows = [np.flatnonzero((picture != none).any((1, 2))).mean() for picture in pictures]
    assert (np.diff(rows) > 5).all()


def test_intensities_are_graded_as_in_facs():
    points, values = face().landmarks, {"AU06": 0.6, "AU12": 0.7}

    def picture(present, **intensities):
        shown = Face(0, (0, 0, 1, 1), 1.0, points, values, present, intensities)
        return draw(grey(), result(shown))

    both = ("AU06", "AU12")
    weak, trace = picture(both, AU06=1.2, AU12=2.0), picture(both, AU06=0.2, AU12=2.0)
    np.testing.assert_array_equal(weak, trace)  # A, both
    strong = picture(both, AU06=4.4, AU12=2.0)  # D
    assert (strong != weak).any()
    np.testing.assert_array_equal(strong, picture(both, AU06=3.6, AU12=2.0))
    absent = picture(("AU12",), AU06=4.4, AU12=2.0)
    np.testing.assert_array_equal(absent, picture(("AU12",), AU06=0.0, AU12=2.0))


def test_the_panel_is_laid_out_anew_for_a_larger_frame():
    pen = Annotator()
    pen.draw(grey(), result(face()))
    large = replace(result(face(300, 200, zoom=3), size=(1920, 1080)), index=1, timestamp=0.1)
    picture, alone = pen.draw(grey(1920, 1080), large), draw(grey(1920, 1080), large)
    assert changed(alone[:180], grey(1920, 1080)[:180]).any()
    np.testing.assert_array_equal(picture[:180], alone[:180])


STYLE = Style.of(640, 360)


def test_a_low_frame_shows_the_most_probable_in_the_order_of_their_numbers():
    aus = {f"AU{au:02d}": (7 * au % 19) / 19 for au in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17)}
    plan = plan_panel((640, 100), face(450, 0, zoom=0.5, aus=aus), [], "", Style.of(640, 100))
    best = sorted(aus, key=aus.get, reverse=True)[: len(plan.rows)]
    assert 0 < len(plan.rows) < len(aus)
    assert plan.rows == tuple(sorted(best))


@pytest.mark.parametrize("width", [400, 480, 560, 640])
def test_names_take_less_than_half_of_the_frame(width):
    plan = plan_panel((width, 360), face(width - 130, 200), [], "", Style.of(640, 360))
    assert plan.box[2] < (0.43 if plan.names else 1) * width


def test_what_a_baseline_left_is_what_is_shown():
    shown = face(aus={"AU06": 0.9})
    adjusted = draw(grey(), result(replace(shown, adjusted={"AU06": 0.25})))
    np.testing.assert_array_equal(adjusted, draw(grey(), result(face(aus={"AU06": 0.25}))))


def test_no_tag_lies_over_the_panel():
    shown, other = face(20, 10), face(250, 0, 7)
    plan = plan_panel((640, 360), shown, [other], "12.3 ms", STYLE)
    x, y, w, h = plan.box
    assert other.box[0] + other.box[2] < x < other.box[0] + other.box[2] + 60
    hidden = replace(other, present=())
    pictures = [draw(grey(), result(shown, each)) for each in (other, hidden)]
    alone = draw(grey(), result(shown))
    assert plan == plan_panel((640, 360), shown, [], "12.3 ms", STYLE)
    for picture in pictures:
        np.testing.assert_array_equal(picture[y : y + h, x : x + w], alone[y : y + h, x : x + w])


def test_a_tag_goes_to_the_other_side_and_stays_in_the_frame():
    one = face(300, 270, 7)
    x, y, w, _ = one.box
    right = draw_tag(grey(), one, STYLE, [])
    assert right[0] >= x + w
    left = draw_tag(grey(), one, STYLE, [(x + w, 0, 640, 360)])
    assert 0 <= left[0] < left[0] + left[2] <= x
    for place in (left, right):
        assert 0 <= place[1] < place[1] + place[3] <= 360
    assert y + left[3] > 360, "it would have reached out of the frame"


def test_a_tag_names_the_most_probable():
    aus = {f"AU{au:02d}": (7 * au % 19) / 19 for au in (1, 2, 4, 5, 6, 7, 9, 10)}
    best = tuple(sorted(aus, key=aus.get)[-6:])
    canvases = [grey(), grey()]
    for canvas, present in zip(canvases, (tuple(aus), best), strict=True):
        draw_tag(canvas, replace(face(200, 100, aus=aus), present=present), STYLE, [])
    np.testing.assert_array_equal(*canvases)
    assert (canvases[0] != 90).any()


def test_a_number_without_room_is_in_the_faces_corner_unless_it_is_tiny():
    everywhere = [(0.0, 0.0, 640.0, 360.0)]
    large, tiny = face(200, 100, 7), face(200, 100, 7, zoom=0.15)
    canvas = grey()
    place = draw_number(canvas, large, STYLE, everywhere)
    assert place[:2] == (round(large.box[0]), round(large.box[1]))
    assert (canvas != 90).any()
    canvas = grey()
    assert draw_number(canvas, tiny, STYLE, everywhere) == (0, 0, 0, 0)
    assert (canvas == 90).all()


def test_boxes_and_tags_at_the_border():
    canvas = grey(40, 30)
    shade(canvas, (-5, -4, 10, 10), PANEL)
    wanted = np.zeros((30, 40), bool)
    wanted[:6, :5] = True
    np.testing.assert_array_equal(changed(canvas, grey(40, 30)), wanted)
    canvas = grey()
    tag(canvas, "#12", (630, 355), STYLE)
    rows, columns = np.nonzero(changed(canvas, grey()))
    assert (rows.max(), columns.max()) == (359, 639)
    assert columns.min() == 640 - text_width("#12", STYLE.font) - 2 * STYLE.pad
    assert rows.min() == 360 - STYLE.row


@pytest.mark.parametrize(
    "text", ["#7 AU06 AU12", "#7 AU12 +1", "#7 +2"], ids=["all", "the most probable", "none"]
)
def test_a_tag_on_a_line_leaves_out_what_has_no_room(text):
    one, style = face(200, 100, 7), Style(0.85 * STYLE.unit)
    x, y, _, h = one.box
    breadth = text_width(text, style.font) + 2 * style.pad
    right = round(x) + breadth
    # Others above, below and on both sides; above the face is room for this much and no more.
    taken = [
        (0, 0, 640, round(y) - style.row), (0, 0, round(x), 360), (right, 0, 640, round(y)),
        (0, round(y + h), 640, 360), (round(x + one.box[2]), 0, 640, 360),
    ]  # fmt: skip
    canvas, wanted = grey(), grey()
    assert draw_tag(canvas, one, STYLE, taken) == (
        round(x),
        round(y) - style.row,
        breadth,
        style.row,
    )
    tag(wanted, text, (round(x), round(y) - style.row), style)
    np.testing.assert_array_equal(canvas, wanted)


def test_the_panel_is_in_the_middle_between_two_faces():
    left, right = face(0, 10), face(900, 10, 1)
    for one, other in ((left, right), (right, left)):
        panel = plan_panel((1100, 360), one, [other], "12.3 ms", STYLE)
        own, box = one.landmarks, other.box
        ends = [(own[:, 0].min(), own[:, 0].max()), (box[0], box[0] + box[2])]
        (_, first), (last, _) = sorted(ends)
        x, _, wide, _ = panel.box
        assert panel.rank == 0
        assert x + wide / 2 == pytest.approx((first + last) / 2, abs=1.5)
