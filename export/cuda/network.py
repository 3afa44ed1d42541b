"""A network as launches of kernels, top to bottom."""

from collections.abc import Callable, Sequence

import numpy as np

from export.cuda.builder import Builder
from export.cuda.convolution import add_convolution
from export.cuda.recurrence import add_recurrence
from export.cuda.tiles import Tile, blocks_of, power_of_two, rows_rule, tile_of
from export.native.arrays import network_arrays, network_shape
from lgrnet.network.features import FeatureBlocks
from lgrnet.network.fusion import EPSILON
from lgrnet.network.model import LGRNet
from runtime.action_units import MAX_INTENSITY
from runtime.align import BORDER
from runtime.cuda.launch_plan import CUT_NUMBERS, FRAME_NAME, TABLE_NAME
from runtime.landmarks import COUNT, LEFT_EYE_INNER, RIGHT_EYE_INNER
from runtime.native.model import NetworkShape
from runtime.spec import INPUT_NAME, INTENSITY_NAME, OUTPUT_NAMES

_CELLS = 64  # cells that a program of `draw_patches` handles
_PIXELS = 256  # numbers that a program of an elementwise kernel handles
_PRODUCTS = 1024  # that a program of `project` sums at a time
_ENCODERS = ("align", "global")
_REGION = ("weight", "bias", "scale", "shift")


def build_network(
    model: LGRNet,
    batch: int,
    recurrence: str = "steps",
    choose: Callable[[str, Tile], Tile] = tile_of,
) -> Builder:
    """Turn a network into launches.

    Args:
        model: The network, in evaluation.
        batch: Faces at once.
        recurrence: One of `export.cuda.recurrence.RECURRENCES`.
        choose: See `export.cuda.builder.Builder`.

    Returns:
        Its arrays and launches; what goes in and comes out is named as in :mod:`runtime.spec`.

    Raises:
        ExportError: It is an ablation that there are no kernels for.
    """
    shape = network_shape(model.config, "export.cuda")
    to = Builder(choose=choose)
    return _Network(shape, network_arrays(model), batch, recurrence, to).build()


class _Network:
    """Writes one network; every method adds a part and returns the name of its result."""

    def __init__(
        self, shape: NetworkShape, arrays: dict[str, np.ndarray], batch: int, recurrence: str,
        to: Builder,
    ) -> None:  # fmt: skip
        self.shape, self.arrays, self.batch = shape, arrays, batch
        self.recurrence, self.to = recurrence, to

    def build(self) -> Builder:
        shape, to = self.shape, self.to
        to.array(INPUT_NAME, (self.batch, shape.crop, shape.crop, 3), "uint8")
        self._cut()
        first = self._unit("stem.0", self._prepare(), shape.stem[0], shape.input, shape.stride)
        side = shape.input // shape.stride // 2
        feature = self._unit("stem.1", first, shape.stem[1], side, 1)
        both = self._encode(feature)
        self._landmarks(both)
        attention, patches = self._patches(feature)
        states = add_recurrence(
            *(to, shape, self.arrays, self.batch, self.recurrence, feature, attention, patches)
        )
        fused = self._fusion(patches, states, both)
        layers = [self._layer(f"refine.{each}") for each in range(2 * len(shape.refine))]
        refined = self._blocks("refine", fused, layers, shape.refine, shape.aus)
        self._heads(refined)
        return to

    def _cut(self) -> None:
        shape, to = self.shape, self.to
        to.cut = to.started(
            "cut",
            (blocks_of(shape.crop**2, _PIXELS), self.batch, 1),
            {"SIDE": shape.crop, "GREY": BORDER[0], "BLOCK": _PIXELS},
            frame=FRAME_NAME,
            how=to.array(TABLE_NAME, (self.batch, CUT_NUMBERS), "float64"),
            out=INPUT_NAME,
        )

    def _prepare(self) -> str:
        shape, to = self.shape, self.to
        out = to.array("pixels", (self.batch, shape.input, shape.input, 4))
        to.launch(
            "prepare",
            (blocks_of(shape.input**2, _PIXELS), self.batch, 1),
            {"SIDE": shape.crop, "SIZE": shape.input, "BLOCK": _PIXELS},
            faces=INPUT_NAME,
            out=out,
        )
        return out

    def _unit(self, name: str, x: str, width: int, side: int, step: int) -> str:
        """Add a region unit and the pooling after it."""
        to = self.to
        weight = self.arrays[f"{name}.conv.weight"]
        if name == "stem.0":
            weight = weight.transpose(0, 3, 2, 1)  # columns, rows, colours → colours, rows, columns
            weight = np.pad(weight, ((0, 0), (0, 1), (0, 0), (0, 0)))  # the zero beside RGB
        grid = side // step
        sum_ = to.array(f"{name}.x", (self.batch, grid, grid, width))
        add_convolution(
            *(to, f"{name}.conv", x, sum_, weight, side),
            bias=self.arrays[f"{name}.conv.bias"], images=self.batch, step=step,
        )  # fmt: skip
        regions = to.array(f"{name}.regions", (self.batch, grid, grid, width))
        source, read, done = sum_, 0, 0
        layers = (("fine", 8, width // 2), ("middle", 4, width // 4), ("coarse", 2, width // 4))
        for part, tiles, made in layers:
            own = {each: self.arrays[f"{name}.{part}.{each}"] for each in _REGION}
            add_convolution(
                *(to, f"{name}.{part}", source, regions, own["weight"], grid // tiles),
                bias=own["bias"], norm=(own["scale"], own["shift"]), images=self.batch, tiles=tiles,
                x_stride=width, x_offset=read, out_stride=width, out_offset=done,
            )  # fmt: skip
            source, read = regions, done
            done += made
        out = to.array(name, (self.batch, grid // 2, grid // 2, width))
        to.launch(
            "merge",
            (blocks_of((grid // 2) ** 2 * width, _PIXELS), self.batch, 1),
            {"HEIGHT": grid, "WIDTH": grid, "CHANNELS": width, "BLOCK": _PIXELS},
            x=sum_,
            regions=regions,
            scale=to.weight(f"{name}.norm.scale", self.arrays[f"{name}.norm.scale"], "float32"),
            shift=to.weight(f"{name}.norm.shift", self.arrays[f"{name}.norm.shift"], "float32"),
            out=out,
        )
        return out

    def _encode(self, feature: str) -> str:
        """Add the alignment and the global network, whose layers are alike, as groups of one."""
        layers = []
        for number in range(2 * len(self.shape.feature)):
            pairs = zip(*(self._layer(f"{each}.{number}") for each in _ENCODERS), strict=True)
            layers.append(tuple(np.concatenate(pair) for pair in pairs))
        return self._blocks("encode", feature, layers, self.shape.feature, 2, shared=True)

    def _layer(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self.arrays[f"{name}.weight"], self.arrays[f"{name}.bias"]

    def _blocks(
        self, name: str, x: str, layers: list, widths: tuple[int, ...], groups: int,
        shared: bool = False,
    ) -> str:  # fmt: skip
        """Add three blocks of two convolutions and a pooling; `shared`: all groups read x whole."""
        side = self.shape.grid
        for number, (weight, bias) in enumerate(layers):
            width, pool = widths[number // 2], number % 2 == 1
            kept = side // 2 if pool else side
            layer = f"{name}.{number}"
            out = self.to.array(layer, (self.batch, kept, kept, groups * width))
            apart = 1 if shared and number == 0 else groups
            add_convolution(
                *(self.to, layer, x, out, weight, side),
                bias=bias, images=self.batch, groups=apart, relu=True, pool=pool,
            )  # fmt: skip
            x, side = out, kept
        return x

    def _project(
        self, names: Sequence[str], x: str, outs: Sequence[str], order: np.ndarray,
        stride: int, step: int, squash: bool,
    ) -> None:  # fmt: skip
        """Add one kind of outputs, or two."""
        to = self.to
        weight, bias = (
            np.stack([self.arrays[f"{name}.{kind}"] for name in names])
            for kind in ("weight", "bias")
        )
        kinds, outputs, cells, channels = weight.shape
        to.launch(
            "project",
            (outputs, self.batch, kinds),
            {
                **{"CELLS": cells, "CHANNELS": channels, "X_STRIDE": stride, "X_STEP": step},
                **{
                    "OUTPUTS": outputs,
                    "SQUASH": squash,
                    "TIMES": 1.0,
                    "TIMES_SECOND": float(MAX_INTENSITY),
                },
                "BLOCK": _PRODUCTS,
            },
            x=x,
            weight=to.weight(f"{names[0]}.weight", weight, "float16"),
            bias=to.weight(f"{names[0]}.bias", bias.reshape(kinds, outputs), "float32"),
            order=to.weight(f"{names[0]}.order", order, "int32"),
            out=outs[0],
            second=outs[-1],
        )

    def _landmarks(self, both: str) -> None:
        out = self.to.array(OUTPUT_NAMES[1], (self.batch, COUNT, 2), "float32")
        order = np.arange(2 * COUNT)
        stride = len(_ENCODERS) * self.shape.feature[-1]
        self._project(["landmarks"], both, [out], order, stride, 0, False)

    def _heads(self, refined: str) -> None:
        n, width = self.shape.aus, self.shape.refine[-1]
        names, outs = ["heads"], [OUTPUT_NAMES[0]]
        if "strength.weight" in self.arrays:
            names.append("strength")
            outs.append(INTENSITY_NAME)
        for out in outs:
            self.to.array(out, (self.batch, n), "float32")
        order = self.arrays["heads.order"]
        self._project(names, refined, outs, order, n * width, width, True)

    def _patches(self, feature: str) -> tuple[str, str]:
        shape, to = self.shape, self.to
        grid, channels = shape.grid, shape.stem[1]
        attention = to.array("attention", (shape.aus, self.batch, grid, grid))
        patches = to.array("patches", (shape.aus, self.batch, grid, grid, channels))
        to.launch(
            "draw_patches",
            (blocks_of(grid * grid, _CELLS), self.batch, shape.aus),
            {
                **{"IMAGES": self.batch, "LANDMARKS": COUNT},
                **{"LEFT": LEFT_EYE_INNER, "RIGHT": RIGHT_EYE_INNER},
                **{"CELLS": shape.cells, "MARGIN": (shape.cells - grid) // 2, "GRID": grid},
                **{"RADIUS": shape.radius, "SCALE": shape.cells_per_pixel, "SLOPE": shape.slope},
                **{"CHANNELS": channels, "BLOCK": _CELLS, "BLOCK_C": power_of_two(channels)},
            },
            landmarks=OUTPUT_NAMES[1],
            points=to.weight("patches.points", self.arrays["patches.points"], "int32"),
            drops=to.weight("patches.drops", self.arrays["patches.drops"], "float32"),
            feature=feature,
            attention=attention,
            patches=patches,
        )
        return attention, patches

    def _fusion(self, patches: str, states: str, both: str) -> str:
        shape, to, arrays = self.shape, self.to, self.arrays
        n, batch, grid, channels = shape.aus, self.batch, shape.grid, shape.stem[1]
        side, width = grid // FeatureBlocks.POOLING, shape.feature[-1]
        whole = to.array("fusion.global", (batch, side, side, 2 * n * channels))
        parts = ("gate", "value")
        weights, biases = (
            np.concatenate([arrays[f"fusion.global_{part}.{kind}"] for part in parts])
            for kind in ("weight", "bias")
        )
        add_convolution(
            *(to, "fusion.global", both, whole, weights, side),
            bias=biases, images=batch,
            x_stride=len(_ENCODERS) * width, x_offset=_ENCODERS.index("global") * width,
        )  # fmt: skip
        local = {}
        for part in parts:
            name = f"fusion.local_{part}"
            square = arrays[f"{name}.weight"].reshape(n, channels, channels).transpose(0, 2, 1)
            local[f"{part}_weight"] = to.weight(f"{name}.weight", square, "float16")
            bias = arrays[f"{name}.bias"].reshape(n, channels)
            local[f"{part}_bias"] = to.weight(f"{name}.bias", bias, "float32")
        out = to.array("fused", (batch, grid, grid, n * channels))
        work = f"fuse {n}x{batch}x{grid * grid}x{channels}"
        tile = to.choose(work, rows_rule(batch * grid * grid * channels))
        to.launch(
            "fuse",
            (blocks_of(grid * grid, tile.m), batch, n),
            {
                **{"AUS": n, "IMAGES": batch, "HEIGHT": grid, "WIDTH": grid, "CHANNELS": channels},
                **{"WHOLE": side, "EPSILON": EPSILON},
                **{"BLOCK_M": tile.m, "BLOCK_N": max(16, power_of_two(channels))},
            },
            patches=patches, states=states, **local, whole=whole, out=out,
            warps=tile.warps, stages=tile.stages, work=work,
        )  # fmt: skip
        return out
