"""Which bounds a precision breaks, one at a time."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from export.accuracy import REPORT, Cost, drop_report, measure_cost, require_own_report
from export.bounds import Bounds
from export.faces import LabelledFaces
from runtime.backends.base import Outputs
from runtime.files.atomic import write_json
from runtime.packaged import model_path

SAME = Cost(
    aus=(1, 12), source="tests", frames=1000, positives=np.array([50, 500]),
    f1_fp32=np.array([0.8, 0.9]), f1=np.array([0.8, 0.9]),
    max_change=np.array([0.3, 0.1]), mean_change=np.zeros(2), flipped=np.zeros(2),
    landmarks=(0.0, 0.0), intensity=(0.0, 0.0),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "bounds", "told"),
    [
        ({}, Bounds(), []),
        (
            {"f1": np.array([0.8, 0.87])},
            Bounds(f1=0.02, mean_f1=1),
            ["AU12 loses 0.030 of F1 (0.900 → 0.870), the bound is 0.02"],
        ),
        (
            {"f1": np.array([0.7, 0.9]), "positives": np.array([49, 500])},
            Bounds(mean_f1=1),
            [
                "AU01 loses 0.100 of F1 (0.800 → 0.700), the bound is 0.02; only 49 faces show it, "
                "judge on more"
            ],
        ),
        (
            {"f1": np.array([0.79, 0.89])},
            Bounds(),
            ["mean F1 falls by 0.0100 (0.8500 → 0.8400), the bound is 0.005"],
        ),
        ({}, Bounds(change=0.2), ["AU01 changes by up to 0.300, the bound is 0.2"]),
        # What nobody shows has no F1 to lose; what is no number has changed too much.
        ({"f1_fp32": np.array([np.nan, 0.9]), "f1": np.array([np.nan, 0.9])}, Bounds(), []),
        (
            {"max_change": np.array([np.nan, 0.1])},
            Bounds(),
            ["AU01 changes by up to nan, the bound is 1"],
        ),
        ({"f1": np.array([0.9, 1.0])}, Bounds(f1=0, mean_f1=0), []),  # a gain is no loss
        ({"landmarks": (1.0, 30.0)}, Bounds(), []),
        (
            {"landmarks": (1.24, 8.84)},
            Bounds(),
            ["landmarks move by 1.24 pixels on average, the bound is 1"],
        ),
        (
            {"landmarks": (np.nan, np.nan)},
            Bounds(),
            ["landmarks move by nan pixels on average, the bound is 1"],
        ),
        ({"intensity": None}, Bounds(), []),
        ({"intensity": (0.1, 4.0)}, Bounds(), []),
        (
            {"intensity": (0.12, 0.5)},
            Bounds(),
            ["intensities change by 0.120 on average, the bound is 0.1"],
        ),
        (
            {"intensity": (np.nan, np.nan)},
            Bounds(intensity=np.inf),
            ["intensities change by nan on average, the bound is inf"],
        ),
        (
            {"f1": np.array([0.8, np.nan])},
            Bounds(mean_f1=1),
            ["AU12 loses nan of F1 (0.900 → nan), the bound is 0.02"],
        ),
        (
            {"f1": np.full(2, np.nan), "f1_fp32": np.array([np.nan, 0.9])},
            Bounds(f1=1),
            [
                "AU12 loses nan of F1 (0.900 → nan), the bound is 1",
                "mean F1 falls by nan (0.9000 → nan), the bound is 0.005",
            ],
        ),
        (
            dict.fromkeys(("f1", "f1_fp32"), np.full(2, np.nan)),
            Bounds(),
            ["no held-out face shows an AU, so that nothing is judged: give more of them"],
        ),
    ],
)
def test_each_bound_is_told_by_itself(change, bounds, told):
    assert replace(SAME, **change).failures(bounds) == told


@pytest.mark.parametrize("bound", [{"f1": -0.1}, {"mean_f1": float("nan")}, {"change": -1}])
def test_bounds_that_are_none(bound):
    with pytest.raises(ValueError, match=f"bound {next(iter(bound))}"):
        Bounds(**bound)


def test_a_report_is_json_and_goes_with_its_file(tmp_path):
    unknown, pair = np.full(2, np.nan), (np.nan, np.nan)
    nothing = replace(
        SAME, f1=unknown, f1_fp32=unknown, max_change=unknown, mean_change=unknown,
        landmarks=pair, intensity=pair,
    )  # fmt: skip
    path = tmp_path / "m.accuracy.json"
    write_json(path, {"model": "m.npz", **nothing.as_dict()})
    read = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert read["mean_f1"] is read["max_change"] is read["intensity"]["mean"] is None
    drop_report(path, "m.onnx")  # of another file
    assert path.exists()
    drop_report(path, "m.npz")
    drop_report(path, "m.npz")  # which is not there any more
    assert not path.exists()


def test_a_report_never_takes_the_place_of_another_files(tmp_path):
    write_json(tmp_path / "m.accuracy.json", {"model": "m.npz"})
    require_own_report(tmp_path / "m.npz")
    require_own_report(tmp_path / "other.onnx")
    require_own_report(tmp_path / "m.onnx")  # as the model of that report is gone
    for name in ("", "a/b"):
        (tmp_path / "damaged.accuracy.json").write_text(json.dumps({"model": name}))
        require_own_report(tmp_path / "damaged.onnx")
    (tmp_path / "m.npz").write_bytes(b"model")
    with pytest.raises(ValueError, match=r"m\.onnx: .*m\.accuracy\.json is the report of m\.npz"):
        require_own_report(tmp_path / "m.onnx")
    (tmp_path / "m.accuracy.json").write_text("[]")
    require_own_report(tmp_path / "m.onnx")


def test_what_a_file_costs_is_what_loops_count():
    """Of the first AU, whose threshold is high, some labels are unknown; nobody shows the third."""
    rng = np.random.default_rng(0)
    presence = rng.choice(np.array([0, 1, 9], np.uint8), (50, 3))
    presence[:, 2] = 0
    before, after = (
        Outputs(rng.random((50, 3)), rng.normal(0, 1, (50, 49, 2)), 5 * rng.random((50, 3)))
        for _ in range(2)
    )
    spec = SimpleNamespace(aus=(1, 6, 12), thresholds=(0.8, 0.3, 0.5))
    cost = measure_cost(before, after, LabelledFaces(np.zeros((50, 1)), presence, "drawn"), spec)
    for i, limit in enumerate(spec.thresholds[:2]):
        known = [f for f in range(50) if presence[f, i] != 9]
        shown = sum(presence[f, i] == 1 for f in known)
        for said, found in ((before, cost.f1_fp32), (after, cost.f1)):
            called = [f for f in known if said.probability[f, i] >= limit]
            hits = sum(presence[f, i] == 1 for f in called)
            assert found[i] == pytest.approx(2 * hits / (len(called) + shown))
        assert cost.positives[i] == shown
        both = zip(before.probability[:, i], after.probability[:, i], strict=True)
        changed = [(one >= limit) != (other >= limit) for one, other in both]
        assert cost.flipped[i] == pytest.approx(sum(changed) / 50)
    assert np.isnan([cost.f1_fp32[2], cost.f1[2]]).all()
    apart = [np.hypot(*each) for each in (after.landmarks - before.landmarks).reshape(-1, 2)]
    assert cost.landmarks == pytest.approx((sum(apart) / len(apart), max(apart)))
    stronger = abs(after.intensity - before.intensity)
    assert cost.intensity == pytest.approx((stronger.mean(), stronger.max()))


def wrong(answers):
    """Answers that are right but for their intensities."""
    return {
        "turned around": answers._replace(intensity=5 - answers.intensity),
        "no number": answers._replace(intensity=np.full_like(answers.intensity, np.nan)),
        "one is no number": answers._replace(
            intensity=np.where(np.arange(answers.intensity.size).reshape(-1, 2) == 7, np.nan,
                               answers.intensity)
        ),
        "untold": answers._replace(intensity=None),
    }  # fmt: skip


def test_wrong_intensities_break_the_bound():
    rng = np.random.default_rng(3)
    presence = rng.integers(0, 2, (60, 2)).astype(np.uint8)
    said = Outputs(rng.random((60, 2)), rng.normal(0, 1, (60, 49, 2)), 5 * rng.random((60, 2)))
    spec = SimpleNamespace(aus=(1, 12), thresholds=(0.5, 0.5))
    faces = LabelledFaces(np.zeros((60, 1)), presence, "drawn")
    assert measure_cost(said, said, faces, spec).failures(Bounds()) == []
    for what, found in wrong(said).items():
        (failure,) = measure_cost(said, found, faces, spec).failures(Bounds())
        assert failure.startswith("intensities change by"), what
    moved = said._replace(intensity=said.intensity + np.array([0.2, -0.06]))
    cost = measure_cost(said, moved, faces, spec)
    told = "intensities, 0 to 5, change by 0.130 on average (at most 0.200)"
    assert told in cost.table()
    assert told not in replace(cost, intensity=None).table()
    assert cost.failures(Bounds(intensity=0.14)) == []
    assert len(cost.failures(Bounds(intensity=0.12))) == 1


@pytest.mark.parametrize("name", ["edge-int8", "edge-native"])
def test_the_packaged_models_are_within_the_bound(name):
    report = json.loads(model_path(name).with_suffix(REPORT).read_text())
    assert 0 < report["intensity"]["mean"] <= Bounds().intensity


def test_what_no_face_shows_is_a_dash_with_a_note_and_null_in_json():
    unseen = np.array([np.nan, 0.9])
    cost = replace(SAME, f1_fp32=unseen, f1=unseen, positives=np.array([0, 500]))
    first, second = (line for line in cost.table().splitlines() if re.match(r"AU\d", line))
    assert first.split() == ["AU01", "0", "–", "–", "–", "0.300", "0.0%"]
    assert [len(first), first.index("0.300")] == [len(second), second.index("0.100")]
    assert "–: no F1, as no held-out face shows AU01" in cost.table()
    assert "nan" not in cost.table()
    assert "–" not in SAME.table()
    assert cost.as_dict()["aus"]["AU01"]["f1"] is None
    nobody = replace(cost, f1_fp32=np.full(2, np.nan), f1=np.full(2, np.nan))
    (mean,) = (line for line in nobody.table().splitlines() if line.startswith("mean"))
    assert mean.split() == ["mean", "1000", "–", "–", "–", "0.300", "0.0%"]
