"""GPU models that are recorded: they free all, whatever has happened, and errors say why."""

import gc
import sys
from contextlib import closing

import fake_cuda
import numpy as np
import pytest
from tiny_engine import compute, faces, install, write_engine

from runtime.backends import open_backend, recorded
from runtime.cuda import device
from runtime.errors import DeviceError


@pytest.fixture
def file(tmp_path):
    return write_engine(tmp_path)


@pytest.fixture
def gpu(monkeypatch):
    return install(monkeypatch)


def test_other_threads_may_use_the_default_stream_meanwhile(gpu, file):
    driver, ones = sys.modules["pycuda.driver"], np.ones(4, np.uint8)
    place = driver.mem_alloc(4)
    gpu.elsewhere = lambda: driver.memcpy_htod(place, ones)
    backend = open_backend(file, "cuda")
    assert backend(faces(1)).probability.shape == (1, 3)
    assert bytes(gpu.memory[int(place)]) == b"\1\1\1\1"


def test_nothing_is_left_when_it_is_closed(gpu, file):
    open_backend(file, "cuda").close()
    assert not gpu.memory
    assert (gpu.streams, gpu.late) == (0, 0), "streams, and those destroyed with no context"


def test_nothing_is_left_where_nobody_closed_it(gpu, file):
    backend = open_backend(file, "cuda")
    backend(faces(1))
    del backend
    gc.collect()
    assert not gpu.memory
    assert (gpu.streams, gpu.late, gpu.pushed) == (0, 0, 0)


def test_nothing_is_left_where_opening_fails(monkeypatch, gpu, file):
    def start():
        raise RuntimeError("no")

    gpu.elsewhere = start
    with pytest.raises(RuntimeError, match=r"^no$"):
        open_backend(file, "cuda")
    assert not gpu.memory
    assert gpu.pushed == 0


def test_after_a_fault_the_reason_stays_and_closing_is_quiet(gpu, file):
    backend = open_backend(file, "cuda")

    def fault():
        raise DeviceError("CUDA error 700 in cuStreamSynchronize: an illegal memory access")

    backend._stream.synchronize = fault
    gpu.broken = True
    with pytest.raises(DeviceError, match="cuStreamSynchronize"), closing(backend):
        backend(faces(1))
    backend.close()
    assert gpu.pushed == 0


def test_a_forked_process_is_told_what_to_do(monkeypatch, gpu, file):
    backend = open_backend(file, "cuda")
    there = dict(gpu.memory)
    with monkeypatch.context() as child:
        child.setattr(device.os, "getpid", lambda: 1)
        for call in (lambda: backend(faces(1)), lambda: open_backend(file, "cuda")):
            with pytest.raises(DeviceError, match=r"before this process was forked.*'spawn'"):
                call()
        backend.close()
    assert gpu.memory == there, "the parent's"
    assert gpu.pushed == 0


def test_a_context_that_is_gone(monkeypatch, gpu, file):
    backend = open_backend(file, "cuda")

    def refuse():
        raise fake_cuda.CudaError("cuCtxPushCurrent failed: context is destroyed")

    monkeypatch.setattr(backend._gpu._context, "push", refuse)
    with pytest.raises(DeviceError, match=r"cannot be used any more .*context is destroyed"):
        backend(faces(1))
    backend.close()


def test_an_engine_that_cannot_be_recorded_runs_and_says_so(monkeypatch, gpu, file, caplog):
    def refuse(stream, work):
        raise DeviceError("CUDA error 900 in cuStreamEndCapture: operation not permitted")

    monkeypatch.setattr(recorded, "CudaGraph", refuse)
    backend = open_backend(file, "cuda")
    assert "m.engine is not recorded as a CUDA graph: CUDA error 900" in caplog.text
    assert backend.provider.endswith(", not recorded")
    for count in (1, 3):
        got = backend(faces(count)).landmarks
        np.testing.assert_allclose(got, compute(faces(count))[1], atol=1e-6)
    assert backend.kernels is None
    assert backend.gpu_seconds() >= 0
    backend.close()
    assert not gpu.memory
