"""Muscles draw on the skin over them, and only there, as far as they act."""

from dataclasses import replace

import numpy as np
import pytest
from test_faces_render import scene

from lgrnet.faces.motion.action_units import MARKS
from lgrnet.faces.motion.expression import Expression, drawn_marks
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.person.marks import CHIN, GLABELLA, MOUTH_CORNER
from lgrnet.faces.render import portrait, render


@pytest.fixture
def person(any_studio):
    return make_identity(any_studio, 8)


def shown(studio, person, intensity):
    """Return where the marks change the picture of an expression, and its landmarks."""
    flat = replace(
        person,
        grooves=replace(
            person.grooves, marks=0 * person.grooves.marks, mark_light=0 * person.grooves.mark_light
        ),
    )
    pictures = [render(studio, who, *scene(Expression(intensity))) for who in (person, flat)]
    change = np.abs(np.subtract(*(portrait(each).astype(float) for each in pictures))).max(2)
    return change, pictures[0].landmarks


def test_no_skin_belongs_to_two_parts(any_studio):
    assert set(any_studio.parts) == set(MARKS)
    total = np.sum(list(any_studio.parts.values()), axis=0)
    assert total.max() <= 1 + 1e-6
    corners = any_studio.rig.landmarks68
    assert any_studio.parts[GLABELLA][corners[27]] == 1
    assert any_studio.parts[CHIN][corners[57]] + any_studio.parts[CHIN][corners[8]] > 0.5
    assert any_studio.parts[MOUTH_CORNER][corners[[48, 54]]].min() > 0.5


@pytest.mark.parametrize(
    ("aus", "place"),
    [
        ((1, 2), lambda p: (p[:10, 0].mean(), p[:10, 1].min() - 10)),
        ((4,), lambda p: p[[4, 5]].mean(0)),
        ((14,), lambda p: p[31] - (5, 0)),
        ((14,), lambda p: p[37] + (5, 0)),
        ((17,), lambda p: (p[40, 0], p[40, 1] + 12)),
    ],
    ids=["forehead", "between the brows", "right of the mouth", "left of the mouth", "chin"],
)
def test_marks_show_where_the_muscle_is(any_studio, person, aus, place):
    change, landmarks = shown(any_studio, person, dict.fromkeys(aus, 1.0))
    row, column = np.mgrid[: change.shape[0], : change.shape[1]]
    x, y = place(landmarks)
    far = np.hypot(column - x, row - y)
    assert change[far < 12].max() > 8
    assert change[far < 12].mean() > 2 * change[far > 60].mean()


def test_a_frown_does_not_furrow_the_forehead(any_studio, person):
    change, landmarks = shown(any_studio, person, {4: 1.0})
    # Nothing but the foot of the soft bulge of the brows' heads.
    assert change[: int(landmarks[:10, 1].min()) - 12].max() <= 5
    # Nor do its folds, which the strain of the skin decides over, and which once did.
    smooth = replace(person, grooves=replace(person.grooves, folds=0 * person.grooves.folds))
    folded = [
        portrait(render(any_studio, who, *scene(Expression({4: 1.0})))).astype(float)[
            : int(landmarks[:10, 1].min()) - 12
        ]
        for who in (person, smooth)
    ]
    assert np.abs(folded[0] - folded[1]).max() <= 5


def test_a_face_at_rest_shows_none(any_studio, person):
    assert shown(any_studio, person, {})[0].max() == 0
    assert not drawn_marks(any_studio, person, Expression({5: 1.0, 7: 1.0, 26: 1.0, 43: 1.0})).any()


def test_one_side_can_act_alone(any_studio, person):
    rig, part = any_studio.rig, any_studio.parts[MOUTH_CORNER]
    left, right = (
        side & (part > 0.9) for side in (rig.vertices[:, 0] > 1, rig.vertices[:, 0] < -1)
    )
    both = drawn_marks(any_studio, person, Expression({14: 0.6}))
    gain = {side: person.gain[rig.shapes[f"mouthDimple_{side}"]] for side in "LR"}
    np.testing.assert_allclose(both[left], 0.6 * gain["L"] * part[left], rtol=1e-5)
    np.testing.assert_allclose(both[right], 0.6 * gain["R"] * part[right], rtol=1e-5)
    one = drawn_marks(any_studio, person, Expression({14: 0.6}, lean={"mouthDimple": -1.0}))
    assert one[left].max() == 0
    np.testing.assert_array_equal(one[right], both[right])


def test_people_differ_and_old_skin_furrows_deeper(any_studio):
    def forehead(seed, depth):
        rng = np.random.default_rng(seed)
        marks = any_studio.wrinkles.person(rng, depth, 0.5).marks
        brows = any_studio.chart.landmarks[17:27, 1].min() - 0.06 * any_studio.chart.brow_span
        return -marks[: int(brows)].min()

    young, old = (np.array([forehead(seed, depth) for seed in range(8)]) for depth in (0.2, 3.0))
    np.testing.assert_allclose(old / young, (0.6 + 0.5 * 3.0) / (0.6 + 0.5 * 0.2), rtol=1e-3)
    assert young.std() / young.mean() > 0.3
