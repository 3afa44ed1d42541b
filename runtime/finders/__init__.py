"""Where the faces of a frame are, before anything is known of them: one file a finder.

A finder is asked in two ways: `FaceFinder.find` searches a whole frame, reduced, and
`FaceFinder.confirm` looks at one small upright face of known size, which is cheap enough to do
every few frames while a face is tracked.
"""

from runtime.finders.base import LEAST_SEARCH_SIDE, SEARCH_SIDE, FaceFinder, FoundFace
from runtime.finders.cascade import CascadeFinder, align_box
from runtime.finders.network import NetworkFinder
from runtime.finders.opening import PACKAGED, open_finder
from runtime.finders.yunet import YuNetFinder

__all__ = [
    "LEAST_SEARCH_SIDE",
    "PACKAGED",
    "SEARCH_SIDE",
    "CascadeFinder",
    "FaceFinder",
    "FoundFace",
    "NetworkFinder",
    "YuNetFinder",
    "align_box",
    "open_finder",
]
