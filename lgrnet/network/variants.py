"""The networks that the paper compares with each other (Tables III to V), by their names there."""

from dataclasses import replace
from typing import Any

from lgrnet.network.config import REFINEMENT_MARGIN, ModelConfig

VARIANTS: dict[str, str] = {
    "without_full": "w/o full",
    "without_fr": "w/o F&R",
    "without_sb": "w/o S-B",
    "with_bi": "w/ Bi",
    "lgrnet": "LGRNet",
    "jaanet": "JÂA-Net",
}
"""Name in files and commands → name in the paper, the ablations in the order of Tables III and IV.

JÂA-Net, which is no ablation, is the baseline of Tables I, II and V, here from LGRNet's layers.
"""

ABLATIONS: tuple[str, ...] = tuple(name for name in VARIANTS if name != "jaanet")
"""The rows of Tables III and IV."""

_STRUCTURE: dict[str, dict[str, Any]] = {
    "without_full": {"relation": "none", "fusion": False},
    "without_fr": {"relation": "skip_bilstm", "fusion": False},
    "without_sb": {"relation": "none", "fusion": True},
    "with_bi": {"relation": "bilstm", "fusion": True},
    "lgrnet": {"relation": "skip_bilstm", "fusion": True},
}


def make_variant(config: ModelConfig, name: str) -> ModelConfig:
    """Change a network into one of the variants, all else being equal.

    Args:
        config: The network.
        name: A key of :data:`VARIANTS`.

    Returns:
        The variant; JÂA-Net refines its maps and has no intensities.

    Raises:
        ValueError: There is no such variant.
    """
    if name == "jaanet":
        return replace(
            config,
            architecture="jaanet", relation="none", fusion=False, intensity=False,
            attention="refined",
            attention_cells=config.grid + REFINEMENT_MARGIN,  # unpadded convolutions eat as many
        )  # fmt: skip
    if name not in _STRUCTURE:
        raise ValueError(f"variant {name!r} is unknown: choose from {', '.join(VARIANTS)}")
    if config.architecture == "jaanet":  # its maps stay its own
        config = replace(config, attention="predefined", attention_cells=None)
    return replace(config, architecture="lgrnet", **_STRUCTURE[name])


def variant_of(config: ModelConfig) -> str:
    """Tell which variant a network is.

    Args:
        config: The network.

    Returns:
        A key of :data:`VARIANTS`.

    Raises:
        ValueError: It is none of them.
    """
    if config.architecture == "jaanet":
        return "jaanet"
    for name, structure in _STRUCTURE.items():
        if all(getattr(config, key) == value for key, value in structure.items()):
            return name
    raise ValueError(
        f"relation = {config.relation!r} with fusion = {config.fusion} is none of the paper's "
        f"networks: {', '.join(VARIANTS)}"
    )
