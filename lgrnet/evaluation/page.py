"""The scores of an evaluation as a page of plots."""

from pathlib import Path
from typing import TYPE_CHECKING

from lgrnet.plots import require_matplotlib
from runtime.files.atomic import PendingFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_INK, _FAINT, _GRID = "#1f2328", "#59636e", "#e3e6ea"
_BLUE, _ORANGE = "#2563c9", "#c2410c"
_WIDTH = 11.0  # inches
_ROW = 0.26  # of a bar
_ACROSS = 5  # reliability curves side by side
_DPI = 110


def require_page(path: Path) -> None:
    """Check that a page can be drawn, before minutes are spent on its scores.

    Args:
        path: Where to.

    Raises:
        ValueError: The name does not end in ``.png``.
        ImportError: Matplotlib is not installed.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(f"page {path}: give a name that ends in .png")
    require_matplotlib("leave out --page")


def write_page(scores: dict, path: Path) -> None:
    """Draw scores and write the page.

    Args:
        scores: From :func:`lgrnet.evaluation.report.report`, with ``checkpoint``, and ``flip_test``
            where it is one.
        path: Where to, ``.png``.
    """
    with PendingFile(path) as part:
        draw_page(scores).savefig(part, dpi=_DPI)


def draw_page(scores: dict) -> "Figure":
    """Draw scores: AUs as bars, their reliability curves, and groups as dots.

    Args:
        scores: As for :func:`write_page`.

    Returns:
        The figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    aus, groups = scores["aus"], [row for row in scores["groups"] if row["frames"]]
    lines = -(-len(aus) // _ACROSS)
    heights = [len(aus) * _ROW + 1.0, lines * 1.75 + 0.7]
    if groups:
        conditions = len({row["condition"] for row in groups})
        heights.append((len(groups) + conditions) * _ROW * 0.8 + 1.0)
    figure = Figure(figsize=(_WIDTH, sum(heights) + 0.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"{scores['checkpoint']}: {scores['frames']:,} faces of {scores['people']:,} people"
        f"{', each with its mirror image (flip test)' * scores.get('flip_test', False)}",
        color=_INK, fontsize=13,
    )  # fmt: skip
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    _draw_aus(parts[0].subplots(), scores)
    _draw_reliability(parts[1], aus, lines)
    if groups:
        _draw_groups(parts[2].subplots(1, 2, sharey=True), groups)
    return figure


def _plain(axes: "Axes") -> None:
    axes.tick_params(colors=_FAINT, length=0, labelsize=8)
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_aus(axes: "Axes", scores: dict) -> None:
    rows = scores["aus"]
    places = range(len(rows))
    labels = [f"{row['name']}  {key}" for key, row in rows.items()]
    _plain(axes)
    axes.set_title("F1 at the threshold, and ranking", color=_INK, fontsize=11, loc="left")
    axes.barh(places, [row["f1_at_threshold"] for row in rows.values()], 0.62, color=_BLUE,
              label="F1 at the threshold")  # fmt: skip
    axes.plot([row["always_on_f1"] for row in rows.values()], places, "|", color=_INK, ms=11,
              mew=2, label="F1 of always on")  # fmt: skip
    axes.plot([row["auc"] for row in rows.values()], places, "o", color=_ORANGE, ms=5,
              clip_on=False, label="area under the ROC curve")  # fmt: skip
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.grid(axis="x", color=_GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=8)


def _draw_reliability(part: "SubFigure", aus: dict, lines: int) -> None:
    part.suptitle(
        "Reliability: share of frames that show the AU (up) by the probability that is said "
        "(right); size is how many frames",
        color=_INK, fontsize=11, x=0.01, ha="left",
    )  # fmt: skip
    panels = part.subplots(lines, _ACROSS, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (key, row) in zip(panels, aus.items(), strict=False):
        _plain(axes)
        curve = row["reliability"]
        known = [i for i, frames in enumerate(curve["frames"]) if frames]
        said, seen = ([curve[name][i] for i in known] for name in ("said", "seen"))
        most = max(curve["frames"])
        axes.plot([0, 1], [0, 1], color=_GRID, lw=1.2)
        axes.axvline(row["threshold"], color=_ORANGE, lw=0.8, ls=":")
        axes.plot(said, seen, color=_BLUE, lw=1)
        axes.scatter(said, seen, [4 + 60 * curve["frames"][i] / most for i in known], color=_BLUE)
        axes.set_title(f"{key}  ECE {row['calibration_error']:.3f}", color=_FAINT, fontsize=8)
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks([0, 0.5, 1])
    for axes in panels[len(aus) :]:
        axes.set_visible(False)


def _draw_groups(panels: "list[Axes]", groups: list[dict]) -> None:
    places, labels, place, before = [], [], 0.0, None
    for row in groups:
        if before not in (None, row["condition"]):
            place += 1
        before = row["condition"]
        places.append(place)
        labels.append(f"{row['condition']}: {row['name']}  ({row['frames']:,})")
        place += 1
    for axes, title, series in (
        (panels[0], "Groups: mean over AUs", (("f1_at_threshold", "F1", _BLUE, 1),
                                              ("auc", "AUC", _ORANGE, 1))),
        (panels[1], "Landmark error, % of inter-ocular distance",
         (("landmark_error", "", _BLUE, 100),)),
    ):  # fmt: skip
        _plain(axes)
        axes.set_title(title, color=_INK, fontsize=11, loc="left")
        for key, name, colour, factor in series:
            axes.plot([factor * row[key] for row in groups], places, "o", color=colour, ms=5,
                      label=name)  # fmt: skip
        axes.grid(color=_GRID, lw=0.8)
        axes.set_axisbelow(True)
    panels[0].set_yticks(places, labels)
    panels[0].invert_yaxis()
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8)
    panels[1].set_xlim(left=0)
