"""Training in several processes that comes out as training in one.

Each process takes its share of every batch. So that the shares train as the whole batch would, the
processes share what is not a plain mean over faces: the statistics of batch norms, and the sums
and counts that the losses are quotients of. Gradients are averaged by PyTorch's
DistributedDataParallel, processes and devices are found by Accelerate.
"""

import os
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed, nn

from runtime.installed import how_to_install

if TYPE_CHECKING:
    from accelerate import Accelerator

_PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


def process_count() -> int:
    """Count the processes that train together, 1 for one alone."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(_: torch.autograd.function.FunctionCtx, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


def summed(value: Tensor) -> Tensor:
    """Add up what each process has; in one process alone, the value itself.

    Gradients pass. A loss made of such sums is the same number in all processes, and its gradients,
    averaged over the processes as DistributedDataParallel does, are those of the whole batch.

    Args:
        value: Any shape, the same in all processes.

    Returns:
        The sum, in every process.
    """
    return value if process_count() == 1 else _Sum.apply(value)


class SummedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the faces of all processes, on any device.

    PyTorch's own (``SyncBatchNorm``) does the same faster, on GPUs only.
    """

    # PyTorch's norms may have none; ours do.
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, (B, C, H, W) → the same shape and type."""
        if not self.training or process_count() == 1:
            return super().forward(x)
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        count = process_count() * wide.numel() // wide.shape[1]  # shares are equal
        mean = summed(wide.sum((0, 2, 3))) / count
        centred = wide - mean[:, None, None]
        variance = summed(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = self.momentum
            if share is None:  # PyTorch's way to ask for the plain mean over batches
                share = 1 / self.num_batches_tracked.item()
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (count / (count - 1)), share)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def share_norms(model: nn.Module, device: torch.device) -> nn.Module:
    """Let batch norms see the faces of all processes.

    Args:
        model: The network, changed in place; parameters, buffers and their names stay.
        device: Where it will be.

    Returns:
        The network.
    """
    if process_count() == 1:
        return model
    if device.type != "cpu":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SummedBatchNorm2d
    return model


def open_accelerator(device: torch.device, precision: str) -> "Accelerator":
    """Find the processes that train together, and this one's device.

    Args:
        device: Where to train; several processes take a GPU each, by their number on the machine.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"``.

    Returns:
        Accelerate's handle on them.

    Raises:
        ValueError: Processes of torchrun were given one GPU, or the device cannot do that
            precision.
        ImportError: Accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ImportError(
            f"training needs Accelerate ({error}): {how_to_install('train')}"
        ) from error
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("optim.precision: fp16 needs a GPU; on a CPU use bf16 or fp32")
    if device.index is not None:
        if "LOCAL_RANK" in os.environ:  # torchrun's, which Accelerate goes by
            raise ValueError(
                f"--device {device} is one GPU, and torchrun gives each of its processes one: give "
                "--device cuda, and each takes its own"
            )
        os.environ["ACCELERATE_TORCH_DEVICE"] = str(device)
    return Accelerator(cpu=device.type == "cpu", mixed_precision=_PRECISIONS[precision])


class Wrapped(nn.Module):
    """A network in a module of its own, for Accelerate to put autocast and gradients' averaging on.

    The network itself stays as it is, and judges faces in float32.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple:
        """Answer as the network does."""
        return self.network(image)
