"""examples/native as a library: what C, and whatever calls C, gets of it."""

import ctypes
import os
import re
import threading
import time

import cv2
import numpy as np
import pytest
from native_example import (
    BGR,
    BGRA,
    FOLDER,
    GREY,
    RGB,
    RGBA,
    NativeLibrary,
    compile_library,
    compile_program,
    demo_frame,
    look_twice,
    ppm,
    run,
    write_exact,
    write_presence,
)  # fmt: skip

from runtime import Detector, open_source
from runtime.finders.grids_native import MODEL as NETWORK
from runtime.packaged import DEMO_CLIP, model_path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the example is compiled as on Linux")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The library, compiled."""
    return compile_library(tmp_path_factory.mktemp("library"))


def test_it_gives_what_the_program_prints(library):
    program = compile_program(FOLDER / "face.cpp", library, "-std=c++20")
    people = {shot.index: shot.frame[:, 170:470] for shot in open_source(DEMO_CLIP)}
    frames = [np.hstack([people[n], people[n + 90]]) for n in range(20, 24)]
    printed = run(program, model_path("edge-native"), NETWORK, given=ppm(*frames)).stdout.decode()
    with NativeLibrary(library, model_path("edge-native"), NETWORK) as opened:
        model = opened.model()
        names = [f"AU{au:02d}" for au in model.aus[: model.count]]
        ends = [f"{name}{end}" for end in ("", "_c", "_r") for name in names]
        lines = [",".join(["frame,face_id,score,box_x,box_y,box_w,box_h", *ends])]
        for number, frame in enumerate(frames):
            for face in opened.follow(frame):
                likely = face.probability[: model.count]
                present = np.array(likely) >= model.thresholds[: model.count]
                told = [f"{number},{face.id},{face.score:.4f}", *(f"{v:.2f}" for v in face.box)]
                told += [f"{value:.6f}" for value in likely] + [f"{each:d}" for each in present]
                lines.append(",".join(told + [f"{v:.3f}" for v in face.intensity[: model.count]]))
    assert lines == printed.splitlines()
    assert len(lines) == 1 + 2 * len(frames)


def test_it_takes_pictures_by_themselves(library, tmp_path):
    exact = write_exact(tmp_path)
    frame = demo_frame(30)
    with Detector(exact, threads=1) as detector:
        (found,) = detector._finder.find(frame)
        points, probability, intensity = look_twice(detector, frame, found.alignment)
        aus = detector.spec.aus
    with NativeLibrary(library, exact, NETWORK, threads=2) as opened:
        opened.follow(demo_frame(20))
        (face,) = opened.detect(frame)
        model = opened.model()
    assert face.id == -1
    assert tuple(model.aus[: model.count]) == aus
    np.testing.assert_allclose(face.landmarks, points, atol=0.5)
    np.testing.assert_allclose(face.probability[: model.count], probability, atol=0.06)
    np.testing.assert_allclose(face.intensity[: model.count], intensity, atol=0.25)


def test_intensities_that_a_model_does_not_tell_are_no_numbers(library, tmp_path):
    with NativeLibrary(library, write_presence(tmp_path), NETWORK) as opened:
        assert not opened.model().tells_intensity
        (face,) = opened.detect(demo_frame(30))
    assert np.isnan(face.intensity).all()
    assert np.count_nonzero(face.probability) == 19


def test_pixels_may_lie_as_they_like(library):
    frame = demo_frame(30)
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    bgra = np.dstack([frame, np.full(frame.shape[:2], 7, np.uint8)])
    wide = np.zeros((360, 700, 3), np.uint8)
    wide[:, :640] = frame
    with NativeLibrary(library, model_path("edge-native"), NETWORK) as opened:

        def said(pixels, form, **how):
            (face,) = opened.detect(np.ascontiguousarray(pixels), form, **how)
            return bytes(face)

        wanted = said(frame, BGR)
        assert said(frame[..., ::-1], RGB) == wanted
        assert said(bgra, BGRA) == wanted
        assert said(bgra[..., [2, 1, 0, 3]], RGBA) == wanted
        assert said(wide, BGR, width=640, stride=3 * 700) == wanted
        assert said(frame[::-1], BGR, first=3 * 640 * 359, stride=-3 * 640) == wanted
        assert said(grey, GREY) == said(np.dstack([grey] * 3), BGR) != wanted


def test_it_gives_no_more_faces_than_asked_for(library):
    people = [demo_frame(index)[:, 170:470] for index in (30, 110)]
    frame = np.hstack(people)
    with NativeLibrary(library, model_path("edge-native"), NETWORK) as opened:
        both = opened.detect(frame)
    with NativeLibrary(library, model_path("edge-native"), NETWORK, max_faces=1) as opened:
        (face,) = opened.detect(frame)
        (followed,) = opened.follow(frame)
    assert len(both) == 2
    assert bytes(face) == bytes(both[0])
    assert followed.box[:] == face.box[:]


def test_another_video_begins_with_other_numbers(library):
    left, right = (demo_frame(index)[:, 170:470] for index in (30, 110))
    wall = np.full_like(left, 90)
    first, second = np.hstack([left, wall, wall]), np.hstack([wall, wall, right])
    with NativeLibrary(library, model_path("edge-native"), NETWORK) as opened:

        def numbers(*frames):
            return [[face.id for face in opened.follow(frame)] for frame in frames]

        assert numbers(first, *[second] * 30)[::30] == [[0], [1]]
        opened.restart()
        assert numbers(second) == [[0]]


def test_it_says_why_not(library, tmp_path):
    frame = demo_frame(30)
    model = model_path("edge-native")
    for wrong, words in (
        ({"model": tmp_path / "nöne.npz"}, "nöne.npz cannot be opened"),
        ({"finder": model}, "is another file than is needed here: it holds no finder"),
        ({"threads": 0}, "threads: give 1 or more"),
        ({"max_faces": 0}, "max_faces: give 1 or more"),
    ):
        with pytest.raises(RuntimeError, match=words):
            NativeLibrary(library, **{"model": model, "finder": NETWORK, **wrong})
    with NativeLibrary(library, model, NETWORK) as opened:
        for wrong, words in (
            ({"width": 0}, "a picture of 0 x 360 pixels: give 1 to 32768"),
            ({"height": 32769}, "a picture of 640 x 32769 pixels"),
            ({"format": 5}, "a picture of format 5"),
            ({"stride": 1919}, "has rows of 1920 bytes, which cannot be 1919 apart"),
            ({"stride": -1}, "has rows of 1920 bytes, which cannot be -1 apart"),
            ({"pixels": None}, "a picture has no pixels"),
        ):
            for ask in (opened.detect, opened.follow):
                with pytest.raises(RuntimeError, match=words):
                    ask(frame, **wrong)
        assert [face.id for face in opened.follow(frame)] == [0]


def test_a_message_is_not_cut_within_a_letter(library, tmp_path):
    for name in ("ö" * 400, "a" + "ö" * 400):
        with pytest.raises(RuntimeError) as caught:
            NativeLibrary(library, tmp_path / name, NETWORK)
        said = str(caught.value)
        assert str(tmp_path / name).startswith(said)
        assert len(said.encode()) in (498, 499)
    functions = ctypes.CDLL(str(library))
    assert functions.lgrnet_detector_open(b"none.npz", b"none.npz", 1, 1, None) == 0


def test_two_threads_in_one_detector_are_noticed(library):
    frame, refused = demo_frame(30), []
    with NativeLibrary(library, model_path("edge-native"), NETWORK) as opened:

        def ask():
            end = time.monotonic() + 20
            while not refused and time.monotonic() < end:
                try:
                    opened.detect(frame)
                    opened.restart()
                except RuntimeError as error:
                    refused.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(refused) == {"the detector is in use in another thread: open one for each"}
        assert len(opened.detect(frame)) == 1


def test_the_program_in_the_documentation_is_plain_c(library, tmp_path):
    text = (FOLDER.parents[1] / "docs" / "embedding.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"```c\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "au.c"
    path.write_text(source, encoding="utf-8")
    strict = ("-x", "c", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")
    made = compile_program(path, library, *strict)
    given = cv2.cvtColor(demo_frame(30), cv2.COLOR_BGR2RGB).tobytes()
    done = run(made, model_path("edge-native"), NETWORK, given=2 * given)
    with Detector("edge-native", threads=1) as detector:
        (face,) = detector(demo_frame(30))
    assert done.returncode == 0, done.stderr
    first, second = (line.split() for line in done.stdout.decode().splitlines())
    assert first[:2] == second[:2] == ["face", "0:"]
    assert set(first[2:]) >= {au for au in face.present if abs(face.aus[au] - 0.5) > 0.3}
    done = run(made, "none.npz", NETWORK)
    assert (done.returncode, done.stderr) == (1, b"none.npz cannot be opened\n")
