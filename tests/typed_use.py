"""A program of somebody who checks types strictly; `make lint` checks it, and nothing runs it."""

from collections.abc import Generator, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, assert_type

import numpy as np

from runtime import (
    Annotator,
    Detector,
    Face,
    HeadPose,
    Layout,
    Result,
    Signals,
    Source,
    draw,
    open_source,
    open_writer,
    plot,
)
from runtime.finders import FoundFace
from runtime.sources import Shot

Picture = np.ndarray[tuple[Any, ...], np.dtype[np.uint8]]


class MyFinder:
    name = "mine"

    def find(self, frame: np.ndarray) -> list[FoundFace]:
        return []

    def confirm(self, face: np.ndarray) -> float | None:
        return None


def grabbed() -> Iterator[Picture]:
    yield np.zeros((480, 640, 3), np.uint8)


def sources(detector: Detector, frame: Picture) -> None:
    assert_type(detector(frame), Result)
    for time in (None, 1, 0.5, Fraction(1, 3), np.float32(0.5), np.int64(1)):
        assert_type(detector.track(frame, time), Result)
    for result in detector.stream("video.mp4", track=True, give_up=5, every=2):
        assert_type(result, Result)
    assert_type(detector.stream(0), Generator[Result, None, None])
    for source in ("cam:0", Path("folder"), ["a.png", "b.png"], [Path("a.png")], [frame], frame):
        assert_type(detector.batch(source, size=2), Generator[Result, None, None])
    detector.stream(grabbed())
    with open_source("cam:0") as shots:
        assert_type(shots, Source)
        assert_type(shots.fps, float | None)
        for shot, result in detector.run(shots):
            assert_type(shot, Shot)
            assert_type(draw(shot.frame, result), Picture)
            assert_type(detector.track(shot.frame, shot.timestamp), Result)


def detectors() -> Iterator[Detector]:
    with Detector("edge-int8", "auto", threads=2, search_every=None, min_face=20) as detector:
        assert_type(detector, Detector)
        assert_type(detector.clone(), Detector)
        assert_type(detector.spec.thresholds, tuple[float, ...])
    yield Detector(Path("model.onnx"), finder="yunet.onnx")
    yield Detector(finder=MyFinder(), signals=Signals("one-euro", 0.3, thresholds={"AU12": 0.6}))


def results(result: Result, frame: Picture) -> None:
    assert_type(result.faces, tuple[Face, ...])
    assert_type(result.timestamp, float | None)
    assert_type(result.size, tuple[int, int])
    assert_type(result.timings["find"], float)
    assert_type(result.only(["AU12"]), Result)
    assert_type(result.plot(frame), Picture)
    assert_type(Annotator().draw(frame, result), Picture)
    assert_type(result.to_json(), str)
    result.save(Path("frame.png"), frame)
    for face in result:
        assert_type(face, Face)
        assert_type(face.aus["AU12"], float)
        assert_type(face.intensities, Mapping[str, float])
        assert_type(face.adjusted["AU12"], float)
        assert_type(face.present, tuple[str, ...])
        assert_type(face.box, tuple[float, float, float, float])
        assert_type(face.landmarks, np.ndarray[tuple[Any, ...], np.dtype[np.float32]])
        assert_type(face.pose, HeadPose | None)
        if face.pose is not None:
            assert_type(face.pose.yaw, float)
            assert_type(face.pose.rotation, tuple[float, float, float])


def files(detector: Detector) -> None:
    layout = Layout(detector.aus, intensity=detector.tells_intensity, adjusted=detector.adjusts)
    with open_writer("openface", "out/clip", layout) as writer:
        for result in detector.stream("clip.mp4"):
            writer.write(result)
    assert_type(plot("out/clip.csv", aus=["AU12"]), Picture)
