"""What a TensorRT engine file says of itself, in a JSON file beside it.

TensorRT's own file says nothing of the network that it was built from, and opens only in the
version and on the kinds of GPU that it was built for. The sidecar holds both, so that a file that
does not fit is named with the fix before TensorRT refuses it with a code.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from runtime.errors import ModelError, SpecError
from runtime.files.atomic import write_json
from runtime.files.digest import file_sha256
from runtime.installed import how_to_install
from runtime.spec import ModelSpec

SUFFIX = ".engine"
"""Of engine files."""

FORMAT = "lgrnet-engine-1"

FLAVOURS: dict[str, str] = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}
"""Name of a TensorRT → the Python module that holds it. ``rtx`` is TensorRT for RTX, which builds
for GPUs that are not there and finishes a build on the GPU in seconds when it is opened. The extra
of this package that installs it has the name of the flavour."""


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """What an engine was built from, by what, and for what.

    Attributes:
        spec: Of the network.
        flavour: One of `FLAVOURS`.
        version: Of that library, such as ``"1.7.1.116"``.
        targets: Compute capabilities it was built for, such as ``("8.6", "12.0")``.
        gpu: Name of the GPU that it was timed on; None where it was built without one.
        onnx_sha256: Hash of the ONNX file.
        engine_sha256: Hash of the engine file.
        shapes: Tensor → its static shape.
    """

    spec: ModelSpec
    flavour: str
    version: str
    targets: tuple[str, ...]
    gpu: str | None
    onnx_sha256: str
    engine_sha256: str
    shapes: Mapping[str, tuple[int, ...]]

    def mismatch(self, version: str, capability: str, gpu: str | None = None) -> str | None:
        """Tell why an engine does not fit what is here.

        Args:
            version: Of the library that is installed.
            capability: Of the GPU that is here, such as ``"8.9"``.
            gpu: Its name; None not to compare names.

        Returns:
            The reason, or None if it fits.
        """
        if self.version != version:
            return f"it was built by {self.flavour} {self.version}, here is {version}"
        if capability not in self.targets:
            built = ", ".join(self.targets)
            return f"it was built for compute capability {built}, and not for {capability}"
        if gpu is not None and self.gpu is not None and gpu != self.gpu:
            return f"it was timed on {self.gpu}, here is {gpu}"
        return None


def load_tensorrt(flavour: str) -> ModuleType:
    """Import a TensorRT.

    Args:
        flavour: One of `FLAVOURS`.

    Returns:
        The module.

    Raises:
        ImportError: It is not installed, or does not load; the message says what to install.
    """
    try:
        return import_module(FLAVOURS[flavour])
    except (ImportError, OSError) as error:  # OSError: one of its own libraries is missing
        raise ImportError(
            f"{FLAVOURS[flavour]} does not load ({error}): {how_to_install(flavour)}"
        ) from error


def sidecar(engine: Path) -> Path:
    """Name the JSON file of an engine file: ``model.engine`` → ``model.engine.json``."""
    return engine.with_name(engine.name + ".json")


def write_plan(engine: Path, plan: EnginePlan) -> None:
    """Write the sidecar of an engine file.

    Args:
        engine: The engine file.
        plan: What it says.
    """
    fields = {"format": FORMAT, **asdict(plan), "spec": plan.spec.to_metadata()}
    write_json(sidecar(engine), fields)


def read_plan(engine: Path) -> EnginePlan:
    """Read the sidecar of an engine file, and check that it is of this file.

    Args:
        engine: The engine file.

    Returns:
        What it says.

    Raises:
        ModelError: There is no sidecar, it is not one, or it belongs to another file.
        SpecError: It is of another version.
    """
    path = sidecar(engine)
    again = "build it again with `python -m export.tensorrt MODEL.onnx`"
    if not path.is_file():
        raise ModelError(f"engine {engine} has no {path.name} beside it: {again}")
    try:
        fields: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if fields.pop("format") != FORMAT:
            raise ValueError("another format")
        metadata = fields.pop("spec")
        plan = EnginePlan(
            **{
                **fields,
                "spec": ModelSpec.from_metadata(metadata, str(path)),
                "targets": tuple(fields["targets"]),
                "shapes": {name: tuple(shape) for name, shape in fields["shapes"].items()},
            }
        )
    except SpecError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(f"{path} is not the sidecar of an engine ({error}): {again}") from error
    if plan.flavour not in FLAVOURS:
        raise ModelError(f"{path} names the flavour {plan.flavour!r}, known are {list(FLAVOURS)}")
    if file_sha256(engine) != plan.engine_sha256:
        raise ModelError(f"engine {engine} is not the one that {path.name} tells of: {again}")
    return plan
