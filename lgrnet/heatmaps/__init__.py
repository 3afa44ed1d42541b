"""Fig. 4 of the paper: ``python -m lgrnet.heatmaps CHECKPOINT IMAGES... --out out/heatmaps``.

`heatmaps.attribution` finds what moves an AU's answer, `heatmaps.figure` draws it.
"""
