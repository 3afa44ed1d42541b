"""Machine code of the kernels, for GPUs that need not be there."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from export.cuda.builder import Kernel
from export.cuda.kernels import KERNELS
from export.errors import ExportError
from runtime.cuda.launch_plan import Code
from runtime.errors import InputError

TARGETS = ("8.0", "8.6", "8.9", "9.0", "12.0")
"""Compute capabilities: Ampere, Ada, Hopper, Blackwell of desktops."""

POSSIBLE = (*TARGETS, "8.7", "10.0", "12.1")
"""Those and others, compiled when they are asked for: Jetson Orin, B200, DGX Spark."""

_TYPES = {
    **{"uint8": "*u8", "int32": "*i32", "int": "i32"},
    **{"float16": "*fp16", "float32": "*fp32", "float64": "*fp64"},
}
_NEWER = "TRITON_PTXAS_BLACKWELL_PATH"
_ALIGNED = [["tt.divisibility", 16]]


def compile_kernels(
    kernels: Mapping[str, Kernel], targets: Iterable[str]
) -> tuple[dict[str, dict[str, Code]], bytes]:
    """Compile every kernel for every target.

    Args:
        kernels: Key → kernel.
        targets: Compute capabilities, such as ``"9.0"``.

    Returns:
        Target → key → code, and the block that the codes lie in.

    Raises:
        ExportError: A kernel needs what the runtime does not give.
        InputError: Triton was told to interpret.
    """
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise InputError("TRITON_INTERPRET is set, so nothing can be compiled: unset it")
    block = bytearray()
    codes: dict[str, dict[str, Code]] = {}
    with _older_assembler():
        for target in targets:
            codes[target] = {}
            for key, kernel in kernels.items():
                code, binary = _compile(kernel, target, len(block))
                codes[target][key] = code
                block += binary
    return codes, bytes(block)


def assembler_version() -> str:
    """Tell which CUDA the machine code is of, such as ``"12.9"``; a driver must know it."""
    from triton import knobs

    return knobs.nvidia.ptxas.version


@contextmanager
def _older_assembler() -> Iterator[None]:
    """Let one assembler make the code of all targets.

    Triton comes with two, and takes the newer one, of CUDA 13, for Hopper and Blackwell. A driver
    of CUDA 12 does not load its code; what that of CUDA 12.9 makes loads in both.
    """
    from triton import knobs

    before = os.environ.get(_NEWER)
    if before is None:
        os.environ[_NEWER] = knobs.nvidia.ptxas.path
    try:
        yield
    finally:
        if before is None:
            del os.environ[_NEWER]


EXACT = frozenset({"cut"})
"""Kernels that repeat another program's rounding, number for number: in these a product and a sum
must not become one instruction, which rounds once instead of twice."""

ALONE = frozenset({"clear", "recur"})
"""Kernels that start when all before them has ended: programs of `recur` occupy the whole GPU."""

_WAITING = 9
"""Hopper and later start a kernel while the one before it ends (PTX ISA, `griddepcontrol`)."""


def _compile(kernel: Kernel, target: str, offset: int) -> tuple[Code, bytes]:
    from triton import TritonError
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile
    from triton.runtime import JITFunction

    function = JITFunction(KERNELS[kernel.name])
    names = [name for name in function.arg_names if name not in kernel.constants]
    signature = {name: _TYPES[kind] for name, kind in zip(names, kernel.types, strict=True)}
    signature |= dict.fromkeys(kernel.constants, "constexpr")
    aligned = {
        (function.arg_names.index(name),): _ALIGNED
        for name, kind in zip(names, kernel.types, strict=True)
        if kind != "int"
    }
    source = ASTSource(function, signature, dict(kernel.constants), aligned)
    major, _, minor = target.partition(".")
    try:
        made = compile(
            source,
            target=GPUTarget("cuda", 10 * int(major) + int(minor), 32),
            options={
                "num_warps": kernel.warps,
                "num_stages": kernel.stages,
                "enable_fp_fusion": kernel.name not in EXACT,
            },
        )
    except TritonError as error:
        reason = " ".join(str(error).split())[:300]
        raise ExportError(f"{kernel.key} cannot be compiled for {target}: {reason}") from error
    scratch = made.metadata.global_scratch_size, made.metadata.profile_scratch_size
    if any(scratch) or made.metadata.num_ctas != 1:
        raise ExportError(f"{kernel.key} needs memory of its own, or clusters, for {target}")
    # Triton adds pointers of its own, to scratch memory that is not used.
    entry = made.asm["ptx"].split(".entry", 1)[1].split(")", 1)[0]
    hidden = len(re.findall(r"\.param", entry)) - len(names)
    waits = int(major) >= _WAITING and kernel.name not in ALONE
    binary = _assemble(_waiting(made.asm["ptx"]), kernel) if waits else made.asm["cubin"]
    code = Code(
        entry=made.metadata.name,
        warps=made.metadata.num_warps,
        shared=made.metadata.shared,
        hidden=hidden,
        waits=waits,
        offset=offset,
        size=len(binary),
    )
    return code, binary


_WRITE = re.compile(r"\t(@!?%p\d+ )?st\.global")


def _waiting(ptx: str) -> str:
    """Let a kernel start early, and then wait until all that the one before it wrote is there.

    The kernel after it starts as soon as all programs of this one are about to write. Started
    before that, its programs would fill up whatever place is free, some processors more than
    others: the `paper` network took a tenth longer on an H200 then.
    """
    head, brace, body = ptx.partition("\n{\n")
    # Branches write at places of their own; to say it twice does nothing more.
    lines, found = [], 0
    for line in body.split("\n"):
        if _WRITE.match(line):
            lines.append("\tgriddepcontrol.launch_dependents;")
            found += 1
        lines.append(line)
    if not brace or not found:
        raise ExportError("Triton's code has changed: no place to wait in it was found")
    return "\n".join([f"{head}{brace}\tgriddepcontrol.wait;", *lines])


def _assemble(ptx: str, kernel: Kernel) -> bytes:
    """Make machine code as Triton does, of code that it has not written so."""
    from triton import knobs

    found = re.search(r"^\.target (\w+)", ptx, re.MULTILINE)
    if found is None:
        raise ExportError(f"{kernel.key}: Triton's code names no target")
    exact = ["--fmad=false"] if kernel.name in EXACT else []
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx, encoding="utf-8")
        command = [knobs.nvidia.ptxas.path, *exact, f"--gpu-name={found[1]}", str(source)]
        done = subprocess.run(
            [*command, "-o", str(binary)], capture_output=True, encoding="utf-8", check=False
        )
        if done.returncode:
            reason = " ".join(done.stderr.split())[:300]
            raise ExportError(f"{kernel.key} cannot be assembled: {reason}")
        return binary.read_bytes()
