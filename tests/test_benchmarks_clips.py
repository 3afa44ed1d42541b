import json
import math

import cv2
import numpy as np
import pytest

from benchmarks import clips
from benchmarks.agreement import Curves
from benchmarks.clips import (
    frames_of,
    judge_clip,
    load_annotations,
    main,
    rank_area,
    seen_at_rest,
    with_baseline,
)
from lgrnet.evaluation.metrics import area_under_curve
from runtime.errors import InputError
from runtime.packaged import DEMO_CLIP


def test_the_annotations_are_sound_and_name_their_sources():
    found = load_annotations()
    assert len(found) >= 5
    for clip in found:
        assert clip["source"].startswith(("PyPI ", "npm "))
        for rank in clip.get("rank", []):
            on, off = (frames_of(rank[side], 10_000) for side in ("on", "off"))
            assert on.any()
            assert off.any()
            assert not (on & off).any(), "a frame both shows an AU and does not"


def test_ranking_is_the_area_under_the_roc_curve():
    rng = np.random.default_rng(0)
    on, off = np.round(rng.normal(0.6, 0.2, 40), 1), np.round(rng.normal(0.4, 0.2, 70), 1)
    truth = np.r_[np.ones(40), np.zeros(70)].astype(np.uint8)[:, None]
    expected = area_under_curve(np.r_[on, off][:, None], truth)[0]
    assert rank_area(on, off) == pytest.approx(expected)
    assert np.isnan(rank_area(on, np.array([])))


def test_a_clip_is_judged_on_its_frames_alone():
    curve = np.array([0.9, 0.1, 0.8, np.nan, 0.2, 0.3, 0.7, 0.6])
    found = Curves("d", ("AU01", "AU12"), np.stack([1 - curve, curve], 1), (0.5, 0.65))
    clip = {
        "file": "c.mp4",
        "neutral": [[5, 7]],
        "rank": [
            {"au": 12, "on": [[0, 0], [2, 3]], "off": [[4, 5]]},
            {"au": 28, "on": [[0, 0]], "off": [[1, 1]]},  # not of this model
            {"au": 1, "on": [[0, 1]], "off": [[3, 3]]},  # no face there
        ],
    }
    ranked, resting = judge_clip(clip, found)
    assert [row["au"] for row in ranked] == ["AU12", "AU01"]
    row, one_sided = ranked
    assert (one_sided["auc"], one_sided["called_off"], one_sided["frames_off"]) == (None, None, 0)
    assert (row["auc"], row["frames_on"], row["frames_off"]) == (1.0, 2, 2)
    assert row["lost"] == pytest.approx(1 / 5)
    assert row["median_on"] == pytest.approx(0.85)
    assert (row["called_on"], row["called_off"]) == (1.0, 0.0)
    # Of frames 5 to 7 AU 12 is at or over 0.65 in one, AU 1 at or over 0.5 in one.
    (face,) = resting
    assert (face["clip"], face["frames"]) == ("c.mp4", 3)
    assert face["called"] == pytest.approx({"AU01": 1 / 3, "AU12": 1 / 3})


def test_an_au_at_its_threshold_is_called():
    curve = np.array([0.5, 0.49, 0.5, 0.51])
    found = Curves("d", ("AU01",), curve[:, None], (0.5,))
    ranks = [{"au": 1, "on": [[0, 1]], "off": [[2, 3]]}]
    (ranked,), (resting,) = judge_clip({"file": "c", "neutral": [[0, 2]], "rank": ranks}, found)
    assert (ranked["called_on"], ranked["called_off"]) == (1 / 2, 1)
    assert resting["called"] == pytest.approx({"AU01": 2 / 3})


def test_resting_faces_of_no_frame_and_of_no_au_are_told_apart():
    curve = np.array([np.nan, np.nan, 0.1, 0.1])
    found = Curves("d", ("AU01",), curve[:, None], (0.5,))
    said = [
        judge_clip({"file": "c.mp4", "neutral": [frames]}, found)[1] for frames in ([0, 1], [1, 3])
    ]
    assert [(row["frames"], row["called"]) for (row,) in said] == [(0, {}), (2, {})]
    assert [seen_at_rest(row) for (row,) in said] == ["no frame left", "none"]


def test_a_baseline_takes_off_the_rest_of_the_first_frames():
    rng = np.random.default_rng(3)
    probability = rng.uniform(0.05, 0.95, (12, 2))
    probability[2] = np.nan  # no face there, so the sixth frame is the fifth with a face
    judged = with_baseline(Curves("d", ("AU01", "AU12"), probability, (0.5, 0.5)), 5).probability
    assert np.isnan(judged[:6]).all(), "judged while the rest is still being learned"
    for column in range(2):
        first = [probability[row, column] for row in (0, 1, 3, 4, 5)]
        rest = sorted(math.log(p / (1 - p)) for p in first)[2]
        excess = max(0.0, rest - math.log(0.1 / 0.9))
        assert excess > 0
        for row in range(6, 12):
            p = probability[row, column]
            odds = math.log(p / (1 - p)) - excess
            assert judged[row, column] == pytest.approx(1 / (1 + math.exp(-odds)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[clip]]\nsource = 'x'\n", "lacks 'file'"),
        ("[[clip]]\nfile = 'a'\nsource = 'x'\nneutral = [[9, 3]]\n", r"a, at rest: \[9, 3\]"),
        (
            "[[clip]]\nfile = 'a'\nsource = 'x'\nneutral = [[-2, 3]]\n",
            r"rest: \[-2, 3\] is no range",
        ),
        (
            "[[clip]]\nfile = 'a'\nsource = 'x'\n"
            "[[clip.rank]]\nau = 4\non = [[0, 2]]\noff = [[-1, 3]]\n",
            r"a, AU 4: \[-1, 3\] is no range",
        ),
        ("[[clip]\n", "clips.toml"),
        ("[[clip]]\nfile = 'a'\nsource = 'b'\npeople = 'p010'\n", "a: people 'p010' is no list"),
    ],
)
def test_broken_annotations_are_named(tmp_path, text, message):
    path = tmp_path / "clips.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_annotations(path)


def test_the_command_tracks_the_clips_that_are_there(tmp_path, monkeypatch, capsys):
    annotated = tmp_path / "clips.toml"
    annotated.write_text(
        "[[clip]]\nfile = 'clip.mp4'\nsource = 'PyPI x'\nneutral = [[0, 3]]\n"
        "[[clip.rank]]\nau = 12\non = [[0, 2]]\noff = [[3, 5]]\n"
        "[[clip]]\nfile = 'other.mp4'\nsource = 'npm y'\n"
    )
    monkeypatch.setattr(clips, "ANNOTATIONS", annotated)
    folder = tmp_path / "have"
    folder.mkdir()
    _first_frames(DEMO_CLIP, folder / "clip.mp4", 8)
    record = tmp_path / "r.json"
    assert main([str(folder), "--baseline", "2", "--json", str(record)]) == 0
    said = json.loads(record.read_text())
    assert said["clips"] == ["clip.mp4"]
    assert said["missing"] == ["other.mp4"]
    assert said["with_baseline"]["frames"] == 2
    assert said["with_baseline"]["ranked"][0]["frames_on"] == 1  # of 0 to 2, the third
    assert said["ranked"][0]["frames_on"] + said["ranked"][0]["frames_off"] == 6
    assert "npm y" in capsys.readouterr().out
    assert main([str(folder), "--baseline", "2", "--json", str(record), "--flip-test"]) == 0
    both = json.loads(record.read_text())
    assert "flip test" in both["detector"]
    assert both["ranked"][0]["median_on"] != said["ranked"][0]["median_on"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main([str(empty), "--json", str(record)]) == 2
    assert "holds none of the clips" in capsys.readouterr().err


def _first_frames(source, target, count):
    reader = cv2.VideoCapture(str(source))
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"mp4v"), 25, (640, 360))
    for _ in range(count):
        writer.write(reader.read()[1])
    writer.release()
