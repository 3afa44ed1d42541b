"""Train LGRNet: ``python -m lgrnet.train configs/edge.toml``.

The run's folder gets ``config.json``, ``last.pt`` and ``best.pt`` (best mean F1 on the validation
split), a TensorBoard log, and ``state.pt``, from which the same command goes on after an
interruption, ``kill -9`` included. Order and augmentation depend on seed, epoch and index alone, so
a resumed run sees the batches that an uninterrupted one would have seen.
"""

import argparse
import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from lgrnet.checkpoint import save_checkpoint
from lgrnet.data import TrainingFaces, to_input, training_batches
from lgrnet.evaluate import Evaluation, evaluate
from lgrnet.experiment import Experiment, OptimConfig, load_experiment
from lgrnet.losses import au_weights, joint_loss
from lgrnet.metrics import best_thresholds
from lgrnet.networks import build_network
from lgrnet.shards import DatasetError, FaceShards
from lgrnet.warm_start import warm_start

logger = logging.getLogger(__name__)

STATE_NAME = "state.pt"


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


class Trainer:
    """One run: network, optimiser, data and where they have got to.

    Args:
        experiment: What to do.
        device: Where to train.
        progress: Whether to show progress bars.
    """

    def __init__(self, experiment: Experiment, device: torch.device, progress: bool = True) -> None:
        self.experiment, self.device, self.progress = experiment, device, progress
        data, optim = experiment.data, experiment.optim
        aus = experiment.model.aus
        self.train_shards = FaceShards(data.root, data.train, aus)
        self.val_shards = FaceShards(data.root, data.val, aus)
        overlap = set(self.train_shards.labels.subject.tolist()) & set(
            self.val_shards.labels.subject.tolist()
        )
        if overlap:
            raise DatasetError(f"{len(overlap)} people are in both {data.train} and {data.val}")
        self.faces = TrainingFaces(
            self.train_shards, experiment.augment, experiment.seed, data.limit
        )
        self.steps = len(self.faces) // optim.batch
        if self.steps == 0:
            raise DatasetError(
                f"{data.root} gives {len(self.faces)} training faces, fewer than one batch of "
                f"{optim.batch}"
            )
        torch.manual_seed(experiment.seed)
        self.model = build_network(experiment.model)
        if experiment.init is not None:
            warm_start(self.model, experiment.init)
        self.model.to(device, memory_format=torch.channels_last)
        presence = torch.from_numpy(self.train_shards.labels.presence)
        self.weights = au_weights(presence).to(device)
        self.optimiser = make_optimiser(self.model, optim)
        self.schedule = make_schedule(self.optimiser, optim, self.steps)
        self.epoch, self.step, self.seconds, self.best = 0, 0, 0.0, -1.0

    def run(self) -> None:
        """Train to the last epoch, from the saved state where there is one."""
        out = self.experiment.out
        out.mkdir(parents=True, exist_ok=True)
        self._claim(out)
        if (out / STATE_NAME).exists():
            self._load_state(out / STATE_NAME)
            logger.info("going on at epoch %d, step %d", self.epoch + 1, self.step)
        done = self.epoch * self.steps + self.step
        with SummaryWriter(str(out), purge_step=done) as log:
            while self.epoch < self.experiment.optim.epochs:
                self._train_epoch(log)
                self._close_epoch(log)

    def _train_epoch(self, log: SummaryWriter) -> None:
        config, optim = self.experiment, self.experiment.optim
        batches = training_batches(
            self.faces, optim.batch, self.epoch, skip=self.step, workers=config.data.workers
        )
        self.model.train()
        started = time.perf_counter()
        with tqdm(
            desc=f"epoch {self.epoch + 1}/{optim.epochs}",
            total=self.steps * optim.batch,
            initial=self.step * optim.batch,
            unit="img",
            disable=not self.progress,
        ) as bar:
            for batch in batches:
                with torch.autocast(
                    self.device.type, torch.bfloat16, enabled=optim.precision == "bf16"
                ):
                    prediction = self.model(to_input(batch.faces.to(self.device)))
                losses = joint_loss(
                    prediction.au_logits,
                    prediction.landmarks,
                    batch.presence.to(self.device),
                    batch.landmarks.to(self.device),
                    self.weights,
                    align_weight=optim.align_weight,
                    dice_over=optim.dice_over,
                    intensity=None
                    if prediction.intensity is None
                    else (prediction.intensity, batch.intensity.to(self.device)),
                    intensity_weight=optim.intensity_weight,
                    local_logits=prediction.local_logits,
                )
                if not torch.isfinite(losses.total):
                    raise FloatingPointError(
                        f"the loss became {losses.total.item()} in epoch {self.epoch + 1}, step "
                        f"{self.step}: lower optim.lr, or set optim.precision to fp32"
                    )
                self.optimiser.zero_grad(set_to_none=True)
                losses.total.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
                self.optimiser.step()
                self.schedule.step()
                self.step += 1
                bar.update(optim.batch)
                if self.step % 20 == 0:
                    at = self.epoch * self.steps + self.step
                    for name, value in losses._asdict().items():
                        log.add_scalar(f"loss/{name}", value.item(), at)
                    log.add_scalar("lr", self.schedule.get_last_lr()[0], at)
                    bar.set_postfix(
                        loss=f"{losses.total.item():.3f}", align=f"{losses.alignment.item():.3f}"
                    )
                if self.step % config.save_every == 0:
                    self.seconds += time.perf_counter() - started
                    started = time.perf_counter()
                    self._save_state()
        self.seconds += time.perf_counter() - started

    def _close_epoch(self, log: SummaryWriter) -> None:
        """Validate, save checkpoints, go to the next epoch."""
        result = evaluate(self.model, self.val_shards, self.device)
        self.epoch, self.step = self.epoch + 1, 0
        log.add_scalar("val/mean_f1", result.mean_f1, self.epoch * self.steps)
        log.add_scalar("val/landmark_error", result.landmark_error, self.epoch * self.steps)
        for au, f1 in zip(self.experiment.model.aus, result.f1, strict=True):
            log.add_scalar(f"val_f1/AU{au:02d}", f1, self.epoch * self.steps)
        logger.info(
            "epoch %d: validation mean F1 %.4f, landmark error %.2f %% (%.0f s of training)",
            *(self.epoch, result.mean_f1, 100 * result.landmark_error, self.seconds),
        )
        out, meta = self.experiment.out, self._meta(result)
        if result.mean_f1 > self.best:
            self.best = result.mean_f1
            save_checkpoint(out / "best.pt", self.model, meta)
        save_checkpoint(out / "last.pt", self.model, meta)
        self._save_state()

    def _meta(self, result: Evaluation) -> dict[str, Any]:
        """Collect what travels with the weights."""
        return {
            "experiment": self.experiment.to_dict(),
            "training_data": self.experiment.training_data,
            "licence": self.experiment.licence,
            "dataset_recipe": self.train_shards.recipe,
            "training_images": len(self.faces),
            "epoch": self.epoch,
            "training_seconds": round(self.seconds),
            "thresholds": best_thresholds(result.probability, result.presence).tolist(),
            "validation": {
                "mean_f1": result.mean_f1,
                "landmark_error": result.landmark_error,
            },
        }

    def _claim(self, out: Path) -> None:
        """Write the configuration, or refuse a folder that holds another run."""
        path = out / "config.json"
        config = self.experiment.to_dict()
        if path.exists() and json.loads(path.read_text()) != config:
            raise ValueError(
                f"{out} holds a run with another configuration: choose another folder "
                "(--set out=FOLDER) or delete that one"
            )
        path.write_text(json.dumps(config, indent=2) + "\n")

    def _save_state(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "progress": [self.epoch, self.step, self.seconds, self.best],
        }
        partial = self.experiment.out / f".{STATE_NAME}.{os.getpid()}.partial"
        torch.save(state, partial)
        partial.replace(self.experiment.out / STATE_NAME)

    def _load_state(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch, self.step, self.seconds, self.best = state["progress"]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.train", description="Train LGRNet; goes on where it stopped."
    )
    parser.add_argument("config", type=Path, help="the experiment, a TOML file from configs/")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="such as optim.lr=0.003"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, help="CPU threads; PyTorch's default if not given")
    parser.add_argument("--progress", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        logger.error("--device %s: this PyTorch (%s) sees no GPU", args.device, torch.__version__)
        return 2
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        experiment = load_experiment(args.config, args.set)
        logger.info("%s", json.dumps(experiment.to_dict(), indent=2))
        Trainer(experiment, torch.device(args.device), args.progress).run()
    except (ValueError, DatasetError, FloatingPointError) as error:
        logger.error("%s", error)
        return 2
    except KeyboardInterrupt:
        logger.error("interrupted: run the same command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
