"""Landmark files of every form, and broken ones."""

import re

import drawn_corpora
import numpy as np
import pytest

from lgrnet.corpora import bp4d
from lgrnet.corpora.landmark_files import read_point_sets
from lgrnet.corpora.pictures import list_pictures
from lgrnet.corpora.problems import Problems

INF = float("inf")


def write_text(path, sets, numbers=None):
    """Write a frame a line; a lost one is all 0."""
    lines = []
    for index, points in enumerate(sets):
        values = np.zeros(98) if points is None else points.ravel()
        cells = [] if numbers is None else [str(numbers[index])]
        lines.append(",".join([*cells, *(f"{value:.6f}" for value in values)]))
    path.write_text("\n".join(lines) + "\n")


def moved(which, to):
    """Give a face, some of whose points are elsewhere."""
    points = drawn_corpora.FACE.copy()
    points[which] = to
    return points


def full(sets):
    return np.array([np.zeros((49, 2)) if points is None else points for points in sets])


def one_file_each(folder, sets, numbers):
    folder.mkdir()
    for number, points in zip(numbers, sets, strict=True):
        if points is not None:
            rows = "\n".join(f"{x:.6f} {y:.6f}" for x, y in points)
            (folder / f"{number:05d}.txt").write_text(rows + "\n")


LANDMARK_FORMS = {
    "MATLAB 7.3": lambda p, s, n: drawn_corpora.write_fit_hdf5(p.with_suffix(".mat"), s),
    "MATLAB 5": lambda p, s, n: drawn_corpora.write_fit_matlab5(p.with_suffix(".mat"), s),
    "MATLAB array": lambda p, s, n: drawn_corpora.scipy.io.savemat(
        p.with_suffix(".mat"), {"points": full(s).transpose(1, 2, 0)}
    ),
    "MATLAB 7.3 array": lambda p, s, n: drawn_corpora.write_array_hdf5(
        p.with_suffix(".mat"), full(s).transpose(1, 2, 0)
    ),
    "NumPy": lambda p, s, n: np.save(p.with_suffix(".npy"), full(s)),
    "NumPy archive": lambda p, s, n: np.savez(p.with_suffix(".npz"), points=full(s)),
    "CSV": lambda p, s, n: write_text(p.with_suffix(".csv"), s),
    "CSV with numbers": lambda p, s, n: write_text(p.with_suffix(".csv"), s[::-1], n[::-1]),
    "text, one a picture": lambda p, s, n: one_file_each(p, s, n),
}


@pytest.mark.parametrize("form", LANDMARK_FORMS)
def test_landmarks_in_every_form(tmp_path, form):
    rng = np.random.default_rng(3)
    sets = [rng.uniform(1, 100, (49, 2)) for _ in range(6)]
    sets[2] = None
    numbers = list(range(40, 46))
    LANDMARK_FORMS[form](tmp_path / "F001_T1", sets, numbers)
    place = bp4d._find_landmarks(tmp_path, "F001", "T1")
    problems = Problems()
    found = bp4d.read_landmarks(place, numbers, np.array([41, 42, 45]), problems)
    assert not problems, problems.lines()
    np.testing.assert_allclose(found[0], sets[1], atol=1e-6)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], sets[5], atol=1e-6)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: p.with_suffix(".csv").write_text("1,2,3\n"), "line 1: has 3 numbers"),
        (lambda p: p.with_suffix(".txt").write_text("1 2\n" * 48), "line 1: has 2 numbers"),
        (lambda p: p.with_suffix(".txt").write_text("x y\n" * 49), "line 1: holds what is no num"),
        (lambda p: p.with_suffix(".npy").write_bytes(b"\x93NUMPY"), "cannot be read"),
        (lambda p: np.save(p, np.zeros((3, 66, 2))), r"shape \(3, 66, 2\)"),
        (lambda p: np.save(p, np.array([{"a": 1}], object), True), "cannot be read"),
        (lambda p: np.savez(p, a=np.zeros(3), b=np.zeros(3)), "holds 2 arrays, not one"),
        (lambda p: p.with_suffix(".mat").write_bytes(b"MATLAB 5.0"), "cannot be read"),
        (
            lambda p: drawn_corpora.write_fit_hdf5(p.with_suffix(".mat"), [np.ones((66, 2))]),
            r"set 1 is \(66, 2\), not 49 points",
        ),
        (
            lambda p: np.save(p, np.where(np.arange(98).reshape(1, 49, 2) == 5, np.nan, 1.0)),
            r"landmarks are NaN or infinite \(set 1\)",
        ),
        (
            lambda p: write_text(p.with_suffix(".csv"), [np.ones((49, 2)), np.full((49, 2), INF)]),
            r"landmarks are NaN or infinite \(line 2\)",
        ),
        (lambda p: np.save(p, moved(30, 1e30)), r"point 31 is at \(1e\+30, 1e\+30\), far from all"),
        (lambda p: np.save(p, moved(0, -900)), r"point 1 is at \(-900, -900\).*\(set 1\)"),
        (
            lambda p: write_text(p.with_suffix(".txt"), [drawn_corpora.FACE, moved(slice(9), 0)]),
            r"no face's: 9 of 49 points are 0 and the others are not \(line 2\)",
        ),
        (
            lambda p: write_text(p.with_suffix(".csv"), [drawn_corpora.FACE] * 2, [3, 4.5]),
            r"4.5 is no frame number \(line 2\)",
        ),
        (
            lambda p: write_text(p.with_suffix(".csv"), [drawn_corpora.FACE] * 2, [3, 10**10]),
            r"1e\+10 is no frame number \(line 2\)",
        ),
        (
            lambda p: p.with_suffix(".csv").write_text("1" + ",1" * 97 + "\n2" + ",1" * 98),
            "line 2: has 99 numbers",
        ),
        (lambda p: np.save(p, moved(8, 0)), "1 of 49 points are 0 and the others are not"),
        (
            lambda p: np.save(p, np.column_stack([[4, np.nan], np.ones((2, 98))])),
            r"nan is no frame number \(set 2\)",
        ),
    ],
)  # fmt: skip
def test_broken_landmark_files_are_named(tmp_path, write, message):
    write(tmp_path / "F001_T1")
    problems = Problems()
    (path,) = tmp_path.iterdir()
    assert read_point_sets(path, 49, problems) is None
    (line,) = problems.lines()
    assert line.startswith(str(path))
    assert re.search(message, line), line


def test_points_that_are_not_used_need_not_be_a_faces(tmp_path):
    jaw = np.zeros((17, 2))
    jaw[3] = 1e4, -1e4
    np.save(tmp_path / "a.npy", np.concatenate([jaw, drawn_corpora.FACE]))
    problems = Problems()
    found = read_point_sets(tmp_path / "a.npy", 66, problems, unused=17)
    assert not problems
    np.testing.assert_array_equal(found.points[0, 17:], drawn_corpora.FACE)
    assert read_point_sets(tmp_path / "a.npy", 66, problems) is None
    assert "are 0 and the others are not" in problems.lines()[0]


def test_points_on_the_border_of_a_picture_are_not_lost(tmp_path):
    for axis in (0, 1):
        points = drawn_corpora.FACE.copy()
        points[:, axis] -= points[20, axis]
        np.save(tmp_path / "a.npy", points)
        problems = Problems()
        found = read_point_sets(tmp_path / "a.npy", 49, problems)
        assert not problems
        np.testing.assert_array_equal(found.points[0], points)


def test_faces_that_are_turned_away_are_faces(tmp_path):
    sets = np.array([drawn_corpora.FACE * squeeze for squeeze in ([0.1, 1], [1, 0.2], [1, 1])])
    np.save(tmp_path / "a.npy", sets)
    problems = Problems()
    found = read_point_sets(tmp_path / "a.npy", 49, problems)
    np.testing.assert_array_equal(found.points, sets)
    # What is no face's counts as none where that is asked for.
    sets[1] = moved(5, 3000)
    np.save(tmp_path / "a.npy", sets)
    found = read_point_sets(tmp_path / "a.npy", 49, problems, broken_is_none=True)
    assert not problems
    assert np.isnan(found.points).all((1, 2)).tolist() == [False, True, False]


def test_pictures_are_in_the_order_of_their_numbers(tmp_path):
    folder, rng = tmp_path / "T1", np.random.default_rng(0)
    folder.mkdir()
    for name in ("8.jpg", "9.jpg", "10.jpg", "0011.jpg", "100.PNG", "notes.txt", "8.obj"):
        (folder / name).touch()
    problems = Problems()
    pictures = list_pictures(folder, problems)
    assert not problems
    assert sorted(pictures) == [8, 9, 10, 11, 100]
    sets = [rng.uniform(1, 100, (49, 2)) for _ in range(5)]
    drawn_corpora.write_fit_hdf5(tmp_path / "F001_T1.mat", sets)
    wanted = np.array([10, 100])
    found = bp4d.read_landmarks(tmp_path / "F001_T1.mat", sorted(pictures), wanted, problems)
    np.testing.assert_allclose(found, [sets[2], sets[4]])
