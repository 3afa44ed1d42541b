"""Cameras and network streams: a thread keeps the newest frame, and gets back what was lost."""

import logging
import queue
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from runtime.errors import InputError
from runtime.image import check_frame
from runtime.sources.background import Background
from runtime.sources.base import Shot, Source
from runtime.sources.repeats import Frozen
from runtime.sources.square import SquarePixels

logger = logging.getLogger(__name__)

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "tcp", "udp")
"""Schemes of URLs that are opened."""

GIVE_UP = 60.0
"""Seconds without a frame after which a live source counts as lost for good."""

TIMEOUT = 5.0
"""Seconds that one attempt to connect, or to read a frame, may take on a network."""

FIRST_PAUSE = 0.5
"""Seconds before the first attempt to get a lost source back; each pause is twice the last."""

LONGEST_PAUSE = 10.0
"""Seconds between two attempts at most."""

MOST_ALIKE = 100
"""Frames in a row after which a picture that is the same byte for byte is told in the log: cameras
have noise."""

_SLIPS = 5  # frames in a row that may fail before the source counts as lost
_QUICK = 0.5  # seconds; a failure that took longer was a timeout, and is not tried again


class LiveSource(Source):
    """A capture that runs by itself; only its newest frame is kept, see the module.

    The thread begins with the loop and ends with it, or when nothing came for ``give_up`` seconds;
    that is an error in the log and an entry in `failures`, not an exception, so that whatever was
    made of the frames before stays.

    Args:
        name: What to call it in messages.
        stem: What to call files made from it.
        capture: Opened already.
        again: Opens it again; what it returns need not be open.
        give_up: Seconds without a frame after which it counts as lost; 0 for no second attempt.
        advice: What to check when it is lost.

    Attributes:
        dropped: Frames that were passed over so far, because a newer one had arrived.
    """

    moving = True
    live = True

    def __init__(
        self,
        name: str,
        stem: str,
        capture: cv2.VideoCapture,
        again: Callable[[], cv2.VideoCapture],
        give_up: float,
        advice: str,
    ) -> None:
        if not give_up >= 0:
            raise ValueError(f"give_up must be 0 seconds or more, got {give_up}")
        fps = capture.get(cv2.CAP_PROP_FPS)
        super().__init__(name, stem, fps if 0 < fps < 1000 else None)
        self.dropped = 0
        self._capture, self._again = capture, again
        self._square = SquarePixels(capture)
        self._give_up, self._advice = give_up, advice
        self._reader = Background(self._watch, "lgrnet-live")
        # A slot, and a bell that rings for what is put there.
        self._slot: deque[Shot] = deque(maxlen=1)
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._taken = 0
        self._end: BaseException | bool = False

    def __iter__(self) -> Iterator[Shot]:
        if self._reader.started:
            # Two threads in one capture would tear its frames apart.
            raise RuntimeError(f"the frames of {self.name} are read once: open it again")
        self._reader.start()
        try:
            while True:
                start = time.perf_counter()
                shot = self._next()
                if shot is None:
                    return
                yield replace(shot, wait_ms=(time.perf_counter() - start) * 1e3)
                del shot  # or this loop would keep one more frame alive
        finally:
            self._reader.stop()

    def close(self) -> None:
        """Stop the thread, which may take until its read times out; let go of the capture."""
        self._reader.stop()
        self._capture.release()

    def _next(self) -> Shot | None:
        while True:
            self._bell.get()
            if self._slot:  # empty where it rang for a frame that a newer one replaced
                shot = self._slot.pop()
                self.dropped = shot.index - self._taken
                self._taken += 1
                return replace(shot, dropped=self.dropped)
            if isinstance(self._end, BaseException):
                raise self._end
            if self._end:
                return None

    def _put(self, shot: Shot) -> None:
        self._slot.append(shot)
        self._bell.put(None)

    def _watch(self) -> None:
        end: BaseException | bool = True
        try:
            self._read()
        except BaseException as error:  # whatever it is, the loop must hear of it
            end = error
        self._end = end
        self._bell.put(None)

    def _read(self) -> None:
        """Read until stopped or lost for good."""
        index = slips = attempts = 0
        began = lost = None
        frozen = Frozen(MOST_ALIKE)
        while not self._reader.stopped:
            asked = time.perf_counter()
            frame, captured = self._grab()
            if frame is not None:
                if lost is not None and attempts:
                    away = captured - lost
                    logger.warning("%s is back after %.1f s", self.name, away)
                began = captured if began is None else began
                spent = (time.perf_counter() - captured) * 1e3
                frame = check_frame(frame, f"frame {index} of {self.name}")
                if frozen(frame):
                    logger.warning(
                        "%s gave the same picture %d times: if it does not show what stands still, "
                        "it may be interlaced, which OpenCV %s cannot convert: set it to "
                        "progressive, or use OpenCV 4.12",
                        *(self.name, MOST_ALIKE, cv2.__version__),
                    )
                self._put(Shot(frame, index, captured - began, spent, 0, captured=captured))
                index, slips, attempts, lost = index + 1, 0, 0, None
                continue
            lost = asked if lost is None else lost
            slips += 1
            if slips < _SLIPS and time.perf_counter() - asked < _QUICK:
                continue
            if not self._wait(index, attempts, lost):
                break
            attempts += 1
            self._capture = self._again()
            self._square = SquarePixels(self._capture)
            slips = _SLIPS  # one failure is enough to wait again
        if self._reader.stopped:
            return
        if index == 0:
            raise InputError(f"{self.name} gives no frames: {self._advice}")
        self.failures.append(self.name)
        logger.error(
            "%s stopped giving frames after %d: %s. Their results are kept",
            *(self.name, index, self._advice),
        )

    def _grab(self) -> tuple[np.ndarray | None, float]:
        """Wait for a frame; give it, or None, and when it arrived."""
        try:
            there = self._capture.grab()
            captured = time.perf_counter()
            there, frame = self._capture.retrieve() if there else (False, None)
        except cv2.error:
            return None, time.perf_counter()
        if not there or frame is None or not frame.size:
            return None, captured
        return self._square(frame), captured

    def _wait(self, frames: int, attempts: int, lost: float) -> bool:
        """Let the capture go and wait before the next attempt; False if there shall be none."""
        self._capture.release()
        left = self._give_up - (time.perf_counter() - lost)
        if left <= 0:
            return False
        if not attempts:
            logger.warning(
                "%s stopped giving frames after %d: trying to get it back for %g s",
                *(self.name, frames, self._give_up),
            )
        pause = min(FIRST_PAUSE * 2 ** min(attempts, 10), LONGEST_PAUSE, left)
        self._reader.pause(pause)
        return not self._reader.stopped


_PERMISSION = {
    "win32": "Settings > Privacy > Camera lets desktop apps use it",
    "darwin": "System Settings > Privacy & Security > Camera lets your terminal use it",
}
"""What else may keep a program from a camera, by system."""


class Camera(LiveSource):
    """A camera, until it is unplugged or the loop is left.

    Args:
        number: The system's number of the camera, from 0.
        give_up: Seconds that an unplugged camera is waited for.

    Raises:
        InputError: It cannot be opened.
    """

    def __init__(self, number: int, give_up: float = GIVE_UP) -> None:
        advice = (
            "check that it is plugged in, that no other program uses it, and that "
            f"{_PERMISSION.get(sys.platform, 'you may read /dev/video*')}"
        )

        def connect() -> cv2.VideoCapture:
            capture = cv2.VideoCapture(number)
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old frames are of no use live
            return capture

        if number < 0:  # OpenCV would look for any camera, and crash where there is none
            raise InputError(f"camera {number} cannot be opened: cameras are numbered from 0")
        capture = connect()
        if not capture.isOpened():
            raise InputError(f"camera {number} cannot be opened: {advice}")
        super().__init__(f"camera {number}", f"camera{number}", capture, connect, give_up, advice)


class NetworkStream(LiveSource):
    """A stream of a network camera or server: RTSP, MJPEG over HTTP, HLS and so on.

    Args:
        url: Its address, with user and password if it wants them.
        capture: Opened already by `connect`.
        give_up: Seconds that a lost stream is waited for.
    """

    def __init__(self, url: str, capture: cv2.VideoCapture, give_up: float = GIVE_UP) -> None:
        super().__init__(
            *(without_password(url), stem_of(url), capture, lambda: connect(url), give_up),
            "check the network and the server",
        )


def connect(url: str) -> cv2.VideoCapture:
    """Open a URL, with time limits; the capture need not be open.

    Args:
        url: The address.

    Returns:
        The capture.
    """
    limit = round(TIMEOUT * 1e3)
    return cv2.VideoCapture(
        url,
        cv2.CAP_FFMPEG,
        [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit],
    )


def is_url(text: str) -> bool:
    """Tell URLs from paths."""
    return re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE) is not None


def without_password(url: str) -> str:
    """Write a URL without user, password and query, as it may stand in logs."""
    scheme, place, path = _parts(url)
    return f"{scheme}://{place}{path}"


def stem_of(url: str) -> str:
    """Make a file's name of a URL: host and path, such as ``camera.local_live``."""
    _, place, path = _parts(url)
    host = place.partition(":")[0]
    return re.sub(r"[^\w.-]+", "_", f"{host}{path}").strip("_.") or "stream"


_SECRET = re.compile(
    r"(?:(?<=[/&;_])|(?<=%26))(?:user(?:name)?|pass(?:word|wd|phrase)?|pwd|sig|auth|(?:access|api)?_?(?:token|key))"
    r"(?:[=:]|%3D).*?(?=[/&;]|%26|_\w+=|$)",
    re.I,
)
"""What some cameras take in the path, ``/user=admin&password=secret&channel=1.sdp``, also with
``_`` between."""


def _parts(url: str) -> tuple[str, str, str]:
    """Split a URL into scheme, host with port, and path.

    People write passwords as they are, with the characters that end a host in a proper URL. So all
    up to the last @ counts as one; what is cut off too much is missing in a name, not shown.
    """
    scheme, _, rest = url.partition("://")
    place, slash, path = re.split(r"[?#]", rest.rpartition("@")[2])[0].partition("/")
    return scheme.lower(), place, _SECRET.sub("…", slash + path)
