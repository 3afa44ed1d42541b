"""What cameras and files do to a scene: blur, movement, exposure, colour, noise, compression.

Coarser and much faster than :mod:`lgrnet.faces.drawing.photo`: it runs for every scene of training.
"""

import cv2
import numpy as np

_BLURRED, _MOVED, _EXPOSED, _GREY, _NOISY, _COMPRESSED = 0.25, 0.12, 0.8, 0.12, 0.6, 0.6
_COLOURED = 0.15  # of the pictures are lit by a coloured light from one side
_STRONGER, _STRONG_BLUR = 0.2, 1.6  # of the blurs, and how much
_WORST_JPEG, _BEST_JPEG = 15, 95
_LEVELS = np.linspace(0, 1, 256)


def spoil(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Add flaws, each drawn at random.

    Args:
        rng: Source of randomness.
        image: (H, W, 3) uint8, BGR.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    if rng.random() < _BLURRED:
        blur = rng.uniform(0.4, 2.2) * (_STRONG_BLUR if rng.random() < _STRONGER else 1)
        image = cv2.GaussianBlur(image, (0, 0), blur)
    if rng.random() < _MOVED:
        image = cv2.filter2D(image, -1, _movement(rng))
    if rng.random() < _COLOURED:
        image = _light(rng, image)
    if rng.random() < _EXPOSED:
        image = cv2.LUT(image, _exposure(rng))
    if rng.random() < _GREY:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if rng.random() < _NOISY:
        spread = np.float32(abs(rng.normal(0, 6)))
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        noise *= spread
        noise += image
        image = np.clip(noise, 0, 255, out=noise).astype(np.uint8)
    if rng.random() < _COMPRESSED:
        quality = int(rng.integers(_WORST_JPEG, _BEST_JPEG + 1))
        stored = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        read = cv2.imdecode(stored, cv2.IMREAD_COLOR)
        assert read is not None  # it was just encoded
        image = read
    return image


def _movement(rng: np.random.Generator) -> np.ndarray:
    """Draw the kernel of a straight movement, across the picture or down it."""
    side = int(rng.integers(3, 9))
    kernel = np.zeros((side, side), np.float32)
    start, end = (0, int(rng.integers(side))), (side - 1, int(rng.integers(side)))
    cv2.line(kernel, start, end, 1)
    return kernel / kernel.sum()


def _light(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Multiply with two colours, one at either end of a random direction."""
    colours = np.exp(rng.normal(0, 0.35, (2, 3))).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in image.shape[:2])
    along = np.float32(np.cos(angle)) * columns + np.float32(np.sin(angle)) * rows[:, None]
    share = np.clip(along * np.float32(0.5) + np.float32(0.5), 0, 1)[..., None]
    lit = image * (colours[0] + share * (colours[1] - colours[0]))
    return np.minimum(lit, 255).astype(np.uint8)


def _exposure(rng: np.random.Generator) -> np.ndarray:
    """Draw how levels of the three channels are shown, (256, 1, 3) uint8."""
    bent = _LEVELS[:, None] ** rng.uniform(0.6, 1.6)
    gains = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.07, 3))
    shown = 255 * bent * gains + rng.normal(0, 12)
    return np.clip(shown, 0, 255).astype(np.uint8)[:, None]
