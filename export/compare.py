"""Whether an exported model computes what the network computes, on faces."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from export.plain import PlainGraph
from lgrnet.network.model import LGRNet
from runtime.action_units import MAX_INTENSITY
from runtime.backends.base import Backend, Outputs

DISTINCTION = 2
"""By what factor faces must differ more from each other than the two computations of one face. A
graph that answers the same to all faces differs from a network that does not by half of what faces
differ by, or more."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far apart two computations of the same faces are.

    Attributes:
        faces: Number of faces.
        probability: Largest difference of an AU's probability.
        landmarks: Largest difference of a landmark coordinate, pixels.
        intensity: Largest difference of an AU's intensity, 0 to 5; None without that head.
        ties: Faces with a patch centre so near the middle between two cells of the grid that the
            rounding error of the landmarks decides its cell. There the network's patches were
            placed by the exported model's landmarks, and all else was compared.
        probability_spread: How much the exported model's probabilities vary between faces: the
            largest difference of one AU's.
        landmark_spread: The same of a landmark coordinate, pixels.
        intensity_spread: The same of an intensity.
    """

    faces: int
    probability: float
    landmarks: float
    ties: int
    probability_spread: float
    landmark_spread: float
    intensity: float | None = None
    intensity_spread: float = 0.0

    def failures(self, tolerance: float, landmark_tolerance: float) -> list[str]:
        """Say what is wrong.

        Args:
            tolerance: How much a probability may differ, and by how much of its range of 5 an
                intensity.
            landmark_tolerance: How much a landmark coordinate may differ, pixels.

        Returns:
            What is wrong, in words; nothing if all is well.
        """
        found = []
        checks = [
            ("AU probabilities", self.probability, tolerance, self.probability_spread),
            ("landmarks", self.landmarks, landmark_tolerance, self.landmark_spread),
        ]
        if self.intensity is not None:
            limit = MAX_INTENSITY * tolerance
            checks.append(("AU intensities", self.intensity, limit, self.intensity_spread))
        for name, difference, limit, spread in checks:
            # Both are written so that NaN fails.
            if not difference <= limit:
                found.append(
                    f"{name} differ from PyTorch's by up to {difference:.2e}, the tolerance is "
                    f"{limit:.0e}"
                )
            if not spread > DISTINCTION * difference:
                found.append(
                    f"{name} vary by {spread:.2e} between faces and differ from PyTorch's by "
                    f"{difference:.2e}, so that they do not tell faces apart"
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
    # Every place of the batch gets a face, whatever its size.
    order = np.arange(max(len(faces), backend.spec.batch)) % len(faces)
    said = backend(faces[order])
    graph = PlainGraph(model)
    ties = 0
    differences = []
    for index, face in enumerate(faces):
        mine = order == index
        expected = _run(graph, face)
        if not _same_cells(model, expected.landmarks, *said.landmarks[mine]):
            ties += 1
            with _patches_from(model, said.landmarks[mine][0]):
                expected = _run(graph, face)._replace(landmarks=expected.landmarks)
        pairs = zip(said, expected, strict=True)
        differences.append(
            [np.abs(a[mine] - b).max() for a, b in pairs if a is not None and b is not None]
        )
    worst = [float(value) for value in np.max(differences, axis=0)]  # NaN if any is
    spreads = [float(np.ptp(each, axis=0).max()) for each in said if each is not None]
    return Comparison(
        faces=len(faces),
        probability=worst[0],
        landmarks=worst[1],
        ties=ties,
        probability_spread=spreads[0],
        landmark_spread=spreads[1],
        intensity=worst[2] if model.config.intensity else None,
        intensity_spread=spreads[2] if model.config.intensity else 0.0,
    )


def _run(graph: PlainGraph, face: np.ndarray) -> Outputs:
    with torch.inference_mode():
        return Outputs(*(each[0].numpy() for each in graph(torch.from_numpy(face)[None])))


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
