"""The compiled native engine, for tests that need it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from export.native.arrays import network_arrays, network_shape
from lgrnet.network.model import LGRNet
from runtime.native import handle
from runtime.native.compile import CompileError, compile_engine, compiler
from runtime.native.library import find_library
from runtime.native.model import NativeModel, write_model
from runtime.spec import ModelSpec


def require_native() -> None:
    """Compile the engine if need be; skip the test only where there is no compiler.

    An engine that does not compile fails its tests rather than have them skipped.
    """
    try:
        find_library()
    except ImportError:
        try:
            compiler()
        except CompileError as error:
            pytest.skip(str(error))
        compile_engine()


def write_native(folder: Path, network: LGRNet) -> Path:
    """Write a network's float32 file; returns its path."""
    path = folder / "net.npz"
    write_model(path, native_model(network))
    return path


def native_model(model: LGRNet, **changes: np.ndarray) -> NativeModel:
    """Build a float32 model in memory."""
    aus = model.config.aus
    spec = ModelSpec(
        preset="tiny", aus=aus, thresholds=(0.5,) * len(aus), precision="fp32", graph="winograd",
        engine="native", batch=1, training_data="nothing", licence="Apache-2.0",
        checkpoint_sha256="0" * 64, versions={}, intensity=model.config.intensity,
    )  # fmt: skip
    return NativeModel(spec, network_shape(model.config), network_arrays(model) | changes)


@contextmanager
def another_thread_inside(monkeypatch: pytest.MonkeyPatch, work: Callable) -> Iterator[None]:
    """Hold another thread in the engine, which it has entered by `work`."""
    inside, go_on = threading.Event(), threading.Event()
    call = handle._call

    def slow(function: Callable, *arguments: object) -> tuple[int | None, str]:
        inside.set()
        assert go_on.wait(20)
        return call(function, *arguments)

    monkeypatch.setattr(handle, "_call", slow)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert inside.wait(20)
        yield
    finally:
        go_on.set()
        thread.join()
