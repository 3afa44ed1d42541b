"""One run of training: network, optimiser, data, and where they have got to.

Order and augmentation depend on seed, epoch and index alone, so a resumed run sees the batches that
an uninterrupted one would have seen, and several processes those that one would have seen.
"""

import logging
import pickle
import time
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from lgrnet.alone import alone_in
from lgrnet.checkpoint import find_damage, save_checkpoint, write_whole
from lgrnet.data.batches import Batch, TrainingFaces, to_input, training_batches
from lgrnet.data.shards import DatasetError
from lgrnet.evaluation.fold_scores import (
    AVERAGE,
    BEST_ON_TEST,
    LAST,
    fold_scores,
    read_fold_scores,
    write_fold_scores,
)
from lgrnet.evaluation.models import ask_network
from lgrnet.evaluation.scoring import Evaluation, join_outputs, judge, predict
from lgrnet.evaluation.threshold_choice import best_thresholds
from lgrnet.experiment import CONFIG_NAME, Experiment
from lgrnet.network.build import Network, build_network
from lgrnet.network.channels_last import channels_last
from lgrnet.training.graded import require_graded
from lgrnet.training.losses import Losses, au_weights, joint_loss
from lgrnet.training.optimiser import make_optimiser, make_schedule
from lgrnet.training.origin import origin_of, read_origin, write_origin
from lgrnet.training.parallel import Wrapped, open_accelerator, share_norms
from lgrnet.training.same_run import require_same_run
from lgrnet.training.splits import open_data
from lgrnet.training.teacher import Teacher
from lgrnet.training.warm_start import warm_start
from lgrnet.training.weight_mean import NORM_BATCHES, WeightMean
from lgrnet.unseen import VALIDATION_RECIPE, as_plain, seen_by, will_have_seen
from runtime.action_units import au_key
from runtime.files.atomic import write_json

logger = logging.getLogger(__name__)

STATE_NAME = "state.pt"
LAST_NAME = "last.pt"
BEST_NAME, BEST_ON_TEST_NAME = "best.pt", "best_on_test.pt"
AVERAGE_NAME = "average.pt"


class Trainer:
    """One run: network, optimiser, data and where they have got to.

    Args:
        experiment: What to do.
        device: Where to train; of several processes each takes a GPU of its own.
        progress: Whether to show progress bars.
    """

    def __init__(self, experiment: Experiment, device: torch.device, progress: bool = True) -> None:
        data, optim = experiment.data, experiment.optim
        self.experiment = experiment
        self.together = open_accelerator(device, optim.precision)
        self.device, self.leads = self.together.device, self.together.is_main_process
        self.progress = progress and self.leads
        self.share = self.together.process_index, self.together.num_processes
        if optim.batch % self.share[1]:
            raise ValueError(
                f"optim.batch: {optim.batch} faces cannot be shared equally by {self.share[1]} "
                "processes"
            )
        self.train_shards, self.val_shards = open_data(data, experiment.model.aus)
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
        begun = (experiment.out / STATE_NAME).exists()  # it then goes on with weights of its own
        if experiment.model.intensity and not begun:
            require_graded(
                self.train_shards.labels.intensity, experiment.model.aus, experiment.init,
                experiment.init_rule,
            )  # fmt: skip
        if experiment.init is not None and not begun:
            warm_start(self.model, experiment.init, experiment.init_rule)
        share_norms(self.model, self.device)
        channels_last(self.model.to(self.device))
        presence = torch.from_numpy(self.train_shards.labels.presence)
        self.weights = au_weights(presence, experiment.model.aus).to(self.device)
        optimiser = make_optimiser(self.model, optim)
        self.schedule = make_schedule(optimiser, optim, self.steps)
        self.trained, self.optimiser = self.together.prepare(Wrapped(self.model), optimiser)
        self.teacher: Teacher | None = None
        teacher = experiment.distil.teacher
        if teacher is not None and (teacher.is_file() or not begun):  # what is finished needs none
            self.teacher = Teacher(teacher, experiment.model.aus, self.device)
        last = experiment.out / LAST_NAME if begun else None
        seen = will_have_seen(experiment, self.train_shards.recipe, last)
        self.seen = as_plain(seen | (seen_by(read_origin(experiment.out)) if begun else set()))
        self.mean = None
        if optim.average_from is not None:
            total = optim.epochs * self.steps
            self.mean = WeightMean(self.model, total, optim.average_from)
        self.epoch, self.step, self.seconds, self.best = 0, 0, 0.0, -1.0

    def run(self) -> None:
        """Train to the last epoch, from the saved state where there is one.

        Raises:
            InputError: Another run is writing into its folder.
            ValueError: The folder holds another run, or is damaged.
        """
        out = self.experiment.out
        with alone_in(out) if self.leads else nullcontext():
            self._run(out)

    def _run(self, out: Path) -> None:
        self._claim(out)
        if (out / STATE_NAME).exists():
            self._load_state(out / STATE_NAME)
            if self.epoch == self.experiment.optim.epochs:
                logger.info("%s: all %d epochs are trained already", out, self.epoch)
                self._check_results()
                return
            logger.info("going on at epoch %d, step %d", self.epoch + 1, self.step)
        if self.teacher is None and (teacher := self.experiment.distil.teacher) is not None:
            raise ValueError(f"distil.teacher: {teacher} is not there, and {out} is not finished")
        log = None
        if self.leads:
            log = SummaryWriter(str(out), purge_step=self.epoch * self.steps + self.step)
        try:
            while self.epoch < self.experiment.optim.epochs:
                self._train_epoch(log)
                self._close_epoch(log)
        finally:
            if log is not None:
                log.close()

    def _train_epoch(self, log: SummaryWriter | None) -> None:
        config, optim = self.experiment, self.experiment.optim
        batches = training_batches(
            self.faces, optim.batch, self.epoch, self.step, config.data.workers, self.share
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
                losses = self._update(batch)
                self.step += 1
                if self.mean is not None:
                    self.mean.add(self.model, self.epoch * self.steps + self.step)
                bar.update(optim.batch)
                if self.step % 20 == 0 and log is not None:
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

    def _update(self, batch: Batch) -> Losses:
        """Take one step on this process's share of a batch."""
        optim = self.experiment.optim
        images = to_input(batch.faces.to(self.device))
        lesson = None
        if self.teacher is not None:
            with self.together.autocast():
                lesson = self.teacher(images)
        prediction = self.trained(images)
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
            lesson=lesson,
            distil_weight=self.experiment.distil.weight,
        )
        # The loss is the same number in all processes, so all of them stop.
        if not torch.isfinite(losses.total):
            raise FloatingPointError(
                f"the loss became {losses.total.item()} in epoch {self.epoch + 1}, step "
                f"{self.step}: lower optim.lr, or set optim.precision to fp32"
            )
        self.optimiser.zero_grad(set_to_none=True)
        self.together.backward(losses.total)
        if optim.clip:
            self.together.clip_grad_norm_(self.model.parameters(), optim.clip)
        self.optimiser.step()
        self.schedule.step()
        return losses

    def _judge(self, model: Network) -> Evaluation:
        """Judge a network in float32, each process on its share of the faces."""
        rank, count = self.share
        shares = np.array_split(np.arange(len(self.val_shards)), count)
        ask, mine = ask_network(model, self.device), shares[rank].tolist()
        said = [predict(ask, self.val_shards, mine)] if mine else []
        if count > 1:
            from accelerate.utils import gather_object

            said = gather_object(said)
        return judge(join_outputs(said), self.val_shards)

    def _close_epoch(self, log: SummaryWriter | None) -> None:
        """Judge, save checkpoints, go to the next epoch."""
        result = self._judge(self.model)
        self.epoch, self.step = self.epoch + 1, 0
        score = float(np.nan_to_num(result.mean_f1))  # no AU may have an F1 yet
        best = score > self.best
        if best:
            self.best = score
        if log is not None:
            self._report(result, log)
            self._keep(result, best)
        if self.mean is not None and self.epoch == self.experiment.optim.epochs:
            self._close_mean(self.mean)
        self._save_state()

    def _check_results(self) -> None:
        """Check that what a finished run has made is still there."""
        on_fold, out = self.experiment.data.fold is not None, self.experiment.out
        means = (AVERAGE_NAME,) if self.mean is not None else ()
        for name in (LAST, BEST_ON_TEST, *((AVERAGE,) if means else ())) if on_fold else ():
            read_fold_scores(out / name)
        made = (LAST_NAME, BEST_ON_TEST_NAME if on_fold else BEST_NAME, *means)
        absent = [name for name in made if not (out / name).exists()]
        if absent:
            logger.warning(
                "%s: %s not there any more; to train it again delete %s",
                *(out, " and ".join(absent), out / STATE_NAME),
            )

    def _close_mean(self, mean: WeightMean) -> None:
        """Judge the mean weights of the last part of the training, and save them."""
        mean.renew_norms(self._images_to_come())
        result = self._judge(mean.network)
        if not self.leads:
            return
        out = self.experiment.out
        logger.info(
            "mean weights: mean F1 %.4f, landmark error %.2f %%",
            *(result.mean_f1, 100 * result.landmark_error),
        )
        meta = {**self._meta(result), "averaged_from": self.experiment.optim.average_from}
        save_checkpoint(out / AVERAGE_NAME, mean.network, meta)
        if self.experiment.data.fold is not None:
            scores = fold_scores(self.experiment, self.epoch, result, self.train_shards.recipe)
            write_fold_scores(out / AVERAGE, scores)

    def _images_to_come(self) -> Iterator[Tensor]:
        """Yield this process's share of batches of the epoch that would come next."""
        config = self.experiment
        batches = training_batches(
            self.faces, config.optim.batch, self.epoch, 0, config.data.workers, self.share
        )
        for batch in islice(batches, NORM_BATCHES):
            yield to_input(batch.faces.to(self.device))

    def _report(self, result: Evaluation, log: SummaryWriter) -> None:
        at = self.epoch * self.steps
        log.add_scalar("val/mean_f1", result.mean_f1, at)
        log.add_scalar("val/landmark_error", result.landmark_error, at)
        for au, f1 in zip(self.experiment.model.aus, result.f1, strict=True):
            log.add_scalar(f"val_f1/{au_key(au)}", f1, at)
        logger.info(
            "epoch %d: %s mean F1 %.4f, landmark error %.2f %% (%.0f s of training)",
            self.epoch, "validation" if self.experiment.data.fold is None else "test",
            result.mean_f1, 100 * result.landmark_error, self.seconds,
        )  # fmt: skip

    def _keep(self, result: Evaluation, best: bool) -> None:
        """Save what this epoch has made, as the last and, if it is, as the best one."""
        out, meta = self.experiment.out, self._meta(result)
        on_fold = self.experiment.data.fold is not None
        scores = {}
        if on_fold:
            scores = fold_scores(self.experiment, self.epoch, result, self.train_shards.recipe)
        if best:
            save_checkpoint(out / (BEST_ON_TEST_NAME if on_fold else BEST_NAME), self.model, meta)
            if on_fold:
                write_fold_scores(out / BEST_ON_TEST, scores)
        save_checkpoint(out / LAST_NAME, self.model, meta)
        if on_fold:
            write_fold_scores(out / LAST, scores)

    def _meta(self, result: Evaluation) -> dict[str, Any]:
        """Collect what travels with the weights."""
        thresholds = best_thresholds(result.probability, result.presence)
        if self.experiment.data.fold is not None:
            thresholds = np.full(len(thresholds), 0.5)  # none are chosen on people who test
        return {
            "experiment": self.experiment.to_dict(),
            **self.seen,
            "training_data": self.experiment.training_data,
            "licence": self.experiment.licence,
            "dataset_recipe": self.train_shards.recipe,
            VALIDATION_RECIPE: self.val_shards.recipe,
            "training_images": len(self.faces),
            "epoch": self.epoch,
            "training_seconds": round(self.seconds),
            "thresholds": thresholds.tolist(),
            "validation": {
                "mean_f1": result.mean_f1,
                "landmark_error": result.landmark_error,
            },
        }

    def _claim(self, out: Path) -> None:
        """Write the configuration, or refuse a folder that holds another run."""
        config = self.experiment.to_dict()
        sources = self.experiment.init, self.experiment.distil.teacher
        origin = origin_of(self.train_shards, self.val_shards, *sources)
        origin = require_same_run(out, config, origin)
        self.together.wait_for_everyone()
        if self.leads:
            write_json(out / CONFIG_NAME, config)
            write_origin(out, {**origin, **self.seen})
        self.together.wait_for_everyone()

    def _save_state(self) -> None:
        if not self.leads:
            return
        scaler = self.together.scaler
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "mean": None if self.mean is None else self.mean.state_dict(),
            "progress": [self.epoch, self.step, self.seconds, self.best],
        }
        write_whole(self.experiment.out / STATE_NAME, state)

    def _load_state(self, path: Path) -> None:
        try:
            if damage := find_damage(path):
                raise ValueError(damage)
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.schedule.load_state_dict(state["schedule"])
            if self.together.scaler is not None and state.get("scaler") is not None:
                self.together.scaler.load_state_dict(state["scaler"])
            if self.mean is not None:
                self.mean.load_state_dict(state["mean"])
            self.epoch, self.step, self.seconds, self.best = state["progress"]
        except (
            *(RuntimeError, OSError, EOFError, KeyError, TypeError, ValueError),
            *(pickle.UnpicklingError, BadZipFile),
        ) as error:
            raise ValueError(
                f"{path} is damaged ({str(error)[:200] or type(error).__name__}): put a copy "
                "there, or delete it to train this run again from its beginning"
            ) from error
