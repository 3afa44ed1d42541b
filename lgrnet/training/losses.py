"""The training loss (eq. 1 to 5, and ours of the intensities) and the AU weights w_i.

Labels are 0 or 1, and 9 where an annotator could not tell (FACS); a 9 takes no part in anything.

Where several processes train together, "the batch" is that of all of them: every process gets the
same numbers, and its gradients are such that their mean over the processes is the whole batch's.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lgrnet.data.shards import MISSING
from lgrnet.training.parallel import process_count, summed
from lgrnet.training.teacher import Lesson
from runtime.landmarks import LEFT_EYE, RIGHT_EYE


class Losses(NamedTuple):
    """The joint loss and its parts, scalars.

    Attributes:
        total: L_rec + L_dice + λ · L_align (eq. 4 and 5), plus the intensities' if there are any.
        recognition: L_rec, eq. 2.
        dice: L_dice, eq. 3.
        alignment: L_align, eq. 1.
        intensity: See :func:`intensity_loss`; 0 without that head.
        distillation: See :func:`distillation_loss`; 0 without a teacher.
    """

    total: Tensor
    recognition: Tensor
    dice: Tensor
    alignment: Tensor
    intensity: Tensor
    distillation: Tensor


def au_weights(labels: Tensor, aus: Sequence[int] | None = None) -> Tensor:
    """Weigh AUs by how rarely they occur in the training set (JAA-Net).

    Args:
        labels: (frames, n) of 0, 1 or 9.
        aus: FACS numbers of the columns, for the error; None if they are not known.

    Returns:
        w_i = n · (1 / r_i) / Σ (1 / r_u), (n,) float32, with r_i the share of present among judged
        frames; they sum to n.

    Raises:
        ValueError: An AU never occurs, so its weight would be infinite.
    """
    known = labels != MISSING
    present = (labels == 1) & known
    never = [i for i, count in enumerate(present.sum(0).tolist()) if count == 0]
    if never:
        if aus is None:
            raise ValueError(f"labels: the AUs in columns {never} never occur: leave them out")
        rest = [au for i, au in enumerate(aus) if i not in never]
        which = ", ".join(str(aus[i]) for i in never)
        raise ValueError(
            f"no face that is trained on shows AU {which}: take more faces or, in an experiment, "
            f"leave it out with --set 'model.aus={rest}'"
        )
    rarity = known.sum(0) / present.sum(0)  # 1 / r_i
    return rarity * (len(rarity) / rarity.sum())


def recognition_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Compute the weighted cross-entropy of eq. 2, averaged over the batch.

    Args:
        logits: (B, n).
        labels: (B, n) of 0, 1 or 9.
        weights: w_i, (n,).

    Returns:
        Scalar float32. Each AU is averaged over the faces that have its label; an AU that no face
        of the batch has adds nothing.
    """
    known = (labels != MISSING).float()
    target = (labels == 1).float()
    entropy = functional.binary_cross_entropy_with_logits(
        logits.float(), target, reduction="none"
    )  # (B, n)
    return (weights * _mean_over_known(entropy, known)).mean()


def dice_loss(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor,
    smooth: float = 1.0,
    over: Literal["sample", "batch"] = "sample",
) -> Tensor:
    """Compute the weighted Dice loss of eq. 3.

    The denominator is p² + p̂² + τ. The paper prints p² p̂² + τ, with which a perfect answer would
    have a loss of 1 − 3/2 < 0.

    Args:
        logits: (B, n).
        labels: (B, n) of 0, 1 or 9.
        weights: w_i, (n,).
        smooth: τ.
        over: Whether eq. 3 holds for each face, as printed, the losses then averaged ("sample"), or
            for the sums over the batch ("batch", as JÂA-Net's code has it but for its extra 1 / B).

    Returns:
        Scalar float32.
    """
    known = (labels != MISSING).float()
    target = (labels == 1).float()
    probability = logits.float().sigmoid()
    overlap = 2 * target * probability * known
    extent = (target.square() + probability.square()) * known
    if over == "batch":
        overlap, extent = summed(torch.stack([overlap.sum(0), extent.sum(0)]))  # (n,) each
        per_au = 1 - (overlap + smooth) / (extent + smooth)
    else:
        per_au = _mean_over_known(1 - (overlap + smooth) / (extent + smooth), known)
    return (weights * per_au).mean()


def intensity_loss(intensity: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Compute the weighted Huber loss of the intensities, averaged over the batch.

    Args:
        intensity: (B, n) in [0, 5].
        target: The same, NaN where unknown.
        weights: w_i, (n,).

    Returns:
        Scalar float32.
    """
    known = (~target.isnan()).float()
    error = functional.huber_loss(intensity.float(), target.nan_to_num().float(), reduction="none")
    return (weights * _mean_over_known(error, known)).mean()


def distillation_loss(logits: Tensor, labels: Tensor, weights: Tensor, lesson: Lesson) -> Tensor:
    """Compute the weighted cross-entropy between what pupil and teacher say, averaged over a batch.

    Args:
        logits: The pupil's, (B, n).
        labels: (B, n) of 0, 1 or 9: of what cannot be seen, a teacher has nothing to tell.
        weights: w_i, (n,).
        lesson: The teacher's.

    Returns:
        Scalar float32, least where both say the same. AUs that the teacher does not know count as
        0 in the mean over the n AUs.
    """
    columns = lesson.columns
    known = (labels[:, columns] != MISSING).float()
    entropy = functional.binary_cross_entropy_with_logits(
        logits[:, columns].float(), lesson.probability, reduction="none"
    )  # (B, k)
    return (weights[columns] * _mean_over_known(entropy, known)).sum() / len(weights)


def alignment_loss(landmarks: Tensor, target: Tensor) -> Tensor:
    """Compute the landmark loss of eq. 1, averaged over the batch.

    Args:
        landmarks: (B, 49, 2), pixels.
        target: True landmarks, (B, 49, 2), same pixels.

    Returns:
        Scalar float32: squared distances summed over the points, over 2 d_o².
    """
    target = target.float()
    eyes = target[:, LEFT_EYE].mean(1) - target[:, RIGHT_EYE].mean(1)  # (B, 2)
    squared = (landmarks.float() - target).square().sum((1, 2))
    # A face whose eyes coincide is a labelling error; the floor of 1 px keeps it from being inf.
    own = (squared / (2 * eyes.square().sum(1).clamp(min=1.0))).mean()
    return summed(own) / process_count()  # all have as many faces


def joint_loss(
    logits: Tensor,
    landmarks: Tensor,
    labels: Tensor,
    target: Tensor,
    weights: Tensor,
    *,
    align_weight: float = 0.5,
    smooth: float = 1.0,
    dice_over: Literal["sample", "batch"] = "sample",
    intensity: tuple[Tensor, Tensor] | None = None,
    intensity_weight: float = 0.2,
    local_logits: Tensor | None = None,
    lesson: Lesson | None = None,
    distil_weight: float = 1.0,
) -> Losses:
    """Compute the joint loss of eq. 5 and its parts.

    Args:
        logits: (B, n).
        landmarks: (B, 49, 2), pixels.
        labels: (B, n) of 0, 1 or 9.
        target: True landmarks, (B, 49, 2).
        weights: w_i, (n,), see :func:`au_weights`.
        align_weight: λ.
        smooth: τ.
        dice_over: See :func:`dice_loss`.
        intensity: Of a network with that head: what it says and what is true, (B, n) each.
        intensity_weight: Of the intensities' loss.
        local_logits: Of JÂA-Net's local heads, (B, n), which are judged as the final one is.
        lesson: Of a teacher, if there is one.
        distil_weight: Of the loss against it.

    Returns:
        The losses.
    """
    recognition = recognition_loss(logits, labels, weights)
    dice = dice_loss(logits, labels, weights, smooth, dice_over)
    if local_logits is not None:
        recognition = recognition + recognition_loss(local_logits, labels, weights)
        dice = dice + dice_loss(local_logits, labels, weights, smooth, dice_over)
    alignment = alignment_loss(landmarks, target)
    total = recognition + dice + align_weight * alignment
    strength = torch.zeros_like(total)
    if intensity is not None:
        strength = intensity_loss(*intensity, weights)
        total = total + intensity_weight * strength
    taught = torch.zeros_like(total)
    if lesson is not None:
        taught = distillation_loss(logits, labels, weights, lesson)
        total = total + distil_weight * taught
    return Losses(total, recognition, dice, alignment, strength, taught)


def _mean_over_known(values: Tensor, known: Tensor) -> Tensor:
    """Average (B, n) values over the faces whose label is known, (n,); 0 where there is none."""
    kept = torch.where(known > 0, values, 0.0)
    total, count = summed(torch.stack([kept.sum(0), known.sum(0)]))
    return total / count.clamp(min=1)
