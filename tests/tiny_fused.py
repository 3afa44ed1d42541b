"""A tiny network as the fused engine plans it, and what PyTorch says of it."""

import numpy as np
import torch
from tiny_network import draw_faces, tiny_network

from export.cuda.memory import place
from export.cuda.network import build_network
from lgrnet.data.batches import to_input
from runtime.spec import ModelSpec


def spec_of(model, batch) -> ModelSpec:
    aus = model.config.aus
    return ModelSpec(
        *("edge", aus, (0.5,) * len(aus), "fp16", "plain", "fused", batch, "drawn", "CC0-1.0"),
        *("0" * 64, {}),
        intensity=model.config.intensity,
    )


def small_model():
    # A grid of 8 × 8: the interpreter takes milliseconds for each block of each kernel.
    return tiny_network(aus=[1, 12, 25], intensity=True, stem_stride=2)


def planned(model, *recurrence):
    """Build the plan for two faces: the builder, the plan, the weights."""
    builder = build_network(model, 2, *recurrence)
    return builder, *place(builder, spec_of(model, 2))


def said_by_pytorch(model):
    with torch.no_grad():
        said = model(to_input(torch.from_numpy(draw_faces(2))))
    return said.au_logits.sigmoid().numpy(), said.landmarks.numpy(), said.intensity.numpy()


def agree(got, wanted):
    # Half precision, in a network whose weights are made to matter more than training would.
    for a, b, limit in zip(got, wanted, (0.02, 0.1, 0.05), strict=True):
        assert np.abs(a - b).max() < limit
    assert np.ptp(wanted[0], axis=0).max() > 0.05, "the faces do not differ"
