"""Batches of scenes, put together by processes of their own while the network learns."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lgrnet.finder.scenes import SceneMaker
from lgrnet.workers import deaf, hear


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """Scenes to learn from.

    Attributes:
        images: (B, 256, 256, 3) uint8, BGR.
        boxes: B × (n, 4) float32: left, top, right, bottom, pixels.
        points: B × (n, 5, 2) float32, pixels.
        counts: B × (n,) bool, whether a face is to be found.
    """

    images: Tensor
    boxes: list[Tensor]
    points: list[Tensor]
    counts: list[Tensor]


class SceneBatches(Dataset):
    """The batch of every step: it depends on the seed and the step alone.

    Args:
        maker: Puts scenes together.
        batch: Scenes a batch.
        seed: Of the run.
    """

    def __init__(self, maker: SceneMaker, batch: int, seed: int) -> None:
        self.maker, self.batch, self.seed = maker, batch, seed

    def __getitem__(self, step: int) -> SceneBatch:
        rng = np.random.default_rng([self.seed, step])
        scenes = [self.maker.sample(rng) for _ in range(self.batch)]
        return SceneBatch(
            torch.from_numpy(np.stack([scene.image for scene in scenes])),
            [torch.from_numpy(scene.boxes) for scene in scenes],
            [torch.from_numpy(scene.points) for scene in scenes],
            [torch.from_numpy(scene.counts) for scene in scenes],
        )


def scene_batches(batches: SceneBatches, steps: range, workers: int) -> Iterator[SceneBatch]:
    """Yield the batches of some steps, in order.

    Args:
        batches: Of the run.
        steps: Which ones.
        workers: Processes that put them together; 0 for this one. The batches are the same.
    """
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        worker_init_fn=_start_worker,
        prefetch_factor=4 if workers else None,
        # A forked worker would inherit OpenCV's and OpenMP's thread pools without their threads,
        # and wait for them for ever.
        multiprocessing_context="spawn" if workers else None,
    )
    with deaf():
        made = iter(loader)
    yield from made


def _start_worker(_: int) -> None:
    hear(signal.SIG_IGN)  # PyTorch complains of workers that end before it says so
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
