"""A live window with the annotated frames, where there is a screen for one."""

import os
import re
import sys
from contextlib import suppress

import cv2
import numpy as np

from runtime.errors import OpenCVError
from runtime.installed import how_to_install

QUIT = frozenset({ord("q"), ord("Q"), 27})
"""Keys that close the window: q and Escape."""

LARGEST = 1280
"""Longer side that the window has at first at most, pixels."""


def why_no_window() -> str | None:
    """Say why there can be no window here, and what to do about it; None where there can.

    It is found out without opening one: OpenCV ends the whole program where it finds no screen.
    """
    if _toolkit() == "NONE":
        return (
            f"this OpenCV ({cv2.__version__}, headless) has no windows: pip uninstall -y "
            f"opencv-python-headless, then {how_to_install('desktop')}"
        )
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in screens):
        return (
            "there is no screen (DISPLAY is not set): run it in a desktop session or over ssh -X, "
            "or watch the annotated video instead"
        )
    return None


def _toolkit() -> str:
    """Name what OpenCV draws windows with, such as GTK3; NONE for nothing."""
    line = re.search(r"^ *GUI: *(\S+)", cv2.getBuildInformation(), re.MULTILINE)
    return line[1] if line else "NONE"


class Window:
    """A window that shows frames until it is closed, or q or Escape is pressed.

    Args:
        title: What stands over it.

    Raises:
        OpenCVError: There can be no window here; the message says why.
    """

    def __init__(self, title: str) -> None:
        why = why_no_window()
        if why:
            raise OpenCVError(f"--show: {why}")
        self._title = title
        self._open = False

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._open:
            with suppress(cv2.error):  # it is gone where somebody has closed it
                cv2.destroyWindow(self._title)
            self._open = False

    def show(self, picture: np.ndarray) -> bool:
        """Show a frame.

        Args:
            picture: (H, W, 3) uint8, BGR.

        Returns:
            Whether to go on: False once somebody has closed the window or asked to end.
        """
        if not self._open:
            # Can be resized, without Qt's row of buttons.
            how = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(self._title, how)
            height, width = picture.shape[:2]
            zoom = min(1.0, LARGEST / max(height, width))
            cv2.resizeWindow(self._title, round(width * zoom), round(height * zoom))
            self._open = True
        cv2.imshow(self._title, picture)
        if cv2.waitKey(1) & 0xFF in QUIT:
            return False
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # Qt's answer after the last window was closed
            return False
