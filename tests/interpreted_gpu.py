"""A made-up GPU that runs our kernels, by Triton's interpreter, and files for it."""

from dataclasses import replace

import fake_cuda
import numpy as np
import torch

from export.cuda.interpret import run_cooperative, run_kernel
from export.cuda.tiles import power_of_two
from runtime.cuda.launch_plan import Code, write_launch_plan


class InterpretedGpu(fake_cuda.Gpu):
    """A made-up GPU whose kernels are interpreted, on memory that addresses point into."""

    def __init__(self, kernels, **options):
        super().__init__(**options)
        self.kernels, self.runs, self.works = kernels, 0, True
        self.only, self.started, self.grids = None, [], []
        self.loaded, self.early = 0, []

    def kernel(self, code, entry, threads, shared):
        """Stand in for `runtime.cuda.kernel.Kernel`, on a GPU that holds three blocks."""
        assert threads % 32 == 0
        gpu, kernel = self, self.kernels[code.decode()]
        gpu.loaded += 1

        class Kernel:
            @staticmethod
            def most(index):
                return 3

            @staticmethod
            def start(grid, values, stream, early=False, together=False):
                assert together == (kernel.name == "recur")
                gpu.early.append(early)
                stream.put(lambda: gpu.run(kernel, grid, [value for _, value in values]))

            @staticmethod
            def free():
                gpu.loaded -= 1

        return Kernel()

    def run(self, kernel, grid, values):
        self.runs += 1
        self.started.append(kernel.name)
        self.grids.append(grid)
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
        # Few large programs take less time than many small ones; test_export_cuda.py runs these.
        if kernel.name == "cut":
            grid, constants["BLOCK"] = (1, grid[1], 1), 32768
        if kernel.name == "convolve":
            rows = power_of_two(grid[0] * constants["BLOCK_M"])
            grid, constants["BLOCK_M"] = (1, *grid[1:]), rows
        if kernel.name == "recur":
            assert grid == (3, 1, 1)
            run_cooperative(kernel.name, grid[0], tensors, constants)
            return
        run_kernel(kernel.name, grid, tensors, constants)


def install(monkeypatch, gpu):
    fake_cuda.install(monkeypatch, gpu, None)
    monkeypatch.setattr("runtime.backends.fused.Kernel", gpu.kernel)


def written(network, tmp_path, waits=False):
    """Write a file whose code is the names of its kernels."""
    builder, plan, weights = network
    block = bytearray()
    codes = {}
    for key in builder.kernels:
        codes[key] = Code(key.split("-")[0], 4, 1024, 2, waits, len(block), len(key.encode()))
        block += key.encode()
    path = tmp_path / "net.fused"
    write_launch_plan(path, replace(plan, codes={"8.0": codes, "8.6": codes}), weights, block)
    return path
