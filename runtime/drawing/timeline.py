"""The strip at the bottom: curves of the action units that were present in the last seconds."""

import math
from collections import deque
from itertools import pairwise

import cv2
import numpy as np

from runtime.boxes import Box
from runtime.drawing.places import widest_gap
from runtime.drawing.style import (
    BAR,
    BAR_PRESENT,
    FAINT,
    INK,
    PANEL,
    PANEL_OPACITY,
    Style,
    shade,
    text_width,
    write,
)
from runtime.results import FRAME_SECONDS, Face, Result

SECONDS = 8.0
"""How far back the curves go."""

LANES = 5
"""Action units at most, one above the other."""

FEW_LANES = 3
THIN_OPACITY = 0.35
"""How many there are, and how opaque they are, where the strip has to cover the face."""

LATELY = 2.0
"""Seconds after which presence counts 1/e in choosing the action units."""

_MOST_SAMPLES = 960
"""Samples kept of a face, eight seconds at 120 a second."""

Sample = tuple[float, dict[str, float], frozenset[str], int]
"""Time in seconds, probabilities, what is present, and which frame of the video it was."""


class History:
    """What the faces of the last seconds did; older samples and gone faces are dropped."""

    def __init__(self) -> None:
        self._samples: dict[int, deque[Sample]] = {}
        self._now = 0.0
        self._frames = 0
        self._name = ""

    def add(self, result: Result) -> None:
        """Take in a frame."""
        if result.name != self._name:  # another file, with faces and times of its own
            self._samples.clear()
            self._name = result.name
        time = result.timestamp
        self._now = result.index * FRAME_SECONDS if time is None else time
        self._frames += 1
        for face in result:
            kept = self._samples.setdefault(face.id, deque(maxlen=_MOST_SAMPLES))
            if kept and kept[-1][0] >= self._now:
                kept.clear()  # another video has begun
            values = {au: face.adjusted.get(au, value) for au, value in face.aus.items()}
            kept.append((self._now, values, frozenset(face.present), self._frames))
        for number in [n for n, kept in self._samples.items() if self._too_old(kept)]:
            del self._samples[number]

    def _too_old(self, kept: deque[Sample]) -> bool:
        while kept and not 0 <= self._now - kept[0][0] <= SECONDS:
            kept.popleft()
        return not kept

    def of(self, face: Face) -> list[Sample]:
        """Return a face's samples, the oldest first."""
        return list(self._samples.get(face.id, ()))

    @property
    def now(self) -> float:
        """Time of the last frame, seconds."""
        return self._now


def draw_timeline(
    canvas: np.ndarray,
    samples: list[Sample],
    now: float,
    own: tuple[Box, Box],
    others: list[Box],
    style: Style,
    owner: str = "",
) -> None:
    """Draw the strip onto a canvas, in place, where it hides no face.

    Nothing is drawn where no AU was present. Where its own chin is at the bottom of the frame, the
    strip has few lanes and lets it shine through. What moves in a face, brows to mouth, and other
    faces are never behind it: where they leave no room at all, there is no strip.

    Args:
        canvas: (H, W, 3) uint8, BGR.
        samples: Of one face, the oldest first.
        now: Time at the right end, seconds.
        own: Boxes of the face, and of its landmarks.
        others: What it must not cover: the other faces, the panel, tags.
        style: Sizes.
        owner: Whose curves they are, written below them.
    """
    label = text_width("AU00", style.font) + 2 * style.pad
    lane = round(1.15 * style.row)
    tries = (
        ([own[0], *others], LANES, PANEL_OPACITY),
        ([own[0], *others], FEW_LANES, PANEL_OPACITY),
        ([own[1], *others], FEW_LANES, THIN_OPACITY),
    )
    places = ((_place(canvas, samples, t[0], style, t[1], label), t[2]) for t in tries)
    place, opacity = next(((place, o) for place, o in places if place), (None, 0.0))
    if place is None:
        return
    lanes, (left, top, breadth, tall) = place
    shade(canvas, (left, top, breadth, tall), PANEL, opacity)
    wide = breadth - label - style.pad
    start = left + label
    times = np.array([sample[0] for sample in samples])
    # Frames without the face are gaps.
    gaps = (np.flatnonzero(np.diff([sample[3] for sample in samples]) > 1) + 1).tolist()
    xs = np.round(start + wide * (1 - (now - times) / SECONDS)).astype(int)
    y = top + style.pad
    for au in lanes:
        present = np.array([au in sample[2] for sample in samples])
        values = np.array([sample[1].get(au, 0.0) for sample in samples])
        write(canvas, au, (left + style.pad, y), style, INK if present[-1] else FAINT)
        for first, end in pairwise([0, *gaps, len(samples)]):
            part = slice(first, end)
            curve = (xs[part], values[part], present[part])
            _curve(canvas, *curve, (y + lane - 2, lane - 4), style)
        y += lane
    write(canvas, f"{owner} {SECONDS:.0f} s".strip(), (left + style.pad, y), style, FAINT)
    end = start + wide - text_width("now", style.font)
    write(canvas, "now", (end, y), style, FAINT)


def _place(
    canvas: np.ndarray,
    samples: list[Sample],
    obstacles: list[Box],
    style: Style,
    most: int,
    label: int,
) -> tuple[list[str], tuple[int, int, int, int]] | None:
    """Find AUs and room for them at the bottom; None where there is none of either."""
    height, width = canvas.shape[:2]
    lanes = busiest(samples, most)
    tall = len(lanes) * round(1.15 * style.row) + style.row + style.pad
    top = height - style.pad - tall
    left, right = widest_gap((style.pad, width - style.pad), obstacles, (top, height), style.pad)
    if not lanes or tall > 0.45 * height or right - left < 2.8 * label:
        return None
    return lanes, (left, top, min(right - left, width // 2), tall)


def busiest(samples: list[Sample], most: int = LANES) -> list[str]:
    """Choose the AUs that were present long and lately, in the order of their numbers."""
    weights: dict[str, float] = {}
    for time, _, present, _ in samples:
        weight = math.exp((time - samples[-1][0]) / LATELY)
        for au in present:
            weights[au] = weights.get(au, 0.0) + weight
    best = sorted(weights, key=lambda au: (-weights[au], au))[:most]
    return sorted(best)


def _curve(
    canvas: np.ndarray,
    xs: np.ndarray,
    values: np.ndarray,
    present: np.ndarray,
    place: tuple[int, int],
    style: Style,
) -> None:
    """Fill the area below a curve, in the colour of presence where the AU is present."""
    base, tall = place
    ys = np.round(base - tall * np.clip(values, 0, 1)).astype(int)
    line = np.stack([xs, ys], axis=1)
    # A run begins where presence changes, at the sample before, so that no gap is left.
    cuts = [0, *(np.flatnonzero(np.diff(present)) + 1).tolist(), len(xs)]
    for first, last in pairwise(cuts):
        run = line[max(first - 1, 0) : last]
        area = np.concatenate([run, [[run[-1, 0], base], [run[0, 0], base]]])
        cv2.fillPoly(canvas, [area], BAR_PRESENT if present[first] else BAR)
    cv2.polylines(canvas, [line], False, INK, max(1, style.line // 2), cv2.LINE_AA)
    cv2.line(canvas, (int(xs[0]), base), (int(xs[-1]), base), FAINT, 1)
