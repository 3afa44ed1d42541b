"""Files of the native engine: what is damaged, or fits together in no network, is refused."""

import dataclasses
import gc
import io
import json
import struct
import warnings
import zipfile

import numpy as np
import pytest
from native_engine import native_model, require_native, write_native
from tiny_network import tiny_network

from runtime.backends import open_backend
from runtime.errors import ModelError, SpecError
from runtime.native.model import read_model, write_model


@pytest.fixture(autouse=True)
def compiled():
    require_native()


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture
def file(tmp_path, network):
    return write_native(tmp_path, network)


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
    assert "unsafely" not in str(caught.value), "NumPy's advice to load what it takes for pickled"
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_not_left_open(file):
    """Windows would neither replace nor remove it."""
    file.write_bytes(file.read_bytes()[:-500])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(ModelError):
            read_model(file)
        gc.collect()
    assert not [warning for warning in said if warning.category is ResourceWarning]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"heads.bias": None}, ModelError, "array heads.bias is missing"),
        ({"align.0.bias": np.zeros(3)}, ModelError, "align.0.bias holds 3 numbers instead of 8"),
        ({"heads.bias": np.zeros(6)}, ModelError, "heads.bias holds 6 numbers instead of 5"),
        ({"up.hidden.range": np.ones(5)}, ModelError, "holds 5 numbers instead of 16"),
        ({"refine.1.tile": None}, ModelError, "array refine.1.tile is missing: export it again"),
        ({"align.2.tile": np.array([3])}, ModelError, r"align\.2\.tile is not 2 or 4: export it"),
        ({"down.hidden.bias": np.full(48, np.nan)}, ModelError, "holds numbers that are not fini"),
        ({"heads.order": np.arange(5) + 1}, ModelError, "heads.order is no order of the AUs"),
        ({"patches.eyes": np.array([22, 49])}, ModelError, "names landmarks that there are not"),
        ({"patches.points": np.full(10, 49)}, ModelError, "names landmarks that there are not"),
        ({"down.hidden.bias": np.full(48, "1")}, ModelError, "down.hidden.bias: no numbers"),
        ({"down.hidden.range": np.zeros(3)}, ModelError, "ranges that are not above 0"),
        pytest.param({"shape": np.array("[" * 200_000)}, ModelError, "is not usable", id="deep"),
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


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        *(({"batch": 2}, {}), ({"intensity": True}, {}), ({}, {"crop": 96})),
        ({"aus": (1, 6), "thresholds": (0.5, 0.5)}, {}),
    ],
    ids=str,
)
def test_metadata_of_another_network(tmp_path, network, spec, shape):
    model = native_model(network)
    spec, shape = dataclasses.replace(model.spec, **spec), dataclasses.replace(model.shape, **shape)
    write_model(tmp_path / "net.npz", dataclasses.replace(model, spec=spec, shape=shape))
    with pytest.raises(SpecError, match="metadata do not fit its network"):
        read_model(tmp_path / "net.npz")


def test_arrays_may_lie_column_by_column(file):
    wanted = read_model(file).arrays
    with np.load(file) as archive:
        content = dict(archive)
    columns = {name: np.asfortranarray(array) for name, array in wanted.items()}
    assert columns["refine.0.weight"].flags.fnc
    np.savez(file, **content | columns)
    for name, array in read_model(file).arrays.items():
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, wanted[name])


def test_any_landmark_may_be_named(file):
    with np.load(file) as archive:
        content = dict(archive)
    np.savez(file, **content | {"patches.points": np.arange(10), "patches.eyes": np.array([0, 48])})
    assert read_model(file).arrays["patches.eyes"].tolist() == [0, 48]


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
