import numpy as np
import pytest

from runtime.tracking.motion import ACCELERATION, JITTER, SLOWING, Motion


def follow(boxes) -> Motion:
    motion = Motion.of_box(boxes[0])
    for box in boxes[1:]:
        motion.predict()
        motion.correct(box)
    return motion


def box(x: float, y: float, size: float = 50) -> tuple[float, float, float, float]:
    return x - size / 2, y - size / 2, size, size


def test_place_and_velocity_are_those_of_a_kalman_filter():
    # The same filter in matrices, along x alone.
    rng = np.random.default_rng(0)
    measured = np.cumsum(rng.normal(1.5, 1, 30))
    step, see = np.array([[1.0, 1], [0, 1]]), np.array([[1.0, 0]])
    noise = ACCELERATION**2 * np.array([[0.25, 0.5], [0.5, 1]])
    state, spread = np.array([measured[0], 0]), np.diag([JITTER**2, 0.05**2])
    for x in measured[1:]:
        state, spread = step @ state, step @ spread @ step.T + noise
        gain = spread @ see.T / (see @ spread @ see.T + JITTER**2)
        state = state + gain[:, 0] * (x - state[0])
        spread = spread - gain @ see @ spread
    motion = follow([box(x, 7) for x in measured])
    assert (motion.x, motion.dx) == pytest.approx(tuple(state))
    assert (motion.y, motion.dy) == pytest.approx((7, 0))


def test_constant_velocity_is_foreseen():
    motion = follow([box(10 + 4 * i, 100 - 2 * i) for i in range(30)])
    motion.predict()
    assert (motion.x, motion.y) == pytest.approx((10 + 4 * 30, 100 - 2 * 30), abs=0.2)
    assert motion.box == pytest.approx(box(130, 40), abs=0.5)


def test_unseen_faces_slow_down():
    motion = follow([box(10 + 4 * i, 100) for i in range(30)])
    start = motion.x
    for _ in range(200):
        motion.predict(seen=False)
    assert motion.x - start == pytest.approx(4 / (1 - SLOWING), rel=0.05)
    assert motion.dx < 0.1


def test_copy_goes_its_own_way():
    motion = follow([box(4 * i, 0) for i in range(9)])
    other = motion.copy()
    other.predict()
    other.correct(box(0, 0))
    motion.predict()
    assert motion.x == pytest.approx(36, abs=0.5)


def test_distance_counts_place_and_size():
    motion = Motion.of_box(box(100, 100))
    assert motion.distance(box(100, 100)) == 0
    assert motion.distance(box(130, 140)) == pytest.approx(1)
    assert motion.distance(box(100, 100, 100)) == pytest.approx(np.log(2))
    assert motion.distance(box(150, 100, 100)) == pytest.approx(0.5 + np.log(2))


@pytest.mark.parametrize(
    ("start", "step", "end"),
    [
        ((600, 100), (9, 0), (665, 100)),
        ((30, 100), (-9, 0), (-25, 100)),
        ((300, 20), (0, -9), None),
    ],
)
def test_whoever_leaves_a_frame_waits_just_outside(start, step, end):
    motion = follow([box(start[0] + step[0] * i, start[1] + step[1] * i) for i in range(10)])
    for _ in range(70):
        motion.predict(seen=False)
        motion.stay_beside((640, 360))
    assert (motion.x, motion.y) == pytest.approx(end or (300, -25), abs=15)
    assert not motion.is_inside((640, 360))
    assert motion.distance(box(*np.clip((motion.x, motion.y), 0, (640, 360)))) < 0.6


@pytest.mark.parametrize(
    ("place", "inside"), [((0, 0), True), ((640, 360), True), ((641, 9), False), ((9, -1), False)]
)
def test_what_is_inside_a_frame(place, inside):
    assert Motion.of_box(box(*place)).is_inside((640, 360)) is inside
    still = Motion.of_box(box(*place))
    still.stay_beside((640, 360))
    assert (still.x, still.y) == place, "from half its size outside on it is held"
