from dataclasses import replace

import numpy as np
import pytest
import toy_rig

from lgrnet.faces.head.rig import Part
from lgrnet.faces.motion.action_units import AU_SHAPES, FACE_AUS, PRESENT_FROM
from lgrnet.faces.motion.expression import Expression, pose_vertices, sample_expression
from lgrnet.faces.person.identity import make_identity

ALL = Expression(dict.fromkeys(FACE_AUS, 0.7), {"jawLeft": 0.2, "eyeBlink": 1.0}, {}, (0.3, -0.2))


@pytest.fixture(scope="module")
def person(any_studio):
    return make_identity(any_studio, 4)


@pytest.fixture
def moved(any_studio, person):
    """Return how the 68 landmarks move from rest, (68, 3) cm."""

    def measure(expression):
        landmarks = any_studio.rig.landmarks68
        rest = pose_vertices(any_studio, person, Expression())
        return (pose_vertices(any_studio, person, expression) - rest)[landmarks]

    return measure


def test_au1_raises_the_inner_brows(moved):
    up = moved(Expression({1: 1.0}))[:, 1]
    assert min(up[21], up[22]) > 0.2
    assert max(up[17], up[26]) < 0.5 * min(up[21], up[22])


def test_au2_raises_the_outer_brows(moved):
    up = moved(Expression({2: 1.0}))[:, 1]
    assert min(up[18], up[25]) > 0.3
    assert max(up[21], up[22]) < 0.5 * min(up[18], up[25])


def test_au6_raises_the_cheeks_and_au7_the_lower_lids(any_studio, person):
    rig = any_studio.rig
    if "cheekRaiser_L" not in rig.shapes or "eyeSquint_L" not in rig.shapes:
        pytest.skip("the toy rig raises no cheeks")
    lids = rig.landmarks68[[40, 41, 46, 47]]
    rest = pose_vertices(any_studio, person, Expression())
    below = rest[lids] - (0, 2.0, 0)  # two centimetres under the lids is the cheek
    face = rig.vertices_of(Part.FACE)
    distance = np.linalg.norm(rest[face][:, None] - below[None], axis=2)
    cheeks = face[distance.argmin(0)]

    def rise(au, where):
        return (pose_vertices(any_studio, person, Expression({au: 1.0})) - rest)[where, 1].mean()

    assert rise(6, cheeks) > 1.5 * rise(6, lids)
    assert rise(6, cheeks) > 1.5 * rise(7, cheeks)
    assert rise(7, lids) > rise(7, cheeks)


def test_au12_draws_the_mouth_corners_up_and_out(moved):
    change = moved(Expression({12: 1.0}))
    assert change[48, 0] < -0.2
    assert change[54, 0] > 0.2
    assert min(change[48, 1], change[54, 1]) > 0.3


def test_au26_drops_the_lower_lip_and_leaves_the_upper(moved):
    up = moved(Expression({26: 1.0}))[:, 1]
    assert up[57] < -0.5
    assert up[8] < -0.3
    assert abs(up[51]) < 0.2 * abs(up[57])


def test_au25_parts_the_lips(moved):
    change = moved(Expression({25: 1.0}))
    assert change[62, 1] - change[66, 1] > 0.3


def test_movement_grows_with_intensity(moved):
    half, full = (moved(Expression({12: share})) for share in (0.5, 1.0))
    np.testing.assert_allclose(2 * half[48:60], full[48:60], atol=1e-4)


def test_a_lean_weakens_one_side_and_leaves_the_other(moved):
    even = np.linalg.norm(moved(Expression({12: 1.0}))[[54, 48]], axis=1)
    for lean, strong in ((0.5, 0), (-0.5, 1)):
        change = moved(Expression({12: 1.0}, lean={"mouthSmile": lean}))
        sides = np.linalg.norm(change[[54, 48]], axis=1)
        assert sides[strong] == pytest.approx(even[strong], rel=0.05)
        assert sides[1 - strong] == pytest.approx(even[1 - strong] / 2, rel=0.1)


def test_raised_cheeks_and_tight_lids_leave_the_eyes_open(any_studio, person):
    def opening(expression):
        points = pose_vertices(any_studio, person, expression)[any_studio.rig.landmarks68]
        return (points[[37, 38], 1] - points[[41, 40], 1]).mean()

    rest = opening(Expression())
    assert opening(Expression({6: 1.0, 7: 1.0})) > 0.2 * rest
    assert opening(Expression({6: 1.0, 7: 1.0, 43: 1.0})) < 0.15 * rest


def test_eyeballs_turn_in_place(any_studio, person):
    vertices = pose_vertices(any_studio, person, ALL)
    for eye, ball in enumerate(any_studio.eyeballs):
        centre = person.eye_centres[eye]
        rest = np.linalg.norm(person.vertices[ball] - centre, axis=1)
        np.testing.assert_allclose(np.linalg.norm(vertices[ball] - centre, axis=1), rest, atol=1e-4)
        assert np.abs(vertices[ball] - person.vertices[ball]).max() > 0.1


def test_toy_eyeballs_stay_on_their_sphere(toy_studio):
    person = make_identity(toy_studio, 4)
    np.testing.assert_allclose(person.eye_radii, toy_rig.EYE_RADIUS, atol=0.005)
    vertices = pose_vertices(toy_studio, person, ALL)
    for eye, ball in enumerate(toy_studio.eyeballs):
        away = np.linalg.norm(vertices[ball] - person.eye_centres[eye], axis=1)
        np.testing.assert_allclose(away, toy_rig.EYE_RADIUS, atol=0.02)


@pytest.mark.parametrize(("gaze", "axis"), [((0.4, 0.0), 0), ((0.0, 0.4), 1)])
def test_the_gaze_turns_right_and_up(any_studio, person, gaze, axis):
    vertices = pose_vertices(any_studio, person, Expression(gaze=gaze))
    for ball in any_studio.eyeballs:
        front = ball[person.vertices[ball, 2].argmax()]
        assert vertices[front, axis] - person.vertices[front, axis] > 0.3


@pytest.mark.parametrize("expression", [Expression(), ALL, Expression({7: 1.0}, gaze=(0.0, -0.5))])
def test_lids_stay_outside_the_eyeball(any_studio, person, expression):
    vertices = pose_vertices(any_studio, person, expression)
    for eye, lid in enumerate(any_studio.lids):
        assert len(lid) > 10
        away = vertices[lid] - person.eye_centres[eye]
        front = away[:, 2] > 0.3 * person.eye_radii[eye]
        assert np.linalg.norm(away[front], axis=1).min() > person.eye_radii[eye] + 0.09


def test_the_upper_lid_closes(moved):
    up = moved(Expression(extra={"eyeBlink": 1.0}))[:, 1]
    assert max(up[[37, 38, 43, 44]]) < -0.2
    assert np.abs(up[[40, 41, 46, 47]]).max() < 0.3


def test_people_rest_with_closed_lips(any_studio):
    inner = any_studio.rig.landmarks68[[61, 62, 63, 67, 66, 65]]
    for seed in range(3):
        y = make_identity(any_studio, seed).vertices[inner, 1]
        assert (y[:3] - y[3:]).mean() == pytest.approx(0.02, abs=1e-4)


def test_a_seed_fixes_the_person(toy_studio):
    one, same, other = (make_identity(toy_studio, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.vertices, same.vertices)
    np.testing.assert_array_equal(one.skin.albedo, same.skin.albedo)
    assert np.abs(one.vertices - other.vertices).max() > 0.1
    assert one.skin.albedo.min() >= 0
    assert one.skin.albedo.max() <= 1


def test_gain_scales_what_a_muscle_does(any_studio, person):
    row = any_studio.rig.shapes["jawOpen"]
    gain = person.gain.copy()
    gain[row] *= 0.5
    weaker = replace(person, gain=gain)
    chin = any_studio.rig.landmarks68[8]
    rest, full, half = (
        pose_vertices(any_studio, who, Expression(extra={"jawOpen": weight}))[chin]
        for who, weight in ((person, 0.0), (person, 0.4), (weaker, 0.4))
    )
    np.testing.assert_allclose(full - rest, 2 * (half - rest), atol=1e-4)


def test_sampled_expressions_keep_the_labels():
    rng = np.random.default_rng(0)
    labelled = {6: 0.5, 12: 0.9}
    drawn = [sample_expression(rng, labelled) for _ in range(200)]
    assert all(expression.intensity.items() >= labelled.items() for expression in drawn)
    assert any(expression.extra for expression in drawn)
    assert max(max(e.extra.values(), default=0) for e in drawn) <= 0.3


def test_a_blink_is_labelled_as_closed_eyes():
    rng = np.random.default_rng(0)
    blinks = [sample_expression(rng, {43: 0.5}).intensity for _ in range(500)]
    assert {tuple(each) for each in blinks} == {(43,)}
    assert 0.03 < np.mean([each[43] > 0.5 for each in blinks]) < 0.09
    assert min(each[43] for each in blinks) == 0.5
    assert all(43 not in sample_expression(rng, {5: 0.5}).intensity for _ in range(200))


def test_a_smile_for_the_camera_keeps_the_eyes_open_and_is_no_other_au():
    rng = np.random.default_rng(2)
    smiles = [sample_expression(rng, {6: 0.8, 12: 0.8}) for _ in range(600)]
    posed = [each for each in smiles if "eyeWide" in each.extra]
    assert 0.34 < len(posed) / len(smiles) < 0.46
    assert all(-0.7 * 0.8 <= each.extra["eyeSquint"] <= 0 for each in posed)
    # AU 5 shows from PRESENT_FROM on.
    assert max(each.extra["eyeWide"] for each in posed) < PRESENT_FROM * AU_SHAPES[5]["eyeWide"]
    assert all({*each.intensity} <= {6, 12, 43} for each in smiles)
    others = [sample_expression(rng, {4: 0.8}) for _ in range(200)]
    assert not any("eyeWide" in each.extra for each in others)


def test_a_fifth_look_down_and_the_others_ahead():
    rng = np.random.default_rng(3)
    up = np.array([sample_expression(rng, {}).gaze[1] for _ in range(2000)])
    down = up < -0.35  # 3.5 deviations of a gaze that is not lowered
    assert 0.2 * 0.15 / 0.35 * 0.7 < down.mean() < 0.2 * 0.15 / 0.35 * 1.3
    assert up.min() >= -0.5
    assert abs(np.median(up[up > -0.1])) < 0.03
