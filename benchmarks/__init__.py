"""Measurements: each file here is a command, ``python -m benchmarks.NAME``; folders are parts.

Speed: `fps` (also ``python benchmarks/fps.py``), `training`, `sweep`, `soak`, `writing`; on GPUs
`gpu`, `gpu_targets`, `launches`, `tiles`, `interpreted`. Accuracy: `precision`, `bfloat16`,
`agreement`, `noise_floor`, `clips`, `stills`, `finders`, `pose`, `signals`, `tracking` with
`tracks`, `ablation`, `comparison`. What comes of them: `table`, `chart`, `sheet`, `card` (tables of
the documents), `release` (all that follows from the weights); `fetch` brings the material and
`camera` plays it.

`shared` has what most of them need, in reading order `timing` and `noise` (how a number is made,
and what it is worth), `machine`, `record`, `options`. `inference` has the parts of `fps`: `rows`
(what is compared), `exports` and `engines` (how that is made and opened), `probe` (load time and
memory, each in a process of its own), `networks` and `end_to_end` (the two kinds of measurement);
`grouping` those of `training`, `documents` those of `card`.
"""

import sys

EXTRAS = {"torch": "bench", "onnx": "bench", "numba": "faces", "scipy": "faces"}
"""Module → what brings it."""

if sys.argv[:1] == ["-m"]:  # while Python looks for the command that is to be run
    from runtime.console.not_installed import end_in_a_line

    end_in_a_line(EXTRAS)
