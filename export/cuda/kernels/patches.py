"""From landmarks and the feature to patches."""

import triton.language as tl


def draw_patches(
    landmarks,
    points,
    drops,
    feature,
    attention,
    patches,
    IMAGES: tl.constexpr,
    LANDMARKS: tl.constexpr,
    LEFT: tl.constexpr,
    RIGHT: tl.constexpr,
    CELLS: tl.constexpr,
    MARGIN: tl.constexpr,
    GRID: tl.constexpr,
    RADIUS: tl.constexpr,
    SCALE: tl.constexpr,
    SLOPE: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Draw the attention maps A, as `lgrnet.network.patches` does, and cut F into patches F · A.

    Grid: blocks of cells, images, AUs.

    Args:
        landmarks: (IMAGES, LANDMARKS, 2) float32, pixels of the crop.
        points: (n, 2) int32, landmarks of the centres.
        drops: (n, 2) float32, how far below them the centres lie.
        feature: F, (IMAGES, GRID, GRID, CHANNELS) float16.
        attention: A, (n, IMAGES, GRID, GRID) float16.
        patches: (n, IMAGES, GRID, GRID, CHANNELS) float16.
        IMAGES: B.
        LANDMARKS: 49.
        LEFT: Landmark of the left eye's inner corner; the ruler is the distance to RIGHT in x.
        RIGHT: See LEFT.
        CELLS: Along a side of the grid on which maps are made.
        MARGIN: Cells that are cut off each side of it.
        GRID: CELLS - 2 · MARGIN.
        RADIUS: Of a window, cells.
        SCALE: Cells in a pixel.
        SLOPE: Loss from one cell to the next.
        CHANNELS: C.
        BLOCK: Cells of a program.
        BLOCK_C: A power of two, at least CHANNELS.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image, au = tl.program_id(1), tl.program_id(2)
    inside = place < GRID * GRID
    row, column = place // GRID + MARGIN, place % GRID + MARGIN
    face = landmarks + image * LANDMARKS * 2
    ruler = tl.abs(tl.load(face + 2 * LEFT) - tl.load(face + 2 * RIGHT))
    highest = tl.zeros((BLOCK,), tl.float32)
    for side in tl.static_range(2):
        point = tl.load(points + 2 * au + side)
        x = tl.load(face + 2 * point) * SCALE
        y = (tl.load(face + 2 * point + 1) + ruler * tl.load(drops + 2 * au + side)) * SCALE
        # Halves go to the even neighbour, as PyTorch rounds.
        cx, cy = tl.floor(x + 0.5), tl.floor(y + 0.5)
        cx -= tl.where((cx - x == 0.5) & (cx - 2.0 * tl.floor(cx / 2.0) == 1.0), 1.0, 0.0)
        cy -= tl.where((cy - y == 0.5) & (cy - 2.0 * tl.floor(cy / 2.0) == 1.0), 1.0, 0.0)
        left = tl.minimum(tl.maximum(cx - RADIUS, 0.0), CELLS - 1.0)
        right = tl.minimum(tl.maximum(cx + RADIUS, 0.0), CELLS - 1.0)
        top = tl.minimum(tl.maximum(cy - RADIUS, 0.0), CELLS - 1.0)
        bottom = tl.minimum(tl.maximum(cy + RADIUS, 0.0), CELLS - 1.0)
        window = (column >= left) & (column <= right) & (row >= top) & (row <= bottom)
        height = 1.0 - SLOPE * (tl.abs(row - cy) + tl.abs(column - cx))
        highest = tl.maximum(highest, tl.where(window, height, 0.0))
    looks = highest.to(tl.float16)
    target = (au * IMAGES + image) * GRID * GRID + place
    tl.store(attention + target, looks, mask=inside)
    n = tl.arange(0, BLOCK_C)
    known = inside[:, None] & (n < CHANNELS)[None, :]
    source = (image * GRID * GRID + place)[:, None] * CHANNELS + n[None, :]
    value = tl.load(feature + source, mask=known, other=0.0)
    tl.store(patches + target[:, None] * CHANNELS + n[None, :], value * looks[:, None], mask=known)
