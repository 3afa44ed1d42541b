import itertools
import os
import sys

import cv2
import numpy as np
import pytest
from some_results import some_face, some_result
from some_videos import write_video
from test_runtime_fixtures import astronaut

from runtime.errors import InputError
from runtime.sources import Arrays, open_source
from runtime.sources.base import Shot


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


GOOD, BAD = np.zeros((4, 4), np.uint8), np.zeros((4, 4))


@pytest.mark.parametrize("frames", [[BAD, GOOD], [None]])
def test_bad_first_frame_is_an_error(frames):
    with pytest.raises(InputError, match=r"frame 0 is (float64|a NoneType)"):
        list(open_source(frames))


def test_bad_frame_in_the_middle_is_named_and_left_out(caplog):
    source = open_source([GOOD, BAD, GOOD, None, GOOD])
    assert [shot.index for shot in source] == [0, 2, 4]
    assert source.skipped == 2
    assert "left out: frame 1 is float64" in caplog.text
    assert "left out: frame 3 is a NoneType" in caplog.text


def test_bad_frame_is_an_error_where_each_counts():
    with pytest.raises(InputError, match="frame 1 is float64"):
        list(Arrays([GOOD, BAD, GOOD], strict=True))


def test_very_many_bad_frames_do_not_fill_the_log(caplog):
    source = open_source(itertools.chain([GOOD], itertools.repeat(None, 1500)))
    assert len(list(source)) == 1
    assert source.skipped == 1500
    assert len(caplog.records) == 10 + 2


@pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are in Unicode")
@pytest.mark.parametrize("name", [b"caf\xe9.avi", b"caf\xe9.png", b"caf\xe9"])
def test_a_name_that_is_not_in_utf8_is_told(tmp_path, name, caplog):
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(write_video(tmp_path / "good.avi").read_bytes())
    with pytest.raises(InputError, match=r"the name '.*caf\\udce9.*' is not in UTF-8: rename"):
        list(open_source(path))
    with open_source(tmp_path) as source:  # in a folder the others are read
        assert {shot.name for shot in source} == {"good.avi"}
        assert source.failures == ([] if name == b"caf\xe9" else [f"caf\\udce9{path.suffix}"])
    assert "caf" in caplog.text


def test_a_camera_below_0_is_told():
    with pytest.raises(InputError, match="camera -1 cannot be opened: cameras are numbered from 0"):
        open_source(-1)


@pytest.mark.parametrize("source", [None, 3.5, True, "", []])
def test_no_source_at_all(source):
    with pytest.raises(InputError, match=r"is no source|empty text: give a path|list is empty"):
        open_source(source)


@pytest.mark.parametrize("nothing", [iter([]), set(), np.zeros((0, 4, 4, 3), np.uint8)])
def test_nothing_to_read_from(nothing):
    with pytest.raises(InputError, match="there is no frame"):
        list(open_source(nothing))


@pytest.mark.parametrize("shape", [(20, 20, 3), (20, 20)])
def test_fractions_are_refused(tmp_path, shape):
    cv2.imwrite(str(tmp_path / "a.pfm"), np.full(shape, 0.5, np.float32))
    with pytest.raises(InputError, match=r"a\.pfm holds fractions"):
        list(open_source(tmp_path / "a.pfm"))


def test_a_result_says_what_its_frame_took_and_how_long_it_was_waited_for():
    shot = Shot(GOOD, 7, 1.5, decode_ms=12.0, wait_ms=3.0, name="a.png", dropped=2)
    result = shot.placed(some_result(0, some_face(4)))
    assert (result.timings.decode, result.timings.decode_work) == (3.0, 12.0)
    assert (result.index, result.timestamp, result.name, result.dropped) == (7, 1.5, "a.png", 2)
    assert result.latency_ms is None
    assert [face.id for face in result] == [4]
