"""How weights are updated: the paper's optimiser and schedule (section IV-A), and ours."""

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from lgrnet.experiment import OptimConfig


def make_optimiser(model: nn.Module, config: OptimConfig) -> Optimizer:
    """Build the optimiser; weight decay acts on all parameters, as in JÂA-Net."""
    if config.optimiser == "adamw":
        return AdamW(model.parameters(), config.lr, weight_decay=config.weight_decay)
    return SGD(
        model.parameters(), config.lr, momentum=0.9, weight_decay=config.weight_decay, nesterov=True
    )


def make_schedule(optimiser: Optimizer, config: OptimConfig, steps_per_epoch: int) -> LRScheduler:
    """Build the learning-rate schedule, which advances once a step."""
    if config.schedule == "onecycle":
        total = config.epochs * steps_per_epoch
        return OneCycleLR(optimiser, config.lr, total_steps=total, pct_start=0.15)
    return LambdaLR(optimiser, lambda step: 0.5 ** (step // steps_per_epoch // 2))
