"""The fused engine in the runtime, on a made-up GPU whose kernels are interpreted."""

import json
import sys
from dataclasses import replace

import fake_cuda
import numpy as np
import pytest

pytest.importorskip("triton")

from as_warp import assert_as_warp
from interpreted_gpu import InterpretedGpu, install, written
from tiny_fused import agree, planned, said_by_pytorch, small_model
from tiny_network import draw_faces

from export.cuda.network import build_network
from runtime.backends import FrameBackend, open_backend
from runtime.backends.fused import best_target
from runtime.cli import main
from runtime.cuda.driver import DriverError
from runtime.cuda.launch_plan import (
    validate,
)
from runtime.errors import DeviceError, ModelError, SpecError


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def network(model):
    return planned(model)


@pytest.fixture(scope="module")
def wanted(model):
    return said_by_pytorch(model)


@pytest.fixture
def engine(network, tmp_path):
    return written(network, tmp_path)


def test_files_that_are_none(engine, tmp_path):
    again = r"python -m export.cuda CHECKPOINT"
    content = engine.read_bytes()
    for wrong in (b"", b"hello", content[: len(content) // 2]):
        engine.write_bytes(wrong)
        with pytest.raises(ModelError, match=again) as caught:
            open_backend(engine, "cuda")
        assert "unsafely" not in str(caught.value)
    engine.write_bytes(content)
    with np.load(engine) as file:
        blocks = {name: file[name] for name in file.files}
    plan = json.loads(blocks["plan"].tobytes())

    def write(**changes):
        text = json.dumps({**plan, **changes}).encode()
        with engine.open("wb") as file:
            np.savez(file, **{**blocks, "plan": np.frombuffer(text, np.uint8)})

    write(format="other")
    with pytest.raises(ModelError, match="another format"):
        open_backend(engine, "cuda")
    write(arena=256)
    with pytest.raises(ModelError, match="does not lie in the 256 bytes of arena"):
        open_backend(engine, "cuda")
    shorter = {"landmarks": {**plan["arrays"]["landmarks"], "shape": [2, 48, 2]}}
    write(arrays={**plan["arrays"], **shorter})
    with pytest.raises(ModelError, match=r"'landmarks' should be float32 \[2, 49, 2\] as its meta"):
        open_backend(engine, "cuda")
    write(spec={})
    with pytest.raises(SpecError, match="no lgrnet metadata"):
        open_backend(engine, "cuda")
    codes = {"8.6": {key: {**each, "size": 10**9} for key, each in plan["codes"]["8.6"].items()}}
    write(codes=codes)
    with pytest.raises(ModelError, match="is not in the file"):
        open_backend(engine, "cuda")
    write()
    with pytest.raises(DeviceError, match=r"net.fused is for GPUs"):
        open_backend(engine)


def test_what_a_file_says_needs_no_gpu(engine, capsys):
    assert main(["models", str(engine)]) == 0
    said = capsys.readouterr().out
    assert f"fused, fp16 (--model {engine} --backend fused --device cuda)" in said
    assert main(["models", str(engine), str(engine.with_name("none.fused")), "--json"]) == 2
    there, missing = json.loads(capsys.readouterr().out)
    assert (there["aus"], there["batch"]) == ([1, 12, 25], 2)
    assert "does not exist" in missing["error"]
    engine.write_bytes(engine.read_bytes()[:-99])
    assert main(["models", str(engine)]) == 2
    assert "export.cuda" in capsys.readouterr().out


@pytest.mark.parametrize(("capability", "target"), [((8, 9), "8.6"), ((8, 0), "8.0")])
def test_the_engine_on_a_made_up_gpu(monkeypatch, network, engine, capability, target):
    builder, plan, _ = network
    gpu = InterpretedGpu(builder.kernels, capability=capability)
    gpu.works = False  # that takes its time: test_the_recurrence_in_one_launch looks at results
    install(monkeypatch, gpu)
    backend = open_backend(engine, "cuda")
    assert backend.provider == f"fused kernels for {target}, NVIDIA Fake"
    assert (backend.engine, backend.precision, backend.device) == ("fused", "fp16", "cuda:0")
    before = dict(gpu.memory)
    assert len(backend(draw_faces(2)).probability) == 2
    assert gpu.launches == 1
    assert gpu.runs == 2 * len(plan.launches), "once to load the kernels, once for the faces"
    assert gpu.memory.keys() == before.keys()
    assert len(before) == 2
    backend.close()
    backend.close()
    assert not gpu.memory
    assert (gpu.pushed, gpu.loaded, gpu.streams, gpu.late) == (0, 0, 0, 0)


@pytest.mark.parametrize("waits", [False, True])
def test_launches_start_early_whose_code_waits(monkeypatch, network, tmp_path, waits):
    builder, plan, _ = network
    gpu = InterpretedGpu(builder.kernels, capability=(8, 6))
    gpu.works = False
    install(monkeypatch, gpu)
    backend = open_backend(written(network, tmp_path, waits), "cuda")
    # Nothing has started before the first one but a copy. All are put there twice: to load the
    # kernels, and to be recorded.
    assert gpu.early == 2 * [False, *[waits] * (len(plan.launches) - 1)]
    backend.close()


def test_every_launch_is_timed_on_the_last_crops(monkeypatch, network, engine):
    builder, plan, _ = network
    gpu = InterpretedGpu(builder.kernels, capability=(8, 6))
    gpu.works = False
    install(monkeypatch, gpu)
    backend = open_backend(engine, "cuda")
    face, block = plan.arrays["face"], gpu.memory[int(backend._arena)]
    backend(draw_faces(2))
    block[face.offset : face.offset + face.size] = bytes(face.size)
    gpu.started.clear()
    seconds = backend.launch_seconds(repeats=3)
    assert backend.launches == plan.launches
    assert seconds == pytest.approx([0.00025 / 3] * len(plan.launches))
    names = [launch.code.split("-")[0] for launch in plan.launches]
    assert gpu.started == [name for name in names for _ in range(3 * 6)], "once, and five replays"
    crops = np.frombuffer(block, np.uint8)[face.offset : face.offset + face.size]
    np.testing.assert_array_equal(crops, draw_faces(2).ravel())
    backend.close()
    with pytest.raises(RuntimeError, match="closed"):
        backend.launch_seconds()


def test_what_waits_is_timed_with_what_clears_its_counter(monkeypatch, model, tmp_path):
    network = builder, plan, _ = planned(model, "persistent")
    gpu = InterpretedGpu(builder.kernels, capability=(8, 6))
    gpu.works = False
    install(monkeypatch, gpu)
    backend = open_backend(written(network, tmp_path), "cuda")
    gpu.started.clear()
    seconds = backend.launch_seconds(repeats=2)
    names = [launch.code.split("-")[0] for launch in plan.launches]
    assert seconds[names.index("clear")] == 0
    first = gpu.started.index("clear")
    assert gpu.started[first : first + 4] == ["clear", "recur"] * 2
    assert gpu.started.count("clear") == gpu.started.count("recur")
    backend.close()


def shown(scale, degrees, source):
    """Frame → crop, about a point that lands in the middle of it."""
    cos, sin = (f(np.radians(degrees)) * scale for f in (np.cos, np.sin))
    linear = np.array([[cos, sin], [-sin, cos]])
    return np.hstack([linear, (88 - linear @ source)[:, None]])


@pytest.mark.parametrize("faces", [1, 3])
def test_faces_of_a_frame_are_cut_out_on_the_gpu(monkeypatch, network, engine, faces):
    builder, plan, _ = network
    gpu = InterpretedGpu(builder.kernels, capability=(8, 6))
    gpu.only = "cut"
    install(monkeypatch, gpu)
    backend = open_backend(engine, "cuda")
    assert isinstance(backend, FrameBackend)
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (200, 300, 3), np.uint8)
    matrices = [shown(1.3, 20, (150, 90)), shown(0.4, -5, (290, 30)), shown(2, 0, (20, 190))]
    gpu.started.clear()
    said = backend.from_frame(frame, matrices[:faces])
    assert len(said.probability) == faces
    block = gpu.memory[int(backend._arena)]
    face = plan.arrays["face"]
    crops = np.frombuffer(block, np.uint8)[face.offset : face.offset + face.size]
    last = matrices[:faces][-1]
    crops = crops.reshape(2, 176, 176, 3)
    assert_as_warp(crops[0], frame, last, 176)
    assert (crops[1] == 128).all(), "a face that there is not"
    # Once to load the kernel, then for each two faces; always before what reads the crops.
    rounds = 1 + (faces + 1) // 2
    assert gpu.started.count("cut") == rounds
    assert gpu.started[:: len(gpu.started) // rounds] == ["cut"] * rounds
    assert gpu.launches == (faces + 1) // 2

    before = set(gpu.memory)
    backend.from_frame(np.ascontiguousarray(frame[:90].swapaxes(0, 1)), matrices[:1])
    assert set(gpu.memory) == before, "a smaller frame needs no other memory"
    large = rng.integers(0, 256, (400, 300, 3), np.uint8)
    backend.from_frame(large, matrices[:1])
    crops = np.frombuffer(block, np.uint8)[face.offset : face.offset + face.size]
    assert_as_warp(crops.reshape(2, 176, 176, 3)[0], large, matrices[0], 176)
    assert len(gpu.memory) == len(before) == 3
    assert len(backend.from_frame(large, []).probability) == 0

    def refuse(work):
        raise DeviceError("the driver has enough")

    larger = rng.integers(0, 256, (500, 300, 3), np.uint8)
    with monkeypatch.context() as patch:
        patch.setattr(backend, "_recorded", refuse)
        with pytest.raises(DeviceError, match="enough"):
            backend.from_frame(larger, matrices[:1])
    backend.from_frame(larger, matrices[:1])  # what was recorded for another place is not launched
    assert_as_warp(crops.reshape(2, 176, 176, 3)[0], larger, matrices[0], 176)
    with pytest.raises(ValueError, match=r"a frame is \(H, W, 3\) uint8, got \(9, 9\)"):
        backend.from_frame(np.zeros((9, 9), np.uint8), matrices[:1])
    backend.close()
    assert not gpu.memory
    assert gpu.pushed == 0
    with pytest.raises(RuntimeError, match="closed"):
        backend.from_frame(frame, matrices[:1])


def test_the_recurrence_in_one_launch(monkeypatch, model, wanted, tmp_path):
    network = builder, plan, _ = planned(model, "persistent")
    waiting = [launch for launch in plan.launches if launch.cooperative]
    assert [launch.code.split("-")[0] for launch in waiting] == ["recur"]
    by_steps = len(build_network(model, 2).launches)
    assert len(plan.launches) == by_steps - (2 * 3 - 1) + 2
    gpu = InterpretedGpu(builder.kernels, capability=(8, 6))
    gpu.works = False
    install(monkeypatch, gpu)
    backend = open_backend(written(network, tmp_path), "cuda")
    gpu.works = True
    gpu.started.clear()
    gpu.grids.clear()
    agree(backend(draw_faces(2)), wanted)
    assert gpu.grids == [
        (3, 1, 1) if launch.cooperative else launch.grid for launch in plan.launches
    ]
    assert gpu.started.index("clear") + 1 == gpu.started.index("recur")
    assert gpu.loaded == len(plan.codes or builder.kernels)
    backend.close()
    assert gpu.loaded == 0
    broken = replace(waiting[0], grid=(4, 2, 1))
    launches = tuple(broken if each.cooperative else each for each in plan.launches)
    with pytest.raises(ValueError, match="is cooperative and has the grid"):
        validate(replace(plan, launches=launches), len(network[2]))


@pytest.fixture
def gpu(monkeypatch, network):
    """Return a GPU of compute capability 8.6 that runs the network's kernels."""
    builder, _, _ = network
    fake = InterpretedGpu(builder.kernels, capability=(8, 6))
    install(monkeypatch, fake)
    return fake


def test_code_that_the_driver_does_not_take(monkeypatch, gpu, engine):
    def refuse(*of_kernel):
        raise DriverError(200, "CUDA error 200 in cuModuleLoadData: kernel image is invalid")

    monkeypatch.setattr("runtime.backends.fused.Kernel", refuse)
    with pytest.raises(DeviceError, match=r"kernel image is invalid.*made by .*: a driver for an"):
        open_backend(engine, "cuda")
    assert gpu.pushed == 0


def test_kernels_are_unloaded_where_a_later_one_does_not_load(monkeypatch, gpu, engine):
    freed = []

    def kernel(*of_kernel):
        if gpu.loaded == 3:
            raise DriverError(2, "CUDA error 2 in cuModuleLoadData: out of memory")
        made = gpu.kernel(*of_kernel)
        made.free = lambda: freed.append(made)
        return made

    monkeypatch.setattr("runtime.backends.fused.Kernel", kernel)
    with pytest.raises(DeviceError, match=r"net\.fused cannot be opened on .*: out of memory\)$"):
        open_backend(engine, "cuda")
    assert len(freed) == 3
    assert not gpu.memory
    assert gpu.pushed == 0


def test_a_gpu_that_cannot_start_blocks_together_is_not_told_to_get_a_driver(
    monkeypatch, model, tmp_path
):
    network = builder, _, _ = planned(model, "persistent")
    gpu = InterpretedGpu(builder.kernels, capability=(8, 6))
    install(monkeypatch, gpu)

    def refuse(index):
        raise DeviceError("GPU 0 starts no cooperative kernels: export with --recurrence steps")

    def kernel(*of_kernel):
        made = gpu.kernel(*of_kernel)
        made.most = refuse
        return made

    monkeypatch.setattr("runtime.backends.fused.Kernel", kernel)
    with pytest.raises(DeviceError, match=r"^GPU 0 starts no .* --recurrence steps$"):
        open_backend(written(network, tmp_path), "cuda")


def test_memory_that_is_full_is_no_fault_of_the_driver(monkeypatch, gpu, engine):
    def refuse(size):
        raise fake_cuda.CudaMemoryError("cuMemAlloc failed: out of memory")

    monkeypatch.setattr(sys.modules["pycuda.driver"], "mem_alloc", refuse)
    with pytest.raises(DeviceError, match=r"memory of .* is full .*fewer faces") as told:
        open_backend(engine, "cuda")
    assert "older CUDA" not in str(told.value)
    assert gpu.pushed == 0


@pytest.mark.parametrize(
    ("capability", "targets", "best"),
    [
        *[("8.9", ("8.0", "8.6"), "8.6"), ("8.6", ("8.0", "8.9"), "8.0"), ("8.0", ("8.6",), None)],
        *[("9.0", ("8.9", "9.0", "12.0"), "9.0"), ("12.0", ("9.0", "12.0"), "12.0")],
        ("12.1", ("12.0",), None),  # sm_120a code is for 12.0 alone
        *[("8.7", ("8.0", "8.6"), None), ("8.7", ("8.6", "8.7"), "8.7")],  # Jetson Orin
        *[("8.9", ("8.7",), None), ("10.0", ("9.0",), None), ("7.5", ("8.0",), None)],
    ],
)
def test_code_runs_where_its_makers_say(capability, targets, best):
    assert best_target(capability, targets) == best


def test_a_gpu_of_another_generation(monkeypatch, network, engine):
    builder, _, _ = network
    for capability in ((7, 5), (9, 0)):
        install(monkeypatch, InterpretedGpu(builder.kernels, capability=capability))
        text = ".".join(map(str, capability))
        with pytest.raises(ModelError, match=rf"code for .* 8.0, 8.6, .*--targets {text}"):
            open_backend(engine, "cuda")
