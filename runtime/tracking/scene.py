"""Whether a frame shows another scene, as after a cut of an edited video.

Faces in the same place before and after a cut look much alike, and landmarks fit one as well as the
other: only the picture as a whole tells that it is somebody else. A camera that moves keeps the
colours of the picture, light that changes keeps its layout, and a cut changes both at once. So both
are compared with those of the frame before, on some 64 rows of pixels: in 19 videos of one scene
each, up to 40 frames apart and under changes of light, no two frames differ like that, of frames
from two of them nine in ten do.

Not noticed are a cross-fade, and a cut between views that have layout or colours in common.
"""

import cv2
import numpy as np

from runtime.boxes import Box

ROWS = 64
"""About how many rows of pixels are looked at (up to twice as many)."""

SIDE = 16
"""Side of the layout, pixels."""

SAME_LAYOUT = 0.5
"""Correlation of brightness from which the layout is the same."""

SAME_COLOURS = 0.7
"""Overlap of two histograms from which the colours count as the same."""

SAME_SPOT = 0.9
"""Correlation from which a face is the same one in the same place, as in an inset of a screen of
which the rest changes."""

STEADY = 0.1
"""Mean change of the pixels, as a share of their mean, up to which one need not look closer."""

DARK = 24
"""Mean brightness below which nothing can be told, as in a fade; darker edges are black bars."""

_FLAT = 1.0  # standard deviation of brightness below which a picture is of one colour
_BINS = 16  # of a channel
_MIDDLE = 96.0  # mean brightness to which pictures are brought before their colours are compared


class View:
    """A frame in small.

    Args:
        frame: (H, W, 3) uint8, BGR.
    """

    def __init__(self, frame: np.ndarray) -> None:
        self._step = max(1, min(frame.shape[:2]) // ROWS)
        first = self._step // 2
        self._pixels = np.ascontiguousarray(frame[first :: self._step, first :: self._step])
        mean, deviation = cv2.meanStdDev(self._pixels)
        self._mean = float(mean.mean())
        self.tells = self._mean >= DARK and float(deviation.max()) >= _FLAT
        """Whether it shows anything: it is neither dark nor of a single colour."""

    def is_another_scene(self, other: "View") -> bool:
        """Tell whether layout and colours are both other than in a view of the same size.

        Where one of the two shows nothing it cannot be told: False.
        """
        if not (self.tells and other.tells):
            return False
        # Not by `cv2.norm`, which takes the second picture for its kind of norm first, and crashes
        # where a signal's handler raises meanwhile.
        apart = cv2.sumElems(cv2.absdiff(self._pixels, other._pixels))
        changed = sum(apart) / self._pixels.size
        if changed < STEADY * min(self._mean, other._mean):
            return False
        mine, its = _without_bars(self._pixels, other._pixels)
        return _common_layout(mine, its) < SAME_LAYOUT and _common_colours(mine, its) < SAME_COLOURS

    def is_same_scene(self, other: "View") -> bool:
        """Tell whether layout and colours are both those of a view of the same size."""
        mine, its = _without_bars(self._pixels, other._pixels)
        return (
            _common_layout(mine, its) >= SAME_LAYOUT and _common_colours(mine, its) >= SAME_COLOURS
        )

    def is_same_at(self, box: Box, other: "View") -> bool:
        """Tell whether the same face is in the same place in a view of the same size.

        Args:
            box: Of the face, pixels of the frame.
            other: The view.
        """
        x, y, width, height = (value / self._step for value in box)
        rows, columns = self._pixels.shape[:2]
        left, right = np.clip([x, x + width], 0, columns).astype(int)
        top, bottom = np.clip([y, y + height], 0, rows).astype(int)
        if right - left < 2 or bottom - top < 2:
            return False
        mine, its = (
            np.ascontiguousarray(view._pixels[top:bottom, left:right]) for view in (self, other)
        )
        return _common_layout(mine, its) >= SAME_SPOT and _common_colours(mine, its) >= SAME_COLOURS


def _without_bars(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut off the edges that are black in both, as of a film or a telephone's video."""
    lit = np.maximum(one, other).max(2) >= DARK
    rows, columns = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    if not len(rows):
        return one, other
    inner = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.ascontiguousarray(one[inner]), np.ascontiguousarray(other[inner])


def _common_layout(one: np.ndarray, other: np.ndarray) -> float:
    """Correlate the brightness of two pictures in small; 0 where one of them has none."""
    vectors = []
    for pixels in (one, other):
        small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        grey = small.sum(2, dtype=np.float32).ravel()
        grey -= grey.mean()
        vectors.append(grey / max(float(np.linalg.norm(grey)), 1e-6))
    return float(vectors[0] @ vectors[1])


def _common_colours(one: np.ndarray, other: np.ndarray) -> float:
    """Intersect the histograms of two pictures, brought to one brightness; 0 to 1."""
    return float(np.minimum(_colours(one), _colours(other)).sum())


def _colours(pixels: np.ndarray) -> np.ndarray:
    """Count colours, as shares; smoothed, as those at the edge of a bin may change a little."""
    lit = cv2.convertScaleAbs(pixels, alpha=_MIDDLE / max(1.0, float(pixels.mean())))
    counts = cv2.calcHist([lit], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3)
    shares = counts / (lit.shape[0] * lit.shape[1])
    for axis in (0, 1, 2, 0, 1, 2):
        first, last = (shares.take([end], axis) for end in (0, -1))
        wide = np.concatenate([first, shares, last], axis)
        before, after = (wide.take(range(at, at + _BINS), axis) for at in (0, 2))
        shares = (before + 2 * shares + after) / 4
    return shares
