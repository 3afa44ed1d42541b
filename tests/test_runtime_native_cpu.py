"""Whether the native engine knows what this processor has: a wrong yes would end the process."""

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.native import library
from runtime.native.compile import CompileError, LackingError, compile_command, probe

SOURCE = Path(__file__).with_name("native_cpu.cpp")

FLAGS = {
    "avx512": {"fma", "avx2", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"},
    "avxvnni": {"fma", "avx2", "avx_vnni"},
    "avx2": {"fma", "avx2"},
    "dotprod": {"asimddp"},
    "portable": set(),
}
"""Instruction set → what Linux calls its parts."""

FMA, XGETBV, AVX2, VNNI = (1, 0, 2, 12), (1, 0, 2, 27), (7, 0, 1, 5), (7, 0, 2, 11)
BITS = {
    "avx512": [FMA, XGETBV, VNNI, *((7, 0, 1, bit) for bit in (16, 17, 30, 31))],
    "avxvnni": [FMA, XGETBV, AVX2, (7, 1, 0, 4)],
    "avx2": [FMA, XGETBV, AVX2],
}
"""Instruction set → leaf, part, register and bit of CPUID (Intel's manual, volume 2A)."""


@pytest.fixture(params=library.targets())
def command(request):
    try:
        return request.param, compile_command(request.param)
    except CompileError as error:
        pytest.skip(str(error))


def runs(command):
    try:
        probe(command)
    except LackingError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that tells")
def test_what_linux_says(command):
    target, words = command
    text = Path("/proc/cpuinfo").read_text()
    said = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    assert runs(words) == (FLAGS[target] <= set(said[1].split() if said else ()))


def test_without_any_one_part_it_does_not_run(command, tmp_path):
    target, words = command
    if target not in BITS or not runs(words):
        pytest.skip(f"{target} is not asked of CPUID, or does not run here")
    words = ["-O0" if word == "-O3" else word for word in words]
    path = tmp_path / "cpu.so"
    subprocess.run([*words, f"-I{library.ENGINE}", str(SOURCE), "-o", str(path)], check=True)
    opened = ctypes.CDLL(str(path))
    assert opened.runs_without(0, 0, 0, 0)
    assert [bit for bit in BITS[target] if opened.runs_without(*bit)] == []
