"""How many frames in a row are alike; what moves costs next to nothing."""

import numpy as np

_SAMPLES = 48  # along each side of a frame


class Repeats:
    """Counts how many frames in a row are alike, in a sample of their pixels."""

    def __init__(self) -> None:
        self._sample: np.ndarray | None = None
        self.run = 0

    def __call__(self, frame: np.ndarray) -> int:
        """Look at the next frame, (H, W, 3); give how many are alike now, itself among them."""
        height, width = frame.shape[:2]
        sample = frame[:: height // _SAMPLES + 1, :: width // _SAMPLES + 1].copy()
        before, self._sample = self._sample, sample
        alike = before is not None and np.array_equal(before, sample)
        self.run = self.run + 1 if alike else 1
        return self.run


class Frozen:
    """Finds out, once, that so many frames in a row are the same byte for byte.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._repeats = Repeats()
        self._kept: np.ndarray | None = None
        self._alike = 0
        self._told = False

    def __call__(self, frame: np.ndarray) -> bool:
        """Look at the next frame, (H, W, 3); say whether it is the last of so many."""
        if self._told:
            return False
        if self._repeats(frame) == 1:
            self._kept = None  # so that what moves is not copied
        elif self._kept is not None and np.array_equal(self._kept, frame):
            self._alike += 1
        else:
            self._kept, self._alike = frame.copy(), 1
        self._told = self._kept is not None and self._alike >= self._most
        return self._told
