"""One run of training a face finder: network, optimiser, mean weights and where they have got to.

What a step sees depends on the seed and its number alone, so a resumed run computes what an
uninterrupted one would have computed.
"""

import copy
import csv
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from lgrnet.alone import alone_in
from lgrnet.checkpoint import CheckpointError, read_whole, write_whole
from lgrnet.finder.batches import SceneBatch, SceneBatches, scene_batches
from lgrnet.finder.network import FinderNetwork
from lgrnet.finder.scenes import SceneMaker
from lgrnet.finder.targets import Losses, finder_losses
from lgrnet.finder.weights import load_finder, save_finder
from lgrnet.network.channels_last import channels_last
from runtime.files.atomic import PendingFile
from runtime.files.digest import file_sha256

logger = logging.getLogger(__name__)

STATE_NAME, FINDER_NAME, LOG_NAME = "last.pt", "finder.pt", "log.csv"
STATE_FORMAT = "lgrnet-finder-state-1"
PRECISIONS = ("fp32", "bf16")

_SAVE_EVERY, _LOG_EVERY = 250, 50  # steps
_PEAK, _WARM_UP, _LAST = 4e-3, 150, 0.02  # learning rate; steps until it; share of it at the end
_WEIGHT_DECAY = 1e-3
_CLIP = 10.0  # norm of the gradients
_MEMORY = 0.998  # of the mean weights, a step
_COLUMNS = ("step", "lr", "score", "box", "points", "waited_s", "computed_s")


@dataclass(frozen=True)
class FinderRun:
    """What to train, and on what.

    Attributes:
        heads: Folder of cut-out heads, of :mod:`lgrnet.finder.heads`.
        faces: Folder of a data set of aligned faces, whose training split is used.
        out: Folder of the run.
        pictures: Folder of pictures without faces; None for rendered backgrounds alone.
        steps: How many batches.
        batch: Scenes a batch.
        seed: Of the first weights and all scenes.
        init: A face finder to begin with; None for random weights.
        precision: ``"fp32"``, or ``"bf16"`` to run convolutions in bfloat16; None for that of
            :func:`native_precision`.
        save_every: Steps after which the state is saved.
    """

    heads: Path
    faces: Path
    out: Path
    pictures: Path | None = None
    steps: int = 6000
    batch: int = 32
    seed: int = 0
    init: Path | None = None
    precision: str | None = None
    save_every: int = _SAVE_EVERY

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("steps", "batch", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if self.precision not in (None, *PRECISIONS):
            raise ValueError(f"precision must be one of {PRECISIONS}, got {self.precision!r}")


def native_precision() -> str:
    """Tell what convolutions are fast in here: bfloat16 on x86 processors that compute in it.

    Others are told by `_is_mkldnn_bf16_supported` too, which emulate it and are slower for that.
    """
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"


class FinderTrainer:
    """One run of training.

    Args:
        run: What to do.
        workers: Processes that put scenes together; 0 for none but this one.
        progress: Whether to show a progress bar.

    Raises:
        DatasetError: The data are not what they should be.
        CheckpointError: The weights to begin with cannot be used.
        ValueError: The folder holds another run.
    """

    def __init__(self, run: FinderRun, workers: int = 1, progress: bool = True) -> None:
        self.plan, self.workers, self.progress = run, workers, progress
        self.maker = SceneMaker(run.heads, run.faces, run.pictures)
        self.precision = run.precision or native_precision()
        torch.manual_seed(run.seed)
        self.network = FinderNetwork()
        self.settings = {
            "steps": run.steps, "batch": run.batch, "seed": run.seed, "precision": self.precision,
            "init_sha256": None, **_origin(self.maker),
        }  # fmt: skip
        if run.init is not None:
            self.network.load_state_dict(load_finder(run.init)[0].state_dict())
            self.settings["init_sha256"] = file_sha256(run.init)
        channels_last(self.network)
        self.mean = copy.deepcopy(self.network).eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=_PEAK, weight_decay=_WEIGHT_DECAY
        )
        self.step = 0

    def run(self) -> None:
        """Train to the last step, from the saved state where there is one.

        Raises:
            FloatingPointError: The loss did not stay finite.
            InputError: Another run is writing into its folder.
        """
        with alone_in(self.plan.out):
            self._run()

    def _run(self) -> None:
        out, total = self.plan.out, self.plan.steps
        if (out / STATE_NAME).exists():
            self._load_state(out / STATE_NAME)
            logger.info("going on at step %d", self.step)
        elif (out / FINDER_NAME).exists():
            raise ValueError(
                f"{out} holds a {FINDER_NAME} but no {STATE_NAME} to go on from: choose another "
                "folder or delete it"
            )
        self._say_what()
        rows = self._rows_so_far()
        batches = SceneBatches(self.maker, self.plan.batch, self.plan.seed)
        made = scene_batches(batches, range(self.step, total), self.workers)
        with tqdm(
            total=total, initial=self.step, unit="step", disable=not self.progress
        ) as bar:  # fmt: skip
            waiting = time.perf_counter()
            sums, since = torch.zeros(len(_COLUMNS) - 2), 0
            for batch in made if self.step < total else ():
                started = time.perf_counter()
                losses = self._update(batch)
                ended = time.perf_counter()
                sums += torch.tensor([*map(float, losses), started - waiting, ended - started])
                waiting, since = ended, since + 1
                bar.update()
                if self.step % _LOG_EVERY == 0 or self.step == total:
                    row = [f"{value:.5g}" for value in (sums / since).tolist()]
                    rows.append([str(self.step), f"{self._rate(self.step - 1):.4g}", *row])
                    bar.set_postfix(zip(_COLUMNS[2:5], row[:3], strict=True))
                    sums, since = torch.zeros_like(sums), 0
                if self.step % self.plan.save_every == 0 or self.step == total:
                    self._save(rows)
        if not (out / FINDER_NAME).exists():
            self._save(rows)
        logger.info("%s: %d steps are trained", out / FINDER_NAME, self.step)

    def _update(self, batch: SceneBatch) -> Losses:
        """Take one step."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(self.step)
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            # Channels come last in memory already, which is what convolutions like best.
            outputs = self.network(batch.images.permute(0, 3, 1, 2).float())
        losses = finder_losses(
            [output.float() for output in outputs], batch.boxes, batch.points, batch.counts
        )
        loss = losses.total
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss.item()} in step {self.step + 1}: train with another "
                "--seed, or with --precision fp32"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.optimiser.step()
        self._follow()
        self.step += 1
        return Losses(*(part.detach() for part in losses))

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the mean weights on; at first they forget faster, as they begin at random."""
        share = 1 - min(_MEMORY, (1 + self.step) / (10 + self.step))
        now: dict[str, Tensor] = self.network.state_dict()
        for name, value in self.mean.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(now[name], share)
            else:
                value.copy_(now[name])

    def _rate(self, step: int) -> float:
        """Tell the learning rate: up to the peak, then down along a cosine."""
        fall = 0.5 * (1 + math.cos(math.pi * step / self.plan.steps))
        return _PEAK * min(1, (step + 1) / _WARM_UP) * (fall * (1 - _LAST) + _LAST)

    def _say_what(self) -> None:
        heads, photographs = self.maker.heads, self.maker.photographs
        logger.info(
            "%d heads of %d people, %d aligned faces, %d rendered backgrounds; computing in %s",
            *(len(heads), heads.persons, len(self.maker.faces), len(heads.backgrounds)),
            self.precision,
        )
        if len(photographs):
            logger.info("%d pictures without faces", len(photographs))
        else:
            logger.info("no --pictures without faces: backgrounds are rendered ones alone")

    def _rows_so_far(self) -> list[list[str]]:
        """Read the log up to the step where the run goes on."""
        path = self.plan.out / LOG_NAME
        if self.step == 0 or not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return [row for row in list(csv.reader(file))[1:] if int(row[0]) <= self.step]

    def _save(self, rows: list[list[str]]) -> None:
        """Save the state and the log, at the end also the finder."""
        out = self.plan.out
        with (
            PendingFile(out / LOG_NAME) as part,
            part.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([_COLUMNS, *rows])
        if self.step == self.plan.steps:
            save_finder(out / FINDER_NAME, self.mean, self.settings)
        state = {
            "format": STATE_FORMAT,
            "settings": self.settings,
            "step": self.step,
            "model": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        write_whole(out / STATE_NAME, state)

    def _load_state(self, path: Path) -> None:
        hint = "choose another folder or delete that one"
        try:
            state = read_whole(path)
            if not isinstance(state, dict) or state.get("format") != STATE_FORMAT:
                raise CheckpointError(f"{path} is no state of a run of this command")
            known = state["settings"]
            other = sorted(
                name
                for name in {*known, *self.settings}
                if known.get(name) != self.settings.get(name)
            )
            if other:
                raise ValueError(f"{path.parent} holds a run with other {', '.join(other)}: {hint}")
            self.network.load_state_dict(state["model"])
            self.mean.load_state_dict(state["mean"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]
        except CheckpointError as error:
            raise CheckpointError(f"{error} ({hint} to train from the beginning)") from error
        except (RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} is damaged ({str(error)[:200]}): {hint}") from error


def _origin(maker: SceneMaker) -> dict[str, object]:
    """Tell what scenes are made from, in plain values."""
    photographs = maker.photographs
    return {
        "heads": len(maker.heads),
        "persons": maker.heads.persons,
        "faces": len(maker.faces),
        "backgrounds": len(maker.heads.backgrounds),
        "heads_recipe": maker.heads.recipe,
        "faces_recipe": maker.faces.recipe,
        "pictures": {
            "count": len(photographs),
            "sha256": photographs.sha256 if len(photographs) else None,
        },
    }
