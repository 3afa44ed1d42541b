"""A folder of heads for the face finder, drawn by code: ovals with the mean face in them."""

from pathlib import Path

import cv2
import numpy as np

from lgrnet.finder.head_shards import (
    BACK_SIDE,
    HEAD_SIDE,
    back_file,
    claim_folder,
    head_file,
    write_heads,
    write_pictures,
)
from lgrnet.network.alignment import MEAN_FACE

RECIPE = {"seed": 1, "made for": "tests"}


def mean_points() -> np.ndarray:
    """Return the landmarks of a face in the middle of a head's picture, (49, 2)."""
    face = np.float32(MEAN_FACE)
    return (face - face.mean(0)) * (70 / np.ptp(face[:, 1])) + HEAD_SIDE / 2


def draw_head(colour: tuple[int, int, int]) -> np.ndarray:
    """Draw an opaque oval of one colour with dark marks at the landmarks, (256, 256, 4) uint8."""
    head = np.zeros((HEAD_SIDE, HEAD_SIDE, 4), np.uint8)
    cv2.ellipse(head, (128, 128), (70, 95), 0, 0, 360, (*colour, 255), -1)
    for x, y in mean_points():
        cv2.circle(head, (round(float(x)), round(float(y))), 3, (20, 20, 40, 255), -1)
    return head


def write_tiny_heads(
    root: Path, heads: np.ndarray | None = None, yaws: tuple[float, ...] = (0.0,)
) -> Path:
    """Write heads with the mean face's landmarks, and two dark backgrounds.

    Args:
        root: The folder.
        heads: (N, 256, 256, 4) uint8; None for four ovals.
        yaws: Of the heads in turn, degrees.
    """
    if heads is None:
        skin = ((90, 120, 200), (150, 180, 230), (60, 80, 120), (200, 210, 240))
        heads = np.stack([draw_head(colour) for colour in skin])
    count = len(heads)
    meta = np.zeros((count, 4), np.float32)
    meta[:, 0] = np.resize(yaws, count)
    points = np.tile(mean_points().astype(np.float32), (count, 1, 1))
    claim_folder(root, {**RECIPE, "heads": count, "backgrounds": 2})
    write_heads(head_file(root, 1, 0), heads, points, meta)
    write_pictures(back_file(root, 1, 0), np.full((2, BACK_SIDE, BACK_SIDE, 3), 30, np.uint8))
    return root
