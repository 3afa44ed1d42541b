"""A data set small enough for tests: noise with landmarks of a schematic face."""

from pathlib import Path

import numpy as np

from lgrnet.data.shards import Labels, shard_name, write_index, write_shard
from lgrnet.network.alignment import MEAN_FACE
from runtime.align import CROP_OFFSET

AUS = (1, 12)


def write_tiny_shards(root: Path, count: int = 12, missing: bool = False) -> Path:
    """Write ``count`` faces a shard; AU 12 is a bright lower half, AU 1 a bright upper one."""
    write_index(root, AUS, {"train": 2, "val": 1, "test": 1}, {"made for": "tests"})
    rng = np.random.default_rng(0)
    person = 0
    for split, shards in (("train", 2), ("val", 1), ("test", 1)):
        for number in range(shards):
            presence = rng.integers(0, 2, (count, 2)).astype(np.uint8)
            presence[:2] = (0, 1), (1, 0)
            faces = rng.integers(0, 80, (count, 200, 200, 3), dtype=np.uint8)
            faces[presence[:, 0] == 1, :100] += 150
            faces[presence[:, 1] == 1, 100:] += 150
            if missing:
                presence[-1] = 9
            landmarks = np.array(MEAN_FACE) + CROP_OFFSET + rng.normal(0, 2, (count, 49, 2))
            labels = Labels(
                presence=presence,
                intensity=presence.astype(np.float32),
                landmarks=landmarks.astype(np.float32),
                subject=np.full(count, person),
            )
            write_shard(root, shard_name(split, number), faces, labels)
            person += 1
    return root
