"""How hair lies: guides that grow on the skull, and the strands that each of them carries.

A few hundred guides grow step by step along a combing direction, held to a smooth map of the skull;
each carries a lock of strands that draw together towards the tip.
"""

from typing import TYPE_CHECKING

import numpy as np

from lgrnet.faces.drawing.canvas import Canvas
from lgrnet.faces.noise import smoothstep
from lgrnet.faces.person.hairstyles import STYLES, Style
from lgrnet.faces.person.skull import CENTRE, Skull, unit

if TYPE_CHECKING:
    from lgrnet.faces.person.hair import Hair

_TIE = np.array([0, 8.5, -9.5])  # where tied hair is tied, cm
_BUN = np.array([0, 14.5, -6.5])
_GROWTH = 13  # points at which a guide is grown
_GOLDEN_ANGLE = 2.399963  # radians; spreads points evenly over a sphere


def grow_guides(hair: "Hair", rng: np.random.Generator, skull: Skull) -> np.ndarray:
    """Grow the guide of every lock, (L, K, 3) cm."""
    style = STYLES[hair.style]
    number = np.arange(style.locks) + rng.uniform(0, 1, style.locks)
    height = 1 - 2 * number / style.locks
    angle = np.arange(style.locks) * _GOLDEN_ANGLE + rng.normal(0, 0.1, style.locks)
    flat = np.sqrt(1 - height**2)
    towards = np.stack([flat * np.cos(angle), height, flat * np.sin(angle)], 1)
    root = skull.place(CENTRE + towards, 0.0)
    chance = rng.uniform(0.15, 1, style.locks) / hair.density
    root = root[hair.cover(*root.T) > chance]
    count = len(root)
    if not count:
        return np.empty((0, style.points, 3))
    up = skull.normal(root)
    x, y, z = root.T
    on_top = smoothstep(y, 8.5, 11.5)
    length = (hair.side + (hair.top - hair.side) * on_top) * rng.uniform(0.75, 1.1, count)
    if style.side[0] < 4:
        length *= 0.25 + 0.75 * smoothstep(y, -3, 6)  # short hair is shortest at the nape
    lift = hair.height * rng.uniform(0.15, 1, count) * (0.35 + 0.65 * on_top)
    comb = _comb(hair, rng, root, up)
    to_tie = np.linalg.norm(root - _TIE, axis=1)
    held = np.full(count, style.held)
    front = np.zeros(count, bool)
    stop = np.full(count, -99.0)
    if np.isfinite(hair.fringe):
        front = (z > 3.5 + rng.normal(0, 0.5, count)) & (np.abs(x) < 6.5) & (y > 8.5)
        ahead = np.stack([0.08 * x + hair.sweep, np.zeros(count), np.ones(count)], 1)
        comb = np.where(front[:, None], ahead + rng.normal(0, 0.06, (count, 3)), comb)
        ragged = rng.normal(0, 0.35, count) - 0.06 * np.abs(x) ** 1.5
        stop[front] = (hair.fringe + ragged - 0.35 * hair.sweep * x)[front]
        length[front] = 13.0
        held |= front
    points = min(style.points, _GROWTH)
    guide = np.empty((count, points, 3))
    guide[:, 0] = at = root
    heading, grown = comb, np.zeros(count)
    step = (length / (points - 1))[:, None]
    for k in range(1, points):
        gone = k * step[:, 0]
        pull = style.gravity * np.minimum(gone / 4, 2.5)[:, None] * np.array([0, -1, 0])
        if style.comb == "tie":
            # Combed to the tie, and hanging from there.
            there = gone > 1.15 * to_tie
            down = np.array([0, -1, 0.1]) - at * (0.3, 0, 0)
            comb = np.where(there[:, None] & ~front[:, None], down, comb)
            pull = pull * (there | front)[:, None]
        fading = 1.0 if style.comb == "tie" else np.exp(-gone / 7)[:, None]
        heading = unit(0.5 * heading + comb * fading + pull + 1e-6)
        # Cut hair stays where it ends.
        growing = at[:, 1] > stop
        moved = at + heading * step * growing[:, None]
        away = np.minimum(gone / 1.5, 1) * lift
        loose = (moved[:, 1] < 1.0) | ~held
        if style.comb == "tie":
            loose |= gone > 1.15 * to_tie
        away = np.where(moved[:, 1] < -3, -9.0, away)  # shoulders do not push
        placed = skull.place(moved, away, loose)
        if style.side[0] > 4 and style.comb != "tie":
            # Long hair keeps off the face.
            limit = hair.frame + 0.12 * np.maximum(moved[:, 1] - 4, 0) ** 2 + lift
            free = (moved[:, 1] < 9.5) & (stop < -90)
            placed[:, 2] = np.where(free, np.minimum(placed[:, 2], limit), placed[:, 2])
            # Over the ear, or tucked behind all but its top.
            centre, reach = (2, 3) if hair.frame > 0 else (5.5, 1.3)
            ear = np.exp(-(((placed[:, 1] - centre) / reach) ** 2))
            beside = np.abs(placed[:, 0]) > 6
            away = away + 1.4 * np.minimum(gone / 6, 1) * ear * beside
            placed = skull.place(placed, away, True)
        heading = 0.5 * heading + 0.5 * unit(placed - at + 1e-9)
        heading[moved[:, 1] < 1.0, ::2] *= 0.6  # falls
        fallen = np.maximum(at[:, 1] - placed[:, 1], 1e-6)
        grown += growing * np.clip((at[:, 1] - stop) / fallen, 0, 1)
        guide[:, k] = at = placed
    # Spread the points over what was grown before the cut.
    finer = np.linspace(0, 1, style.points) * grown[:, None]
    low = np.minimum(finer.astype(int), points - 2)
    share = (finer - low)[..., None]
    row = np.arange(count)[:, None]
    guide = guide[row, low] * (1 - share) + guide[row, low + 1] * share
    if hair.style == "bun":
        return np.concatenate([guide, _bun(rng, style.points)])
    return _waved(hair, rng, guide, length)


def _comb(hair: "Hair", rng: np.random.Generator, root: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return the direction in which each lock is combed, (L, 3)."""
    count = len(root)
    x = root[:, 0]
    kind = STYLES[hair.style].comb
    ones = np.ones(count)
    if kind == "part":
        side = np.where(x > hair.part + rng.normal(0, 0.15, count), 1.0, -1.0)
        top = smoothstep(root[:, 1], 7, 12) + 0.05
        comb = np.stack([side * 1.1 * top, 0.1 * top - 0.5 * (1 - top), -0.35 * top], 1)
    elif kind == "forward":
        away = root - np.array([hair.part / 3, 14, -4.5])
        comb = unit(away * np.array([1, 0.2, 1])) + np.array([0.3 * hair.sweep, 0, 0.4])
    elif kind == "back":
        comb = np.stack([0.04 * x, 0.35 * ones, -ones], 1)
    elif kind == "tie":
        comb = unit(_TIE - root) * 1.2
    else:
        loose = 0.1 if STYLES[hair.style].coil else 0.38
        lean = np.array([0.6 * hair.sweep, 0.3, 0.7]) * loose
        comb = up + lean + rng.normal(0, loose, (count, 3))
    return comb + rng.normal(0, 0.07, (count, 3))


def _waved(
    hair: "Hair", rng: np.random.Generator, guide: np.ndarray, length: np.ndarray
) -> np.ndarray:
    """Bend guides into waves or curls."""
    if hair.wave <= 0:
        return guide
    count, points, _ = guide.shape
    style = STYLES[hair.style]
    along = np.linspace(0, 1, points)[None] * length[:, None]
    phase = 2 * np.pi * along / hair.turn + rng.uniform(0, 2 * np.pi, (count, 1))
    size = hair.wave * np.minimum(along / 1.5, 1)
    ahead = unit(np.gradient(guide, axis=1) + 1e-9)
    # Hair that stands on end has no direction out of it: lean the frame by chance.
    out = unit(guide - CENTRE) + rng.normal(0, 0.4, (count, 1, 3))
    across = unit(np.cross(ahead, out) + 1e-9)
    out = np.cross(across, ahead)
    guide = guide + across * (size * np.sin(phase))[..., None]
    lean = np.cos(phase) if style.coil else 0.35 * np.cos(phase)
    return guide + out * (size * (1 + lean))[..., None]


def split_locks(
    hair: "Hair", rng: np.random.Generator, guides: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return underlay and strands, (N, K, 3), their brightness (N,) and their streak (N,)."""
    style = STYLES[hair.style]
    count, points, _ = guides.shape
    share = np.linspace(0, 1, points)
    radius = 1.15 * _spacing(style)
    spread = rng.normal(0, 0.5 * radius, (count, style.strands, 1, 3))
    flat = unit(guides[:, :1] - CENTRE)[:, None]
    spread -= 0.7 * (spread * flat).sum(-1, keepdims=True) * flat
    apart = (1 - style.clump * share**1.3)[:, None]
    frizz = rng.normal(0, style.frizz + 0.12 * hair.wave, spread.shape) * (share**2)[:, None]
    strands = guides[:, None] + spread * apart + frizz
    if style.coil:
        strands += rng.normal(0, 0.3 * hair.wave, strands.shape) * np.minimum(share * 3, 1)[:, None]
    edge = np.linalg.norm(spread, axis=(2, 3)) / radius
    lock = rng.normal(1, 0.2, (count, 1))
    tone = lock * rng.normal(1.08, 0.16, edge.shape) * np.clip(1.2 - 0.35 * edge, 0.5, 1.2)
    tint = np.clip(rng.normal(0.25, 0.35, (count, 1)), 0, 1) * rng.uniform(0.3, 1, edge.shape)
    # Of what hangs behind the head little is seen.
    kept = (guides[:, :1, 2] > -2) | (np.arange(style.strands) < 3)
    strands, tone, tint = strands[kept], tone[kept], tint[kept]
    # Long locks lie so close that every second is underlay enough, save behind the neck.
    under = (np.arange(count) % 2 == 0) | (guides[:, 0, 2] < -2) | (hair.side < 10)
    dark = -0.5 * lock[under, 0].clip(0.6, 1.4)
    return (
        np.concatenate([guides[under], strands.reshape(-1, points, 3)]),
        np.concatenate([dark, tone.ravel().clip(0.25, 1.8)]),
        np.concatenate([np.zeros(len(dark)), tint.ravel()]),
    )


def strand_body(
    hair: "Hair", rng: np.random.Generator, canvas: Canvas, strands: np.ndarray, underlay: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return opacity and width in pixels along each strand, (N, K) float32."""
    style = STYLES[hair.style]
    share = np.linspace(0, 1, strands.shape[1])
    long = np.linalg.norm(strands[:underlay, -1] - strands[:underlay, 0], axis=1)
    cm = np.full(len(strands), 0.06 if hair.top < 1 else 0.085)
    cm[:underlay] = np.minimum(1.1 * _spacing(style), 0.5 * long)
    width = cm[:, None] * (1 - 0.6 * share**2) * canvas.density
    # A comb left some strands longer than others.
    ends = rng.uniform(0.8, 1.15, (len(strands), 1))
    ends[:underlay] = 0.9
    opacity = 0.85 * np.clip((ends - share) * 5, 0, 1)
    opacity[:underlay] *= np.clip(share * 6, 0, 1)
    opacity *= np.minimum(width, 1)
    return opacity.astype(np.float32), np.maximum(width, 1).astype(np.float32)


def _bun(rng: np.random.Generator, points: int) -> np.ndarray:
    """Wind hair into a ball, (70, points, 3) cm."""
    first = unit(rng.normal(0, 1, (70, 1, 3)) * (1, 0.4, 0.4))
    second = unit(np.cross(first, rng.normal(0, 1, (70, 1, 3))))
    angle = np.linspace(0, 4.5, points)[:, None] + rng.uniform(0, 6, (70, 1, 1))
    radius = rng.uniform(1.6, 2.8, (70, 1, 1))
    return _BUN + radius * (first * np.cos(angle) + second * np.sin(angle))


def _spacing(style: Style) -> float:
    """Return about half the distance between locks, cm."""
    return 14.5 * np.pi / np.sqrt(style.locks) / 2
