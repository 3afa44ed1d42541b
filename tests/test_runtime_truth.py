import csv

import numpy as np
import pytest
from test_runtime_fixtures import MEAN_FACE

from runtime.errors import InputError
from runtime.results import Face, Result, Timings
from runtime.truth import Agreement, TrueFace, read_truth

UNIT = float(np.linalg.norm(MEAN_FACE[25:31].mean(0) - MEAN_FACE[19:25].mean(0)))


def seen(index: int, present: tuple[str, ...], *shifts: float) -> Result:
    """A frame whose faces are off by the given parts of the inter-ocular distance."""
    faces = tuple(
        Face(
            *(i, (0, 0, 1, 1), 1.0, (MEAN_FACE + np.array([shift * UNIT, 0])).astype(np.float32)),
            *({}, present if shift == min(shifts) else ()),
        )
        for i, shift in enumerate(shifts)
    )
    return Result(faces, Timings(), (640, 360), index)


def truth(*active: str) -> dict[int, TrueFace]:
    """Frame i is a mean face whose AU06, AU12 and AU25 are in the i-th string."""
    keys = ("AU06", "AU12", "AU25")
    return {i: TrueFace({k: k in on for k in keys}, MEAN_FACE) for i, on in enumerate(active)}


def test_counts_by_hand():
    agreement = Agreement(truth("AU06", "AU06 AU12", "AU06", ""), ("AU06", "AU12", "AU25", "AU99"))
    agreement.add(seen(0, ("AU06", "AU12"), 0.02))
    agreement.add(seen(1, ("AU06", "AU12"), 0.3, 0.04))
    agreement.add(seen(2, ("AU06",)))
    agreement.add(seen(3, ("AU06", "AU25"), 0.03))
    agreement.add(seen(99, ("AU06",), 0.0))
    summary = agreement.as_dict()
    # AU06: 2 hits, 1 false, 1 missed; active in 3 of 4. AU12: 1 hit, 1 false; active in 1 of 4.
    assert summary["aus"]["AU06"] == pytest.approx(
        {"f1": 2 / 3, "always_on_f1": 6 / 7, "support": 3}
    )
    assert summary["aus"]["AU12"] == pytest.approx(
        {"f1": 2 / 3, "always_on_f1": 2 / 5, "support": 1}
    )
    assert summary["aus"]["AU25"] == {"f1": None, "always_on_f1": None, "support": 0}
    assert list(summary["aus"]) == ["AU06", "AU12", "AU25"]
    assert summary["mean_f1"] == pytest.approx(2 / 3)
    assert summary["mean_always_on_f1"] == pytest.approx((6 / 7 + 2 / 5) / 2)
    assert (summary["frames"], summary["found"]) == (4, 3)
    assert summary["landmark_error"] == pytest.approx(0.03, abs=1e-5)
    table = agreement.table()
    assert "AU06    0.667       0.857          3 of 4" in table
    assert "face found in 3 of 4 frames" in table
    assert "landmark error 3.0 %" in table


def test_an_au_that_is_always_missed_counts_in_the_mean():
    agreement = Agreement(truth("AU06 AU12", "AU06"), ("AU06", "AU12"))
    for index in range(2):
        agreement.add(seen(index, ("AU06",), 0.02))
    summary = agreement.as_dict()
    assert summary["aus"]["AU06"]["f1"] == 1
    assert summary["aus"]["AU12"]["f1"] == 0
    assert summary["mean_f1"] == 0.5


def test_face_elsewhere_is_not_the_true_one():
    agreement = Agreement(truth("AU06"), ("AU06",))
    agreement.add(seen(0, ("AU06",), 0.6))
    summary = agreement.as_dict()
    assert (summary["found"], summary["aus"]["AU06"]["f1"]) == (0, 0)
    assert summary["landmark_error"] is None


def test_nothing_compared():
    agreement = Agreement({}, ("AU06",))
    assert agreement.as_dict()["mean_f1"] is None
    assert "face found in 0 of 0" in agreement.table()


def write(path, change=lambda rows: None) -> None:
    rows = [
        {"frame": i, "identity": "a", "AU06_c": i % 2, "AU12_c": 1}
        | {f"x_{k}": x for k, x in enumerate(MEAN_FACE[:, 0])}
        | {f"y_{k}": y + i for k, y in enumerate(MEAN_FACE[:, 1])}
        for i in range(3)
    ]
    change(rows)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def test_reading(tmp_path):
    write(tmp_path / "t.csv")
    read = read_truth(tmp_path / "t.csv")
    assert list(read) == [0, 1, 2]
    assert read[1].aus == {"AU06": True, "AU12": True}
    np.testing.assert_allclose(read[2].landmarks, MEAN_FACE + np.array([0, 2]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[0].pop("x_3"), "lacks x_3: the columns are frame, x_0 to x_48"),
        (lambda rows: [rows[0].pop("AU06_c"), rows[0].pop("AU12_c")], r"lacks AU\.\._c: "),
        (lambda rows: rows[1].update(frame=0), "holds frame 0 twice"),
        (lambda rows: rows[1].update(y_7="far"), "line 3.*far"),
        (lambda rows: rows[1].update(y_7="inf"), "line 3: the landmarks are no face's"),
        (lambda rows: rows[1].update({k: 0 for k in rows[1] if k[:2] in ("x_", "y_")}), "line 3"),
    ],
)
def test_bad_truths(tmp_path, change, message):
    write(tmp_path / "t.csv", change)
    with pytest.raises(InputError, match=message):
        read_truth(tmp_path / "t.csv")


def test_a_truth_that_is_no_text(tmp_path):
    (tmp_path / "t.csv").write_bytes("frame,AU12_c,identity\n0,1,Zoë\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"t\.csv is no text in UTF-8"):
        read_truth(tmp_path / "t.csv")


def test_missing_truth(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"t\.csv does not exist"):
        read_truth(tmp_path / "t.csv")
