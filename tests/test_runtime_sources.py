import cv2
import numpy as np
import pytest
from test_runtime_fixtures import astronaut

from runtime import sources
from runtime.errors import InputError
from runtime.sources import open_source


def write_video(path, frames: int = 20, fps: float = 10, code: str = "mp4v"):
    """A video whose frame i has the grey value 10 · i."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 10 * i, np.uint8))
    writer.release()
    return path


def test_video(tmp_path):
    with open_source(write_video(tmp_path / "a.mp4")) as source:
        assert (source.moving, source.stem, source.count) == (True, "a", 20)
        assert source.fps == pytest.approx(10)
        shots = list(source)
    assert [shot.index for shot in shots] == list(range(20))
    np.testing.assert_allclose([shot.timestamp for shot in shots], np.arange(20) / 10, atol=1e-3)
    np.testing.assert_allclose([shot.frame.mean() for shot in shots], np.arange(20) * 10, atol=4.9)
    assert all(shot.decode_ms > 0 and shot.frame.shape == (48, 64, 3) for shot in shots)
    assert all(shot.wait_ms == shot.decode_ms for shot in shots)


def test_video_that_ends_early_keeps_what_there_is(tmp_path, caplog):
    whole = write_video(tmp_path / "whole.avi", code="MJPG", frames=25).read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: (whole.index(b"movi") + whole.index(b"idx1")) // 2])
    shots = list(open_source(path))
    assert 5 < len(shots) < 25
    assert f"cut.avi ends early: {len(shots)} of 25 frames" in caplog.text


def test_whole_video_says_nothing(tmp_path, caplog):
    assert len(list(open_source(write_video(tmp_path / "a.avi", code="MJPG")))) == 20
    assert not caplog.records


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_video_without_its_index(tmp_path, share):
    data = write_video(tmp_path / "a.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"cut\.mp4 is (empty|not an image or video.*truncated)"):
        open_source(path)


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "notes"])
def test_not_a_video(tmp_path, name):
    (tmp_path / name).write_text("hello\n" * 100)
    with pytest.raises(InputError, match="not an image or video that OpenCV can decode"):
        open_source(tmp_path / name)


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.mp4 does not exist"):
        open_source(tmp_path / "no.mp4")


@pytest.mark.parametrize("name", ["a.png", "without_suffix"])
def test_image(tmp_path, name):
    (tmp_path / name).write_bytes(cv2.imencode(".png", astronaut())[1].tobytes())
    with open_source(str(tmp_path / name)) as source:
        assert (source.still, source.moving, source.count) == (True, False, 1)
        (shot,) = source
    np.testing.assert_array_equal(shot.frame, astronaut())
    assert (shot.index, shot.timestamp, shot.name) == (0, None, "")


def test_truncated_image(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", astronaut())[1].tobytes()[:5000])
    with pytest.raises(InputError, match="truncated"):
        list(open_source(path))


def fill(folder, **images: bytes | int):
    folder.mkdir()
    for name, content in images.items():
        if isinstance(content, int):
            content = cv2.imencode(".png", np.full((5, 5), content, np.uint8))[1].tobytes()
        (folder / f"{name}.png").write_bytes(content)
    return folder


def test_folder_is_read_by_name(tmp_path):
    folder = fill(tmp_path / "faces", b=20, a=10, c=30)
    (folder / "notes.txt").write_text("not an image")
    (folder / "d.png").mkdir()
    with open_source(folder) as source:
        assert (source.moving, source.still, source.stem) == (False, False, "faces")
        assert [(shot.name, shot.frame.max()) for shot in source] == [
            ("a.png", 10),
            ("b.png", 20),
            ("c.png", 30),
        ]


def test_folder_leaves_out_bad_files_and_says_so(tmp_path, caplog):
    source = open_source(fill(tmp_path / "faces", a=10, b=b"text", c=30))
    assert [(shot.index, shot.name) for shot in source] == [(0, "a.png"), (2, "c.png")]
    assert source.failures == ["b.png"]
    assert "left out" in caplog.text
    assert "b.png" in caplog.text


def test_folder_of_bad_files(tmp_path):
    with pytest.raises(InputError, match=r"no image in .*a\.png, b\.png"):
        list(open_source(fill(tmp_path / "faces", a=b"text", b=b"text")))


def test_folder_without_images(tmp_path):
    with pytest.raises(InputError, match="holds no image"):
        open_source(fill(tmp_path / "faces"))


def test_arrays():
    frame = np.zeros((4, 5, 3), np.uint8)
    assert [shot.frame.shape for shot in open_source(frame)] == [(4, 5, 3)]
    assert open_source(frame).still
    frames = np.stack([frame] * 3)
    assert [shot.index for shot in open_source(frames)] == [0, 1, 2]
    assert open_source(frames).moving
    generated = open_source(f for f in [frame, frame[..., 0]])
    assert [shot.frame.shape for shot in generated] == [(4, 5, 3)] * 2


def test_iterables_are_asked_one_frame_at_a_time():
    asked = []

    def frames():
        for i in range(1000):
            asked.append(i)
            yield np.zeros((2, 2), np.uint8)

    shots = iter(open_source(frames()))
    next(shots), next(shots)
    assert asked == [0, 1]


def test_bad_frame_is_named():
    good, bad = np.zeros((4, 4), np.uint8), np.zeros((4, 4))
    with pytest.raises(InputError, match="frame 1 is float64"):
        list(open_source([good, bad]))


@pytest.mark.parametrize("source", [None, 3.5, True])
def test_no_source_at_all(source):
    with pytest.raises(InputError, match="is no source"):
        open_source(source)


class FakeCamera:
    """A camera of three frames at most, as OpenCV shows one."""

    there, frames = True, 3

    def __init__(self, number: int) -> None:
        self.number, self.left = number, self.frames

    def isOpened(self) -> bool:
        return self.there

    def get(self, _: int) -> float:
        return 0.0

    def set(self, _: int, __: float) -> bool:
        return True

    def read(self):
        self.left -= 1
        return self.left >= 0, np.full((4, 4, 3), self.number, np.uint8)

    def release(self) -> None:
        pass


@pytest.mark.parametrize("source", [2, "cam:2"])
def test_camera(monkeypatch, source):
    monkeypatch.setattr(sources.cv2, "VideoCapture", FakeCamera)
    camera = open_source(source)
    assert (camera.moving, camera.stem, camera.fps) == (True, "camera2", None)
    shots = list(camera)
    assert [shot.index for shot in shots] == [0, 1, 2]
    assert shots[0].frame.max() == 2
    assert 0 <= shots[0].timestamp <= shots[2].timestamp


def test_camera_that_is_not_there(monkeypatch):
    monkeypatch.setattr(sources.cv2, "VideoCapture", FakeCamera)
    monkeypatch.setattr(FakeCamera, "there", False)
    with pytest.raises(InputError, match="camera 9 cannot be opened"):
        open_source(9)


def test_camera_without_frames(monkeypatch):
    monkeypatch.setattr(sources.cv2, "VideoCapture", FakeCamera)
    monkeypatch.setattr(FakeCamera, "frames", 0)
    with pytest.raises(InputError, match="camera 9 gives no frames"):
        list(open_source(9))
