"""The network rewritten around plain convolutions of single branches: fastest in int8.

Maps are *rows* between convolutions, (B, h·w, C): channels lie together, as convolutions of 8-bit
numbers want them, and whatever works cell by cell or picks cells needs no rearranging.
"""

from export.direct.graph import DirectGraph

__all__ = ["DirectGraph"]
