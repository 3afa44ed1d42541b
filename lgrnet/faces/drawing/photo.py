"""What a camera adds to light: exposure, tone curve, white balance, blur, noise, compression."""

import cv2
import numpy as np

from lgrnet.faces.drawing.codec import compress_video
from lgrnet.faces.drawing.flaws import Compression, Flaws, sample_flaws

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601
_DAYLIGHT = 1e6 / 6504  # mired of D65, sRGB's white
_DARKEST, _BRIGHTEST = 0.15, 0.8  # how the picture's middle, where the face is, may look
_GAMMA = 2.2
_TOE = 0.001  # light below which the curve is straight, so that noise in the dark stays bounded
_XYZ_TO_RGB = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
)  # IEC 61966-2-1


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
    """Add a camera's flaws, each drawn at random: slight in most pictures, harsh in few.

    Args:
        rng: Source of randomness.
        picture: (H, W, 3) float32 in [0, 1], RGB.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    return apply_flaws(rng, picture, sample_flaws(rng))


def apply_flaws(rng: np.random.Generator, picture: np.ndarray, flaws: Flaws) -> np.ndarray:
    """Add given flaws, in the order in which they come about: lens, sensor, processor, codec.

    Args:
        rng: Source of the noise.
        picture: (H, W, 3) float32 in [0, 1], RGB.
        flaws: What to add.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    size = picture.shape[1::-1]
    light = _light(np.asarray(picture, np.float32))
    gains = _white_balance(flaws) * 2 ** _stops(light, flaws)
    light = cv2.transform(light, np.diag(gains))
    light = _blur(light, flaws)
    if flaws.scale < 1:
        small = [max(1, round(side * flaws.scale)) for side in size]
        light = cv2.resize(light, small, interpolation=cv2.INTER_AREA)
    if flaws.vignette:
        light *= cv2.cvtColor(_vignette(flaws, light.shape), cv2.COLOR_GRAY2RGB)
    light += _noise(rng, light, flaws)
    seen = _tone(light, flaws)
    if flaws.smoothing:
        seen = cv2.bilateralFilter(seen, 5, flaws.smoothing, 2.5)
    if flaws.sharpening:
        soft = cv2.GaussianBlur(seen, (0, 0), flaws.sharpening_radius)
        seen = cv2.addWeighted(seen, 1 + flaws.sharpening, soft, -flaws.sharpening, 0)
    seen = _rows(rng, seen, flaws)
    for place, compression in enumerate(flaws.compressions):
        if flaws.early and place == len(flaws.compressions) - 1:
            seen = _enlarge(seen, size, flaws.enlargement)
        seen = _compress(np.clip(seen, 0, 1), compression)
    return to_bgr8(_enlarge(seen, size, flaws.enlargement))


def to_bgr8(picture: np.ndarray) -> np.ndarray:
    """Turn RGB in [0, 1] into BGR bytes."""
    return cv2.cvtColor((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8), cv2.COLOR_RGB2BGR)


def planckian(mired: float) -> np.ndarray:
    """Return the linear sRGB of a glowing body, (3,), green 1.

    The locus is Krystek's approximation in CIE 1960 uv (Color Research & Application 10, 1985),
    good from 1000 to 15000 K.

    Args:
        mired: 10⁶ over the temperature in kelvin.
    """
    t = 1e6 / mired
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (
        1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t
    )
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (
        1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t
    )
    x, y = np.array([3 * u, 2 * v]) / (2 * u - 8 * v + 4)
    colour = _XYZ_TO_RGB @ np.array([x / y, 1, (1 - x - y) / y])
    return colour / colour[1]


def _white_balance(flaws: Flaws) -> np.ndarray:
    """Return the channels' gains where the camera takes other light for daylight, (3,) float32."""
    gains = planckian(_DAYLIGHT + flaws.mired) / planckian(_DAYLIGHT)
    gains = gains * np.array([1, 1 + flaws.green, 1])
    return (gains / (gains @ _LUMA)).astype(np.float32)


def _light(seen: np.ndarray) -> np.ndarray:
    """Undo the tone curve of a camera without flaws: [0, 1] → linear light in [0, 1]."""
    low, high = _TOE ** (1 / _GAMMA), (1 + _TOE) ** (1 / _GAMMA)
    return (seen * np.float32(high - low) + np.float32(low)) ** np.float32(_GAMMA) - np.float32(
        _TOE
    )


def _curve(light: np.ndarray, flaws: Flaws) -> np.ndarray:
    """Clip light and bend it to brightness in [0, 1]; black and white stay where they are."""
    exponent = flaws.gamma / _GAMMA
    low, high = _TOE**exponent, (1 + _TOE) ** exponent
    seen = np.clip(light, 0, 1)
    seen += np.float32(_TOE)
    seen **= np.float32(exponent)
    seen -= np.float32(low)
    seen *= np.float32(1 / (high - low))
    bend = np.sin(seen * np.float32(2 * np.pi))
    bend *= np.float32(flaws.contrast / (2 * np.pi))
    seen -= bend
    return seen


def _stops(light: np.ndarray, flaws: Flaws) -> float:
    """Return the exposure, off what was drawn where the face would be lost in black or white."""
    rows, columns = light.shape[:2]
    middle = light[rows // 3 : -(rows // 3) or None : 2, columns // 3 : -(columns // 3) or None : 2]
    usual = np.float32(np.median(middle[..., 1]))
    stops = np.arange(-3, 4.1, 0.25)
    shown = _curve(usual * 2**stops, flaws) * (flaws.white - flaws.black) + flaws.black
    wanted = np.interp(flaws.stops, stops, shown)
    return float(np.interp(np.clip(wanted, _DARKEST, _BRIGHTEST), shown, stops))


def _blur(light: np.ndarray, flaws: Flaws) -> np.ndarray:
    """Put the face out of focus and let it move while the shutter is open."""
    if flaws.motion > 0.5:
        half = int(np.ceil(flaws.motion / 2)) + 1
        along = np.array([np.cos(flaws.heading), np.sin(flaws.heading)]) * flaws.motion / 2
        ends = np.round((np.stack([-along, along]) + half) * 16).astype(int).tolist()
        path = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
        cv2.line(path, ends[0], ends[1], 255, 1, cv2.LINE_AA, 4)
        kernel = path.astype(np.float32) / path.sum()
        light = cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    if flaws.defocus > 0.2:
        light = cv2.GaussianBlur(light, (0, 0), flaws.defocus, borderType=cv2.BORDER_REPLICATE)
    return light


def _vignette(flaws: Flaws, shape: tuple[int, ...]) -> np.ndarray:
    """Return how the lens darkens to the corners, (H, W) float32."""
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape[:2])
    far = (x - flaws.vignette_centre[0]) ** 2 + ((y - flaws.vignette_centre[1]) ** 2)[:, None]
    return 1 - np.float32(flaws.vignette) * far / (far + 2)


def _noise(rng: np.random.Generator, light: np.ndarray, flaws: Flaws) -> np.ndarray:
    """Draw a sensor's noise: of reading it and of few photons; colour noise is coarser."""
    rows, columns = light.shape[:2]
    luma: np.ndarray = rng.standard_normal((rows, columns), dtype=np.float32)
    if flaws.grain:
        luma = cv2.GaussianBlur(luma, (0, 0), flaws.grain)
        luma = luma / (luma.std() + 1e-6)
    half = (max(2, rows // 2), max(2, columns // 2), 3)
    colour = rng.standard_normal(half, dtype=np.float32) * np.float32(flaws.chroma)
    grain: np.ndarray = cv2.resize(colour, (columns, rows), interpolation=cv2.INTER_LINEAR)
    grain += cv2.cvtColor(luma, cv2.COLOR_GRAY2RGB)
    brightness = cv2.cvtColor(light, cv2.COLOR_RGB2GRAY)
    sigma = np.sqrt(np.float32(flaws.read**2) + np.float32(flaws.shot**2) * brightness)
    return grain * cv2.cvtColor(sigma, cv2.COLOR_GRAY2RGB)


def _tone(light: np.ndarray, flaws: Flaws) -> np.ndarray:
    """Turn light into what is shown: clipped, bent by the tone curve, more or less colourful."""
    seen = _curve(light, flaws)
    mix = flaws.saturation * np.eye(3) + (1 - flaws.saturation) * np.tile(_LUMA, (3, 1))
    shift = np.full((3, 1), flaws.black)
    return np.clip(cv2.transform(seen, np.hstack([mix * (flaws.white - flaws.black), shift])), 0, 1)


def _rows(rng: np.random.Generator, seen: np.ndarray, flaws: Flaws) -> np.ndarray:
    """Shift every other row, make rows uneven."""
    if flaws.comb:
        seen = seen.copy()
        seen[1::2] = np.roll(seen[1::2], flaws.comb, axis=1)
    if flaws.stripes:
        seen = seen + rng.normal(0, flaws.stripes, (len(seen), 1, 1)).astype(np.float32)
    return seen


def _enlarge(seen: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """Bring to a size (width, height)."""
    if seen.shape[1::-1] == size:
        return seen
    return cv2.resize(seen, size, interpolation=interpolation)


def _compress(seen: np.ndarray, compression: Compression) -> np.ndarray:
    """Store the picture and read it again."""
    if compression.jpeg is None:
        return compress_video(seen, compression.qp, compression.offset, compression.deblock)
    up, left = compression.offset
    padded = cv2.copyMakeBorder(to_bgr8(seen), up, 0, left, 0, cv2.BORDER_REPLICATE)
    stored = cv2.imencode(".jpg", padded, [cv2.IMWRITE_JPEG_QUALITY, compression.jpeg])[1]
    decoded = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    read = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    return read[up:, left:].astype(np.float32) * np.float32(1 / 255)
