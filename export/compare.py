"""Whether an exported model computes what the network computes, on faces."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from export.graph import PlainGraph
from lgrnet.model import LGRNet
from runtime.backends.base import Backend

PROBABILITY_TOLERANCE = 1e-4
"""Rounding differs between the two by some 1e-6; a threshold has two digits."""

LANDMARK_TOLERANCE = 0.01
"""Pixels. Rounding differs by some 1e-4; landmarks themselves are known to about a pixel."""

DISTINCTION = 2
"""By what factor faces must differ more from each other than the two computations of one face."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far apart two computations of the same faces are.

    Attributes:
        faces: Number of faces.
        probability: Largest difference of an AU's probability.
        landmarks: Largest difference of a landmark coordinate, pixels.
        ties: Faces with a patch centre so near the middle between two cells of the grid that the
            rounding error of the landmarks decides its cell. There the reference's patches were
            placed by the exported model's landmarks, and all else was compared.
        probability_spread: How much the exported model's probabilities differ between faces: the
            largest difference of one AU's.
        landmark_spread: The same of a landmark coordinate, pixels.
    """

    faces: int
    probability: float
    landmarks: float
    ties: int
    probability_spread: float
    landmark_spread: float

    def failures(self, probability_tolerance: float, landmark_tolerance: float) -> list[str]:
        """Say what is wrong.

        Args:
            probability_tolerance: How much a probability may differ.
            landmark_tolerance: How much a landmark coordinate may differ, pixels.

        Returns:
            Sentences; none if all is well.
        """
        found = []
        for name, difference, tolerance, spread in (
            ("AU probabilities", self.probability, probability_tolerance, self.probability_spread),
            ("landmarks", self.landmarks, landmark_tolerance, self.landmark_spread),
        ):
            # Written so that NaN fails.
            if not difference <= tolerance:
                found.append(
                    f"{name} differ by up to {difference:.2e} from PyTorch, more than the "
                    f"tolerance of {tolerance:.0e}"
                )
            if not spread > DISTINCTION * difference:
                found.append(
                    f"{name} hardly differ between faces ({spread:.2e}; from PyTorch "
                    f"{difference:.2e}), so that the comparison proves nothing"
                )
        return found


def compare(model: LGRNet, backend: Backend, faces: np.ndarray) -> Comparison:
    """Run both on the same faces.

    Args:
        model: The network, in evaluation mode on the CPU.
        backend: The opened export.
        faces: Crops, (N, 176, 176, 3) uint8, BGR.

    Returns:
        The differences.
    """
    probability, landmarks = backend(faces)
    reference = PlainGraph(model)
    ties = 0
    worst_probability = worst_landmark = 0.0
    for index, face in enumerate(faces):
        expected_probability, expected = _run(reference, face)
        if not _same_cells(model, expected, landmarks[index]):
            ties += 1
            with _patches_from(model, landmarks[index]):
                expected_probability, _ = _run(reference, face)
        # np.fmax would hide NaN, np.maximum keeps it.
        worst_probability = np.maximum(
            worst_probability, np.abs(expected_probability - probability[index]).max()
        )
        worst_landmark = np.maximum(worst_landmark, np.abs(expected - landmarks[index]).max())
    return Comparison(
        faces=len(faces),
        probability=float(worst_probability),
        landmarks=float(worst_landmark),
        ties=ties,
        probability_spread=float(np.ptp(probability, axis=0).max()),
        landmark_spread=float(np.ptp(landmarks, axis=0).max()),
    )


def _run(graph: PlainGraph, face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with torch.inference_mode():
        probability, landmarks = graph(torch.from_numpy(face)[None])
    return probability[0].numpy(), landmarks[0].numpy()


def _same_cells(model: LGRNet, *landmarks: np.ndarray) -> bool:
    """Whether all these landmarks place all patches on the same cells."""
    with torch.inference_mode():
        maps = [model.patches(torch.from_numpy(each)[None]) for each in landmarks]
    return all(torch.equal(maps[0], each) for each in maps[1:])


@contextmanager
def _patches_from(model: LGRNet, landmarks: np.ndarray) -> Iterator[None]:
    """Let the network place its patches by other landmarks than its own."""

    def replace(_module: object, arguments: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (torch.from_numpy(landmarks).expand_as(arguments[0]),)

    hook = model.patches.register_forward_pre_hook(replace)
    try:
        yield
    finally:
        hook.remove()
