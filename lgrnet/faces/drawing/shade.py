"""Pixels to light: the shading of skin, eyes, teeth and hair, in one fused kernel.

Diffuse light wraps around the terminator, more for red, as light does under skin; one key light
casts shadows through a depth map; a sky-like ambient term is dimmed by baked and screen-space
occlusion; specular is Blinn-Phong with a Fresnel rim.
"""

from math import atan2, sin, sqrt
from typing import NamedTuple

import numba
import numpy as np

from lgrnet.faces.drawing.raster import NO_HEIGHT, Fragments

SHADOW_SIZE = 192
"""Side of the shadow map, pixels."""

SHADOW_EXTENT = 30.0
"""What the shadow map covers, cm."""

_DITHER = np.random.default_rng(9).random((64, 64)) - 0.5  # breaks up the shadow map's steps


class Surface(NamedTuple):
    """The mesh and its materials.

    Attributes:
        triangles: (T, 3) int32.
        part: (T,) uint8, :class:`lgrnet.faces.head.rig.Part`.
        positions: (V, 3) float32, cm, in view axes.
        normals: (V, 3) float32, unit, in view axes.
        occlusion: (V,) float32 in [0, 1].
        colour: (V, 3) float32, linear reflectance off the face's texture.
        albedo: (S, S, 3) float32, linear reflectance of the face.
        gloss: (S, S) float32, specular strength of the face.
        roughness: (S, S) float32 in (0, 1), how far the face's highlight spreads.
        mark_light: (S, S) float32, by what share the marks of muscles catch more light.
        drawn: (V,) float32, how far those marks are drawn.
        iris: (3,) float64, sRGB.
        pupil: Pupil radius over iris radius.
        eyes: (2, 7) float64: centre, gaze direction, radius of each eyeball, view axes, cm.
        rotation: (3, 3) float64, head → view axes.
    """

    triangles: np.ndarray
    part: np.ndarray
    positions: np.ndarray
    normals: np.ndarray
    occlusion: np.ndarray
    colour: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    roughness: np.ndarray
    mark_light: np.ndarray
    drawn: np.ndarray
    iris: np.ndarray
    pupil: float
    eyes: np.ndarray
    rotation: np.ndarray


class Lighting(NamedTuple):
    """Light of one picture; directions are unit vectors towards the light, view axes.

    Attributes:
        key_direction: (3,).
        key: (3,) linear RGB.
        ambient: (3,) linear RGB.
        fill_direction: (3,).
        fill: (3,) linear RGB.
    """

    key_direction: np.ndarray
    key: np.ndarray
    ambient: np.ndarray
    fill_direction: np.ndarray
    fill: np.ndarray


class Shadow(NamedTuple):
    """A depth map seen from the key light.

    Attributes:
        depth: (SHADOW_SIZE, SHADOW_SIZE) float32, cm.
        right: (3,) the map's x axis.
        up: (3,) the map's y axis.
        scale: Pixels per cm.
    """

    depth: np.ndarray
    right: np.ndarray
    up: np.ndarray
    scale: float


@numba.njit(cache=True, fastmath=True)
def _step(x, low, high):
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@numba.njit(cache=True, fastmath=True)
def _mix(values, k, a, b, c, wa, wb, wc):
    return values[a, k] * wa + values[b, k] * wb + values[c, k] * wc


@numba.njit(cache=True, fastmath=True)
def _eye_colour(surface, eye, x, y, z):
    """Paint sclera, iris and pupil by the angle from the gaze axis; linear RGB."""
    e = surface.eyes[eye]
    dx, dy, dz = x - e[0], y - e[1], z - e[2]
    along = dx * e[3] + dy * e[4] + dz * e[5]
    dx, dy, dz = dx - along * e[3], dy - along * e[4], dz - along * e[5]
    off_axis = sqrt(dx * dx + dy * dy + dz * dz)
    angle = atan2(dx, dy)
    iris_radius = 0.42 * e[6]
    pupil_radius = iris_radius * surface.pupil
    streaks = 0.75 + 0.25 * sin(angle * 23 + 3 * sin(angle * 7))
    streaks *= 0.55 + 0.6 * _step(off_axis, pupil_radius, iris_radius * 0.8)
    streaks *= 1 - 0.75 * _step(off_axis, iris_radius - 0.16, iris_radius)
    white = _step(off_axis, iris_radius - 0.05, iris_radius + 0.06)
    not_pupil = _step(off_axis, pupil_radius - 0.04, pupil_radius + 0.04)
    veins = 0.05 * _step(off_axis, 0.7, 1.5)
    iris = surface.iris
    red = (0.80 * white + iris[0] * streaks * (1 - white)) * not_pupil + 0.01
    green = ((0.74 - veins) * white + iris[1] * streaks * (1 - white)) * not_pupil + 0.01
    blue = ((0.71 - veins) * white + iris[2] * streaks * (1 - white)) * not_pupil + 0.01
    return red**2.2, green**2.2, blue**2.2


@numba.njit(cache=True, fastmath=True)
def _lit(shadow, light, x, y, z, row, column, dither):
    """Return the share of the key light that reaches a point, from nine depth tests."""
    size = shadow.depth.shape[0]
    d = light.key_direction
    depth = -(x * d[0] + y * d[1] + z * d[2])
    r, u = shadow.right, shadow.up
    column_at = size / 2 + (x * r[0] + y * r[1] + z * r[2]) * shadow.scale - 0.5
    row_at = size / 2 - (x * u[0] + y * u[1] + z * u[2]) * shadow.scale - 0.5
    column_at += dither[row & 63, column & 63] * 1.2
    row_at += dither[(row + 17) & 63, (column + 31) & 63] * 1.2
    lit = 0.0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            i = min(max(int(column_at + dx * 0.8 + 0.5), 0), size - 1)
            j = min(max(int(row_at + dy * 0.8 + 0.5), 0), size - 1)
            if depth < shadow.depth[j, i] + 0.25:
                lit += 1
    return lit / 9


@numba.njit(cache=True, fastmath=True)
def shade(image, fragments, surface, texel, heights, near, wide, bump, light, shadow, dither):
    """Shade every covered pixel of an image in place.

    Args:
        image: (H, W, 3) float32, linear RGB; holds the background before.
        fragments: :class:`lgrnet.faces.drawing.raster.Fragments`.
        surface: :class:`Surface`.
        texel: (H, W, 2) float32, place in the face texture.
        heights: (H, W) float32, bump height.
        near: (H, W) float32, depth blurred a little, for occlusion.
        wide: (H, W) float32, depth blurred more.
        bump: Strength of the bump.
        light: :class:`Lighting`.
        shadow: :class:`Shadow`.
        dither: (64, 64) in [-0.5, 0.5).
    """
    rows, columns = fragments.triangle.shape
    key_d, fill_d, rotation = light.key_direction, light.fill_direction, surface.rotation
    hx, hy, hz = key_d[0], key_d[1], key_d[2] + 1  # half vector, the viewer at +z
    h_length = sqrt(hx * hx + hy * hy + hz * hz)
    hx, hy, hz = hx / h_length, hy / h_length, hz / h_length
    reflectance = np.zeros(3)
    for y in range(rows):
        for x in range(columns):
            t = fragments.triangle[y, x]
            if t < 0:
                continue
            part = surface.part[t]
            a, b, c = surface.triangles[t, 0], surface.triangles[t, 1], surface.triangles[t, 2]
            wa, wb = fragments.weights[y, x, 0], fragments.weights[y, x, 1]
            wc = 1 - wa - wb
            nx = _mix(surface.normals, 0, a, b, c, wa, wb, wc)
            ny = _mix(surface.normals, 1, a, b, c, wa, wb, wc)
            nz = _mix(surface.normals, 2, a, b, c, wa, wb, wc)
            px = _mix(surface.positions, 0, a, b, c, wa, wb, wc)
            py = _mix(surface.positions, 1, a, b, c, wa, wb, wc)
            pz = _mix(surface.positions, 2, a, b, c, wa, wb, wc)
            open_sky = (
                surface.occlusion[a] * wa + surface.occlusion[b] * wb + surface.occlusion[c] * wc
            )
            gloss, shininess, lidded = 0.3, 18.0, 1.0

            if part == 0:
                u, v = texel[y, x, 0], texel[y, x, 1]
                i, j = int(u), int(v)
                fu, fv = u - i, v - j
                for k in range(3):
                    upper = surface.albedo[j, i, k] * (1 - fu) + surface.albedo[j, i + 1, k] * fu
                    lower = (
                        surface.albedo[j + 1, i, k] * (1 - fu)
                        + surface.albedo[j + 1, i + 1, k] * fu
                    )
                    reflectance[k] = upper * (1 - fv) + lower * fv
                lift = surface.drawn[a] * wa + surface.drawn[b] * wb + surface.drawn[c] * wc
                if lift > 0.02:
                    caught = max(1 + lift * surface.mark_light[j, i], 0.4)
                    for k in range(3):
                        reflectance[k] *= caught
                gloss = surface.gloss[j, i]
                # A Blinn-Phong exponent that spreads as a microfacet lobe of this roughness.
                shininess = 2 / surface.roughness[j, i] ** 4 - 2
                if 0 < x < columns - 1 and 0 < y < rows - 1:
                    west, east = heights[y, x - 1], heights[y, x + 1]
                    north, south = heights[y - 1, x], heights[y + 1, x]
                    if min(min(west, east), min(north, south)) > NO_HEIGHT + 1:
                        nx -= bump * (east - west) * 0.5
                        ny += bump * (south - north) * 0.5
            else:
                for k in range(3):
                    reflectance[k] = _mix(surface.colour, k, a, b, c, wa, wb, wc)

            length = sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / length, ny / length, nz / length
            if part == 6 or part == 7:
                red, green, blue = _eye_colour(surface, part - 6, px, py, pz)
                reflectance[0], reflectance[1], reflectance[2] = red, green, blue
                gloss, shininess = 1.6, 160.0
                # Brow, upper lid and lashes shade the upper part of the eyeball.
                e = surface.eyes[part - 6]
                up = ((px - e[0]) * rotation[0, 1] + (py - e[1]) * rotation[1, 1]) / e[6]
                up += (pz - e[2]) * rotation[2, 1] / e[6]
                lidded = 1 - 0.6 * _step(up, -0.15, 0.40)
                open_sky = min(max(open_sky * 1.15, 0.25), 1.0) * lidded
            elif part == 5:
                gloss, shininess = 0.8, 60.0
            if part == 2 or part == 4 or part == 5:
                # The deeper in the mouth, the less light: depth along the head's own axis.
                forward = px * rotation[0, 2] + py * rotation[1, 2] + pz * rotation[2, 2]
                open_sky *= min(max(forward / 8.5 + 0.22, 0.16), 0.9) ** 1.5
            hidden = min(max((fragments.depth[y, x] - near[y, x]) * 0.55, 0.0), 0.35)
            hidden += min(max((fragments.depth[y, x] - wide[y, x]) * 0.55, 0.0), 0.35)
            open_sky *= max(1 - hidden, 0.25)

            lit = _lit(shadow, light, px + nx * 0.12, py + ny * 0.12, pz + nz * 0.12, y, x, dither)
            lit *= lidded
            facing = nx * key_d[0] + ny * key_d[1] + nz * key_d[2]
            fill = nx * fill_d[0] + ny * fill_d[1] + nz * fill_d[2]
            fill = min(max(fill * 0.5 + 0.5, 0.0), 1.0)
            sky = 0.62 + 0.38 * ny
            rim = 1 - min(max(nz, 0.0), 1.0)
            fresnel = 0.04 + 0.5 * rim * rim * rim * rim * rim
            highlight = 0.0
            if facing > 0:
                half = min(max(nx * hx + ny * hy + nz * hz, 0.0), 1.0)
                highlight = half**shininess * (shininess + 8) / 25 * 0.10 * lit
            specular = gloss * (highlight + fresnel * 0.25 * open_sky)
            for k in range(3):
                wrap, glow = 0.0, 0.0
                if part < 4:
                    wrap = 0.38 if k == 0 else (0.18 if k == 1 else 0.12)
                if part < 2:
                    glow = 0.12 if k == 0 else (0.06 if k == 1 else 0.048)
                diffuse = min(max((facing + wrap) / (1 + wrap), 0.0), 1.0) * (glow + lit * 0.9)
                image[y, x, k] = reflectance[k] * (
                    light.key[k] * diffuse
                    + (light.ambient[k] * sky + light.fill[k] * fill) * open_sky
                ) + specular * 0.5 * (light.key[k] + light.ambient[k])


def shade_image(
    image: np.ndarray, fragments: Fragments, surface: Surface, texel: np.ndarray,
    heights: np.ndarray, near: np.ndarray, wide: np.ndarray, bump: float, light: Lighting,
    shadow: Shadow,
) -> None:  # fmt: skip
    """Call :func:`shade` with the fixed dither pattern; the arguments are the same."""
    shade(image, fragments, surface, texel, heights, near, wide, bump, light, shadow, _DITHER)
