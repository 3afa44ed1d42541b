"""What comes with the package: models, by name, and the demo clip."""

from pathlib import Path

FOLDER = Path(__file__).parent / "models"

MODELS: dict[str, str] = {
    "edge": "lgrnet_edge.onnx",
    "edge-int8": "lgrnet_edge_int8.onnx",
    "edge-native": "lgrnet_edge_native.npz",
}
"""Name → file."""

MADE_FOR: dict[str, str] = {
    "onnxruntime": "edge",
    "openvino": "edge-int8",
    "native": "edge-native",
}
"""Engine, one of `runtime.spec.ENGINES` → the packaged model that is made for it."""

DEFAULT = "edge"

DEMO = Path(__file__).parent / "demo"
DEMO_CLIP = DEMO / "clip.mp4"
"""Three rendered people, one after the other, whose action units are known."""

DEMO_TRUTH = DEMO / "clip_truth.csv"
"""What is true of each of its frames, in the form of `runtime.truth`."""


def no_such_model(path: Path) -> FileNotFoundError:
    """Say that a file is not there; one without a suffix was to be the name of a packaged model."""
    named = "" if path.suffix else f": packaged models are {', '.join(MODELS)}"
    return FileNotFoundError(f"model {path} does not exist{named}")


def model_path(model: str | Path | None) -> Path:
    """Find a model.

    Args:
        model: A name of `MODELS`, the path of an exported file, or None for the default.

    Returns:
        The file; for a path, whether or not there is one.

    Raises:
        FileNotFoundError: A packaged model is not there.
    """
    name = DEFAULT if model is None else str(model)
    if name not in MODELS:
        return Path(name)
    path = FOLDER / MODELS[name]
    if not path.exists():
        raise FileNotFoundError(
            f"the packaged model {path} is not there: install lgrnet again, or give another model "
            "(model=, --model); a program packed into one file has to bring what lies beside "
            "`runtime`, as files (docs/live.md)"
        )
    return path
