"""A network as launches of kernels, top to bottom."""

import numpy as np

from export.cuda.builder import Builder, blocks_of, power_of_two
from export.native.arrays import network_arrays, network_shape
from lgrnet.features import FeatureBlocks
from lgrnet.fusion import EPSILON
from lgrnet.heads import STRONGEST
from lgrnet.model import LGRNet
from runtime.align import BORDER
from runtime.cuda.launch_plan import CUT_NUMBERS, FRAME_NAME, TABLE_NAME
from runtime.landmarks import COUNT, LEFT_EYE_INNER, RIGHT_EYE_INNER
from runtime.native.model import NetworkShape
from runtime.spec import INPUT_NAME, INTENSITY_NAME, OUTPUT_NAMES

_PIXELS = 256  # numbers that a program of an elementwise kernel handles
_PRODUCTS = 256  # that a program of `project` sums at a time

RECURRENCES = ("steps", "persistent")
"""Ways to start the skip-BiLSTM: three launches a step, or one launch for all steps."""


def build_network(model: LGRNet, batch: int, recurrence: str = "steps") -> Builder:
    """Turn a network into launches.

    Args:
        model: The network, in evaluation.
        batch: Faces at once.
        recurrence: One of :data:`RECURRENCES`.

    Returns:
        Its arrays and launches; what goes in and comes out is named as in :mod:`runtime.spec`.

    Raises:
        ExportError: It is an ablation that there are no kernels for.
    """
    shape = network_shape(model.config)
    return _Network(shape, network_arrays(model), batch, recurrence).build()


class _Network:
    """Writes one network; every method adds a part and returns the name of its result."""

    def __init__(
        self, shape: NetworkShape, arrays: dict[str, np.ndarray], batch: int, recurrence: str
    ) -> None:
        self.shape, self.arrays, self.batch = shape, arrays, batch
        self.recurrence = recurrence
        self.to = Builder()

    def build(self) -> Builder:
        shape, to = self.shape, self.to
        to.array(INPUT_NAME, (self.batch, shape.crop, shape.crop, 3), "uint8")
        self._cut()
        first = self._unit("stem.0", self._prepare(), 4, shape.stem[0], shape.input, shape.stride)
        side = shape.input // shape.stride // 2
        feature = self._unit("stem.1", first, shape.stem[0], shape.stem[1], side, 1)
        aligned = self._blocks("align", feature, shape.stem[1], shape.feature, 1)
        self._landmarks(aligned)
        attention = self._patches()
        states = self._recurrence(feature, attention)
        whole = self._blocks("global", feature, shape.stem[1], shape.feature, 1)
        fused = self._fusion(feature, attention, states, whole)
        refined = self._blocks("refine", fused, shape.stem[1], shape.refine, shape.aus)
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

    def _unit(self, name: str, x: str, inputs: int, width: int, side: int, step: int) -> str:
        """Add a region unit and the pooling after it."""
        to = self.to
        weight = self.arrays[f"{name}.conv.weight"]
        if name == "stem.0":
            weight = weight.transpose(0, 3, 2, 1)  # columns, rows, colours → colours, rows, columns
            weight = np.pad(weight, ((0, 0), (0, 1), (0, 0), (0, 0)))  # the zero beside RGB
        grid = side // step
        sum_ = to.array(f"{name}.x", (self.batch, grid, grid, width))
        self._convolve(f"{name}.conv", x, sum_, weight, side, inputs, width, step=step)
        regions = to.array(f"{name}.regions", (self.batch, grid, grid, width))
        source, read, done = sum_, 0, 0
        channels = width
        layers = (("fine", 8, width // 2), ("middle", 4, width // 4), ("coarse", 2, width // 4))
        for part, tiles, made in layers:
            self._convolve(
                *(f"{name}.{part}", source, regions, self.arrays[f"{name}.{part}.weight"]),
                *(grid // tiles, channels, made),
                x_stride=width, x_offset=read, out_stride=width, out_offset=done, tiles=tiles,
            )  # fmt: skip
            source, read, channels = regions, done, made
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

    def _blocks(
        self, name: str, x: str, channels: int, widths: tuple[int, ...], groups: int
    ) -> str:
        """Add three blocks of two convolutions and a pooling."""
        side = self.shape.grid
        for number in range(2 * len(widths)):
            width, pool = widths[number // 2], number % 2 == 1
            kept = side // 2 if pool else side
            layer = f"{name}.{number}"
            out = self.to.array(layer, (self.batch, kept, kept, groups * width))
            self._convolve(
                *(layer, x, out, self.arrays[f"{layer}.weight"], side, channels, width),
                groups=groups, relu=True, pool=pool,
            )  # fmt: skip
            x, channels, side = out, width, kept
        return x

    def _convolve(
        self, name: str, x: str, out: str, weight: np.ndarray, side: int, inputs: int, outputs: int,
        *, groups: int = 1, tiles: int = 1, step: int = 1, relu: bool = False, pool: bool = False,
        x_stride: int | None = None, x_offset: int = 0,
        out_stride: int | None = None, out_offset: int = 0,
        attention: str | None = None, images: int | None = None,
    ) -> None:  # fmt: skip
        """Add a convolution; with `tiles` it is a region layer, with `side` that of a tile."""
        to = self.to
        parts, size = groups * tiles * tiles, weight.shape[-1]
        kernels = weight.reshape(parts, outputs, inputs, size, size).transpose(0, 3, 4, 2, 1)
        kernels = to.weight(f"{name}.kernels", kernels.reshape(parts, -1, outputs), "float16")
        bias = self.arrays.get(f"{name}.bias", np.zeros(parts * outputs))
        bias = to.weight(f"{name}.bias", bias.reshape(parts, outputs), "float32")
        scale = shift = bias  # not read
        if tiles > 1:
            norm = [self.arrays[f"{name}.{each}"].reshape(parts, -1) for each in ("scale", "shift")]
            scale = to.weight(f"{name}.scale", norm[0], "float32")
            shift = to.weight(f"{name}.shift", norm[1], "float32")
        images = self.batch if images is None else images
        kept = side // step // 2 if pool else side // step
        positions = images * kept * kept * (4 if pool else 1)
        block_m = 64 if positions * parts >= 64 * 64 else 32
        block_n = min(64, max(16, power_of_two(outputs)))
        block_k = 64 if size * size * inputs >= 256 else 32
        to.launch(
            "convolve",
            (blocks_of(positions, block_m), blocks_of(outputs, block_n), parts),
            {
                "IMAGES": images,
                "SOURCES": self.batch,
                "HEIGHT": side,
                "WIDTH": side,
                "X_STRIDE": x_stride or groups * inputs,
                "X_OFFSET": x_offset,
                "X_GROUPED": groups > 1,
                "OUT_STRIDE": out_stride or groups * outputs,
                "OUT_OFFSET": out_offset,
                "OUT_GROUPED": groups > 1,
                "INPUTS": inputs,
                "OUTPUTS": outputs,
                "SIZE": size,
                "STEP": step,
                "TILES": tiles,
                "ACTIVATE": tiles > 1,
                "ATTEND": attention is not None,
                "RELU": relu,
                "POOL": pool,
                "BLOCK_M": block_m,
                "BLOCK_N": block_n,
                "BLOCK_K": block_k,
            },
            x=x, weight=kernels, bias=bias, scale=scale, shift=shift,
            attention=attention or x, out=out,
        )  # fmt: skip

    def _project(
        self, name: str, x: str, out: str, order: np.ndarray, stride: int, step: int, times: float,
        squash: bool,
    ) -> None:  # fmt: skip
        to = self.to
        weight = self.arrays[f"{name}.weight"]  # (outputs, cells, channels)
        outputs, cells, channels = weight.shape
        to.launch(
            "project",
            (outputs, self.batch, 1),
            {
                **{"CELLS": cells, "CHANNELS": channels, "X_STRIDE": stride, "X_STEP": step},
                **{"OUTPUTS": outputs, "SQUASH": squash, "TIMES": times, "BLOCK": _PRODUCTS},
            },
            x=x,
            weight=to.weight(f"{name}.weight", weight, "float16"),
            bias=to.weight(f"{name}.bias", self.arrays[f"{name}.bias"].ravel(), "float32"),
            order=to.weight(f"{name}.order", order, "int32"),
            out=out,
        )

    def _landmarks(self, aligned: str) -> None:
        out = self.to.array(OUTPUT_NAMES[1], (self.batch, COUNT, 2), "float32")
        order = np.arange(2 * COUNT)
        self._project("landmarks", aligned, out, order, self.shape.feature[-1], 0, 1.0, False)

    def _heads(self, refined: str) -> None:
        n, width = self.shape.aus, self.shape.refine[-1]
        for name, out, times in (
            ("heads", OUTPUT_NAMES[0], 1.0),
            ("strength", INTENSITY_NAME, STRONGEST),
        ):
            if f"{name}.weight" in self.arrays:
                self.to.array(out, (self.batch, n), "float32")
                order = self.arrays["heads.order"]
                self._project(name, refined, out, order, n * width, width, times, True)

    def _patches(self) -> str:
        shape, to = self.shape, self.to
        grid = shape.grid
        out = to.array("attention", (shape.aus, self.batch, grid, grid))
        to.launch(
            "draw_patches",
            (blocks_of(grid * grid, _PIXELS), self.batch, shape.aus),
            {
                **{"IMAGES": self.batch, "LANDMARKS": COUNT},
                **{"LEFT": LEFT_EYE_INNER, "RIGHT": RIGHT_EYE_INNER},
                **{"CELLS": shape.cells, "MARGIN": (shape.cells - grid) // 2, "GRID": grid},
                **{"RADIUS": shape.radius, "SCALE": shape.cells_per_pixel, "SLOPE": shape.slope},
                "BLOCK": _PIXELS,
            },
            landmarks=OUTPUT_NAMES[1],
            points=to.weight("patches.points", self.arrays["patches.points"], "int32"),
            drops=to.weight("patches.drops", self.arrays["patches.drops"], "float32"),
            out=out,
        )
        return out

    def _recurrence(self, feature: str, attention: str) -> str:
        shape, to, arrays = self.shape, self.to, self.arrays
        n, batch, grid, channels = shape.aus, self.batch, shape.grid, shape.stem[1]
        cells = grid * grid
        drives = to.array("drives", (n * batch, grid, grid, 8 * channels))
        both = np.concatenate([arrays["down.input.weight"], arrays["up.input.weight"]])
        self._convolve(
            *("drives", feature, drives, both, grid, channels, 8 * channels),
            attention=attention, images=n * batch,
        )  # fmt: skip
        hidden = [arrays[f"{each}.hidden.weight"] for each in ("down", "up")]
        hidden = [each.transpose(2, 3, 1, 0).reshape(9 * channels, -1) for each in hidden]
        weight = to.weight("hidden.weight", np.stack(hidden), "float16")
        bias = np.stack([arrays[f"{each}.hidden.bias"] for each in ("down", "up")])
        bias = to.weight("hidden.bias", bias, "float32")
        states = to.array("states", (2, n, batch, cells, channels))
        cell = to.array("cell", (2, batch, cells, channels), "float32")
        block_m = 32
        blocks = blocks_of(cells, block_m)
        sizes = {"STEPS": n, "IMAGES": batch, "CHANNELS": channels}
        partial = to.array("partial", (2, blocks, n, batch, channels), "float32")
        reaching = to.array("reaching", (2, batch, cells, channels))
        factors = to.array("factors", (2, n, n, batch, channels), "float32")
        if n > 1:
            kinds = ("weight", "bias")
            gates = [np.stack([arrays[f"{d}.gates.{k}"] for d in ("down", "up")]) for k in kinds]
            gate_weight = to.weight("gates.weight", gates[0], "float16")
            gate_bias = to.weight("gates.bias", gates[1], "float32")
        if self.recurrence == "persistent" and n > 1:
            self._persist(
                sizes, (grid, blocks, block_m), drives=drives, weight=weight, bias=bias,
                gate_weight=gate_weight, gate_bias=gate_bias, feature=feature, attention=attention,
                reaching=reaching, cell=cell, states=states, partial=partial, factors=factors,
            )  # fmt: skip
            return states
        for step in range(n):
            if step > 0:
                to.launch(
                    "gather",
                    (blocks_of(cells * channels, _PIXELS), batch, 2),
                    {**sizes, "CELLS": cells, "BLOCK": _PIXELS},
                    states=states, factors=factors, out=reaching, step=step,
                )  # fmt: skip
            to.launch(
                "advance",
                (batch * blocks, blocks_of(channels, 16), 2),
                {
                    **{**sizes, "HEIGHT": grid, "WIDTH": grid, "BLOCKS": blocks},
                    **{"BLOCK_M": block_m, "BLOCK_N": 16, "BLOCK_K": 32},
                },
                # Nothing reaches the first step, which reads the feature's memory instead.
                reaching=reaching if step else feature,
                drives=drives, weight=weight, bias=bias, feature=feature, attention=attention,
                cell=cell, states=states, partial=partial, step=step,
            )  # fmt: skip
            if step + 1 < n:
                to.launch(
                    "weigh",
                    (n, batch, 2),
                    {
                        **{**sizes, "CELLS": cells, "BLOCKS": blocks},
                        "BLOCK": power_of_two(channels),
                    },
                    partial=partial, weight=gate_weight, bias=gate_bias, factors=factors, step=step,
                )  # fmt: skip
        return states

    def _persist(
        self, sizes: dict[str, int], blocks: tuple[int, int, int], **arguments: str
    ) -> None:
        """Add one launch for all steps, and what sets its counter to zero."""
        to, n, batch, channels = self.to, self.shape.aus, self.batch, self.shape.stem[1]
        grid, blocks_of_places, block_m = blocks
        arrived = to.array("arrived", (1,), "int32")
        to.launch("clear", (1, 1, 1), {}, out=arrived)
        work = (
            2 * batch * blocks_of(grid * grid * channels, _PIXELS),
            2 * batch * blocks_of_places * blocks_of(channels, 16),
            2 * batch * n,
        )
        to.launch(
            "recur",
            (max(work), 1, 1),
            {
                **{**sizes, "HEIGHT": grid, "WIDTH": grid, "BLOCKS": blocks_of_places},
                **{"BLOCK": _PIXELS, "BLOCK_M": block_m, "BLOCK_N": 16, "BLOCK_K": 32},
                "BLOCK_C": power_of_two(channels),
            },
            cooperative=True,
            **arguments, arrived=arrived, first=1, end=3 * n - 1,
        )  # fmt: skip

    def _fusion(self, feature: str, attention: str, states: str, whole: str) -> str:
        shape, to, arrays = self.shape, self.to, self.arrays
        n, batch, grid, channels = shape.aus, self.batch, shape.grid, shape.stem[1]
        side, width = grid // FeatureBlocks.POOLING, shape.feature[-1]
        maps = {}
        for part in ("gate", "value"):
            name = f"fusion.global_{part}"
            maps[part] = to.array(name, (batch, side, side, n * channels))
            self._convolve(
                *(name, whole, maps[part], arrays[f"{name}.weight"], side, width, n * channels)
            )
        local = {}
        for part in ("gate", "value"):
            name = f"fusion.local_{part}"
            square = arrays[f"{name}.weight"].reshape(n, channels, channels).transpose(0, 2, 1)
            local[f"{part}_weight"] = to.weight(f"{name}.weight", square, "float16")
            bias = arrays[f"{name}.bias"].reshape(n, channels)
            local[f"{part}_bias"] = to.weight(f"{name}.bias", bias, "float32")
        out = to.array("fused", (batch, grid, grid, n * channels))
        block_m = 32
        to.launch(
            "fuse",
            (blocks_of(grid * grid, block_m), batch, n),
            {
                **{"AUS": n, "IMAGES": batch, "HEIGHT": grid, "WIDTH": grid, "CHANNELS": channels},
                **{"WHOLE": side, "EPSILON": EPSILON},
                **{"BLOCK_M": block_m, "BLOCK_N": max(16, power_of_two(channels))},
            },
            feature=feature, attention=attention, states=states, **local,
            whole_gate=maps["gate"], whole_value=maps["value"], out=out,
        )  # fmt: skip
        return out
