"""Draw what the renderer makes: ``python -m lgrnet.faces.gallery --out docs``.

``au_gallery.jpg`` shows one person with every AU at full intensity, ``faces.jpg`` random faces as a
network is trained on them.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.generate import Recipe, render_person
from lgrnet.faces.head.rig import RigError, load_rig
from lgrnet.faces.motion.action_units import FACE_AUS
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.identity import Studio, make_identity, open_studio
from lgrnet.faces.render import blank, portrait, render
from lgrnet.faces.scene.light import STUDIO
from runtime.action_units import AU_NAMES
from runtime.align import ALIGNED_SIZE, alignment_matrix
from runtime.console.help import DefaultsHelp
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.files.atomic import PendingFile

logger = logging.getLogger(__name__)

AU_GALLERY, FACES = "au_gallery.jpg", "faces.jpg"

_TILE = 256
_CAPTION = 30  # pixels below a tile
_COLUMNS = 4
_MODEL = 95_000_033  # a person of no data set, whose numbers start at 1, 2 or 3 of ten million
_SHEET = (4, 7)
_SHEET_SEED = 9_000  # not that of a data set one would train on
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]


def au_gallery(studio: Studio) -> np.ndarray:
    """Draw one person at rest and with every AU of ``FACE_AUS`` at intensity 1.

    The camera stays where it is for the resting face, so that tiles can be compared.

    Args:
        studio: The rig and what is derived from it.

    Returns:
        Captioned tiles of 256 × 256, 4 in a row, white where the last row has fewer: of 19 AUs
        (1430, 1024, 3) uint8 BGR.
    """
    person = make_identity(studio, _MODEL)
    framing: list[np.ndarray] = []

    def place(landmarks: np.ndarray) -> np.ndarray:
        if not framing:
            framing.append(alignment_matrix(landmarks) * (_TILE / ALIGNED_SIZE))
        return framing[0]

    tiles = []
    for au in (None, *FACE_AUS):
        expression = Expression({} if au is None else {au: 1.0})
        picture = render(
            studio, person, expression, Pose(), STUDIO, blank(_TILE), place, supersample=2.0
        )
        caption = "Neutral" if au is None else f"AU {au}  {AU_NAMES[au]}"
        tiles.append(_captioned(portrait(picture), caption))
    return _grid(tiles, _COLUMNS)


def contact_sheet(studio: Studio) -> np.ndarray:
    """Draw the first training picture of several random people.

    Args:
        studio: The rig and what is derived from it.

    Returns:
        4 × 7 aligned faces of 200 × 200, (800, 1400, 3) uint8 BGR.
    """
    rows, columns = _SHEET
    recipe = Recipe(seed=_SHEET_SEED, train=rows * columns, images=1)
    faces = [
        face
        for number in recipe.people("train")
        for face, *_ in render_person(studio, number, recipe, "train")
    ]
    return _grid(faces, columns)


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """Add a white strip with centred text below a picture."""
    strip = np.full((_CAPTION, picture.shape[1], 3), 255, np.uint8)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.5
    (width, height), _ = cv2.getTextSize(text, font, scale, 1)
    corner = ((picture.shape[1] - width) // 2, (_CAPTION + height) // 2)
    cv2.putText(strip, text, corner, font, scale, (30, 30, 30), 1, cv2.LINE_AA)
    return np.vstack([picture, strip])


def _grid(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    missing = -len(tiles) % columns
    tiles = [*tiles, *[np.full_like(tiles[0], 255)] * missing]
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return np.vstack(rows)


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.faces.gallery",
        description="Draw a gallery of the AUs and a sheet of random training faces.",
        formatter_class=DefaultsHelp,
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("docs"),
        help=f"folder; {AU_GALLERY} and {FACES} are written there",
    )
    parser.add_argument("--rig", type=Path, help="face rig; else $LGRNET_FACE_RIG")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        studio = open_studio(load_rig(args.rig))
        for name, draw in ((AU_GALLERY, au_gallery), (FACES, contact_sheet)):
            encoded = cv2.imencode(".jpg", draw(studio), _QUALITY)[1].tobytes()
            with PendingFile(args.out / name) as part:
                part.write_bytes(encoded)
            logger.info("%s: %d kB", args.out / name, len(encoded) // 1000)
    except (InputError, OSError, RigError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
