"""Fig. 4 as a picture: faces with what speaks for and against each AU, and the skip gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lgrnet.network.au_geometry import AU_CENTRES
from runtime.action_units import AU_NAMES, au_key
from runtime.align import CROP_SIZE
from runtime.files.atomic import PendingFile
from runtime.landmarks import LEFT_EYE_INNER, RIGHT_EYE_INNER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _FAINT = "#1f2328", "#59636e"
_DPI = 200
_CELL = 1.25  # inches of a face
_FULL = 0.85  # opacity of the strongest relevance
_COLOURS = "RdBu_r"  # of ColorBrewer: red for, blue against; told apart by the colour-blind


@dataclass(frozen=True, eq=False)
class FaceMaps:
    """A face with its maps.

    Attributes:
        crop: (176, 176, 3) uint8, BGR.
        landmarks: (49, 2), pixels of the crop.
        maps: (AUs, h, w), positive for, negative against.
        probability: Of each of these AUs, (AUs,).
        name: What to call it.
    """

    crop: np.ndarray
    landmarks: np.ndarray
    maps: np.ndarray
    probability: np.ndarray
    name: str


def write_figure(figure: "Figure", path: Path) -> None:
    """Write a figure; the suffix tells the format, such as ``.png`` or ``.pdf``."""
    with PendingFile(path) as part:
        figure.savefig(part, dpi=_DPI)


def overlay(crop: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """Lay a map over a face: red for, blue against, the stronger the more opaque.

    Args:
        crop: (176, 176, 3) uint8, BGR.
        relevance: (h, w); its largest magnitude gets the fullest colour.

    Returns:
        (176, 176, 3) float32 in [0, 1], RGB.
    """
    from matplotlib import colormaps

    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)[..., None].astype(np.float32) / 255
    grey = np.repeat(0.15 + 0.85 * grey, 3, axis=2)
    largest = max(float(np.abs(relevance).max()), 1e-12)
    scaled = cv2.resize(
        (relevance / largest).astype(np.float32), (CROP_SIZE, CROP_SIZE),
        interpolation=cv2.INTER_CUBIC,
    ).clip(-1, 1)  # fmt: skip
    colour = colormaps[_COLOURS](0.5 + 0.5 * np.sign(scaled) * (0.35 + 0.65 * np.abs(scaled)))
    opacity = (_FULL * np.abs(scaled) ** 0.7)[..., None].astype(np.float32)
    return (1 - opacity) * grey + opacity * colour[..., :3].astype(np.float32)


def centres(landmarks: np.ndarray, au: int) -> np.ndarray:
    """Place the two centres of an AU on a face, (2, 2), pixels of the crop."""
    place = AU_CENTRES[au]
    ruler = abs(landmarks[LEFT_EYE_INNER, 0] - landmarks[RIGHT_EYE_INNER, 0])
    return landmarks[[place.left, place.right]] + np.array([0, place.drop * ruler])


def draw_heatmaps(faces: Sequence[FaceMaps], aus: Sequence[int], title: str) -> "Figure":
    """Draw faces as rows and AUs as columns, the face itself first.

    Args:
        faces: At least one.
        aus: FACS numbers of the maps, at least one.
        title: What stands below.

    Returns:
        The figure.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = 1 + len(aus)
    size = (_CELL * columns + 0.8, (_CELL + 0.08) * len(faces) + 0.6)
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    figure = Figure(figsize=size, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(faces), columns, squeeze=False)
    dots = colormaps["tab20"](np.linspace(0, 1, 20))
    for row, face in zip(panels, faces, strict=True):
        _bare(row[0], cv2.cvtColor(face.crop, cv2.COLOR_BGR2RGB))
        row[0].set_ylabel(face.name, fontsize=6.5, color=_FAINT)
        for number, (axes, au) in enumerate(zip(row[1:], aus, strict=True)):
            points = centres(face.landmarks, au)
            row[0].scatter(*points.T, s=9, color=dots[number % 20], edgecolor="white", lw=0.4)
            _bare(axes, overlay(face.crop, face.maps[number]))
            axes.scatter(*points.T, s=14, facecolor="none", edgecolor=_INK, lw=0.5)
            axes.set_xlabel(f"p = {face.probability[number]:.2f}", fontsize=6.5, color=_FAINT)
            axes.xaxis.labelpad = 1.5
    for axes, au in zip(panels[0, 1:], aus, strict=True):
        axes.set_title(f"{au_key(au)}\n{AU_NAMES[au]}", fontsize=6.5, color=_INK)
    panels[0, 0].set_title("face and\nAU centres", fontsize=6.5, color=_INK)
    scale = ScalarMappable(Normalize(-1, 1), _COLOURS)
    bar = figure.colorbar(scale, ax=panels[:, -1].tolist(), fraction=0.08, aspect=30, pad=0.04)
    bar.set_ticks([-1, 0, 1], labels=["against", "0", "for"])
    bar.ax.tick_params(labelsize=6.5, colors=_FAINT, length=0)
    bar.outline.set_visible(False)
    figure.supxlabel(title, fontsize=6.5, color=_FAINT)
    return figure


def draw_gates(gates: np.ndarray, effects: np.ndarray, aus: Sequence[int], title: str) -> "Figure":
    """Draw how far AUs listen to each other, and what that does to their answers.

    Args:
        gates: From :func:`lgrnet.heatmaps.attribution.gate_matrix`.
        effects: From :func:`lgrnet.heatmaps.attribution.gate_effects`.
        aus: FACS numbers of rows and columns.
        title: What stands below.

    Returns:
        The figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = 0.2 * len(aus) + 1.4
    figure = Figure(figsize=(2 * side + 1.2, side + 0.3), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    reach = float(np.nanmax(np.abs(gates - 0.5)))
    largest = float(np.nanmax(np.abs(effects)))
    _matrix(left, gates, aus, (0.5 - reach, 0.5 + reach), "PuOr_r")
    left.set_title("mean gate $f_j$ (0 shut, 1 open)", fontsize=8, color=_INK)
    _matrix(right, effects, aus, (-largest, largest), _COLOURS)
    right.set_title("change of the logit by the gates of AU $j$", fontsize=8, color=_INK)
    figure.supxlabel(title, fontsize=6.5, color=_FAINT)
    return figure


def _matrix(
    axes: "Axes", values: np.ndarray, aus: Sequence[int], limits: tuple[float, float], colours: str
) -> None:
    image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1])
    names = [str(au) for au in aus]
    axes.set_xticks(range(len(aus)), names, fontsize=6.5)
    axes.set_yticks(range(len(aus)), names, fontsize=6.5)
    axes.set_xlabel("AU $j$ that is listened to", fontsize=7, color=_INK)
    axes.set_ylabel("AU $t$ that listens", fontsize=7, color=_INK)
    axes.tick_params(length=0, colors=_FAINT)
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.ax.tick_params(labelsize=6.5, colors=_FAINT, length=0)
    bar.outline.set_visible(False)


def _bare(axes: "Axes", image: np.ndarray) -> None:
    axes.imshow(image)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlim(-0.5, CROP_SIZE - 0.5)
    axes.set_ylim(CROP_SIZE - 0.5, -0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
