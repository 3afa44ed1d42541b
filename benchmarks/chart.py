"""A bar chart of a measurement: ``python -m benchmarks.chart out/fps.json -o docs/speed.png``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.shared.machine import machine_line
from benchmarks.shared.noise import LEVEL
from benchmarks.shared.record import RecordError, complete, read_record
from lgrnet.plots import require_matplotlib
from runtime.console.stoppable import stoppable
from runtime.files.atomic import PendingFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FAMILIES = {
    "pytorch": ("PyTorch", "#7d8590"),
    "onnxruntime": ("ONNX Runtime", "#2563c9"),
    "openvino": ("OpenVINO", "#0f8f6f"),
    "native": ("native", "#c2410c"),
    "tensorrt": ("TensorRT", "#5f8f0f"),
    "fused": ("our kernels", "#c2410c"),
}
_INK, _FAINT, _GRID = "#1f2328", "#59636e", "#e3e6ea"
_BAR_INCHES, _PANEL_INCHES, _WIDTH_INCHES = 0.27, 0.75, 5.6
_DPI = 150


def draw_chart(record: dict) -> "Figure":
    """Draw how many times as fast as eager PyTorch every engine is, a panel for each run.

    Whiskers are the intervals of `benchmarks.shared.noise`. The ground is white, as pages may be
    dark.

    Args:
        record: From `benchmarks.fps`.

    Returns:
        The figure.

    Raises:
        ImportError: Matplotlib is not installed.
        RecordError: The record holds no networks.
    """
    runs = record["networks"]
    if not runs:
        raise RecordError("the record holds no networks: measure some, and draw the chart again")
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(2, len(runs))
    lines = -(-len(runs) // columns)
    bars = max(len(run["engines"]) for run in runs)
    head, foot = 0.85, 0.65
    height = lines * (bars * _BAR_INCHES + _PANEL_INCHES) + head + foot
    figure = Figure(figsize=(columns * _WIDTH_INCHES, height), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(lines, columns, squeeze=False).flat
    widest = max(engine["ratio_interval"][1] for run in runs for engine in run["engines"])
    for run, panel in zip(runs, axes, strict=False):
        _draw_panel(panel, run, widest)
    for panel in list(axes)[len(runs) :]:
        panel.set_axis_off()
    _draw_words(figure, record)
    figure.tight_layout(rect=(0.005, foot / height, 0.995, 1 - head / height), h_pad=1.6, w_pad=1.6)
    return figure


def write_chart(record: dict, path: Path) -> None:
    """Draw the chart and write it; an older file of that name stays until it is complete.

    Args:
        record: From `benchmarks.fps`.
        path: A ``.png`` or ``.svg`` file; its folder is made if need be.

    Raises:
        ImportError: Matplotlib is not installed.
        RecordError: The record holds no networks.
    """
    figure = draw_chart(record)
    with PendingFile(path) as pending:
        figure.savefig(pending, dpi=_DPI)


def _draw_panel(panel: "Axes", run: dict, widest: float) -> None:
    engines = run["engines"]
    places = range(len(engines))
    ratios = [engine["ratio_to_eager"] for engine in engines]
    lows, highs = zip(*(engine["ratio_interval"] for engine in engines), strict=True)
    # The median of all rounds may lie outside an interval of few: no whisker on that side then.
    below = [max(ratio - low, 0) for ratio, low in zip(ratios, lows, strict=True)]
    above = [max(high - ratio, 0) for ratio, high in zip(ratios, highs, strict=True)]
    panel.barh(
        places,
        ratios,
        height=0.7,
        color=[_FAMILIES[engine["library"]][1] for engine in engines],
        xerr=(below, above),
        error_kw={"ecolor": _INK, "elinewidth": 1.0, "capsize": 2.2},
    )
    for place, engine in zip(places, engines, strict=True):
        end = max(engine["ratio_to_eager"], engine["ratio_interval"][1])
        text = f"{engine['ratio_to_eager']:.2f} ×   {engine['p50']:.1f} ms"
        panel.annotate(
            *(text, (end, place)),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=_INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},  # over the grid lines
        )
    panel.axvline(1, color=_FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    panel.set_yticks(places, [engine["name"] for engine in engines], fontsize=8.5, color=_INK)
    panel.set_ylim(len(engines) - 0.4, -0.6)
    panel.set_xlim(0, 1.45 * widest)  # room for the words
    panel.xaxis.set_major_formatter("{x:g} ×")
    panel.tick_params(axis="x", labelsize=8, colors=_FAINT)
    panel.tick_params(axis="both", length=0)
    panel.set_axisbelow(True)
    panel.xaxis.grid(True, color=_GRID, linewidth=0.8)
    for side in panel.spines.values():
        side.set_visible(False)
    faces = "" if run["batch"] == 1 else f", batches of {run['batch']}"
    threads = f"{run['threads']} thread" + ("s" if run["threads"] > 1 else "")
    title = f"{run['preset']}, {run['aus']} AUs, {threads}{faces}"
    panel.set_title(title, loc="left", fontsize=10, fontweight="bold", color=_INK)


def _draw_words(figure: "Figure", record: dict) -> None:
    from matplotlib.patches import Patch

    height = figure.get_figheight()
    used = {engine["library"] for run in record["networks"] for engine in run["engines"]}
    figure.text(
        *(0.012, 1 - 0.14 / height, "Speed relative to the eager PyTorch network"),
        va="top",
        fontsize=13,
        fontweight="bold",
        color=_INK,
    )
    figure.text(
        *(0.012, 1 - 0.43 / height),
        "median of interleaved calls; longer is faster",
        va="top",
        fontsize=9,
        color=_FAINT,
    )
    figure.legend(
        handles=[Patch(color=c, label=n) for key, (n, c) in _FAMILIES.items() if key in used],
        loc="upper left",
        bbox_to_anchor=(0.012, 1 - 0.62 / height),
        ncols=len(used),
        frameon=False,
        fontsize=9,
        labelcolor=_INK,
        handlelength=1.1,
        borderaxespad=0,
        borderpad=0,
    )
    noisy = sum(len(run["warnings"]) for run in record["networks"]) + len(record["warnings"])
    caption = machine_line(record["machine"]).replace("; ", "\n", 1)
    caption += f"\nwhiskers: {100 * LEVEL:.0f} % intervals"
    if noisy:
        caption += f"; {noisy} warnings (noise, or rows too close to tell apart) are in the JSON"
    figure.text(0.012, 0.12 / height, caption, va="bottom", fontsize=7.5, color=_FAINT)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chart", description="Draw a bar chart of a measurement."
    )
    parser.add_argument("record", type=Path, help="JSON written by benchmarks/fps.py")
    parser.add_argument("-o", "--output", "--out", type=Path, help="default: beside it, with .png")
    args = parser.parse_args(argv)
    output = args.record.with_suffix(".png") if args.output is None else args.output
    if output.suffix not in (".png", ".svg"):
        parser.error(
            f"argument -o/--output/--out: give a name that ends in .png or .svg, not {output}"
        )
    try:
        record = read_record(args.record)
        with complete(f"record {args.record}"):
            write_chart(record, output)
    except (ImportError, RecordError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
