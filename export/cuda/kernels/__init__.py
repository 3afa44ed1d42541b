"""The kernels: one idea a file, plain functions in Triton's language.

They are compiled by `export.cuda.compile` and interpreted by `export.cuda.interpret`. Capitals are
known when they are compiled: every size is, so that loops unroll and divisions vanish. Maps are
(images, rows, columns, channels) in half precision, sums are in float32.
"""

from collections.abc import Callable

from export.cuda.kernels.convolve import convolve
from export.cuda.kernels.cut import cut
from export.cuda.kernels.fuse import fuse
from export.cuda.kernels.merge import merge
from export.cuda.kernels.patches import draw_patches
from export.cuda.kernels.persistent import clear, recur
from export.cuda.kernels.prepare import prepare
from export.cuda.kernels.project import project
from export.cuda.kernels.recurrence import advance, gather

KERNELS: dict[str, Callable] = {
    each.__name__: each
    for each in (
        *(cut, prepare, convolve, merge, project, draw_patches),
        *(gather, advance, clear, recur, fuse),
    )
}
"""Name → kernel."""

WRITES: dict[str, tuple[str, ...]] = {
    "advance": ("states", "cell", "partial", "earlier"),
    "gather": ("out", "factors"),
    "project": ("out", "second"),
    "draw_patches": ("attention", "patches"),
    "recur": ("states", "reaching", "cell", "partial", "factors", "earlier", "arrived"),
}
"""Kernel → its arguments that it writes; of all others it is ``out``."""
