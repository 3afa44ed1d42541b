"""Where a face will be next: a Kalman filter of constant velocity, in units of the face's size.

Both axes move alike and independently, so that they share one covariance (Bar-Shalom et al.,
"Estimation with Applications to Tracking and Navigation", 2001, section 6.3: discrete white-noise
acceleration). Plain floats: at this size NumPy would take ten times as long.
"""

from dataclasses import dataclass

import numpy as np

from runtime.boxes import Box

ACCELERATION = 0.02
"""Standard deviation of how the velocity changes, face sizes a frame²."""

JITTER = 0.015
"""Standard deviation of where landmarks put the middle of a face, face sizes."""

SLOWING = 0.98
"""Share of its velocity that an unseen face keeps a frame: nobody walks straight on for long."""

_SIZE_GAIN = 0.3  # how much of a change in size is believed at once


@dataclass(slots=True, eq=False)
class Motion:
    """How one face moves.

    Attributes:
        x: Middle of its box, pixels.
        y: Middle of its box, pixels.
        width: Of its box, pixels.
        height: Of its box, pixels.
        dx: Velocity, pixels a frame.
        dy: Velocity, pixels a frame.
    """

    x: float
    y: float
    width: float
    height: float
    dx: float = 0.0
    dy: float = 0.0
    _place: float = JITTER**2  # variances and covariance of place and velocity, sizes²
    _cross: float = 0.0
    _speed: float = 0.05**2

    @classmethod
    def of_box(cls, box: Box) -> "Motion":
        """Begin with a face at rest."""
        x, y, width, height = box
        return cls(x + width / 2, y + height / 2, width, height)

    @property
    def box(self) -> Box:
        """Where the face is, or will be after `predict`."""
        return self.x - self.width / 2, self.y - self.height / 2, self.width, self.height

    @property
    def size(self) -> float:
        """Size of the face, pixels."""
        return (self.width + self.height) / 2

    def copy(self) -> "Motion":
        """Return another filter in the same state."""
        return Motion(*(getattr(self, name) for name in self.__slots__))

    def predict(self, seen: bool = True) -> None:
        """Move on by a frame.

        Args:
            seen: Whether the face is being followed; others slow down.
        """
        self.x += self.dx
        self.y += self.dy
        if not seen:
            self.dx *= SLOWING
            self.dy *= SLOWING
        noise = ACCELERATION**2
        self._place += 2 * self._cross + self._speed + noise / 4
        self._cross += self._speed + noise / 2
        self._speed += noise

    def stay_beside(self, size: tuple[int, int]) -> None:
        """Go no farther than just outside a frame: whoever has left it comes back from there.

        Args:
            size: Width and height of the frame, pixels.
        """
        self.x = min(max(self.x, -self.width / 2), size[0] + self.width / 2)
        self.y = min(max(self.y, -self.height / 2), size[1] + self.height / 2)

    def is_inside(self, size: tuple[int, int]) -> bool:
        """Tell whether its middle is within a frame of that width and height."""
        return 0 <= self.x <= size[0] and 0 <= self.y <= size[1]

    def correct(self, box: Box) -> None:
        """Take in where the face was found.

        Args:
            box: Its box.
        """
        x, y, width, height = box
        off_x, off_y = x + width / 2 - self.x, y + height / 2 - self.y
        total = self._place + JITTER**2
        gain, speed_gain = self._place / total, self._cross / total
        self.x += gain * off_x
        self.y += gain * off_y
        self.dx += speed_gain * off_x
        self.dy += speed_gain * off_y
        self.width += _SIZE_GAIN * (width - self.width)
        self.height += _SIZE_GAIN * (height - self.height)
        self._speed -= speed_gain * self._cross
        self._cross -= gain * self._cross
        self._place -= gain * self._place

    def distance(self, box: Box) -> float:
        """Tell how far a box is from where the face should be.

        Args:
            box: The box.

        Returns:
            Distance of the middles in sizes of the larger of the two, plus the logarithm of the
            ratio of their sizes.
        """
        x, y, width, height = box
        size = (width + height) / 2
        away = float(np.hypot(x + width / 2 - self.x, y + height / 2 - self.y))
        return away / max(size, self.size) + abs(float(np.log(size / self.size)))
