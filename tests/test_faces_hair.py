from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest

from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.drawing.raster import FAR
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.hair import STYLES, sample_hair
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.person.skin import sample_complexion
from lgrnet.faces.render import aligned_placement, blank, render
from lgrnet.faces.scene.light import STUDIO

GREEN = np.array([0.0, 1.0, 0.0])
LONG = {"bob", "long straight", "long wavy"}


def hair(style="side part", **changes):
    """Return plain hair of a style: green, dense, without chance in its measures."""
    cut = STYLES[style]
    found = replace(
        sample_hair(np.random.default_rng(1), person_colours(1)),
        style=style,
        colour=0.4 * GREEN,
        streaks=0.4 * GREEN,
        hairline=9.0,
        recession=0.0,
        density=1.2,
        top=np.mean(cut.top),
        side=np.mean(cut.side),
        height=np.mean(cut.height),
        fringe=np.nan,
        frame=4.0,
        wave=np.mean(cut.wave),
        gloss=0.0,
        part=0.0,
        sweep=0.0,
    )
    return replace(found, **changes)


def person_colours(seed, **changes):
    return replace(sample_complexion(np.random.default_rng(seed)), **changes)


class Canvases:
    """An overlay that keeps the canvas from before and after another one."""

    def __init__(self, overlay, prepare=lambda canvas: None):
        self.overlay, self.prepare = overlay, prepare

    def draw(self, canvas):
        self.prepare(canvas)
        self.before, self.depth = canvas.image.copy(), canvas.depth.copy()
        self.overlay.draw(canvas)
        self.canvas = canvas

    @property
    def greener(self):
        """(H, W) bool: where the picture is green, as neither skin nor background is."""
        return self.canvas.image[..., 1] > 1.1 * self.canvas.image[..., 0] + 0.005


@cache
def bald_person(studio):
    person = make_identity(studio, 4)
    skin = replace(person.skin, hair_shell=np.zeros_like(person.skin.hair_shell))
    return replace(person, skin=skin, overlays=())


def drawn(studio, overlay, pose=None, light=STUDIO, prepare=lambda canvas: None, zoom=1.0):
    """Draw hair on a bald head; a ``zoom`` below 1 shows all of it."""
    kept = Canvases(overlay, prepare)

    def place(landmarks):
        matrix = aligned_placement()(landmarks) * zoom
        matrix[:, 2] += 100 * (1 - zoom)
        return matrix

    render(
        *(studio, bald_person(studio), Expression(), pose or Pose()),
        *(light, blank(), place),
        overlays=[kept],
    )
    return kept


def row_of(canvas, landmark, lift=0.0):
    return canvas.see(canvas.anatomy[[landmark]] + np.array([0, lift, 0]))[0, 1]


@pytest.mark.parametrize("style", STYLES)
def test_the_same_hair_gives_the_same_picture_and_another_seed_another(toy_studio, style):
    first, again = (drawn(toy_studio, hair(style)).canvas.image for _ in range(2))
    other = drawn(toy_studio, hair(style, seed=7)).canvas.image
    np.testing.assert_array_equal(first, again)
    assert np.isfinite(first).all()
    assert (first >= 0).all()
    assert np.abs(first - other).max() > 0.05


@pytest.mark.parametrize("pose", [Pose(), Pose(0.75), Pose(-0.4, 0.4), Pose(0, -0.4)])
@pytest.mark.parametrize("style", STYLES)
def test_every_style_covers_the_head_and_leaves_the_face(any_studio, style, pose):
    kept = drawn(any_studio, hair(style), pose, zoom=0.55)
    assert kept.greener.sum() > 500
    points = kept.canvas.see(kept.canvas.anatomy)
    corners = points[[36, 39, 42, 45, 30, 48, 54, 57]]  # eyes, nose and mouth
    for x, y, depth in corners:
        around = np.s_[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
        face = np.abs(kept.depth[around] - depth) < 0.5  # neither turned away nor a gap
        assert not kept.greener[around][face].any()


@pytest.mark.parametrize("height", [5.2, 7.0])
def test_a_fringe_ends_where_it_is_cut(toy_studio, height):
    kept = drawn(toy_studio, hair("crop", fringe=height))
    middle = round(kept.canvas.see(kept.canvas.anatomy[[27]])[0, 0])
    rows = np.flatnonzero(kept.greener[:, middle - 25 : middle + 25].any(1))
    # The forehead of the toy lies 10.9 cm before its middle.
    cut = kept.canvas.see(np.array([[0, height, 11.3]]))[0, 1]
    assert rows.max() == pytest.approx(cut, abs=1.2 * kept.canvas.density)


def test_only_long_hair_hangs_beside_the_neck(toy_studio):
    def below_the_jaw(style):
        kept = drawn(toy_studio, hair(style), zoom=0.7)
        row = round(row_of(kept.canvas, 8, 1.0))
        middle = kept.greener.shape[1] // 2
        low = kept.greener[row : row + 20]
        return low[:, :middle].sum(), low[:, middle:].sum()

    for style in STYLES:
        left, right = below_the_jaw(style)
        if style in LONG:
            assert min(left, right) > 150, style
        elif max(STYLES[style].top) < 12:
            assert left + right == 0, style


def test_nothing_is_drawn_behind_something_nearer(toy_studio):
    def wall(canvas):
        canvas.depth[:, :150] = 5.0

    kept = drawn(toy_studio, hair("long straight"), prepare=wall, zoom=0.7)
    assert not kept.greener[:, :150].any()
    assert kept.greener[:, 150:].sum() > 2000


def test_hair_hides_what_is_drawn_behind_it_later(toy_studio):
    kept = drawn(toy_studio, hair("long straight"), zoom=0.7)
    lower = kept.canvas.depth < kept.depth
    assert lower[kept.greener].mean() > 0.5
    assert not (kept.canvas.depth > kept.depth).any()
    off_head = lower & (kept.depth == FAR)
    assert off_head.sum() > 2000
    assert kept.canvas.depth[off_head].max() < 100  # the head is 70 cm away


def test_colours_follow_the_light(toy_studio):
    half = STUDIO._replace(key=STUDIO.key / 2, ambient=STUDIO.ambient / 2, fill=STUDIO.fill / 2)
    dark = STUDIO._replace(key=STUDIO.key * 0, ambient=STUDIO.ambient * 0 + 1e-9, fill=np.zeros(3))
    full, dim, none = (
        drawn(toy_studio, hair(gloss=1.0), light=light) for light in (STUDIO, half, dark)
    )
    solid = full.canvas.depth < full.depth
    assert solid.sum() > 500
    black = full.greener & (none.canvas.image.max(-1) < 1e-3)
    assert black.sum() > 500  # where hair is opaque nothing shines in the dark
    np.testing.assert_allclose(
        dim.canvas.image[black], full.canvas.image[black] / 2, rtol=0.02, atol=2e-3
    )


def test_a_highlight_is_the_colour_of_the_light(toy_studio):
    dull, glossy = (drawn(toy_studio, hair("slick", gloss=g)).canvas.image for g in (0.0, 1.5))
    gain = glossy - dull
    assert gain.min() > -1e-4
    assert gain[..., 0].max() > 0.005  # green hair that shines is not green there


def test_a_fringe_throws_its_shadow_away_from_the_light(toy_studio):
    def shaded(*towards):
        light = STUDIO._replace(key_direction=np.array(towards))
        kept = drawn(toy_studio, hair("crop", fringe=7.0), light=light)
        brightness = kept.canvas.image.sum(-1) / kept.before.sum(-1)
        dim = (brightness < 0.93) & ~kept.greener & (kept.depth < FAR)
        brows, cut = row_of(kept.canvas, 19, -1.0), row_of(kept.canvas, 19, 1.5)
        assert dim[round(brows) :, 100:200].sum() == 0
        return dim[round(cut) : round(brows)].sum()

    assert shaded(0, 0.6, 0.8) > 200
    assert shaded(0, 0.6, 0.8) > 1.3 * shaded(0, -0.6, 0.8)


def test_a_shaven_head_stays_as_it_is(toy_studio):
    kept = drawn(toy_studio, hair("buzz", density=1e-6))
    np.testing.assert_array_equal(kept.canvas.image, kept.before)


def test_hair_grows_on_the_crown_and_recedes_from_the_temples():
    young, old, bald = hair(), hair(recession=2.5), hair(recession=7.0)
    assert young.cover(np.array(0.0), np.array(14.0), np.array(0.0)) == pytest.approx(1)
    assert young.cover(np.array(0.0), np.array(1.0), np.array(12.0)) == 0  # nose
    assert young.cover(np.array(8.0), np.array(2.0), np.array(1.0)) == 0  # ear

    def line(person, x, z):
        y = np.linspace(6, 14, 400)
        return y[np.argmax(person.cover(x, y, z) > 0.5)]

    middle = line(old, 0.0, 8.0) - line(young, 0.0, 8.0)
    temple = line(old, 4.5, 7.0) - line(young, 4.5, 7.0)
    assert 0.3 < middle < temple
    assert bald.cover(np.array(0.0), np.array(14.0), np.array(0.0)) == 0
    assert bald.cover(np.array(7.5), np.array(8.0), np.array(0.0)) > 0.9  # the rim


def test_sampled_hair_is_a_persons_own():
    for seed in range(40):
        colours = person_colours(seed)
        one, two = (sample_hair(np.random.default_rng(seed), colours) for _ in range(2))
        for field in fields(one):
            np.testing.assert_equal(getattr(one, field.name), getattr(two, field.name))
        assert one.hairline == colours.hairline
        assert ((one.colour > 0) & (one.colour < 1)).all()
        assert one.recession >= 6 or not colours.bald


def test_long_hair_is_more_common_if_not_masculine():
    rng = np.random.default_rng(3)

    def share(masculine):
        colours = person_colours(0, masculine=masculine, bald=False)
        return np.mean([sample_hair(rng, colours).style in LONG for _ in range(300)])

    assert share(True) < 0.1
    assert share(False) > 0.45
