"""Action units from faces, with NumPy, OpenCV and an exported model; no training code needed.

::

    from runtime import Detector, draw, open_source

    with Detector() as detector:
        result = detector(frame_bgr)                      # one frame, (H, W, 3) uint8, BGR
        for face in result:
            print(face.box, face.aus["AU12"], face.present)
        for result in detector.stream("clip.mp4"):        # a video, image, folder or camera
            print(result.index, [face.present for face in result])
        for shot in open_source("clip.mp4"):              # with the frames at hand
            picture = draw(shot.frame, detector.track(shot.frame))

On the command line: ``python -m runtime clip.mp4 --out results``.
"""

from runtime.installed import how_to_install

try:
    from cv2 import warpAffine as _  # noqa: F401  a half-removed OpenCV leaves an empty cv2 behind
except ImportError as error:
    raise ImportError(
        f"OpenCV does not load ({error}). Install the build that needs no display libraries: "
        "pip uninstall -y opencv-python opencv-python-headless opencv-contrib-python, then "
        f"{how_to_install('headless')}"
    ) from error

from runtime.detector import Detector
from runtime.drawing import Annotator, draw
from runtime.errors import (
    DeviceError,
    InputError,
    ModelError,
    OpenCVError,
    OutputError,
    SpecError,
)
from runtime.formats import Layout, open_writer
from runtime.outputs.plotting import plot
from runtime.pose import HeadPose
from runtime.results import Face, Result, Timings
from runtime.signals import Signals
from runtime.sources import Source, open_source
from runtime.spec import ModelSpec

__all__ = [
    "Annotator",
    "Detector",
    "DeviceError",
    "Face",
    "HeadPose",
    "InputError",
    "Layout",
    "ModelError",
    "ModelSpec",
    "OpenCVError",
    "OutputError",
    "Result",
    "Signals",
    "Source",
    "SpecError",
    "Timings",
    "draw",
    "open_source",
    "open_writer",
    "plot",
]
