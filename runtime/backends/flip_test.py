"""Asking about each face and its mirror image, and answering with the mean.

Pose estimation calls this a flip test. A network says something else of a mirrored face (which the
noise of its answers is the larger part of); the mean of both is more accurate, and the same for
either. It takes the network twice the time.
"""

from collections.abc import Callable, Sequence

import numpy as np

from runtime.align import CROP_SIZE
from runtime.backends.base import Backend, FrameBackend, Outputs
from runtime.landmarks import flip

_MIRROR = np.array([[-1.0, 0.0, CROP_SIZE - 1], [0.0, 1.0, 0.0]])
"""Crop → mirrored crop, (2, 3)."""


def flip_tested(ask: Callable[[np.ndarray], Outputs], faces: np.ndarray) -> Outputs:
    """Ask about faces and their mirror images, all in one call.

    Args:
        ask: What answers: a backend, or a function that takes crops as `Backend.__call__` does.
        faces: Crops, (N, 176, 176, 3) uint8, BGR.

    Returns:
        The mean of what is said of both: of probabilities, intensities and landmarks.
    """
    return _mean_of_halves(ask(np.concatenate([faces, faces[:, :, ::-1]])))


def with_flip_test(backend: Backend) -> Backend:
    """Make a backend that answers by the mean of each face and its mirror image.

    Args:
        backend: The opened model, which the new one closes.

    Returns:
        One that cuts faces out of frames itself if the given one does.
    """
    if isinstance(backend, FrameBackend):
        return _FlipTestedFrames(backend, backend.from_frame)
    return _FlipTested(backend)


class _FlipTested:
    """A `Backend` around another."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.spec = backend.spec
        self.engine, self.device = backend.engine, backend.device
        self.provider, self.precision = backend.provider, backend.precision
        self.threads = backend.threads

    def __call__(self, faces: np.ndarray) -> Outputs:
        return flip_tested(self._backend, faces)

    def close(self) -> None:
        self._backend.close()


class _FlipTestedFrames(_FlipTested):
    """The same around a `FrameBackend`, which cuts out mirrored faces by mirrored matrices."""

    def __init__(
        self, backend: Backend, ask: Callable[[np.ndarray, Sequence[np.ndarray]], Outputs]
    ) -> None:
        super().__init__(backend)
        self._ask = ask

    def from_frame(self, frame: np.ndarray, matrices: Sequence[np.ndarray]) -> Outputs:
        mirrored = [_MIRROR @ np.vstack([each, [0, 0, 1]]) for each in matrices]
        return _mean_of_halves(self._ask(frame, [*matrices, *mirrored]))


def _mean_of_halves(said: Outputs) -> Outputs:
    """Average what is said of faces, the first half, and of their mirror images, the second."""
    count = len(said.probability) // 2

    def mean(values: np.ndarray) -> np.ndarray:
        return (values[:count] + values[count:]) / 2

    landmarks = np.concatenate([said.landmarks[:count], flip(said.landmarks[count:], CROP_SIZE)])
    intensity = None if said.intensity is None else mean(said.intensity)
    return Outputs(mean(said.probability), mean(landmarks), intensity)
