"""What a precision may cost at most."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """What a precision may cost at most; the defaults are those of the command line.

    Attributes:
        f1: Loss of one AU's F1-frame at its threshold, 0 to 1.
        mean_f1: Loss of their mean.
        change: Change of one AU's probability on any face.
        landmarks: Mean distance of a landmark to where the float32 file places it, pixels of the
            crop. The tracker, the alignment and the head pose go by landmarks.
        intensity: Mean change of an intensity, 0 to 5, in models that tell them.
    """

    f1: float = 0.02
    mean_f1: float = 0.005
    change: float = 1.0
    landmarks: float = 1.0
    intensity: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges; written so that NaN is refused."""
        for name, value in vars(self).items():
            if not value >= 0:
                raise ValueError(f"bound {name}: must be at least 0, got {value}")
