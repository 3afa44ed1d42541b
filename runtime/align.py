"""Similarity alignment of a face: one geometry for training data, for the demo and for live video.

A face is rotated so that its eyes are level and scaled by the box of five anchors (eye centres,
nose tip, mouth corners), as the corpora's prepared images are (JÂA-Net's protocol). The aligned
image is 200 × 200; the network sees a 176 × 176 crop of it, the middle one outside training.

Matrices are (2, 3) float64 and map points (x, y, 1) of the source to the destination, in pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from runtime.landmarks import COUNT, MOUTH_LEFT, MOUTH_RIGHT, NOSE_TIP, eye_centres

ALIGNED_SIZE = 200
"""Side of an aligned face, pixels."""

CROP_SIZE = 176
"""Side of the network's crop, pixels."""

CROP_OFFSET = (ALIGNED_SIZE - CROP_SIZE) // 2
"""Where the middle crop starts in the aligned face, pixels."""

ENLARGEMENT = 2.9
"""Side of the aligned image over the longer side of the anchors' box."""

BORDER = (128, 128, 128)
"""What lies outside the frame: BGR, 0 to 255."""


def alignment_matrix(points: np.ndarray) -> np.ndarray:
    """Find the similarity that takes a face to its aligned 200 × 200 image.

    The longer side of the five anchors' box lands exactly on [65.19, 133.81], that is 199 / 2.9
    pixels around the middle.

    Args:
        points: Landmarks, (49, 2), pixels of the frame.

    Returns:
        Matrix, (2, 3), frame → aligned image.

    Raises:
        ValueError: The points are not (49, 2) or not finite, or both eyes are at one place.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.shape != (COUNT, 2):
        raise ValueError(f"alignment needs landmarks of shape (49, 2), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("alignment needs finite landmarks, got NaN or infinity among them")
    left, right = eye_centres(points)
    return anchor_matrix(
        np.stack([left, right, points[NOSE_TIP], points[MOUTH_LEFT], points[MOUTH_RIGHT]])
    )


def anchor_matrix(anchors: np.ndarray) -> np.ndarray:
    """Find the same similarity from the five anchors alone, as some face finders give them.

    Args:
        anchors: Left and right eye centre, nose tip, left and right mouth corner, as the viewer
            sees them, (5, 2), finite, pixels of the frame.

    Returns:
        Matrix, (2, 3), frame → aligned image.

    Raises:
        ValueError: The eyes coincide.
    """
    left, right = anchors[:2]
    dx, dy = right - left
    span = float(np.hypot(dx, dy))
    if span < 1e-6:
        raise ValueError("alignment needs two eyes apart from each other, got both at one place")
    cos, sin = dx / span, dy / span
    rotation = np.array([[cos, sin], [-sin, cos]])
    turned = anchors @ rotation.T
    low, high = turned.min(0), turned.max(0)
    half = 0.5 * ENLARGEMENT * (high - low).max()
    scale = (ALIGNED_SIZE - 1) / 2 / half
    shift = scale * (half - (low + high) / 2)
    return np.hstack([scale * rotation, shift[:, None]])


def crop_matrix(matrix: np.ndarray) -> np.ndarray:
    """Move an alignment so that it ends in the crop instead of the aligned image.

    Args:
        matrix: Frame → aligned image, (2, 3).

    Returns:
        Matrix, (2, 3), frame → crop.
    """
    moved = matrix.copy()
    moved[:, 2] -= CROP_OFFSET
    return moved


def middle_crop(face: np.ndarray) -> np.ndarray:
    """Take the middle of an aligned face, (200, 200, 3), as the network sees it: (176, 176, 3)."""
    inside = slice(CROP_OFFSET, CROP_OFFSET + CROP_SIZE)
    return face[inside, inside]


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a matrix to points.

    Args:
        points: Points, (..., 2).
        matrix: (2, 3).

    Returns:
        Points, (..., 2).
    """
    return points @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """Invert a similarity or affine matrix.

    Args:
        matrix: (2, 3).

    Returns:
        The inverse, (2, 3).
    """
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack([linear, -linear @ matrix[:, 2:]])


def warp(frame: np.ndarray, matrix: np.ndarray, size: int = CROP_SIZE) -> np.ndarray:
    """Sample a square image bilinearly from a frame; grey (128) lies outside the frame.

    One affine warp goes from the frame to the output, with no aligned image in between. Faces that
    shrink to half or less (that span 2 × 200 pixels of the frame or more) are averaged down by a
    whole factor first: bilinear sampling alone would skip pixels, and turn the pores and hair of a
    large photograph into noise.

    Args:
        frame: (H, W, 3) uint8, any colour order, kept.
        matrix: Similarity, frame → output, (2, 3).
        size: Side of the output, pixels.

    Returns:
        (size, size, 3) uint8.
    """
    how = sampling((frame.shape[1], frame.shape[0]), matrix, size)
    if how.factor > 1:
        frame = _average(frame, how)
    return cv2.warpAffine(
        frame, how.matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=BORDER
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """How `warp` reads a frame: squares of pixels are averaged, and those are sampled.

    Attributes:
        factor: Side of a square, pixels; 1 where nothing is averaged.
        left: Pixel column of the frame at which the first square begins.
        top: Pixel row of it.
        columns: Squares side by side; those beyond are as grey as what lies outside the frame.
        rows: Squares one below the other.
        matrix: Squares → output, (2, 3).
    """

    factor: int
    left: int
    top: int
    columns: int
    rows: int
    matrix: np.ndarray


def sampling(frame_size: tuple[int, int], matrix: np.ndarray, size: int) -> Sampling:
    """Tell how `warp` reads a frame.

    Args:
        frame_size: Width and height of the frame, pixels.
        matrix: Similarity, frame → output, (2, 3).
        size: Side of the output, pixels.

    Returns:
        How; the whole frame where nothing is averaged, else the part of it that the output shows.
    """
    width, height = frame_size
    whole = Sampling(1, 0, 0, width, height, matrix)
    factor = int(1 / max(np.hypot(*matrix[:, 0]), 1e-6))
    if factor < 2:
        return whole
    low, high = reach(matrix, size)
    x0, y0 = np.maximum(np.floor(low).astype(int) - factor, 0)
    x1, y1 = np.minimum(np.ceil(high).astype(int) + factor, (width, height))
    columns, rows = (x1 - x0) // factor, (y1 - y0) // factor
    if columns < 1 or rows < 1:
        return whole
    # Square i is the mean of factor pixels, centred at factor·i + (factor−1)/2.
    centre = np.array([x0, y0]) + (factor - 1) / 2
    squares = np.hstack([matrix[:, :2] * factor, transform(centre, matrix)[:, None]])
    return Sampling(factor, int(x0), int(y0), int(columns), int(rows), squares)


def reach(matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the upright rectangle that an output shows.

    Args:
        matrix: Source → output, (2, 3).
        size: Side of the output, pixels.

    Returns:
        Its lowest and its highest (x, y), pixels of the source.
    """
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], dtype=np.float64)
    points = transform(corners, invert(matrix))
    return points.min(0), points.max(0)


def _average(frame: np.ndarray, how: Sampling) -> np.ndarray:
    bottom, right = how.top + how.rows * how.factor, how.left + how.columns * how.factor
    part = frame[how.top : bottom, how.left : right]
    return cv2.resize(part, (how.columns, how.rows), interpolation=cv2.INTER_AREA)
