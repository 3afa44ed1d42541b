"""What an exported model says of itself: AUs, thresholds, geometry, provenance.

The exporter writes a `ModelSpec` into the file's metadata, the runtime reads it back;
nothing is guessed from tensor shapes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from runtime.action_units import AU_NAMES, au_key
from runtime.align import ALIGNED_SIZE, CROP_SIZE
from runtime.errors import SpecError

SPEC_VERSION = 2
PRECISIONS = ("fp32", "fp16", "int8")
"""Number formats that a file may hold."""

GRAPHS = ("plain", "winograd", "direct")
"""Ways of writing the same network as a graph; which is fastest depends on what runs it."""

ONNX_ENGINES = ("onnxruntime", "openvino")
"""What can run an ``.onnx`` file, by the names that ``backend=`` takes."""

ENGINES = (*ONNX_ENGINES, "native", "tensorrt", "fused")
"""The same, `runtime.native`, which runs ``.npz`` files, TensorRT, which runs ``.engine`` files
and, within ONNX Runtime, ``.onnx`` files, and our own GPU kernels, which ``.fused`` files hold."""

METADATA_KEY = "lgrnet"
"""The one metadata property that holds the spec, as JSON."""

FINDER_FORMAT = "lgrnet-face-finder-"
"""How the property ``format`` of a face finder begins, see `runtime.finders.grids_native`."""

INPUT_NAME = "face"
"""Graph input: (B, 176, 176, 3) uint8, BGR, the middle crop of an aligned face."""

OUTPUT_NAMES = ("au_probability", "landmarks")
"""Graph outputs: (B, n) float32 in [0, 1]; (B, 49, 2) float32, pixels of the crop."""

INTENSITY_NAME = "au_intensity"
"""Third output of graphs that tell it: (B, n) float32 in [0, 5], FACS's A to E as 1 to 5."""


_NEWER = ("seen", "tuned_on")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The contract of one exported model.

    Attributes:
        preset: Name of the network's preset, such as ``"edge"``.
        aus: FACS numbers in the order of the output, ascending.
        thresholds: Probability from which an AU counts as present, one for each AU.
        precision: One of `PRECISIONS`.
        graph: One of `GRAPHS`: the network as it was trained, or rewritten by the exporter.
        engine: One of `ENGINES`, for which graph and precision were chosen; others run it too.
        batch: The static batch size B.
        training_data: What the weights were trained on, in words.
        licence: Licence of the weights.
        checkpoint_sha256: Hash of the checkpoint file that was exported.
        versions: Package name → version at export.
        aligned_size: Side of the aligned face, pixels.
        crop_size: Side of the network's crop, pixels.
        intensity: Whether the model also tells how strong each AU is.
        seen: Whom it was trained on, as pairs of a corpus and a fold or a person, or of a digest of
            what another data set was made from and its split: ``(("bp4d", 1), ("disfa", "SN001"),
            ("3f0c5a1e9b7d2468", "train"))``; empty if nobody knows, as in older files.
        tuned_on: On whom its thresholds were chosen or its intensities fitted, likewise.
    """

    preset: str
    aus: tuple[int, ...]
    thresholds: tuple[float, ...]
    precision: str
    graph: str
    engine: str
    batch: int
    training_data: str
    licence: str
    checkpoint_sha256: str
    versions: Mapping[str, str]
    aligned_size: int = ALIGNED_SIZE
    crop_size: int = CROP_SIZE
    intensity: bool = False
    seen: tuple[tuple[str, int | str], ...] = ()
    tuned_on: tuple[tuple[str, int | str], ...] = ()

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        if type(self.batch) is not int or {type(au) for au in self.aus} - {int}:
            raise SpecError(f"batch {self.batch!r} or an AU of {self.aus} is no whole number")
        unknown = [au for au in self.aus if au not in AU_NAMES]
        if unknown:
            raise SpecError(f"unknown AUs {unknown}: known are {sorted(AU_NAMES)}")
        if not self.aus or tuple(sorted(set(self.aus))) != tuple(self.aus):
            raise SpecError(f"AUs must be ascending and named once, got {self.aus}")
        for name, known in (("graph", GRAPHS), ("engine", ENGINES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise SpecError(f"{name} {getattr(self, name)!r} is unknown: known are {known}")
        if len(self.thresholds) != len(self.aus):
            raise SpecError(f"{len(self.aus)} AUs but {len(self.thresholds)} thresholds")
        if not all(0 <= threshold <= 1 for threshold in self.thresholds):  # NaN is not
            raise SpecError(f"thresholds must be from 0 to 1, got {self.thresholds}")
        if (self.aligned_size, self.crop_size) != (ALIGNED_SIZE, CROP_SIZE):
            raise SpecError(
                f"the model wants {self.crop_size} px crops of {self.aligned_size} px faces, the "
                f"runtime makes {CROP_SIZE} of {ALIGNED_SIZE}: train one with that crop_size"
            )

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs, in their order."""
        return (*OUTPUT_NAMES, INTENSITY_NAME) if self.intensity else OUTPUT_NAMES

    def to_metadata(self) -> dict[str, str]:
        """Write the spec as the string properties that model files hold."""
        names = {au_key(au): AU_NAMES[au] for au in self.aus}
        fields = {"spec_version": SPEC_VERSION, **self.to_dict(), "au_names": names}
        return {METADATA_KEY: json.dumps(fields)}

    def to_dict(self) -> dict[str, object]:
        """Write the spec as plain values, without empty fields that older files do not have."""
        fields = asdict(self)
        return {name: value for name, value in fields.items() if name not in _NEWER or value}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], source: str) -> "ModelSpec":
        """Read the spec back.

        Args:
            metadata: The file's string properties.
            source: The file's name, for messages.

        Returns:
            The spec.

        Raises:
            SpecError: The file is not an export of this project, or of another spec version.
        """
        if METADATA_KEY not in metadata:
            raise SpecError(
                f"{source} holds no lgrnet metadata: only files written by "
                "`python -m export.onnx CHECKPOINT` (or export.native) can be opened"
            )
        if str(metadata.get("format")).startswith(FINDER_FORMAT):  # whose version has that key
            raise SpecError(
                f"{source} is a face finder, not a model that tells AUs: give a file written by "
                "`python -m export.onnx CHECKPOINT` (or export.native)"
            )
        try:
            fields = json.loads(metadata[METADATA_KEY])
        # JSON's errors, or what is not in UTF-8, which onnx gives as bytes.
        except (ValueError, RecursionError) as error:
            raise SpecError(f"{source}: its lgrnet metadata is not JSON ({error})") from error
        if not isinstance(fields, dict):
            raise SpecError(f"{source}: its lgrnet metadata is not a JSON object")
        version = fields.pop("spec_version", None)
        if version != SPEC_VERSION:
            raise SpecError(
                f"{source} has spec version {version}, this runtime reads {SPEC_VERSION}: "
                "export it again with this version of lgrnet"
            )
        fields.pop("au_names", None)
        try:
            return cls(
                **{
                    **fields,
                    "aus": tuple(fields["aus"]),
                    "thresholds": tuple(fields["thresholds"]),
                    **{name: tuple(map(tuple, fields.get(name, ()))) for name in _NEWER},
                }
            )
        except SpecError as error:
            raise SpecError(f"{source}: {error}") from error
        except (KeyError, TypeError) as error:
            raise SpecError(f"{source}: its lgrnet metadata is incomplete ({error})") from error
