import json

import numpy as np
import pytest
from some_videos import write_video
from test_runtime_fixtures import make_spec, write_model

from benchmarks.agreement import Curves, compare, draw, main
from runtime.errors import InputError


def test_a_comparison_counts_frame_by_frame():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 50, 2))
    first[:, 1] = 0.25  # a flat curve
    first[3], second[3], second[7] = np.nan, np.nan, np.nan
    one = Curves("one", ("AU01", "AU12"), first, (0.5, 0.3))
    other = Curves("other", ("AU01", "AU12"), second, (0.6, 0.3))
    said = compare(one, other)
    assert (said["frames"], said["in_one_only"]) == (48, 1)
    total, largest, changed = 0.0, 0.0, 0
    for column, limits in ((0, (0.5, 0.6)), (1, (0.3, 0.3))):
        mine, calls = [], 0
        for frame in range(50):
            a, b = first[frame, column], second[frame, column]
            if a != a or b != b:
                continue
            mine.append(abs(a - b))
            calls += (a >= limits[0]) != (b >= limits[1])
        row = said["aus"][("AU01", "AU12")[column]]
        assert row["mean_difference"] == pytest.approx(sum(mine) / 48)
        assert row["max_difference"] == pytest.approx(max(mine))
        assert row["calls_changed"] == pytest.approx(calls / 48)
        total, largest, changed = total + sum(mine), max(largest, *mine), changed + calls
    assert said["mean_difference"] == pytest.approx(total / 96)
    assert said["max_difference"] == pytest.approx(largest)
    assert said["calls_changed"] == pytest.approx(changed / 96)
    assert said["aus"]["AU12"]["correlation"] is None
    assert abs(said["aus"]["AU01"]["correlation"]) < 0.5


def test_models_of_other_aus_are_not_compared():
    one, other = np.zeros((2, 4, 2))
    first = Curves("a", ("AU01", "AU12"), one, (0.5, 0.5))
    with pytest.raises(InputError, match=r"b and a cannot be compared: only one .* AU06, AU12"):
        compare(first, Curves("b", ("AU01", "AU06"), other, (0.5, 0.5)))


def test_one_au_is_drawn(tmp_path):
    curve = np.random.default_rng(0).random((9, 1))
    draw(tmp_path / "one.png", [Curves("a", ("AU01",), curve, (0.5,))])
    assert (tmp_path / "one.png").stat().st_size > 1000


def test_no_face_in_both_is_no_agreement():
    one, other = np.full((2, 4, 1), np.nan)
    one[0] = 0.5
    said = compare(Curves("a", ("AU01",), one, (0.5,)), Curves("b", ("AU01",), other, (0.5,)))
    assert (said["frames"], said["in_one_only"]) == (0, 1)
    assert said["mean_difference"] is None
    assert said["aus"]["AU01"]["calls_changed"] is None


def test_several_clips_and_models(tmp_path, capsys):
    clips = [write_video(tmp_path / f"{name}.avi", code="MJPG", frames=6) for name in "ab"]
    models = [write_model(tmp_path / "m.onnx"), write_model(tmp_path / "n.onnx", preset="other")]
    out = tmp_path / "out" / "agreement.json"
    arguments = [*clips, "--models", *models, "--json", out]
    assert main([*map(str, arguments)]) == 0
    record = json.loads(out.read_text())
    assert record["reference"].startswith("Detector(tiny fp32 on cpu")
    assert [row["clip"] for row in record["rows"]] == ["a.avi", "b.avi"]
    assert all(row["detector"].startswith("Detector(other") for row in record["rows"])
    assert all(row["in_one_only"] == 0 for row in record["rows"])
    for clip in "ab":
        assert (out.parent / f"agreement_{clip}.png").read_bytes().startswith(b"\x89PNG")
    assert [row["model"] for row in record["rows"]] == [str(models[1])] * 2
    assert record["reference_model"] == str(models[0])
    assert f"| b.avi | {models[1]} | Detector(other" in capsys.readouterr().out


def test_two_files_of_one_network_are_told_apart(tmp_path, capsys):
    """What their detectors say of themselves is the same."""
    clip = write_video(tmp_path / "a.avi", code="MJPG", frames=3)
    models = [str(write_model(tmp_path / f"{name}.onnx")) for name in "mno"]
    out = tmp_path / "agreement.json"
    assert main([str(clip), "--models", *models, "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    assert len({row["detector"] for row in record["rows"]}) == 1
    assert [row["model"] for row in record["rows"]] == models[1:]
    assert f"| {models[1]} | " in capsys.readouterr().out
    write_model(tmp_path / "n.onnx", make_spec(aus=(1, 2, 4)).to_metadata())
    assert main([str(clip), "--models", *models, "--json", str(out)]) == 2
    assert f"{models[1]}: Detector(" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("clip", "model", "message"),
    [
        ("none.mp4", "m.onnx", "none.mp4"),
        ("a.avi", "m.onnx@abacus", "write FILE@ENGINE"),
        ("a.avi", "none.onnx", "none.onnx"),
        ("a.avi", "foreign.onnx", "no lgrnet metadata"),
    ],
)
def test_what_cannot_be_opened_is_named(tmp_path, capsys, clip, model, message):
    write_video(tmp_path / "a.avi", code="MJPG", frames=2)
    write_model(tmp_path / "m.onnx")
    write_model(tmp_path / "foreign.onnx", metadata={})
    out = tmp_path / "agreement.json"
    arguments = [tmp_path / clip, "--models", tmp_path / model, tmp_path / "m.onnx", "--json", out]
    assert main([*map(str, arguments)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_one_model_and_two_clips_of_one_name_are_refused(tmp_path, capsys):
    for more, said in (
        (["a.avi", "--models", "m.onnx"], "give two or more"),
        (["a.avi", "b/a.avi", "--models", "m.onnx", "n.onnx"], "two clips have the same name"),
        (["a.avi", "--models", "m.onnx", "n.onnx", "--threads", "0"], "--threads"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(more)
        assert said in capsys.readouterr().err
