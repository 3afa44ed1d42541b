"""What a camera adds to light: exposure, tone curve, white balance, blur, noise, compression."""

import cv2
import numpy as np


def develop(linear: np.ndarray, gain: float) -> np.ndarray:
    """Turn linear light into a clean picture.

    Args:
        linear: (H, W, 3) float32, linear RGB, ≥ 0.
        gain: Exposure.

    Returns:
        (H, W, 3) float32 in [0, 1], sRGB-like.
    """
    exposed = linear * gain
    return np.clip(exposed / (1 + 0.18 * exposed), 0, 1) ** (1 / 2.2)


def meter(linear: np.ndarray, covered: np.ndarray, target: float) -> float:
    """Find the exposure that brings the covered pixels to a mean brightness.

    Args:
        linear: (H, W, 3) linear RGB.
        covered: (H, W) bool, the pixels that the camera meters on.
        target: Wanted mean of the developed green channel, in [0, 1].

    Returns:
        The gain, between 0.4 and 4.
    """
    if not covered.any():
        return 1.0
    mean = float(linear[..., 1][covered].mean())
    wanted = target**2.2
    return float(np.clip(wanted / max(mean * (1 - 0.18 * wanted), 1e-4), 0.4, 4.0))


def spoil(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Add a camera's flaws, each drawn at random.

    Args:
        rng: Source of randomness.
        picture: (H, W, 3) float32 in [0, 1], RGB.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    contrast, lift = rng.uniform(0.82, 1.18), rng.normal(0, 0.03)
    balance = 1 + rng.normal(0, 0.06) * np.array([1, 0, -1]) + rng.normal(0, 0.015, 3)
    picture = np.clip((picture - 0.5) * contrast + 0.5 + lift, 0, 1) * balance
    if rng.random() < 0.08:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)  # black-and-white cameras exist
    blur = rng.uniform(0, 1.1)
    if blur > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    if rng.random() < 0.15:  # an enlarged small face
        shrink = rng.uniform(0.35, 0.8)
        small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    picture = picture + rng.normal(0, rng.uniform(0.002, 0.02), picture.shape)
    encoded = to_bgr8(picture)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(50, 98))]
    return cv2.imdecode(cv2.imencode(".jpg", encoded, quality)[1], cv2.IMREAD_COLOR)


def to_bgr8(picture: np.ndarray) -> np.ndarray:
    """Turn RGB in [0, 1] into BGR bytes."""
    return np.ascontiguousarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)[..., ::-1])
