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
    """Add a camera's flaws, each drawn at random: most pictures are good, few are bad.

    In the order in which light meets them: lens, motion, sensor, the camera's own processing, and
    what storing and sending the picture costs.

    Args:
        rng: Source of randomness.
        picture: (H, W, 3) float32 in [0, 1], RGB.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    picture = _blur(rng, picture.astype(np.float32))
    picture = _tone(rng, picture)
    if rng.random() < 0.2:  # an enlarged small face
        picture = _enlarge(rng, picture, rng.uniform(0.35, 0.8))
    picture = _noise(rng, picture)
    if rng.random() < 0.15:
        picture = _smooth(rng, picture)
    if rng.random() < 0.2:
        picture = picture + rng.uniform(0.2, 1.0) * (
            picture - cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.8, 2))
        )
    encoded = to_bgr8(picture)
    if rng.random() < 0.25:
        encoded = _video(rng, encoded)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(45, 98))]
    return cv2.imdecode(cv2.imencode(".jpg", encoded, quality)[1], cv2.IMREAD_COLOR)


def _blur(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Put the face out of focus, or let it move while the shutter is open."""
    if rng.random() < 0.2:
        length = rng.uniform(1.5, 7)
        kernel = np.zeros((9, 9), np.uint8)
        angle = rng.uniform(0, np.pi)
        half = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        ends = np.round((np.array([4 - half, 4 + half])) * 16).astype(int).tolist()
        cv2.line(kernel, ends[0], ends[1], 255, 1, cv2.LINE_AA, 4)
        weights = kernel.astype(np.float32)
        picture = cv2.filter2D(picture, -1, weights / weights.sum())
    sigma = rng.uniform(0, 1.1) if rng.random() < 0.9 else rng.uniform(1.1, 2.2)
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma > 0.3 else picture


def _tone(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Balance white wrongly, bend the tone curve, take colour away."""
    contrast, lift, gamma = rng.uniform(0.8, 1.2), rng.normal(0, 0.03), np.exp(rng.normal(0, 0.12))
    # Lamp light is redder and shade bluer than what the camera takes for white; tubes are green.
    warm = rng.normal(0, 0.14) if rng.random() < 0.3 else rng.normal(0, 0.05)
    green = rng.normal(0, 0.025)
    balance = np.array([1 + warm, 1 + green, 1 - 1.2 * warm], np.float32)
    picture = np.clip(picture * balance, 0, 1) ** np.float32(gamma)
    picture = np.clip((picture - 0.5) * np.float32(contrast) + np.float32(0.5 + lift), 0, 1)
    grey = picture @ np.array([0.30, 0.59, 0.11], np.float32)
    colour = 0.0 if rng.random() < 0.07 else rng.uniform(0.55, 1.3)  # some cameras see no colour
    picture = grey[..., None] + np.float32(colour) * (picture - grey[..., None])
    if rng.random() < 0.3:
        picture = picture * _vignette(rng, picture.shape)
    return picture


def _vignette(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return how the picture darkens to the corners, (H, W, 1) float32."""
    y, x = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    far = (x - rng.normal(0, 0.4)) ** 2 + (y - rng.normal(0, 0.4)) ** 2
    return (1 / (1 + rng.uniform(0.05, 0.35) * far)).astype(np.float32)[..., None]


def _enlarge(rng: np.random.Generator, picture: np.ndarray, shrink: float) -> np.ndarray:
    """Throw away resolution."""
    small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    how = rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
    return cv2.resize(small, picture.shape[1::-1], interpolation=int(how))


def _noise(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Add the noise of a sensor: of reading it, and of few photons, at times smeared out."""
    read, shot = rng.uniform(0.001, 0.012), rng.uniform(0, 0.03) ** 1.2
    if rng.random() < 0.06:
        read, shot = read + rng.uniform(0, 0.03), shot + rng.uniform(0, 0.04)
    grain = rng.standard_normal(picture.shape, dtype=np.float32)
    if rng.random() < 0.3:
        grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 1.2)) * np.float32(1.6)
    return picture + grain * (read + shot * np.sqrt(np.clip(picture, 0, 1)))


def _smooth(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Wipe fine detail away, as denoisers and beauty filters do."""
    clean = np.ascontiguousarray(picture, np.float32)
    return cv2.bilateralFilter(clean, 5, rng.uniform(0.03, 0.12), rng.uniform(1.5, 3))


def _video(rng: np.random.Generator, encoded: np.ndarray) -> np.ndarray:
    """Compress as video is: coarse blocks that lie anywhere, colour at half the resolution."""
    up, left = rng.integers(0, 8, 2).tolist()
    rows, columns = encoded.shape[:2]
    padded = cv2.copyMakeBorder(encoded, up, 8 - up, left, 8 - left, cv2.BORDER_REPLICATE)
    quality = [
        *(cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(18, 55))),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
    ]
    block = cv2.imdecode(cv2.imencode(".jpg", padded, quality)[1], cv2.IMREAD_COLOR)
    if rng.random() < 0.5:  # a deblocking filter
        block = cv2.bilateralFilter(block, 3, 12, 2)
    return np.ascontiguousarray(block[up : up + rows, left : left + columns])


def to_bgr8(picture: np.ndarray) -> np.ndarray:
    """Turn RGB in [0, 1] into BGR bytes."""
    return np.ascontiguousarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)[..., ::-1])
