"""Random crops, flips and disturbances of an aligned face, for training only.

The paper crops and flips (section IV-A). Live tracking aligns a face by predicted landmarks, so the
network also meets faces that are turned, scaled and shifted a little, and cameras and hands do the
rest; those are options here and off in the paper's protocol.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from runtime import landmarks as points49
from runtime.align import ALIGNED_SIZE, BORDER, CROP_SIZE, transform


@dataclass(frozen=True)
class AugmentConfig:
    """How strongly training faces are disturbed; the defaults are the paper's protocol.

    Attributes:
        flip: Probability of a mirrored face.
        rotation: Standard deviation of an extra rotation, degrees.
        scale: Standard deviation of the logarithm of an extra scale.
        photometric: Strength of random gain, gamma and colour casts, 0 to 1.
        occlusion: Probability that a patch covers part of the face; labels stay.
        grey_border: Probability that what lies outside the aligned face is grey, as it is where a
            face meets the edge of a frame; the rest of the time the edge is extended.
    """

    flip: float = 0.5
    rotation: float = 0.0
    scale: float = 0.0
    photometric: float = 0.0
    occlusion: float = 0.0
    grey_border: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("flip", "photometric", "occlusion", "grey_border"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"augment.{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("rotation", "scale"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"augment.{name} must not be negative, got {getattr(self, name)}")


def augment(
    rng: np.random.Generator, face: np.ndarray, landmarks: np.ndarray, config: AugmentConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Crop and disturb one face.

    Args:
        rng: Source of randomness.
        face: (200, 200, 3) uint8, BGR.
        landmarks: (49, 2), pixels of that face; not changed.
        config: How strongly.

    Returns:
        Crop (176, 176, 3) uint8 BGR and its landmarks (49, 2) float32, pixels of the crop.
    """
    matrix = _jitter(rng, config)
    grey = rng.random() < config.grey_border
    crop = cv2.warpAffine(
        face,
        matrix,
        (CROP_SIZE, CROP_SIZE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT if grey else cv2.BORDER_REPLICATE,
        borderValue=BORDER,
    )
    moved = transform(landmarks.astype(np.float64), matrix)
    if rng.random() < config.flip:
        crop, moved = crop[:, ::-1], points49.flip(moved, CROP_SIZE)
    if rng.random() < config.occlusion:
        crop = _occlude(rng, np.array(crop))
    if config.photometric > 0:
        crop = _recolour(rng, crop, config.photometric)
    return np.ascontiguousarray(crop), moved.astype(np.float32)


def _jitter(rng: np.random.Generator, config: AugmentConfig) -> np.ndarray:
    """Draw the (2, 3) matrix aligned face → crop: rotation, scale about the middle, crop."""
    angle = np.deg2rad(rng.normal(0, config.rotation)) if config.rotation else 0.0
    scale = np.exp(rng.normal(0, config.scale)) if config.scale else 1.0
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    middle = np.full(2, (ALIGNED_SIZE - 1) / 2)
    offset = rng.integers(0, ALIGNED_SIZE - CROP_SIZE + 1, 2)
    return np.hstack([linear, (middle - linear @ middle - offset)[:, None]])


def _occlude(rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    """Cover a random ellipse or box with a flat or noisy colour."""
    centre = rng.uniform(0, CROP_SIZE, 2).astype(int).tolist()
    half = rng.uniform(8, 40, 2).astype(int).tolist()
    colour = rng.uniform(0, 255, 3).tolist()
    patch = crop.copy()
    if rng.random() < 0.5:
        cv2.ellipse(patch, centre, half, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    else:
        corner = [c - h for c, h in zip(centre, half, strict=True)]
        cv2.rectangle(patch, (*corner, 2 * half[0], 2 * half[1]), colour, -1)
    if rng.random() < 0.5:
        noisy = patch + rng.normal(0, 25, crop.shape)
        covered = (patch != crop).any(2, keepdims=True)
        patch = np.where(covered, noisy.clip(0, 255), patch).astype(np.uint8)
    return patch


def _recolour(rng: np.random.Generator, crop: np.ndarray, strength: float) -> np.ndarray:
    """Apply a random gamma, gain and colour cast through one lookup table a channel."""
    level = np.linspace(0, 1, 256)
    gamma = np.exp(rng.normal(0, 0.25 * strength))
    gain = np.exp(rng.normal(0, 0.15 * strength))
    cast = np.exp(rng.normal(0, 0.06 * strength, 3))
    table = (level[:, None] ** gamma * gain * cast * 255).clip(0, 255).astype(np.uint8)
    return cv2.LUT(np.ascontiguousarray(crop), table[None])
