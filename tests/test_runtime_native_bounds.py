"""That the native engine keeps to its memory, says AddressSanitizer."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from native_engine import native_model, require_native
from tiny_network import draw_faces, tiny_network

from export.native.ranges import measure_ranges
from runtime.native import library
from runtime.native.compile import CompileError, compiler
from runtime.native.model import write_model

RUN = """
import sys
from pathlib import Path
import numpy as np
from runtime.backends import native
from runtime.finders import grids_native
from runtime.native.library import open_library

engine = open_library(Path(sys.argv[1]))
native.find_library = grids_native.find_library = lambda: engine
for threads in (1, 3):
    finder = grids_native.NativeGrids(threads)
    for size in ((32, 32), (96, 64), (64, 160), (32, 96)):
        grids = finder(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
        assert all(np.isfinite(grid).all() for grid in grids)
for path in sys.argv[3:]:
    for threads in (1, 3):
        backend = native.NativeBackend(Path(path), "cpu", threads)
        assert np.isfinite(backend(np.load(sys.argv[2])).probability).all()
        backend.close()
print("all run")
"""


def environment(command):
    """Have AddressSanitizer in Python from the start, as it must be; it says no word of leaks."""
    found = subprocess.run(
        [*command, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip("this compiler brings no AddressSanitizer")
    return {**os.environ, "LD_PRELOAD": found, "ASAN_OPTIONS": "detect_leaks=0"}


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that loads it first")
def test_nothing_beyond_its_memory_is_read_or_written(tmp_path):
    require_native()
    try:
        command = compiler()
    except CompileError as error:
        pytest.skip(str(error))
    there = environment(command)
    if subprocess.run([sys.executable, "-c", ""], env=there, capture_output=True).returncode:
        pytest.skip("AddressSanitizer does not run here")
    # Portable, as the shorter vectors are, the less lies between what belongs to somebody.
    engine = tmp_path / "engine.so"
    flags = ["-O0" if flag == "-O3" else flag for flag in library.FLAGS]
    source = str(library.ENGINE / "engine.cpp")
    command = [*command, *flags, "-g1", "-fsanitize=address", source, "-o", str(engine)]
    subprocess.run(command, check=True)
    library.write_checksum(engine)
    paths = []
    faces = draw_faces(1)
    np.save(tmp_path / "faces.npy", faces)
    for changes in ({}, {"stem_stride": 2, "stem_widths": [8, 20]}, {"attention_cells": 24}):
        model = native_model(tiny_network(**changes))
        quantised = model.arrays | measure_ranges(model, faces)
        for each in (model, dataclasses.replace(model, arrays=quantised)):
            paths.append(tmp_path / f"{len(paths)}.npz")
            write_model(paths[-1], each)
    done = subprocess.run(
        [sys.executable, "-c", RUN, engine, tmp_path / "faces.npy", *paths],
        env=there, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "all run\n", done.stderr[-3000:]
