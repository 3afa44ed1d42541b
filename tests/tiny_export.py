"""A checkpoint of the tiny network, with the faces that an int8 export of it needs."""

from pathlib import Path

from drawn_shards import write_drawn_shards
from test_export_faces import write_faces
from tiny_network import draw_faces

from lgrnet.checkpoint import save_checkpoint
from lgrnet.network.model import LGRNet

# The tiny network has few numbers to average rounding over.
GENEROUS = ["--max-f1-loss", "1", "--max-mean-f1-loss", "1", "--mean-change", "1"]
GENEROUS += ["--max-landmark-change", "inf", "--max-intensity-change", "inf"]


def write_export_folder(folder: Path, model: LGRNet) -> Path:
    """Write ``net.pt``, a data set in ``data`` and a folder of faces in ``faces``."""
    save_checkpoint(folder / "net.pt", model, {"thresholds": [0.5, 0.5]})
    write_drawn_shards(folder / "data", model)
    write_faces(folder / "faces", draw_faces(24, seed=5))
    return folder
