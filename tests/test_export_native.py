"""``python -m export.native``, from the command line to a file that runs."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from native_engine import native_model, require_native
from tiny_export import GENEROUS, write_export_folder
from tiny_network import draw_faces, tiny_network

from export.native import ranges
from export.native.__main__ import main
from export.native.convert import export_native
from export.plain import PlainGraph
from lgrnet.checkpoint import save_checkpoint
from lgrnet.data.batches import to_input
from lgrnet.data.shards import FaceShards
from lgrnet.network.build import build_network
from runtime.backends import open_backend


@pytest.fixture(autouse=True)
def compiled():
    require_native()


@pytest.fixture(scope="module")
def model():
    return tiny_network(aus=[1, 12])


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return write_export_folder(tmp_path_factory.mktemp("native"), model)


def command(folder, *arguments):
    options = ["--faces", folder / "faces", "--held-out", folder / "data"]
    options += ["--calibration", folder / "data"]
    return main([str(folder / "net.pt"), *map(str, options), *arguments])


def test_int8_is_the_default_and_close_to_the_network(folder, model):
    assert command(folder, *GENEROUS) == 0
    backend = open_backend(folder / "net_native.npz")
    assert (backend.engine, backend.precision, backend.spec.engine) == ("native", "int8", "native")
    faces = draw_faces(16, seed=77)
    with torch.inference_mode():
        wanted, points = PlainGraph(model)(torch.from_numpy(faces))
    found, found_points, _ = backend(faces)
    change = np.abs(found - wanted.numpy())
    assert 1e-4 < change.mean() < 0.1  # more than fp32's
    assert np.corrcoef(found.ravel(), wanted.numpy().ravel())[0, 1] > 0.75
    assert np.abs(found_points - points.numpy()).mean() < 0.5
    report = json.loads((folder / "net_native.accuracy.json").read_text())
    assert (report["model"], report["frames"]) == ("net_native.npz", 48)
    assert report["aus"]["AU01"]["f1_fp32"] == 1.0  # labels are what the network says
    assert set(report["mean_change_of_parts"]) == {
        *("stem.0", "stem.1", "align", "global", "down", "up", "fusion", "refine"),
    }


def test_fp32(folder, model, caplog):
    assert command(folder, "--precision", "fp32") == 0
    assert f"held-out {folder / 'data'} is not used" in caplog.text
    assert f"calibration {folder / 'data'} is not used" in caplog.text
    backend = open_backend(folder / "net_native_fp32.npz")
    assert backend.precision == "fp32"
    faces = draw_faces(4, seed=77)
    with torch.inference_mode():
        wanted, _ = PlainGraph(model)(torch.from_numpy(faces))
    np.testing.assert_allclose(backend(faces)[0], wanted.numpy(), atol=3e-4)


def test_intensities_are_judged_too(folder):
    telling = tiny_network(aus=[1, 12], intensity=True)
    save_checkpoint(folder / "telling.pt", telling, {"thresholds": [0.5, 0.5]})
    options = ["--faces", folder / "faces", "--held-out", folder / "data"]
    options += ["--calibration", folder / "data"]
    assert main([str(folder / "telling.pt"), *map(str, options), *GENEROUS]) == 0
    backend = open_backend(folder / "telling_native.npz")
    assert backend.spec.intensity
    faces = draw_faces(16, seed=77)
    with torch.inference_mode():
        wanted = telling(to_input(torch.from_numpy(faces))).intensity.numpy()
    found = backend(faces).intensity
    assert np.abs(found - wanted).mean() > 5e-4  # more than fp32's
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.75
    report = json.loads((folder / "telling_native.accuracy.json").read_text())
    assert 0 < report["intensity"]["mean"] < report["intensity"]["max"]


def test_the_report_says_by_what_it_was_judged(folder):
    """Of the file beside float32, not the other way around; of as many faces as were asked for."""
    output = folder / "judged.npz"
    arguments = [*GENEROUS, "--held-out-faces", "20"]
    arguments += ["--max-landmark-change", "50", "--max-change", "inf"]
    arguments += ["--max-intensity-change", "2"]
    assert command(folder, "-o", str(output), *arguments) == 0
    report = json.loads(output.with_suffix(".accuracy.json").read_text())
    bounds = {"f1": 1, "mean_f1": 1, "change": None, "landmarks": 50, "intensity": 2}
    assert report["bounds"] == bounds
    backend = open_backend(output)
    assert report["provider"] == backend.provider
    shards = FaceShards(folder / "data", "test", (1, 12))
    taken = [round(n * 47 / 19) for n in range(20)]
    said = backend(np.stack([shards.face(i)[12:188, 12:188] for i in taken])).probability >= 0.5
    for column, (au, row) in enumerate(report["aus"].items()):
        true = shards.labels.presence[taken, column] == 1
        hits = (said[:, column] & true).sum()
        assert report["frames"] == 20
        assert row["positives"] == true.sum(), au
        assert row["f1"] == pytest.approx(2 * hits / (said[:, column].sum() + true.sum())), au
    assert 0 < report["mean_f1"] < 1


def test_broken_bound_names_the_au_and_writes_nothing(folder, capsys):
    arguments = [*GENEROUS, "--max-change", "0", "--calibration", str(folder / "faces")]
    assert command(folder, "-o", str(folder / "refused.npz"), *arguments) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("not exported: ")
    assert "AU01 changes by up to 0." in said
    assert not list(folder.glob("*refused*"))


def test_interruption_leaves_nothing(folder, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("export.judge.measure_cost", interrupt)
    arguments = [*GENEROUS, "--calibration", str(folder / "faces")]
    assert command(folder, "-o", str(folder / "stopped.npz"), *arguments) == 130
    assert not list(folder.glob("*stopped*"))


def test_a_file_that_differs_from_the_network_is_not_written(folder, capsys):
    assert command(folder, "-o", str(folder / "off.npz"), "--tolerance", "0") == 1
    assert "AU probabilities differ from PyTorch's" in capsys.readouterr().err
    assert not list(folder.glob("*off.npz"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "net.onnx"], "give a name that ends in .npz"),
        (["--held-out", "nowhere"], "nowhere holds no dataset.json"),
        (["-o", "/proc/net.npz"], "output /proc/net.npz cannot be written"),
    ],
)
def test_bad_arguments(folder, capsys, arguments, message):
    assert command(folder, *arguments) == 2
    assert message in capsys.readouterr().err


def test_bad_numbers(folder):
    with pytest.raises(ValueError, match="held-out faces: must be at least 1"):
        export_native(folder / "net.pt", held_out_faces=0)
    with pytest.raises(ValueError, match="mean change: must be at least 0"):
        export_native(folder / "net.pt", mean_change=math.nan)


@pytest.mark.parametrize("changes", [{"relation": "bilstm"}, {"gate": "concat"}, {"fusion": False}])
def test_ablations_are_refused(tmp_path, capsys, changes):
    save_checkpoint(tmp_path / "net.pt", tiny_network(**changes))
    assert main([str(tmp_path / "net.pt")]) == 1
    said = capsys.readouterr().err
    assert f"native engine has {next(iter(changes))} = " in said
    assert "python -m export.onnx" in said


def test_jaanet_is_not_sent_to_an_exporter_that_refuses_it_too(tmp_path, capsys):
    absent = {"relation": "none", "fusion": False, "intensity": False}
    network = tiny_network(**absent)
    config = replace(network.config, architecture="jaanet")
    save_checkpoint(tmp_path / "net.pt", build_network(config))
    assert main([str(tmp_path / "net.pt")]) == 2
    said = capsys.readouterr().err
    assert "exported graphs are of LGRNet" in said
    assert "export.onnx" not in said


def test_parts_that_cost_most_stay_in_float(model, monkeypatch):
    costs = {"stem.0": 0.25, "refine": 0.125}  # their sum is exact

    def pretend(native, faces):
        eight = {ranges.part_of(name) for name in native.arrays if name.endswith(".range")}
        return np.full((len(faces), 2), sum(costs.get(part, 0.0) for part in eight))

    monkeypatch.setattr(ranges, "_probabilities", pretend)
    native, faces = native_model(model), draw_faces(4)
    limits = {0.375: [], 0.374: ["stem.0"], 0.125: ["stem.0"], 0.124: ["refine", "stem.0"]}
    for limit, floats in limits.items():
        found, changes, kept_out, change = ranges.quantise(native, faces, limit)
        assert kept_out == floats
        assert change <= limit
        assert changes["refine"] == 0.125
        quantised = {ranges.part_of(name) for name in found.arrays if name.endswith(".range")}
        assert quantised.isdisjoint(floats)
        assert len(quantised) == 8 - len(floats)


def test_the_two_largest_layers_are_convolved_in_large_tiles(model):
    arrays = native_model(model).arrays
    tiles = {name: int(value[0]) for name, value in arrays.items() if name.endswith(".tile")}
    large = {"refine.0.tile", "refine.1.tile"}
    assert large < set(tiles)
    assert tiles == {name: 4 if name in large else 2 for name in tiles}
