"""What each cell of the finder's network should say, and how far it is from saying that.

A face is told by the cells around its middle, of the strides that fit its size; neighbouring
strides share sizes between them. Cells just beyond, and all in a face that does not count, are left
alone: they may say what they want.

The score should be what the box of the same cell is worth, as in generalised focal losses (Li et
al., NeurIPS 2020); boxes learn by generalised IoU (Rezatofighi et al., CVPR 2019).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lgrnet.finder.network import decode
from runtime.finders.network import STRIDES

NONE, IGNORED = -1, -2

_FROM, _BELOW = (0.0, 26.0, 70.0), (44.0, 110.0, torch.inf)  # pixels of a face, by stride
_NEAR = 0.8  # strides from the middle of a face, at least, within which cells tell it
_CORE = 0.16  # of a face's size, as far as cells of large faces tell them
_RING = 1.6  # of that distance, within which cells may say what they want
_LEAST = 0.3  # score of a cell near the middle, whatever its box is worth
_SHARP = 0.02  # of a face's size: errors of points below it count by their square

SCORE_WEIGHT, BOX_WEIGHT, POINTS_WEIGHT = 1.0, 2.0, 0.6


class Losses(NamedTuple):
    """The parts of the loss, each a mean over faces."""

    score: Tensor
    box: Tensor
    points: Tensor

    @property
    def total(self) -> Tensor:
        """What training makes smaller."""
        return SCORE_WEIGHT * self.score + BOX_WEIGHT * self.box + POINTS_WEIGHT * self.points


def assign(boxes: Tensor, counts: Tensor, cell: Tensor, stride: Tensor) -> Tensor:
    """Tell which face each cell should tell.

    Args:
        boxes: (n, 4): left, top, right, bottom of the faces of a picture, pixels.
        counts: (n,) bool, whether a face is to be found.
        cell: (N, 2), middles of the cells, pixels.
        stride: (N,), of the cells.

    Returns:
        (N,) int64: number of the face, the smallest one where several fit; :data:`NONE` or
        :data:`IGNORED`.
    """
    target = torch.full((len(cell),), NONE, dtype=torch.long)
    if not len(boxes):
        return target
    sides = boxes[:, 2:] - boxes[:, :2]
    size = sides.prod(1).sqrt()
    away = (cell[:, None] - (boxes[:, :2] + boxes[:, 2:])[None] / 2).abs()
    inside = (away <= sides[None] / 2).all(-1)
    away = away.max(-1).values
    fits = torch.zeros(len(cell), len(boxes), dtype=torch.bool)
    for each, low, high in zip(STRIDES, _FROM, _BELOW, strict=True):
        fits |= (stride == each)[:, None] & ((size >= low) & (size < high))[None]
    reach = torch.maximum(_NEAR * stride[:, None], _CORE * size[None])
    tells = (away <= reach) & fits & counts[None]
    ring = (away <= _RING * reach) & counts[None]
    target[(inside & ~counts[None]).any(1) | (ring.any(1) & ~tells.any(1))] = IGNORED
    for face in torch.argsort(size, descending=True).tolist():
        target[tells[:, face]] = face
    return target


def overlap(said: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Compare boxes.

    Args:
        said: (n, 4): middle x and y, width and height.
        true: (n, 4): left, top, right, bottom.

    Returns:
        IoU and generalised IoU, (n,) each.
    """
    low, high = said[:, :2] - said[:, 2:] / 2, said[:, :2] + said[:, 2:] / 2
    common = (torch.minimum(high, true[:, 2:]) - torch.maximum(low, true[:, :2])).clamp(min=0)
    common = common.prod(1)
    union = said[:, 2:].prod(1) + (true[:, 2:] - true[:, :2]).prod(1) - common
    hull = (torch.maximum(high, true[:, 2:]) - torch.minimum(low, true[:, :2])).prod(1)
    iou = common / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


def finder_losses(
    outputs: list[Tensor], boxes: list[Tensor], points: list[Tensor], counts: list[Tensor]
) -> Losses:
    """Judge what the network says of a batch.

    Args:
        outputs: Of the network, float32.
        boxes: (n, 4) of each picture: left, top, right, bottom of its faces, pixels.
        points: (n, 5, 2) of each picture, pixels.
        counts: (n,) bool of each picture, whether a face is to be found.

    Returns:
        The losses.
    """
    said = decode(outputs)
    wanted, weight = torch.zeros_like(said.score), torch.ones_like(said.score)
    zero = said.score.new_zeros(())
    box_loss, points_loss, faces = zero, zero, zero
    for i, true in enumerate(boxes):
        target = assign(true, counts[i], said.cell, said.stride)
        weight[i][target == IGNORED] = 0
        tells = target >= 0
        if not tells.any():
            continue
        face = target[tells]
        iou, generalised = overlap(said.box[i][tells], true[face])
        wanted[i][tells] = _LEAST + (1 - _LEAST) * iou.detach()
        # Large faces have more cells: each counts for more, but not as many times more.
        share = torch.bincount(face, minlength=len(true)).float()[face].rsqrt()
        size = (true[face][:, 2:] - true[face][:, :2]).prod(1).sqrt()
        error = (said.points[i][tells] - points[i][face]) / size[:, None, None]
        far = F.smooth_l1_loss(error, torch.zeros_like(error), beta=_SHARP, reduction="none")
        box_loss = box_loss + ((1 - generalised) * share).sum()
        points_loss = points_loss + (far.sum((1, 2)) * share).sum()
        faces = faces + share.sum()
    miss = (wanted - said.score.sigmoid()).abs().detach() ** 2
    entropy = F.binary_cross_entropy_with_logits(said.score, wanted, reduction="none")
    faces = faces.clamp(min=1)
    return Losses((entropy * miss * weight).sum() / faces, box_loss / faces, points_loss / faces)
