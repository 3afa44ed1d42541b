"""What lies behind a person outdoors, at night and in a car."""

import cv2
import numpy as np

from lgrnet.faces.scene.stage import BRICKS, LAMPS, LEAVES, PAINTS, Stage


def outdoor(stage: Stage) -> None:
    """Paint sky, houses, trees and ground."""
    rng = stage.rng
    sky(stage)
    town = rng.random() < 0.5
    if town:
        buildings(stage)
    if not town or rng.random() < 0.4:
        foliage(stage, rng.uniform(-1.3, 0.5) * stage.bottom)
    if rng.random() < 0.6:
        ground = stage.pick(LEAVES if rng.random() < 0.5 else PAINTS[3:9])
        y = rng.uniform(0.3, 0.9) * stage.bottom
        stage.box(-stage.right, y, stage.right, stage.bottom, ground)


def night(stage: Stage) -> None:
    """Paint lamps out of focus in the dark."""
    rng = stage.rng
    stage.fill(np.array([0.012, 0.012, 0.016]) * rng.uniform(0.3, 4))
    radius = rng.uniform(0.03, 0.11) * stage.bottom
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    circle = np.stack([np.cos(turn), np.sin(turn)], 1)
    layer = Stage(rng, np.zeros_like(stage.image), stage.scale)
    for _ in range(rng.integers(8, 45)):
        warm = rng.random() < 0.75
        lamp = LAMPS[rng.integers(0, 3)] if warm else rng.uniform(0.05, 1, 3)
        centre = np.array([rng.uniform(-1, 1), rng.normal(0, 0.45)]) * (stage.right, stage.bottom)
        lamp = lamp * rng.uniform(0.1, 1.0)
        layer.shape(centre + circle * radius * rng.uniform(0.6, 1.2), lamp)
    stage.image += layer.image


def car(stage: Stage) -> None:
    """Paint seat, roof, post and windows of a car."""
    rng, far = stage.rng, 3 * stage.right
    trim = np.full(3, rng.uniform(0.01, 0.06)) if rng.random() < 0.7 else stage.pick(PAINTS[5:9])
    sky(stage)
    foliage(stage, rng.uniform(-0.5, 0.2) * stage.bottom)
    roof, sill = -rng.uniform(0.45, 0.8) * stage.bottom, rng.uniform(0.0, 0.5) * stage.bottom
    stage.box(-far, -far, far, roof, trim * 2 + 0.04)
    stage.box(-far, sill, far, far, trim)
    post, seat = rng.uniform(-0.9, 0.9) * stage.right, rng.uniform(-14, 14)
    stage.shape([(post - 4, -far), (post + 4, -far), (post + 14, far), (post + 2, far)], trim * 1.3)
    back = [(-25, 6), (-20, -2), (20, -2), (25, 6), (30, far), (-30, far)]
    stage.shape(np.add(back, (seat, 0)), trim * 0.8 + 0.01)
    for x in (-6, 6):  # a headrest on two rods
        stage.box(seat + x - 0.6, -7, seat + x + 0.6, 0, trim * 0.4)
    rest = [(-13, -6), (-15, -9), (-14, -17), (-9, -20), (9, -20), (14, -17), (15, -9), (13, -6)]
    stage.shape(np.add(rest, (seat, 0)), trim + 0.015)


def sky(stage: Stage) -> None:
    """Paint sky from clear to overcast."""
    rng, (_, y) = stage.rng, stage.axes()
    zenith, haze = np.array([0.22, 0.42, 0.8]), np.array([0.75, 0.85, 0.95])
    grey = rng.uniform(0, 1)  # from clear to overcast
    zenith, haze = (c * (1 - grey) + np.array([0.8, 0.82, 0.85]) * grey for c in (zenith, haze))
    height = np.clip(0.5 - y / stage.bottom / 2, 0, 1)[..., None]
    stage.image[:] = ((zenith - haze) * height + haze) * rng.uniform(0.9, 2.5)
    if grey < 0.7:
        cover = np.clip(stage.cloud(stage.bottom * 0.6, 4, 2) * 0.5 - 0.1, 0, 1)
        stage.image += (cover * rng.uniform(0.3, 1))[..., None]


def foliage(stage: Stage, top: float) -> None:
    """Paint leaves below a height (cm, down from the centre) with sky that shines through."""
    rng, (_, y) = stage.rng, stage.axes()
    size = 0.35 * stage.bottom
    edge = top + size * stage.cloud(2 * size, 5)
    leaf = (stage.pick(LEAVES, spread=0.25) * rng.uniform(0.5, 1.5)).tolist()
    clumps, fine = stage.cloud(size, 2), stage.cloud(size / 5, 3)
    light = np.exp(0.45 * clumps + 0.4 * fine)
    warm = 1 + 0.12 * clumps
    leaves = cv2.merge([leaf[0] * light * warm, leaf[1] * light, leaf[2] * light * (2 - warm)])
    np.copyto(stage.image, leaves, where=((y > edge) & (fine < rng.uniform(1.2, 3)))[..., None])


def buildings(stage: Stage) -> None:
    """Paint fronts with windows."""
    rng, x = stage.rng, -stage.right
    while x < stage.right:
        width, roof = rng.uniform(0.3, 1) * stage.right, rng.uniform(-1.1, 0.5) * stage.bottom
        front = stage.pick(PAINTS if rng.random() < 0.7 else BRICKS) * rng.uniform(0.5, 1.1)
        stage.box(x, roof, x + width, stage.bottom, front)
        pane, step = front * rng.uniform(0.15, 0.6), width / rng.integers(3, 8)
        for up in np.arange(roof + step * 0.4, stage.bottom, step * 1.3):
            for across in np.arange(x + step * 0.3, x + width - step * 0.5, step):
                stage.box(across, up, across + step * 0.5, up + step * 0.8, pane)
        x += width
