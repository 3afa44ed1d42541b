import re

import cv2
import numpy as np
import pytest
from test_runtime_fixtures import YUNET, SpotFinder, astronaut, needs_cascade

from runtime.align import invert, transform, warp
from runtime.errors import InputError, OpenCVError
from runtime.files.digest import file_sha256
from runtime.finders import CascadeFinder, YuNetFinder, align_box, open_finder
from runtime.finders.grids_opencv import MODEL

# Read off the picture by eye: eye centres, nose tip, mouth corners.
FACE = np.array([[203, 104], [247, 104], [225, 128], [204, 143], [243, 144]], float)


@pytest.fixture(params=[pytest.param("cascade", marks=needs_cascade), "network", "yunet"])
def finder(request):
    if request.param != "yunet":
        return open_finder(request.param)
    if not YUNET.exists():
        pytest.skip(f"{YUNET} is not there: YuNet is not part of the project")
    return YuNetFinder(YUNET)


def nearest(found, place):
    """How far the nearest face's middle is; what else was found is for `confirm` to sort out."""
    assert len(found) < 4
    middles = [transform(np.array([99.5, 99.5]), invert(face.alignment)) for face in found]
    return np.linalg.norm(np.array(middles) - place, axis=1).min()


def test_astronaut(finder):
    (face,) = finder.find(astronaut())
    x, y, w, h = face.box
    assert (x < FACE[:, 0]).all()
    assert (FACE[:, 0] < x + w).all()
    assert (y < FACE[:, 1]).all()
    assert (FACE[:, 1] < y + h).all()
    assert 0 < face.score <= 1


def test_first_alignment_is_near_the_true_one(finder):
    (face,) = finder.find(astronaut())
    aligned = transform(FACE, face.alignment)
    low, high = aligned.min(0), aligned.max(0)
    np.testing.assert_allclose([low[0], high[0]], [65.2, 133.8], atol=5)
    np.testing.assert_allclose((low + high) / 2, [99.5, 99.5], atol=5)


@pytest.mark.parametrize("zoom", [0.7, 1.5, 4.0])
def test_boxes_are_in_pixels_of_the_frame(finder, zoom):
    (small,) = finder.find(astronaut())
    (large,) = finder.find(cv2.resize(astronaut(), None, fx=zoom, fy=zoom))
    np.testing.assert_allclose(np.array(large.box) / zoom, small.box, atol=16)


class FakeCascade:
    """Finds the same face in every frame of some searches, and notes what it was shown."""

    def __init__(self, searches=()):
        self.searches, self.shapes, self.limits = searches, [], []

    def detectMultiScale3(self, image, minSize, maxSize, **_):
        self.shapes.append(image.shape)
        self.limits.append((minSize, maxSize))
        if len(self.shapes) - 1 not in self.searches:
            return (), (), ()
        return np.array([[10, 20, 30, 30]]), np.array([20]), np.array([55.0])


UPRIGHT, CLOSE_UP, *TILTED = range(4)


class BlindAtFirst:
    """Finds nothing in an upright frame, as in most of tilted faces."""

    def __init__(self, cascade):
        self.cascade, self.searches = cascade, 0

    def detectMultiScale3(self, image, **options):
        self.searches += 1
        return self.cascade.detectMultiScale3(image, **options) if self.searches > 2 else 3 * ((),)


@needs_cascade
@pytest.mark.parametrize(
    ("size", "searched", "zoom"),
    [
        ((1600, 900), (400, 225), 4),
        ((900, 1600), (225, 400), 4),
        ((320, 240), (320, 240), 1),
        ((800, 401), (400, 201), 2),
    ],
)
def test_search_runs_on_a_reduced_frame_and_answers_in_pixels_of_the_whole(size, searched, zoom):
    finder, cascade = CascadeFinder(), FakeCascade([UPRIGHT])
    finder._cascade = cascade
    (face,) = finder.find(np.zeros((*size[::-1], 3), np.uint8))
    assert cascade.shapes[UPRIGHT] == searched[::-1]
    assert cascade.limits[UPRIGHT] == ((24, 24), (max(searched), max(searched)))
    assert face.score == pytest.approx(1 - np.exp((53.76 - 55) / 1.2))
    assert face.box == pytest.approx(np.array([10, 20, 30, 30]) * zoom)
    # The aligned face's middle is the box's, a tenth of its side further down.
    middle = np.array([25.0, 35 + 0.1 * 30]) * zoom
    np.testing.assert_allclose(transform(middle, face.alignment), [99.5, 99.5], atol=1e-9)


@needs_cascade
@pytest.mark.parametrize("zoom", [1, 4])
def test_cascade_finds_a_face_that_fills_the_picture(zoom):
    crop = cv2.resize(astronaut()[66:160, 178:272], None, fx=zoom, fy=zoom)
    face = max(CascadeFinder().find(crop), key=lambda face: face.box[2])
    x, y, w, h = np.array(face.box) / zoom
    points = FACE - [178, 66]
    assert (x < points[:, 0]).all()
    assert (points[:, 0] < x + w).all()
    assert (y < points[:, 1]).all()
    assert (points[:, 1] < y + h).all()
    assert w > 0.7 * len(crop) / zoom
    middle = transform(points * zoom, face.alignment).mean(0)
    np.testing.assert_allclose(middle, [99.5, 99.5], atol=12)


@needs_cascade
@pytest.mark.parametrize("zoom", [0.5, 1, 2])
@pytest.mark.parametrize("tilt", [-38, -25, 25, 38])
def test_cascade_finds_a_tilted_face(tilt, zoom):
    turn = zoom * cv2.getRotationMatrix2D((225, 124), tilt, 1)
    side = round(zoom * 260)
    turn[:, 2] += zoom * np.array([-85, -5])  # a little right of the middle and above it
    frame = cv2.warpAffine(
        astronaut(), turn, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    finder = CascadeFinder()
    finder._cascade = BlindAtFirst(finder._cascade)
    (face,) = finder.find(frame)
    true = transform(FACE, turn)
    aligned = transform(true, face.alignment)
    eyes = aligned[1] - aligned[0]
    left = np.degrees(np.arctan2(eyes[1], eyes[0]))
    assert left == pytest.approx(np.sign(tilt) * (30 - abs(tilt)), abs=4)
    np.testing.assert_allclose(aligned.mean(0), [99.5, 99.5], atol=14)
    assert np.linalg.norm(eyes) == pytest.approx(70, rel=0.3)  # of an exact alignment
    x, y, w, h = face.box
    middle = true.mean(0) - [x + w / 2, y + h / 2]
    assert np.abs(middle).max() < 0.2 * w
    assert w == h


@needs_cascade
def test_one_that_fills_the_frame_is_looked_for_beside_others():
    """What is seen in it, nose and mouth, would keep it from being found."""
    finder, cascade = CascadeFinder(), FakeCascade([UPRIGHT, CLOSE_UP])
    finder._cascade = cascade
    assert len(finder.find(np.full((300, 400, 3), 90, np.uint8))) == 2
    assert cascade.shapes[CLOSE_UP] == (180, 220)  # 120 × 160 with a margin
    assert cascade.limits[CLOSE_UP] == ((84, 84), (220, 220))


@needs_cascade
def test_one_that_fills_the_frame_is_found_once():
    (face,) = CascadeFinder().find(astronaut()[41:185, 153:297])
    assert 70 < face.box[2] < 120


@needs_cascade
@pytest.mark.parametrize("seen", [[UPRIGHT], [CLOSE_UP]])
def test_tilted_faces_are_looked_for_only_where_no_other_was_seen(seen):
    finder, cascade = CascadeFinder(), FakeCascade(seen)
    finder._cascade = cascade
    assert len(finder.find(np.full((300, 400, 3), 90, np.uint8))) == 1
    assert len(cascade.shapes) == 2
    for finder, least in ((CascadeFinder(), 24), (CascadeFinder(min_side=100), 40)):
        cascade = finder._cascade = FakeCascade(TILTED)
        assert len(finder.find(np.full((300, 400, 3), 90, np.uint8))) == 2
        for number in TILTED:
            assert max(cascade.shapes[number]) > 160
            assert cascade.limits[number] == ((least, least), (160, 160))


@needs_cascade
def test_cascade_sees_no_face_in_what_is_none():
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (320, 240))
    assert CascadeFinder().find(noise) == []
    assert CascadeFinder().find(np.zeros((1, 1, 3), np.uint8)) == []


def test_a_small_face_is_still_found(finder):
    # A fourteenth of the frame, 25 pixels as searched. The network, which finds most real faces of
    # that size (docs/finders.json), does not find this one below a tenth.
    side, left, top = (700, 500, 10) if finder.name == "network" else (460, 700, 100)
    frame = np.full((720, 1280, 3), 90, np.uint8)
    frame[top : top + side, left : left + side] = cv2.resize(
        astronaut(), (side, side), interpolation=cv2.INTER_AREA
    )
    assert nearest(finder.find(frame), FACE.mean(0) * side / 512 + [left, top]) < 20


def test_small_faces_of_large_frames_are_found_on_request(finder):
    side = 240  # the face is a thirtieth of the frame, 40 pixels in 1,280
    frame = np.full((1080, 1920, 3), 90, np.uint8)
    frame[500 : 500 + side, 900 : 900 + side] = cv2.resize(
        astronaut(), (side, side), interpolation=cv2.INTER_AREA
    )
    own = YUNET if isinstance(finder, YuNetFinder) else finder.name
    found = open_finder(own, search_side=1280).find(frame)
    assert nearest(found, FACE.mean(0) * side / 512 + [900, 500]) < 8
    if own == "cascade":
        assert open_finder(None).find(frame) == []


def test_wrong_search_side():
    with pytest.raises(ValueError, match="search_side must be 64 pixels or more, got 10"):
        open_finder(None, search_side=10)
    with pytest.raises(ValueError, match="search_side is for finders that are opened here"):
        open_finder(SpotFinder(), search_side=800)


def test_a_class_is_no_finder():
    with pytest.raises(InputError, match="finder SpotFinder is a class: give an object of it"):
        open_finder(SpotFinder)


def test_a_finder_of_a_file_can_be_cloned_and_tells_which_file(finder):
    """Or a run that was cut off would go on with another file."""
    if isinstance(finder, CascadeFinder):
        pytest.skip("its files are OpenCV's own")
    path = YUNET if isinstance(finder, YuNetFinder) else MODEL
    assert finder.clone().sha256 == finder.sha256 == file_sha256(path)


@pytest.mark.skipif(not YUNET.exists(), reason=f"{YUNET} is not here")
def test_yunet_has_a_clone_of_the_same_settings():
    finder = YuNetFinder(YUNET, threshold=0.5, search_side=640)
    other = finder.clone()
    assert (other._threshold, other._search_side) == (0.5, 640)
    assert other._network is not finder._network
    assert nearest(other.find(astronaut()), FACE.mean(0)) < 8
    for wrong in (5, -0.1, float("nan")):
        with pytest.raises(ValueError, match="threshold must be from 0 to 1"):
            YuNetFinder(YUNET, threshold=wrong)


def test_very_large_picture(finder):
    frame = np.full((6000, 8000, 3), 90, np.uint8)
    frame[500:5500, 1500:6500] = cv2.resize(astronaut(), (5000, 5000))
    assert nearest(finder.find(frame), FACE.mean(0) / 512 * 5000 + [1500, 500]) < 150


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300, 3), (300, 20, 3), (240, 320, 3)])
def test_no_face(finder, shape):
    assert finder.find(np.full(shape, 70, np.uint8)) == []


def test_confirm_tells_the_face_from_other_places(finder):
    (face,) = finder.find(astronaut())
    assert finder.confirm(warp(astronaut(), face.alignment, 200)) > 0.3
    suit = np.array([[1.55, 0, 99.5 - 1.55 * 225], [0, 1.55, 99.5 - 1.55 * 350]])
    assert finder.confirm(warp(astronaut(), suit, 200)) is None
    assert finder.confirm(np.full((200, 200, 3), 128, np.uint8)) is None


def test_confirm_bears_the_jitter_of_tracking(finder):
    (face,) = finder.find(astronaut())
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(20):
        turn = cv2.getRotationMatrix2D((99.5, 99.5), rng.normal(0, 6), np.exp(rng.normal(0, 0.06)))
        turn[:, 2] += rng.normal(0, 6, 2)
        matrix = turn @ np.vstack([face.alignment, [0, 0, 1]])
        seen += finder.confirm(warp(astronaut(), matrix, 200)) is not None
    assert seen >= 19


def test_box_becomes_an_alignment():
    matrix = align_box((10, 20, 40, 40), scale=2.0, drop=0.25)
    np.testing.assert_allclose(matrix[:, :2], 2.5 * np.eye(2))
    np.testing.assert_allclose(transform(np.array([30.0, 50.0]), matrix), [99.5, 99.5])


@pytest.mark.parametrize("lacking", ["program", "files", "folder"])
def test_opencv_5_has_no_cascades(monkeypatch, tmp_path, lacking):
    """Its contrib packages have the program still, but not the files."""
    if lacking == "program":
        monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    elif lacking == "files":
        monkeypatch.setattr(cv2.data, "haarcascades", f"{tmp_path}/")
    else:
        monkeypatch.delattr(cv2, "data")
    assert open_finder(None).name == "network"
    with pytest.raises(OpenCVError, match=r"'network' as finder.*or install OpenCV 4"):
        open_finder("cascade")


def test_missing_yunet_file(tmp_path):
    for said in (tmp_path / "no.onnx", "netwrok"):
        wanted = f"{said} does not exist: give 'network' or 'cascade', or the path of a YuNet model"
        with pytest.raises(FileNotFoundError, match=re.escape(wanted)):
            open_finder(said)
    with pytest.raises(FileNotFoundError, match=r"no\.onnx does not exist"):
        YuNetFinder(tmp_path / "no.onnx")
    with pytest.raises(InputError, match=f"face finder {tmp_path} is not a file"):
        open_finder(tmp_path)


def test_file_that_is_no_yunet(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"x\.onnx is not a YuNet model"):
        open_finder(str(tmp_path / "x.onnx"))


def test_own_finder():
    own = SpotFinder()
    assert open_finder(own) is own
    with pytest.raises(InputError, match="has no name, find, confirm"):
        open_finder(3)


@pytest.mark.skipif(not YUNET.exists(), reason=f"{YUNET} is not here")
def test_opening_yunet_prints_nothing(capfd):
    YuNetFinder(YUNET).clone()
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(cv2.utils, "logging"), reason="OpenCV 4.12 has no levels")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("level", ["SILENT", "ERROR", "WARNING", "INFO"])
def test_opencv_may_only_tell_of_errors_while_yunet_is_opened(monkeypatch, tmp_path, level, fails):
    logging = cv2.utils.logging
    before, given = logging.getLogLevel(), getattr(logging, f"LOG_LEVEL_{level}")
    levels = []

    def create(*_):
        levels.append(logging.getLogLevel())
        raise cv2.error("damaged") if fails else RuntimeError("opened")

    monkeypatch.setattr(cv2.FaceDetectorYN, "create", create)
    (tmp_path / "x.onnx").touch()
    logging.setLogLevel(given)
    try:
        with pytest.raises(InputError if fails else RuntimeError):
            YuNetFinder(tmp_path / "x.onnx")
        assert logging.getLogLevel() == given
    finally:
        logging.setLogLevel(before)
    assert levels == [min(given, logging.LOG_LEVEL_ERROR)]


def test_yunet_drops_boxes_that_are_none(monkeypatch, tmp_path):
    garbage = np.full((3, 15), -1e21, np.float32)
    garbage[1] = np.nan
    garbage[2, :4] = [10, 10, 0, 0]
    sane = np.arange(15, dtype=np.float32)[None]

    class Network:
        def setInputSize(self, size) -> None:
            assert min(size) >= 96
            assert size[0] % 32 == size[1] % 32 == 0

        def detect(self, image):
            return 1, np.concatenate([garbage, sane])

    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: Network())
    (tmp_path / "x.onnx").touch()
    (face,) = YuNetFinder(tmp_path / "x.onnx").find(np.zeros((300, 20, 3), np.uint8))
    assert face.box == (0, 1, 2, 3)
