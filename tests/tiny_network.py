"""A network small enough for tests of the exporter, and faces that it tells apart."""

import copy
import functools
import json

import cv2
import numpy as np
import torch
from torch import nn

from lgrnet.data.batches import to_input
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet
from runtime.action_units import MAX_INTENSITY

SMALL = {
    "aus": [1, 6, 12, 14, 25],  # 12 and 14 look at the same places
    "input_size": 64,
    "stem_stride": 1,
    "stem_widths": [8, 12],
    "feature_widths": [8, 12, 16],
    "refine_widths": [8, 12, 16],
    "align_hidden": 16,
    "head_hidden": 8,
}
"""A grid of 16 × 16 cells."""


def draw_faces(count: int, seed: int = 0) -> np.ndarray:
    """Draw schematic faces that differ in all that a face has, (count, 176, 176, 3) uint8."""
    rng = np.random.default_rng(seed)
    faces = rng.integers(60, 200, (count, 1, 1, 3)) + rng.normal(0, 8, (count, 176, 176, 3))
    faces = faces.clip(0, 255).astype(np.uint8)
    for face in faces:
        skin = [int(v) for v in rng.integers(90, 230, 3)]
        cv2.ellipse(face, (88, 95), (int(rng.integers(60, 80)), 90), 0, 0, 360, skin, -1)
        for x in (58, 118):
            y, open_ = int(rng.integers(48, 60)), int(rng.integers(2, 9))
            cv2.ellipse(face, (x, y), (12, open_), 0, 0, 360, (240, 240, 240), -1)
            cv2.circle(face, (x, y), min(open_, 5), (40, 30, 20), -1)
            brow = int(rng.integers(22, 40))
            cv2.line(face, (x - 15, brow + 4), (x + 15, brow), (30, 40, 50), 4)
        corner, gape = int(rng.integers(112, 130)), int(rng.integers(1, 14))
        cv2.ellipse(face, (88, corner), (30, gape), 0, 0, 360, (60, 50, 170), -1)
    return faces


def tiny_network(seed: int = 0, **changes) -> LGRNet:
    """Build a network whose every part matters to its outputs, as training would have it.

    Batch norms have statistics of their own and scales of both signs; over the drawn faces logits
    vary by about 2 and landmarks by some pixels.
    """
    return copy.deepcopy(_tiny_network(json.dumps([seed, changes])))


@functools.cache
def _tiny_network(wanted: str) -> LGRNet:
    seed, changes = json.loads(wanted)
    torch.manual_seed(seed)
    model = LGRNet(model_config("edge", **{**SMALL, **changes}))
    faces = to_input(torch.from_numpy(draw_faces(16, seed=1)))
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None  # averages over all that was seen
            norm.weight.uniform_(0.5, 1.5)
            norm.weight[:: 1 + len(norm.weight) // 4] *= -1
            norm.bias.normal_(0, 0.3)
        model.train()
        for _ in range(2):
            model(faces)
        model.eval()
        for name, parameter in model.named_parameters():
            if ".cell." in name:
                parameter.mul_(3)
            elif ".gates." in name:  # they see averages of maps that are mostly zero
                parameter.mul_(50 if parameter.ndim > 1 else 3)
        landmarks = model(faces).landmarks
        scale = 2 / landmarks.std(0).mean()
        model.align.offsets.weight.mul_(scale)
        model.align.offsets.bias.sub_(
            (model(faces).landmarks.mean(0) - model.align.mean_face).flatten() / model.align.unit
        )
        said = model(faces)
        heads = [(model.heads.logit, said.au_logits)]
        if said.intensity is not None:
            heads.append((model.heads.intensity, (said.intensity / MAX_INTENSITY).logit()))
        for head, scores in heads:
            scores = scores.index_select(1, model.ascending.argsort())
            spread = scores.std(0).clamp(min=1e-6)
            head.weight.div_(spread.view(-1, 1, 1, 1))
            head.bias.sub_(scores.mean(0)).div_(spread)
    return model
