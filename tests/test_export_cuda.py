"""The fused engine as a whole: plan, memory, machine code, and the runtime on a made-up GPU."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import fake_cuda
import numpy as np
import pytest
import torch
from tiny_network import draw_faces, tiny_network

pytest.importorskip("triton")

from export.cuda.builder import Builder
from export.cuda.interpret import interpret, run_cooperative, run_kernel
from export.cuda.memory import place
from export.cuda.network import build_network
from export.errors import ExportError
from lgrnet.checkpoint import save_checkpoint
from lgrnet.config import model_config
from lgrnet.data import to_input
from lgrnet.model import LGRNet
from runtime.align import warp
from runtime.backends import FrameBackend, open_backend
from runtime.backends.fused import best_target
from runtime.errors import DeviceError, ModelError, SpecError
from runtime.launch_plan import (
    ALIGNMENT,
    Code,
    lifetimes,
    read_launch_plan,
    validate,
    write_launch_plan,
)
from runtime.spec import ModelSpec


def spec_of(model, batch) -> ModelSpec:
    aus = model.config.aus
    return ModelSpec(
        *("edge", aus, (0.5,) * len(aus), "fp16", "plain", "fused", batch, "drawn", "CC0-1.0"),
        *("0" * 64, {}),
        intensity=model.config.intensity,
    )


@pytest.fixture(scope="module")
def model():
    # A grid of 8 × 8: the interpreter takes milliseconds for each block of each kernel.
    return tiny_network(aus=[1, 12, 25], intensity=True, stem_stride=2)


@pytest.fixture(scope="module")
def network(model):
    builder = build_network(model, 2)
    return builder, *place(builder, spec_of(model, 2))


@pytest.fixture(scope="module")
def wanted(model):
    with torch.no_grad():
        said = model(to_input(torch.from_numpy(draw_faces(2))))
    return said.au_logits.sigmoid().numpy(), said.landmarks.numpy(), said.intensity.numpy()


def agree(got, wanted):
    # Half precision, in a network whose weights are made to matter more than training would.
    for a, b, limit in zip(got, wanted, (0.02, 0.1, 0.05), strict=True):
        assert np.abs(a - b).max() < limit
    assert np.ptp(wanted[0], axis=0).max() > 0.05, "the faces do not differ"


def test_the_whole_network_says_what_pytorch_says(network, wanted):
    builder, plan, weights = network
    results = interpret(plan, builder.kernels, weights, draw_faces(2))
    agree([results[name] for name in plan.outputs], wanted)


@pytest.mark.parametrize("preset", ["edge", "paper"])
@pytest.mark.parametrize("batch", [1, 3])
def test_plans_of_the_presets_fit(preset, batch):
    model = LGRNet(model_config(preset)).eval()
    builder = build_network(model, batch)
    plan, weights = place(builder, spec_of(model, batch))
    validate(plan, len(weights))
    spans = lifetimes(plan)
    busiest = max(
        sum(plan.arrays[n].size for n, (first, last) in spans.items() if first <= at <= last)
        for at in range(len(plan.launches))
    )
    assert busiest <= plan.arena <= 1.25 * busiest, "memory is not used again"
    halves = sum(parameter.numel() for parameter in model.parameters()) * 2
    assert len(weights) < 1.1 * halves
    # Few kernels: steps of the recurrence share theirs.
    assert len(builder.kernels) <= 36
    assert len(plan.launches) <= 40 + 3 * len(model.config.aus)


def test_no_array_lies_on_another_that_is_in_use(network):
    _, plan, _ = network
    spans = lifetimes(plan)
    for a in spans:
        for b in spans:
            if a < b and spans[a][0] <= spans[b][1] and spans[b][0] <= spans[a][1]:
                first, second = plan.arrays[a], plan.arrays[b]
                apart = (
                    first.offset + first.size <= second.offset,
                    second.offset + second.size <= first.offset,
                )
                assert any(apart), (a, b)


def changed_array(plan, name, **changes):
    return replace(plan, arrays={**plan.arrays, name: replace(plan.arrays[name], **changes)})


def test_what_the_validator_refuses(network):
    _, plan, weights = network
    size = len(weights)
    validate(plan, size)
    live = {name: plan.arrays[name].offset for name in ("states", "drives")}
    cases = [
        (changed_array(plan, "states", offset=live["drives"]), "overlap while both are in use"),
        (changed_array(plan, "states", offset=plan.arena), "does not lie in"),
        (changed_array(plan, "states", offset=live["states"] + 4), "does not lie in"),
        (changed_array(plan, "states", dtype="object"), "is object in"),
        (replace(plan, launches=plan.launches[1:]), "reads 'pixels' before it is written"),
        (replace(plan, launches=plan.launches[:-1]), "nothing writes the result 'au_intensity'"),
        (replace(plan, cut=replace(plan.cut, arguments=("frame", "face"))), "the cut takes"),
        (replace(plan, cut=replace(plan.cut, grid=(0, 1, 1))), "the cut .* has the grid"),
        (changed_array(plan, "cuts", dtype="float32"), "the cut's table is"),
        (changed_array(plan, "cuts", offset=plan.arrays["face"].offset), "overlap while both"),
        (replace(plan, codes={"9.0": {}}), "has no code for 9.0"),
    ]
    first = plan.launches[0]
    for change, reason in (
        ({"grid": (1, 0, 1)}, "has the grid"),
        ({"grid": (1, 70000, 1)}, "has the grid"),
        ({"writes": ("states",)}, "which it does not take or must not change"),
        ({"arguments": ("face", "nowhere")}, "takes 'nowhere', which there is not"),
    ):
        launches = (replace(first, **change), *plan.launches[1:])
        cases.append((replace(plan, launches=launches), reason))
    weight = next(name for name, array in plan.arrays.items() if array.place == "weights")
    writer = replace(first, arguments=("face", weight), writes=(weight,))
    cases.append((replace(plan, launches=(writer, *plan.launches[1:])), "must not change"))
    for broken, reason in cases:
        with pytest.raises(ValueError, match=reason):
            validate(broken, size)
    with pytest.raises(ValueError, match="does not lie in"):
        validate(plan, size - ALIGNMENT)
    huge = replace(changed_array(plan, "drives", shape=(2**31,)), arena=2**40)
    with pytest.raises(ValueError, match="'drives' holds more than 2147483647 numbers"):
        validate(huge, size)


def test_a_kernel_gets_its_own_arguments():
    builder = Builder()
    builder.array("x", (4,))
    with pytest.raises(TypeError, match="merge takes"):
        builder.launch("merge", (1, 1, 1), {"HEIGHT": 2}, x="x")


def test_weights_that_half_precision_cannot_hold():
    with pytest.raises(FloatingPointError):
        Builder().weight("w", np.array([1e6]), "float16")


def test_ablations_are_refused():
    model = LGRNet(model_config("edge", relation="none"))
    with pytest.raises(ExportError, match="relation"):
        build_network(model, 1)


@pytest.fixture(scope="module")
def compiled(model, tmp_path_factory):
    """Run the command line, which takes the compiler, in a process that does not interpret."""
    folder = tmp_path_factory.mktemp("cuda")
    save_checkpoint(folder / "net.pt", model, {"thresholds": [0.25, 0.5, 0.75]})
    arguments = [folder / "net.pt", "--batch", "2", "--targets", "8.0", "9.0"]
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "export.cuda", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "compute capability 8.0, 9.0" in done.stderr
    return folder / "net.fused"


def test_machine_code_for_every_target(compiled):
    plan, _, code = read_launch_plan(compiled)
    assert set(plan.codes) == {"8.0", "9.0"}
    assert plan.spec.thresholds == (0.25, 0.5, 0.75)
    assert plan.versions["triton"]
    # Drivers of CUDA 12 do not load what the assembler of CUDA 13 makes.
    assert plan.versions["CUDA"].startswith("12.")
    for target, codes in plan.codes.items():
        assert {launch.code for launch in (plan.cut, *plan.launches)} == set(codes)
        for key, each in codes.items():
            binary = code[each.offset : each.offset + each.size].tobytes()
            assert binary[:4] == b"\x7fELF"
            # The architecture is in the first byte of the ELF header's flags up to CUDA 12.
            flags = int.from_bytes(binary[48:52], "little")
            assert int(target.replace(".", "")) == flags & 0xFF
            assert each.entry.encode() in binary
            assert key.startswith(each.entry)
            assert each.shared <= 99 * 1024, "more than the smallest of these GPUs has"


def test_compiling_is_refused_where_triton_interprets(model, tmp_path):
    save_checkpoint(tmp_path / "net.pt", model)
    command = [sys.executable, "-m", "export.cuda", str(tmp_path / "net.pt")]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "TRITON_INTERPRET is set" in done.stderr
    assert not (tmp_path / "net.fused").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--targets", "7.0"], "target '7.0': give some of 8.0"),
        (["--batch", "0"], "batch: must be at least 1"),
        (["-o", "m.bin"], "ends in .fused"),
    ],
)
def test_wrong_arguments(tmp_path, capsys, arguments, reason):
    from export.cuda.__main__ import main

    assert main([str(tmp_path / "net.pt"), *arguments]) == 2
    assert reason in capsys.readouterr().err


class InterpretedGpu(fake_cuda.Gpu):
    """A made-up GPU whose kernels are interpreted, on memory that addresses point into."""

    def __init__(self, kernels, **options):
        super().__init__(**options)
        self.kernels, self.runs, self.works = kernels, 0, True
        self.only, self.started = None, []

    def module(self, content):
        kernel = self.kernels[content.decode()]
        return fake_cuda.Module(lambda grid, values: self.run(kernel, grid, values))

    def cooperative(self, code, entry, threads, shared, index):
        """Stand in for `CooperativeKernel`, on a GPU that holds three blocks."""
        assert threads % 32 == 0
        gpu, kernel = self, self.kernels[code.decode()]

        class Kernel:
            most = 3

            def start(self, blocks, values, stream):
                grid = (min(blocks, self.most), 1, 1)
                stream.put(lambda: gpu.run(kernel, grid, [value for _, value in values]))

            def free(self):
                gpu.freed = True

        return Kernel()

    def run(self, kernel, grid, values):
        self.runs += 1
        self.started.append(kernel.name)
        if not self.works or (self.only and kernel.name != self.only):
            return
        tensors = []
        for value, kind in zip(values, kernel.types, strict=False):  # hidden pointers follow
            if kind == "int":
                tensors.append(value)
                continue
            memory, item = self.at(value), np.dtype(kind).itemsize
            whole = memory[: len(memory) // item * item]
            tensors.append(torch.from_numpy(np.frombuffer(whole, kind)))
        constants = dict(kernel.constants)
        if kernel.name == "cut":  # one program for a whole image, which takes the least time
            grid, constants["BLOCK"] = (1, grid[1], 1), 32768
        if kernel.name == "recur":
            assert grid == (3, 1, 1)
            run_cooperative(kernel.name, grid[0], tensors, constants)
            return
        run_kernel(kernel.name, grid, tensors, constants)


@pytest.fixture
def engine(network, tmp_path):
    return written(network, tmp_path)


def written(network, tmp_path):
    """Write a file whose code is the names of its kernels."""
    builder, plan, weights = network
    block = bytearray()
    codes = {}
    for key in builder.kernels:
        codes[key] = Code(key.split("-")[0], 4, 1024, 2, len(block), len(key.encode()))
        block += key.encode()
    path = tmp_path / "net.fused"
    write_launch_plan(path, replace(plan, codes={"8.0": codes, "8.6": codes}), weights, block)
    return path


def test_files_that_are_none(engine, tmp_path):
    again = r"python -m export.cuda CHECKPOINT"
    content = engine.read_bytes()
    for wrong in (b"", b"hello", content[: len(content) // 2]):
        engine.write_bytes(wrong)
        with pytest.raises(ModelError, match=again):
            open_backend(engine, "cuda")
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


@pytest.mark.parametrize(("capability", "target"), [((8, 9), "8.6"), ((8, 0), "8.0")])
def test_the_engine_on_a_made_up_gpu(monkeypatch, network, engine, capability, target):
    builder, plan, _ = network
    gpu = InterpretedGpu(builder.kernels, capability=capability)
    gpu.works = False  # that takes its time: test_the_recurrence_in_one_launch looks at results
    fake_cuda.install(monkeypatch, gpu, None)
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
    assert not gpu.memory
    assert gpu.pushed == 0


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
    fake_cuda.install(monkeypatch, gpu, None)
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
    np.testing.assert_array_equal(crops[0], warp(frame, last, 176))
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
    np.testing.assert_array_equal(crops.reshape(2, 176, 176, 3)[0], warp(large, matrices[0], 176))
    assert len(gpu.memory) == len(before) == 3
    assert len(backend.from_frame(large, []).probability) == 0
    with pytest.raises(ValueError, match=r"a frame is \(H, W, 3\) uint8, got \(9, 9\)"):
        backend.from_frame(np.zeros((9, 9), np.uint8), matrices[:1])
    backend.close()
    assert not gpu.memory
    assert gpu.pushed == 0
    with pytest.raises(RuntimeError, match="closed"):
        backend.from_frame(frame, matrices[:1])


def test_the_recurrence_in_one_launch(monkeypatch, model, wanted, tmp_path):
    builder = build_network(model, 2, "persistent")
    network = builder, *place(builder, spec_of(model, 2))
    plan = network[1]
    waiting = [launch for launch in plan.launches if launch.cooperative]
    assert [launch.code.split("-")[0] for launch in waiting] == ["recur"]
    by_steps = len(build_network(model, 2).launches)
    assert len(plan.launches) == by_steps - (3 * 3 - 2) + 2
    gpu = InterpretedGpu(builder.kernels, capability=(8, 6))
    gpu.works = False
    fake_cuda.install(monkeypatch, gpu, None)
    monkeypatch.setattr("runtime.backends.fused.CooperativeKernel", gpu.cooperative)
    backend = open_backend(written(network, tmp_path), "cuda")
    gpu.works = True
    gpu.started.clear()
    agree(backend(draw_faces(2)), wanted)
    assert gpu.started.index("clear") + 1 == gpu.started.index("recur")
    backend.close()
    assert gpu.freed
    broken = replace(waiting[0], grid=(4, 2, 1))
    launches = tuple(broken if each.cooperative else each for each in plan.launches)
    with pytest.raises(ValueError, match="is cooperative and has the grid"):
        validate(replace(plan, launches=launches), len(network[2]))


def test_code_that_the_driver_does_not_take(monkeypatch, network, engine):
    builder, _, _ = network
    gpu = InterpretedGpu(builder.kernels, capability=(8, 6))
    fake_cuda.install(monkeypatch, gpu, None)

    def refuse(content):
        raise fake_cuda.CudaError("cuModuleLoadDataEx failed: device kernel image is invalid")

    monkeypatch.setattr(gpu, "module", refuse)
    with pytest.raises(DeviceError, match=r"kernel image is invalid.*made by .*: a driver for an"):
        open_backend(engine, "cuda")
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
        fake_cuda.install(monkeypatch, InterpretedGpu(builder.kernels, capability=capability), None)
        text = ".".join(map(str, capability))
        with pytest.raises(ModelError, match=rf"code for .* 8.0, 8.6, .*--targets {text}"):
            open_backend(engine, "cuda")
