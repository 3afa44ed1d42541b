"""The network's configuration: checked when made, stored in every checkpoint as a plain dict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lgrnet.network.au_geometry import AU_CENTRES
from lgrnet.settings import check_types, from_dict
from runtime.action_units import BP4D_AUS
from runtime.align import CROP_SIZE

REFINEMENT_MARGIN = 8
"""Cells that four unpadded 3 × 3 convolutions eat: JÂA-Net makes its maps this much larger."""


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the network's structure; the defaults are the paper's.

    Attributes:
        preset: Name of the preset this started from, for people and file metadata.
        aus: FACS numbers of the AUs, ascending; also the order of the outputs.
        crop_size: Side of the input image, pixels; landmarks are in these pixels.
        input_size: Side at which the network works, pixels; the input is resized to it bilinearly.
        stem_stride: Stride of the first convolution, 1 in the paper.
        stem_widths: Channels of the two region units; the second is C, the channels of F.
        feature_widths: Channels of the three blocks of the alignment and of the global network.
        refine_widths: Channels of the three refining blocks of each AU.
        align_hidden: Width of the hidden layer of the landmark head.
        head_hidden: Width of the hidden layer of each AU's head.
        relation: What links the AUs: nothing, a BiLSTM, or the skip-BiLSTM (Tables III and IV).
        gate: Reading of ``h_j v_t`` in eq. 8: their product or their concatenation.
        fusion: Whether there is fusion & refining (section III-C).
        attention: The predefined maps A_t, or JÂA-Net's convolutional refinement of them.
        attention_cells: Side of the grid on which the maps are made; None for that of F, or 8 more,
            as in JÂA-Net, whose maps lose 4 cells a side before they meet F.
        intensity: Whether the heads also tell how strong each AU is; not in the paper.
        architecture: LGRNet, or the JÂA-Net that it is compared with, which has no relations, no
            fusion and no intensities.
    """

    preset: str = "paper"
    aus: tuple[int, ...] = BP4D_AUS
    crop_size: int = CROP_SIZE
    input_size: int = 176
    stem_stride: int = 1
    stem_widths: tuple[int, int] = (32, 64)
    feature_widths: tuple[int, int, int] = (96, 128, 160)
    refine_widths: tuple[int, int, int] = (96, 128, 160)
    align_hidden: int = 512
    head_hidden: int = 64
    relation: Literal["none", "bilstm", "skip_bilstm"] = "skip_bilstm"
    gate: Literal["product", "concat"] = "product"
    fusion: bool = True
    attention: Literal["predefined", "refined"] = "predefined"
    attention_cells: int | None = None
    intensity: bool = False
    architecture: Literal["lgrnet", "jaanet"] = "lgrnet"

    def __post_init__(self) -> None:
        """Check the fields, one by one and against each other."""
        check_types(self)
        unknown = [au for au in self.aus if au not in AU_CENTRES]
        if unknown:
            raise ValueError(
                f"aus: no patch is known for {unknown}; choose from {list(AU_CENTRES)}"
            )
        if not self.aus or tuple(sorted(set(self.aus))) != self.aus:
            raise ValueError(f"aus: list each AU once, in ascending order; got {self.aus}")
        for name in ("crop_size", "input_size", "stem_stride", "align_hidden", "head_hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")
        for name in ("stem_widths", "feature_widths", "refine_widths"):
            if min(getattr(self, name)) < 1:
                raise ValueError(
                    f"{name}: every width must be at least 1, got {getattr(self, name)}"
                )
        if any(width % 4 for width in self.stem_widths):
            raise ValueError(
                "stem_widths: must be multiples of 4, as a region unit splits its channels into "
                f"halves and quarters; got {self.stem_widths}"
            )
        if self.input_size % (16 * self.stem_stride):
            raise ValueError(
                "input_size: must be a multiple of 16 × stem_stride, so that both region units cut "
                f"their maps into 8 × 8 equal tiles; got {self.input_size} with stem_stride "
                f"{self.stem_stride}"
            )
        if self.grid < 8:
            raise ValueError(
                f"input_size: {self.input_size} gives a grid of {self.grid} × {self.grid} cells, "
                "the three poolings of the blocks need at least 8"
            )
        if self.architecture == "jaanet":
            absent = {"relation": "none", "fusion": False, "intensity": False}
            for name, value in absent.items():
                if getattr(self, name) != value:
                    raise ValueError(f"{name}: JÂA-Net has none, set it to {value!r}")
        allowed = (None, self.grid, self.grid + REFINEMENT_MARGIN)
        if self.attention_cells not in allowed:
            raise ValueError(
                f"attention_cells: must be one of {allowed} for a grid of {self.grid} cells, got "
                f"{self.attention_cells}"
            )

    @property
    def grid(self) -> int:
        """Cells along a side of F: h = w, 44 in the paper."""
        return self.input_size // (4 * self.stem_stride)

    @property
    def channels(self) -> int:
        """Channels C of F, 64 in the paper."""
        return self.stem_widths[1]

    @property
    def cells(self) -> int:
        """Cells along a side of the grid on which the attention maps are made."""
        return self.grid if self.attention_cells is None else self.attention_cells

    def to_dict(self) -> dict[str, Any]:
        """Write the configuration as plain dict, lists, numbers and strings."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelConfig":
        """Read what :meth:`to_dict` wrote.

        Args:
            values: Field → value; absent fields take their defaults.

        Returns:
            The configuration.

        Raises:
            ValueError: A key is unknown or a value is wrong.
        """
        return from_dict(cls, values)


PRESETS: dict[str, ModelConfig] = {
    "paper": ModelConfig(),
    "edge": ModelConfig(
        preset="edge",
        input_size=128,
        stem_stride=2,
        stem_widths=(32, 32),
        feature_widths=(48, 64, 96),
        refine_widths=(32, 48, 64),
        align_hidden=256,
        head_hidden=32,
    ),
}
"""Name → configuration. ``edge`` has the paper's modules, narrower, and a grid of 16 × 16 cells."""


def model_config(preset: str, **changes: Any) -> ModelConfig:
    """Take a preset and change some of its fields.

    Args:
        preset: A key of :data:`PRESETS`.
        **changes: Fields of :class:`ModelConfig`; lists are taken for tuples.

    Returns:
        The configuration.

    Raises:
        ValueError: The preset or a field is unknown, or a value is wrong.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset: no {preset!r}; choose from {sorted(PRESETS)}")
    return from_dict(ModelConfig, {**PRESETS[preset].to_dict(), **changes})
