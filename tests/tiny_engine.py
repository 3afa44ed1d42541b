"""A TensorRT engine that computes some function of the faces, on a machine that is made up."""

from dataclasses import replace

import fake_cuda
import numpy as np
from test_runtime_fixtures import make_spec

from runtime.backends.tensorrt_plan import EnginePlan, write_plan
from runtime.files.digest import file_sha256

SPEC = make_spec(batch=2, engine="tensorrt", precision="fp16")


def plan_of(path, spec=SPEC, **changes) -> EnginePlan:
    plan = EnginePlan(
        *(spec, "rtx", "1.2.3", ("8.6", "12.0"), None, "0" * 64, file_sha256(path), {"face": (2,)})
    )
    return replace(plan, **changes)


def write_engine(folder):
    path = folder / "m.engine"
    path.write_bytes(b"engine")
    write_plan(path, plan_of(path))
    return path


def compute(faces):
    """Some function of the faces, each output another."""
    mean = faces.mean((1, 2, 3)) / 255
    landmarks = np.arange(98).reshape(1, 49, 2) + mean[:, None, None]
    return mean[:, None] * np.ones(3), landmarks, mean[:, None] * [1, 2, 3]


def faces(count):
    return np.random.default_rng(count).integers(0, 256, (count, 176, 176, 3), np.uint8)


def install(monkeypatch) -> fake_cuda.Gpu:
    gpu = fake_cuda.Gpu()
    fake_cuda.install(monkeypatch, gpu, fake_cuda.tensorrt(gpu, SPEC, lambda f: compute(f)[:2]))
    return gpu
