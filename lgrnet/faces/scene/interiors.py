"""What stands behind a person indoors."""

import numpy as np

from lgrnet.faces.scene.stage import (
    BRICKS,
    CLOTHS,
    LAMPS,
    LEAVES,
    PAINT_SHARES,
    PAINTS,
    SCREEN_SHARES,
    SCREENS,
    WOODS,
    Stage,
)


def wall(stage: Stage) -> None:
    """Paint a painted wall, at times with a corner or pictures."""
    rng = stage.rng
    paint = stage.pick(PAINTS, PAINT_SHARES)
    stage.fill(paint)
    if rng.random() < 0.3:  # a corner of the room: the other wall gets another light
        x, far = rng.uniform(-0.9, 0.9) * stage.right, 3 * stage.right
        stage.box(x, -far, far * rng.choice([-1, 1]), far, paint * rng.uniform(0.5, 1.1))
    if rng.random() < 0.2:
        _pictures(stage)
    stage.weather(rng.uniform(0, 0.03), 12)


def studio(stage: Stage) -> None:
    """Paint a backdrop of one colour with a pool of light."""
    stage.fill(stage.pick(SCREENS, SCREEN_SHARES))
    reach = stage.bottom * stage.rng.uniform(0.6, 1.6)
    pool = stage.image[0, 0] * stage.rng.uniform(0, 1.2)
    stage.glow(stage.rng.normal(0, 0.4) * stage.right, 0, reach, reach, pool)


def door(stage: Stage) -> None:
    """Paint a panelled door in its wall."""
    rng = stage.rng
    white = rng.random() < 0.65
    paint = stage.pick(PAINTS[:4]) if white else stage.pick(WOODS)
    width = rng.uniform(70, 92)  # doors are 70 to 92 cm wide
    left = rng.uniform(-width * 0.85, -width * 0.15)
    tall = 4 * stage.bottom
    stage.fill(stage.pick(PAINTS, PAINT_SHARES))
    stage.box(left - 9, -tall, left + width + 9, tall, paint * 0.9)
    stage.box(left - 1, -tall, left + width + 1, tall, paint * 0.3)
    stage.box(left, -tall, left + width, tall, paint)
    columns, step = int(rng.integers(1, 3)), rng.uniform(35, 80)
    each = width / columns
    top = rng.uniform(-step, 0) - step * np.ceil(stage.bottom / step)
    for row in range(int(2 * stage.bottom / step) + 3):
        y = top + row * step
        for column in range(columns):
            x = left + column * each
            stage.panel(x + each * 0.16, y + 6, x + each * 0.84, y + step - 6, 2.0, paint)
    if not white:
        grain = Stage(rng, np.ones_like(stage.image), stage.scale)
        grain.weather(0.12, 3, 9)
        grain.upright()
        stage.image *= grain.image
    if rng.random() < 0.4:
        side = left - 9 if rng.random() < 0.5 else left + width + 9
        stage.box(side, -tall, side + np.sign(side) * tall, tall, stage.pick(WOODS) * 0.3)


def room(stage: Stage) -> None:
    """Paint walls, ceiling, floor, furniture and a lamp."""
    rng, far = stage.rng, 3 * stage.right
    wall(stage)
    lean = rng.normal(0, 0.07)  # lines of a room seen at an angle
    if rng.random() < 0.5:
        y = -rng.uniform(0.3, 0.95) * stage.bottom
        ceiling = [(-far, -far), (far, -far), (far, y + lean * far), (-far, y - lean * far)]
        stage.shape(ceiling, stage.pick(PAINTS[:3]) * rng.uniform(0.7, 1.1))
    if rng.random() < 0.5:
        y = rng.uniform(0.3, 0.9) * stage.bottom
        floor = np.array([(-far, far), (far, far), (far, y - lean * far), (-far, y + lean * far)])
        stage.shape(floor - (0, 6), stage.pick(PAINTS[:3]))
        stage.shape(floor, stage.pick(WOODS))
    if rng.random() < 0.6:
        _pictures(stage)
    if rng.random() < 0.3:
        x = rng.choice([-1, 1]) * rng.uniform(0.4, 0.8) * stage.right
        stage.box(x, -0.8 * stage.bottom, x + np.sign(x) * 80, far, stage.pick(WOODS) * 0.25)
    for _ in range(rng.integers(0, 4)):  # furniture, its top a little lighter
        x, y = rng.uniform(-1.3, 0.9) * stage.right, rng.uniform(-0.3, 0.9) * stage.bottom
        width, cloth = rng.uniform(30, 140), stage.pick(WOODS if rng.random() < 0.5 else CLOTHS)
        stage.box(x, y, x + width, y + rng.uniform(30, 200), cloth * 0.8)
        stage.box(x, y, x + width, y + rng.uniform(3, 14), cloth)
    if rng.random() < 0.35:
        _lamp(stage)


def shelves(stage: Stage) -> None:
    """Paint shelves with books."""
    rng = stage.rng
    wood = stage.pick(WOODS) if rng.random() < 0.6 else stage.pick(PAINTS[:5])
    stage.fill(wood * rng.uniform(0.2, 0.6))
    step, y = rng.uniform(26, 38), -stage.bottom - rng.uniform(0, 30)
    while y < stage.bottom:
        x = -stage.right
        filled = rng.uniform(0.5, 1)
        while x < stage.right:
            thick = rng.uniform(1.5, 5.5)  # books are 1 to 6 cm thick and 18 to 30 cm tall
            if rng.random() < filled:
                tall = rng.uniform(0.55, 0.92) * step
                cover = stage.pick(CLOTHS)
                stage.box(x, y + step - tall, x + thick, y + step, cover)
                stage.box(x + thick - 0.4, y + step - tall, x + thick, y + step, cover * 0.4)
                label = y + step - tall * rng.uniform(0.3, 0.8)
                stage.box(x + 0.6, label, x + thick - 0.6, label + 3, stage.pick(PAINTS))
            elif rng.random() < 0.2:
                tall, wide = rng.uniform(5, 18, 2)
                stage.box(x, y + step - tall, x + wide, y + step, stage.pick(CLOTHS))
                thick = wide
            else:
                thick *= 2
            x += thick
        stage.box(-stage.right, y + step, stage.right, y + step + 2.2, wood)
        y += step + 2.2
    x, bay = -stage.right - rng.uniform(0, 60), rng.uniform(60, 100)
    while x < stage.right:
        stage.box(x, -stage.bottom, x + 2.5, stage.bottom, wood * 0.9)
        x += bay


def curtain(stage: Stage) -> None:
    """Paint a curtain over the whole view."""
    _folds(stage, -np.inf, np.inf)
    if stage.rng.random() < 0.3:
        _lamp(stage)


def window(stage: Stage) -> None:
    """Paint a wall with a bright window, blinds or a curtain."""
    rng = stage.rng
    wall(stage)
    width, height = rng.uniform(60, 150), rng.uniform(80, 150)
    left, top = rng.uniform(-1, 0.5) * stage.right, rng.uniform(-1.3, -0.4) * stage.bottom
    day, frame = rng.uniform(1, 5), stage.pick(PAINTS[:3]) * 0.8
    stage.box(left - 7, top - 7, left + width + 7, top + height + 7, frame)
    stage.box(left, top, left + width, top + height, np.array([0.85, 0.95, 1.05]) * day)
    horizon = top + height * rng.uniform(0.3, 0.9)
    stage.box(left, horizon, left + width, top + height, stage.pick(LEAVES) * day * 0.6)
    if rng.random() < 0.35:  # blinds; slats are 2.5 or 5 cm wide
        slat, gap = rng.choice([2.5, 5.0]), rng.uniform(0.2, 0.7)
        for y in np.arange(top, top + height, slat):
            stage.box(left, y, left + width, y + slat * gap, frame * rng.uniform(0.7, 0.9))
    else:
        for share in np.linspace(0, 1, rng.integers(2, 5))[1:-1]:
            stage.box(left + share * width - 2, top, left + share * width + 2, top + height, frame)
        y = top + height * rng.uniform(0.3, 0.7)
        stage.box(left, y - 2, left + width, y + 2, frame)
    if rng.random() < 0.4:
        _folds(stage, left - 20, left + rng.uniform(5, 30))
    spread = np.array([0.8, 0.9, 1.0]) * day
    stage.glow(left + width / 2, top + height / 2, width, height, spread * rng.uniform(0.02, 0.12))


def planks(stage: Stage) -> None:
    """Paint a wall of wooden boards."""
    rng = stage.rng
    wood, height = stage.pick(WOODS, spread=0.2), rng.uniform(8, 20)
    stage.fill(wood)
    y = -stage.bottom - rng.uniform(0, height)
    while y < stage.bottom:
        stage.box(-stage.right, y, stage.right, y + height, wood * rng.uniform(0.75, 1.25))
        if rng.random() < 0.5:
            x = rng.uniform(-1, 1) * stage.right
            stage.box(x, y, stage.right, y + height, wood * rng.uniform(0.75, 1.25))
        y += height
        stage.box(-stage.right, y - 0.4, stage.right, y + 0.3, wood * 0.25)
    stage.weather(0.16, 7, 8)
    stage.weather(0.12, 1.6, 12)
    if rng.random() < 0.4:
        stage.upright()


def bricks(stage: Stage) -> None:
    """Paint bricks or tiles."""
    rng = stage.rng
    tiles = rng.random() < 0.3
    tone = stage.pick(PAINTS[:8]) if tiles else stage.pick(BRICKS)
    wide, tall = (rng.choice([10.0, 15.0, 20.0]),) * 2 if tiles else (22.5, 7.5)  # with the joint
    stage.fill(np.minimum(tone * rng.uniform(0.5, 0.9) + 0.06, 1))
    spread = 0.02 if tiles or tone.mean() > 0.5 else rng.uniform(0.05, 0.3)
    for row in range(int(2 * stage.bottom / tall) + 2):
        y = -stage.bottom + (row - 0.6) * tall
        for column in range(int(2 * stage.right / wide) + 3):
            x = -stage.right + (column - 1 + (0 if tiles else row % 2 / 2)) * wide
            stage.box(x, y, x + wide - 1, y + tall - 1, tone * (1 + rng.normal(0, spread)))
    stage.weather(0.02, 20)
    if not tiles:
        stage.weather(0.07, 2)


def office(stage: Stage) -> None:
    """Paint partitions, screens, ceiling lights and glass."""
    rng, far = stage.rng, 3 * stage.right
    wall(stage)
    y = -rng.uniform(0.35, 0.8) * stage.bottom
    stage.box(-far, -far, far, y, stage.pick(PAINTS[:3]) * 0.75)
    for row in range(rng.integers(0, 4)):  # ceiling lights in perspective
        up = y - (stage.bottom + y) * (0.2 + 0.3 * row)
        for x in np.linspace(-1, 1, 4) * stage.right * (1 + 0.5 * row) + rng.normal(0, 20):
            stage.box(x, up - 3 - 3 * row, x + 30 + 10 * row, up, np.array([1.6, 1.7, 1.7]))
    for _ in range(rng.integers(1, 4)):
        x, top = rng.uniform(-1.2, 0.8) * stage.right, rng.uniform(-0.3, 0.6) * stage.bottom
        stage.box(x, top, x + rng.uniform(60, 160), far, stage.pick(PAINTS[2:12]) * 0.8)
    for _ in range(rng.integers(0, 3)):
        x, top = rng.uniform(-1.1, 0.8) * stage.right, rng.uniform(-0.1, 0.7) * stage.bottom
        stage.box(x, top, x + 54, top + 33, np.full(3, 0.015))  # a 24-inch screen
        screen = stage.pick(CLOTHS) * rng.uniform(0.3, 1.2)
        stage.box(x + 1, top + 1, x + 53, top + 31, screen)
    if rng.random() < 0.4:
        x = rng.choice([-1, 1]) * rng.uniform(0.3, 0.7) * stage.right
        stage.box(x, -far, x + np.sign(x) * far, y + 130, np.array([0.8, 0.95, 1.1]) * 2)
        for edge in np.arange(0, 200, 45):
            stage.box(
                x + np.sign(x) * edge, -far, x + np.sign(x) * (edge + 4), far, np.full(3, 0.3)
            )


def _pictures(stage: Stage) -> None:
    rng = stage.rng
    for _ in range(rng.integers(1, 4)):
        width, height = rng.uniform(20, 60, 2)
        x, y = rng.uniform(-1.1, 0.9) * stage.right, rng.uniform(-1.1, 0.3) * stage.bottom
        stage.box(x + 1, y + 2, x + width + 1.5, y + height + 2.5, stage.image.mean((0, 1)) * 0.6)
        stage.box(x, y, x + width, y + height, stage.pick(WOODS) * rng.choice([0.3, 1]))
        stage.box(x + 2, y + 2, x + width - 2, y + height - 2, stage.pick(PAINTS[:4]))
        edge = rng.uniform(2, 7)
        inner = (x + edge, y + edge, x + width - edge, y + height - edge)
        stage.box(*inner, stage.pick(CLOTHS))
        for _ in range(rng.integers(1, 6)):
            a, b = np.sort(rng.uniform(0, 1, (2, 2)), 0) * (
                inner[2] - inner[0],
                inner[3] - inner[1],
            )
            (left, top), (right, bottom) = a + inner[:2], b + inner[:2]
            stage.box(left, top, right, bottom, stage.pick(CLOTHS))


def _lamp(stage: Stage) -> None:
    rng = stage.rng
    x = rng.choice([-1, 1]) * rng.uniform(0.45, 1) * stage.right
    y, half, tall = rng.uniform(-0.6, 0.7) * stage.bottom, rng.uniform(10, 20), rng.uniform(15, 28)
    light = LAMPS[rng.integers(0, 3)]
    stage.box(x - 1, y, x + 1, y + 200, stage.pick(WOODS))
    shade = [(x - half * 0.65, y - tall), (x + half * 0.65, y - tall), (x + half, y), (x - half, y)]
    stage.shape(shade, light * rng.uniform(0.8, 2.5))
    stage.glow(x, y - tall / 2, 2.2 * half, 2.2 * tall, light * rng.uniform(0.1, 0.5))


def _folds(stage: Stage, left: float, right: float) -> None:
    rng = stage.rng
    x, y = stage.axes()
    pitch = rng.uniform(7, 16)  # cm from fold to fold
    sway = rng.normal(0, 0.6, 2)
    phase = x / pitch + sway[0] * np.sin(x / 23) + sway[1] * np.sin(x / 41)
    fold = np.sin(2 * np.pi * phase) + 0.35 * np.sin(4.7 * np.pi * phase + sway[0])
    shade = np.clip(0.72 + 0.32 * fold * rng.uniform(0.3, 1), 0.12, 1.3)
    inside = ((x >= left) & (x <= right))[0]
    stripes = (shade[0, inside, None] * stage.pick(CLOTHS, spread=0.15)).astype(np.float32)
    flare = 1 + rng.uniform(-0.1, 0.1) * y / stage.bottom
    stage.image[:, inside] = stripes * flare[..., None]
