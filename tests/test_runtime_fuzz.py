"""Whatever comes in, the answer is a result or an error of ours, and never a crash."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from some_videos import write_video
from test_runtime_fixtures import SpotFinder, spot, write_model

from runtime.detector import Detector
from runtime.errors import InputError
from runtime.image import check_frame

ROOT = Path(__file__).parents[1]
QUICK = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

dtypes = st.one_of(
    st.sampled_from([np.dtype(np.uint8)] * 4 + [np.dtype(np.uint16)] * 2),
    npst.boolean_dtypes(),
    npst.integer_dtypes(),
    npst.floating_dtypes(),
    npst.complex_number_dtypes(),
    st.just(np.dtype(object)),
    st.just(np.dtype("S3")),
)
shapes = st.one_of(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.sampled_from([0, 1, 2, 3, 4, 5])),
    npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=24),
)


@st.composite
def frames(draw) -> np.ndarray:
    """Arrays of all shapes and types, with NaN and infinity, and with odd strides."""
    shape, dtype = draw(shapes), draw(dtypes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    array = rng.integers(0, 255, shape).astype(dtype)
    if array.dtype.kind in "fc" and array.size:
        array.reshape(-1)[:: max(1, array.size // 5)] = draw(st.sampled_from([np.nan, np.inf, 0]))
    way = draw(st.sampled_from(["plain", "flipped", "stepped", "turned", "constant", "read-only"]))
    if array.ndim >= 2:
        if way == "flipped":
            array = array[::-1, ::-1]
        elif way == "stepped":
            array = array[::2, ::3]
        elif way == "turned":
            array = array.swapaxes(0, 1)
        elif way == "constant" and array.size:
            array = np.broadcast_to(array[:1, :1], (17, 23, *array.shape[2:]))
    if way == "read-only":
        array.setflags(write=False)
    return array


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    path = write_model(tmp_path_factory.mktemp("fuzz") / "m.onnx")
    return Detector(path, finder=SpotFinder(), verify_every=2, search_every=2)


@QUICK
@given(frame=frames())
def test_frames(detector, frame):
    before = frame.copy()
    for call in (detector, detector.track):
        try:
            result = call(frame)
        except InputError:
            continue
        assert result.size == (frame.shape[1], frame.shape[0])
        for face in result:
            assert np.isfinite(face.landmarks).all()
    np.testing.assert_array_equal(frame, before)


@QUICK
@given(frame=frames())
def test_a_frame_is_accepted_if_its_kind_is(frame):
    good = (
        frame.dtype in (np.uint8, np.uint16)
        and frame.ndim in (2, 3)
        and frame.size > 0
        and (frame.ndim == 2 or frame.shape[2] in (1, 3, 4))
    )
    try:
        checked = check_frame(frame)
    except InputError:
        assert not good
        return
    assert good
    assert checked.shape == (*frame.shape[:2], 3)
    assert checked.dtype == np.uint8
    assert checked.flags.c_contiguous


@settings(QUICK, max_examples=20)
@given(jumps=st.lists(st.tuples(st.integers(-60, 380), st.integers(-60, 300)), max_size=12))
def test_tracking_bears_whatever_moves(detector, jumps):
    detector.reset()
    for x, y in jumps:
        ids = [face.id for face in detector.track(spot(x, y))]
        assert len(set(ids)) == len(ids)


# Decoders are C and may crash: they get the mutants in a process of their own.
WORKER = """
import json, sys
from pathlib import Path
import cv2
import numpy as np
from runtime.errors import InputError
from runtime.sources import open_source
rng, whole, folder = np.random.default_rng(int(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
data, said = whole.read_bytes(), {}
for number in range(int(sys.argv[4])):
    mutant = bytearray(data)
    kind = number % 4
    if kind == 0:
        for at in rng.integers(0, len(mutant), rng.integers(1, 40)):
            mutant[at] = rng.integers(0, 256)
    elif kind == 1:
        del mutant[int(rng.integers(0, len(mutant))):]
    elif kind == 2:
        at, count = (int(v) for v in rng.integers(0, len(mutant), 2))
        mutant[at:at + count] = rng.bytes(count)
    else:
        at, count = int(rng.integers(0, min(600, len(mutant)))), int(rng.integers(1, 64))
        del mutant[at:at + count]
    path = folder / f"mutant{whole.suffix}"
    path.write_bytes(mutant)
    (folder / "last").write_text(f"{sys.argv[1]} {number}")
    try:
        with open_source(path) as source:
            last = -1
            for shot in source:
                assert shot.frame.dtype == np.uint8 and shot.frame.ndim == 3
                assert shot.index > last and shot.index < 10_000
                last = shot.index
        answer = "frames"
    except InputError as error:
        assert str(path) in str(error) or path.name in str(error), error
        answer = "InputError"
    said[answer] = said.get(answer, 0) + 1
print(json.dumps(said))
"""


def make_whole(kind: str, folder: Path) -> Path:
    path = folder / f"whole.{kind}"
    if kind in ("mp4", "avi"):
        return write_video(path, frames=8, code="mp4v" if kind == "mp4" else "MJPG")
    noise = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, noise)[1])
    return path


@pytest.mark.parametrize("kind", ["mp4", "avi", "png", "jpg", "webp", "bmp", "tiff"])
def test_damaged_files(tmp_path, kind):
    whole = make_whole(kind, tmp_path)
    mutants = 40 if kind in ("mp4", "avi") else 80
    done = subprocess.run(
        [sys.executable, "-c", WORKER, "7", str(whole), str(tmp_path), str(mutants)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",  # decoders print what they read
        timeout=300,
    )
    assert done.returncode == 0, f"mutant {(tmp_path / 'last').read_text()}: {done.stderr[-2000:]}"
    said = json.loads(done.stdout.splitlines()[-1])
    assert sum(said.values()) == mutants
    assert said["InputError"] > 0
