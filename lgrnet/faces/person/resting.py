"""The resting face: nobody's is the mean one, and the mean is not the rig's.

Mouth corners that hang or turn up, heavy lids, low brows and thin lips are what a person looks
like, not what they do, so they are part of the identity and carry no label. Without them a network
takes the neutral faces of real people for AU 4, 7, 15 or 17.

Together with the identity modes they make eyes, brows and lips differ between people as much as
those of real adults do (standard deviations in mm): the opening of the eyes by 1.2 (Read et al.,
Optometry and Vision Science 83, 2006), the height of the brows by 1.8 (Cartwright et al., American
Journal of Ophthalmology 117, 1994), the vermilion of upper and lower lip by 1.4 and 1.5 and the
width of the mouth by 3.3 (400 women, Aesthetic Plastic Surgery, "The concept of ideal lips"). Wider
spreads drown the weaker AUs in shapes that hardly anybody has.
"""

import numpy as np

from lgrnet.faces.head.rig import Rig

_SPREAD: dict[str, float] = {
    **{"browInnerUp": 0.10, "browOuterUp": 0.12, "browDown": 0.10, "eyeWide": 0.13},
    **{"eyeSquint": 0.14, "eyeBlink": 0.06, "cheekSquint": 0.06, "noseSneer": 0.04},
    **{"mouthFrown": 0.15, "mouthSmile": 0.04, "mouthDimple": 0.07, "mouthStretch": 0.05},
    **{"mouthPress": 0.06, "mouthRollLower": 0.085, "mouthRollUpper": 0.085, "mouthPucker": 0.05},
    **{"mouthShrugLower": 0.05, "mouthShrugUpper": 0.07, "jawForward": 0.12},
}
"""Shape → standard deviation of its weight at rest; negative weights are the opposite look."""

_MEAN: dict[str, float] = {
    **{"browInnerUp": -1.0, "browOuterUp": -0.2, "eyeBlink": 0.07},
    **{"mouthFrown": 0.18, "mouthRollUpper": 0.13},
}
"""Shape → mean weight at rest: the rig's own mean face has brows higher above the eyes, lids wider
open, corners of the mouth that turn up and a fuller upper lip than real people at rest in
photographs."""

_UNEVEN = 0.25  # of the weight, from side to side


def resting_offset(rng: np.random.Generator, rig: Rig, spread: float = 1.0) -> np.ndarray:
    """Draw how a person's resting face differs from the rig's beyond the identity modes.

    Args:
        rng: Source of randomness.
        rig: The face rig.
        spread: How far resting faces lie from their mean; 1 is the usual spread, 0 gives the mean.

    Returns:
        (V, 3) float32, cm.
    """
    weights = np.zeros(len(rig.shapes), np.float32)
    for name, usual in _SPREAD.items():
        weight = spread * np.clip(rng.normal(0, usual), -2 * usual, 2 * usual)
        mean = _MEAN.get(name, 0.0)
        if name in rig.shapes:
            weights[rig.shapes[name]] = mean + weight
            continue
        for side in "LR":
            weights[rig.shapes[f"{name}_{side}"]] = mean + weight * rng.normal(1, _UNEVEN)
    return (weights @ rig.expression).reshape(-1, 3)
