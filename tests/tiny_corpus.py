"""A prepared corpus small enough for tests: all its people, a few faces each."""

from pathlib import Path

import numpy as np

from lgrnet.corpora.folds import subject_number, subjects
from lgrnet.data.shards import Labels, shard_name, write_index, write_shard
from lgrnet.network.alignment import MEAN_FACE
from runtime.action_units import BP4D_AUS, DISFA_AUS
from runtime.align import CROP_OFFSET

AUS = {"bp4d": BP4D_AUS, "disfa": DISFA_AUS}


def write_tiny_corpus(root: Path, corpus: str, frames: int = 4) -> Path:
    """Write a split a person; an AU is a bright stripe, and unknown in one of a person's frames."""
    aus, people = AUS[corpus], subjects(corpus)
    recipe = {"corpus": corpus, "made for": "tests"}
    write_index(root, aus, dict.fromkeys(people, 1), recipe)
    rng = np.random.default_rng(0)
    height = 200 // len(aus)
    for name in people:
        presence = rng.integers(0, 2, (frames, len(aus))).astype(np.uint8)
        faces = rng.integers(0, 80, (frames, 200, 200, 3), dtype=np.uint8)
        for column in range(len(aus)):
            stripe = slice(column * height, (column + 1) * height)
            faces[presence[:, column] == 1, stripe] += 150
        presence[0, rng.integers(len(aus))] = 9
        landmarks = np.array(MEAN_FACE) + CROP_OFFSET + rng.normal(0, 2, (frames, 49, 2))
        labels = Labels(
            presence=presence,
            intensity=np.full(presence.shape, np.nan, np.float32),
            landmarks=landmarks.astype(np.float32),
            subject=np.full(frames, subject_number(corpus, name)),
        )
        write_shard(root, shard_name(name, 0), faces, labels)
    return root
