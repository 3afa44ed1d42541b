"""What sending a picture as video costs: block transform, coarse steps, half the colour."""

import cv2
import numpy as np

_BLOCK = 8
_CHROMA_BLOCK = 2 * _BLOCK  # pixels of the picture: colour is sent at half the resolution (4:2:0)
_INTRA_ROUNDING = 1 / 3  # of a step: the dead zone of H.264's intra blocks


def _cosines() -> np.ndarray:
    """Return the orthonormal DCT-II, (8, 8) float32."""
    wave = np.arange(_BLOCK)[:, None] * (2 * np.arange(_BLOCK) + 1) * np.pi / (2 * _BLOCK)
    basis = np.cos(wave) * np.sqrt(2 / _BLOCK)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


_DCT = _cosines()


def step_size(qp: float) -> float:
    """Return H.264's quantiser step for a quantisation parameter, 0 to 51, in 8-bit levels."""
    return 0.625 * 2 ** (qp / 6)


def compress_video(
    picture: np.ndarray, qp: float, offset: tuple[int, int], deblock: bool
) -> np.ndarray:
    """Compress as one intra frame of H.264 is, but with 8 × 8 blocks only and no prediction.

    Args:
        picture: (H, W, 3) float32, RGB in [0, 1].
        qp: Quantisation parameter: below 24 nothing is seen, 28 is usual, 40 is bad.
        offset: Rows and columns, each 0 to 15, that the blocks begin before the picture does.
        deblock: Whether the decoder smooths the blocks' edges.

    Returns:
        (H, W, 3) float32, RGB, about in [0, 1].
    """
    rows, columns = picture.shape[:2]
    up, left = offset
    down, right = (-(rows + up)) % _CHROMA_BLOCK, (-(columns + left)) % _CHROMA_BLOCK
    padded = cv2.copyMakeBorder(picture, up, down, left, right, cv2.BORDER_REPLICATE)
    luma, red, blue = cv2.split(cv2.cvtColor(padded, cv2.COLOR_RGB2YCrCb))
    step = step_size(qp) / 255
    size = luma.shape[::-1]
    planes = [_quantise(luma, step)]
    for plane in (red, blue):
        half = cv2.resize(plane, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
        planes.append(cv2.resize(_quantise(half, step), size, interpolation=cv2.INTER_LINEAR))
    if deblock:
        _deblock(planes[0], 1.2 * step)
        _deblock(planes[0].T, 1.2 * step)
    decoded = cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB)
    return decoded[up : up + rows, left : left + columns]


def _quantise(plane: np.ndarray, step: float) -> np.ndarray:
    """Round the cosine coefficients of each block to steps, small ones to nothing."""
    levels = _transform(plane, _DCT) / np.float32(step)
    kept = np.floor(np.abs(levels) + np.float32(_INTRA_ROUNDING))
    # A block's mean is predicted from its neighbours, so that little of it is lost.
    mean = np.s_[::_BLOCK, ::_BLOCK]
    means = np.rint(2 * levels[mean]) / 2
    rounded = np.copysign(kept, levels)
    rounded[mean] = means
    return _transform(rounded * np.float32(step), _DCT.T)


def _transform(plane: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Apply a basis to the rows and columns of every block."""
    rows, columns = plane.shape
    across = np.ascontiguousarray(plane).reshape(-1, _BLOCK) @ basis.T
    upright = np.ascontiguousarray(across.reshape(rows, columns).T).reshape(-1, _BLOCK)
    return np.ascontiguousarray((upright @ basis.T).reshape(columns, rows).T)


def _deblock(plane: np.ndarray, limit: float) -> None:
    """Smooth the upright edges of blocks in place where the step is no larger than a limit."""
    before, after = plane[:, _BLOCK - 1 : -1 : _BLOCK], plane[:, _BLOCK::_BLOCK]
    inner, outer = plane[:, _BLOCK - 2 : -2 : _BLOCK], plane[:, _BLOCK + 1 :: _BLOCK]
    jump = after - before
    jump[np.abs(jump) > limit] = 0
    before += jump * np.float32(0.3)
    after -= jump * np.float32(0.3)
    inner += jump * np.float32(0.12)
    outer -= jump * np.float32(0.12)
