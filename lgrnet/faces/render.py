"""A person, an expression, a pose and a light become a picture with exact landmarks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lgrnet.faces.drawing import photo
from lgrnet.faces.drawing.camera import PIVOT, Pose, project, rotation
from lgrnet.faces.drawing.canvas import Canvas, Overlay
from lgrnet.faces.drawing.raster import (
    FAR,
    Fragments,
    face_texture_buffer,
    rasterise,
    vertex_normals,
)
from lgrnet.faces.drawing.shade import Lighting, Surface, shade_image
from lgrnet.faces.head.rig import SDM49_OF_68
from lgrnet.faces.motion.expression import Expression, drawn_marks, pose_vertices
from lgrnet.faces.person.identity import Identity, Studio
from lgrnet.faces.person.strain import compression
from lgrnet.faces.scene.light import cast_shadow
from runtime.align import ALIGNED_SIZE, alignment_matrix, transform

_REFERENCE_DENSITY = 27.6
"""Pixels per cm at which blur widths and bump strength were tuned."""

_SQUEEZED = 0.15
"""Share of its length that skin must lose to fold most of the way."""


_FINDER_SHIFT = 30.0  # pixels of the aligned image
_FINDER_SIZE = 0.3  # logarithm
_FINDER_TURN = 6.0  # degrees


@dataclass(frozen=True, eq=False)
class Render:
    """A picture before the camera's flaws.

    Attributes:
        linear: (H, W, 3) float32, linear RGB.
        covered: (H, W) bool, where the head is.
        landmarks: (49, 2) float64, pixels of the picture.
        hidden: (H, W) bool, where an overlay that the person does not wear was drawn.
    """

    linear: np.ndarray
    covered: np.ndarray
    landmarks: np.ndarray
    hidden: np.ndarray


def aligned_placement(
    rng: np.random.Generator | None = None, noise: float = 0.0
) -> Callable[[np.ndarray], np.ndarray]:
    """Place the face as the aligner would: straight into the 200 × 200 aligned image.

    Args:
        rng: Source of randomness for the noise.
        noise: Standard deviation of the error of the landmarks that the aligner works from,
            relative to the inter-ocular distance.

    Returns:
        A function from landmarks (49, 2) in any unit to the (2, 3) matrix to pixels.
    """

    def place(landmarks: np.ndarray) -> np.ndarray:
        seen = landmarks
        if rng is not None and noise > 0:
            span = np.linalg.norm(landmarks[19:25].mean(0) - landmarks[25:31].mean(0))
            seen = landmarks + rng.normal(0, noise * span, landmarks.shape)
        return alignment_matrix(seen)

    return place


def fixed_placement(matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Place the face by a given (2, 3) matrix, wherever its landmarks are."""
    return lambda _: matrix


def found_placement(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Place the face as a face finder's box would, before any landmark is known.

    A network that has seen only well-aligned faces takes a hairline for brows when the first box
    is too large, and following its landmarks leads further away.

    Args:
        rng: Source of randomness.

    Returns:
        As of :func:`aligned_placement`; off by up to 30 pixels, a third in size and some degrees.
    """
    middle = (ALIGNED_SIZE - 1) / 2
    shift = rng.uniform(-_FINDER_SHIFT, _FINDER_SHIFT, 2)
    size = np.exp(rng.uniform(-_FINDER_SIZE, _FINDER_SIZE))
    turn = np.deg2rad(rng.normal(0, _FINDER_TURN))
    linear = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

    def place(landmarks: np.ndarray) -> np.ndarray:
        moved = linear @ alignment_matrix(landmarks)
        moved[:, 2] += middle + shift - linear @ (middle, middle)
        return moved

    return place


def render(
    studio: Studio,
    person: Identity,
    expression: Expression,
    pose: Pose,
    light: Lighting,
    background: np.ndarray,
    place: Callable[[np.ndarray], np.ndarray],
    supersample: float = 1.5,
    overlays: Sequence[Overlay] = (),
) -> Render:
    """Render a head.

    Args:
        studio: The rig and what is derived from it.
        person: Who.
        expression: What the face does.
        pose: Where the head is.
        light: What shines on it.
        background: (H, W, 3) float32, linear RGB; gives the size of the picture.
        place: Takes projected landmarks (49, 2) to the (2, 3) matrix, projection → pixels.
        supersample: Render at this scale and shrink.
        overlays: What is drawn over the head, beside what the person always wears.

    Returns:
        The picture and its landmarks.
    """
    height, width = background.shape[:2]
    rows, columns = round(height * supersample), round(width * supersample)
    bare = pose_vertices(studio, person, expression)
    triangles = studio.rig.triangles
    lifted = bare + vertex_normals(bare, triangles) * person.skin.hair_shell[:, None]
    turn = pose.rotation()
    positions = np.ascontiguousarray((lifted - PIVOT) @ turn.T, dtype=np.float32)
    projected = project(positions, pose)
    corners = studio.rig.landmarks68[SDM49_OF_68]
    matrix = place(projected[corners, :2].astype(np.float64))
    landmarks = transform(projected[corners, :2].astype(np.float64), matrix)

    screen = projected.copy()
    # Pixel centres lie at whole numbers in OpenCV's convention, at halves in the rasteriser's.
    screen[:, :2] = (transform(projected[:, :2], matrix) + 0.5) * supersample
    fragments = rasterise(screen, triangles, rows, columns, True)
    density = np.sqrt(abs(np.linalg.det(matrix[:, :2]))) * supersample  # pixels per cm
    image = cv2.resize(background, (columns, rows), interpolation=cv2.INTER_LINEAR)
    _shade(studio, person, expression, pose, light, bare, positions, fragments, density, image)
    finer = matrix * supersample
    finer[:, 2] += 0.5 * (supersample - 1)
    canvas = Canvas(image, fragments.depth, bare, studio.rig, pose, light, finer, density)
    for overlay in person.overlays:
        overlay.draw(canvas)
    bare_image = image.copy() if overlays else image
    for overlay in overlays:
        overlay.draw(canvas)

    def shrink(mask: np.ndarray) -> np.ndarray:
        small = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
        return small.astype(bool)

    return Render(
        linear=cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA),
        covered=shrink(fragments.triangle >= 0),
        landmarks=landmarks,
        hidden=shrink((image != bare_image).any(2)),
    )


def photograph(rng: np.random.Generator, picture: Render) -> np.ndarray:
    """Take a photo of a render: random exposure and all the camera's flaws; (H, W, 3) BGR uint8."""
    # Some cameras expose for the face, others for the whole picture, whatever the skin's tone.
    metered = picture.covered if rng.random() < 0.5 else np.ones_like(picture.covered)
    gain = photo.meter(picture.linear, metered, target=rng.uniform(0.28, 0.66))
    return photo.spoil(rng, photo.develop(picture.linear, gain))


def portrait(picture: Render) -> np.ndarray:
    """Develop a render without flaws; (H, W, 3) BGR uint8."""
    gain = photo.meter(picture.linear, picture.covered, target=0.5)
    return photo.to_bgr8(photo.develop(picture.linear, gain))


def blank(size: int = ALIGNED_SIZE, brightness: float = 0.15) -> np.ndarray:
    """Return a plain grey background, (size, size, 3) float32, linear."""
    return np.full((size, size, 3), brightness, np.float32)


def _shade(
    studio: Studio, person: Identity, expression: Expression, pose: Pose, light: Lighting,
    bare: np.ndarray, positions: np.ndarray, fragments: Fragments, density: float,
    image: np.ndarray,
) -> None:  # fmt: skip
    """Shade the fragments into the image in place."""
    rig, skin = studio.rig, person.skin
    squeeze = compression(person.vertices, bare, studio.skin_triangles, rig.uv)
    drawn = drawn_marks(studio, person, expression)
    texel, heights = face_texture_buffer(
        *(fragments, rig.triangles, rig.part, rig.uv, skin.pores + person.grooves.at_rest),
        *(person.grooves.lines, person.grooves.folds, np.tanh(squeeze / _SQUEEZED)),
        *(person.grooves.marks, drawn),
    )

    zoom = density / _REFERENCE_DENSITY
    filled = np.where(fragments.depth < FAR, fragments.depth, pose.distance + 12)
    filled = filled.astype(np.float32)
    near = cv2.GaussianBlur(filled, (0, 0), max(2.5 * zoom, 0.3))
    rows, columns = filled.shape
    small = cv2.resize(filled, (columns // 4, rows // 4), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(1.75 * zoom, 0.3))
    wide = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)

    turn = pose.rotation()
    gaze = turn @ (rotation(expression.gaze[0], -expression.gaze[1], 0) @ np.array([0, 0, 1.0]))
    eyes = np.zeros((2, 7))
    eyes[:, :3] = (person.eye_centres - PIVOT) @ turn.T
    eyes[:, 3:6] = gaze
    eyes[:, 6] = person.eye_radii
    surface = Surface(
        triangles=rig.triangles,
        part=rig.part,
        positions=positions,
        normals=vertex_normals(positions, rig.triangles),
        occlusion=rig.occlusion,
        colour=skin.colour,
        albedo=skin.albedo,
        gloss=skin.gloss,
        roughness=skin.roughness,
        mark_light=person.grooves.mark_light,
        drawn=drawn,
        iris=person.complexion.iris,
        pupil=person.pupil,
        eyes=eyes,
        rotation=turn,
    )
    shadow = cast_shadow(positions, studio.shadow_casters, light)
    shade_image(
        image, fragments, surface, texel, heights, near, wide, 1.1 * zoom, light, shadow
    )  # fmt: skip
