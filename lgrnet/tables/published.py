"""Figures that the LGRNet paper prints in its Tables I to V, in %, for tables beside our own.

F1-frame per AU and its average as printed; the averages are kept as printed too, where rounding or
the paper makes them differ from the mean of the row.
"""

from typing import NamedTuple

Figures = tuple[float, ...]


class Reported(NamedTuple):
    """A row of a table.

    Attributes:
        name: As in the paper.
        f1: Of each AU, %, AUs ascending.
        average: As printed, %.
    """

    name: str
    f1: Figures
    average: float


TABLE_1: tuple[Reported, ...] = (
    Reported("EAC-Net [14]", (41.5, 26.4, 66.4, 50.7, 80.5, 89.3, 88.9, 15.6), 57.4),
    Reported("JAA-Net [28]", (43.7, 46.2, 56.0, 41.4, 44.7, 69.6, 88.3, 58.4), 56.0),
    Reported("LP-Net [23]", (29.9, 24.7, 72.7, 46.8, 49.6, 72.9, 93.8, 65.0), 56.9),
    Reported("ARL [30]", (43.9, 42.1, 63.6, 41.8, 40.0, 76.2, 95.2, 66.8), 58.7),
    Reported("JÂA-Net [29]", (62.4, 60.7, 67.1, 41.1, 45.1, 73.5, 90.9, 67.4), 63.5),
    Reported("LGRNet", (62.6, 64.4, 72.5, 46.6, 48.8, 75.7, 94.4, 73.0), 67.3),
)
"""DISFA, AUs 1, 2, 4, 6, 9, 12, 25, 26."""

TABLE_2: tuple[Reported, ...] = (
    Reported(
        "EAC-Net [14]",
        (39.0, 35.2, 48.6, 76.1, 72.9, 81.9, 86.2, 58.8, 37.5, 59.1, 35.9, 35.8),
        55.9,
    ),
    Reported(
        "MLCR [22]",
        (42.4, 36.9, 48.1, 77.5, 77.6, 83.6, 85.8, 61.0, 43.7, 63.2, 42.1, 55.6),
        59.8,
    ),
    Reported(
        "JAA-Net [28]",
        (47.2, 44.0, 54.9, 77.5, 74.6, 84.0, 86.9, 61.9, 43.6, 60.3, 42.7, 41.9),
        60.0,
    ),
    Reported(
        "LP-Net [23]",
        (46.9, 45.3, 55.6, 77.1, 76.7, 83.8, 87.2, 63.3, 45.3, 60.5, 48.1, 54.2),
        61.0,
    ),
    Reported(
        "ARL [30]",
        (45.8, 39.8, 55.1, 75.7, 77.2, 82.3, 86.6, 58.8, 47.6, 62.1, 47.4, 55.4),
        61.1,
    ),
    Reported(
        "JÂA-Net [29]",
        (53.8, 47.8, 58.2, 78.5, 75.8, 82.7, 88.2, 63.7, 43.3, 61.8, 45.6, 49.9),
        62.4,
    ),
    Reported(
        "LGRNet",
        (50.8, 47.1, 57.8, 77.6, 77.4, 84.9, 88.2, 66.4, 49.8, 61.5, 46.8, 52.3),
        63.4,
    ),
)
"""BP4D, AUs 1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24."""

TABLE_3: tuple[Reported, ...] = (
    Reported("w/o full", (47.1, 61.1, 66.3, 44.7, 52.2, 74.9, 92.2, 66.2), 63.1),
    Reported("w/o F&R", (62.6, 64.2, 72.4, 42.3, 49.9, 76.1, 93.5, 72.6), 66.7),
    Reported("w/o S-B", (58.7, 65.2, 73.5, 43.9, 53.5, 72.2, 94.1, 64.7), 65.7),
    Reported("w/ Bi", (61.1, 58.4, 70.9, 45.5, 47.9, 74.9, 92.5, 70.8), 65.2),
    TABLE_1[-1],
)
"""The ablations on DISFA."""

TABLE_4: tuple[Reported, ...] = (
    Reported(
        "w/o full", (50.1, 47.1, 54.3, 77.3, 75.1, 82.5, 88.1, 61.7, 44.9, 62.7, 45.2, 49.9), 61.6
    ),
    Reported(
        "w/o F&R", (50.4, 46.9, 53.4, 79.0, 77.4, 84.7, 87.4, 63.0, 45.3, 63.3, 47.0, 55.7), 62.8
    ),
    Reported(
        "w/o S-B", (51.3, 47.6, 56.3, 78.2, 76.2, 83.7, 88.1, 64.4, 49.1, 61.9, 46.1, 49.8), 62.7
    ),
    Reported(
        "w/ Bi", (50.7, 50.0, 55.2, 77.0, 75.7, 84.1, 88.2, 63.4, 49.1, 62.3, 47.3, 52.0), 62.9
    ),
    TABLE_2[-1],
)
"""The ablations on BP4D."""

TABLE_5: dict[str, dict[str, float]] = {
    "JÂA-Net": {"disfa": 4.02, "bp4d": 3.80},
    "LGRNet": {"disfa": 3.68, "bp4d": 3.34},
}
"""Mean landmark error, % of the inter-ocular distance. Failure rates are not printed."""
