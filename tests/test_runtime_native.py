"""The native engine: that it computes the network, in every form, and refuses what it cannot."""

import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from native_engine import another_thread_inside, native_model, require_native, write_native
from tiny_network import draw_faces, tiny_network

from benchmarks.shared.machine import describe_machine
from export.faces import demo_faces
from export.native.ranges import best_ranges, bin_edges, measure_ranges
from export.plain import PlainGraph
from lgrnet.data.batches import to_input
from runtime import Detector
from runtime.backends import open_backend
from runtime.backends.native import NativeBackend
from runtime.errors import DeviceError, ModelError
from runtime.native import compile as compiling
from runtime.native import library
from runtime.native.compile import compile_engine
from runtime.native.model import read_model
from runtime.packaged import model_path

VARIANTS = [
    {},
    {"attention_cells": 24},
    {"stem_stride": 2},  # 8 × 8 cells: windows hold every tile
    {"input_size": 80},  # 20 × 20 cells, which do not fill tiles of 4 × 4 when pooled
    {"input_size": 192, "stem_stride": 2},  # 24 × 24 cells; the face is enlarged
    {"input_size": 176, "stem_stride": 1},  # 44 × 44 cells, no resizing; poolings of odd sides
    {"aus": [12]},  # nothing to skip to
    {"aus": [12, 14]},  # one patch
    {"intensity": True},
    {"stem_widths": [32, 48], "feature_widths": [20, 36, 68], "refine_widths": [80, 96, 160]},
]


@pytest.fixture(autouse=True)
def compiled():
    require_native()


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture
def file(tmp_path, network):
    return write_native(tmp_path, network)


def expected(model, faces):
    with torch.inference_mode():
        return [output.numpy() for output in PlainGraph(model)(torch.from_numpy(faces))]


def assert_same(found, wanted):
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-3)
    np.testing.assert_allclose(found[1], wanted[1], atol=2e-3)
    assert (found.intensity is None) == (len(wanted) == 2)
    if found.intensity is not None:
        np.testing.assert_allclose(found.intensity, wanted[2], atol=5e-3)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_computes_the_network(changes, threads):
    model, faces = tiny_network(**changes), draw_faces(3)
    wanted = expected(model, faces)
    assert wanted[0].std(0).max() > 0.05
    assert_same(NativeBackend(native_model(model), "cpu", threads)(faces), wanted)


@pytest.mark.parametrize(
    ("shift", "scale"),
    [((-85, -40), 1), ((90, 60), 1), ((0, 170), 1), ((-400, 0), 1), ((0, 0), 0.1), ((0, 0), 0.35)],
    ids=["left", "right and down", "below", "far away", "one place", "overlapping"],
)
@pytest.mark.parametrize("cells", [None, 24])
def test_patches_at_the_border_off_the_grid_and_on_each_other(shift, scale, cells):
    model = tiny_network(attention_cells=cells)
    with torch.no_grad():
        middle = model.align.mean_face.mean(0)
        wanted = middle + (model.align.mean_face - middle) * scale + torch.tensor(shift)
        offsets = (wanted - model.align.mean_face).flatten() / model.align.unit
        model.align.offsets.bias.add_(offsets)
    faces = draw_faces(3)
    assert_same(NativeBackend(native_model(model), "cpu", 1)(faces), expected(model, faces))


@pytest.mark.parametrize("input_size", [64, 80])
def test_any_layer_may_have_large_tiles(input_size):
    """Also where they do not fill what is pooled, 5 × 5 of 80."""
    model, faces = tiny_network(input_size=input_size), draw_faces(2)
    layers = (f"{name}.{i}.tile" for name in ("align", "global", "refine") for i in range(6))
    large = native_model(model, **dict.fromkeys(layers, np.array([4], np.float32)))
    assert_same(NativeBackend(large, "cpu", 2)(faces), expected(model, faces))


def test_many_threads_give_the_same_every_time(network):
    # More threads than cores, so that they are stopped in the middle of loops.
    backend = NativeBackend(native_model(network), "cpu", 7)
    faces = draw_faces(4)
    first = backend(faces)
    for _ in range(30):
        for found, wanted in zip(backend(faces)[:2], first[:2], strict=True):
            np.testing.assert_array_equal(found, wanted)


def compiled_for(target, folder):
    """Open the engine for an instruction set, compiling it only where it is not what runs here.

    Then it is optimised less, which takes half the time; what is users' is compiled in full.
    """
    known = library.library_path(target)
    if known.exists():
        return library.open_library(known)
    flags = ["-O1" if flag == "-O3" else flag for flag in library.FLAGS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "FLAGS", flags)
        return library.open_library(compile_engine(target, folder))


PROVIDERS = {
    "portable": "native portable",
    "avx2": "native AVX2",
    "avxvnni": "native AVX-VNNI",
    "dotprod": "native NEON dot product",
}


@pytest.mark.parametrize("target", PROVIDERS)
def test_other_instruction_sets_compute_the_same(tmp_path, monkeypatch, network, target):
    if target not in library.targets():
        pytest.skip(f"{target} is not for this kind of processor")
    if target == "avxvnni" and "avx_vnni" not in describe_machine()["cpu_flags"]:
        pytest.skip("this processor has no AVX-VNNI (compiling to find that out takes long)")
    model = native_model(network)
    ranges = measure_ranges(model, draw_faces(4))
    quantised = dataclasses.replace(model, arrays={**model.arrays, **ranges})
    # The packaged network also, of real widths; without ranges it is in floating point.
    packaged = read_model(model_path("edge-native"))
    plain = {name: array for name, array in packaged.arrays.items() if not name.endswith(".range")}
    models = [model, quantised, dataclasses.replace(packaged, arrays=plain), packaged]
    pictures = [draw_faces(4)] * 2 + [demo_faces()[:2]] * 2
    pairs = list(zip(models, pictures, strict=True))
    wanted = [NativeBackend(each, "cpu", 1)(faces) for each, faces in pairs]
    opened = compiled_for(target, tmp_path)
    monkeypatch.setattr("runtime.backends.native.find_library", lambda: opened)
    for (each, faces), (probability, landmarks, _) in zip(pairs, wanted, strict=True):
        backend = NativeBackend(each, "cpu", 2)
        assert backend.provider == PROVIDERS[target]
        found = backend(faces)
        # In 8 bits, a number in the middle between two is rounded by its last bit, which products
        # and sums in one instruction change.
        rounded = each is quantised or each is packaged
        np.testing.assert_allclose(found[0], probability, atol=0.1 if rounded else 1e-3)
        np.testing.assert_allclose(found[1], landmarks, atol=0.5 if rounded else 2e-3)
        assert np.abs(found[0] - probability).mean() < 0.005
        assert np.abs(found[1] - landmarks).mean() < 0.1


def test_histograms_count_what_the_second_convolution_sees(network):
    faces = draw_faces(2)
    backend = NativeBackend(native_model(network), "cpu", 1)
    backend.observe()
    backend(faces)
    counts = backend.histograms()["stem.1.conv"]
    # Its input from PyTorch, cut into tiles of 4 × 4 every 2 cells, and transformed by definition.
    image = to_input(torch.from_numpy(faces))
    with torch.inference_mode():
        image = torch.nn.functional.interpolate(image, (64, 64), mode="bilinear")
        x = torch.nn.functional.pad(network.stem[1](network.stem[0](image)), (1, 1, 1, 1))
    tiles = x.unfold(2, 4, 2).unfold(3, 4, 2).double()
    basis = torch.tensor([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1.0]]).double()
    seen = torch.einsum("pi,bcuvij,qj->pqbcuv", basis, tiles, basis).abs().flatten(2)
    assert counts.shape == (1, 16, 256)
    for position, numbers in enumerate(seen.flatten(0, 1).numpy()):
        wanted, _ = np.histogram(numbers, bin_edges(256))
        # Sums of zeros may be a rounding error; numbers near a bin's border fall to either side.
        large = bin_edges(256)[:-1] > 1e-3
        assert np.abs(counts[0, position] - wanted)[large].sum() < 0.01 * wanted.sum()
        assert wanted[large].sum() > 1000


def test_best_range_is_the_one_that_rounding_shows_to_be():
    rng = np.random.default_rng(0)
    numbers = np.concatenate([rng.normal(0, 1, 200_000), rng.normal(0, 12, 30)])
    edges = bin_edges(256)
    counts, _ = np.histogram(np.abs(numbers), edges)

    def error(limit):
        step = limit / 127
        rounded = np.clip(np.round(numbers / step), -127, 127) * step
        return np.square(rounded - numbers).mean()

    candidates = edges[(edges > 0.5) & (edges < 64)]
    best = min(error(limit) for limit in candidates)
    (chosen,) = best_ranges(counts[None])
    assert error(chosen) < 1.05 * best
    assert chosen < np.abs(numbers).max() / 1.5  # outliers are cut off


@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_faces_in_any_memory(file, network, count):
    faces = draw_faces(3)[:count].transpose(0, 2, 1, 3)
    found = open_backend(file)(faces)
    assert found[0].shape == (count, 5)
    assert found[0].dtype == found[1].dtype == np.float32
    if count:
        assert_same(found, expected(network, np.ascontiguousarray(faces)))


def test_describes_itself(file):
    backend = open_backend(file, threads=2)
    assert (backend.engine, backend.device, backend.threads) == ("native", "cpu", 2)
    assert backend.precision == backend.spec.precision == "fp32"
    assert backend.provider.startswith("native ")
    with Detector(file, threads=1) as detector:
        assert repr(detector).startswith(f"Detector(tiny fp32 on cpu, {backend.provider}, 1 th")


def test_closed_and_wrong_crops(file):
    backend = open_backend(file)
    with pytest.raises(ValueError, match=r"takes \(1, 176, 176, 3\) uint8, got"):
        backend(draw_faces(1)[:, 1:])
    backend.close()
    backend.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        backend(draw_faces(1))


def test_other_devices_suffixes_and_precisions_are_refused(file, tmp_path):
    said = "native engine runs on CPUs: give an .onnx model such as 'edge' to backend 'onnxruntime'"
    with pytest.raises(DeviceError, match=said):
        open_backend(file, "cuda")
    with pytest.raises(DeviceError, match="native computes as the file says"):
        open_backend(file, precision="bf16")
    with pytest.raises(ModelError, match=r"onnxruntime runs only \.onnx.*export\.onnx"):
        open_backend(file, backend="onnxruntime")
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"native runs only \.npz.*export\.native"):
        open_backend(tmp_path / "m.onnx", backend="native")


def test_observing_is_for_one_thread(network):
    backend = NativeBackend(native_model(network), "cpu", 2)
    with pytest.raises(ValueError, match="observed on 1 thread, not 2"):
        backend.observe()


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that tells")
def test_threads_are_as_many_as_were_asked_for(network):
    before = len(os.listdir("/proc/self/task"))
    backend = NativeBackend(native_model(network), "cpu", 4)
    assert len(os.listdir("/proc/self/task")) == before + 3
    backend.close()


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that tells")
def test_closing_frees_memory(network):
    model, pages = native_model(network), []
    for _ in range(60):
        NativeBackend(model, "cpu", 1).close()
        pages.append(int(Path("/proc/self/statm").read_text().split()[1]))
    assert (pages[-1] - pages[19]) * 4096 < 40 * 100_000  # of some MB that each takes


def test_no_threads_to_run_on(network):
    with pytest.raises(ModelError, match=r"in memory cannot be opened .*1 thread or more"):
        NativeBackend(native_model(network), "cpu", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_may_let_go_of_its_parents_engine(network):
    faces = draw_faces(2)
    backend = NativeBackend(native_model(network), "cpu", 4)
    before = backend(faces)
    child = os.fork()
    if not child:
        backend.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(backend(faces).probability, before.probability)


def test_two_threads_in_one_engine_are_an_error(network, monkeypatch):
    backend = NativeBackend(native_model(network), "cpu", 1)
    with another_thread_inside(monkeypatch, lambda: backend(draw_faces(1))):
        for again in (lambda: backend(draw_faces(1)), backend.close):
            with pytest.raises(RuntimeError, match="one thread at a time"):
                again()
