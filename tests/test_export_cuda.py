"""The fused engine as a whole: plan, memory, machine code; see test_runtime_fused.py too."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

pytest.importorskip("triton")

from tiny_fused import agree, planned, said_by_pytorch, small_model, spec_of
from tiny_network import draw_faces

from export.cuda.builder import Builder
from export.cuda.compile import _waiting
from export.cuda.convert import export_cuda
from export.cuda.convolution import add_convolution
from export.cuda.interpret import interpret, run_kernel
from export.cuda.memory import place
from export.cuda.network import build_network
from export.errors import ExportError
from lgrnet.checkpoint import save_checkpoint
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet
from runtime.cuda.launch_plan import (
    ALIGNMENT,
    lifetimes,
    read_launch_plan,
    validate,
)


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def network(model):
    return planned(model)


@pytest.fixture(scope="module")
def wanted(model):
    return said_by_pytorch(model)


def test_the_whole_network_says_what_pytorch_says(network, wanted):
    builder, plan, weights = network
    results = interpret(plan, builder.kernels, weights, draw_faces(2))
    agree([results[name] for name in plan.outputs], wanted)


def convolved(arrays, weight, side, tile, **options):
    """Plan one convolution of `arrays["x"]` and run it, with tiles of this size."""
    to = Builder(choose=lambda work, rule: replace(rule, m=tile, n=16, k=16))
    for name, array in arrays.items():
        to.array(name, array.shape, array.dtype.name)
    add_convolution(to, "layer", "x", "out", weight, side, **options)
    (kernel,), (launch,) = to.kernels.values(), to.launches
    known = {**arrays, **to.weights}
    values = [torch.from_numpy(known[name]) for name in launch.arguments]
    run_kernel(kernel.name, launch.grid, values, kernel.constants)
    return arrays["out"]


@pytest.mark.parametrize("lit", [(0, 0, 0), (0, 2, 7), (0, 5, 0), (1, 1, 7), (1, 7, 7)])
def test_a_convolution_leaves_out_no_neighbour_of_what_has_attention(lit):
    """Of one lit cell the last that a block reads, and the first: two rows of eight a block."""
    rng = np.random.default_rng(0)
    attention = np.zeros((2, 8, 8), np.float16)
    attention[lit] = 1
    x = rng.normal(0, 1, (2, 8, 8, 5)).astype(np.float16) * attention[..., None]
    weight = rng.normal(0, 0.3, (6, 5, 3, 3)).astype(np.float16)
    out = np.full((2, 8, 8, 6), np.nan, np.float16)
    arrays = {"x": x, "attention": attention, "out": out}
    convolved(arrays, weight, 8, 16, images=2, attention="attention")
    maps, kernels = (torch.from_numpy(each).float() for each in (x.transpose(0, 3, 1, 2), weight))
    wanted = functional.conv2d(maps, kernels, padding=1).numpy().transpose(0, 2, 3, 1)
    assert np.abs(wanted).max() > 0.3
    np.testing.assert_allclose(out, wanted, atol=2e-3)


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
        (replace(plan, launches=plan.launches[:-1]), "nothing writes the result 'au_"),
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


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_no_numbers(number):
    with pytest.raises(FloatingPointError, match="w holds numbers that are not finite"):
        Builder().weight("w", np.array([1, number]), "float16")


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


def test_what_repeats_opencvs_rounding_rounds_after_every_operation(compiled, tmp_path):
    """A product and a sum in one instruction round once: halves would go the wrong way."""
    from triton import knobs

    plan, _, code = read_launch_plan(compiled)
    for target, codes in plan.codes.items():
        each = codes[plan.cut.code]
        path = tmp_path / f"cut_{target}.cubin"
        path.write_bytes(code[each.offset : each.offset + each.size].tobytes())
        command = [knobs.nvidia.cuobjdump.path, "-sass", str(path)]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "DMUL" in listing, "the places are computed in double precision"
        assert "DADD" in listing
        assert "DFMA" not in listing
        assert "FFMA" not in listing


def test_kernels_for_hopper_wait_for_the_one_before_and_let_the_next_start(compiled, tmp_path):
    from triton import knobs

    plan, _, code = read_launch_plan(compiled)
    for target, codes in plan.codes.items():
        made = [codes[launch.code] for launch in plan.launches]
        assert {each.waits for each in made} == {target == "9.0"}
        # To take one apart takes most of a second: of each kernel's sizes the one with most code.
        largest = {each.entry: each for each in sorted(made, key=lambda each: each.size)}
        for entry, each in largest.items():
            path = tmp_path / f"{entry}_{target}.cubin"
            path.write_bytes(code[each.offset : each.offset + each.size].tobytes())
            command = [knobs.nvidia.cuobjdump.path, "-sass", str(path)]
            listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            # The machine's names of griddepcontrol.wait and .launch_dependents.
            assert ("ACQBULK" in listing) == each.waits
            assert ("PREEXIT" in listing) == each.waits
            if each.waits:
                reads = [listing.find(name) for name in (" LDG", " LDGSTS") if name in listing]
                assert listing.index("ACQBULK") < min(reads, default=len(listing))


def test_where_a_kernel_waits():
    head = ".visible .entry k(\n\t.param .u64 a\n)\n.reqntid 128\n{\n\t.reg .pred %p<2>;\n"
    read, write = "\tld.global.b32 %r1, [%rd1];\n", "\t@%p1 st.global.b32 [%rd2], %r1;\n"
    other = "\tst.global.v4.b32 [%rd2], {%r1, %r2, %r3, %r4};\n\tret;\n}\n"
    wait, go = "\tgriddepcontrol.wait;\n", "\tgriddepcontrol.launch_dependents;\n"
    first = head.index("\t.reg")
    made = f"{head[:first]}{wait}{head[first:]}{read}{go}{write}{read}{go}{other}"
    assert _waiting(head + read + write + read + other) == made
    body = read + write
    for unknown in ("", head, body):
        with pytest.raises(ExportError, match="no place to wait"):
            _waiting(unknown)


def test_results_lie_side_by_side(network):
    _, plan, _ = network
    arrays = [plan.arrays[name] for name in plan.outputs]
    ends = [each.offset + each.size for each in arrays]
    apart = max(ends) - min(each.offset for each in arrays) - sum(each.size for each in arrays)
    assert 0 <= apart < len(arrays) * ALIGNMENT


def test_the_recurrence_in_one_launch_compiles(model, tmp_path):
    save_checkpoint(tmp_path / "net.pt", model)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from export.cuda.compile import _compile\n"
        "from export.cuda.convert import read_source\n"
        "from export.cuda.network import build_network\n"
        "model, _ = read_source(Path(sys.argv[1]))\n"
        "for kernel in build_network(model, 1, 'persistent').kernels.values():\n"
        "    if kernel.name in ('recur', 'clear'):\n"
        "        made, binary = _compile(kernel, '9.0', 0)\n"
        "        print(kernel.name, binary[:4] == b'\\x7fELF', made.shared, made.waits)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", code, str(tmp_path / "net.pt")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = [line.split() for line in done.stdout.splitlines()]
    assert {name for name, *_ in made} == {"recur", "clear"}
    for _, whole, shared, waits in made:
        assert (whole, waits) == ("True", "False"), "its programs need the whole GPU"
        assert int(shared) <= 99 * 1024


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
        (["-o", "m.bin"], "ends in .fused"),
    ],
)
def test_wrong_arguments(tmp_path, capsys, arguments, reason):
    from export.cuda.__main__ import main

    assert main([str(tmp_path / "net.pt"), *arguments]) == 2
    assert reason in capsys.readouterr().err


def test_no_face_at_once_is_refused(tmp_path):
    with pytest.raises(ValueError, match="batch: must be at least 1, got 0"):
        export_cuda(tmp_path / "net.pt", batch=0)
