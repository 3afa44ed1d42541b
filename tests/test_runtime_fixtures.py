"""Tiny models, faces and finders that the tests of `runtime` share, and tests of these."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import skimage.data
from onnx import TensorProto, helper, numpy_helper

from runtime.align import CROP_OFFSET, alignment_matrix
from runtime.finders import FoundFace
from runtime.finders.cascade import cascade_path
from runtime.landmarks import COUNT
from runtime.spec import INPUT_NAME, INTENSITY_NAME, OUTPUT_NAMES, ModelSpec

needs_cascade = pytest.mark.skipif(
    cascade_path() is None, reason=f"OpenCV {cv2.__version__} has no face cascade"
)

YUNET = Path(__file__).parents[2] / "shared" / "models" / "yunet_n_640_640.onnx"

# A neutral mean face in the crop, placed so that aligning it again changes nothing.
# fmt: off
MEAN_FACE = np.array([
    [30.2, 35.9], [38.9, 28.2], [50.1, 25.5], [63.7, 26.1], [75.9, 28.9], [99.1, 28.9],
    [111.3, 26.1], [124.9, 25.5], [136.1, 28.2], [144.8, 35.9], [87.5, 50.2], [87.5, 61.2],
    [87.5, 71.2], [87.5, 83.1], [75.1, 98.4], [81.6, 98.3], [87.5, 99.0], [93.4, 98.3],
    [99.9, 98.4], [43.5, 53.3], [49.4, 48.9], [60.1, 48.3], [69.3, 55.1], [60.6, 56.7],
    [49.5, 56.8], [105.7, 55.1], [114.9, 48.3], [125.6, 48.9], [131.5, 53.3], [125.5, 56.8],
    [114.4, 56.7], [62.5, 121.8], [70.7, 114.5], [80.3, 111.0], [87.5, 111.6], [94.7, 111.0],
    [104.3, 114.5], [112.5, 121.8], [105.3, 127.1], [97.7, 129.5], [87.5, 130.3], [77.3, 129.5],
    [69.7, 127.1], [77.7, 119.6], [87.5, 119.9], [97.3, 119.6], [98.0, 120.4], [87.5, 120.6],
    [77.0, 120.4],
])
# fmt: on


def make_spec(**changes) -> ModelSpec:
    fields = {
        "preset": "tiny",
        "aus": (6, 12, 25),
        "thresholds": (0.5, 0.5, 0.5),
        "precision": "fp32",
        "graph": "winograd",
        "engine": "onnxruntime",
        "batch": 1,
        "training_data": "nothing",
        "licence": "Apache-2.0",
        "checkpoint_sha256": "0" * 64,
        "versions": {"onnx": onnx.__version__},
    }
    return ModelSpec(**{**fields, **changes})


def write_model(
    path: Path,
    metadata: dict[str, str] | None = None,
    landmarks: np.ndarray = MEAN_FACE,
    **changes,
) -> Path:
    """Write a model in our contract.

    AU06, AU12, AU25 are the means of the blue, green and red channel over 255; their intensities,
    if the model is to tell them, over 51. The landmarks are a
    mean face moved by the centroid of brightness from the crop's middle, so that the network
    follows a bright spot and, like a real one, puts a mean face onto a black wall.
    """
    spec = make_spec(**changes)
    b, side = spec.batch, 176
    grid = np.arange(side, dtype=np.float32) - (side - 1) / 2
    x = np.broadcast_to(grid, (1, side, side))
    constants = {
        "full": np.float32(255),
        "fifth": np.float32(51),
        "last": np.array([-1]),
        "image": np.array([1, 2]),
        "grid_x": x.astype(np.float32),
        "grid_y": x.transpose(0, 2, 1).astype(np.float32),
        "tiny": np.float32(1e-3),
        "mean_face": landmarks[None].astype(np.float32),
        "point": np.array([b, 1, 2]),
    }
    node = helper.make_node
    nodes = [
        node("Cast", [INPUT_NAME], ["pixels"], to=TensorProto.FLOAT),
        node("ReduceMean", ["pixels", "image"], ["means"], keepdims=0),
        node("Div", ["means", "full"], [OUTPUT_NAMES[0]]),
        node("ReduceMean", ["pixels", "last"], ["bright"], keepdims=0),
        node("ReduceSum", ["bright", "image"], ["mass"], keepdims=1),
        node("Add", ["mass", "tiny"], ["divisor"]),
        node("Div", ["bright", "divisor"], ["weight"]),
        node("Mul", ["weight", "grid_x"], ["weighted_x"]),
        node("Mul", ["weight", "grid_y"], ["weighted_y"]),
        node("ReduceSum", ["weighted_x", "image"], ["dx"], keepdims=1),
        node("ReduceSum", ["weighted_y", "image"], ["dy"], keepdims=1),
        node("Concat", ["dx", "dy"], ["shift"], axis=2),
        node("Reshape", ["shift", "point"], ["moved"]),
        node("Add", ["mean_face", "moved"], [OUTPUT_NAMES[1]]),
    ]
    value = helper.make_tensor_value_info
    outputs = [
        value(OUTPUT_NAMES[0], TensorProto.FLOAT, [b, 3]),
        value(OUTPUT_NAMES[1], TensorProto.FLOAT, [b, COUNT, 2]),
    ]
    if spec.intensity:
        nodes.append(node("Div", ["means", "fifth"], [INTENSITY_NAME]))
        outputs.append(value(INTENSITY_NAME, TensorProto.FLOAT, [b, 3]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value(INPUT_NAME, TensorProto.UINT8, [b, side, side, 3])],
        outputs,
        [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, spec.to_metadata() if metadata is None else metadata)
    onnx.save(model, str(path))
    return path


def astronaut() -> np.ndarray:
    """(512, 512, 3) uint8 BGR, one face at about (225, 114)."""
    return np.ascontiguousarray(skimage.data.astronaut()[..., ::-1])


def wall(width: int = 320, height: int = 240) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def spot(x: float, y: float, width: int = 320, height: int = 240) -> np.ndarray:
    """A bright round spot on black, what the tiny model takes for a face."""
    frame = wall(width, height)
    centre = (round(x * 16), round(y * 16))
    cv2.circle(frame, centre, 20 * 16, (250, 200, 150), cv2.FILLED, cv2.LINE_AA, 4)
    return frame


class SpotFinder:
    """Finds bright spots, counts what it is asked, and can be told to see nothing."""

    name = "spot"

    def __init__(self) -> None:
        self.finds = self.confirms = 0
        self.blind = False

    def find(self, frame: np.ndarray) -> list[FoundFace]:
        self.finds += 1
        if self.blind:
            return []
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        _, _, stats, centres = cv2.connectedComponentsWithStats((grey > 100).astype(np.uint8))
        found = []
        for (x, y, w, h, area), (cx, cy) in zip(stats[1:], centres[1:], strict=True):
            if area > 200:
                matrix = np.array([[1.0, 0, 99.5 - cx], [0, 1.0, 99.5 - cy]])
                found.append(FoundFace((float(x), float(y), float(w), float(h)), 0.9, matrix))
        return found

    def confirm(self, face: np.ndarray) -> float | None:
        self.confirms += 1
        return None if self.blind or face[60:140, 60:140].max() < 100 else 0.8


def test_mean_face_is_aligned_already():
    matrix = alignment_matrix(MEAN_FACE + CROP_OFFSET)
    np.testing.assert_allclose(matrix, [[1, 0, 0], [0, 1, 0]], atol=0.01)


def test_tiny_model_is_valid(tmp_path):
    onnx.checker.check_model(str(write_model(tmp_path / "tiny.onnx", batch=2)), full_check=True)
