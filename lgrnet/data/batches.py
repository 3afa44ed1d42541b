"""From shards to batches: training samples with augmentation, evaluation samples without."""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, Subset

from lgrnet.data.augment import AugmentConfig, augment
from lgrnet.data.shards import FaceShards
from lgrnet.workers import deaf, hear
from runtime.action_units import MAX_INTENSITY
from runtime.align import CROP_OFFSET, middle_crop


@dataclass(frozen=True, eq=False)
class Batch:
    """What the network is trained and judged on.

    Attributes:
        faces: (B, 176, 176, 3) uint8, BGR.
        presence: (B, n) uint8: 0 absent, 1 present, 9 unknown.
        landmarks: (B, 49, 2) float32, pixels of the crop.
        intensity: (B, n) float32 on FACS's scale, 0 to 5, NaN where unknown.
    """

    faces: Tensor
    presence: Tensor
    landmarks: Tensor
    intensity: Tensor


def to_input(faces: Tensor) -> Tensor:
    """Turn face crops into what the network takes.

    Args:
        faces: (B, H, W, 3) uint8, BGR.

    Returns:
        (B, 3, H, W) float32, RGB, (x / 255 − 0.5) / 0.5, in channels-last memory.
    """
    rgb = faces.flip(-1).permute(0, 3, 1, 2)
    return rgb.to(torch.float32).mul(2 / 255).sub(1).contiguous(memory_format=torch.channels_last)


class TrainingFaces(Dataset):
    """Augmented faces; an item is named by (epoch, index), which fixes its randomness.

    Args:
        shards: Where the faces come from.
        config: How strongly they are disturbed.
        seed: Seed of the disturbance.
        limit: Most faces to use, evenly spaced; None for all.
    """

    def __init__(
        self, shards: FaceShards, config: AugmentConfig, seed: int, limit: int | None = None
    ) -> None:
        self.shards, self.config, self.seed = shards, config, seed
        self.count = len(shards) if limit is None else min(limit, len(shards))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: tuple[int, int]) -> tuple[np.ndarray, ...]:
        epoch, number = key
        index = number * len(self.shards) // self.count
        rng = np.random.default_rng([self.seed, epoch, index])
        labels = self.shards.labels
        face, landmarks = augment(
            rng, self.shards.face(index), labels.landmarks[index], self.config
        )
        return face, labels.presence[index], landmarks, scored(labels.intensity[index])


class EvaluationFaces(Dataset):
    """Middle crops, in order.

    Args:
        shards: Where the faces come from.
    """

    def __init__(self, shards: FaceShards) -> None:
        self.shards = shards

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        labels = self.shards.labels
        return (
            np.ascontiguousarray(middle_crop(self.shards.face(index))),
            labels.presence[index],
            (labels.landmarks[index] - CROP_OFFSET).astype(np.float32),
            scored(labels.intensity[index]),
        )


class EpochSampler(Sampler):
    """Batches of (epoch, index) in an order that seed and epoch fix; the last odd ones are dropped.

    Args:
        count: Number of faces.
        batch: Batch size.
        seed: Seed of the order.
        epoch: Which epoch.
        skip: Batches that were already done before an interruption.
        share: Which share of each batch to yield, and of how many, for processes that train
            together; ``batch`` must divide by their number.
    """

    def __init__(
        self,
        count: int,
        batch: int,
        seed: int,
        epoch: int,
        skip: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.count, self.batch, self.seed = count, batch, seed
        self.epoch, self.skip, self.share = epoch, skip, share

    def __len__(self) -> int:
        return self.count // self.batch - self.skip

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        for number in range(self.skip, self.count // self.batch):
            chosen = order[number * self.batch : (number + 1) * self.batch]
            chosen = chosen[self.share[0] :: self.share[1]]
            yield [(self.epoch, int(index)) for index in chosen]


def training_batches(
    faces: TrainingFaces,
    batch: int,
    epoch: int,
    skip: int = 0,
    workers: int = 1,
    share: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Iterate over one epoch of training.

    Args:
        faces: Augmented faces.
        batch: Batch size.
        epoch: Which epoch, from 0.
        skip: Batches to leave out at the start.
        workers: Processes that prepare batches; 0 for none.
        share: See :class:`EpochSampler`.

    Yields:
        Batches.
    """
    sampler = EpochSampler(len(faces), batch, faces.seed, epoch, skip, share)
    loader = DataLoader(
        faces,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_start_worker,
        # A forked worker would inherit OpenCV's and OpenMP's thread pools without their threads,
        # and wait for them for ever.
        multiprocessing_context="spawn" if workers else None,
    )
    with deaf():
        batches = iter(loader)
    yield from batches


def evaluation_batches(
    faces: FaceShards, batch: int = 32, chosen: Sequence[int] | None = None
) -> Iterator[Batch]:
    """Iterate over a split, or some faces of it, in order, the last batch being shorter."""
    items: Dataset = EvaluationFaces(faces)
    if chosen is not None:
        items = Subset(items, chosen)
    yield from DataLoader(items, batch_size=batch, collate_fn=_collate)


def _start_worker(_: int) -> None:
    hear(signal.SIG_IGN)  # PyTorch complains of workers that end before it says so
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def scored(intensity: np.ndarray) -> np.ndarray:
    """Put intensities in [0, 1] on FACS's scale, 0 to 5, float32."""
    return np.float32(MAX_INTENSITY) * intensity.astype(np.float32)


def _collate(items: list[tuple[np.ndarray, ...]]) -> Batch:
    return Batch(*(torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True)))
