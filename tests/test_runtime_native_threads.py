"""The native engine's threads by themselves."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runtime.native import library
from runtime.native.compile import CompileError, compiler

SOURCE = Path(__file__).with_name("native_threads.cpp")
RACES = Path(__file__).with_name("native_races.cpp")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    try:
        command = compiler()
    except CompileError as error:
        pytest.skip(str(error))
    path = tmp_path_factory.mktemp("threads") / "threads.so"
    flags = ["-O1" if flag == "-O3" else flag for flag in library.FLAGS]
    command = [*command, *flags, f"-I{library.ENGINE}", str(SOURCE), "-o", str(path)]
    subprocess.run(command, check=True)
    return path


def share(path, threads, rounds, size, failing=-1):
    """Share loops; what came of it, what was said, and how often each index was called."""
    counts = np.zeros(max(1, size), np.int32)
    message = ctypes.create_string_buffer(200)
    done = ctypes.CDLL(str(path)).share_loops(
        *(threads, rounds, size, failing),
        *(ctypes.c_void_p(counts.ctypes.data), message, len(message)),
    )
    return done, message.value.decode(), counts[:size]


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("size", [0, 1, 2, 37])
def test_each_index_once(built, threads, size):
    done, _, counts = share(built, threads, 200, size)
    assert done == 1
    np.testing.assert_array_equal(counts, 200)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_what_a_call_throws_comes_out_and_later_loops_are_whole(built, threads):
    done, said, counts = share(built, threads, 50, 37, failing=5)
    assert (done, said) == (0, "no 5")
    # Alone, a thread stops; others are not held up.
    np.testing.assert_array_equal(counts[:6], 50)
    np.testing.assert_array_equal(counts[6:], 49 if threads == 1 else 50)


def test_no_thread(built):
    assert share(built, 0, 1, 1)[:2] == (0, "it runs on 1 thread or more")


def test_no_races(tmp_path):
    """What a loop writes the next may read, says ThreadSanitizer, which does not need bad luck."""
    try:
        command = [*compiler(), "-std=c++20", "-O1", "-g1", "-pthread", "-fsanitize=thread"]
    except CompileError as error:
        pytest.skip(str(error))
    program = tmp_path / "races"
    (tmp_path / "empty.cpp").write_text("int main() {}")
    built = subprocess.run([*command, str(tmp_path / "empty.cpp"), "-o", str(program)])
    if built.returncode or subprocess.run([program]).returncode:
        pytest.skip("ThreadSanitizer does not run here")
    command += [f"-I{library.ENGINE}", str(RACES), "-o", str(program)]
    subprocess.run(command, check=True)
    options = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1"}
    done = subprocess.run([program], env=options, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


CROWDED = """
import ctypes, resource, sys

limit = 2 << 30  # bytes of addresses, of which a thread takes some 8 MB
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
message = ctypes.create_string_buffer(200)
done = ctypes.CDLL(sys.argv[1]).share_loops(5000, 1, 1, -1, (ctypes.c_int * 1)(), message, 200)
print(done, message.value.decode())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_more_threads_than_there_can_be_are_an_error_not_the_end(built):
    command = [sys.executable, "-c", CROWDED, str(built)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith("0 5000 threads cannot be started (")
    assert said.endswith("): give fewer\n")
