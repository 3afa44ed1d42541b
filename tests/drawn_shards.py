"""A data set of drawn faces, labelled with what a network sees in them."""

from pathlib import Path

import numpy as np
import torch
from tiny_network import draw_faces

from export.plain import PlainGraph
from lgrnet.data.shards import Labels, shard_name, write_index, write_shard
from lgrnet.network.alignment import MEAN_FACE
from lgrnet.network.model import LGRNet
from runtime.align import CROP_OFFSET


def write_drawn_shards(root: Path, model: LGRNet, count: int = 48) -> Path:
    """Write ``count`` faces a split; an AU is present where the network says so at 0.5."""
    aus = model.config.aus
    write_index(root, aus, {"train": 1, "val": 1, "test": 1}, {"made for": "tests"})
    for person, split in enumerate(("train", "val", "test")):
        crops = draw_faces(count, seed=100 + person)
        with torch.inference_mode():
            probability, _ = PlainGraph(model)(torch.from_numpy(crops))
        presence = (probability.numpy() >= 0.5).astype(np.uint8)
        margin = ((0, 0), (CROP_OFFSET,) * 2, (CROP_OFFSET,) * 2, (0, 0))
        labels = Labels(
            presence=presence,
            intensity=presence.astype(np.float32),
            landmarks=np.tile(np.float32(MEAN_FACE) + CROP_OFFSET, (count, 1, 1)),
            subject=np.full(count, person),
        )
        write_shard(root, shard_name(split, 0), np.pad(crops, margin), labels)
    return root
