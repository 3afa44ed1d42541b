"""Where frames come from: videos, images, folders, cameras, networks, arrays; one at a time.

A file a kind of source; `opening` chooses among them, `base` says what they have in common,
`prefetch` reads ahead, in a thread of `background`, `thinning` leaves frames out. `truncation`
tells whether an image file is whole, `cut` whether a video is, `stale` whether its frames are its
own; `shown` makes frames as they are to be shown, by `mirror` and `square`; `heif` and `mp4` read
what such files say.
"""

from runtime.sources.arrays import Arrays
from runtime.sources.base import Shot, Source
from runtime.sources.images import IMAGE_SUFFIXES, ImageFiles
from runtime.sources.live import GIVE_UP, Camera, NetworkStream
from runtime.sources.opening import AnySource, open_source
from runtime.sources.playlist import Playlist
from runtime.sources.prefetch import read_ahead
from runtime.sources.thinning import every_nth
from runtime.sources.video import Video

__all__ = [
    "GIVE_UP",
    "IMAGE_SUFFIXES",
    "AnySource",
    "Arrays",
    "Camera",
    "ImageFiles",
    "NetworkStream",
    "Playlist",
    "Shot",
    "Source",
    "Video",
    "every_nth",
    "open_source",
    "read_ahead",
]
