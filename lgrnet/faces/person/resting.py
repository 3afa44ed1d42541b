"""The resting face: nobody's is the mean one.

Mouth corners that hang or turn up, heavy lids, low brows and thin lips are what a person looks
like, not what they do, so they are part of the identity and carry no label. Without them a network
takes the neutral faces of real people for AU 4, 7, 15 or 17.
"""

import numpy as np

from lgrnet.faces.head.rig import Rig

_SPREAD: dict[str, float] = {
    **{"browInnerUp": 0.16, "browOuterUp": 0.20, "browDown": 0.16, "eyeWide": 0.14},
    **{"eyeSquint": 0.16, "eyeBlink": 0.07, "cheekSquint": 0.10, "noseSneer": 0.06},
    **{"mouthFrown": 0.16, "mouthSmile": 0.05, "mouthDimple": 0.07, "mouthStretch": 0.08},
    **{"mouthPress": 0.10, "mouthRollLower": 0.14, "mouthRollUpper": 0.14, "mouthPucker": 0.08},
    **{"mouthShrugLower": 0.08, "mouthShrugUpper": 0.12, "jawForward": 0.12},
}
"""Shape → standard deviation of its weight at rest; negative weights are the opposite look."""

_UNEVEN = 0.25  # of the weight, from side to side


def resting_offset(rng: np.random.Generator, rig: Rig, spread: float = 1.0) -> np.ndarray:
    """Draw how a person's resting face differs from the mean one beyond the identity modes.

    Args:
        rng: Source of randomness.
        rig: The face rig.
        spread: How far resting faces lie from the mean one; 1 is the usual spread.

    Returns:
        (V, 3) float32, cm.
    """
    weights = np.zeros(len(rig.shapes), np.float32)
    for name, usual in _SPREAD.items():
        weight = spread * np.clip(rng.normal(0, usual), -2 * usual, 2 * usual)
        if name in rig.shapes:
            weights[rig.shapes[name]] = weight
            continue
        for side in "LR":
            weights[rig.shapes[f"{name}_{side}"]] = weight * rng.normal(1, _UNEVEN)
    return (weights @ rig.expression).reshape(-1, 3)
