"""What the cells of the packaged face finder say, as OpenCV computes it."""

from pathlib import Path

import cv2
import numpy as np

from runtime.errors import OpenCVError
from runtime.files.digest import file_sha256

MODEL = Path(__file__).with_name("network.onnx")
"""The packaged network; ``python -m export.finder`` writes it."""

INPUT, OUTPUTS = "picture", ("fine", "middle", "coarse")
"""Names in the file: (1, 3, H, W) float32, BGR, 0 to 255, both sides multiples of 32; and for each
grid (1, 15, H / stride, W / stride) float32."""

OPENCV_5 = int(cv2.__version__.partition(".")[0]) >= 5
"""Whether there is nothing but ``forward``, which takes several names for a single one first, and
crashes where a signal's handler raises meanwhile. OpenCV 4 has another way."""


class OpenCVGrids:
    """`runtime.finders.network.Grids` of an ``.onnx`` file.

    Args:
        path: Written by ``python -m export.finder``; None for the packaged file, `MODEL`.

    Raises:
        OpenCVError: The file is missing or damaged.
    """

    engine = "OpenCV"

    def __init__(self, path: Path | None = None) -> None:
        path = path or MODEL
        # OpenCV gets the bytes and not the path, as on Windows it opens none with letters beyond
        # ASCII.
        try:
            self._network = cv2.dnn.readNetFromONNX(np.fromfile(path, np.uint8))
            self.sha256 = file_sha256(path)
        except (OSError, cv2.error) as error:
            raise OpenCVError(
                f"the packaged face finder {path} cannot be read by OpenCV {cv2.__version__}: "
                f"reinstall lgrnet ({error})"
            ) from error

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `runtime.finders.network.Grids`."""
        self._network.setInput(cv2.dnn.blobFromImage(picture), INPUT)
        if OPENCV_5:
            return [grid[0] for grid in self._network.forward(OUTPUTS)]
        return [grid[0] for (grid,) in self._network.forwardAndRetrieve(OUTPUTS)]
