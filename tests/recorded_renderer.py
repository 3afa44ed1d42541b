"""What the renderer made in its last version, coarsely: ``python tests/recorded_renderer.py``.

The command records it anew, with OpenCV 4.14, once `RENDERER_VERSION` has been raised; where the
toy rig has changed, delete ``recorded_renderer.json`` first. The pictures are of that rig, so that
the test runs everywhere.
"""

import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

PATH = Path(__file__).with_suffix(".json")

CELLS = 8
"""A picture is kept as the mean brightness of 8 × 8 parts."""

AS_RECORDED = (4, 13) <= tuple(map(int, cv2.__version__.split(".")[:2])) < (5, 0)
"""Whether this OpenCV makes the same, number for number."""

# Where numba, NumPy and OpenCV do without AVX, parts differ by less than 0.02, and nothing else.
# Of other OpenCVs the recorded numbers differ by up to 0.51 in parts with 4.12, and 0.27 with 5,
# which samples textures and backgrounds at the very place and not at the nearest 1/32 of a pixel.
KEPT = {  # digits in the file, and what may differ before it is another picture
    "intensity": (4, 1e-3),
    "unscorable": (0, 0.0),
    "landmarks": (2, 0.02),  # pixels
    "conditions": (1, 0.15),  # degrees, and brightness from 0 to 255
    "parts": (1, 0.15 if AS_RECORDED else 0.7),  # of 255
}


def measure(studio) -> dict[str, np.ndarray]:
    """Render people of two splits; returns what is compared, a row a picture."""
    from lgrnet.faces.generate import Recipe, render_person

    recipe = Recipe(
        seed=13, train=2, val=0, test=0, control=2, images=6, people_per_shard=1, young=0.5
    )
    samples = [
        sample
        for split in ("train", "control")
        for person in recipe.people(split)
        for sample in render_person(studio, person, recipe, split)
    ]
    faces = np.stack([sample.face for sample in samples])
    side = faces.shape[1] // CELLS
    found = {
        "intensity": [sample.intensity for sample in samples],
        "unscorable": [sample.unscorable for sample in samples],
        "landmarks": [sample.landmarks[::6] for sample in samples],
        "conditions": [list(sample.conditions.values()) for sample in samples],
        "parts": faces.reshape(-1, CELLS, side, CELLS, side, 3).mean((2, 4, 5)),
    }
    return {name: np.reshape(rows, (len(samples), -1)) for name, rows in found.items()}


def differing(found: dict[str, np.ndarray], recorded: dict) -> list[str]:
    """Name what is not as recorded."""
    return [
        name
        for name, (_, tolerance) in KEPT.items()
        if found[name].shape != np.shape(recorded[name])
        or not np.allclose(found[name], recorded[name], rtol=0, atol=tolerance)
    ]


def main() -> str | None:
    """Record what the renderer makes; returns what is wrong, if anything."""
    import toy_rig

    if not AS_RECORDED:
        return f"OpenCV {cv2.__version__} makes slightly others: record them with 4.13 or 4.14"
    from lgrnet.faces.generate import RENDERER_VERSION
    from lgrnet.faces.head.rig import load_rig
    from lgrnet.faces.person.identity import open_studio

    with tempfile.TemporaryDirectory() as folder:
        found = measure(open_studio(load_rig(toy_rig.write(Path(folder) / "toy_rig.npz"))))
    if PATH.exists():
        before = json.loads(PATH.read_text("utf-8"))
        if before["version"] == RENDERER_VERSION and (others := differing(found, before)):
            return f"{', '.join(others)}: not those of version {RENDERER_VERSION}; raise it first"
    parts = [f'"version": {RENDERER_VERSION}']
    for name, rows in found.items():
        rounded = np.round(rows.astype(float), KEPT[name][0]).tolist()
        parts.append(f'"{name}": [\n' + ",\n".join(map(json.dumps, rounded)) + "\n]")
    PATH.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main())
