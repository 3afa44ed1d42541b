"""The native engine: that it computes the network, in every form, and refuses what it cannot."""

import dataclasses
import io
import json
import os
import struct
import threading
import zipfile

import numpy as np
import pytest
import torch
from native_engine import native_model, require_native
from tiny_network import draw_faces, tiny_network

from benchmarks.shared.machine import describe_machine
from export.faces import demo_faces
from export.native.ranges import best_ranges, bin_edges, measure_ranges
from export.plain import PlainGraph
from lgrnet.data.batches import to_input
from runtime import Detector
from runtime.backends import native as native_backend
from runtime.backends import open_backend
from runtime.backends.native import NativeBackend
from runtime.errors import DeviceError, ModelError, SpecError
from runtime.native import compile as compiling
from runtime.native import library
from runtime.native.compile import compile_engine
from runtime.native.model import read_model, write_model
from runtime.packaged import model_path

VARIANTS = [
    {},
    {"attention_cells": 24},
    {"stem_stride": 2},  # 8 × 8 cells: windows hold every tile
    {"input_size": 80},  # 20 × 20 cells, which do not fill tiles of 4 × 4 when pooled
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
    write_model(tmp_path / "net.npz", native_model(network))
    return tmp_path / "net.npz"


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


PROVIDERS = {"portable": "native portable", "avx2": "native AVX2", "avxvnni": "native AVX-VNNI"}


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
    with pytest.raises(DeviceError, match="native engine runs on CPUs"):
        open_backend(file, "cuda")
    with pytest.raises(DeviceError, match="native computes as the file says"):
        open_backend(file, precision="bf16")
    with pytest.raises(ModelError, match=r"onnxruntime runs only \.onnx.*export\.onnx"):
        open_backend(file, backend="onnxruntime")
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"native runs only \.npz.*export\.native"):
        open_backend(tmp_path / "m.onnx", backend="native")


def _commented(whole: bytes) -> bytes:
    """Damage an archive's table so that zipfile passes over its last entry without a word."""
    last = whole.rindex(b"PK\x01\x02")
    before, end = whole.rindex(b"PK\x01\x02", 0, last), whole.rindex(b"PK\x05\x06")
    return whole[: before + 32] + struct.pack("<H", end - last) + whole[before + 34 :]


KINDS = (
    *("empty", "text", "cut", "noise", "pickle", "array", "locked", "method", "header"),
    "comment",
)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_file(file, kind):
    whole = file.read_bytes()
    entry = whole.rindex(b"PK\x01\x02")  # of the archive's table, which says how to read the last
    if kind == "pickle":
        np.savez(file, lgrnet=np.array([{"a": 1}], object))
    elif kind == "array":
        with file.open("wb") as opened:
            np.save(opened, np.zeros(3))
    elif kind == "header":
        with zipfile.ZipFile(file, "w") as archive, io.BytesIO() as array:
            np.save(array, np.zeros(3))
            archive.writestr("shape.npy", array.getvalue().replace(b"}", b" "))
    else:
        content = {
            "empty": b"",
            "text": b"hello",
            "cut": whole[:-500],
            "locked": whole[: entry + 8] + b"\1" + whole[entry + 9 :],
            # The entry before the last seems to have a comment as long as the last entry.
            "comment": _commented(whole),
            "method": whole[: entry + 10] + b"\x63" + whole[entry + 11 :],
        }
        file.write_bytes(content.get(kind, np.random.default_rng(0).bytes(5000)))
    told = "is empty: export" if kind == "empty" else "cannot be opened"
    with pytest.raises(ModelError, match=rf"net\.npz {told}") as caught:
        open_backend(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"heads.bias": None}, ModelError, "array heads.bias is missing"),
        ({"align.0.bias": np.zeros(3)}, ModelError, "align.0.bias holds 3 numbers instead of 8"),
        ({"up.hidden.range": np.ones(5)}, ModelError, "holds 5 numbers instead of 16"),
        ({"refine.1.tile": None}, ModelError, "array refine.1.tile is missing: export it again"),
        ({"align.2.tile": np.array([3])}, ModelError, r"align\.2\.tile is not 2 or 4: export it"),
        ({"down.hidden.bias": np.full(48, np.nan)}, ModelError, "holds numbers that are not fini"),
        ({"heads.order": np.arange(5) + 1}, ModelError, "heads.order is no order"),
        ({"patches.eyes": np.array([22, 49])}, ModelError, "names landmarks that there are not"),
        ({"down.hidden.bias": np.full(48, "1")}, ModelError, "down.hidden.bias: no numbers"),
        ({"down.hidden.range": np.zeros(3)}, ModelError, "ranges that are not above 0"),
        ({"shape": np.array("[" * 200_000)}, ModelError, "is not usable"),
        ({"shape": np.array("{}")}, ModelError, "is not usable"),
        ({"shape": np.array("[]")}, ModelError, "is not usable"),
        ({"lgrnet": None}, SpecError, "holds no lgrnet metadata"),
    ],
    ids=str,
)
def test_files_that_do_not_fit_together(file, change, error, message):
    with np.load(file) as archive:
        content = dict(archive) | change
    np.savez(file, **{name: array for name, array in content.items() if array is not None})
    with pytest.raises(error, match=message):
        open_backend(file)


@pytest.mark.parametrize("field", ["input", "grid", "stem", "cells", "aus", "refine", "slope"])
def test_shapes_that_no_network_has(file, field):
    with np.load(file) as archive:
        content = dict(archive)
    shape = json.loads(str(content["shape"]))
    wrong = np.nan if field == "slope" else -8
    shape[field] = [-8] * len(shape[field]) if isinstance(shape[field], list) else wrong
    np.savez(file, **content | {"shape": np.array(json.dumps(shape))})
    with pytest.raises(ModelError, match="no such network"):
        open_backend(file)


@pytest.mark.parametrize(
    ("field", "wrong"), [("slope", 10**400), ("slope", 1e300), ("grid", 16.0), ("aus", True)]
)
def test_shapes_of_other_kinds_of_numbers(file, field, wrong):
    with np.load(file) as archive:
        content = dict(archive)
    shape = json.loads(str(content["shape"])) | {field: wrong}
    np.savez(file, **content | {"shape": np.array(json.dumps(shape))})
    with pytest.raises(ModelError):
        open_backend(file)


def test_a_file_of_int8_is_stored_in_halves(tmp_path, network):
    model = native_model(network)
    spec = dataclasses.replace(model.spec, precision="int8")
    write_model(tmp_path / "net.npz", dataclasses.replace(model, spec=spec))
    with np.load(tmp_path / "net.npz") as archive:
        assert archive["refine.0.weight"].dtype == np.float16
        assert archive["refine.0.bias"].dtype == np.float32
    read = read_model(tmp_path / "net.npz").arrays["refine.0.weight"]
    np.testing.assert_allclose(read, model.arrays["refine.0.weight"], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("factor", [np.nan, 1e9])
def test_weights_that_halves_do_not_hold_are_not_written(tmp_path, network, factor):
    model = native_model(network)
    weight = model.arrays["refine.0.weight"] * np.float32(factor)
    model = dataclasses.replace(
        model,
        spec=dataclasses.replace(model.spec, precision="int8"),
        arrays={**model.arrays, "refine.0.weight": weight},
    )
    with pytest.raises(ValueError, match=r"refine\.0\.weight .* not finite in float16"):
        write_model(tmp_path / "net.npz", model)
    assert not list(tmp_path.iterdir())


def test_observing_is_for_one_thread(network):
    backend = NativeBackend(native_model(network), "cpu", 2)
    with pytest.raises(ValueError, match="observed on 1 thread, not 2"):
        backend.observe()


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
    inside, go_on = threading.Event(), threading.Event()
    call = native_backend._call

    def slow(function, *arguments):
        inside.set()
        assert go_on.wait(20)
        return call(function, *arguments)

    monkeypatch.setattr(native_backend, "_call", slow)
    thread = threading.Thread(target=lambda: backend(draw_faces(1)))
    thread.start()
    try:
        assert inside.wait(20)
        for again in (lambda: backend(draw_faces(1)), backend.close):
            with pytest.raises(RuntimeError, match="one thread at a time"):
                again()
    finally:
        go_on.set()
        thread.join()
