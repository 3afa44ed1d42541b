"""An experiment: which network, on which data, how it is trained; one TOML file says all of it.

Defaults are the paper's (section IV-A). ``preset`` in ``[model]`` starts from a preset of
:mod:`lgrnet.network.config`, further keys there change it. ``--set key=value`` counts most, then
the file, then the defaults.
"""

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lgrnet.corpora.folds import CORPORA, FOLDS
from lgrnet.data.augment import AugmentConfig
from lgrnet.network.config import ModelConfig, model_config
from lgrnet.network.variants import make_variant, variant_of
from lgrnet.settings import check_types, from_dict

CONFIG_NAME = "config.json"
"""All settings of a run, in its folder."""


@dataclass(frozen=True)
class DataConfig:
    """Where the faces are.

    Attributes:
        root: Folder of the data set.
        also: Folders of further data sets to train on, their splits of the same name.
        train: Split to train on.
        val: Split that chooses the best checkpoint and the thresholds.
        val_root: Folder of that split, where it is of another data set than ``root``.
        workers: Processes that prepare batches.
        limit: Most pictures of the training split to use, evenly spaced in it; None for all.
        corpus: Of a prepared corpus, which one; its folds then say who is trained and tested on,
            and ``train`` and ``val`` are not used.
        fold: Which of its folds, 1 to 3; ``--fold`` sets it.
    """

    root: Path = Path("data/faces")
    also: tuple[Path, ...] = ()
    train: str = "train"
    val: str = "val"
    val_root: Path | None = None
    workers: int = 1
    limit: int | None = None
    corpus: str | None = None
    fold: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_types(self)
        if self.corpus not in (None, *CORPORA):
            raise ValueError(f"data.corpus: must be one of {CORPORA}, got {self.corpus!r}")
        if self.fold is not None and self.corpus is None:
            raise ValueError("data.fold: only a corpus has folds, and data.corpus names none")
        if self.fold is not None and self.fold not in FOLDS:
            raise ValueError(f"data.fold: must be one of {FOLDS}, got {self.fold}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"data.limit: must be at least 1, got {self.limit}")
        if self.val_root is not None and self.corpus is not None:
            raise ValueError("data.val_root: a corpus is judged on the people of its own folds")
        if self.also and self.corpus is not None:
            raise ValueError("data.also: a corpus is trained on with the people of its folds alone")


@dataclass(frozen=True)
class OptimConfig:
    """How weights are updated.

    Attributes:
        optimiser: ``"sgd"`` with Nesterov momentum 0.9, as in the paper, or ``"adamw"``.
        lr: Learning rate; the highest one of ``"onecycle"``.
        weight_decay: On all parameters.
        schedule: ``"halving"``: × 0.5 every two epochs, as in the paper; or ``"onecycle"``.
        epochs: Passes over the training split.
        batch: Batch size, of all processes together.
        align_weight: λ of eq. 5.
        intensity_weight: Of the intensities' loss, for a network with that head.
        clip: Norm to which gradients are clipped; 0 for none, as in the paper.
        dice_over: Reading of eq. 3, see :func:`lgrnet.training.losses.dice_loss`.
        average_from: Share of all steps after which the weights of every step enter a mean, which
            is written as ``average.pt`` when training ends, see :mod:`lgrnet.training.weight_mean`;
            None for no mean.
        precision: ``"bf16"`` and ``"fp16"`` run convolutions in 16 bits (autocast; fp16 only on
            GPUs, with its gradients scaled), ``"fp32"`` does not.
    """

    optimiser: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.01
    weight_decay: float = 5e-4
    schedule: Literal["halving", "onecycle"] = "halving"
    epochs: int = 20
    batch: int = 16
    align_weight: float = 0.5
    intensity_weight: float = 0.2
    clip: float = 5.0
    dice_over: Literal["sample", "batch"] = "sample"
    average_from: float | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_types(self)
        for name in ("lr", "epochs", "batch"):
            if not 0 < getattr(self, name) < math.inf:  # refuses NaN
                raise ValueError(f"optim.{name}: must be positive, got {getattr(self, name)}")
        for name in ("weight_decay", "align_weight", "intensity_weight", "clip"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"optim.{name}: must be at least 0, got {getattr(self, name)}")
        if self.average_from is not None and not 0 <= self.average_from < 1:
            raise ValueError(
                f"optim.average_from: must lie in [0, 1), got {self.average_from}; 0.5 averages "
                "the weights of the second half of the steps"
            )


@dataclass(frozen=True)
class DistilConfig:
    """Who teaches the network beside its labels, if anybody; the paper has none.

    Attributes:
        teacher: Checkpoint of a trained network, see :class:`lgrnet.training.teacher.Teacher`;
            ``{variant}`` and ``{fold}`` as in ``Experiment.init``.
        weight: Of the loss against what it says.
    """

    teacher: Path | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the range."""
        check_types(self)
        if not 0 < self.weight < math.inf:
            raise ValueError(f"distil.weight: must be positive, got {self.weight}")


@dataclass(frozen=True)
class Experiment:
    """All of it.

    Attributes:
        model: The network.
        data: Where the faces are.
        augment: How training faces are disturbed.
        optim: How weights are updated.
        distil: Who teaches it beside the labels.
        out: Folder for checkpoints, log and the resolved configuration.
        seed: Seed of weights, order and augmentation.
        training_data: What the data are, in words; travels with the weights.
        licence: Licence of the weights; travels with them.
        save_every: Optimiser steps between two saves of the state that a resumed run starts from.
        init: Checkpoint whose weights the training begins with, instead of random ones; it may come
            from smaller or larger images, see :mod:`lgrnet.training.warm_start`. On folds
            ``{variant}`` and ``{fold}`` in it stand for the name of each network and the number of
            the fold.
        init_rule: What of it is taken over: ``"shared"``, all that both networks have;
            ``"jaanet"``, what JÂA-Net begins DISFA with; ``"trunk"``, what has no part in any AU,
            see :func:`lgrnet.training.warm_start.warm_start`.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    distil: DistilConfig = field(default_factory=DistilConfig)
    out: Path = Path("runs/lgrnet")
    seed: int = 0
    training_data: str = "unknown"
    licence: str = "unknown"
    save_every: int = 100
    init: Path | None = None
    init_rule: Literal["shared", "jaanet", "trunk"] = "shared"

    def __post_init__(self) -> None:
        """Check the ranges and the rule."""
        check_types(self)
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed: must lie between 0 and 2^63 - 1, got {self.seed}")
        if self.save_every < 1:
            raise ValueError(f"save_every: must be at least 1, got {self.save_every}")
        if self.init is None and self.init_rule != "shared":
            raise ValueError("init_rule: say with init=CHECKPOINT which weights it is about")

    def to_dict(self) -> dict[str, Any]:
        """Write everything as plain values, as JSON and checkpoints hold them."""
        return json.loads(json.dumps(asdict(self), default=str))


UNTOLD: dict[str, dict[str, Any]] = {
    "": {},
    "data": {"also": []},
    "optim": {"average_from": None, "clip": 5.0},
}
"""Table of an experiment, or nothing for what stands above all tables → settings that older runs
did not record → the values they used."""


def with_untold(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Add what older runs did not record.

    Args:
        recorded: What `Experiment.to_dict` of any version wrote.

    Returns:
        The same with the settings of :data:`UNTOLD` where it lacks them.
    """
    parts = {part: values for part, values in UNTOLD.items() if part}
    filled = {part: {**values, **recorded.get(part, {})} for part, values in parts.items()}
    return {**UNTOLD[""], **recorded, **filled}


def load_experiment(path: Path, changes: Sequence[str] = ()) -> Experiment:
    """Read an experiment.

    Args:
        path: A TOML file.
        changes: ``"optim.lr=0.003"`` and the like; values are TOML, bare words are strings.

    Returns:
        The experiment.

    Raises:
        ValueError: The file is missing or not TOML, a key is unknown, or a value is wrong.
    """
    if not path.is_file():
        known = sorted(str(file) for file in Path("configs").glob("*.toml"))
        raise ValueError(f"there is no experiment {path}; here are {known}")
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    for change in changes:
        _apply(values, change)
    model = values.pop("model", {})
    if not isinstance(model, dict):
        raise ValueError(f"model: expected a table of settings, got {model!r}; see model.preset")
    model = dict(model)
    preset = model.pop("preset", "paper")
    return from_dict(Experiment, {**values, "model": model_config(preset, **model)})


def fold_run(experiment: Experiment, fold: int, variant: str | None = None) -> Experiment:
    """Make one run of a cross-validation.

    Args:
        experiment: On a corpus.
        fold: 1, 2 or 3.
        variant: One of :data:`lgrnet.network.variants.VARIANTS`; None for the network as it is.

    Returns:
        The run, in the folder ``<out>/<variant>/fold<fold>``.

    Raises:
        ValueError: The experiment is not on a corpus, or there is no such fold or variant.
    """
    if experiment.data.corpus is None:
        raise ValueError(
            "--fold and --variant: only a corpus has folds, and data.corpus names none; see "
            "configs/bp4d.toml"
        )
    model = experiment.model
    if variant is not None:
        model = make_variant(model, variant)
    name = variant_of(model)

    def placed(path: Path | None) -> Path | None:
        text = str(path).replace("{variant}", name).replace("{fold}", str(fold))
        return None if path is None else Path(text)

    return replace(
        experiment,
        model=model,
        data=replace(experiment.data, fold=fold),
        distil=replace(experiment.distil, teacher=placed(experiment.distil.teacher)),
        out=experiment.out / name / f"fold{fold}",
        init=placed(experiment.init),
    )


def _apply(values: dict[str, Any], change: str) -> None:
    """Set one ``a.b=value`` in nested tables."""
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ValueError(f"--set {change}: write it as key=value, such as optim.lr=0.003")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ValueError(f"--set {change}: {table} is not a table")
    values[last] = value
